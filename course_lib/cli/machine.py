"""``course doctor``."""

from ..doctor import examine, recommend
from .console import console, table


def doctor() -> None:
    """Look at this machine (Python, memory, disk, device, versions, caches) and recommend a preset."""
    findings = examine()
    table("This machine", ["", "found", ""], [[f.name, f.found, "ok" if f.fine else f.advice] for f in findings])
    console.print(f"[bold]Recommended:[/] {recommend(findings)}", highlight=False)
