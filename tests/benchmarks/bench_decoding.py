"""Sparse clips against decoding everything: ``python tests/benchmarks/bench_decoding.py [video …]``.

Without arguments a video of 1500 frames (320×240, h264, a key frame every 50) is written and read. Each row:
reading four clips of eight frames with `course_lib.data.decode`, against the naive way (decode all frames,
then index).
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from sample_videos import decode_all, write_video

from course_lib.data import decode, probe
from course_lib.data.video import clip_indices, fit_frames


def moving_pattern(number: int) -> np.ndarray:
    """RGB (240, 320, 3) that moves, so that the encoder has something to do."""
    y, x = np.mgrid[:240, :320]
    wave = np.sin((x + 3 * number) / 17) + np.cos((y - 2 * number) / 11) + np.sin((x + y + number) / 5) / 2
    return np.repeat(((wave + 2.5) * 51).astype(np.uint8)[..., None], 3, axis=2)


def measure(function, repeats: int = 5) -> tuple[float, torch.Tensor]:
    """Median seconds of ``function()``, and its result."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds), result


def compare(path: Path, clips: int = 4, length: int = 8, size: int = 64) -> float:
    """Print one row; returns how many times faster `decode` is."""
    frames = probe(path).frames
    starts = np.linspace(0.1, 0.9, clips) * (frames - length)
    index = torch.stack([clip_indices(frames, length, start=int(s)) for s in starts])
    naive_seconds, expected = measure(lambda: fit_frames(decode_all(path)[index.flatten()], size), repeats=3)
    seconds, found = measure(lambda: decode(path, index, size))
    if not torch.equal(found.flatten(0, 1), expected):
        raise SystemExit(f"{path}: the frames differ")
    gain = naive_seconds / seconds
    print(f"{path.name:32} {frames:6} {1000 * naive_seconds:10.0f} {1000 * seconds:10.0f} {gain:8.1f}x")
    return gain


def main() -> None:
    """Measure the videos given, or one made here; exit 1 if that one is not read five times faster."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    given = parser.parse_args().videos
    torch.set_num_threads(1)
    print(f"{'video':32} {'frames':>6} {'naive, ms':>10} {'decode, ms':>10} {'gain':>9}")
    for path in given:
        compare(path)
    if not given:
        with tempfile.TemporaryDirectory() as folder:
            path = write_video(Path(folder) / "made.mp4", 1500, gop=50, picture=moving_pattern)
            sys.exit(compare(path) < 5)


if __name__ == "__main__":
    main()
