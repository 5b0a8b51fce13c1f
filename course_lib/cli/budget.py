"""``course budget``: what each chapter costs, measured, against the limits of the course."""

import json
from typing import Annotated, Any

import typer

from .. import notebooks
from ..checks import check_choice
from ..records import cores
from .console import console, table

# Wall time in seconds (kernel start included, two CPU cores) and memory in MB that a chapter may take.
LIMITS = {"smoke": (20, 2048), "laptop": (300, 4096), "laptop, compare = all": (900, 6144)}
PARAMETERS = {
    "smoke": {"preset": "smoke"},
    "laptop": {"preset": "laptop"},
    "laptop, compare = all": {"preset": "laptop", "compare": "all"},
}


def path():
    return notebooks.root() / "notebooks" / "records" / "budget.json"


def read() -> dict[str, dict[str, Any]]:
    """Measured costs: chapter → preset → {"seconds", "peak_mb", "cores"}."""
    return json.loads(path().read_text(encoding="utf-8")) if path().exists() else {}


def store(number: str, preset: str, done: notebooks.Execution, workers: int = 1) -> None:
    """Keep what an execution took; ``workers`` executions shared the cores."""
    measured = read()
    share = max(1, cores() // workers)
    cost = {"seconds": round(done.seconds, 1), "peak_mb": round(done.peak_mb), "cores": share}
    measured.setdefault(number, {})[preset] = cost
    notebooks.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n", path())


def duration(seconds: float) -> str:
    """``130`` → "2 min 10 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def write_head(notebook, number: str) -> None:
    """Put the measured costs into the cell tagged ``budget``."""
    measured = read().get(number, {})
    rows = ["| preset | time | memory |", "|---|---|---|"]
    for preset in LIMITS:
        if cost := measured.get(preset):
            time = f"{duration(cost['seconds'])} on {cost['cores']} CPU core{'s' * (cost['cores'] != 1)}"
            rows.append(f"| {preset} | {time} | {cost['peak_mb'] / 1024:.1f} GB |")
    for cell in notebook.cells:
        if notebooks.has_tag(cell, "budget"):
            cell.source = "\n".join(["**Time and memory, measured**", "", *rows])


def budget(
    chapter: Annotated[list[str] | None, typer.Argument(metavar="CHAPTER…", help="By default all")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also the laptop preset with compare = all")] = False,
    only: Annotated[str, typer.Option(metavar="PRESET", help="Measure this preset only: smoke or laptop")] = "",
) -> None:
    """Measure chapters in the smoke and laptop presets and compare with the limits."""
    presets = [check_choice("only", only, ("smoke", "laptop"))] if only else list(LIMITS)[: 3 if everything else 2]
    found = [notebooks.find(name) for name in chapter] if chapter else list(notebooks.chapters().values())
    for each in found:
        for preset in presets:
            console.print(f"[bold]{each.number}[/] {preset}")
            given = {name: value for name, value in PARAMETERS[preset].items() if name in each.parameters}
            store(each.number, preset, notebooks.execute(each.path, given, env={"COURSE_PRESET": None}))
    measured, rows, over = read(), [], 0
    for each in found:
        for preset, cost in measured[each.number].items():
            seconds, memory = LIMITS[preset]
            exceeds = cost["seconds"] > seconds or cost["peak_mb"] > memory
            over += exceeds
            took, most = f"{duration(cost['seconds'])} of {duration(seconds)}", f"{cost['peak_mb']} of {memory}"
            rows.append([each.number, preset, took, most, "over the limit" if exceeds else "within"])
    table(f"Costs on {cores()} CPU cores", ["", "preset", "time", "memory [MB]", ""], rows)
    if over:
        raise typer.Exit(1)
