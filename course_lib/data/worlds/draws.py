"""Random draws that the worlds share: one generator per purpose, so that adding a draw disturbs no other."""

import zlib

import torch

from ...checks import check_choice, check_positive

SPLITS = ("train", "test", "stills")


def stream(seed: int, *names) -> torch.Generator:
    """A CPU generator for one purpose: ``stream(0, "train", "subjects")``. Same arguments, same draws."""
    return torch.Generator().manual_seed(zlib.crc32(repr((int(seed), *names)).encode()) * 1_000_003 + int(seed))


def uniform(generator, low, high, *shape) -> torch.Tensor:
    """Uniform float32 in [low, high)."""
    return torch.rand(*shape, generator=generator) * (high - low) + low


def choice(generator, options: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` rows of ``options`` drawn with replacement."""
    return options[torch.randint(len(options), (count,), generator=generator)]


def balanced(generator, values: int, count: int) -> torch.Tensor:
    """``count`` integers in 0 … values - 1, each equally often (up to one), in random order."""
    return (torch.arange(count) % values)[torch.randperm(count, generator=generator)]


def smooth_noise(generator, videos: int, length: int, knots: int = 5) -> torch.Tensor:
    """Smooth random curves over time, (V, length), roughly standard normal at their knots."""
    knots = torch.randn(videos, 1, max(2, knots), generator=generator)
    curve = torch.nn.functional.interpolate(knots, size=length, mode="linear", align_corners=True)
    width = max(1, length // 8) | 1
    return torch.nn.functional.avg_pool1d(
        torch.nn.functional.pad(curve, (width // 2, width // 2), mode="replicate"), width, 1
    ).squeeze(1)


def hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Colours from hue, saturation and value in [0, 1], each (N,), to RGB (N, 3)."""
    sector = torch.tensor([5.0, 3.0, 1.0])
    k = (sector + hue[:, None] * 6) % 6
    return value[:, None] * (1 - saturation[:, None] * torch.minimum(k, 4 - k).clamp(0, 1))


def check_world(split, videos, length, size, splits=SPLITS, smallest=24):
    """Check the arguments that every world takes. Raises ValueError naming the bad one."""
    check_choice("split", split, splits)
    check_positive("videos", videos)
    check_positive("length", length)
    if check_positive("size", size) < smallest:
        raise ValueError(f"size is {size!r}; it takes at least {smallest} pixels")


def check_share(argument: str, value, high: float = 1.0) -> float:
    """Return ``value`` if it is a number in [0, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= high:
        raise ValueError(f"{argument} is {value!r}; it takes a number in [0, {high:g}]")
    return float(value)
