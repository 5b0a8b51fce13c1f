"""Which videos a folder holds, and what its layout says about them: class, group, official split.

Nothing is decoded here. UCF-101, HMDB-51 and Kinetics come with split files; other folders are split by group
(one person or recording), so that no group is on both sides.
"""

import csv
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..checks import check_choice
from .keypoints import find_tables
from .video import VIDEO_SUFFIXES

OFFICIAL = ("ucf101", "hmdb51", "kinetics")
LAYOUTS = ("auto", "ucf101", "hmdb51", "kinetics", "keypoints", "classes", "flat", "frames")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

_UCF_GROUP = re.compile(r"(.*)_c\d+$")  # v_Class_g07_c03: clip 3 of group 7, one person
_TEST_EVERY = 5


@dataclass(frozen=True)
class Item:
    """One video: a file, or a folder of frame images. ``group``: videos that belong together (same
    recording)."""

    path: Path
    group: str
    label: str | None = None


def detect(folder: Path) -> str:
    """The layout of ``folder``; raises ValueError if there is no video or image in it."""
    if _ucf_lists(folder):
        return "ucf101"
    if _hmdb_lists(folder):
        return "hmdb51"
    if _kinetics_tables(folder):
        return "kinetics"
    if find_tables(folder):
        return "keypoints"
    if _videos(folder):
        return "flat"
    if any(_videos(sub) for sub in _folders(folder)):
        return "classes"
    if _frame_folders(folder):
        return "frames"
    raise ValueError(
        f"{folder} holds no videos ({', '.join(VIDEO_SUFFIXES)}) and no folders of images; known layouts: "
        f"{', '.join(LAYOUTS[1:])}"
    )


def list_videos(folder: Path, layout: str, split: str, fold: int) -> tuple[list[Item], list[Path]]:
    """The videos of one split, sorted by path, and the files that the split names but that are not there.

    Raises ValueError for a split or fold that the layout does not have, and for a split file that cannot be
    right.
    """
    if layout in OFFICIAL:
        reader = {"ucf101": _ucf101, "hmdb51": _hmdb51, "kinetics": _kinetics}[layout]
        items, missing = reader(folder, split, fold)
    else:
        items, missing = split_by_group(all_videos(folder, layout), split), []
    if not items and not missing:
        raise ValueError(f"split {split!r} of {folder} is empty (layout {layout!r})")
    return sorted(items, key=lambda item: natural(str(item.path))), missing


def all_videos(folder: Path, layout: str) -> list[Item]:
    """All videos of a folder without official splits."""
    if layout == "classes":
        return [Item(f, _group(f, folder), sub.name) for sub in _folders(folder) for f in _videos(sub, deep=True)]
    found = _frame_folders(folder) if layout == "frames" else _videos(folder, deep=True)
    return [Item(f, _group(f, folder), _ucf_class(f)) for f in found]


def split_by_group(items: list[Item], split: str) -> list[Item]:
    """About four fifths of the groups for "train", the others for "test"; the same ones every time.

    Classes are kept balanced. If there is only one group its videos are split; a single video cannot be split
    this way and is returned for either (`folders.open_folder` then splits it in time).
    """
    check_choice("split", split, ("train", "test", "all"))
    if split == "all" or len(items) == 1:
        return items
    if len({item.group for item in items}) == 1:
        items = [replace(item, group=f"{item.group}/{item.path.name}") for item in items]
    groups = {item.group: item.label or "" for item in items}
    # Sorted by a hash within each class: independent of names, and a new video moves few others.
    order = sorted(groups, key=lambda g: (groups[g], hashlib.sha256(g.encode()).hexdigest()))
    every = min(_TEST_EVERY, len(order))
    test = {group for place, group in enumerate(order) if place % every == every - 1}
    return [item for item in items if (item.group in test) == (split == "test")]


def natural(name: str) -> list:
    """Sort key in which frame_2 comes before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def images_in(folder: Path) -> list[Path]:
    """Images directly in ``folder``, in natural order."""
    return _with_suffix(folder.iterdir(), IMAGE_SUFFIXES)


def _videos(folder: Path, deep: bool = False) -> list[Path]:
    return _with_suffix(folder.rglob("*") if deep else folder.iterdir(), VIDEO_SUFFIXES)


def _with_suffix(files, suffixes) -> list[Path]:
    found = (f for f in files if f.suffix.lower() in suffixes and not f.name.startswith(".") and f.is_file())
    return sorted(found, key=lambda f: natural(str(f)))


def _folders(folder: Path) -> list[Path]:
    return sorted((f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")), key=lambda f: f.name)


def _frame_folders(folder: Path) -> list[Path]:
    if images_in(folder):
        return [folder]
    found = {f.parent for f in _with_suffix(folder.rglob("*"), IMAGE_SUFFIXES)}
    return sorted(found, key=lambda f: natural(str(f)))


def _group(path: Path, folder: Path) -> str:
    """The group in a UCF-101 name, else the video itself (relative to ``folder``: splits are equal
    everywhere)."""
    stem = path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
    match = _UCF_GROUP.fullmatch(stem)
    return match[1] if match else path.relative_to(folder).with_name(stem).as_posix() if path != folder else stem


def _ucf_class(path: Path) -> str | None:
    match = re.match(r"v_([A-Za-z]+)_g\d+_c\d+", path.name)
    return match[1] if match else None


# -- UCF-101: ucfTrainTestlist/{trainlist01.txt, testlist01.txt}, lines "Class/v_Class_g01_c01.avi 1"
# -----------


def _ucf_lists(folder: Path) -> Path | None:
    places = (folder, folder / "ucfTrainTestlist", folder.parent / "ucfTrainTestlist")
    return next((place for place in places if any(place.glob("trainlist0*.txt"))), None)


def _ucf101(folder: Path, split: str, fold: int):
    check_choice("split", split, ("train", "test", "all"))
    lists = _ucf_lists(folder)
    if lists is None:
        raise ValueError(f"{folder} has no ucfTrainTestlist/trainlist0*.txt, which layout 'ucf101' needs")
    _check_fold(fold, sorted(int(f.stem[-2:]) for f in lists.glob("trainlist0*.txt")), lists)
    roots = (folder, folder / "UCF-101", folder / "videos")
    items, missing = [], []
    for part in ("train", "test") if split == "all" else (split,):
        for name in _lines(lists / f"{part}list{fold:02d}.txt", r"(\w+/v_\w+_g\d+_c\d+)\.avi( \d+)?"):
            found = _first(root / (name[1] + end) for root in roots for end in (".avi", ".mp4", ""))
            if found is None:
                missing.append(folder / f"{name[1]}.avi")
            else:
                items.append(Item(found, _group(found, folder), name[1].split("/")[0]))
    return items, missing


# -- HMDB-51: <class>_test_split1.txt, lines "name.avi 1": 0 unused, 1 train, 2 test
# ---------------------------


def _hmdb_lists(folder: Path) -> Path | None:
    places = (folder, *_folders(folder), folder.parent / "testTrainMulti_7030_splits")
    return next((p for p in places if p.is_dir() and any(p.glob("*_test_split[123].txt"))), None)


def _hmdb51(folder: Path, split: str, fold: int):
    wanted = {"train": "1", "test": "2", "all": "012"}[check_choice("split", split, ("train", "test", "all"))]
    lists = _hmdb_lists(folder)
    if lists is None:
        raise ValueError(f"{folder} has no folder with <class>_test_split1.txt files, which layout 'hmdb51' needs")
    _check_fold(fold, sorted({int(f.stem[-1]) for f in lists.glob("*_test_split[123].txt")}), lists)
    items, missing = [], []
    for file in sorted(lists.glob(f"*_test_split{fold}.txt")):
        label = file.name.removesuffix(f"_test_split{fold}.txt")
        for line in _lines(file, r"(.+\.avi) ([012])"):
            if line[2] not in wanted:
                continue
            found = _first(root / label / line[1] for root in (folder, folder / "hmdb51_org", folder / "videos"))
            if found is None:
                missing.append(folder / label / line[1])
            else:
                items.append(Item(found, _hmdb_group(found), label))
    return items, missing


def _hmdb_group(path: Path) -> str:
    """The film that a clip was cut from: names end in six codes, e.g. _wave_f_nm_np1_fr_goo_37."""
    match = re.match(r"(.+?)_[a-z_]+_[fulh]_(cm|nm)_np\d_(fr|ba|le|ri)_(goo|med|bad)_\d+$", path.stem)
    return match[1] if match else path.stem


# -- Kinetics: a CSV with label, youtube_id, time_start, time_end, split
# ---------------------------------------

_KINETICS_COLUMNS = {"label", "youtube_id", "time_start", "time_end"}
_SPLIT_NAMES = {"validate": "val", "validation": "val"}


def _kinetics_tables(folder: Path) -> list[Path]:
    tables = sorted([*folder.glob("*.csv"), *folder.glob("annotations/*.csv")])
    return [t for t in tables if set(_header(t)) >= _KINETICS_COLUMNS]


def _header(table: Path) -> list[str]:
    with open(table, newline="", encoding="utf-8-sig", errors="replace") as file:
        return next(csv.reader(file), [])


def _kinetics(folder: Path, split: str, fold: int):
    _check_fold(fold, [1], folder)
    tables = _kinetics_tables(folder)
    if not tables:
        raise ValueError(
            f"{folder} has no CSV with the columns {sorted(_KINETICS_COLUMNS)}, as layout 'kinetics' needs"
        )
    rows = []
    for table in tables:
        with open(table, newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                if None in row.values() or not row["youtube_id"] or not row["label"]:
                    raise ValueError(f"{table}, line {number}: a value is missing: {row}")
                part = row.get("split") or table.stem
                rows.append((_SPLIT_NAMES.get(part, part), row, f"{table}, line {number}"))
    check_choice("split", split, (*sorted({part for part, _, _ in rows}), "all"))
    files = {f.stem: f for f in _videos(folder, deep=True)}
    items, missing = [], []
    for part, row, where in rows:
        if split not in (part, "all"):
            continue
        name = row["youtube_id"]
        try:
            times = f"{name}_{int(float(row['time_start'])):06d}_{int(float(row['time_end'])):06d}"
        except ValueError as error:
            raise ValueError(f"{where}: time_start and time_end take seconds ({error})") from error
        found = files.get(times) or files.get(name)
        if found is None:
            missing.append(folder / f"{times}.mp4")
        else:
            items.append(Item(found, name, row["label"]))
    return items, missing


def _check_fold(fold: int, known: list[int], where: Path) -> None:
    if fold not in known:
        raise ValueError(f"fold is {fold!r}; {where} has {', '.join(map(str, known))}")


def _lines(file: Path, pattern: str) -> list[re.Match]:
    """The lines of a split file; raises ValueError for one that does not look as it should, or none at
    all."""
    if not file.is_file():
        raise ValueError(f"the split file {file} is missing")
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(pattern, line.strip())
        if match is None:
            raise ValueError(f"{file}, line {number} is {line.strip()[:60]!r}; this is no split file of this layout")
        found.append(match)
    if not found:
        raise ValueError(f"the split file {file} is empty")
    return found


def _first(paths) -> Path | None:
    return next((p for p in paths if p.exists()), None)
