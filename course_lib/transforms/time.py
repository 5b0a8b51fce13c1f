"""Transformations of time: which frames of a video are shown, and in which order (001 §5.2.1, Fig. 5.1).

Speed skips the same number of frames everywhere, Random shuffles, Periodic turns round and plays back, Warp skips a
random number of frames each time. All four are index sequences, so they are written as such: int64 (B, length), the
frames of B videos counted from wherever in the video one likes to begin (the ρ of 001 is added by the caller), never
negative. A whole batch is built at once.
"""

import torch

from ..checks import check_choice, check_positive
from .permutations import random_permutations

TRANSFORMATIONS = ("speed", "random", "periodic", "warp")  # in the order of 001's τ = 0 … 3


def speed_index(kappa: torch.Tensor, length: int = 16) -> torch.Tensor:
    """Speed κ shows every 2^κ-th frame: [0, 2^κ, 2·2^κ, …] (001 §5.2.1, τ = 0), int64 (B, length).

    kappa: int64 (B,), >= 0; 2^κ − 1 frames are skipped each time. Raises ValueError for anything else.
    """
    kappa = _integers("kappa", kappa)
    return torch.arange(check_positive("length", length)) * (1 << kappa)[:, None]


def random_index(count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """``count`` random orders of the frames 0 … length − 1, none skipped (001 §5.2.1, τ = 1), int64 (count, length).

    The true order is left out: it would be speed 0 with a wrong label.
    """
    return random_permutations(count, length, generator)


def turn_range(kappa: int, length: int = 16) -> tuple[int, int]:
    """First and last legal turning point s of `periodic_index`: 2·2^κ < s < (length − 3)·2^κ (001 §5.2.1).

    001 says 13 for its 16 frames. Raises ValueError for a ``length`` under 7, which leaves no s between the two.
    """
    return _turns(check_positive("kappa", kappa, zero=True), length)


def periodic_index(turn: torch.Tensor, kappa: torch.Tensor, length: int = 16) -> torch.Tensor:
    """Forth to frame ``turn`` and back, at speed κ (001 §5.2.1, τ = 2), int64 (B, length), smallest number >= 0.

    With s̄ = ⌊s / 2^κ⌋ and δ = s − s̄·2^κ the frames are ρ + [0, 2^κ, …, s̄·2^κ, (s̄ − 1)·2^κ + δ, …,
    (2s̄ − length + 1)·2^κ + δ], where ρ = max(0, (length − 1 − 2s̄)·2^κ − δ) keeps the way back inside the video. Where
    δ > 0 the way back shows other frames than the way out. The text of 001 lets it end at 2s − 15·2^κ, its formula
    (used here) at 2s − δ − 15·2^κ.

    turn: s, int64 (B,). kappa: int64 (B,), >= 0. Raises ValueError for an s outside `turn_range`.
    """
    turn, kappa = _integers("turn", turn), _integers("kappa", kappa)
    if turn.shape != kappa.shape:
        raise ValueError(f"turn is {tuple(turn.shape)}, kappa {tuple(kappa.shape)}; they take one number for each clip")
    step = 1 << kappa
    first, last = _turns(kappa, length)
    wrong = (turn < first) | (turn > last)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        allowed = f"{int(first[row])} … {int(last[row])}"
        raise ValueError(f"turn is {int(turn[row])} where kappa is {int(kappa[row])}; there it takes {allowed}")
    whole, rest = turn // step, turn % step
    place = torch.arange(length)
    back = place > whole[:, None]
    steps = torch.where(back, 2 * whole[:, None] - place, place)
    start = ((length - 1 - 2 * whole) * step - rest).clamp(min=0)
    return start[:, None] + steps * step[:, None] + back * rest[:, None]


def random_turns(kappa: torch.Tensor, generator: torch.Generator, length: int = 16) -> torch.Tensor:
    """A turning point for each speed in ``kappa`` (B,), uniform over its `turn_range`, int64 (B,)."""
    kappa = _integers("kappa", kappa)
    first, last = _turns(kappa, length)
    return first + (torch.rand(len(kappa), generator=generator) * (last - first + 1)).long()


def warp_index(skips: torch.Tensor, *, literal: bool = False) -> torch.Tensor:
    """Forward, with ``skips`` frames left out before each next frame (001 §5.2.1, τ = 3), int64 (B, length).

    skips: int64 (B, length − 1), >= 0; 001 draws them from 0 … 7. As for Speed, s skipped frames are a step of
    s + 1, so steps are 1 … 8 and no frame is shown twice. 001's formula, taken literally, makes the steps themselves
    0 … 7 (``literal=True``): then 87 % of the warped clips show a frame twice in a row, which no other
    transformation does.
    """
    skips = _integers("skips", skips, dimensions=2)
    steps = skips if literal else skips + 1
    return torch.cat([steps.new_zeros(len(steps), 1), steps.cumsum(1)], 1)


def frames_needed(transformation: str, kappa: int = 0, length: int = 16) -> int:
    """How many frames a video must have for every draw of a transformation to fit.

    speed: (length − 1)·2^κ + 1. random: length, whatever κ is. periodic: (length − 3)·2^κ, reached by the earliest
    turning point. warp: as for speed, where 2^κ is its largest step (κ = 3 in 001: 121 frames).
    """
    check_choice("transformation", transformation, TRANSFORMATIONS)
    step = 1 << check_positive("kappa", kappa, zero=True)
    if transformation == "random":
        return check_positive("length", length)
    if transformation == "periodic":
        return turn_range(kappa, length)[1] + 1
    return (check_positive("length", length) - 1) * step + 1


def largest_speed(frames: int, length: int = 16, most: int = 3) -> int:
    """The largest κ <= ``most`` at which ``frames`` frames hold a clip of ``length`` (001 §5.2.3: short videos).

    Raises ValueError when not even κ = 0 fits.
    """
    if check_positive("frames", frames) < check_positive("length", length):
        raise ValueError(f"frames is {frames}; {length} frames at their own speed (kappa 0) take at least {length}")
    check_positive("most", most, zero=True)
    return max(kappa for kappa in range(most + 1) if frames_needed("speed", kappa, length) <= frames)


def _turns(kappa, length):
    """`turn_range`, for an integer or a tensor of them."""
    if check_positive("length", length) < 7:
        raise ValueError(f"length is {length}; playing forth and back takes at least 7 frames")
    return (2 << kappa) + 1, ((length - 3) << kappa) - 1


def _integers(argument: str, values, dimensions: int = 1) -> torch.Tensor:
    values = torch.as_tensor(values)
    shape = ("(B,)", "(B, length - 1)")[dimensions - 1]
    if values.ndim != dimensions or values.numel() == 0 or values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(f"{argument} is {tuple(values.shape)} {values.dtype}; it takes integers >= 0, {shape}")
    if int(values.min()) < 0:
        raise ValueError(f"{argument} holds {int(values.min())}; it takes integers >= 0")
    return values.long()
