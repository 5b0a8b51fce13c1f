"""Checks for the exercises of chapter 21, temporal permutation with an LSTM (seed 000, §3.3 and §3.4.1)."""

from collections.abc import Callable
from math import factorial

import torch

from .core import Attempt, CheckResult, Wrong, compare, run, same, tensor


def check_interleave(function: Callable) -> CheckResult:
    """Warm-up: ``function(clips, permutations) -> (batch, labels)`` builds the seed's training batch.

    clips: (n, T, C, H, W). permutations: (n, T); position t of the shuffled clip shows frame
    ``permutations[i, t]``. batch: (2n, T, C, H, W), [x1, ρ(x1), x2, ρ(x2), …]. labels: (2n,), y_k = k mod 2
    with k counted from 1.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for count, length in ((7, 4), (3, 3), (1, 5)):
            clips = torch.rand(count, length, 3, 4, 4, generator=generator)
            orders = torch.stack([_not_identity(length, generator) for _ in range(count)])
            answer = attempt(clips, orders)
            if not isinstance(answer, tuple | list) or len(answer) != 2:
                raise Wrong(
                    f"interleave gave {type(answer).__name__}; it should give two things",
                    "End with: return batch, labels",
                )
            _judge_batch(answer[0], clips, orders)
            _judge_labels(answer[1], count)
        return "real and shuffled clips alternate, and the labels are 1, 0, 1, 0, …"

    return run(function, "interleave(clips, permutations)", judge)


def _not_identity(length: int, generator: torch.Generator) -> torch.Tensor:
    """A permutation that is neither the identity nor its own inverse (where there is one), so that mistakes
    show.
    """
    while True:
        order = torch.randperm(length, generator=generator)
        if not torch.equal(order[order], torch.arange(length)):
            return order


def _judge_batch(batch, clips: torch.Tensor, orders: torch.Tensor) -> None:
    rows = torch.arange(len(clips))[:, None]
    shuffled = clips[rows, orders]

    def pairs(one, two):
        return torch.stack([one, two], 1).flatten(0, 1)

    mistakes = {
        "Real and shuffled clips stand in two blocks; they should alternate: x1, ρ(x1), x2, ρ(x2), … "
        "(stack them on a new axis 1, then flatten).": torch.cat([clips, shuffled]),
        "The shuffled clip comes first in each pair; the real one should.": pairs(shuffled, clips),
        "Every clip was shuffled with the first permutation; clip i has its own, permutations[i].": pairs(
            clips, clips[:, orders[0]]
        ),
        "This is the inverse permutation: position t should show frame permutations[i, t], not the other way "
        "round.": pairs(clips, clips[rows, orders.argsort(1)]),
    }
    found = isinstance(batch, torch.Tensor) and tuple(batch.shape) == (2 * len(clips), *clips.shape[1:])
    if found and len(clips) > 1 and all(any(same(clip, real) for real in clips) for clip in batch):
        raise Wrong(
            "every clip of the batch is still in its real order",
            "Something was permuted, or repeated, along the batch axis. Time is axis 1: "
            "clips[torch.arange(n)[:, None], permutations] takes frames, clips[permutations] takes clips.",
        )
    compare(batch, pairs(clips, shuffled), "the batch", mistakes)


def _judge_labels(labels, count: int) -> None:
    right = torch.tensor([1, 0] * count)
    mistakes = {
        "The labels are turned round: k is counted from 1, so the first clip, a real one, has 1 mod 2 = 1.": 1 - right,
        "The labels stand in two blocks; they should alternate as the clips do.": torch.tensor(
            [1] * count + [0] * count
        ),
    }
    compare(labels, right, "the labels", mistakes)


def check_permutations(function: Callable) -> CheckResult:
    """Core: ``function(n, length, generator)`` draws n permutations of 0 … length-1, never the identity.

    All the other length! - 1 permutations are equally likely, and every draw comes from the generator alone.
    """

    def judge(attempt: Attempt) -> str:
        for length in (5, 2):
            _judge_rows(attempt(40, length, _seeded(1)), 40, length)
        orders = _judge_rows(attempt(200, 4, _seeded(2)), 200, 4)
        if (orders == orders[0]).all():
            raise Wrong(
                "all rows are the same permutation",
                "Each clip needs its own order: draw once for each row, not once for all.",
            )
        _judge_randomness(attempt)
        for length, count in ((3, 3000), (4, 6900)):
            _judge_uniform(_judge_rows(attempt(count, length, _seeded(3)), count, length))
        return "no identity, each of the others equally often, and all from the generator."

    return run(function, "permutations(n, length, generator)", judge)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _judge_rows(orders, count: int, length: int) -> torch.Tensor:
    orders = tensor(orders, f"the result for n = {count}, length = {length}", (count, length), kind="integer")
    if not torch.equal(orders.sort(1).values.long(), torch.arange(length).expand(count, length)):
        row = (orders.sort(1).values != torch.arange(length)).any(1).nonzero()[0].item()
        raise Wrong(
            f"row {row} is {orders[row].tolist()}, which does not hold each of 0 … {length - 1} once",
            "torch.randperm, or the argsort of random numbers, gives permutations.",
        )
    real = (orders == torch.arange(length)).all(1)
    if real.any():
        raise Wrong(
            f"row {int(real.nonzero()[0])} of {count} is the identity: that clip would be real and labelled shuffled",
            "Find the rows equal to torch.arange(length), and draw those again until there are none.",
        )
    return orders


def _judge_randomness(attempt: Attempt) -> None:
    with torch.random.fork_rng(devices=[]):  # leave the student's global generator as it was
        torch.manual_seed(10)
        one = _judge_rows(attempt(50, 6, _seeded(4)), 50, 6)
        torch.manual_seed(11)
        two = _judge_rows(attempt(50, 6, _seeded(4)), 50, 6)
        other = _judge_rows(attempt(50, 6, _seeded(5)), 50, 6)
    if not torch.equal(one, two):
        raise Wrong(
            "two calls with equally seeded generators gave different permutations",
            "Somewhere numbers come from the global generator: hand yours to every random call, "
            "torch.rand(..., generator=generator).",
        )
    if torch.equal(one, other):
        raise Wrong(
            "two differently seeded generators gave the same permutations",
            "The generator is not used, or is seeded again inside the function.",
        )


def _judge_uniform(orders: torch.Tensor) -> None:
    """Compare the frequencies with the uniform distribution over the permutations that are not the identity."""
    count, length = orders.shape
    kinds, times = torch.unique(orders, dim=0, return_counts=True)
    possible = factorial(length) - 1
    expected = count / possible
    if len(kinds) < possible:
        raise Wrong(
            f"of the {possible} permutations of {length} frames that are not the identity, only {len(kinds)} "
            f"came up in {count} draws",
            "All of them should be possible: rotations, or swaps of two frames, are too few.",
        )
    # Seven standard deviations: a right answer fails once in 10^11; twice as often as expected is found at once.
    off = (times - expected) / expected**0.5
    if off.abs().max() < 7:
        return
    most = kinds[times.argmax()].tolist()
    swap = [1, 0, *range(2, length)]
    hint = (
        "That is the identity with its first two frames swapped: repairing the identity makes one permutation twice "
        "as likely. Draw the row again instead."
        if most == swap
        else "Draw all permutations equally likely, and draw a row again if it is the identity."
    )
    raise Wrong(
        f"{most} came up {int(times.max())} times in {count}; each of the {possible} should come up about "
        f"{expected:.0f} times",
        hint,
    )


def check_hamming_set(function: Callable) -> CheckResult:
    """Core: ``function(candidates, count)`` chooses ``count`` permutations that are far apart, greedily (seed
    000, §3.4.1).

    candidates: (P, T). Start with the first candidate; then add, again and again, the candidate with the
    greatest Hamming distance to those already chosen: the greatest least distance, or the greatest mean
    distance; both are right. Returns the chosen permutations, (count, T), in the order in which they were
    chosen.
    """

    def judge(attempt: Attempt) -> str:
        for length, pool, count in ((5, 120, 12), (4, 24, 8), (6, 200, 3)):
            candidates = _distinct(length, pool, _seeded(length))
            chosen = attempt(candidates, count)
            shape = (count, length)
            if isinstance(chosen, torch.Tensor) and tuple(chosen.shape) == (count,):
                raise Wrong(
                    f"the result has shape {tuple(chosen.shape)}, so it holds row numbers",
                    "Return the permutations themselves: candidates[numbers].",
                )
            _judge_greedy(tensor(chosen, "the chosen set", shape, kind="integer"), candidates)
        return "each step took a candidate as far as possible from those already chosen."

    return run(function, "hamming_set(candidates, count)", judge)


def _distinct(length: int, count: int, generator: torch.Generator) -> torch.Tensor:
    """``count`` different permutations in random order."""
    many = torch.rand(count * 20, length, generator=generator).argsort(1)
    unique = torch.unique(many, dim=0)
    return unique[torch.randperm(len(unique), generator=generator)[:count]]


def _judge_greedy(chosen: torch.Tensor, candidates: torch.Tensor) -> None:
    known = (chosen[:, None] == candidates[None]).all(2)
    if not known.any(1).all():
        raise Wrong(
            f"row {int((~known.any(1)).nonzero()[0])} is not one of the candidates",
            "Choose rows; do not make new ones.",
        )
    if len(torch.unique(chosen, dim=0)) < len(chosen):
        raise Wrong(
            "the set holds a permutation twice",
            "A chosen candidate has distance 0 to itself; set its score to -1, or take the mean distance only over "
            "candidates that are left.",
        )
    apart = (candidates[:, None] != chosen[None]).sum(2).float()  # (P, count)
    taken = known.float().argmax(1)
    left = torch.ones(len(candidates), dtype=torch.bool)
    fine = {"least": True, "mean": True}
    nearest = last = True
    for step in range(1, len(chosen)):
        left[taken[step - 1]] = False
        for name, score in (("least", apart[:, :step].amin(1)), ("mean", apart[:, :step].mean(1))):
            fine[name] &= bool(score[taken[step]] >= score[left].max() - 1e-4)
        nearest &= bool(apart[taken[step], :step].mean() <= apart[left, :step].mean(1).min() + 1e-4)
        last &= bool(apart[taken[step], step - 1] >= apart[left, step - 1].max() - 1e-4)
    if any(fine.values()):
        return
    if nearest:
        hint = "Each step took the nearest candidate: it should be argmax, not argmin."
    elif last:
        hint = "Only the distance to the last one chosen counts here; it should be the distance to all chosen so far."
    else:
        hint = (
            "In each step, compute the distance of every candidate left to all chosen so far, and take the greatest. "
            "A random subset, or the first rows, is not far apart."
        )
    raise Wrong("at some step a candidate farther from those already chosen was left", hint)
