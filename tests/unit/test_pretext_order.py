"""Pretext tasks of ordering and geometry on clips: what is shown, what is asked, and that each learns."""

import itertools

import pytest
import torch
from learning import assert_beats_chance, assert_overfits_one_batch, backbone

from course_lib.baselines import ShuffleAndLearn
from course_lib.data.videos import ClipSampler
from course_lib.methods import OrderPrediction
from course_lib.methods.pretext import (
    ArrowOfTime,
    ClipOrder,
    ClipRotation,
    ClipTask,
    CubicPuzzles,
    OddOneOut,
    PlaybackRate,
    TemporalCam,
)
from course_lib.methods.pretext.skeleton import spread_labels, take_frames
from course_lib.models import C3D, R3D, EarlyFusion, SingleFrame, SmallAlexNet
from course_lib.models.two_stream import encode_flow
from course_lib.transforms import Augmentation, horn_schunck


def volume(**options):
    return R3D(8, (1, 1), stem_kernel=(3, 5, 5), **options)


def numbered(batch, length, size=8):
    """Clips whose pixels tell video and frame: value = (64 · video + frame) / 1024."""
    value = 64 * torch.arange(batch)[:, None] + torch.arange(length)
    return (value / 1024)[..., None, None, None].expand(-1, -1, 3, size, size).contiguous()


def read(frames):
    """(video, frame) painted into frames (…, C, H, W)."""
    value = (frames[..., 0, 0, 0] * 1024).round().long()
    return value // 64, value % 64


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


TASKS = {
    "arrow": lambda **o: ArrowOfTime(volume(), **o),
    "rotation": lambda **o: ClipRotation(volume(), **o),
    "order": lambda **o: ClipOrder(volume(), frames=4, gap=1, dropout=0.0, **o),
    "space": lambda **o: CubicPuzzles(volume(), kind="space", **o),
    "time": lambda **o: CubicPuzzles(volume(), kind="time", frames=3, size=28, **o),
    "rate": lambda **o: PlaybackRate(volume(), rates=(1, 2), length=8, **o),
    "odd": lambda **o: OddOneOut(EarlyFusion(SmallAlexNet(4, 32, image_size=32, in_channels=9), 3), clips=4, frames=4),
}


# --- what all share ---


@pytest.mark.parametrize("name", TASKS)
def test_same_generator_same_batch_another_one_another(name):
    method = TASKS[name]()
    clips = torch.rand(4, 16, 3, 32, 32, generator=seeded())
    (first, labels), (again, same), (other, differ) = (method.pretext(clips, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(labels, same)
    assert labels.dtype == torch.int64
    assert 0 <= labels.min() <= labels.max() < method.classes
    if name not in ("arrow", "rotation"):  # these two show everything there is: nothing is drawn
        assert not (torch.equal(first, other) and torch.equal(labels, differ))


@pytest.mark.parametrize("name", TASKS)
def test_each_overfits_one_batch(name, moving_dots):
    batch = ClipSampler(moving_dots, batch=4, length=16)(seeded())
    assert_overfits_one_batch(TASKS[name](), batch, steps=80 if name == "space" else 40, loss=0.3)


@pytest.mark.parametrize(("name", "steps", "margin"), [
    ("arrow", 40, 0.3), ("rotation", 40, 0.3), ("order", 50, 0.3), ("space", 60, 0.05), ("time", 60, 0.3),
    ("rate", 25, 0.3), ("odd", 50, 0.3),
])  # fmt: skip
def test_each_beats_chance_on_videos_it_has_not_seen(name, steps, margin, moving_dots, held_out_dots):
    # Where all versions of whole clips are shown, a few frames and videos are enough.
    count, length, stride = (6, 6, 3) if name in ("arrow", "rotation") else (10, 16, 1)
    batches = ClipSampler(moving_dots, batch=count, length=length, stride=stride)
    unseen = ClipSampler(held_out_dots, batch=24, length=length, stride=stride)
    assert_beats_chance(TASKS[name](), batches, unseen, steps=steps, margin=margin)


@pytest.mark.parametrize("name", TASKS)
def test_features_come_from_the_backbone_and_bad_pixels_are_named(name):
    method = TASKS[name]().eval()
    clips = torch.rand(2, 16, 3, 32, 32, generator=seeded())
    assert method.features(clips).shape == (2, method.backbone.features)
    clips[0, 0, 0, 0, 0] = torch.nan
    for call in (method.features, lambda bad: method.pretext(bad, seeded())):
        with pytest.raises(ValueError, match="clips contains NaN"):
            call(clips)


def test_features_of_a_long_clip_are_the_mean_over_its_windows():
    net = C3D(8, width=2, blocks=(1, 1), dense=1, clip_length=4, image_size=16, norm="batch")
    method = ClipTask(net, 3, length=4).eval()
    clips = torch.rand(2, 10, 3, 16, 16, generator=seeded())
    torch.testing.assert_close(method.features(clips), (net(clips[:, :4]) + net(clips[:, 4:8])) / 2)
    torch.testing.assert_close(method.features(clips[:, :4]), net(clips[:, :4]))
    with pytest.raises(ValueError, match="clips have 3 frames; the backbone takes at least 4"):
        method.features(clips[:, :3])


@pytest.mark.parametrize(("count", "classes"), [(10, 4), (3, 7), (8, 4), (1, 2)])
def test_spread_labels_are_balanced_and_random(count, classes, generator):
    drawn = torch.stack([spread_labels(count, classes, generator) for _ in range(300)])
    counts = torch.stack([(drawn == label).sum(1) for label in range(classes)], 1)
    assert (counts.amax(1) - counts.amin(1)).max() <= 1
    # at every place of the batch every label is as likely as any other
    for place in range(count):
        share = drawn[:, place].bincount(minlength=classes) / 300
        assert (share - 1 / classes).abs().max() < 0.12


def test_take_frames_takes_them_from_their_own_clip():
    video, frame = read(take_frames(numbered(3, 8), torch.tensor([[[1, 2]], [[7, 0]], [[3, 3]]])))
    assert video.tolist() == [[[0, 0]], [[1, 1]], [[2, 2]]]
    assert frame.tolist() == [[[1, 2]], [[7, 0]], [[3, 3]]]


def test_frame_networks_average_over_frames_and_take_images_as_before():
    for method in (ShuffleAndLearn(backbone()).eval(), OrderPrediction(backbone()).eval()):
        clips = torch.rand(2, 5, 3, 32, 32, generator=seeded())
        by_hand = torch.stack([method.backbone(clips[:, t]) for t in range(5)]).mean(0)
        torch.testing.assert_close(method.features(clips), by_hand)
        assert torch.equal(method.features(clips[:, 0]), method.backbone(clips[:, 0]))


# --- clip order ---


@pytest.mark.parametrize("jitter", [False, True])
def test_snippets_are_whole_apart_and_in_the_order_of_the_label(jitter, generator):
    method = ClipOrder(volume(), frames=3, gap=2, jitter=jitter)
    assert method.frames_needed == 13
    shown, labels = method.pretext(numbered(8, 17), generator)
    assert shown.shape == (48, 3, 3, 3, 8, 8)
    video, frame = read(shown)
    assert torch.equal(video, torch.arange(8).repeat_interleave(6)[:, None, None].expand(-1, 3, 3))
    assert (frame.diff(dim=2) == 1).all()
    starts = frame[..., 0]
    real, order = starts.sort(1)
    assert (real.diff(dim=1) >= 5).all()  # three frames and the gap
    # place i shows piece orders[label, i]: the ranks of what is shown are the permutation itself
    assert torch.equal(order.argsort(1), method.orders[labels])
    assert (len(real.unique(dim=0)) > 1) == jitter
    assert jitter or real[0].tolist() == [0, 5, 10]


def test_every_video_is_seen_in_every_order_once(generator):
    _, labels = ClipOrder(volume(), frames=3, gap=0).pretext(numbered(5, 9), generator)
    assert torch.equal(labels.view(5, 6).sort(1).values, torch.arange(6).expand(5, -1))
    _, labels = ClipOrder(volume(), frames=3, gap=0, orders_per_clip=2).pretext(numbered(5, 9), generator)
    assert (labels.view(5, 2)[:, 0] != labels.view(5, 2)[:, 1]).all()
    _, labels = ClipOrder(volume(), frames=3, gap=0, orders_per_clip=1).pretext(numbered(12, 9), generator)
    assert labels.bincount().tolist() == [2] * 6


@pytest.mark.parametrize("make", [
    lambda: ClipOrder(volume(), frames=4, gap=1, dropout=0.0, augment=Augmentation(brightness=0.3)),
    lambda: CubicPuzzles(volume(), kind="both", frames=3, orders_per_clip=5),
])  # fmt: skip
def test_shuffled_features_give_the_loss_and_gradient_of_shuffled_pixels(make):
    method = make().eval()
    clips = torch.rand(3, 16, 3, 32, 32, generator=seeded())

    def gradients(loss):
        method.zero_grad()
        loss.backward()
        return [p.grad.clone() for p in method.parameters()]

    shared = method.training_loss(clips, seeded(4))
    inputs, labels = method.pretext(clips, seeded(4))
    plain = torch.nn.functional.cross_entropy(method(inputs), labels)
    torch.testing.assert_close(shared["loss"], plain)
    for one, other in zip(gradients(shared["loss"]), gradients(plain), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_pairs_go_through_one_layer(generator):
    head = ClipOrder(volume(), frames=4).eval().head
    features = torch.rand(2, 3, 16, generator=generator)
    pairs = [head.pair(torch.cat([features[:, i], features[:, j]], 1)) for i, j in itertools.combinations(range(3), 2)]
    torch.testing.assert_close(head(features), head.classifier(torch.cat(pairs, 1)))


def test_every_snippet_is_augmented_by_itself(generator):
    still = torch.full((2, 14, 3, 8, 8), 0.5)
    method = ClipOrder(volume(), frames=4, gap=1, augment=Augmentation(scale=(1.0, 1.0), brightness=0.4))
    light = method.pieces(still, generator).std((1, 2, 3, 4, 5))
    assert (light == 0).all()
    shown, _ = method.pretext(still, generator)
    assert (shown.mean((2, 3, 4, 5)).std(1) > 1e-3).all()
    assert shown.std((2, 3, 4, 5)).max() < 1e-6  # one draw for all frames of a snippet


# --- arrow of time ---


def test_a_clip_and_its_reversal_stand_in_turn(generator):
    shown, labels = ArrowOfTime(volume()).pretext(numbered(3, 6), generator)
    video, frame = read(shown)
    assert labels.tolist() == [1, 0] * 3
    assert video[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(frame[::2], torch.arange(6).expand(3, -1))
    assert torch.equal(frame[1::2], torch.arange(6).flip(0).expand(3, -1))


def test_flow_is_that_of_the_reversed_clip(moving_dots, generator):
    method = ArrowOfTime(volume(in_channels=2), inputs="flow", iterations=20, limit=3.0)
    clips = ClipSampler(moving_dots, batch=2, length=4)(generator)
    shown, labels = method.pretext(clips, generator)
    assert shown.shape == (4, 3, 2, 32, 32)
    backwards = clips[1].flip(0)
    flow = horn_schunck(backwards[:-1], backwards[1:], alpha=0.05, iterations=20)
    torch.testing.assert_close(shown[3], encode_flow(flow, 3.0))
    # The dots go to the right, so what is bright in x forwards is dark backwards; a flipped film would stay bright.
    across = shown[:, :, 0].sub(0.5).sum((1, 2, 3))
    assert torch.equal(across > 0, labels == 1)


@pytest.mark.parametrize("make", [
    lambda: ArrowOfTime(volume()),
    lambda: ArrowOfTime(TemporalCam(SmallAlexNet(4, 32, image_size=32, in_channels=6), 8, stack=3), inputs="flow"),
])  # fmt: skip
def test_the_mean_of_the_activation_map_is_the_logit(make, generator):
    method = make().eval()
    clips = torch.rand(2, 7, 3, 32, 32, generator=generator)
    found = method.activation_map(clips)
    logits = method(method.prepare(clips))
    bias = method.head.bias[1] - method.head.bias[0]
    torch.testing.assert_close(found.mean((1, 2, 3)) + bias, logits[:, 1] - logits[:, 0], atol=1e-5, rtol=1e-4)


def test_chunks_share_weights_and_are_fused_late(generator):
    net = TemporalCam(SmallAlexNet(4, 32, image_size=32, in_channels=6), 8, stack=3).eval()
    clips = torch.rand(2, 8, 2, 32, 32, generator=generator)
    assert net.maps(clips).shape[:3] == (2, 8, 2)
    assert net(clips).shape == (2, 8)
    assert torch.equal(net(clips), net(clips[:, :6]))  # the last, incomplete chunk is not read
    with pytest.raises(ValueError, match="clips have 2 frames; a chunk takes at least 3"):
        net(clips[:, :2])


def test_arrow_learns_from_flow(moving_dots, held_out_dots):
    method = ArrowOfTime(volume(in_channels=2, stem_stride=(1, 2, 2)), inputs="flow", iterations=10)
    batches, unseen = (ClipSampler(v, batch=6, length=5, stride=2) for v in (moving_dots, held_out_dots))
    assert_beats_chance(method, batches, unseen, steps=20, margin=0.3)


def test_arrow_names_what_is_wrong(generator):
    with pytest.raises(ValueError, match="inputs is 'flows'; allowed: rgb, flow"):
        ArrowOfTime(volume(), inputs="flows")
    with pytest.raises(ValueError, match="clips have 1 frames; the arrow of time takes at least 2"):
        ArrowOfTime(volume()).pretext(numbered(1, 1), generator)
    net = C3D(8, width=2, blocks=(1, 1), dense=1, clip_length=4, image_size=8)
    with pytest.raises(ValueError, match="the backbone is C3D; activation_map takes R3D"):
        ArrowOfTime(net).activation_map(numbered(1, 4))


# --- rotation ---


def test_all_four_rotations_of_every_clip(generator):
    clips = torch.rand(3, 4, 3, 8, 8, generator=generator)
    shown, labels = ClipRotation(volume()).pretext(clips, generator)
    assert labels.tolist() == [0, 1, 2, 3] * 3
    for row in range(12):
        assert torch.equal(shown[row], clips[row // 4].rot90(int(labels[row]), (-2, -1)))  # the whole clip alike


def test_one_random_rotation_of_every_clip(generator):
    clips = torch.rand(8, 4, 3, 8, 8, generator=generator)
    shown, labels = ClipRotation(volume(), rotations_per_clip=1).pretext(clips, generator)
    assert labels.bincount().tolist() == [2] * 4
    for row in range(8):
        assert torch.equal(shown[row], clips[row].rot90(int(labels[row]), (-2, -1)))


def test_rotation_names_what_is_wrong(generator):
    with pytest.raises(ValueError, match="clips are 8×10 pixels; quarter turns take squares"):
        ClipRotation(volume()).pretext(torch.rand(1, 4, 3, 8, 10), generator)
    with pytest.raises(ValueError, match="rotations_per_clip is 2; it takes 4"):
        ClipRotation(volume(), rotations_per_clip=2)


# --- cubic puzzles ---


def placed(batch, length, size):
    """Clips in which every pixel tells its frame (red), row (green) and column (blue), in 64ths."""
    axes = torch.meshgrid(torch.arange(length), torch.arange(size), torch.arange(size), indexing="ij")
    return (torch.stack(axes, 1) / 64).expand(batch, -1, -1, -1, -1).contiguous()


def corners(shown):
    """First frame, row and column of every piece, (N, 4) each; the rest of the piece must follow from them."""
    value = (shown * 64).round().long()
    frame, row, column = value[:, :, 0, :, 0, 0].unbind(-1)
    for axis, dim, first in ((0, 2, frame), (1, 3, row), (2, 4, column)):
        found = value[:, :, :, axis]
        steps = torch.arange(found.shape[dim]).view([-1 if d == dim else 1 for d in range(5)])
        assert torch.equal(found, (first[:, :, None, None, None] + steps).expand_as(found))
    return frame, row, column


def test_pieces_in_space_are_the_quarters_in_the_order_of_the_label(generator):
    method = CubicPuzzles(volume(), kind="space", frames=4, size=12, jitter=3, channel_replication=False)
    shown, labels = method.pretext(placed(6, 10, 32), generator)
    assert shown.shape == (6 * 24, 4, 4, 3, 12, 12)
    frame, row, column = corners(shown)
    assert (frame == frame[:, :1]).all()  # one moment, of the clip's own
    assert len(frame.unique()) > 2
    assert torch.equal(row // 16 * 2 + column // 16, method.orders[labels])
    assert torch.equal((row + 11) // 16 * 2 + (column + 11) // 16, method.orders[labels])  # inside one quarter
    assert len((row % 16).unique()) == len((column % 16).unique()) == 4  # jitter of 0 … 3 pixels


def test_pieces_in_time_follow_one_another_in_the_order_of_the_label(generator):
    method = CubicPuzzles(volume(), kind="time", frames=3, size=20, jitter=2, channel_replication=False)
    shown, labels = method.pretext(placed(12, 20, 32), generator)
    frame, row, column = corners(shown)
    assert torch.equal(frame // 5, method.orders[labels])
    assert torch.equal((frame + 2) // 5, method.orders[labels])
    for corner in (row, column):
        assert (corner.amax(1) - corner.amin(1)).max() == 2  # one place but for the jitter
        assert corner.amax() - corner.amin() > 4


def test_both_kinds_are_equally_frequent_and_every_video_has_all_orders(generator):
    method = CubicPuzzles(volume(), frames=3, size=12, jitter=1, channel_replication=False)
    shown, labels = method.pretext(placed(6, 16, 32), generator)
    frame, _, _ = corners(shown)
    assert int((frame == frame[:, :1]).all(1).view(6, 24).all(1).sum()) == 3
    assert torch.equal(labels.view(6, 24).sort(1).values, torch.arange(24).expand(6, -1))


def test_one_channel_stands_for_all_in_every_piece(generator):
    clips = torch.tensor([0.1, 0.4, 0.9])[:, None, None].expand(5, 8, 3, 32, 32).contiguous()
    method = CubicPuzzles(volume(), kind="space", orders_per_clip=1)
    shown, _ = method.pretext(clips, generator)
    assert torch.equal(shown, shown[:, :, :1, :1, :1, :1].expand_as(shown))
    assert len(shown[:, :, 0, 0, 0, 0].unique()) == 3
    assert (shown[:, :, 0, 0, 0, 0].std(1) > 0).any()  # not one draw for the whole clip


def test_cubic_puzzles_name_what_is_wrong(generator):
    with pytest.raises(ValueError, match="kind is 'tme'.*Did you mean 'time'"):
        CubicPuzzles(volume(), kind="tme")
    with pytest.raises(ValueError, match="clips have 24×24 pixels; 2×2 pieces of 14 \\+ 2 take more"):
        CubicPuzzles(volume()).pretext(torch.rand(1, 16, 3, 24, 24), generator)
    with pytest.raises(ValueError, match="clips have 24×24 pixels; pieces of 24 \\+ 2 take more"):
        CubicPuzzles(volume(), kind="time", size=24).pretext(torch.rand(1, 16, 3, 24, 24), generator)
    with pytest.raises(ValueError, match="clips have 15 frames; a puzzle takes at least 16"):
        CubicPuzzles(volume()).pretext(torch.rand(1, 15, 3, 32, 32), generator)
    with pytest.raises(ValueError, match="orders_per_clip is 25; 4 pieces have 24 orders"):
        CubicPuzzles(volume(), orders_per_clip=25)
    with pytest.raises(ValueError, match="orders_per_clip is 0"):
        CubicPuzzles(volume(), orders_per_clip=0)


def test_clip_order_names_what_is_wrong(generator):
    with pytest.raises(ValueError, match="clips have 12 frames; clip order prediction takes at least 13"):
        ClipOrder(volume(), frames=3, gap=2).pretext(numbered(1, 12), generator)
    with pytest.raises(ValueError, match="snippets is 1"):
        ClipOrder(volume(), snippets=1)
    with pytest.raises(ValueError, match="gap is -1"):
        ClipOrder(volume(), gap=-1)


# --- playback rate ---


def test_every_video_is_shown_at_every_rate(generator):
    method = PlaybackRate(volume(), rates=(1, 2, 4), length=5)
    assert method.frames_needed == 17
    shown, labels = method.pretext(numbered(12, 20), generator)
    video, frame = read(shown)
    assert labels.tolist() == [0, 1, 2] * 12
    assert torch.equal(video, torch.arange(12).repeat_interleave(3)[:, None].expand(-1, 5))
    assert torch.equal(frame.diff(dim=1), torch.tensor([1, 2, 4])[labels][:, None].expand(-1, 4))
    assert frame.max() <= 19
    assert len(frame[labels == 2][:, 0].unique()) > 1


def test_no_rate_is_betrayed_by_the_part_of_the_video_it_shows(generator):
    shown, labels = PlaybackRate(volume(), rates=(1, 4), length=3).pretext(
        numbered(16, 20, 1).repeat(60, 1, 1, 1, 1), generator
    )
    centre = read(shown)[1].double().mean(1)
    for label in (0, 1):
        assert centre[labels == label].mean() == pytest.approx(9.5, abs=0.6)


def test_playback_rate_names_what_is_wrong(generator):
    with pytest.raises(ValueError, match="clips have 16 frames; 5 frames at rate 4 take at least 17"):
        PlaybackRate(volume(), rates=(1, 4), length=5).pretext(numbered(1, 16), generator)
    for rates in ((1,), (2, 2)):
        with pytest.raises(ValueError, match="at least two different steps"):
            PlaybackRate(volume(), rates=rates)
    with pytest.raises(ValueError, match="rates is 0"):
        PlaybackRate(volume(), rates=(0, 1))
    with pytest.raises(ValueError, match="length is 1"):
        PlaybackRate(volume(), length=1)


# --- odd one out ---


def test_one_sub_clip_is_shuffled_and_its_place_is_the_label(generator):
    method = OddOneOut(SingleFrame(backbone()), clips=4, frames=5)
    method.prepare = lambda clips: clips  # look at the frames themselves
    shown, place = method.pretext(numbered(12, 9), generator)
    assert shown.shape == (12, 4, 5, 3, 8, 8)
    video, frame = read(shown)
    assert torch.equal(video, torch.arange(12)[:, None, None].expand(-1, 4, 5))
    in_order = (frame.diff(dim=2) > 0).all(2)
    assert torch.equal(~in_order, torch.nn.functional.one_hot(place, 4).bool())
    assert all(len(set(one)) == 5 for one in frame.flatten(0, 1).tolist())
    assert place.bincount().tolist() == [3] * 4
    assert len(frame[in_order].unique(dim=0)) > 10  # sub-clips of a video differ


def test_branches_see_differences(generator):
    clips = torch.rand(3, 4, 3, 8, 8, generator=generator)
    stacked = OddOneOut(SingleFrame(backbone())).prepare(clips)
    torch.testing.assert_close(stacked * 2 - 1, clips.diff(dim=1))
    total = OddOneOut(SingleFrame(backbone()), inputs="sum").prepare(clips)
    pairs = sum(clips[:, j] - clips[:, i] for i, j in itertools.combinations(range(4), 2))
    torch.testing.assert_close(total[:, 0] * 2 - 1, pairs / 4)
    assert total.min() >= 0
    assert total.max() <= 1
    still = clips[:, :1].expand(-1, 4, -1, -1, -1)
    for inputs in ("differences", "sum"):
        seen = OddOneOut(SingleFrame(backbone()), inputs=inputs).prepare(still)
        torch.testing.assert_close(seen, torch.full_like(seen, 0.5))


def test_the_extremes_of_the_sum_stay_in_range():
    for length in (3, 4, 5, 6):
        clips = (torch.arange(length) >= (length + 1) // 2).float()[None, :, None, None, None].expand(1, -1, 3, 2, 2)
        seen = OddOneOut(SingleFrame(backbone()), inputs="sum").prepare(clips)
        torch.testing.assert_close(seen, torch.ones_like(seen))


def test_the_sum_of_differences_learns_with_a_network_for_images(moving_dots, held_out_dots):
    method = OddOneOut(SingleFrame(backbone()), inputs="sum", clips=4, frames=4)
    batches, unseen = (ClipSampler(v, batch=12, length=16) for v in (moving_dots, held_out_dots))
    assert_beats_chance(method, batches, unseen, steps=50, margin=0.25)


def test_odd_one_out_names_what_is_wrong(generator):
    with pytest.raises(ValueError, match="clips is 1; odd-one-out takes at least 2"):
        OddOneOut(SingleFrame(backbone()), clips=1)
    with pytest.raises(ValueError, match="frames is 2; odd-one-out takes at least 3"):
        OddOneOut(SingleFrame(backbone()), frames=2)
    with pytest.raises(ValueError, match="clips have 5 frames; a sub-clip takes at least 6"):
        OddOneOut(SingleFrame(backbone())).pretext(numbered(1, 5), generator)
    with pytest.raises(ValueError, match="inputs is 'sums'"):
        OddOneOut(SingleFrame(backbone()), inputs="sums")
