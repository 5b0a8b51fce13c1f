"""Scores of propagated masks and key-points, the masks of `actions`, and propagation with features that are known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data import worlds
from course_lib.evaluation import copy_first, map_points, mask_iou, pck, point_maps
from course_lib.methods.pretext.correspondence import pointer, propagate_maps

# --- scores ---


def squares(places, size=12, side=4):
    """One video: a square with its corner at each of ``places`` (row, column), (1, T, size, size)."""
    masks = torch.zeros(1, len(places), size, size, dtype=torch.int64)
    for t, (row, column) in enumerate(places):
        masks[0, t, row : row + side, column : column + side] = 1
    return masks


def test_iou_of_a_square_that_moves_away():
    truth = squares([(4, 0), (4, 1), (4, 2), (4, 4), (4, 8)])
    score = mask_iou(copy_first(truth[:, 0], 5), truth)
    torch.testing.assert_close(score.frames, torch.tensor([[12 / 20, 8 / 24, 0.0, 0.0]]))
    assert score.mean == pytest.approx((12 / 20 + 8 / 24) / 4)
    assert mask_iou(truth, truth).mean == 1


def test_iou_counts_each_object_and_each_video_alike():
    first, second = squares([(0, 0), (0, 0)]), 2 * squares([(6, 6), (6, 6)])
    truth = torch.cat([first + second, first])
    predicted = truth.clone()
    predicted[0][predicted[0] == 2] = 0  # of the first video's two objects one is lost
    score = mask_iou(predicted, truth)
    torch.testing.assert_close(score.videos, torch.tensor([0.5, 1.0]))
    assert score.mean == 0.75


def test_frames_without_the_object_count_only_if_something_is_predicted_there():
    truth = squares([(0, 0), (0, 0), (0, 0)])
    truth[0, 2] = 0
    assert mask_iou(truth, truth).mean == 1
    assert mask_iou(copy_first(truth[:, 0], 3), truth).mean == 0.5


def test_objects_that_were_not_marked_do_not_count():
    truth = squares([(0, 0), (0, 0)])
    truth[0, 1] += 2 * squares([(6, 6)])[0, 0]
    assert mask_iou(copy_first(truth[:, 0], 2), truth).mean == 1


@given(seed=st.integers(0, 1000))
def test_iou_is_between_zero_and_one_and_symmetric(seed):
    draw = torch.Generator().manual_seed(seed)
    a, b = (torch.randint(2, (2, 3, 6, 6), generator=draw) for _ in range(2))
    a[:, 0, 0, 0] = b[:, 0, 0, 0] = 1
    assert 0 <= mask_iou(a, b).mean <= 1
    assert mask_iou(a, b).mean == pytest.approx(mask_iou(b, a).mean)


def test_pck_counts_labelled_points_near_enough():
    truth = torch.tensor([[[10.0, 10.0], [20.0, 20.0], [float("nan"), 0.0]]])
    predicted = truth.nan_to_num(0) + torch.tensor([[[0.0, 3.0], [0.0, 6.0], [0.0, 0.0]]])
    assert pck(predicted, truth, 50.0) == 0.5
    assert pck(predicted, truth, torch.tensor([50.0]), alpha=0.2) == 1
    assert pck(predicted, truth, 20.0) == 0


def test_points_become_maps_and_come_back():
    points = torch.tensor([[[3.0, 9.0], [0.0, 15.0], [float("nan"), 1.0]]])
    maps = point_maps(points, (16, 20), sigma=1.5)
    assert maps.shape == (1, 3, 16, 20)
    assert torch.equal(map_points(maps)[0, :2], points[0, :2])
    assert maps[0, 2].abs().sum() == 0
    assert (maps.sum((2, 3)) <= 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: mask_iou(m[:, :2], m), "predicted is"),
        (lambda m: mask_iou(m.float(), m), "predicted is"),
        (lambda m: mask_iou(m[:, :1], m[:, :1]), "truth has 1 frame"),
        (lambda m: mask_iou(0 * m, 0 * m), "no object"),
        (lambda m: copy_first(m, 0), "frames is 0"),
        (lambda m: pck(torch.zeros(2, 3), torch.zeros(2, 3), 1.0), r"take \(..., J, 2\)"),
        (lambda m: pck(torch.zeros(2, 2), torch.full((2, 2), float("nan")), 1.0), "no labelled"),
        (lambda m: pck(torch.zeros(2, 2), torch.zeros(2, 2), 1.0, alpha=0), "alpha is 0"),
        (lambda m: point_maps(torch.zeros(2, 2), (4, 4), 0), "sigma is 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(squares([(0, 0), (0, 1), (0, 2)]))


# --- the masks of `actions` ---


def test_masks_are_where_the_mover_is_and_change_no_pixel():
    plain = worlds.actions("train", 32, 4, 32, 0)
    masked = worlds.actions("train", 32, 4, 32, 0, masks=True)
    assert torch.equal(plain.frames, masked.frames)
    assert "mask" not in plain.frame
    mask = masked.frame["mask"]
    assert mask.shape == (128, 32, 32)
    assert mask.dtype == torch.uint8
    assert set(mask.unique().tolist()) == {0, 1}
    things = masked.factor("thing") >= 0
    rows = torch.arange(32.0)
    weight = mask[things].float()
    total = weight.sum((1, 2))
    middle = torch.stack([(weight.sum(1) * rows).sum(1), (weight.sum(2) * rows).sum(1)], 1) / total[:, None]
    assert (middle - masked.frame["centre"][things]).abs().max() < 0.6
    share = mask.float().mean((1, 2))
    assert share.min() > 0.005
    assert share.max() < 0.4


def test_masks_hold_the_persons_joints_but_not_the_ground():
    videos = worlds.actions("train", 20, 2, 64, 0, families=("pose",), masks=True)
    at = videos.frame["joints"].round().long().clamp(0, 63)
    hit = videos.frame["mask"][torch.arange(40)[:, None], at[..., 1], at[..., 0]]
    assert hit.float().mean() > 0.95
    standing = worlds.actions("train", 4, 2, 64, 0, classes=("star",), masks=True)
    assert standing.frame["mask"][:, 62:].sum() == 0


# --- propagation, by construction ---


def one_hot_maps(index, count):
    """Embeddings (B, T, D, h, w) whose places are told apart perfectly: cell content ``index`` (B, T, h, w)."""
    return torch.nn.functional.one_hot(index, count).movedim(-1, 2).float() * 50


def test_pointer_is_the_softmax_over_the_source(generator):
    source, target = torch.rand(2, 3, 5, generator=generator), torch.rand(2, 3, 4, generator=generator)
    weight = pointer(source, target, 0.5)
    for b in range(2):
        for j in range(4):
            scores = torch.stack([source[b, :, i] @ target[b, :, j] for i in range(5)]) / 0.5
            torch.testing.assert_close(weight[b, j], scores.exp() / scores.exp().sum())


def test_perfect_features_follow_a_shift_exactly(generator):
    first = torch.stack([torch.randperm(36, generator=generator) for _ in range(3)]).view(3, 6, 6)
    index = torch.stack([first.roll((t, 2 * t), (1, 2)) for t in range(5)], 1)
    labels = torch.rand(3, 2, 6, 6, generator=generator)
    truth = torch.stack([labels.roll((t, 2 * t), (2, 3)) for t in range(5)], 1)
    for memory in (0, 1, 3):
        for topk in (1, None):
            carried = propagate_maps(one_hot_maps(index, 36), labels, memory=memory, topk=topk)
            torch.testing.assert_close(carried, truth, atol=1e-5, rtol=0)


def test_features_that_say_nothing_spread_the_label_evenly(generator):
    labels = torch.rand(2, 1, 4, 4, generator=generator)
    carried = propagate_maps(torch.ones(2, 3, 8, 4, 4), labels, topk=None)
    expected = labels.mean((2, 3), keepdim=True).expand_as(labels)
    torch.testing.assert_close(carried[:, 1], expected)


def test_the_memory_finds_what_the_first_frame_did_not_show():
    # Cell 3 of frame 1 is new and takes a mixture; frame 2 shows it again and remembers what frame 1 was given.
    index = torch.tensor([[[0, 1, 2]], [[3, 1, 2]], [[3, 1, 2]]])[None]
    labels = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 3)
    carried = propagate_maps(one_hot_maps(index, 4), labels, memory=1, topk=None)
    torch.testing.assert_close(carried[0, 1, 0, 0], torch.tensor([1 / 3, 0, 0]))
    torch.testing.assert_close(carried[0, 2], carried[0, 1])
