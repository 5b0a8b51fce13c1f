"""Batches of transformed clips: one gather of the frames that are shown, against a loop that cuts clip after clip."""

import random

import torch
from torch import nn

from course_lib.data.lazy import LazyClipSampler
from course_lib.data.videos import ClipSampler, VideoSet
from course_lib.methods import TemporalTransformations

from .timing import compare

VIDEOS, LENGTH, FRAMES = 7, 16, 121  # 28 clips, as in 001 §5.2.3
AIM = 5.0


def main() -> list[dict]:
    return [_row(size) for size in (32, 112)]


def _row(size: int) -> dict:
    frames = torch.randint(256, (8 * 150, 3, size, size), generator=torch.Generator().manual_seed(0))
    videos = VideoSet("noise", frames.to(torch.uint8), torch.arange(9) * 150)
    backbone = nn.Flatten()
    backbone.features = 1  # it is not called
    method = TemporalTransformations(backbone)
    lazy, whole = (kind(videos, batch=VIDEOS, length=FRAMES) for kind in (LazyClipSampler, ClipSampler))
    draws = torch.Generator().manual_seed(1)
    return compare(
        f"temporal transformations, {4 * VIDEOS} clips of {LENGTH}×{size}², against a loop over clips",
        lambda: method.pretext(lazy(draws), draws),
        lambda: loop_over_clips(whole(draws)),
        aim=AIM,
    )


def loop_over_clips(clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same batch as one would first write it: index each clip, stack them all."""
    shown, motion, speed = [], [], []
    for clip in clips:
        kappa = random.randrange(4)
        for kind, index in enumerate(_indices(kappa)):
            start = random.randrange(len(clip) - max(index))
            shown.append(clip[torch.tensor(index) + start])
            motion.append(kind)
            speed.append(kappa if kind == 0 else -1)
    return torch.stack(shown), torch.tensor(motion), torch.tensor(speed)


def _indices(kappa: int) -> list[list[int]]:
    step = 2**kappa
    turn = random.randrange(2 * step + 1, (LENGTH - 3) * step)
    whole, rest = divmod(turn, step)
    start = max(0, (LENGTH - 1 - 2 * whole) * step - rest)
    forth = [start + place * step for place in range(whole + 1)]
    back = [start + place * step + rest for place in range(whole - 1, 2 * whole - LENGTH, -1)]
    warp = [0]
    for _ in range(LENGTH - 1):
        warp.append(warp[-1] + random.randint(1, 8))
    return [[place * step for place in range(LENGTH)], random.sample(range(LENGTH), LENGTH), forth + back, warp]
