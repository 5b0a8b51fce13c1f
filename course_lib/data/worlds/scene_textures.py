"""Patterns for `scenes`: what fills objects and what lies behind them; and the camera. No pattern has an up or a down.

A pattern is a function of a few uniform numbers and of the place in the picture, so that it is the same at any size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .draws import hsv

NUMBERS = 12  # that a pattern takes
BACKGROUND = NUMBERS + 12  # that a background takes
GRAIN = 1 << 18  # numbers in the strip of sensor noise that pictures share
SHARP = 3.0  # how fast a pattern changes from 0 to 1


def _bricks(u, v, _):
    row = v.floor()
    along = ((u / 2 + 0.5 * (row % 2)) % 1 - 0.5).abs()
    return torch.maximum(_edge(along * 4 - 1.76), _edge((v % 1 - 0.5).abs() * 2 - 0.76))


def _zigzag(u, v, _):
    return _wave(u + 0.9 * ((v / 2 % 1) - 0.5).abs())


def _scales(u, v, _):
    row = v.floor()
    across = (u + 0.5 * (row % 2)) % 1 - 0.5
    return _edge(1.1 - 2.1 * torch.hypot(across, v % 1 - 0.2))


def _wave(u):
    return torch.sigmoid(SHARP * torch.sin(2 * math.pi * u))


def _edge(value):
    return torch.sigmoid(4 * SHARP * value)


def _line(u):
    return _edge((u % 1 - 0.5).abs() * 2 - 0.7)


def _circle(u):
    return torch.cos(2 * math.pi * u)


# name → function of (u, v, clouds): two turned coordinates that count periods, and soft noise around 0
PATTERNS: dict[str, Callable] = {
    "plain": lambda u, v, clouds: torch.zeros_like(u),
    "stripes": lambda u, v, clouds: _wave(u),
    "checks": lambda u, v, clouds: torch.sigmoid(2 * SHARP * _circle(u / 1.4) * _circle(v / 1.4)),
    "dots": lambda u, v, clouds: torch.sigmoid(SHARP * (_circle(u) + _circle(v) - 0.5)),
    "waves": lambda u, v, clouds: _wave(u + 0.35 * torch.sin(2.6 * v)),
    "bricks": _bricks,
    "blobs": lambda u, v, clouds: torch.sigmoid(SHARP * clouds),
    "rings": lambda u, v, clouds: _wave(torch.hypot(u - 1, v - 1) + 0.1 * clouds),
    "grid": lambda u, v, clouds: torch.maximum(
        _edge((u % 1 - 0.5).abs() * 2 - 0.7), _edge((v % 1 - 0.5).abs() * 2 - 0.7)
    ),
    "zigzag": _zigzag,
    "scales": _scales,
}
NAMES = tuple(PATTERNS)


def pattern(kind: torch.Tensor, numbers: torch.Tensor, size: int, periods: tuple[float, float]) -> torch.Tensor:
    """Patterns (n, 1, size, size) in [0, 1].

    kind: int64 (n,), indices into ``NAMES``. numbers: (n, NUMBERS) uniform in [0, 1]: how it is turned, scaled and
    shifted. periods: fewest and most across the picture.
    """
    place = (torch.arange(size, device=numbers.device) + 0.5) / size - 0.5
    out = numbers.new_zeros(len(numbers), size, size)
    for index, name in enumerate(NAMES):
        rows = (kind == index).nonzero().squeeze(1)
        if index and len(rows):
            n = numbers[rows, :, None, None]
            count = periods[0] + (periods[1] - periods[0]) * n[:, 1]
            cos, sin = (2 * math.pi * n[:, 0]).cos(), (2 * math.pi * n[:, 0]).sin()
            u = count * (cos * place + sin * place[:, None]) + n[:, 2]
            v = count * (cos * place[:, None] - sin * place) + n[:, 3]
            clouds = _clouds(n[:, 4:12], count, place) if name in ("blobs", "rings") else None
            out[rows] = PATTERNS[name](u, v, clouds)
    return out[:, None]


def background(numbers: torch.Tensor, size: int) -> torch.Tensor:
    """Empty pictures (n, 3, size, size) in [0, 1] from uniform numbers (n, BACKGROUND)."""
    kind, bright = background_kind(numbers), background_is_bright(numbers)
    own = numbers[:, NUMBERS:, None, None, None].unbind(1)
    place = (torch.arange(size, device=numbers.device) + 0.5) / size - 0.5
    first, second = _shade(numbers, bright, 0), _shade(numbers, bright, 3)
    ink = pattern(kind, numbers[:, :NUMBERS], size, (2.5, 6.5))
    clouds = _clouds(numbers[:, 4:12, None, None].flip(1), 1.6, place)[:, None]
    picture = first + (second - first) * (0.85 * ink + 0.15 * torch.sigmoid(2 * clouds))
    turn = 2 * math.pi * own[8]
    slope = (turn.cos() * place + turn.sin() * place[:, None]) * (0.5 * own[9])
    return (picture * (1 + slope + 0.06 * clouds)).clamp_(0.02, 0.98)


def background_kind(numbers: torch.Tensor) -> torch.Tensor:
    """Index into ``NAMES`` of each background, int64 (n,)."""
    return (numbers[:, NUMBERS + 6] * len(NAMES)).long().clamp(max=len(NAMES) - 1)


def background_is_bright(numbers: torch.Tensor) -> torch.Tensor:
    """Whether each background is bright, bool (n,); what stands before it is then dark."""
    return numbers[:, NUMBERS + 7] > 0.5


def _shade(numbers, bright, at):
    hue, saturation, value = numbers[:, NUMBERS + at : NUMBERS + at + 3].unbind(1)
    value = 0.25 * value + torch.where(bright, 0.68, 0.18)
    return hsv_on(hue, 0.55 * saturation, value)[:, :, None, None]


def hsv_on(hue, saturation, value):
    """`hsv` on the device of its arguments."""
    return hsv(hue.cpu(), saturation.cpu(), value.cpu()).to(hue.device)


def _clouds(n, count, place):
    """Soft noise around 0: four plane waves in random directions; n (N, 8, 1, 1)."""
    total = 0
    for wave in range(4):
        turn, shift = 2 * math.pi * n[:, wave], 2 * math.pi * n[:, 4 + wave]
        way = turn.cos() * place + turn.sin() * place[:, None]
        total = total + torch.sin(2 * math.pi * count * (0.6 + 0.25 * wave) * way + shift)
    return total / 2


@dataclass
class Camera:
    """Exposure, tint and sensor noise of every picture."""

    gain: torch.Tensor
    grain: torch.Tensor
    begin: torch.Tensor

    def to(self, device) -> "Camera":
        """The same on another device."""
        return Camera(*(part.to(device) for part in vars(self).values()))

    def __call__(self, picture: torch.Tensor, frames: slice) -> torch.Tensor:
        """Light and noise on drawn pictures (n, 3, size, size), float to float."""
        run = picture[0].numel()
        rows = self.grain.as_strided((len(self.grain) - run + 1, run), (1, 1))
        grain = rows.index_select(0, self.begin[frames]).view_as(picture)
        return picture * self.gain[frames, :, None, None] + grain


def camera(draw: torch.Generator, videos: int, size: int, light: float, noise: float) -> Camera:
    """Cameras of ``videos`` pictures; light and noise as in `scenes`."""
    level = 0.14 * light * torch.randn(videos, 1, generator=draw)
    level = level + 0.06 * light * torch.randn(videos, 3, generator=draw)
    run = 3 * size * size
    grain = noise * torch.randn(max(GRAIN, 2 * run), generator=draw)
    return Camera(level.exp(), grain, torch.randint(len(grain) - run, (videos,), generator=draw))
