"""Spatial, joint and order prediction: what is shown, what is asked, and that each learns."""

import itertools

import pytest
import torch
from learning import assert_beats_chance, assert_overfits_one_batch, backbone, frozen_clips, held_out_accuracy

from course_lib import training
from course_lib.data.videos import ClipSampler
from course_lib.methods import JointPermutation, OrderPrediction, SpatialPermutation, TemporalPermutation
from course_lib.transforms import Augmentation, cut_tiles, maximal_hamming_set


class ImageBatches:
    """Random frames, without labels."""

    def __init__(self, videos, batch):
        self.videos, self.batch = videos, batch

    def __call__(self, generator):
        return self.videos.gather(torch.randint(len(self.videos.frames), (self.batch,), generator=generator))


def spatial(net=None, count=4, **options):
    orders = maximal_hamming_set(count, 4, torch.Generator().manual_seed(0))
    return SpatialPermutation(net or backbone(), orders, **options)


def joint():
    net = backbone()
    forward_backward = torch.tensor([[0, 1, 2], [2, 1, 0]])
    temporal = TemporalPermutation(net, hidden=32, permutations=forward_backward, normalise=True)
    return JointPermutation(spatial(net), temporal)


# --- spatial ---


def test_tiles_are_those_of_the_image_in_the_order_of_the_label(generator):
    method = spatial(count=7, tile=16, normalise=False)  # full tiles: no random place within the cell
    images = torch.rand(30, 3, 32, 32, generator=generator)
    tiles, index = method.pretext(images, generator)
    straight = cut_tiles(images, 2, size=16)
    for row in range(30):
        assert torch.equal(tiles[row], straight[row, method.permutations[index[row]]])
    assert len(index.unique()) > 4
    assert method.chance == pytest.approx(1 / 7)


def test_tiles_are_standardised_resized_and_augmented_one_by_one(generator):
    images = torch.rand(5, 1, 3, 1, 1, generator=generator).expand(-1, -1, -1, 32, 32).flatten(0, 1)
    augment = Augmentation(scale=(1.0, 1.0), brightness=0.4, mode="frame")
    tiles, _ = spatial(augment=augment, normalise=False, tile_size=20).pretext(images, generator)
    assert tiles.shape == (5, 4, 3, 20, 20)
    assert (tiles.mean((2, 3, 4)).std(1) > 1e-3).all()  # one colour per image, but not per tile
    noise = torch.rand(5, 3, 32, 32, generator=generator)
    tiles, _ = spatial().pretext(noise, generator)
    assert tiles.shape == (5, 4, 3, 14, 14)
    torch.testing.assert_close(tiles.mean((-1, -2)), torch.zeros(5, 4, 3), atol=1e-5, rtol=0)


def test_the_convolutions_are_shared_by_all_tiles_and_trained(generator):
    method = spatial()
    method.training_loss(torch.rand(4, 3, 32, 32, generator=generator), generator)["loss"].backward()
    assert method.backbone.conv[0].weight.grad.abs().sum() > 0
    assert method.backbone.fc6[1].weight.grad is None  # fc6 is for whole images: not part of this task
    tiles = torch.rand(2, 4, 3, 14, 14, generator=generator)
    maps = method.eval().backbone.conv(tiles[:, 1]).flatten(1)
    everything = method.backbone.conv(tiles.flatten(0, 1)).flatten(1).unflatten(0, (2, 4))
    torch.testing.assert_close(everything[:, 1], maps)


def test_spatial_features_are_the_trained_map(generator):
    method = spatial().eval()
    shape = method.backbone.map_shape
    assert method.features(torch.rand(2, 3, 32, 32, generator=generator)).shape == (2, shape[0] * shape[1] * shape[2])


def test_spatial_learns(moving_dots, held_out_dots, generator):
    assert_overfits_one_batch(spatial(), ImageBatches(moving_dots, 12)(generator), steps=40)
    assert_beats_chance(spatial(), ImageBatches(moving_dots, 24), ImageBatches(held_out_dots, 64), steps=90, margin=0.2)


def test_wrong_permutations_of_tiles_are_named(generator):
    with pytest.raises(ValueError, match="permutations has 5 places; a square grid"):
        SpatialPermutation(backbone(), maximal_hamming_set(3, 5, generator))
    with pytest.raises(ValueError, match="P >= 2 different rows"):
        SpatialPermutation(backbone(), torch.arange(4)[None])
    with pytest.raises(ValueError, match="size is 14; a cell"):
        spatial().pretext(torch.rand(1, 3, 20, 20), generator)


# --- joint ---


def test_joint_loss_is_the_sum_and_both_tasks_reach_conv1(generator):
    method = joint().eval()
    images = torch.rand(4, 3, 32, 32, generator=generator)
    clips = torch.rand(4, 3, 3, 32, 32, generator=generator)

    def seeded():
        return torch.Generator().manual_seed(1)

    def gradient(loss):
        method.zero_grad()
        loss.backward()
        return method.backbone.conv[0].weight.grad.clone()

    parts = method.training_loss((images, clips), seeded())
    draws = seeded()
    one = method.spatial.training_loss(images, draws)
    other = method.temporal.training_loss(clips, draws)
    torch.testing.assert_close(parts["loss"], one["loss"] + other["loss"])
    total, first, second = gradient(parts["loss"]), gradient(one["loss"]), gradient(other["loss"])
    assert first.abs().sum() > 0
    assert second.abs().sum() > 0
    torch.testing.assert_close(total, first + second, atol=1e-5, rtol=1e-4)
    assert set(parts) == {"loss", "accuracy", "spatial_accuracy", "temporal_accuracy"}
    assert method.chance == pytest.approx((1 / 4 + 1 / 2) / 2)


def test_joint_takes_one_backbone():
    with pytest.raises(ValueError, match="different backbones"):
        JointPermutation(spatial(), TemporalPermutation(backbone()))


def test_joint_learns_both(moving_dots, held_out_dots):
    def pairs(videos, batch):
        images, clips = ImageBatches(videos, batch), ClipSampler(videos, batch=batch, length=3, stride=5)
        return lambda generator: (images(generator), clips(generator))

    method = joint()
    assert_beats_chance(method, pairs(moving_dots, 12), pairs(held_out_dots, 48), steps=90, margin=0.2, lr=5e-3)
    parts = method.training_loss(pairs(held_out_dots, 96)(torch.Generator().manual_seed(0)), torch.Generator())
    assert parts["spatial_accuracy"] > method.spatial.chance + 0.2
    assert parts["temporal_accuracy"] > method.temporal.chance + 0.3


def test_serial_training_goes_on_with_the_same_convolutions(moving_dots, generator):
    net = backbone()
    first = spatial(net)
    training.fit(first, ImageBatches(moving_dots, 4), steps=2, generator=generator, progress=False)
    before = net.conv[0].weight.clone()
    second = TemporalPermutation(net, hidden=8)
    assert torch.equal(second.backbone.conv[0].weight, before)
    clips = ClipSampler(moving_dots, batch=4, length=3)
    training.fit(second, clips, steps=2, generator=generator, progress=False)
    assert not torch.equal(first.backbone.conv[0].weight, before)


# --- order prediction ---


def test_twelve_classes_hold_every_order_of_four_once_or_reversed():
    orders = OrderPrediction(backbone()).orders
    assert orders.shape == (12, 4)
    both = {tuple(p) for p in orders.tolist()} | {tuple(reversed(p)) for p in orders.tolist()}
    assert both == set(itertools.permutations(range(4)))


def test_order_label_names_the_order_or_its_reverse(generator):
    method = OrderPrediction(backbone())
    clips = (torch.arange(4) / 4)[None, :, None, None, None].expand(80, 4, 3, 32, 32).contiguous()
    shuffled, index = method.pretext(clips, generator)
    shown = (shuffled[:, :, 0, 0, 0] * 4).round().long()
    forward = (shown == method.orders[index]).all(1)
    backward = (shown == method.orders[index].flip(1)).all(1)
    assert (forward ^ backward).all()
    assert 20 < forward.sum() < 60
    assert method.chance == pytest.approx(1 / 12)


def test_order_compares_all_pairs_with_one_layer(generator):
    method = OrderPrediction(backbone()).eval()
    clips = torch.rand(2, 4, 3, 32, 32, generator=generator)
    frames = [method.backbone(clips[:, t]) for t in range(4)]
    pairs = [method.pair(torch.cat([frames[a], frames[b]], 1)) for a, b in itertools.combinations(range(4), 2)]
    torch.testing.assert_close(method(clips), method.classifier(torch.cat(pairs, 1)))


def test_order_prediction_learns(moving_dots, held_out_dots, generator):
    batches = ClipSampler(moving_dots, batch=16, length=4, stride=4)
    assert_overfits_one_batch(OrderPrediction(backbone()), batches(generator), steps=40)
    unseen = ClipSampler(held_out_dots, batch=48, length=4, stride=4)
    assert_beats_chance(OrderPrediction(backbone()), batches, unseen, steps=80, margin=0.3)


def test_identical_frames_leave_order_prediction_at_chance(generator):
    method = OrderPrediction(backbone())
    training.fit(method, frozen_clips(8, 4), steps=30, generator=generator, progress=False)
    assert held_out_accuracy(method, frozen_clips(200, 4)) == pytest.approx(1 / 12, abs=0.04)


def test_order_prediction_names_wrong_lengths(generator):
    with pytest.raises(ValueError, match="clips have 3 frames; this network orders 4"):
        OrderPrediction(backbone()).pretext(torch.rand(1, 3, 3, 32, 32), generator)
    with pytest.raises(ValueError, match="length is 2"):
        OrderPrediction(backbone(), length=2)
