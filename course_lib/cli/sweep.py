"""``course sweep``: one chapter over a grid of parameters; one table and one figure."""

import itertools
import os
import re
import shutil
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .. import notebooks
from ..records import cores, results_of
from .chapters import run_name
from .console import Parameters, console, flatten, pairs, with_options

MOST_PANELS, MOST_SERIES = 12, 16  # of a figure that can still be read; the table has everything


def values_of(text: str) -> list[Any]:
    """``"0..4"`` → [0, 1, 2, 3, 4]; ``"a,b"`` → ["a", "b"]; one literal → a list of it."""
    if span := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        low, high = int(span[1]), int(span[2])
        if high < low:
            raise ValueError(f"range {text} runs backwards; it takes LOW..HIGH")
        return list(range(low, high + 1))
    whole = notebooks.literal(text)
    return [notebooks.literal(item) for item in text.split(",")] if isinstance(whole, (str, tuple)) else [whole]


def run_grid(jobs: list[tuple[Path, dict[str, Any]]], workers: int, env: dict[str, str | None]):
    """Execute notebooks in ``workers`` processes that share the cores; yields (index, Execution or CellError)."""
    if workers < 1:
        raise ValueError(f"workers is {workers}; it takes an integer >= 1")
    threads = str(max(1, cores() // workers))
    env = {**env, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("runs", total=len(jobs))
        for finished in _in_this_process(jobs, env) if workers == 1 else _in_processes(jobs, workers, env):
            progress.advance(task)
            yield finished


def _in_this_process(jobs, env):
    for index, (path, given) in enumerate(jobs):
        yield index, _one(path, given, env)


def _in_processes(jobs, workers: int, env):
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent) as pool:
        futures = {pool.submit(_one, path, given, env): index for index, (path, given) in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent():
    """A worker whose parent was killed would go on for hours, and its kernel with it (kernels watch their parent)."""

    def watch():
        parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(path: Path, given: dict[str, Any], env: dict[str, str | None]):
    try:
        return notebooks.execute(path, given, progress=False, env=env)
    except notebooks.CellError as error:
        return error


def sweep(
    chapter: Annotated[str, typer.Argument(metavar="CHAPTER", help="A number or a name, e.g. 21")],
    parameter: Parameters = None,
    preset: Annotated[str | None, typer.Option(help="smoke, laptop or gpu")] = None,
    workers: Annotated[int, typer.Option(help="Runs at the same time; they share the cores")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; by default runs/sweep-…")] = None,
) -> None:
    """Execute a chapter for every combination of values, e.g. -p seed 0..4 -p steps 100,400."""
    import pandas as pd

    found = notebooks.find(chapter)
    axes = {name: values_of(text) for name, text in with_options(pairs(parameter), preset).items()}
    if not any(len(values) > 1 for values in axes.values()):
        raise ValueError("sweep takes a parameter with several values, e.g. -p seed 0..4")
    grid = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    checked = [notebooks.check_parameters(found, given) for given in grid]
    folder = out or notebooks.root() / "runs" / f"sweep-{found.number}-{'-'.join(axes)}"
    folder.parent.mkdir(parents=True, exist_ok=True)

    rows: list[dict[str, Any]] = [{} for _ in grid]
    failed = []
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".sweep-") as name:
        scratch = Path(name) / "results"
        env = {"COURSE_PRESET": None} if "preset" in axes else {}
        for index, done in run_grid([(found.path, given) for given in checked], workers, env):
            if isinstance(done, notebooks.CellError):
                failed.append(f"{grid[index]}: {str(done).splitlines()[0]}")
                continue
            results, _ = results_of(done.notebook)
            rows[index] = {**grid[index], **flatten(results), "seconds": round(done.seconds, 1)}
            notebooks.write(done.notebook, scratch / f"{run_name(found, checked[index])}.ipynb")
        frame = pd.DataFrame([row for row in rows if row])
        if frame.empty:
            raise ValueError("every run failed; nothing was written\n" + "\n".join(failed))
        swept = [axis for axis, values in axes.items() if len(values) > 1]
        notebooks.write_text(frame.to_csv(index=False), scratch / "table.csv")
        draw(frame, swept, found.title).savefig(scratch / "figure.png", dpi=120)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    console.print(frame.to_string(index=False, float_format="{:.4g}".format), highlight=False, soft_wrap=True)
    console.print(f"table:  {folder / 'table.csv'}\nfigure: {folder / 'figure.png'}", soft_wrap=True, highlight=False)
    if failed:
        raise notebooks.CellError(f"{len(failed)} of {len(grid)} runs failed:\n" + "\n".join(failed))


def draw(frame, swept: list[str], title: str):
    """Every result over the first swept parameter: one panel per recorded name, its parts as series.

    Further swept parameters are told apart by mark and label. ``frame``: the pandas table of the runs. Returns a
    matplotlib Figure.
    """
    from matplotlib.figure import Figure

    panels: dict[str, list[str]] = {}
    for name in frame.select_dtypes("number"):
        if name not in (*swept, "seconds"):
            panels.setdefault(name.rpartition(".")[0] or name, []).append(name)
    panels = dict(itertools.islice(panels.items(), MOST_PANELS)) or {"seconds": ["seconds"]}
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * lines + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11)
    groups = list(frame.groupby(swept[1:])) if len(swept) > 1 else [((), frame)]
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, (panel, names) in zip(grid, panels.items(), strict=False):
        series = [(name, key, group) for name in names for key, group in groups]
        for mark, (name, key, group) in zip(itertools.cycle("os^DvP*X"), series):
            words = [name.removeprefix(f"{panel}.")] if len(names) > 1 else []
            words += [f"{n} {value}" for n, value in zip(swept[1:], key, strict=True)]
            axes.plot([str(value) for value in group[swept[0]]], group[name], mark, label=", ".join(words), alpha=0.8)
        axes.set(xlabel=swept[0], ylabel=panel if len(names) > 1 else names[0])
        if 1 < len(series) <= MOST_SERIES:
            axes.legend(fontsize=7)
    for unused in grid[len(panels) :]:
        unused.remove()
    return figure
