"""Batches of pretext tasks, made at once, against a loop over samples with torchvision's transforms, as in a dataset
class: read uint8 frames, turn them into floats, change tiles, frames or clips one by one, stack.

Settings of the laptop presets of chapters 22 and 23, and the sizes of the seeds. A loop costs a fixed time for every
tile, frame or clip that it changes: hence the aim of 5 where those are many and small. At the sizes of the seeds nearly
all time goes into the pixels (the floats of 28 clips of 16 × 112² are 67 MB), which both sides must write: no aim there
but to be no slower.
"""

import random

import torch
from torch import nn
from torchvision.transforms import v2

from course_lib.data import ClipSampler, FrameSampler, VideoSet
from course_lib.data.lazy import LazyClipSampler
from course_lib.methods import SpatialPermutation, TemporalPermutation, TemporalTransformations
from course_lib.models import SmallAlexNet
from course_lib.transforms import Augmentation, maximal_hamming_set

from .timing import compare

COLOURS = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3}
LENGTH, SPAN = 16, 121  # frames of a transformed clip, and of the video it is taken from (001 §5.2.3)


def main() -> list[dict]:
    return [
        tiles(32, 48, 14, aim=5.0),
        tiles(8, 255, 75, aim=1.0),
        frames(16, 6, 48, aim=5.0),
        clips(7, 24, aim=2.0),
        clips(7, 112, aim=1.0),
    ]


def tiles(batch: int, size: int, tile: int, *, aim: float) -> dict:
    """Spatial permutations: nine tiles of each picture, each cropped and recoloured by itself, shuffled."""
    store = noise(64, size)
    orders = maximal_hamming_set(24, 9, torch.Generator().manual_seed(0))
    augment = Augmentation((0.8, 1), **COLOURS, mode="frame")
    task = SpatialPermutation(SmallAlexNet(4, 8, image_size=size), orders, tile=tile, augment=augment, normalise=False)
    sampler = FrameSampler(store, torch.zeros(64), batch=batch)
    change, cell, rows = both(tile), size // 3, orders.tolist()

    def sample():
        picture, number = store.frames[random.randrange(64)].float() / 255, random.randrange(len(rows))
        shown = []
        for place in rows[number]:
            y, x = (part * cell + random.randint(0, cell - tile) for part in divmod(place, 3))
            shown.append(change(picture[:, y : y + tile, x : x + tile]))
        return torch.stack(shown), number

    name = f"spatial permutations, {batch} pictures of 9 tiles of {tile}², against a loop over tiles"
    return row(name, lambda draws: task.pretext(sampler(draws)[0], draws), lambda: loop(sample, batch), aim)


def frames(batch: int, length: int, size: int, *, aim: float) -> dict:
    """Temporal permutations: real and shuffled, each frame cropped and recoloured by itself."""
    store = noise(256, size)
    augment = Augmentation((0.9, 1), **COLOURS, mode="frame")
    task = TemporalPermutation(SmallAlexNet(4, 8, image_size=size), augment=augment)
    sampler = ClipSampler(store, batch=batch, length=length)
    change = both(size, 0.81)

    def sample():
        start, label = random.randrange(256 - length), random.randrange(2)
        clip = store.frames[start : start + length].float() / 255
        order = range(length) if label else random.sample(range(length), length)
        return torch.stack([change(clip[frame]) for frame in order]), label

    name = f"temporal permutations, {2 * batch} clips of {length}×{size}², against a loop over frames"
    return row(name, lambda draws: task.pretext(sampler(draws), draws), lambda: loop(sample, 2 * batch), aim)


def clips(videos: int, size: int, *, aim: float) -> dict:
    """Temporal transformations: four versions of each video, cropped and mirrored clip by clip."""
    store = noise(1200, size)
    backbone = nn.Flatten()
    backbone.features = 1  # it is not called
    task = TemporalTransformations(backbone, augment=Augmentation((0.9, 1), flip=0.5))
    sampler = LazyClipSampler(store, batch=videos, length=SPAN)
    crop = v2.RandomResizedCrop(size, scale=(0.81, 1), ratio=(1, 1), antialias=False)
    change = v2.Compose([crop, v2.RandomHorizontalFlip(0.5)])

    def sample():
        first, kappa, shown = random.randrange(1200 - SPAN), random.randrange(4), []
        for index in indices(kappa):
            start = first + random.randrange(SPAN - max(index))
            shown.append(change(store.frames[torch.tensor(index) + start].float() / 255))
        return torch.stack(shown), kappa

    name = f"temporal transformations, {4 * videos} clips of {LENGTH}×{size}², against a loop over clips"
    return row(name, lambda draws: task.pretext(sampler(draws), draws), lambda: loop(sample, videos), aim)


def indices(kappa: int) -> list[list[int]]:
    """Frames of the four versions: speed, random, periodic, warp (001 §5.2.1)."""
    step = 2**kappa
    whole, rest = divmod(random.randrange(2 * step + 1, (LENGTH - 3) * step), step)
    start = max(0, (LENGTH - 1 - 2 * whole) * step - rest)
    forth = [start + place * step for place in range(whole + 1)]
    back = [start + place * step + rest for place in range(whole - 1, 2 * whole - LENGTH, -1)]
    warp = [0]
    for _ in range(LENGTH - 1):
        warp.append(warp[-1] + random.randint(1, 8))
    return [[place * step for place in range(LENGTH)], random.sample(range(LENGTH), LENGTH), forth + back, warp]


def noise(count: int, size: int) -> VideoSet:
    """One video of ``count`` frames."""
    frames = torch.randint(256, (count, 3, size, size), generator=torch.Generator().manual_seed(0))
    return VideoSet("noise", frames.to(torch.uint8), torch.tensor([0, count]))


def both(size: int, area: float = 0.64):
    """torchvision's crop and colours for one picture."""
    crop = v2.RandomResizedCrop(size, scale=(area, 1), ratio=(1, 1), antialias=False)
    return v2.Compose([crop, v2.ColorJitter(**COLOURS)])


def loop(sample, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``count`` samples one by one, stacked as a data loader does."""
    inputs, labels = zip(*(sample() for _ in range(count)), strict=True)
    return torch.stack(inputs), torch.tensor(labels)


def row(name: str, batch, looped, aim: float) -> dict:
    draws = torch.Generator().manual_seed(1)
    sizes = [found[0].numel() for found in (batch(draws), looped())]
    if sizes[0] != sizes[1]:
        raise ValueError(f"{name}: the two make batches of {sizes} numbers")
    return compare(name, lambda: batch(draws), looped, aim=aim, repeats=15)
