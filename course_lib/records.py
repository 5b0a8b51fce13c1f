"""Recorded runs: one JSON line per execution of a chapter in ``notebooks/records/<chapter>.jsonl``.

A line is {"chapter", "seed", "preset", "compare", "dataset", "overrides", "results": {name: value},
"claims": {id: {name: value}}, "code": hash, "machine": {"cores", "processor", "device"}, "versions": {...},
"seconds", "peak_mb"}.
"""

import hashlib
import json
import os
import platform
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock

from . import notebooks

CLAIM_PREFIX = "claim:"
VERSIONS_OF = ("torch", "torchvision", "numpy", "scikit-learn")


def path_of(chapter: str, root: Path | None = None) -> Path:
    """Where the records of a chapter are."""
    return (root or notebooks.root()) / "notebooks" / "records" / f"{chapter}.jsonl"


def record_of(
    chapter: str, parameters: dict[str, Any], run: notebooks.Execution, code: str, device: str
) -> dict[str, Any]:
    """The record of an executed chapter. ``parameters`` are the complete ones (defaults included)."""
    results, claims = results_of(run.notebook)
    return {
        "chapter": chapter,
        **{name: parameters.get(name) for name in ("seed", "preset", "compare", "dataset", "overrides")},
        "results": results,
        "claims": claims,
        "code": code,
        "machine": {"cores": cores(), "processor": processor(), "device": device},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONS_OF}},
        "seconds": round(run.seconds, 1),
        "peak_mb": round(run.peak_mb),
    }


def results_of(notebook) -> tuple[dict[str, Any], dict[str, dict[str, float]]]:
    """What an executed chapter recorded: results by name, and the values of each claim by its id."""
    found = notebooks.records(notebook)
    found.pop("cost", None)  # measured from outside, start of the kernel included
    claims = {name.removeprefix(CLAIM_PREFIX): found.pop(name) for name in list(found) if name.startswith(CLAIM_PREFIX)}
    return found, claims


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def append(record: dict[str, Any], root: Path | None = None) -> Path:
    """Add a record to its chapter's file; safe when several processes do so at once."""
    path = path_of(record["chapter"], root)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock lies outside of the project: it frees itself when its process dies, but its file stays.
    lock = Path(tempfile.gettempdir()) / f"course-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.lock"
    with FileLock(lock, timeout=60):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        notebooks.write_text(before + json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n", path)
    return path


def read(chapter: str, root: Path | None = None) -> list[dict[str, Any]]:
    """All records of a chapter, oldest first. Raises ValueError naming the file and line that is no record."""
    path = path_of(chapter, root)
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), start=1):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}, is not a record: {error}") from None
    return found


def latest(
    chapter: str, *, preset: str = "laptop", compare: str = "all", root: Path | None = None
) -> list[dict[str, Any]]:
    """One record per seed (the last) of the code, dataset and overrides that ran last, in the order of seeds."""
    runs = [r for r in read(chapter, root) if (r["preset"], r["compare"]) == (preset, compare)]
    last = runs[-1] if runs else {}
    same = [r for r in runs if all(r.get(key) == last.get(key) for key in ("code", "dataset", "overrides"))]
    by_seed = {r["seed"]: r for r in same}
    return [by_seed[seed] for seed in sorted(by_seed)]


def recorded(
    chapter: str, name: str, *, preset: str = "laptop", compare: str = "all", root: Path | None = None
) -> list[Any]:
    """What the recorded runs of a chapter found under ``name``, one value per seed; [] where there is none."""
    runs = latest(chapter, preset=preset, compare=compare, root=root)
    return [run["results"][name] for run in runs if name in run["results"]]
