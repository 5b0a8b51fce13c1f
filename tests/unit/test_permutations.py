"""Permutations: uniform draws, diverse sets, application and its inverse."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from course_lib.transforms import (
    all_permutations,
    hamming,
    invert,
    maximal_hamming_set,
    permute,
    random_permutations,
)

seeds = st.integers(0, 2**31)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_all_permutations_are_listed_once_in_lexicographic_order():
    assert all_permutations(4).tolist() == [list(p) for p in itertools.permutations(range(4))]
    with pytest.raises(ValueError, match="length is 10"):
        all_permutations(10)


@pytest.mark.parametrize("exclude_identity", [True, False])
def test_random_permutations_are_uniform(generator, exclude_identity):
    drawn = random_permutations(12_000, 4, generator, exclude_identity=exclude_identity)
    known = [tuple(p) for p in all_permutations(4).tolist()][int(exclude_identity) :]
    counts = dict.fromkeys(known, 0)
    for row in drawn.tolist():
        counts[tuple(row)] += 1  # a KeyError here is the identity, or no permutation at all
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_two_elements_leave_one_permutation(generator):
    assert random_permutations(20, 2, generator).tolist() == [[1, 0]] * 20
    with pytest.raises(ValueError, match="length is 1"):
        random_permutations(3, 1, generator)


@given(seeds, st.integers(3, 6), st.sampled_from(["mean", "min"]))
def test_the_set_holds_distinct_permutations_without_the_identity(seed, length, criterion):
    count = min(40, math.factorial(length) - 1)
    chosen = maximal_hamming_set(count, length, seeded(seed), criterion=criterion)
    assert chosen.shape == (count, length)
    assert len(chosen.unique(dim=0)) == count
    assert torch.equal(chosen.sort(1).values, torch.arange(length).expand(count, length))
    assert not (chosen == torch.arange(length)).all(1).any()


def test_the_whole_set_can_be_chosen_and_not_one_more(generator):
    assert len(maximal_hamming_set(24, 4, generator, exclude_identity=False).unique(dim=0)) == 24
    with pytest.raises(ValueError, match="count is 24; only 23"):
        maximal_hamming_set(24, 4, generator)
    with pytest.raises(ValueError, match="criterion is 'max'"):
        maximal_hamming_set(4, 4, generator, criterion="max")


@given(seeds, st.sampled_from(["mean", "min"]))
def test_each_choice_is_among_the_best_of_a_naive_search(seed, criterion):
    """The reference measures every candidate against all chosen ones anew; any of its ties is allowed."""
    length, reduce = 4, {"mean": np.mean, "min": np.min}[criterion]
    chosen = [tuple(p) for p in maximal_hamming_set(10, length, seeded(seed), criterion=criterion).tolist()]
    candidates = [p for p in itertools.permutations(range(length)) if p != tuple(range(length))]

    def distance(candidate, before):
        return reduce([sum(a != b for a, b in zip(candidate, other, strict=True)) for other in before])

    for step in range(1, len(chosen)):
        before = chosen[:step]
        best = max(distance(c, before) for c in candidates if c not in before)
        assert distance(chosen[step], before) == pytest.approx(best)


def test_the_greedy_set_lies_further_apart_than_random_ones():
    """Claim of 000 §3.4.1, in mean (criterion mean) and in the smallest distance (criterion min)."""

    def pairs(rows):
        return hamming(rows, rows)[np.triu_indices(len(rows), 1)].double()

    for seed in range(5):
        drawn = pairs(random_permutations(30, 7, seeded(seed)))
        greedy_mean = pairs(maximal_hamming_set(30, 7, seeded(seed)))
        greedy_min = pairs(maximal_hamming_set(30, 7, seeded(seed), criterion="min"))
        assert greedy_mean.mean() > drawn.mean() + 0.05
        assert greedy_min.min() >= drawn.min() + 2


def test_same_seed_same_set_and_other_seed_another():
    sets = [maximal_hamming_set(20, 6, seeded(seed)) for seed in (3, 3, 4)]
    assert torch.equal(sets[0], sets[1])
    assert not torch.equal(sets[0], sets[2])


@given(seeds, st.integers(1, 5), st.integers(2, 7))
def test_permute_applies_the_convention_and_invert_undoes_it(seed, batch, length):
    draw = seeded(seed)
    x, p = torch.randn(batch, length, 2, generator=draw), random_permutations(batch, length, draw)
    moved = permute(x, p)
    for row in range(batch):
        for place in range(length):
            assert torch.equal(moved[row, place], x[row, p[row, place]])
    assert torch.equal(permute(moved, invert(p)), x)


def test_permute_refuses_what_is_no_permutation():
    with pytest.raises(ValueError, match="not a permutation"):
        permute(torch.zeros(1, 3, 2), torch.tensor([[0, 0, 2]]))
    with pytest.raises(ValueError, match="takes \\(2, 3\\)"):
        permute(torch.zeros(2, 3), torch.tensor([[0, 1, 2]]))


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_hamming_equals_scipy(seed, n, m):
    from scipy.spatial.distance import cdist

    draw = seeded(seed)
    a, b = torch.randint(5, (n, 6), generator=draw), torch.randint(5, (m, 6), generator=draw)
    assert np.allclose(hamming(a, b).numpy(), cdist(a, b, "hamming") * 6)
