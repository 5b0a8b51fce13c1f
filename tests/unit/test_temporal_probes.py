"""Synchronisation, before-or-after and still videos: what is shown and asked, and what frozen means."""

import pytest
import torch
from learning import assert_overfits_one_batch, numbered

from course_lib import training
from course_lib.data.videos import ClipSampler
from course_lib.methods import BeforeAfter, Synchronisation, still
from course_lib.models import C3D, R3D
from course_lib.transforms import Augmentation

LENGTH = 8


def net(length=LENGTH, size=16):
    return C3D(16, width=4, blocks=(1, 1), dense=1, clip_length=length, image_size=size, norm="batch", dropout=0.0)


def read(shown):
    numbers = (shown[..., 0, 0] * 256).round().long()
    return numbers[..., 0], numbers[..., 1]


# --- synchronisation ---


@pytest.mark.parametrize("frames", [20, 27])
def test_the_second_clip_is_late_by_the_offset(frames, generator):
    method = Synchronisation(net(), length=LENGTH)
    pairs, label = method.pretext(numbered(200, frames), generator)
    assert pairs.shape == (200, 2, LENGTH, 3, 16, 16)
    index, video = read(pairs)
    assert (video == torch.arange(200)[:, None, None]).all()
    assert (index.diff(dim=2) == 1).all()
    assert torch.equal(index[:, 1, 0] - index[:, 0, 0], label - 6)
    assert label.unique().tolist() == list(range(13))
    # The first clip's place is the same for all offsets, so it cannot give the answer away.
    assert set(index[:, 0, 0].tolist()) == set(range(6, frames - LENGTH - 6 + 1))


def test_chance_and_the_error_of_always_answering_zero():
    method = Synchronisation(net(), length=LENGTH)
    assert method.chance == pytest.approx(1 / 13)
    assert method.chance_error == pytest.approx(3.23, abs=0.005)
    assert Synchronisation(net(), length=LENGTH, max_offset=2).chance_error == pytest.approx(6 / 5)


def test_the_answer_comes_from_the_difference_of_the_maps(generator):
    method = Synchronisation(net(), length=LENGTH).eval()
    pairs = torch.rand(3, 2, LENGTH, 3, 16, 16, generator=generator)
    difference = method.backbone.maps(pairs[:, 0]) - method.backbone.maps(pairs[:, 1])
    torch.testing.assert_close(method(pairs), method.head(difference))
    same = pairs[:, :1].expand(-1, 2, -1, -1, -1, -1)
    torch.testing.assert_close(method(same), method.head(torch.zeros_like(difference)))


def test_accuracy_and_error_are_of_the_largest_logit(generator):
    method = Synchronisation(net(), length=LENGTH).eval()
    clips = torch.rand(9, 20, 3, 16, 16, generator=generator)
    parts = method.training_loss(clips, torch.Generator().manual_seed(3))
    pairs, label = method.pretext(clips, torch.Generator().manual_seed(3))
    answer = method(pairs).argmax(1)
    assert float(parts["error"]) == pytest.approx(float((answer - label).abs().float().mean()))
    assert float(parts["accuracy"]) == pytest.approx(float((answer == label).float().mean()))


def test_both_clips_of_a_pair_are_cropped_alike(generator):
    clips = torch.rand(4, 1, 3, 16, 16, generator=generator).expand(-1, 20, -1, -1, -1)
    augment = Augmentation(scale=(0.5, 0.9), flip=0.5)
    pairs, _ = Synchronisation(net(), length=LENGTH, augment=augment).pretext(clips, generator)
    torch.testing.assert_close(pairs[:, 0], pairs[:, 1])
    assert not torch.allclose(pairs[:, 0, 0], clips[:, 0])


# --- before or after ---


@pytest.mark.parametrize("frames", [8, 9, 13])
def test_every_clip_is_shown_in_both_orders(frames, generator):
    method = BeforeAfter(net(), length=LENGTH)
    shown, label = method.pretext(numbered(250, frames), generator)
    assert shown.shape == (500, LENGTH, 3, 16, 16)
    assert label.tolist() == [0, 1] * 250
    assert method.chance == 0.5
    index, video = read(shown)
    assert (video == torch.arange(250).repeat_interleave(2)[:, None]).all()
    right, wrong = index[0::2], index[1::2]
    assert torch.equal(right.roll(4, 1), wrong)
    assert (right[:, :4].diff() == 1).all()
    assert (right[:, 4:].diff() == 1).all()
    places = right[:, [0, 4]]
    assert (places[:, 1] - places[:, 0] >= 4).all()
    possible = {(a, b) for a in range(frames) for b in range(a + 4, frames - 3)}
    assert {tuple(pair) for pair in places.tolist()} == possible


def test_pairs_of_places_are_equally_likely(generator):
    shown, _ = BeforeAfter(net(size=4), length=LENGTH).pretext(numbered(6000, 10, size=4) % 1, generator)
    index = (shown[0::2, :, 0, 0, 0] * 256).round().long()
    count = torch.bincount(index[:, 0] * 16 + index[:, 4])
    assert torch.allclose(count[count > 0] / 6000, torch.full((6,), 1 / 6), atol=0.02)


# --- frozen or not ---


@pytest.mark.parametrize("kind", [Synchronisation, BeforeAfter])
def test_frozen_convolutions_stay_as_they_are_and_free_ones_are_trained(kind, moving_dots):
    trained = net(size=32)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    batches = ClipSampler(moving_dots, batch=4, length=16)
    for freeze in (True, False):
        method = kind(
            trained, freeze=freeze, length=4, hidden=8, **({"max_offset": 3} if kind is Synchronisation else {})
        )
        training.fit(method, batches, steps=3, generator=torch.Generator().manual_seed(0), progress=False)
        after = method.backbone.state_dict()
        same = [torch.equal(value, after[name]) for name, value in before.items() if name.startswith("conv")]
        assert all(same) if freeze else not any(same[:4])
        assert method.train().backbone.training is not freeze
    # What was given is never changed.
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in before.items())
    assert trained.training
    assert all(weight.requires_grad for weight in trained.parameters())


def test_backbones_without_a_size_are_told_it(generator):
    with pytest.raises(ValueError, match="size is None; R3D has no image_size"):
        BeforeAfter(R3D(width=4, blocks=(1,)))
    method = BeforeAfter(R3D(width=4, blocks=(1,)), size=16)
    assert method(torch.rand(2, 16, 3, 16, 16, generator=generator)).shape == (2, 2)
    assert method.features(torch.rand(2, 16, 3, 16, 16, generator=generator)).shape == (2, 4)


# --- learning ---


@pytest.mark.parametrize(
    ("kind", "options"), [(Synchronisation, {"max_offset": 2}), (BeforeAfter, {})], ids=["sync", "order"]
)
def test_probes_overfit_one_batch(kind, options, moving_dots, generator):
    batch = ClipSampler(moving_dots, batch=8, length=12)(generator)
    assert_overfits_one_batch(kind(net(size=32), length=LENGTH, **options), batch, steps=30)


@pytest.mark.parametrize(
    ("kind", "options", "length"), [(Synchronisation, {"max_offset": 2}, 10), (BeforeAfter, {}, 14)]
)
def test_a_dot_that_moves_on_is_synchronised_and_put_in_order(kind, options, length, moving_dots, held_out_dots):
    small = R3D(width=8, blocks=(1,), stem_kernel=(3, 3, 3), stem_stride=(1, 4, 4))
    method = kind(small, length=6, size=32, freeze=False, **options)
    batches = ClipSampler(moving_dots, batch=12, length=length)
    training.fit(method, batches, steps=60, generator=torch.Generator().manual_seed(1), lr=3e-3, progress=False)
    draws = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        parts = method.training_loss(ClipSampler(held_out_dots, batch=128, length=length)(draws), draws)
    assert float(parts["accuracy"]) > method.chance + 0.25, parts
    if "error" in parts:
        assert float(parts["error"]) < method.chance_error - 0.3, parts


# --- still videos ---


def test_a_still_video_is_one_frame_of_its_own_at_all_times(generator):
    clips = numbered(60, 5, size=4)
    found = still(clips, generator)
    assert found.shape == clips.shape
    index, video = read(found)
    assert (index == index[:, :1]).all()
    assert (video == torch.arange(60)[:, None]).all()
    assert index.unique().tolist() == list(range(5))
    assert still((clips * 255).to(torch.uint8), generator).dtype == torch.uint8
    found[0, 0] = 1  # a copy: other frames and the clip stay
    assert not (found[0, 1] == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: still(torch.rand(3, 4, 4), g), "clips is .*; it takes clips"),
        (lambda g: Synchronisation(net(), length=6), "max_offset is 6; clips of 6 frames overlap up to 5"),
        (lambda g: BeforeAfter(net(), length=7), "length is 7; it takes an even number"),
        (lambda g: BeforeAfter(net(), length=8, hidden=0), "hidden is 0"),
        (
            lambda g: Synchronisation(net(), length=8).pretext(torch.rand(1, 19, 3, 16, 16), g),
            "clips have 19 frames; synchronisation takes at least 20",
        ),
        (
            lambda g: BeforeAfter(net(), length=8).pretext(torch.rand(1, 7, 3, 16, 16), g),
            "clips have 7 frames; before-or-after takes at least 8",
        ),
        (lambda g: BeforeAfter(net(), length=8).pretext(torch.full((1, 9, 3, 4, 4), float("nan")), g), "NaN"),
    ],
)
def test_wrong_arguments_are_named(call, message, generator):
    with pytest.raises(ValueError, match=message):
        call(generator)
