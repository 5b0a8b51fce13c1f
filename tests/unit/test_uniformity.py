"""Alignment, uniformity and signs of collapse against their formulas, loops over pairs and known cases."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from course_lib.evaluation import alignment, effective_rank, feature_spread, uniformity


@given(st.integers(0, 2**31), st.sampled_from([1.0, 2.0, 3.0]))
def test_both_are_loops_over_pairs(seed, power):
    draw = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, 7, 5, generator=draw).double()
    unit = [[x / math.sqrt((x * x).sum()) for x in rows] for rows in (first, second)]
    expected = sum(float((x - y).square().sum()) ** (power / 2) for x, y in zip(*unit, strict=True)) / 7
    assert alignment(first, second, alpha=power) == pytest.approx(expected, rel=1e-5)
    pairs = list(itertools.combinations(unit[0], 2))
    expected = math.log(sum(math.exp(-power * float((x - y).square().sum())) for x, y in pairs) / len(pairs))
    assert uniformity(first, t=power) == pytest.approx(expected, abs=1e-5)


def test_known_cases():
    axes = torch.eye(4)
    assert alignment(axes, 3 * axes) == pytest.approx(0, abs=1e-6)
    assert alignment(axes, -axes) == pytest.approx(4)
    assert alignment(axes, axes.roll(1, 0)) == pytest.approx(2)
    assert uniformity(axes) == pytest.approx(-4)  # every two of them are √2 apart
    assert uniformity(torch.tensor([[1.0, 0], [-1, 0]])) == pytest.approx(-8)
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0, abs=1e-6)


def test_uniformity_of_the_sphere(generator):
    points = torch.randn(2000, 128, generator=generator)
    assert uniformity(points) == pytest.approx(-4, abs=0.2)
    assert feature_spread(points) == pytest.approx(1, abs=0.02)
    assert uniformity(points + 3) > uniformity(points) + 1


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank, generator):
    basis = torch.linalg.qr(torch.randn(20, 20, generator=generator))[0]
    features = basis[:, :rank] @ basis[:rank]  # all singular values 1
    assert effective_rank(features) == pytest.approx(rank, rel=1e-4)
    assert effective_rank(5 * features) == pytest.approx(rank, rel=1e-4)


def test_signs_of_collapse(generator):
    point = torch.randn(1, 16, generator=generator)
    collapsed = point + 1e-4 * torch.randn(50, 16, generator=generator)
    assert feature_spread(collapsed) < 1e-2
    assert effective_rank(collapsed) < 1.1
    line = torch.randn(50, 1, generator=generator) * F.normalize(point)  # all on one line: spread, but one direction
    assert feature_spread(line) > 0.5
    assert effective_rank(line) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: alignment(torch.ones(3, 2), torch.ones(4, 2)), "second has 4 rows"),
        (lambda: alignment(torch.ones(3, 2), torch.ones(3, 3)), "dimensions"),
        (lambda: alignment(torch.ones(3, 2), torch.ones(3, 2), alpha=0), "alpha is 0"),
        (lambda: uniformity(torch.ones(1, 2)), "features has 1 row"),
        (lambda: uniformity(torch.ones(3, 2), t=-1), "t is -1"),
        (lambda: uniformity(torch.full((3, 2), float("nan"))), "NaN"),
        (lambda: effective_rank(torch.zeros(3, 2)), "all zero"),
        (lambda: feature_spread(torch.ones(3)), "features has shape"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
