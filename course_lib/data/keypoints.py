"""Key-point tables of DeepLabCut and lightning-pose: CSV with the header rows scorer, bodyparts, coords."""

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch

_TABLE_NAMES = ("CollectedData*.csv", "keypoints.csv")


@dataclass(frozen=True)
class KeyPoints:
    """``images``: N files in the order of the table. ``joints``: float32 (N, J, 2), pixels of the stored
    image, x then y, NaN where not labelled. ``names``: the J key-points."""

    images: tuple[Path, ...]
    joints: torch.Tensor
    names: tuple[str, ...]


def find_tables(folder: Path) -> list[Path]:
    """Key-point tables in ``folder``, at most three levels down, sorted."""
    levels = ("", "*/", "*/*/", "*/*/*/")
    return sorted({f for level in levels for name in _TABLE_NAMES for f in folder.glob(level + name)})


def read_table(path: str | Path, *, joints: str = "*") -> KeyPoints:
    """Read one table; ``joints`` is a pattern that keeps some key-points ("\\*_top").

    Raises ValueError naming the file and line if it is not such a table, holds a word where a
    number belongs, or has no key-point that matches.
    """
    path = Path(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    heads = [row[0].strip().lower() for row in rows[:4]]
    if heads[1:2] == ["individuals"]:
        raise ValueError(f"{path} labels several animals (a row 'individuals'); tables of one animal can be read")
    if heads[:3] != ["scorer", "bodyparts", "coords"]:
        raise ValueError(f"{path} starts with {heads[:3]}; a key-point table starts with scorer, bodyparts, coords")
    coords = [cell.strip().lower() for cell in rows[2]]
    # Newer DeepLabCut spreads the image's path over three columns, which have no coordinate above them.
    columns = [c for c, name in enumerate(coords) if name == "x" and fnmatchcase(rows[1][c].strip(), joints)]
    if not columns:
        known = [rows[1][c].strip() for c, name in enumerate(coords) if name == "x"]
        raise ValueError(f"joints is {joints!r}; {path} has {', '.join(known)}")
    if any(coords[c + 1 : c + 2] != ["y"] for c in columns):
        raise ValueError(f"{path}: an x column is not followed by its y column")
    lead = coords.index("x")
    images, values = [], []
    for line, row in enumerate(rows[3:], start=4):
        images.append("/".join(cell.strip() for cell in row[:lead] if cell.strip()))
        try:
            values.append([[float(row[c + d] or "nan") for d in (0, 1)] for c in columns])
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, row {line}: {error}") from error
    if not images:
        raise ValueError(f"{path} labels no image")
    names = tuple(rows[1][c].strip() for c in columns)
    xy = torch.tensor(values, dtype=torch.float32)
    xy[xy.isnan().any(2)] = float("nan")  # half a label is none
    return KeyPoints(tuple(_locate(path, image) for image in images), xy, names)


def _locate(table: Path, image: str) -> Path:
    """Where a labelled image lies: its path counts from the project's folder, which may have been moved or
    cut."""
    parts = Path(image).parts
    for base in (table.parent, *list(table.parents)[1:4]):
        for first in range(len(parts) if base == table.parent else 1):
            file = base.joinpath(*parts[first:])
            if file.is_file():
                return file
    return table.parent / image
