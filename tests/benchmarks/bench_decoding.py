"""Sparse clips against decoding everything: ``python -m tests.benchmarks.bench_decoding [video …]``.

Four clips of eight frames are read with `course_lib.data.decode`, and the naive way: decode all frames, then index.
Without arguments a video of 1500 frames (320×240, h264, a key frame every 50) is written and read. Fewer key frames
leave less to gain: what is sought is decoded from the key frame before it.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit"))
from sample_videos import decode_all, write_video

from course_lib.data import decode, probe
from course_lib.data.video import clip_indices, fit_frames

from .timing import compare


def moving_pattern(number: int) -> np.ndarray:
    """RGB (240, 320, 3) that moves, so that the encoder has something to do."""
    y, x = np.mgrid[:240, :320]
    wave = np.sin((x + 3 * number) / 17) + np.cos((y - 2 * number) / 11) + np.sin((x + y + number) / 5) / 2
    return np.repeat(((wave + 2.5) * 51).astype(np.uint8)[..., None], 3, axis=2)


def row_of(path: Path, clips: int = 4, length: int = 8, size: int = 64) -> dict:
    """The comparison for one video. Raises ValueError if the two ways do not give the same frames."""
    frames = probe(path).frames
    starts = np.linspace(0.1, 0.9, clips) * (frames - length)
    index = torch.stack([clip_indices(frames, length, start=int(s)) for s in starts])

    def ours():
        return decode(path, index, size)

    def naive():
        return fit_frames(decode_all(path)[index.flatten()], size)

    if not torch.equal(ours().flatten(0, 1), naive()):
        raise ValueError(f"{path}: the frames differ")
    return compare(
        f"{clips} clips of {path.name} ({frames} frames), against decoding all", ours, naive, aim=5.0, repeats=3
    )


def main(videos: list[Path] | None = None) -> list[dict]:
    if videos:
        return [row_of(path) for path in videos]
    with tempfile.TemporaryDirectory() as folder:
        return [row_of(write_video(Path(folder) / "made.mp4", 1500, gop=50, picture=moving_pattern))]


if __name__ == "__main__":
    for row in main([Path(name) for name in sys.argv[1:]]):
        print(f"{row['name']}: {row['ratio']:.1f}x")
