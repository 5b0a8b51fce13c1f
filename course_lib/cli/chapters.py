"""``course list`` and ``course run``."""

import copy
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import notebooks
from ..claims import Ledger
from ..provenance import Library
from ..records import results_of
from . import budget
from .console import Chapters, Parameters, console, flatten, pairs, table, with_options
from .rendering import is_stale


def list_chapters() -> None:
    """List the chapters, the measured time of a laptop run, and whether the stored outputs are up to date."""
    library, measured = Library(notebooks.root()), budget.read()
    rows = []
    for chapter in notebooks.chapters().values():
        laptop = measured.get(chapter.number, {}).get("laptop")
        took = budget.duration(laptop["seconds"]) if laptop else "not measured"
        rows.append([chapter.number, chapter.title, took, "stale" if is_stale(chapter, library) else "up to date"])
    table("Chapters", ["", "title", "laptop run", "outputs"], rows)


def run(
    chapter: Chapters,
    preset: Annotated[str | None, typer.Option(help="smoke, laptop or gpu")] = None,
    seed: Annotated[int | None, typer.Option(help="An integer >= 0")] = None,
    compare: Annotated[str | None, typer.Option(help="core or all")] = None,
    parameter: Parameters = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the executed notebooks; by default runs/")] = None,
    html: Annotated[bool, typer.Option(help="Also write each notebook as a page")] = True,
) -> None:
    """Execute chapters and keep the executed notebooks; the course's own notebooks stay as they are."""
    words = {name: notebooks.literal(value) for name, value in pairs(parameter).items()}
    found = [notebooks.find(name) for name in chapter]
    checked = [notebooks.check_parameters(c, with_options(words, preset, seed, compare)) for c in found]
    folder = out or notebooks.root() / "runs"
    for each, given in zip(found, checked, strict=True):
        console.print(f"[bold]{each.number}[/] {each.title}")
        done = notebooks.execute(each.path, given, env={"COURSE_PRESET": None} if "preset" in given else {})
        show_results(each, done.notebook)
        path = notebooks.write(done.notebook, folder / f"{run_name(each, given)}.ipynb")
        console.print(f"{budget.duration(done.seconds)}, {done.peak_mb:.0f} MB at most")
        console.print(f"notebook: {path}", soft_wrap=True, highlight=False)
        if html:
            page = notebooks.write_text(as_page(done.notebook, each.title), path.with_suffix(".html"))
            console.print(f"page:     {page}", soft_wrap=True, highlight=False)


def run_name(chapter: notebooks.Chapter, given: dict[str, Any]) -> str:
    """A file name that tells runs of a chapter apart, e.g. ``21_temporal_order-preset_smoke-seed_3``."""
    flat = {**{k: v for k, v in given.items() if k != "overrides"}, **given.get("overrides", {})}
    words = [f"{name}_{value}" for name, value in flat.items()]
    return re.sub(r"[^\w.]+", "-", "-".join([chapter.path.stem, *words]))[:120]


def show_results(chapter: notebooks.Chapter, notebook) -> None:
    """The recorded results and what the run says about each claim."""
    results, claims = results_of(notebook)
    if results:
        table("Results", ["", "value"], [[name, f"{value:.4g}"] for name, value in flatten(results).items()])
    ledger = Ledger()
    outcomes = [ledger.test(claim, values, partial=True) for claim, values in claims.items()]
    if outcomes:
        rows = [[outcome.claim.id, outcome.summary, outcome.claim.statement] for outcome in outcomes]
        table(f"Claims of chapter {chapter.number}, this run only", ["", "verdict", "claim"], rows)


def as_page(notebook, title: str) -> str:
    """An executed notebook as one HTML page that needs nothing from elsewhere to show its figures.

    Pictures come before saved widgets, whose scripts would have to be downloaded; records are for programs.
    """
    from nbconvert import HTMLExporter

    page = copy.deepcopy(notebook)
    for cell in page.cells:
        kept = [out for out in cell.get("outputs", []) if notebooks.RECORD_MIME not in out.get("data", {})]
        if "outputs" in cell:
            cell["outputs"] = kept
    exporter = HTMLExporter()
    exporter.display_data_priority = ["text/html", "image/png", "text/latex", "text/markdown", "text/plain"]
    return exporter.from_notebook_node(page, resources={"metadata": {"name": title}})[0]
