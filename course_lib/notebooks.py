"""Chapters as files: finding, reading, checking, executing and cleaning notebooks.

Nothing here knows what a chapter is about.
"""

import ast
import json
import os
import re
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checks import check_choice

PRESETS = ("smoke", "laptop", "gpu")
COMPARE = ("core", "all")
CELL_SECONDS = {"smoke": 120, "laptop": 600, "gpu": None}  # the limit for one cell
RECORD_MIME = "application/vnd.course.record+json"
WIDGET_MIME = "application/vnd.jupyter.widget-state+json"
VIEW_MIME = "application/vnd.jupyter.widget-view+json"
_MACHINE_PATH = re.compile(
    r"(?<![\w.+/])(?:/(?:home|root|Users|tmp|work|private|var/folders)/|[A-Z]:\\+Users\\)[^\"'\s]*"
)


def root() -> Path:
    """The folder that holds ``notebooks/``: COURSE_ROOT, else the nearest one above here or above this package.

    Raises ValueError when there is none.
    """
    if chosen := os.environ.get("COURSE_ROOT"):
        candidates = [Path(chosen)]
    else:
        candidates = [folder for start in (Path.cwd(), Path(__file__).parent) for folder in (start, *start.parents)]
    for folder in candidates:
        if (folder / "notebooks" / "claims.toml").exists():
            return folder
    where = f"COURSE_ROOT is {chosen!r}, which" if chosen else "no folder above here or above the package"
    raise ValueError(
        f"{where} holds no notebooks/claims.toml; run inside a checkout of the course or set COURSE_ROOT to it"
    )


@dataclass(frozen=True)
class Chapter:
    """A numbered notebook, e.g. number "21" of ``notebooks/3_video/21_temporal_order.ipynb``."""

    number: str
    path: Path

    @property
    def title(self) -> str:
        """The first heading of the notebook."""
        for cell in read(self.path).cells:
            if cell.cell_type == "markdown" and (heading := re.search(r"^#\s+(.+)$", cell.source, re.MULTILINE)):
                return heading[1].strip()
        return self.path.stem

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that ``overrides`` may change: the laptop section of ``course_lib/presets/<number>.toml``."""
        return preset_file(self.number).get("laptop", {})

    @property
    def parameters(self) -> dict[str, Any]:
        """Names and defaults of the cell tagged ``parameters``; empty where there is none."""
        return parameters(read(self.path))


def chapters() -> dict[str, Chapter]:
    """All chapters by number, in order."""
    found = [p for p in (root() / "notebooks").rglob("[0-9][0-9]_*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    return {path.name[:2]: Chapter(path.name[:2], path) for path in sorted(found, key=lambda path: path.name)}


def find(name: str) -> Chapter:
    """The chapter called ``name``: its number ("21", "0"), its file name or its path. Raises ValueError otherwise."""
    known = chapters()
    for chapter in known.values():
        if name in (chapter.number, chapter.number.lstrip("0") or "0", chapter.path.stem, chapter.path.name):
            return chapter
        if Path(name).suffix == ".ipynb" and Path(name).resolve() == chapter.path.resolve():
            return chapter
    return known[check_choice("chapter", name, known)]


def preset_file(number: str) -> dict[str, dict[str, Any]]:
    """The parsed ``course_lib/presets/<number>.toml`` of a chapter; empty where the chapter has none."""
    path = root() / "course_lib" / "presets" / f"{number}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


# ---------------------------------------------------------------- reading and writing


def read(path: Path | str):
    """A notebook file as an nbformat 4 node. Raises ValueError naming the file when it is not a notebook."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, KeyError) as error:
        raise ValueError(f"{path} is not a readable notebook: {error}") from None


def write(notebook, path: Path) -> Path:
    """Write a notebook in one move: either the whole file is there or the old one still is."""
    import nbformat

    return write_text(nbformat.writes(notebook) + "\n", path)


def write_text(text: str, path: Path) -> Path:
    """Write ``text`` to ``path`` in one move (a temporary file beside it, then a rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def has_tag(cell, tag: str) -> bool:
    return tag in cell.get("metadata", {}).get("tags", [])


def code_cells(notebook) -> list:
    """The code cells that hold any code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


# ---------------------------------------------------------------- parameters


def parameters(notebook) -> dict[str, Any]:
    """Names and default values in the cell tagged ``parameters`` (assignments of literals)."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and has_tag(cell, "parameters"):
            for node in ast.parse(cell.source).body:
                match node:
                    case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value) if value:
                        found[name] = ast.literal_eval(value)
    return found


def literal(text: str) -> Any:
    """``"3"`` → 3, ``"true"`` → True, ``"[1, 2]"`` → [1, 2]; text that is no Python literal stays text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def check_parameters(chapter: Chapter, given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` as parameters of a chapter; names of its preset file's settings are moved into ``overrides``.

    Raises ValueError, naming what is allowed, for an unknown name or value, or for a type other than the default's.
    """
    defaults, settings = chapter.parameters, chapter.settings
    checked: dict[str, Any] = {}
    overrides = dict(defaults.get("overrides", {}))
    for name, value in given.items():
        if name == "overrides" and name in defaults:
            overrides.update(_check_type(name, value, {"steps": 100}))
        elif name in defaults:
            checked[name] = _check_type(name, value, defaults[name])
        elif "overrides" in defaults and name in settings:
            overrides[name] = value
        else:
            known = f"parameters: {', '.join(defaults) or 'none'}"
            known += f"; settings: {', '.join(settings)}" if settings and "overrides" in defaults else ""
            raise ValueError(f"parameter {name!r} is not one of chapter {chapter.number}. Allowed {known}")
    for name, value in overrides.items():
        if name not in settings:
            raise ValueError(
                f"overrides has {name!r}; chapter {chapter.number} has the settings {', '.join(settings) or 'none'}"
            )
        overrides[name] = _check_type(name, value, settings[name])
    if overrides != defaults.get("overrides", {}):
        checked["overrides"] = overrides
    for name, allowed in (("preset", PRESETS), ("compare", COMPARE)):
        if name in checked:
            check_choice(name, checked[name], allowed)
    if checked.get("seed", 0) < 0:
        raise ValueError(f"seed is {checked['seed']}; it takes an integer >= 0")
    return checked


def _check_type(name: str, value: Any, default: Any) -> Any:
    """``value`` if it is of the type of ``default`` (an integer may stand for a float)."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if default is not None and type(value) is not type(default):
        raise ValueError(
            f"{name} is {value!r} ({type(value).__name__}); it takes {type(default).__name__}, such as {default!r}"
        )
    return value


# ---------------------------------------------------------------- executing


@dataclass(frozen=True)
class Execution:
    """An executed notebook with its wall time (kernel start included) and peak memory (kernel and its children)."""

    notebook: Any
    seconds: float
    peak_mb: float


class CellError(RuntimeError):
    """A cell raised: which one, and its traceback."""


def execute(path: Path, given: Mapping[str, Any] | None = None, *, progress: bool = True, env: Mapping | None = None):
    """Execute a notebook through papermill in its own folder, in memory: nothing is written. Returns `Execution`.

    ``given`` are parameters (see `check_parameters`), ``env`` environment variables of the kernel (None removes
    one). Raises CellError when a cell fails or takes longer than `CELL_SECONDS` of its preset. When the kernel is
    idle but its reply was lost, the notebook is executed once more; stderr says so.
    """
    import papermill

    from . import kernel

    def attempt() -> Execution:
        started = time.perf_counter()
        with _PeakMemory() as memory:
            notebook = papermill.execute_notebook(
                str(path),
                None,
                engine_name=kernel.ENGINE,
                parameters=dict(given or {}),
                kernel_name="python3",
                cwd=str(path.parent),
                progress_bar=progress,
                execution_timeout=cell_seconds(path, given or {}),
                # Being interrupted at shutdown counts as an error of the kernel; those of cells are outputs.
                extra_arguments=["--log-level=CRITICAL"],
            )
        return Execution(notebook, time.perf_counter() - started, memory.peak_mb)

    with _environment(env or {}):
        try:
            try:
                return attempt()
            except kernel.LostMessageError:
                print(f"{path.name}: a message of the kernel was lost; executing it once more", file=sys.stderr)
                return attempt()
        except papermill.PapermillExecutionError as error:
            trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
            raise CellError(f"{path.name}, cell {error.exec_count}: {error.ename}: {error.evalue}\n{trace}") from None
        except TimeoutError as error:
            raise CellError(f"{path.name}: {error}") from None


def cell_seconds(path: Path, given: Mapping[str, Any]) -> int | None:
    """How long one cell may take under the preset that a run will have (see `runtime.start`); None: no limit."""
    preset = os.environ.get("COURSE_PRESET") or given.get("preset") or parameters(read(path)).get("preset")
    return CELL_SECONDS.get(preset, CELL_SECONDS["laptop"])


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}

    def apply(values):
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    apply(changes)
    try:
        yield
    finally:
        apply(before)


class _PeakMemory:
    """Largest resident memory of all child processes together, sampled five times a second, in MB."""

    def __enter__(self):
        self.peak_mb, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        import psutil

        me = psutil.Process()
        while not self._stop.wait(0.2):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue  # it ended between being listed and being asked
            self.peak_mb = max(self.peak_mb, total / 2**20)


def records(notebook) -> dict[str, Any]:
    """What an executed notebook recorded (``run.record(name, value)``), by name, last one wins."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            payload = output.get("data", {}).get(RECORD_MIME)
            if payload is not None:
                payload = json.loads(payload) if isinstance(payload, str) else payload
                found[payload["name"]] = payload["value"]
    return found


# ---------------------------------------------------------------- what is committed


def clean(notebook):
    """A copy as it is committed: counts 1…n, no timestamps, one kernel name.

    Bars that tqdm drew as widgets are dropped, with their state; bars drawn as text stay as they ended.
    """
    import copy

    notebook = copy.deepcopy(notebook)
    keep = {key: notebook.metadata[key] for key in ("widgets", "course") if key in notebook.metadata}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {
        **keep,
        "kernelspec": kernel,
        "language_info": {"name": "python", "file_extension": ".py"},
    }
    notebook.cells = [cell for cell in notebook.cells if not has_tag(cell, "injected-parameters")]
    bars = _progress_bars(notebook)
    count = 0
    for cell in notebook.cells:
        for key in ("papermill", "execution", "collapsed", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            count += bool(cell.source.strip())
            cell.execution_count = count if cell.source.strip() else None
            cell.outputs = [_settle(output, count) for output in cell.outputs if _view(output) not in bars]
    return _number_widgets(notebook)


def _number_widgets(notebook):
    """Random names of widgets replaced by numbers, in the order in which they are shown, so that diffs stay small.

    Widgets that nothing shows are dropped; links between those that are shown stay.
    """
    import nbformat

    state = notebook.metadata.get("widgets", {}).get(WIDGET_MIME, {}).get("state", {})
    mentions = {model: re.findall(r"IPY_MODEL_(\w+)", json.dumps(state[model], sort_keys=True)) for model in state}
    shown: list[str] = []
    waiting = _views(notebook)
    while waiting:
        model = waiting.pop(0)
        if model in state and model not in shown:
            shown.append(model)
            waiting += mentions[model]
    links = [model for model in state if model not in shown and set(mentions[model]) & set(shown)]
    shown += sorted(links, key=lambda model: [shown.index(m) for m in mentions[model] if m in shown])
    for model in set(state) - set(shown):
        del state[model]
    numbers = {model: f"{number:032x}" for number, model in enumerate(shown)}
    if not numbers:
        return notebook
    text = re.sub("|".join(numbers), lambda found: numbers[found[0]], nbformat.writes(notebook))
    return nbformat.reads(text, as_version=4)


def _views(notebook) -> list[str]:
    """Names of the widgets that the outputs show, in order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [name for output in outputs if (name := _view(output))]


def _view(output) -> str | None:
    """Name of the widget that an output shows."""
    return output.get("data", {}).get(VIEW_MIME, {}).get("model_id")


def _progress_bars(notebook) -> set[str]:
    """Names of the widgets in outputs that are tqdm's: a box of text, bar and text, gone or stopped by now."""
    state = notebook.metadata.get("widgets", {}).get(WIDGET_MIME, {}).get("state", {})

    def kind(name: str) -> str:
        return state.get(name, {}).get("model_name", "")

    def children(name: str) -> list[str]:
        return [child.removeprefix("IPY_MODEL_") for child in state[name]["state"].get("children", [])]

    boxes = [name for name in _views(notebook) if kind(name) == "HBoxModel"]
    tqdm = ["HTMLModel", "FloatProgressModel", "HTMLModel"]
    found = {name for name in boxes if [kind(child) for child in children(name)] == tqdm}
    # A bar that was closed has no state any more; the text beside its view tells what it was.
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = _view(output)
            if (
                name
                and name not in state
                and re.match(r".*\d+%\|.*\| \d", output.data.get("text/plain", ""), re.DOTALL)
            ):
                found.add(name)
    return found


def _settle(output, count: int):
    if output.output_type == "execute_result":
        output.execution_count = count
    if output.output_type == "stream":
        # A terminal shows only what follows the last carriage return of a line.
        lines = re.sub(r"\r+\n", "\n", output.text).split("\n")
        output.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    return output


def faults(notebook) -> list[str]:
    """Why an executed notebook must not be committed: errors, warnings, machine paths, counts, widget state."""
    found = []
    cells = code_cells(notebook)
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("the outputs are not from one clean run: execution counts are not 1…n")
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"cell {index} raised {output.ename}")
            elif output.get("name") == "stderr" and "Warning" in output.text:
                found.append(f"cell {index} warns: {output.text.strip().splitlines()[0]}")
        found += [f"cell {index} shows a path of the machine it ran on: {path}" for path in _machine_paths(cell)]
    found += [f"the metadata name a path of a machine: {path}" for path in _machine_paths(notebook.metadata)]
    return found + _widget_faults(notebook)


def _machine_paths(node) -> list[str]:
    """Absolute paths of one machine anywhere in the texts of ``node``; pictures are not text."""
    if isinstance(node, str):
        return [path[:60] for path in _MACHINE_PATH.findall(node)]
    if isinstance(node, Mapping):
        node = [value for key, value in node.items() if not key.startswith("image/")]
    return [path for child in node for path in _machine_paths(child)] if isinstance(node, list) else []


def _widget_faults(notebook) -> list[str]:
    """GitHub and nbviewer refuse a notebook whose widget metadata has no state."""
    widgets = notebook.metadata.get("widgets")
    if widgets is not None and not isinstance(widgets.get(WIDGET_MIME, {}).get("state"), dict):
        return ["metadata.widgets has no state; GitHub does not show such a notebook"]
    state = widgets[WIDGET_MIME]["state"] if widgets else {}
    return [f"widget {model} is shown but its state is not stored" for model in _views(notebook) if model not in state]


def handout(notebook):
    """A copy with the cells tagged ``solution`` withheld."""
    import nbformat

    notebook = clean(notebook)
    withheld = "*The solution is withheld in this copy.*"
    notebook.cells = [
        nbformat.v4.new_markdown_cell(withheld, metadata={"tags": ["withheld"]}) if has_tag(cell, "solution") else cell
        for cell in notebook.cells
    ]
    return notebook
