"""``course render`` (execute chapters in place, as they are committed) and ``course handout``."""

from pathlib import Path
from typing import Annotated

import typer

from .. import notebooks
from ..provenance import Library, code_hash
from . import budget
from .console import Chapters, console


def is_stale(chapter: notebooks.Chapter, library: Library) -> bool:
    """Whether the stored outputs come from other code than the code that is there now."""
    stored = notebooks.read(chapter.path).metadata.get("course", {}).get("code")
    return stored != code_hash(chapter.path, library)


def render(
    chapter: Annotated[list[str] | None, typer.Argument(metavar="CHAPTER…", help="Numbers or names")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="All chapters whose outputs are out of date")] = False,
) -> None:
    """Execute chapters in place with their default parameters and store which code the outputs came from."""
    if bool(chapter) == stale:
        raise ValueError("render takes chapters, or --stale")
    library = Library(notebooks.root())
    found = [notebooks.find(name) for name in chapter or []]
    if stale:
        found = [each for each in notebooks.chapters().values() if is_stale(each, library)]
        console.print(f"{len(found)} stale: {', '.join(each.number for each in found) or 'nothing to do'}")
    for each in found:
        _render_one(each, library)


def _render_one(chapter: notebooks.Chapter, library: Library) -> None:
    console.print(f"[bold]{chapter.number}[/] {chapter.title}")
    before, code = chapter.path.read_bytes(), code_hash(chapter.path, library)
    done = notebooks.execute(chapter.path, env={"COURSE_PRESET": None})
    notebook = notebooks.clean(done.notebook)
    if faults := notebooks.faults(notebook):
        raise ValueError(f"{chapter.path.name} is left as it was:\n" + "\n".join(f"  {fault}" for fault in faults))
    if chapter.path.read_bytes() != before:
        raise ValueError(f"{chapter.path.name} was edited while it was executed; it is left as it was")
    preset = chapter.parameters.get("preset", "laptop")
    cost = {"seconds": round(done.seconds, 1), "peak_mb": round(done.peak_mb)}
    notebook.metadata["course"] = {"code": code, "preset": preset, **cost}
    budget.store(chapter.number, preset, done)
    budget.write_head(notebook, chapter.number)
    notebooks.write(notebook, chapter.path)
    console.print(f"{budget.duration(done.seconds)}, {done.peak_mb:.0f} MB at most")


def handout(
    chapter: Chapters,
    out: Annotated[Path, typer.Option(help="Folder to write to")],
) -> None:
    """Write copies of chapters in which the solutions are withheld."""
    found = [notebooks.find(name) for name in chapter]
    for each in found:
        path = notebooks.write(notebooks.handout(notebooks.read(each.path)), out / each.path.name)
        console.print(str(path), soft_wrap=True, highlight=False)
