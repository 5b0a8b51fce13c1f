"""Transformations of time: every legal index sequence, against the formulas of 001 §5.2.1 written out one by one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.transforms import time

SPEEDS = range(4)


def periodic_by_hand(turn, kappa, length=16):
    """001's formula for one clip, term by term."""
    step = 2**kappa
    whole, rest = divmod(turn, step)
    forth = [place * step for place in range(whole + 1)]
    back = [place * step + rest for place in range(whole - 1, 2 * whole - length, -1)]
    start = max(0, (length - 1 - 2 * whole) * step - rest)
    return [start + frame for frame in forth + back]


@pytest.mark.parametrize("kappa", SPEEDS)
def test_speed_skips_the_same_number_of_frames_each_time(kappa):
    index = time.speed_index(torch.tensor([kappa, 0]))
    assert index[0].tolist() == [place * 2**kappa for place in range(16)]
    assert index[1].tolist() == list(range(16))
    assert index[0, -1] + 1 == time.frames_needed("speed", kappa)


def test_random_orders_are_permutations_and_never_the_true_order(generator):
    index = time.random_index(300, 16, generator)
    assert torch.equal(index.sort(1).values, torch.arange(16).expand(300, -1))
    short = time.random_index(300, 3, generator)
    assert len(short.unique(dim=0)) == 5
    assert not (short == torch.arange(3)).all(1).any()


@pytest.mark.parametrize("length", [7, 8, 11, 16, 32])
@pytest.mark.parametrize("kappa", SPEEDS)
def test_periodic_is_the_printed_formula_at_every_legal_turning_point(kappa, length):
    step = 2**kappa
    legal = [s for s in range(200 * step) if 2 * step < s < (length - 3) * step]
    assert time.turn_range(kappa, length) == (legal[0], legal[-1])
    turn = torch.tensor(legal)
    index = time.periodic_index(turn, torch.full_like(turn, kappa), length)
    assert index.shape == (len(legal), length)
    assert index.tolist() == [periodic_by_hand(s, kappa, length) for s in legal]
    assert int(index.min()) == 0
    assert int(index.max()) + 1 == time.frames_needed("periodic", kappa, length)
    for row, s in zip(index, legal, strict=True):
        whole, rest = s // step, s % step
        start = row[0] if row[0] else 0
        assert row[-1] - start == (2 * whole - length + 1) * step + rest  # the last index, as printed
        # Forth in steps of 2^κ, one shorter step at the turn, and back in steps of 2^κ.
        assert row.diff().tolist() == [step] * whole + [rest - step] + [-step] * (length - 2 - whole)


def test_the_way_back_shows_other_frames_only_where_the_turn_is_between_two_steps():
    kappa = torch.tensor([2, 2])
    even, odd = (set(row.tolist()) for row in time.periodic_index(torch.tensor([32, 34]), kappa))
    assert len(even) == 9
    assert len(odd) == 16


def test_a_batch_mixes_speeds():
    turn, kappa = torch.tensor([12, 17, 9, 102]), torch.tensor([0, 3, 2, 3])
    index = time.periodic_index(turn, kappa)
    assert index.tolist() == [periodic_by_hand(int(s), int(k)) for s, k in zip(turn, kappa, strict=True)]


@pytest.mark.parametrize("kappa", SPEEDS)
def test_turning_points_are_drawn_from_the_whole_range(kappa, generator):
    low, high = time.turn_range(kappa)
    turns = time.random_turns(torch.full((6000,), kappa), generator)
    count = torch.bincount(turns - low, minlength=high - low + 1)
    assert len(count) == high - low + 1
    assert float(count.min()) > 0.4 * 6000 / len(count)
    assert float(count.max()) < 1.8 * 6000 / len(count)


@given(st.lists(st.integers(0, 7), min_size=15, max_size=15))
def test_warp_leaves_out_as_many_frames_as_it_is_told(skips):
    index = time.warp_index(torch.tensor([skips]))[0]
    assert index[0] == 0
    assert index.diff().tolist() == [skip + 1 for skip in skips]  # errata E10
    assert len(index.unique()) == 16
    assert int(index[-1]) < time.frames_needed("warp", 3)
    literal = time.warp_index(torch.tensor([skips]), literal=True)[0]
    assert literal.tolist() == [sum(skips[:place]) for place in range(16)]


def test_the_literal_formula_repeats_a_frame_in_87_clips_of_100(generator):
    skips = torch.randint(8, (20_000, 15), generator=generator)
    repeats = (time.warp_index(skips, literal=True).diff() == 0).any(1).float().mean()
    assert float(repeats) == pytest.approx(1 - (7 / 8) ** 15, abs=0.01)
    assert not (time.warp_index(skips).diff() == 0).any()


def test_frames_needed_are_those_of_the_seed():
    assert [time.frames_needed("speed", kappa) for kappa in SPEEDS] == [16, 31, 61, 121]
    assert [time.frames_needed("periodic", kappa) for kappa in SPEEDS] == [13, 26, 52, 104]
    assert [time.frames_needed("random", kappa) for kappa in SPEEDS] == [16] * 4
    assert time.frames_needed("warp", 3) == 121


def test_the_largest_speed_that_fits():
    assert [time.largest_speed(frames) for frames in (16, 30, 31, 60, 61, 120, 121, 500)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert time.largest_speed(500, most=1) == 1
    with pytest.raises(ValueError, match="frames is 15; 16 frames at their own speed"):
        time.largest_speed(15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: time.speed_index(torch.tensor([-1])), "kappa holds -1; it takes integers >= 0"),
        (lambda: time.speed_index(torch.tensor([0.5])), r"kappa is \(1,\) torch.float32; it takes integers"),
        (lambda: time.speed_index(torch.tensor(2)), r"it takes integers >= 0, \(B,\)"),
        (lambda: time.speed_index(torch.tensor([1]), 0), "length is 0"),
        (lambda: time.periodic_index(torch.tensor([2]), torch.tensor([0])), "turn is 2 where kappa is 0; .* 3 … 12"),
        (lambda: time.periodic_index(torch.tensor([26]), torch.tensor([1])), "turn is 26 where kappa is 1; .* 5 … 25"),
        (lambda: time.periodic_index(torch.tensor([5, 5]), torch.tensor([1])), "one number for each clip"),
        (lambda: time.turn_range(0, 6), "length is 6; playing forth and back takes at least 7"),
        (lambda: time.warp_index(torch.tensor([1, 2])), r"skips is \(2,\) .*; it takes .*\(B, length - 1\)"),
        (lambda: time.frames_needed("wrap"), "transformation is 'wrap'.*Did you mean 'warp'"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
