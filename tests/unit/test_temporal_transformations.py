"""Temporal transformations: what is shown and asked, read from frame numbers in the pixels; and that it learns."""

import itertools

import pytest
import torch
from learning import assert_overfits_one_batch, numbered

from course_lib import training
from course_lib.data.lazy import LazyClips, LazyClipSampler
from course_lib.data.videos import ClipSampler
from course_lib.data.worlds import actions
from course_lib.methods import TemporalTransformations
from course_lib.models import C3D
from course_lib.transforms import Augmentation, time


def net(size=16, width=4, features=16):
    return C3D(
        features, width=width, blocks=(1, 1, 1), dense=1, clip_length=16, image_size=size, norm="batch", dropout=0.0
    )


def read(shown):
    """Frame numbers (N, length) and video numbers (N,) of `numbered` clips."""
    assert (shown == shown[..., :1, :1]).all()
    numbers = (shown[..., 0, 0] * 256).round().long()
    assert (numbers[:, :, 1] == numbers[:, :1, 1]).all()
    return numbers[:, :, 0], numbers[:, 0, 1]


def periodic_rows(kappa):
    low, high = time.turn_range(kappa)
    turn = torch.arange(low, high + 1)
    return {tuple(row) for row in time.periodic_index(turn, torch.full_like(turn, kappa)).tolist()}


def test_what_is_shown_is_what_the_label_says(generator):
    method = TemporalTransformations(net())
    shown, targets = method.pretext(numbered(40, 130), generator)
    assert shown.shape == (160, 16, 3, 16, 16)
    index, video = read(shown)
    assert torch.equal(video, torch.arange(40).repeat_interleave(4))
    assert torch.equal(targets["motion"], torch.arange(4).repeat(40))
    assert torch.equal(targets["speed"] >= 0, targets["motion"] == 0)
    turns = {kappa: periodic_rows(kappa) for kappa in range(4)}
    for speed, random, periodic, warp in index.view(40, 4, 16):
        kappa = int(speed[1] - speed[0]).bit_length() - 1
        assert torch.equal(speed - speed[0], time.speed_index(torch.tensor([kappa]))[0])
        assert torch.equal(random.sort().values, torch.arange(16) + random.min())
        assert random.diff().ne(1).any()
        assert tuple((periodic - periodic.min()).tolist()) in turns[kappa]  # the same κ as the speed clip
        assert warp.diff().min() >= 1
        assert warp.diff().max() <= 8
    steps = index[targets["motion"] == 0].diff()[:, 0]
    assert torch.equal(targets["speed"][targets["motion"] == 0], (steps.float().log2()).long())
    assert len(targets["speed"].unique()) == 5  # −1, and all four speeds


@pytest.mark.parametrize(
    "names", [c for k in range(1, 5) for c in itertools.combinations(time.TRANSFORMATIONS, k) if "speed" in c]
)
def test_every_row_of_table_5_1(names, generator):
    clips = torch.rand(3, 40, 3, 16, 16, generator=generator)
    for speed_head in (True, False):
        if names == ("speed",) and not speed_head:
            continue
        method = TemporalTransformations(net(), names, speed_head=speed_head)
        shown, targets = method.pretext(clips, generator)
        assert len(shown) == 3 * len(names)
        assert torch.equal(targets["motion"].bincount(), torch.full((len(names),), 3))  # every video in every class
        logits = method(shown)
        assert set(logits) == ({"motion"} if len(names) > 1 else set()) | ({"speed"} if speed_head else set())
        parts = method.evaluate(logits, targets)
        assert parts["accuracy"] == parts["motion_accuracy" if len(names) > 1 else "speed_accuracy"]
        parts["loss"].backward()
        assert method.chance == pytest.approx(1 / len(names) if len(names) > 1 else 1 / 4)


def test_classes_follow_the_order_given_and_speed_may_be_left_out(generator):
    method = TemporalTransformations(net(), ("warp", "random"), speed_head=False)
    shown, targets = method.pretext(numbered(5, 60), generator)
    index, _ = read(shown)
    assert (index[targets["motion"] == 0].diff() > 0).all()
    assert torch.equal(index[1].sort().values.diff(), torch.ones(15, dtype=torch.long))
    assert (targets["speed"] == -1).all()


def test_the_loss_is_equation_5_1(generator):
    method = TemporalTransformations(net())
    logits = {
        "motion": torch.randn(12, 4, generator=generator),
        "speed": torch.randn(12, 4, generator=generator),
    }
    speed = torch.full((3, 4), -1)
    speed[:, 0] = torch.tensor([2, 0, 3])
    targets = {"motion": torch.arange(4).repeat(3), "speed": speed.flatten()}
    parts = method.evaluate(logits, targets)
    motion, kappa = (logits[name].view(3, 4, 4).log_softmax(2) for name in ("motion", "speed"))
    videos = [
        -sum(motion[x, tau, tau] for tau in range(4)) - kappa[x, 0, speed[x, 0]] for x in range(3)
    ]  # 001 Eq. 5.1, for one video x
    torch.testing.assert_close(parts["loss"], torch.stack(videos).mean())
    right = logits["motion"].argmax(1) == targets["motion"]
    assert parts["motion_accuracy"] == pytest.approx(float(right.float().mean()))
    assert float(parts["recall_periodic"]) == pytest.approx(float(right[2::4].float().mean()))
    assert float(parts["speed_accuracy"]) == pytest.approx(
        float((logits["speed"][::4].argmax(1) == speed[:, 0]).float().mean())
    )


def test_the_speed_head_hears_of_speed_clips_only(generator):
    method = TemporalTransformations(net())
    logits = torch.zeros(8, 4, requires_grad=True)
    targets = {"motion": torch.arange(4).repeat(2), "speed": torch.tensor([1, -1, -1, -1, 3, -1, -1, -1])}
    method.evaluate({"motion": torch.zeros(8, 4), "speed": logits}, targets)["loss"].backward()
    assert logits.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 4]


@pytest.mark.parametrize(("frames", "fastest"), [(31, 1), (60, 1), (61, 2), (121, 3)])
def test_short_videos_get_the_speeds_that_fit(frames, fastest, generator):
    index, targets = TemporalTransformations(net()).draw(200, frames, generator)
    assert index.shape == (200, 4, 16)
    assert int(index.min()) == 0
    assert int(index.max()) <= frames - 1
    assert int(targets["speed"].max()) == fastest
    assert int(index[:, 3].diff().max()) == 2**fastest


def test_clips_start_anywhere_they_fit(generator):
    index, _ = TemporalTransformations(net()).draw(2000, 140, generator)
    assert set(index[:, 1].amin(1).tolist()) == set(range(140 - 16 + 1))
    longest = index[index[:, 0, 1] - index[:, 0, 0] == 8, 0]
    assert set(longest[:, 0].tolist()) == set(range(140 - 121 + 1))


def test_literal_warp_repeats_frames(generator):
    index, _ = TemporalTransformations(net(), literal_warp=True).draw(300, 121, generator)
    assert float((index[:, 3].diff() == 0).any(1).float().mean()) > 0.8
    index, _ = TemporalTransformations(net()).draw(300, 121, generator)
    assert not (index[:, 3].diff() == 0).any()


def test_augmentation_is_the_same_for_all_frames_of_a_clip_or_drawn_for_each(generator):
    clips = torch.rand(2, 1, 3, 16, 16, generator=generator).expand(-1, 40, -1, -1, -1)
    for mode, same in (("clip", True), ("frame", False)):
        augment = Augmentation(scale=(0.6, 0.9), flip=0.5, mode=mode)
        shown, _ = TemporalTransformations(net(), augment=augment).pretext(clips, generator)
        assert torch.allclose(shown, shown[:, :1].expand_as(shown), atol=1e-5) is same
        assert not torch.allclose(shown[0], shown[1], atol=1e-3)  # another crop for another clip


def test_draws_come_from_the_generator():
    method, clips = TemporalTransformations(net()), torch.rand(2, 130, 3, 16, 16)
    one, two = (method.pretext(clips, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1]["speed"], two[1]["speed"])


def test_features_are_the_backbone_s(generator):
    method = TemporalTransformations(net()).eval()
    assert method.features(torch.rand(2, 16, 3, 16, 16, generator=generator)).shape == (2, 16)


def test_it_overfits_one_batch(generator):
    clips = actions("train", seed=0, videos=4, length=64, size=24)
    batch = ClipSampler(clips, batch=3, length=61)(generator)
    assert_overfits_one_batch(TemporalTransformations(net(24, 8)), batch, steps=60, lr=5e-3, loss=0.3)


def test_it_learns_to_tell_random_from_speed_on_unseen_videos():
    train = actions("train", seed=0, videos=24, length=40, size=24, background_identity=0.0, camera_drift=0.0)
    unseen = actions("test", seed=0, videos=24, length=40, size=24, background_identity=0.0, camera_drift=0.0)
    method = TemporalTransformations(net(24, 8), ("speed", "random"), max_kappa=1)
    batches = ClipSampler(train, batch=8, length=31)
    training.fit(method, batches, steps=60, generator=torch.Generator().manual_seed(1), lr=3e-3, progress=False)
    draws = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        parts = method.training_loss(ClipSampler(unseen, batch=64, length=31)(draws), draws)
    assert float(parts["accuracy"]) > method.chance + 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transformations": ("speed", "reverse")}, "transformations is 'reverse'; allowed"),
        ({"transformations": ("speed", "speed")}, "takes each name once"),
        ({"transformations": ("random", "warp")}, "speed_head asks for the speed of 'speed' clips"),
        ({"transformations": ("speed",), "speed_head": False}, "at least two to tell"),
        ({"max_kappa": 0}, "max_kappa is 0; it takes"),
        ({"length": 0}, "length is 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemporalTransformations(net(), **arguments)


def test_lazy_batches_give_the_same_clips(moving_dots):
    method = TemporalTransformations(net(), max_kappa=1, length=7)
    batches = (kind(moving_dots, batch=5, length=14) for kind in (ClipSampler, LazyClipSampler))
    draws = [torch.Generator().manual_seed(4) for _ in range(2)]
    whole, lazy = (method.pretext(sampler(draw), draw) for sampler, draw in zip(batches, draws, strict=True))
    assert torch.equal(whole[0], lazy[0])
    assert torch.equal(whole[1]["speed"], lazy[1]["speed"])


def test_lazy_clips_know_their_shape_and_read_what_is_asked(moving_dots, generator):
    lazy = LazyClipSampler(moving_dots, batch=3, length=6)(generator)
    assert lazy.shape == (3, 6, 3, 32, 32)
    assert len(lazy) == 3
    whole = moving_dots.gather(lazy.index)
    rows, frames = torch.tensor([[0], [2]]), torch.tensor([[5, 0, 0], [1, 2, 3]])
    assert torch.equal(lazy[rows, frames], whole[rows, frames])
    with pytest.raises(ValueError, match="index is \\(3,\\); it takes frames of clips"):
        LazyClips(moving_dots, torch.arange(3))


def test_videos_that_are_too_short_are_named(generator):
    method = TemporalTransformations(net())
    with pytest.raises(ValueError, match="frames is 15; 16 frames at their own speed"):
        method.pretext(torch.rand(2, 15, 3, 16, 16), generator)
    with pytest.raises(ValueError, match="clips have 30 frames .* warp cannot skip any frame; it takes at least 31"):
        method.pretext(torch.rand(2, 30, 3, 16, 16), generator)
    with pytest.raises(ValueError, match="NaN"):
        method.pretext(torch.full((1, 31, 3, 16, 16), float("nan")), generator)
    with pytest.raises(ValueError, match="it takes float clips"):
        method.pretext(torch.rand(31, 3, 16, 16), generator)
