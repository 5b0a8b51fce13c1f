"""Decoded frames, kept once: one memory-mapped .npy per (folder, size, options) in the cache folder.

The first call decodes, later ones map the file in milliseconds, and a set larger than memory costs none. The
key holds every file's size and time of change, so an edited folder is decoded anew; so is a damaged cache.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .fetching import cache_root, disk_errors, locked, move_into_place, scratch

_FORMAT = 1
_SAMPLES, _SAMPLE_BYTES = 32, 1 << 15


class FrameWriter:
    """Frames of one shape, appended chunk by chunk: into memory, or into an .npy file if one is given."""

    def __init__(self, shape: tuple[int, int, int], file=None):
        self.shape, self.count, self._file, self._chunks = shape, 0, file, []
        if file is not None:
            self._header()
            self._data = file.tell()

    def append(self, frames: torch.Tensor) -> None:
        """Add frames uint8 (N, C, H, W)."""
        if tuple(frames.shape[1:]) != self.shape or frames.dtype != torch.uint8:
            raise ValueError(f"frames is {tuple(frames.shape)} {frames.dtype}; it takes uint8 (N, *{self.shape})")
        if self._file is None:
            self._chunks.append(frames)
        else:
            self._file.write(frames.contiguous().numpy().data)
        self.count += len(frames)

    def cut(self, count: int) -> None:
        """Forget all frames after the first ``count``."""
        if self._file is None:
            self._chunks = [self.frames()[:count]] if self.count else []
        else:
            self._file.seek(self._data + count * int(np.prod(self.shape)))
            self._file.truncate()
        self.count = count

    def frames(self) -> torch.Tensor:
        """What was kept in memory, uint8 (F, C, H, W)."""
        return torch.cat(self._chunks) if self._chunks else torch.empty(0, *self.shape, dtype=torch.uint8)

    def close(self) -> None:
        """Write the final header: numpy leaves room in it for the number of frames to grow."""
        self._file.seek(0)
        self._header()
        if self._file.tell() != self._data:
            raise RuntimeError("the header of the .npy file grew over its data")

    def _header(self):
        about = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, about)


def decoded_once(
    name: str,
    key: dict,
    shape: tuple[int, int, int],
    fill: Callable[[FrameWriter], dict],
    *,
    cache: bool = True,
) -> tuple[torch.Tensor, dict]:
    """Frames uint8 (F, \\*shape) that ``fill(writer)`` writes, and the JSON-able dictionary that it returns.

    With ``cache`` they are read back memory-mapped, from an earlier call with the same ``key`` if there was
    one; without, they stay in memory. The mapping is copy-on-write: writing into the tensor never changes the
    file. Raises `FetchError` if the cache cannot be written; nothing half-written is left.
    """
    if not cache:
        writer = FrameWriter(shape)
        about = fill(writer)
        return writer.frames(), about
    # The names of the files would not fit into a file name; equal keys have equal digests.
    digest = hashlib.sha256(json.dumps([_FORMAT, key, shape], sort_keys=True).encode()).hexdigest()
    target = cache_root() / "decoded" / f"{name}-{digest[:16]}"
    with locked(target):
        about = _intact(target)
        if about is None:
            with scratch(target) as temporary:
                finished = temporary / "finished"
                finished.mkdir()
                about = _write(finished, shape, fill, target)
                move_into_place(finished, target)
    return torch.from_numpy(np.load(target / "frames.npy", mmap_mode="c")), about["about"]


def clear_decoded() -> int:
    """Remove all decoded frames from the cache folder; returns the bytes that were freed."""
    folder = cache_root() / "decoded"
    freed = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return freed


def _write(folder: Path, shape, fill, target: Path) -> dict:
    with disk_errors(target):
        with open(folder / "frames.npy", "w+b") as file:
            writer = FrameWriter(shape, file)
            about = fill(writer)
            writer.close()
        record = {"count": writer.count, "check": _check(folder / "frames.npy"), "about": about}
        (folder / "about.json").write_text(json.dumps(record))
    return record


def _intact(folder: Path) -> dict | None:
    try:
        record = json.loads((folder / "about.json").read_text())
        return record if record["check"] == _check(folder / "frames.npy") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _check(path: Path) -> list[int]:
    """Size, and a checksum over samples of the whole file: reading all of a large set would cost minutes."""
    size, value = os.path.getsize(path), 0
    with open(path, "rb") as file:
        for i in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * i // (_SAMPLES - 1))
            value = zlib.crc32(file.read(_SAMPLE_BYTES), value)
    return [size, value]
