"""Permutations of frames or tiles: random ones, diverse sets of them, and applying them to a whole batch.

Convention, as in 000 §3.4.1: applying ``rho`` to ``x`` gives ``(x[rho_1], x[rho_2], …)``, so entry ``t`` of a
permutation names the element that moves to place ``t``.
"""

import itertools
import math
from functools import lru_cache

import numpy as np
import torch

from ..checks import check_choice, check_positive


@lru_cache(maxsize=8)
def all_permutations(length: int) -> torch.Tensor:
    """All ``length!`` permutations in lexicographic order (row 0 is the identity), int64 (length!, length).

    Raises ValueError above 9: 10! rows of ten no longer fit the purpose of choosing among them.
    """
    if check_positive("length", length) > 9:
        raise ValueError(f"length is {length}; listing all permutations takes at most 9 elements")
    rows = np.fromiter(itertools.chain.from_iterable(itertools.permutations(range(length))), dtype=np.int64)
    return torch.from_numpy(rows.reshape(-1, length))


def random_permutations(
    count: int, length: int, generator: torch.Generator, *, exclude_identity: bool = True
) -> torch.Tensor:
    """Permutations drawn uniformly, int64 (count, length); by default uniformly over all but the identity.

    000 §3.3.1 draws ρ at random; it does not say that the identity is left out, but a "shuffled" sequence in
    true order would carry a wrong label, so it is (the chapter shows what happens otherwise).
    Raises ValueError if only the identity exists (``length`` < 2 with ``exclude_identity``).
    """
    check_positive("count", count)
    if exclude_identity and check_positive("length", length) < 2:
        raise ValueError(f"length is {length}; a permutation other than the identity takes at least 2 elements")
    drawn = torch.rand(count, length, generator=generator).argsort(1)
    if exclude_identity:
        identity = torch.arange(length)
        # Rejection keeps the rest uniform; a row survives with probability 1 / length!.
        while (same := (drawn == identity).all(1)).any():
            drawn[same] = torch.rand(int(same.sum()), length, generator=generator).argsort(1)
    return drawn


def maximal_hamming_set(
    count: int,
    length: int,
    generator: torch.Generator,
    *,
    criterion: str = "mean",
    exclude_identity: bool = True,
) -> torch.Tensor:
    """A set of permutations far from one another, greedily chosen among all ``length!`` (000 §3.4.1).

    Starts with a random permutation and adds, again and again, the one whose Hamming distance to those already
    chosen is largest: the ``"mean"`` over the chosen ones (the usual reading) or the ``"min"``. Ties are broken
    at random. Returns int64 (count, length). Each step updates a running distance, so the cost is
    O(count · length! · length) instead of the O(count² · length! · length) of measuring anew.
    Raises ValueError if ``count`` is larger than the number of permutations.
    """
    check_choice("criterion", criterion, ("mean", "min"))
    available = math.factorial(length) - int(exclude_identity)
    if check_positive("count", count) > available:
        raise ValueError(f"count is {count}; only {available} permutations of {length} elements can be chosen")
    candidates = all_permutations(length)[int(exclude_identity) :]
    candidates = candidates[torch.randperm(len(candidates), generator=generator)]
    # One contiguous row of bytes per place, which the comparison below streams through; in NumPy, because the rows are
    # so short that torch's threads cost far more than they bring.
    columns = np.ascontiguousarray(candidates.numpy().T, dtype=np.int8)
    score = np.full(len(candidates), 0 if criterion == "mean" else length + 1, dtype=np.int32)
    differs, distance = np.empty(len(candidates), dtype=bool), np.empty(len(candidates), dtype=np.int8)
    chosen = np.empty(count, dtype=np.int64)
    pick = 0
    for step in range(count):
        chosen[step] = pick
        distance.fill(0)
        for place in range(length):
            np.not_equal(columns[place], columns[place, pick], out=differs)
            distance += differs.view(np.int8)
        # The mean over the chosen ones is the running sum over a constant; the sum has the same argmax.
        (np.add if criterion == "mean" else np.minimum)(score, distance, out=score)
        score[pick] = -(2**30)
        pick = int(score.argmax())
    return candidates[torch.from_numpy(chosen)]


def hamming(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Hamming distances between rows of ``a`` (N, L) and of ``b`` (M, L): places that differ, int64 (N, M)."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must be (N, L) and (M, L); got {tuple(a.shape)} and {tuple(b.shape)}")
    return (a[:, None] != b[None]).sum(2)


def permute(batch: torch.Tensor, permutations: torch.Tensor) -> torch.Tensor:
    """Apply one permutation per row: ``batch`` (B, T, ...), ``permutations`` (B, T) → (B, T, ...).

    Raises ValueError if a row of ``permutations`` is not a permutation of 0 … T-1.
    """
    if permutations.shape != batch.shape[:2]:
        raise ValueError(
            f"permutations is {tuple(permutations.shape)}; a batch {tuple(batch.shape)} takes {tuple(batch.shape[:2])}"
        )
    order = torch.arange(batch.shape[1], device=permutations.device)
    if not torch.equal(permutations.sort(1).values, order.expand_as(permutations)):
        raise ValueError("permutations holds a row that is not a permutation of 0 … T-1")
    rows = torch.arange(len(batch), device=batch.device)[:, None]
    return batch[rows, permutations.to(batch.device)]


def invert(permutations: torch.Tensor) -> torch.Tensor:
    """The permutations that undo ``permutations`` (B, T): ``permute(permute(x, p), invert(p)) == x``."""
    return permutations.argsort(1)
