"""Checks for the exercises of chapter 07, measuring representations (000, Table 3.4; 001, Fig. 3.9)."""

import math
from collections.abc import Callable

import torch
from torch.nn.functional import normalize

from .core import Attempt, CheckResult, Wrong, compare, run, tensor


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _number(answer, what: str) -> float:
    """``answer`` as a float if it is one number; otherwise raises `Wrong`."""
    if isinstance(answer, torch.Tensor) and answer.numel() == 1 and answer.dtype != torch.bool:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float) or not math.isfinite(answer):
        got = f"{tuple(answer.shape)} tensor" if isinstance(answer, torch.Tensor) else repr(answer)[:60]
        raise Wrong(f"{what} is {got}; it should be one number", "Take the mean over everything, then .item().")
    return float(answer)


def check_precision_at_k(function: Callable) -> CheckResult:
    """Warm-up: ``function(features, labels, groups, k)`` is the mean share of the query's class among its k nearest.

    features: (N, D), compared by cosine; labels, groups: (N,). Rows of the query's own group are not in its gallery.
    """

    def judge(attempt: Attempt) -> str:
        for seed, (rows, per_group, k) in enumerate(((90, 3, 4), (120, 4, 7), (75, 1, 1))):
            draw = _seeded(seed)
            features = torch.randn(rows, 6, generator=draw) * (0.2 + 3 * torch.rand(rows, 1, generator=draw))
            groups = torch.arange(rows) // per_group
            labels = torch.randint(3, (len(groups.unique()),), generator=draw)[groups]
            features = features + 0.8 * labels[:, None]
            answer = _number(attempt(features, labels, groups, k), "precision at k")
            _judge_precision(answer, features, labels, groups, k)
        return "cosine, own group left out, the share among the k nearest."

    return run(function, "precision_at_k(features, labels, groups, k)", judge)


def _judge_precision(answer, features, labels, groups, k):
    unit = normalize(features, dim=1)
    cosine = unit @ unit.T
    own, self_ = groups[:, None] == groups, torch.eye(len(groups), dtype=torch.bool)

    def found(similarity, without):
        chosen = similarity.masked_fill(without, -torch.inf).topk(k, dim=1).indices
        return labels[chosen] == labels[:, None]

    right = found(cosine, own).double().mean().item()
    mistakes = {
        "Every query found itself: its own row, and all others of its group, must leave the gallery.": found(
            cosine, torch.zeros_like(own)
        ).double(),
        "The query's own row is left out, but not the rest of its group: compare the groups, not the row "
        "numbers.": found(cosine, self_).double(),
        "This is top-k: whether at least one is right. Precision is the share that is right.": found(cosine, own)
        .any(1)
        .double(),
        "The rows are compared by their Euclidean distance; cosine compares directions: normalise the rows.": found(
            -torch.cdist(features, features), own
        ).double(),
        "The inner product prefers long vectors; cosine divides by both lengths: normalise the rows first.": found(
            features @ features.T, own
        ).double(),
        "These are the farthest rows: take the largest similarity.": found(-cosine, own).double(),
    }
    if abs(answer - right) < 1e-5:
        return
    for hint, wrong in mistakes.items():
        if abs(answer - wrong.mean().item()) < 1e-5:
            raise Wrong(f"precision at {k} is {right:.4f} here; you have {answer:.4f}", hint)
    raise Wrong(f"precision at {k} is {right:.4f} here; you have {answer:.4f}")


def check_split_by_group(function: Callable) -> CheckResult:
    """Core: ``function(groups, share, generator)`` is a bool mask (N,), True for the rows of the test groups.

    ``round(share * G)`` of the G different groups are drawn from the generator; groups are never divided.
    """

    def judge(attempt: Attempt) -> str:
        for seed, (share, count) in enumerate(((0.25, 12), (0.5, 9), (0.4, 20))):
            groups = _groups(count, _seeded(seed))
            _judge_mask(attempt(groups, share, _seeded(seed)), groups, share)
        groups = _groups(16, _seeded(5))
        _judge_draws(attempt, groups)
        return "no group on both sides, the right number of groups, and all from the generator."

    return run(function, "split_by_group(groups, share, generator)", judge)


def _groups(count: int, generator: torch.Generator) -> torch.Tensor:
    """Groups of very different sizes, in no order, numbered with gaps."""
    sizes = 1 + (9 * torch.rand(count, generator=generator) ** 3).long()
    numbers = 100 + 7 * torch.randperm(count, generator=generator)
    rows = numbers.repeat_interleave(sizes)
    return rows[torch.randperm(len(rows), generator=generator)]


def _judge_mask(mask, groups, share) -> torch.Tensor:
    mask = tensor(mask, "the mask", (len(groups),))
    if mask.dtype != torch.bool:
        raise Wrong(
            f"the mask is {mask.dtype}; it should be torch.bool", "Start from torch.zeros(..., dtype=torch.bool)."
        )
    split = [int(g) for g in groups.unique() if mask[groups == g].any() and not mask[groups == g].all()]
    if split:
        raise Wrong(
            f"group {split[0]} has rows on both sides",
            "Draw groups, not rows: first a mask over the different groups, then mask[member] for the rows.",
        )
    unique = groups.unique()
    wanted, got = round(share * len(unique)), len(groups[mask].unique())
    if got == len(unique) - wanted and got != wanted:
        raise Wrong(
            f"{got} of {len(unique)} groups are marked; {wanted} should be",
            "The mask is the wrong way round: True stands for the test rows.",
        )
    if got != wanted:
        raise Wrong(
            f"{got} of {len(unique)} groups are test groups; round({share} · {len(unique)}) = {wanted} should be",
            "The share counts groups, not rows: groups have different sizes.",
        )
    return mask


def _judge_draws(attempt: Attempt, groups: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one = _judge_mask(attempt(groups, 0.25, _seeded(3)), groups, 0.25)
        torch.manual_seed(2)
        two = _judge_mask(attempt(groups, 0.25, _seeded(3)), groups, 0.25)
        many = [_judge_mask(attempt(groups, 0.25, _seeded(10 + k)), groups, 0.25) for k in range(60)]
    if not torch.equal(one, two):
        raise Wrong(
            "two calls with equally seeded generators gave different splits",
            "Somewhere numbers come from the global generator: hand yours to torch.randperm(..., generator=generator).",
        )
    if all(torch.equal(mask, many[0]) for mask in many):
        raise Wrong(
            "differently seeded generators gave the same split",
            "The generator is not used: the groups must be drawn, not taken in order.",
        )
    times = torch.stack(many).double().mean(0)
    if times.min() == 0 or times.max() > 0.6:
        raise Wrong(
            "some groups are drawn far more often than others",
            "Each group should have the same chance, whatever its size: torch.randperm over the different groups.",
        )


def check_paired_interval(function: Callable) -> CheckResult:
    """Core: ``function(a, b, resamples, generator)`` is (low, high), the 95 % percentile interval of mean(a − b).

    a, b: (N,), scores of two methods on the same rows; one draw of rows serves both.
    """

    def judge(attempt: Attempt) -> str:
        for seed, rows in enumerate((200, 60)):
            draw = _seeded(seed)
            shared = 2 * torch.randn(rows, generator=draw)
            a = shared + 0.3 * torch.randn(rows, generator=draw) ** 2
            b = shared + 0.3 * torch.randn(rows, generator=draw)
            _judge_interval(attempt(a, b, 3000, _seeded(7)), a, b)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            one = _ends(attempt(a, b, 300, _seeded(8)))
            torch.manual_seed(2)
            two = _ends(attempt(a, b, 300, _seeded(8)))
            other = _ends(attempt(a, b, 300, _seeded(9)))
        if one != two:
            raise Wrong(
                "two calls with equally seeded generators gave different intervals",
                "Somewhere numbers come from the global generator: torch.randint(..., generator=generator).",
            )
        if one == other:
            raise Wrong(
                "differently seeded generators gave the same interval",
                "Nothing is drawn, or the generator is seeded again inside the function.",
            )
        return "the same rows are drawn for both methods, and the middle 95 % of the differences is taken."

    return run(function, "paired_interval(a, b, resamples, generator)", judge)


def _ends(answer) -> tuple[float, float]:
    if isinstance(answer, torch.Tensor) and answer.shape == (2,):
        answer = answer.tolist()
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong(f"paired_interval gave {type(answer).__name__}; it should give two numbers", "return low, high")
    return _number(answer[0], "low"), _number(answer[1], "high")


def _judge_interval(answer, a, b) -> None:
    low, high = _ends(answer)
    drawn = torch.randint(len(a), (20_000, len(a)), generator=_seeded(99))
    other = torch.randint(len(a), (20_000, len(a)), generator=_seeded(98))

    def middle(means, level=0.95):
        return tuple(means.quantile(torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=means.dtype)).tolist())

    means = (a - b)[drawn].mean(1)
    right = middle(means)
    scale = right[1] - right[0]

    def near(ends, tolerance=0.1):
        return abs(low - ends[0]) < tolerance * scale and abs(high - ends[1]) < tolerance * scale

    if near(right):
        return
    said = f"low, high = {low:.3f}, {high:.3f}; about {right[0]:.3f}, {right[1]:.3f} is expected"
    apart = a[drawn].mean(1) - b[other].mean(1)
    if near(middle(apart), 0.6) and high - low > 2 * scale:
        raise Wrong(said, "The two methods were drawn independently: one draw of row numbers must serve both.")
    mean, spread = (a - b).mean().item(), (a - b).std().item()
    mistakes = {
        "The signs are turned round: it is a − b.": (-right[1], -right[0]),
        "High and low are exchanged.": right[::-1],
        "These are the 5 and 95 percentiles; a 95 % interval leaves 2.5 % on each side.": middle(means, 0.9),
        "This is the spread of single rows; the interval is about their mean: average over the rows of each draw.": (
            mean - 1.96 * spread,
            mean + 1.96 * spread,
        ),
        "These are percentiles of single rows; average over the rows of each draw first.": middle((a - b)[drawn[0]]),
    }
    for hint, wrong in mistakes.items():
        if near(wrong, 0.1 if "percentiles of single" not in hint else 3.0):
            raise Wrong(said, hint)
    raise Wrong(said)


def check_class_activation(function: Callable) -> CheckResult:
    """Core: ``function(maps, gradients)`` is Grad-CAM before resizing: ReLU(Σ_k α_k A_k), α_k the mean gradient.

    maps, gradients: (B, K, h, w); the result is (B, h, w).
    """

    def judge(attempt: Attempt) -> str:
        for seed, shape in enumerate(((2, 5, 4, 6), (3, 2, 3, 3), (1, 7, 5, 2))):
            draw = _seeded(seed)
            maps, slopes = torch.randn(shape, generator=draw), torch.randn(shape, generator=draw)
            alpha = slopes.mean((2, 3), keepdim=True)
            signed = (alpha * maps).sum(1)
            places = shape[2] * shape[3]
            mistakes = {
                "What speaks against the class must go: end with a ReLU.": signed,
                "The absolute value keeps what speaks against the class; ReLU drops it.": signed.abs(),
                "Each map has ONE weight, the mean of its gradient over all places; here each place has its own.": (
                    (slopes * maps).sum(1).relu()
                ),
                "The weight is the mean of the gradient over the places, not the sum.": signed.relu() * places,
                "Add up the weighted maps; this is their mean.": signed.relu() / shape[1],
                "Add up the maps first, then apply the ReLU: negative maps must be able to cancel positive ones.": (
                    (alpha * maps).relu().sum(1)
                ),
                "The weights are the mean gradients themselves; this also takes their ReLU.": (
                    (alpha.relu() * maps).sum(1).relu()
                ),
            }
            compare(attempt(maps, slopes), signed.relu(), "the map", mistakes)
        return "one weight for each map, the weighted sum, and only what speaks for the class."

    return run(function, "class_activation(maps, gradients)", judge)
