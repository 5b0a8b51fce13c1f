"""Contrast, prediction and correspondence: what is asked, that the losses are their formulas, and that each learns."""

import math

import pytest
import torch
import torch.nn.functional as F
from learning import assert_beats_chance, assert_overfits_one_batch, held_out_accuracy
from skimage.color import rgb2xyz, xyz2lab, xyz_tristimulus_values

from course_lib import training
from course_lib.data.videos import ClipSampler, VideoSet
from course_lib.evaluation import copy_first, mask_iou
from course_lib.methods.pretext import (
    ConvGRU,
    CycleTracking,
    DensePredictiveCoding,
    TemporalCoherence,
    VideoColourisation,
    colour_clusters,
)
from course_lib.methods.pretext.contrast import contrast_accuracy
from course_lib.methods.pretext.cycle_tracking import affine, affinity, crop, grid_distance, matched_place, soft_inliers
from course_lib.methods.pretext.dense_prediction import KINDS, dense_logits, pair_kinds
from course_lib.methods.pretext.temporal_coherence import coherence_logits
from course_lib.models import C3D, R3D, SmallAlexNet, SmallResNet
from course_lib.transforms import Augmentation, rgb_to_lab, to_grey


def dense_net():
    return SmallResNet(8, 8, stem_stride=1)  # a cell is 4 x 4 pixels


def tiny_3d():
    return R3D(8, (1, 1), stem_kernel=(3, 5, 5), stem_stride=(1, 4, 4))


FRAMES = 8


@pytest.fixture(scope="module")
def drifting():
    return make_drifting(160, 0), make_drifting(24, 1)


def make_drifting(videos, seed, size=36, side=12):
    """A square of one colour and a rough texture moves over a smooth, drifting ground of another colour.

    So the grey picture shows what belongs together, and its colour says that it does.
    """
    draw = torch.Generator().manual_seed(seed)

    def light(cells, size):
        noise = torch.rand(videos, 1, cells, cells, generator=draw)
        return 0.3 + 0.7 * F.interpolate(noise, (size, size), mode="bilinear")

    paint, ground = torch.rand(2, videos, 3, 1, 1, generator=draw)
    square, ground = paint * light(6, side), ground * light(4, size + FRAMES)
    start, end = torch.randint(0, size - side + 1, (2, videos, 2), generator=draw)
    pixels = torch.empty(videos, FRAMES, 3, size, size)
    mask = torch.zeros(videos, FRAMES, size, size, dtype=torch.uint8)
    for t in range(FRAMES):
        pixels[:, t] = ground[..., t : t + size, t : t + size]
        for v, (row, column) in enumerate((start + (end - start) * t / (FRAMES - 1)).round().long().tolist()):
            pixels[v, t, :, row : row + side, column : column + side] = square[v]
            mask[v, t, row : row + side, column : column + side] = 1
    return VideoSet(
        name="drifting squares",
        frames=(pixels.flatten(0, 1) * 255).round().to(torch.uint8),
        starts=torch.arange(videos + 1) * FRAMES,
        frame={"mask": mask.flatten(0, 1)},
    )


def whole(videos):
    """All videos as clips, and their masks."""
    index = torch.arange(len(videos.frames)).view(-1, FRAMES)
    return videos.gather(index), videos.frame["mask"][index].long()


def followed(method, videos):
    """Mean overlap of the carried and the true masks, and that of copying the first."""
    clips, masks = whole(videos)
    floor = mask_iou(copy_first(masks[:, 0], FRAMES), masks).mean
    return mask_iou(method.propagate(clips, masks[:, 0]), masks).mean, floor


# --- contrast accuracy ---


def test_ties_do_not_count_as_found():
    logits = torch.tensor([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0]])
    assert contrast_accuracy(logits, torch.tensor([0, 1, 0])) == pytest.approx(2 / 3)
    assert contrast_accuracy(torch.zeros(5, 5), torch.arange(5)) == 0


# --- temporally coherent embeddings ---


def test_coherence_equals_a_loop_over_anchors(generator):
    videos, frames, tau = 4, 3, 0.2
    z = F.normalize(torch.randn(videos, frames, 6, generator=generator), dim=2).requires_grad_()
    logits = coherence_logits(z, tau)
    targets = TemporalCoherence(SmallAlexNet(4, 8, image_size=32)).pretext(
        torch.rand(videos, frames, 3, 32, 32), generator
    )[1]
    loss = F.cross_entropy(logits, targets)
    terms = []
    for v in range(videos):
        for t in range(frames - 1):
            positive = (z[v, t] @ z[v, t + 1] / tau).exp()
            others = [z[v, t] @ z[w, s] / tau for w in range(videos) if w != v for s in range(frames)]
            terms.append(-(positive / (positive + torch.stack(others).exp().sum())).log())
    naive = torch.stack(terms).mean()
    torch.testing.assert_close(loss, naive)
    torch.testing.assert_close(*(torch.autograd.grad(value, z, retain_graph=True)[0] for value in (loss, naive)))


def test_other_frames_of_the_own_video_play_no_part(generator):
    z = F.normalize(torch.randn(2, 4, 6, generator=generator), dim=2)
    logits = coherence_logits(z, 0.1)
    assert logits.shape == (6, 8)
    assert (logits.isfinite().sum(1) == 1 + 4).all()
    moved = z.clone()
    moved[0, 3] = -moved[0, 3]  # no neighbour of frame 0
    assert torch.equal(coherence_logits(moved, 0.1)[0, :4], logits[0, :4])


def test_coherence_chance_is_that_of_a_guess(generator):
    method = TemporalCoherence(SmallAlexNet(4, 8, image_size=32), projection=5)
    parts = method.training_loss(torch.rand(4, 3, 3, 32, 32, generator=generator), generator)
    assert method.chance == pytest.approx(1 / 10)
    assert float(parts["chance"]) == pytest.approx(method.chance)
    guesses = torch.randn(3000, 10, generator=generator)
    assert contrast_accuracy(guesses, torch.zeros(3000, dtype=torch.int64)) == pytest.approx(0.1, abs=0.02)


def test_coherence_learns(moving_dots, held_out_dots, generator):
    batches = ClipSampler(moving_dots, batch=12, length=2, stride=2)
    method = TemporalCoherence(SmallAlexNet(4, 32, image_size=32), temperature=0.1)
    # One clip per video: two of the same would repel each other.
    one_each = moving_dots.gather(moving_dots.starts[:-1][:, None] + torch.tensor([0, 3]))
    assert_overfits_one_batch(method, one_each[:8], steps=60)
    method = TemporalCoherence(SmallAlexNet(4, 32, image_size=32), augment=Augmentation(mode="frame"))
    unseen = ClipSampler(held_out_dots, batch=12, length=2, stride=2)
    assert_beats_chance(method, batches, unseen, steps=40, margin=0.2)
    assert method.features(one_each).shape == (16, 32)


# --- dense predictive coding ---


def test_the_contrast_equals_a_loop_over_clips_times_and_places(generator):
    clips, steps, size = 3, 2, 2
    predicted = torch.randn(clips, steps, 5, size, size, generator=generator, requires_grad=True)
    actual = torch.randn(clips, steps, 5, size, size, generator=generator, requires_grad=True)
    logits = dense_logits(predicted, actual)
    loss = F.cross_entropy(logits, torch.arange(len(logits)))
    places = [(b, t, y, x) for b in range(clips) for t in range(steps) for y in range(size) for x in range(size)]
    terms = []
    for b, t, y, x in places:
        scores = torch.stack([predicted[b, t, :, y, x] @ actual[c, s, :, v, u] for c, s, v, u in places])
        terms.append(scores.logsumexp(0) - predicted[b, t, :, y, x] @ actual[b, t, :, y, x])
    naive = torch.stack(terms).mean()
    torch.testing.assert_close(loss, naive)
    for values in (predicted, actual):
        torch.testing.assert_close(*(torch.autograd.grad(v, values, retain_graph=True)[0] for v in (loss, naive)))


def test_pairs_are_of_the_kind_they_should_be():
    kinds = pair_kinds(clips=3, steps=2, places=4)
    counts = [(kinds == number).sum(1) for number in range(len(KINDS))]
    for count, expected in zip(counts, (1, 2 * 2 * 4, 3, 4), strict=True):
        assert (count == expected).all()
    assert (kinds.diagonal() == 0).all()
    assert KINDS[kinds[0, 8]] == "easy"
    assert KINDS[kinds[0, 1]] == "spatial"
    assert KINDS[kinds[0, 4]] == "temporal"


def test_the_gru_is_the_one_of_torch_at_every_place(generator):
    gru, cell = ConvGRU(3, 4), torch.nn.GRUCell(3, 4)
    with torch.no_grad():  # torch gates the state after its matrix, which is the same where the matrix is diagonal
        diagonal = torch.diag(torch.randn(4, generator=generator))
        gru.candidate.weight[:, 3:] = diagonal[:, :, None, None]
        gates, candidate = gru.gates.weight[..., 0, 0], gru.candidate.weight[..., 0, 0]
        update, reset = gates.chunk(2)
        # torch: reset, update, new; and its update gate keeps the state
        cell.weight_ih.copy_(torch.cat([reset[:, :3], -update[:, :3], candidate[:, :3]]))
        cell.weight_hh.copy_(torch.cat([reset[:, 3:], -update[:, 3:], candidate[:, 3:]]))
        u, r = gru.gates.bias.chunk(2)
        cell.bias_ih.copy_(torch.cat([r, -u, gru.candidate.bias]))
        cell.bias_hh.zero_()
    maps, state = torch.randn(2, 3, 2, 2, generator=generator), torch.randn(2, 4, 2, 2, generator=generator)
    flat = [values.movedim(1, -1).flatten(0, 2) for values in (maps, state)]
    torch.testing.assert_close(gru(maps, state).movedim(1, -1).flatten(0, 2), cell(*flat))
    assert gru(maps).shape == (2, 4, 2, 2)


def test_the_future_is_predicted_from_the_past_alone(generator):
    method = DensePredictiveCoding(tiny_3d(), blocks=4, frames=2, predict=2).eval()
    clips = torch.rand(2, 8, 3, 16, 16, generator=generator)
    blocks, future = method.pretext(clips, generator)
    assert torch.equal(blocks.flatten(1, 2), clips)
    assert torch.equal(future, blocks[:, 2:])
    changed = clips.clone()
    changed[:, 4:] = 0
    before, after = method(blocks), method(method.pretext(changed, generator)[0])
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    changed = clips.clone()
    changed[:, 0] = 0  # the oldest frame counts
    assert not torch.equal(before[0], method(method.pretext(changed, generator)[0])[0])


def test_dense_prediction_reports_what_it_beats(generator):
    method = DensePredictiveCoding(tiny_3d(), blocks=3, frames=2, predict=1)
    parts = method.training_loss(torch.rand(4, 6, 3, 16, 16, generator=generator), generator)
    assert method.chance == pytest.approx(1 / (4 * 1 * 4))
    assert float(parts["chance"]) == pytest.approx(method.chance)
    assert {"easy", "spatial", "temporal"} <= set(parts)
    assert parts["accuracy"] <= min(parts["easy"], parts["spatial"], parts["temporal"])
    assert parts["temporal"] == 1  # one step: there is no other moment
    parts["loss"].backward()
    for part in (method.backbone.stem[0], method.aggregator.gates, method.predictor[0]):
        assert part.weight.grad.abs().sum() > 0


def test_dense_prediction_learns(drifting, generator):
    train, test = drifting
    options = {"blocks": 4, "frames": 2, "predict": 1}
    one_batch = whole(train)[0][:4]
    assert_overfits_one_batch(DensePredictiveCoding(tiny_3d(), **options), one_batch, steps=60)
    method = DensePredictiveCoding(tiny_3d(), **options)
    batches, unseen = (ClipSampler(videos, batch=8, length=FRAMES) for videos in (train, test))
    assert_beats_chance(method, batches, unseen, steps=80, margin=0.1, lr=1e-2)
    assert method.features(one_batch).shape == (4, method.backbone.features)


def test_c3d_fits_too(generator):
    backbone = C3D(8, width=2, blocks=(1, 1), dense=1, clip_length=2, image_size=16, norm="batch")
    method = DensePredictiveCoding(backbone, blocks=3, frames=2, predict=1)
    method.training_loss(torch.rand(2, 6, 3, 16, 16, generator=generator), generator)["loss"].backward()


# --- video colourisation ---


def test_lab_is_that_of_scikit_image(generator):
    pixels = torch.rand(2, 3, 9, 7, generator=generator)
    pixels[0, :, 0, :2] = torch.tensor([0.0, 1.0])
    # scikit-image takes D65 for white; here white is what the matrix makes of (1, 1, 1), so that grey has no colour
    xyz, white = (rgb2xyz(values.double().numpy(), channel_axis=1) for values in (pixels, torch.ones(1, 3, 1, 1)))
    theirs = xyz_tristimulus_values(illuminant="D65", observer="2")[:, None, None]
    expected = xyz2lab(xyz / white * theirs, channel_axis=1)
    torch.testing.assert_close(rgb_to_lab(pixels), torch.from_numpy(expected).float(), atol=1e-3, rtol=0)
    grey = rgb_to_lab(to_grey(pixels))
    assert grey[:, 1:].abs().max() < 1e-3


def test_colours_are_found_and_quantised(generator):
    paints = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    images = paints[torch.randint(3, (4, 16, 16), generator=generator)].movedim(-1, 1)
    colours = colour_clusters(images, 3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(colours, colour_clusters(images, 3, generator=torch.Generator().manual_seed(5)))
    lab = rgb_to_lab(paints[:, :, None, None])[:, 1:, 0, 0]
    assert torch.cdist(lab, colours).amin(1).max() < 0.1
    method = VideoColourisation(dense_net(), colours)
    flat = paints[:, :, None, None].expand(-1, -1, 8, 8)[None]
    classes = method.quantise(flat, (2, 2))
    assert classes.shape == (1, 3, 2, 2)
    assert torch.equal(classes[0, :, 0, 0], torch.cdist(lab, colours).argmin(1))


def test_a_perfect_pointer_copies_every_colour(generator):
    """Each place has its own grey and its own colour; they are moved: pointing by grey colours the target exactly."""
    method = VideoColourisation(dense_net(), torch.tensor([[0.0, 0.0], [80.0, 60.0], [-80.0, 80.0]]), temperature=0.01)
    index = torch.randperm(36, generator=generator).view(6, 6)
    shade = torch.stack([index, index.roll((1, 2), (0, 1))])
    angle = math.pi / 2 * shade / 36
    maps = torch.stack([angle.cos(), angle.sin()], 1)  # a place's embedding depends on its grey alone
    method.embed = lambda images: maps * 30
    colour = index % 3
    references, target = colour[None, None], colour.roll((1, 2), (0, 1))[None]
    scores = method((torch.zeros(1, 2, 3, 24, 24), references))
    assert torch.equal(scores.argmax(1), target)
    assert F.nll_loss(scores, target) < 0.05


def test_colours_that_no_reference_shows_are_not_asked_for(generator):
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1.0])
    ab = rgb_to_lab(torch.stack([red, blue])[:, :, None, None])[:, 1:, 0, 0]
    method = VideoColourisation(dense_net(), ab)
    clips = red[:, None, None].expand(1, 2, 3, 24, 24).clone()
    clips[:, 1, :, :12] = blue[:, None, None]  # only the target shows it
    (grey, references), target = method.pretext(clips, generator)
    assert torch.equal(grey, to_grey(clips))
    assert (references == 0).all()
    assert (target[:, :3] == -100).all()
    assert (target[:, 3:] == 0).all()


def test_the_net_sees_no_colour(generator):
    method = VideoColourisation(dense_net(), torch.randn(4, 2)).eval()
    clips = torch.rand(2, 2, 3, 24, 24, generator=generator)
    torch.testing.assert_close(method.embed(clips[:, 0]), method.embed(to_grey(clips[:, 0])), atol=1e-5, rtol=1e-4)


def test_colourisation_learns_and_tracks(drifting, generator):
    train, test = drifting
    colours = colour_clusters(train.gather(torch.arange(0, len(train.frames), 8)), 12, generator=generator)
    method = VideoColourisation(dense_net(), colours, embedding=32)
    batch = whole(train)[0][:4, ::4]
    training.fit(method, lambda g: batch, steps=40, generator=generator, lr=1e-2, progress=False)
    assert method.training_loss(batch, generator)["accuracy"] > 0.95
    method = VideoColourisation(dense_net(), colours, embedding=32)
    untrained, floor = followed(method, test)
    batches = ClipSampler(train, batch=16, length=2, stride=3)
    training.fit(method, batches, steps=180, generator=generator, lr=1e-2, progress=False)
    parts = method.training_loss(ClipSampler(test, batch=48, length=2, stride=3)(generator), generator)
    assert parts["accuracy"] > max(method.chance, float(parts["static"])) + 0.03, parts
    after, _ = followed(method, test)
    assert after > max(floor, untrained) + 0.1, (floor, untrained, after)


def test_scores_may_lie_in_any_order_in_memory(generator):
    """Torch's gradient of `nll_loss` for maps fails where the scores are not contiguous."""
    method = VideoColourisation(dense_net(), torch.randn(4, 2))
    forward = method.forward
    method.forward = lambda inputs: forward(inputs).contiguous(memory_format=torch.channels_last)
    method.training_loss(torch.rand(2, 2, 3, 24, 24, generator=generator), generator)["loss"].backward()


# --- cycle tracking ---


def tracker(**options):
    defaults = {"image_size": 24, "embedding": 32, "rim": 0, "temperature": 0.2, "localiser": "learned"}
    return CycleTracking(dense_net(), **{**defaults, **options})


def test_places_map_the_patch_into_the_frame():
    theta = affine(torch.tensor([[0.5, -0.25, math.pi / 2]]))
    corner = theta[0] @ torch.tensor([1.0, 0.0, 1.0])  # the middle of the right edge, turned by a quarter
    torch.testing.assert_close(corner, torch.tensor([0.5, -0.25 + 1 / 3]))


def test_crops_are_where_they_say(generator):
    images = torch.rand(2, 3, 24, 24, generator=generator)
    place = torch.tensor([[0.0, 0.0, 0.0], [-2 / 3, 2 / 3, 0.0]])
    patches = crop(images, affine(place), 8)
    torch.testing.assert_close(patches[0], images[0, :, 8:16, 8:16])
    torch.testing.assert_close(patches[1], images[1, :, 16:, :8])
    turned = crop(images, affine(torch.tensor([[0.0, 0.0, math.pi / 2]]).expand(2, -1)), 8)
    torch.testing.assert_close(turned, crop(images, affine(torch.zeros(2, 3)), 8).rot90(1, (2, 3)), atol=1e-4, rtol=0)


def test_the_affinity_finds_the_patch_and_the_inliers_know_it(generator):
    maps = F.one_hot(torch.randperm(36, generator=generator).view(1, 6, 6)).movedim(-1, 1).float()
    place = torch.tensor([[1 / 3, -2 / 3, 0.0]])  # two columns, two rows: cells 3 and 4 of the first two rows
    patch = crop(maps, affine(place), 2)
    found = affinity(patch, maps, 0.02)
    torch.testing.assert_close(found.sum(1), torch.ones(1, 2, 2))
    expected = torch.tensor([[3, 4], [9, 10]])
    assert torch.equal(found.argmax(1)[0], expected)
    assert soft_inliers(found, affine(place), (6, 6)) > 0.99
    away = torch.tensor([[-1 / 3, 1 / 3, 0.0]])
    assert soft_inliers(found, affine(away), (6, 6)) < 0.01
    half = place + torch.tensor([[1 / 6, 0.0, 0.0]])  # half a cell aside
    assert float(soft_inliers(found, affine(half), (6, 6))) == pytest.approx(0.5, abs=0.01)


def test_the_match_finds_every_shift_and_turn():
    # What each of 4 x 4 cells expects, as an affinity that is all in one cell of a fine frame.
    place = torch.tensor([[0.2, -0.3, 0.5], [-0.4, 0.1, -0.6], [0.0, 0.0, 0.0]])
    size = 90
    points = F.affine_grid(affine(place), [3, 1, 4, 4], align_corners=False)  # x, y in -1 … 1
    column, row = ((points + 1) * size / 2).long().unbind(-1)
    affinities = F.one_hot(row * size + column, size * size).movedim(-1, 1).float()
    torch.testing.assert_close(matched_place(affinities, (size, size)), place, atol=0.06, rtol=0)
    even = torch.full((1, 36, 2, 2), 1 / 36, requires_grad=True)  # says nothing: the middle, unturned
    found = matched_place(even, (6, 6))
    torch.testing.assert_close(found, torch.zeros(1, 3), atol=1e-6, rtol=0)
    assert torch.autograd.grad(found.sum(), even)[0].isfinite().all()


def test_a_rim_is_cut_around_the_patch(generator):
    clips = torch.rand(2, 2, 3, 24, 24, generator=generator)
    (_, patches), place = tracker(rim=1, moving=0, max_angle=0).pretext(clips, generator)
    assert patches.shape == (2, 3, 16, 16)
    torch.testing.assert_close(patches[..., 4:12, 4:12], crop(clips[:, -1], affine(place), 8), atol=1e-5, rtol=0)


def test_grid_distance_is_the_squared_shift(generator):
    place = torch.rand(4, 3, generator=generator)
    shifted = place + torch.tensor([0.3, -0.4, 0.0])
    torch.testing.assert_close(grid_distance(affine(place), affine(shifted)), torch.full((4,), 0.25))
    assert grid_distance(affine(place), affine(place)).max() == 0


def test_patches_are_cut_at_their_place_and_among_what_moves(generator):
    clips = torch.rand(40, 1, 3, 24, 24, generator=generator).expand(-1, 3, -1, -1, -1).clone()
    clips[:, -1, :, :8, 16:] = 1 - clips[:, -1, :, :8, 16:]  # only the top right corner changes
    (same, patches), place = tracker(moving=1).pretext(clips, generator)
    assert same is clips
    assert patches.shape == (40, 3, 8, 8)
    torch.testing.assert_close(patches, crop(clips[:, -1], affine(place), 8))
    assert (place[:, :2] - torch.tensor([2 / 3, -2 / 3])).abs().max() <= 1 / 12 + 1e-6
    assert place[:, 2].abs().max() <= math.pi / 4
    _, anywhere = tracker(moving=0, max_angle=0).pretext(clips, generator)
    assert anywhere[:, :2].abs().max() <= 2 / 3
    assert anywhere[:, :2].std() > 0.3
    assert anywhere[:, 2].abs().max() == 0
    method = tracker(moving=0)
    middle = method.pretext(clips.repeat(50, 1, 1, 1, 1)[:2000], generator)[1][:, :2].norm(dim=1) < 1 / 3
    assert method.chance == pytest.approx(float(middle.float().mean()), abs=0.03)


@pytest.mark.parametrize("loss", ["grid", "feature"])
def test_cycle_loss_is_equation_3_3_and_reaches_everything(loss, generator):
    method = tracker(loss=loss)
    parts = method.training_loss(torch.rand(4, 4, 3, 24, 24, generator=generator), generator)
    total = -parts["similarity"] + 0.1 * (parts["long"] + parts["skip"])
    torch.testing.assert_close(parts["loss"], total)
    parts["loss"].backward()
    for layer in (method.backbone.conv[0], method.projection, method.localiser.maps[0], method.localiser.place):
        assert layer.weight.grad.isfinite().all()
        assert layer.weight.grad.abs().sum() > 0


def test_cycles_visit_the_frames_in_order(generator):
    method = tracker()
    seen = []
    clips = torch.rand(1, 4, 3, 24, 24, generator=generator)
    inputs, _ = method.pretext(clips, generator)
    frames = [method.eval().embed(frame) for frame in clips[0].unsqueeze(1)]
    locate = method.locate

    def spy(patch, frame):
        seen.append(next(t for t in range(4) if torch.allclose(frames[t], frame, atol=1e-5)))
        return locate(patch, frame)

    method.locate = spy
    found = method(inputs)
    assert seen == [2, 3, 2, 3, 1, 2, 3, 1, 3, 0, 1, 2, 3, 0, 3]  # back, forth, and the skip there and back
    assert all(len(values) == 3 for values in found.values())


def test_equal_features_are_perfect_for_the_feature_loss_but_not_for_the_grid(generator):
    clips = torch.rand(6, 3, 3, 24, 24, generator=generator)
    for loss, perfect in (("feature", True), ("grid", False)):
        method = tracker(loss=loss)
        same = F.normalize(torch.ones(1, 32, 1, 1), dim=1)
        method.embed = lambda images, same=same: same.expand(
            len(images), -1, images.shape[2] // 4, images.shape[3] // 4
        )
        parts = method.training_loss(clips, generator)
        assert (parts["long"].item() < 1e-3) == perfect
        assert parts["similarity"].item() == pytest.approx(2 if perfect else 2 / 36, abs=0.02)


def test_cycle_tracking_learns(drifting, generator):
    train, test = drifting
    options = {"image_size": 36, "temperature": 0.05, "rim": 2, "localiser": "matched", "max_angle": 0}
    batch = whole(train)[0][:8, :3]
    assert_overfits_one_batch(tracker(**options), batch, steps=25, loss=-1.7)  # −2: all inliers on both ways back
    method = tracker(**options)
    untrained, floor = followed(method, test)
    batches, unseen = (ClipSampler(videos, batch=8, length=3, stride=2) for videos in (train, test))
    before = held_out_accuracy(method, unseen)
    assert_beats_chance(method, batches, unseen, steps=120, margin=0.2, lr=1e-2)
    assert held_out_accuracy(method, unseen) > before + 0.15
    after, _ = followed(method, test)
    assert after > max(floor, untrained) + 0.1, (floor, untrained, after)


# --- propagation through a method, and bad input ---


@pytest.mark.parametrize("make", [lambda: VideoColourisation(dense_net(), torch.randn(4, 2)), tracker])
def test_propagation_keeps_shapes_types_and_the_first_frame(make, generator):
    method = make().train()
    clips = torch.rand(2, 3, 3, 24, 24, generator=generator)
    mask = torch.randint(3, (2, 24, 24), generator=generator).to(torch.uint8)
    carried = method.propagate(clips, mask)
    assert carried.shape == (2, 3, 24, 24)
    assert carried.dtype == torch.uint8
    assert torch.equal(carried[:, 0], mask)
    soft = method.propagate(clips, torch.rand(2, 5, 12, 12, generator=generator), topk=None)
    assert soft.shape == (2, 3, 5, 12, 12)
    assert method.training
    assert method.features(clips).shape == (2, method.backbone.features)


def test_a_still_video_keeps_its_mask():
    clips = torch.rand(1, 1, 3, 24, 24).expand(2, 4, -1, -1, -1)
    mask = torch.zeros(2, 24, 24, dtype=torch.int64)
    mask[:, 4:16, 8:20] = 1
    carried = tracker().propagate(clips, mask, topk=1)
    assert mask_iou(carried, copy_first(mask, 4)).mean > 0.9


def dpc(**options):
    return DensePredictiveCoding(tiny_3d(), **{"blocks": 3, "frames": 2, "predict": 1, **options})


def coherence(**options):
    return TemporalCoherence(SmallAlexNet(4, 8, image_size=32), **options)


def colourisation(**options):
    return VideoColourisation(dense_net(), **{"colours": torch.randn(4, 2), **options})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: coherence(temperature=0), "temperature is 0"),
        (lambda: coherence().pretext(torch.rand(1, 2, 3, 32, 32), None), "1 clips of 2 frames"),
        (lambda: coherence().pretext(torch.rand(2, 1, 3, 32, 32), None), "2 clips of 1 frames"),
        (lambda: coherence().pretext(torch.full((2, 2, 3, 32, 32), float("nan")), None), "NaN"),
        (lambda: dpc(predict=3), "predict is 3 of 3"),
        (lambda: dpc(kernel=2), "kernel is 2"),
        (lambda: dpc().pretext(torch.rand(2, 5, 3, 16, 16), None), "clips have 5 frames; 3 blocks of 2"),
        (lambda: colourisation(colours=torch.zeros(3)), "colours is"),
        (lambda: colourisation(embedding=0), "embedding is 0"),
        (lambda: colourisation().pretext(torch.rand(2, 1, 3, 24, 24), None), "clips have 1 frame"),
        (lambda: colour_clusters(torch.rand(3, 8, 8), generator=None), "images is"),
        (lambda: rgb_to_lab(torch.rand(2, 1, 8, 8)), "pixels is"),
        (lambda: tracker(loss="pixel"), "loss is 'pixel'"),
        (lambda: tracker(moving=50), "moving is 50"),
        (lambda: tracker(localiser="best"), "localiser is 'best'"),
        (lambda: tracker(temperature=-1), "temperature is -1"),
        (lambda: CycleTracking(dense_net(), image_size=32), "image_size is 32"),
        (lambda: tracker().pretext(torch.rand(2, 3, 3, 32, 32), None), "clips is"),
        (lambda: tracker().pretext(torch.rand(2, 1, 3, 24, 24), None), "clips is"),
        (lambda: tracker().propagate(torch.rand(2, 3, 3, 24, 24), torch.zeros(2, 24, 24)), "labels is"),
        (lambda: tracker().propagate(torch.rand(2, 3, 3, 24, 24), torch.zeros(1, 24, 24).long()), "labels is"),
        (lambda: tracker().propagate(torch.rand(2, 3, 3, 24, 24), -torch.ones(2, 24, 24).long()), "labels is"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
