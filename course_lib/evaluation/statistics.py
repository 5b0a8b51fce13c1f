"""How sure is a number? Bootstrap intervals of means and of paired differences.

Frames of one video are not independent: with ``groups``, whole groups are drawn again, not rows.
"""

from statistics import NormalDist
from typing import NamedTuple

import torch

from ..checks import check_positive
from .arrays import as_groups


class Interval(NamedTuple):
    """A mean with the ends of its bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values, generator: torch.Generator, *, groups=None, level: float = 0.95, resamples: int = 2000
) -> Interval:
    """Mean of ``values`` (N,) with the percentile bootstrap interval at ``level``.

    values: numbers or booleans (a value per row, e.g. `ProbeResult.correct`). groups: integers (N,); rows of
    one group are drawn together. Raises ValueError for NaN, for no values and for a level outside (0, 1).
    """
    values = torch.as_tensor(values).detach().cpu().double()
    if values.ndim != 1 or len(values) == 0 or not torch.isfinite(values).all():
        raise ValueError(f"values has shape {tuple(values.shape)}; it takes finite numbers (N,), N > 0")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it takes a number in (0, 1), e.g. 0.95")
    member = as_groups("groups", groups, len(values)).unique(return_inverse=True)[1]
    count = torch.zeros(int(member.max()) + 1, dtype=torch.double)
    total = count.index_add(0, member, values)
    count = count.index_add(0, member, torch.ones_like(values))
    means = []
    for size in _pieces(check_positive("resamples", resamples), max(1, 2_000_000 // len(count))):
        drawn = torch.randint(len(count), (size, len(count)), generator=generator)
        means.append(total[drawn].sum(1) / count[drawn].sum(1))
    tail = (1 - level) / 2
    low, high = torch.cat(means).quantile(torch.tensor([tail, 1 - tail], dtype=torch.double)).tolist()
    return Interval(values.mean().item(), low, high)


def paired_bootstrap(
    a, b, generator: torch.Generator, *, groups=None, level: float = 0.95, resamples: int = 2000
) -> Interval:
    """Mean of ``a - b``, both (N,) and measured on the same rows (or seeds), with its bootstrap interval.

    ``a`` is better when the interval lies above zero. Raises ValueError when the lengths differ.
    """
    a, b = (torch.as_tensor(x).detach().cpu().double() for x in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"a has shape {tuple(a.shape)}, b {tuple(b.shape)}; paired values have one shape (N,)")
    return bootstrap_interval(a - b, generator, groups=groups, level=level, resamples=resamples)


def wilson_interval(correct: int, total: int, *, level: float = 0.95) -> Interval:
    """Accuracy ``correct / total`` with Wilson's (1927) interval for a proportion, for *independent* rows only.

    Unlike p ± z √(p (1 − p) / n) it stays inside [0, 1] and has a width at 0 and at 1. For frames of videos take
    `bootstrap_interval` with groups. Raises ValueError for counts that do not fit or a level outside (0, 1).
    """
    check_positive("total", total)
    if check_positive("correct", correct, zero=True) > total:
        raise ValueError(f"correct is {correct}; it takes an integer in 0 … total, {total}")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it takes a number in (0, 1), e.g. 0.95")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, share = correct / total, z * z / total
    centre = (p + share / 2) / (1 + share)
    half = z * (p * (1 - p) / total + share / (4 * total)) ** 0.5 / (1 + share)
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def _pieces(total: int, size: int):
    return [min(size, total - done) for done in range(0, total, size)]
