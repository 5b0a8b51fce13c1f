"""Names → datasets. `load` gives a `VideoSet` for a world, an entry of datasets/catalogue.toml, or a folder.

Entries have one of six kinds: "world" (generated here), "installed" (inside a package that the course needs
anyway), "torchvision" (its own download), "url" (one archive or video with a sha256), "package" (data inside a
package of the Python index), "path" (a folder that you have; it is searched in the folders that the variable
COURSE_DATA lists).
"""

import inspect
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from ..checks import check_choice
from .videos import VideoSet

_FILE = Path(__file__).resolve().parents[2] / "datasets" / "catalogue.toml"
_NEEDS = {
    "world": set(),
    "installed": {"dataset"},
    "torchvision": {"dataset", "splits"},
    "url": {"url", "sha256"},
    "package": {"package", "version", "file", "sha256", "members"},
    "path": {"folders"},
}
_MADE = {"world": "generated", "installed": "read from an installed package", "torchvision": "fetched by torchvision"}
_COMMON = {"kind", "title", "card", "licence"}
_OPTIONAL = {"citation", "use", "open", "views", "members", "root", "reader"}


@dataclass(frozen=True)
class Entry:
    """One dataset. ``use`` warns of a licence that allows looking but not passing on; ``source`` holds the
    fields of its kind, ``open`` the options of `open_folder` that fit it, ``views`` named sets of more such
    options."""

    name: str
    kind: str
    title: str
    card: str
    licence: str
    citation: str = ""
    use: str = ""
    source: dict = field(default_factory=dict)
    open: dict = field(default_factory=dict)
    views: dict = field(default_factory=dict)


class Catalogue(Mapping):
    """The datasets that the course knows by name: ``catalogue["mirror_mouse"].licence``."""

    def __init__(self, entries: dict[str, Entry]):
        self._entries = entries

    @classmethod
    def read(cls, path: str | Path = _FILE) -> "Catalogue":
        """Read a catalogue file (default: datasets/catalogue.toml of the checkout).

        Raises ValueError naming the entry and field that is missing, unknown or of an unknown kind.
        """
        if not Path(path).is_file():
            raise ValueError(f"{path} is missing: datasets are known by name only in a checkout of the course")
        try:
            tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path} is not valid TOML: {error}") from error
        return cls({name: _entry(name, table, path) for name, table in tables.items()})

    def __getitem__(self, name: str) -> Entry:
        return self._entries[check_choice("name", name, tuple(self._entries))]

    def __contains__(self, name) -> bool:
        return name in self._entries

    def get(self, name, default=None) -> Entry | None:
        """The entry called ``name``, or ``default``."""
        return self._entries.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def load(
    name: str | Path,
    split: str = "train",
    size: int = 64,
    seed: int = 0,
    *,
    view: str | None = None,
    progress: bool = True,
    **options,
) -> VideoSet:
    """A dataset by name, or the videos of a folder or file by path, as a `VideoSet` of ``size`` x ``size``
    frames.

    name: a world, an entry of the catalogue (fetched on first use), a path, or a folder inside one of
    COURSE_DATA. seed matters for worlds only: real data is as it is. view: one of the entry's views
    (mirror_mouse: "both", "side", "bottom"). Other options go to the world, or to `folders.open_folder` for
    real data.

    Raises ValueError naming what is allowed for an unknown name, split, view or option; `FetchError` if data
    cannot be fetched; `VideoError` for a file that cannot be decoded.
    """
    # Without a catalogue (an installed library, no checkout) worlds and paths still work.
    catalogue = Catalogue.read() if _FILE.is_file() else Catalogue({})
    entry = catalogue.get(name)
    if entry is None and str(name) in _worlds():
        entry = Entry(str(name), "world", str(name), "", "MIT")
    if entry is None:
        folder = _find(name)
        if folder is None:
            raise ValueError(_unknown(name, catalogue))
        entry = Entry(folder.name, "path", folder.name, "", "", source={"folder": folder})
    chosen = {**entry.open, **_view(entry, view)}
    if entry.kind == "world":
        known = _worlds()
        make = known[check_choice("name", entry.name, tuple(known))]
        _check_options(entry.name, make, options)
        return make(split=split, size=size, seed=seed, **options)
    from . import openers  # knows this module's `Entry`

    opener = getattr(openers, f"open_{entry.kind}")(entry, progress)
    _check_options(entry.name, opener, options)
    return opener(split=split, size=size, progress=progress, **{**chosen, **options})


def fetch(name: str, *, progress: bool = True) -> Path:
    """The folder that holds the files of a catalogue entry, fetched and verified if it is not there yet.

    Raises ValueError for an unknown name or one that needs no fetching; `FetchError` if fetching fails.
    """
    entry = Catalogue.read()[name]
    if entry.kind in _MADE:
        raise ValueError(
            f"name is {name!r}, which is {_MADE[entry.kind]} when it is loaded; there are no files to fetch"
        )
    from .openers import files

    return files(entry, progress)


def _entry(name: str, table, path) -> Entry:
    kind = table.get("kind") if isinstance(table, dict) else None
    if kind not in _NEEDS:
        raise ValueError(f"{path}, [{name}]: kind is {kind!r}; allowed: {', '.join(_NEEDS)}")
    missing = (_COMMON | _NEEDS[kind]) - set(table)
    unknown = set(table) - _COMMON - _NEEDS[kind] - _OPTIONAL
    for problem, keys in (("misses", missing), ("has unknown", unknown)):
        if keys:
            raise ValueError(f"{path}, [{name}] {problem} {', '.join(sorted(keys))}")
    known = _COMMON | {"citation", "use", "open", "views"}
    source = {key: value for key, value in table.items() if key not in known}
    return Entry(name=name, source=source, **{key: value for key, value in table.items() if key in known})


def _worlds() -> dict:
    from . import worlds

    return {name: getattr(worlds, name) for name in worlds.__all__ if callable(getattr(worlds, name))}


def _view(entry: Entry, view: str | None) -> dict:
    if view is None:
        return {}
    if not entry.views:
        raise ValueError(f"view is {view!r}; {entry.name!r} has no views")
    return entry.views[check_choice("view", view, tuple(entry.views))]


def _check_options(name: str, function, options: dict) -> None:
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    for option in options:
        check_choice(f"option of {name!r}", option, sorted(p.name for p in parameters))


def data_folders() -> list[Path]:
    """The folders that COURSE_DATA lists (separated as in PATH), in order."""
    listed = os.environ.get("COURSE_DATA", "").split(os.pathsep)
    return [Path(part).expanduser() for part in listed if part]


def _find(name: str | Path) -> Path | None:
    candidates = [Path(name).expanduser(), *(folder / name for folder in data_folders())]
    return next((c for c in candidates if c.exists()), None) if str(name) else None


def _unknown(name, catalogue: Catalogue) -> str:
    known = [*catalogue, *(w for w in _worlds() if w not in catalogue)]
    close = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    places = ", ".join(map(str, data_folders())) or "COURSE_DATA is not set"
    return (
        f"dataset {str(name)!r} is unknown.{hint} Known: {', '.join(known)}; or the path of a folder or "
        f"video, or a folder in COURSE_DATA ({places})"
    )
