"""Pretext tasks on images: what is asked, that losses are their formulas, that each learns and how each is fooled."""

import pytest
import torch
import torch.nn.functional as F
from learning import assert_beats_chance, assert_overfits_one_batch, backbone, held_out_accuracy
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score

from course_lib import training
from course_lib.methods.image_pretext import (
    AdversarialContextEncoder,
    ClusterTransfer,
    Colourisation,
    ContextEncoder,
    Counting,
    DeepCluster,
    ImageRotation,
    RelativePosition,
    SplitBrain,
    SplitBrainBackbone,
    cluster_labels,
    colour_clusters,
    colour_weights,
    fill_empty,
    missing,
    whiten,
)
from course_lib.methods.image_pretext.colourisation import AB, cell_histogram, histogram_scores
from course_lib.methods.image_pretext.context_encoder import hole_error
from course_lib.methods.image_pretext.relative_position import random_windows
from course_lib.models import ConvDecoder, ConvEncoder, Discriminator, SmallAlexNet, SmallResNet
from course_lib.transforms import (
    chromatic_aberration,
    downsample,
    drop_colours,
    lab_to_rgb,
    light_from_above,
    rgb_to_lab,
    to_grey,
)

KINDS, SIZE = 4, 32


def things(count, seed, size=SIZE):
    """Four things, each a layout of coloured blots, at places that differ by two pixels, and in different light."""
    layout = torch.rand(KINDS, 3, 7, 7, generator=torch.Generator().manual_seed(3))
    large = F.interpolate(layout, (size + 4, size + 4), mode="bilinear")
    draw = torch.Generator().manual_seed(seed)
    kinds = torch.arange(count) % KINDS
    light = 0.7 + 0.3 * torch.rand(count, 1, 1, 1, generator=draw)
    images = light * random_windows(large[kinds], size, draw)
    return (images + 0.02 * torch.randn(images.shape, generator=draw)).clamp(0, 1), kinds


def clouds(batch, *marks, cells=16, size=SIZE):
    """A sampler of pictures of nothing, changed by ``marks``."""

    def sample(generator):
        noise = torch.rand(batch, 3, cells, cells, generator=generator)
        images = F.interpolate(noise, (size, size), mode="bilinear")
        for mark in marks:
            images = mark(images)
        return images

    return sample


def sampler(images, batch):
    return lambda generator: images[torch.randint(len(images), (batch,), generator=generator)]


@pytest.fixture(scope="module")
def pictures():
    return things(64, 0)[0], things(64, 1)[0]


def dense_net(**options):
    return SmallResNet(8, 8, stem_stride=1, **options)  # a cell is 4 × 4 pixels


# --- rotation ---


def test_every_image_is_turned_four_times(generator):
    images = torch.rand(3, 3, SIZE, SIZE, generator=generator)
    turned, labels = ImageRotation(backbone()).pretext(images, generator)
    assert labels.tolist() == [0, 1, 2, 3] * 3
    for image, (one, turns) in zip(images.repeat_interleave(4, 0), zip(turned, labels, strict=True), strict=True):
        assert torch.equal(one.rot90(-int(turns), (1, 2)), image)
    turned, labels = ImageRotation(backbone(), turns_per_image=1).pretext(images.repeat(4, 1, 1, 1), generator)
    assert labels.bincount().tolist() == [3, 3, 3, 3]
    for image, one, turns in zip(images.repeat(4, 1, 1, 1), turned, labels, strict=True):
        assert torch.equal(one, image.rot90(int(turns), (1, 2)))


def test_rotation_learns(pictures):
    train, test = pictures
    assert_overfits_one_batch(ImageRotation(backbone()), train[:4], steps=30)
    method = ImageRotation(backbone(), turns_per_image=1)
    assert_beats_chance(method, sampler(train, 24), sampler(test, 24), steps=40, margin=0.4)
    assert method.features(test[:5]).shape == (5, 32)
    assert method.chance == 0.25


def test_rotation_is_solved_without_content_by_the_light(generator):
    lit = clouds(24, lambda images: light_from_above(images, 0.4))
    method = ImageRotation(backbone(), turns_per_image=1)
    assert_beats_chance(method, lit, lit, steps=40, margin=0.4)
    assert held_out_accuracy(method, clouds(48)) < 0.45  # with even light there is nothing to go by


# --- relative position ---


def test_pairs_are_the_middle_and_a_neighbour(generator):
    images = torch.rand(4, 3, 27, 27, generator=generator)
    method = RelativePosition(SmallAlexNet(4, 8, image_size=27), patch=9, normalise=False)
    pairs, labels = method.pretext(images, generator)
    assert pairs.shape == (32, 2, 3, 9, 9)
    assert labels.tolist() == list(range(8)) * 4
    places = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]  # row, column
    for number, (pair, label) in enumerate(zip(pairs, labels, strict=True)):
        image, (row, column) = images[number // 8], places[label]
        assert torch.equal(pair[0], image[:, 9:18, 9:18])
        top, left = 9 + 9 * row, 9 + 9 * column
        assert torch.equal(pair[1], image[:, top : top + 9, left : left + 9])


def test_one_neighbour_per_image_is_balanced_and_patches_stay_apart(generator):
    ramp = torch.arange(33.0).expand(16, 3, 33, 33) / 33  # the column of a pixel is its colour
    method = RelativePosition(SmallAlexNet(4, 8, image_size=33), patch=8, pairs_per_image=1, normalise=False)
    pairs, labels = method.pretext(ramp, generator)
    assert labels.bincount().tolist() == [2] * 8
    columns = (pairs[:, :, 0, 0] * 33).round()
    apart = columns[:, 1, 0] - columns[:, 0, 0]
    side = torch.tensor([-1, 0, 1, -1, 1, -1, 0, 1])[labels]
    assert ((apart - 11 * side).abs() <= 3).all()
    assert len(columns[:, 0, 0].unique()) > 1  # jitter


def test_windows_lie_anywhere_in_the_image(generator):
    places = torch.arange(100.0).view(1, 1, 10, 10).expand(200, 1, 10, 10)
    cut = random_windows(places, 7, generator)
    assert cut.shape == (200, 1, 7, 7)
    assert sorted({int(c) for c in cut[:, 0, 0, 0]}) == [10 * r + c for r in range(4) for c in range(4)]
    assert torch.equal(cut - cut[:, :, :1, :1], (places[:, :, :7, :7] - places[:, :, :1, :1]))


def test_relative_position_learns(pictures):
    train, test = pictures
    assert_overfits_one_batch(RelativePosition(dense_net(), window=30), train[:3], steps=100)
    method = RelativePosition(dense_net(), window=30)
    assert_beats_chance(method, sampler(train, 12), sampler(test, 12), steps=100, margin=0.2)
    assert method.features(test[:2]).shape == (2, 32 * 8 * 8)


def test_fringes_of_a_lens_give_the_position_away(generator):
    bent = clouds(12, lambda images: chromatic_aberration(to_grey(images).contiguous(), 0.06))
    method = RelativePosition(dense_net(), window=SIZE, patch=10)
    assert_beats_chance(method, bent, bent, steps=120, margin=0.1, lr=5e-3)
    assert held_out_accuracy(method, clouds(24, to_grey)) < method.chance + 0.1
    method.augment = drop_colours
    assert held_out_accuracy(method, bent) < method.chance + 0.1


# --- counting ---


def test_pieces_are_the_whole_made_smaller_and_its_quarters(generator):
    images = torch.rand(5, 3, 16, 16, generator=generator)
    method = Counting(dense_net(), size=16, downsampling="area")
    pieces, partner = method.pretext(images, generator)
    assert torch.equal(pieces[:, 0], downsample(images))
    for number, (top, left) in enumerate([(0, 0), (0, 8), (8, 0), (8, 8)]):
        assert torch.equal(pieces[:, 1 + number], images[:, :, top : top + 8, left : left + 8])
    assert (partner != torch.arange(5)).all()
    assert partner.sort().values.tolist() == list(range(5))


def test_the_way_of_down_sampling_is_drawn_for_each_image(generator):
    image = torch.rand(1, 3, 16, 16, generator=generator).expand(60, -1, -1, -1)
    pieces, _ = Counting(dense_net(), size=16).pretext(image, generator)
    assert len(pieces[:, 0].flatten(1).unique(dim=0)) == 4


def test_the_counting_loss_equals_its_formula(generator):
    method = Counting(dense_net(), size=16, counts=5, margin=0.5, downsampling="bilinear").eval()
    torch.nn.init.normal_(method.count[0].weight, generator=generator)
    images = torch.rand(4, 3, 16, 16, generator=generator)
    parts = method.training_loss(images, torch.Generator().manual_seed(1))
    pieces, partner = method.pretext(images, torch.Generator().manual_seed(1))
    losses, right = [], []
    for x in range(4):
        small, *tiles = method(pieces[x : x + 1])[0]
        other = method(pieces[partner[x] : partner[x] + 1])[0, 0]
        total = sum(tiles)
        near, far = ((small - total) ** 2).sum(), ((other - total) ** 2).sum()
        losses.append(near + max(torch.tensor(0.0), 0.5 - far))
        right.append(bool(near < far))
    torch.testing.assert_close(parts["loss"], torch.stack(losses).mean())
    torch.testing.assert_close(parts["loss"], parts["equal"] + parts["contrast"])
    assert float(parts["accuracy"]) == sum(right) / 4
    assert (method(pieces) >= 0).all()


def test_counting_learns(pictures):
    train, test = pictures
    assert_overfits_one_batch(Counting(dense_net(), size=SIZE, margin=1.0), train[:4], steps=120)
    method = Counting(backbone(), size=SIZE, margin=1.0)
    assert_beats_chance(method, sampler(train, 16), sampler(test, 16), steps=60, margin=0.15, lr=1e-2)
    assert method.features(test[:2]).shape[0] == 2


def test_without_the_second_term_nothing_is_counted(pictures):
    train, _ = pictures
    counts = {}
    for margin in (0.0, 10.0):
        torch.manual_seed(0)
        method = Counting(backbone(), size=SIZE, margin=margin)
        history = training.fit(
            method, sampler(train, 16), steps=60, generator=torch.Generator().manual_seed(0), lr=1e-2, progress=False
        )
        counts[margin] = history.frame["count"].iloc[-1]
    assert counts[0.0] < 0.5 * counts[10.0], counts


# --- colourisation ---


PAINTS = torch.tensor([[0.0, 0.0], [60.0, 40.0], [-50.0, 50.0], [20.0, -60.0]])


def test_histograms_equal_counting(generator):
    values, centres = torch.randn(2, 2, 8, 12, generator=generator), torch.randn(5, 2, generator=generator)
    shares = cell_histogram(values, centres, (2, 3))
    assert shares.shape == (2, 5, 2, 3)
    for b in range(2):
        for row in range(2):
            for column in range(3):
                cell = values[b, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten(1).T
                nearest = torch.stack([(pixel - centres).norm(dim=1).argmin() for pixel in cell])
                torch.testing.assert_close(shares[b, :, row, column], nearest.bincount(minlength=5) / 16)


def test_the_histogram_loss_equals_its_formula_and_is_kl_up_to_a_constant(generator):
    logits = torch.randn(2, 3, 2, 2, generator=generator)
    shares = torch.randn(2, 3, 2, 2, generator=generator).softmax(1)
    weights = torch.tensor([0.5, 1.0, 2.0])
    top, bottom, right = 0.0, 0.0, []
    for b in range(2):
        for y in range(2):
            for x in range(2):
                p, z = shares[b, :, y, x], logits[b, :, y, x]
                weight = weights[p.argmax()]
                top = top - weight * sum(p[k] * (z[k] - z.logsumexp(0)) for k in range(3))
                bottom = bottom + weight
                right.append(int(z.argmax() == p.argmax()))
    parts = histogram_scores(logits, shares, weights)
    torch.testing.assert_close(parts["loss"], top / bottom)
    assert float(parts["accuracy"]) == pytest.approx(sum(right) / 8)
    equal = histogram_scores(logits, shares, torch.ones(3))["loss"]
    divergence = F.kl_div(logits.log_softmax(1), shares, reduction="none").sum(1).mean()
    torch.testing.assert_close(equal - divergence, -(shares * shares.log()).sum(1).mean())
    assert float(histogram_scores(shares.log() * 5, shares, weights)["accuracy"]) == 1


def test_weights_are_those_of_zhang(generator):
    red, green = (lab_to_rgb(torch.tensor([60.0, *PAINTS[k].tolist()])[:, None, None]) for k in (1, 2))
    images = torch.cat([red.expand(3, 3, 4, 4), green.expand(1, 3, 4, 4)])
    share = torch.tensor([0, 0.75, 0.25, 0])
    expected = 1 / (0.5 * share + 0.5 / 4)
    expected = expected / (share * expected).sum()
    torch.testing.assert_close(colour_weights(images, PAINTS), expected)
    torch.testing.assert_close(colour_weights(images, PAINTS, mix=1.0), torch.ones(4))
    with pytest.raises(ValueError, match="mix is 0"):
        colour_weights(images, PAINTS, mix=0)


def test_only_lightness_is_shown_and_colours_are_asked_for(generator):
    lab = torch.cat([torch.full((2, 1, 8, 8), 60.0), PAINTS[:2][:, :, None, None].expand(2, 2, 8, 8)], 1)
    images = lab_to_rgb(lab)
    inputs, targets = Colourisation(dense_net()).pretext(images, generator)
    torch.testing.assert_close(inputs, torch.full((2, 3, 8, 8), 0.6), atol=1e-3, rtol=0)
    torch.testing.assert_close(targets * AB, lab[:, 1:, :2, :2], atol=0.1, rtol=0)
    _, shares = Colourisation(dense_net(), colours=PAINTS).pretext(images, generator)
    assert torch.equal(shares, torch.eye(4)[:2, :, None, None].expand(2, 4, 2, 2))


def test_regression_loss_is_the_squared_error(generator):
    method = Colourisation(dense_net()).eval()
    images = torch.rand(3, 3, 16, 16, generator=generator)
    inputs, targets = method.pretext(images, generator)
    parts = method.training_loss(images, generator)
    torch.testing.assert_close(parts["loss"], (method(inputs) - targets).square().mean())
    torch.testing.assert_close(parts["grey"], targets.square().mean())
    assert method.chance is None


def test_colourisation_learns(pictures):
    train, test = pictures
    one = train[:4]
    assert_overfits_one_batch(Colourisation(dense_net()), one, steps=60, loss=0.01)
    method = Colourisation(dense_net(), colours=colour_clusters(train, 4, generator=torch.Generator().manual_seed(0)))
    assert_beats_chance(method, sampler(train, 12), sampler(test, 12), steps=60, margin=0.25)
    parts = method.training_loss(test, torch.Generator())
    assert parts["accuracy"] > parts["commonest"] + 0.05
    assert method.features(test[:3]).shape == (3, 32)
    painted = method.paint(test[:6])
    error = (rgb_to_lab(painted) - rgb_to_lab(test[:6]))[:, 1:].square().mean()
    assert error < 0.9 * rgb_to_lab(test[:6])[:, 1:].square().mean()
    assert painted.shape == test[:6].shape
    assert 0 <= painted.min() <= painted.max() <= 1


def test_regression_answers_an_ambiguous_colour_with_grey(generator):
    """Half of the pictures are red, half green, at the same lightness: L2 wants the mean, a histogram both."""
    colours = torch.tensor([[35.0, 0.0], [-35.0, 0.0]])[:, :, None, None].expand(2, 2, 8, 8)
    images = lab_to_rgb(torch.cat([torch.full((2, 1, 8, 8), 60.0), colours], 1))
    shown = rgb_to_lab(images)[:, 1:, 0, 0]  # what a screen can show of it
    regression, histogram = Colourisation(dense_net()), Colourisation(dense_net(), colours=shown)
    for method in (regression, histogram):
        training.fit(
            method, lambda generator: images, steps=40, generator=generator, lr=1e-2, schedule="constant",
            progress=False,
        )  # fmt: skip
        method.train()  # batch norm as it was while training
    inputs, _ = regression.pretext(images, generator)
    with torch.inference_mode():
        torch.testing.assert_close(
            regression(inputs) * AB, shown.mean(0)[None, :, None, None].expand(2, 2, 2, 2), atol=6, rtol=0
        )
        shares = histogram(inputs).softmax(1)
    torch.testing.assert_close(shares, torch.full((2, 2, 2, 2), 0.5), atol=0.1, rtol=0)


# --- split-brain ---


def halves():
    return SplitBrainBackbone(dense_net(in_channels=1), dense_net(in_channels=2))


def test_each_half_is_blind_to_what_it_is_asked_for(generator):
    method = SplitBrain(halves()).eval()
    images = torch.rand(2, 3, 16, 16, generator=generator)
    (light, colour), targets = method.pretext(images, generator)
    lab = rgb_to_lab(images)
    torch.testing.assert_close(light * 100, lab[:, :1])
    torch.testing.assert_close((colour * 2 - 1) * AB, lab[:, 1:], atol=1e-3, rtol=0)
    torch.testing.assert_close(targets[0] * AB, F.avg_pool2d(lab[:, 1:], 4), atol=1e-3, rtol=0)
    torch.testing.assert_close(targets[1], F.avg_pool2d(lab[:, :1], 4) / 50 - 1)
    first = method((light, colour))
    second = method((light, torch.rand_like(colour)))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    parts = method.training_loss(images, generator)
    losses = [(answer - target).square().mean() for answer, target in zip(first, targets, strict=True)]
    torch.testing.assert_close(parts["loss"], sum(losses))
    features = method.features(images)
    assert features.shape == (2, 64) == (2, method.backbone.features)
    torch.testing.assert_close(features[:, :32], method.backbone.lightness(light))


def test_split_brain_learns(pictures):
    train, test = pictures
    assert_overfits_one_batch(SplitBrain(halves()), train[:4], steps=80, loss=0.03)
    method = SplitBrain(halves(), colours=PAINTS, levels=4)
    assert method.chance == 0.25
    assert_beats_chance(method, sampler(train, 12), sampler(test, 12), steps=40, margin=0.3)


# --- context encoder ---


def painter(**options):
    return ContextEncoder(ConvEncoder(16, 32, width=8), ConvDecoder(16, 32, width=8), **options)


@pytest.mark.parametrize("kind", ["centre", "blocks", "shapes"])
def test_holes_are_of_the_kind_and_size_asked_for(kind, generator):
    holes = missing(kind, 40, (20, 24), 0.25, generator)
    assert holes.shape == (40, 1, 20, 24)
    assert set(holes.unique().tolist()) == {0.0, 1.0}
    shares = holes.mean((1, 2, 3))
    if kind == "centre":
        assert torch.equal(holes[0, 0, 5:15, 6:18], torch.ones(10, 12))
        assert (holes.sum((1, 2, 3)) == 120).all()
    elif kind == "shapes":
        assert (holes.sum((1, 2, 3)) == 120).all()
    else:
        assert 0.12 < shares.mean() <= 0.25
        assert shares.max() <= 0.27
    if kind != "centre":
        assert len(holes.flatten(1).unique(dim=0)) == 40
        assert (holes.mean(0) > 0).float().mean() > 0.9  # anywhere


def test_the_error_counts_what_is_missing_only(generator):
    method = painter(mask="blocks").eval()
    images = torch.rand(3, 3, 16, 16, generator=generator)
    parts = method.training_loss(images, torch.Generator().manual_seed(1))
    shown, (wanted, holes) = method.pretext(images, torch.Generator().manual_seed(1))
    gone = holes.bool().expand_as(images)
    assert torch.equal(wanted, images)
    assert (shown[gone] == 0.5).all()
    assert torch.equal(shown[~gone], images[~gone])
    torch.testing.assert_close(parts["loss"], (method(shown) - images)[gone].square().mean())
    means = torch.stack([image[:, hole[0] == 0].mean(1) for image, hole in zip(images, holes, strict=True)])
    fill = means[:, :, None, None].expand_as(images)
    torch.testing.assert_close(parts["mean_fill"], (fill - images)[gone].square().mean())
    assert hole_error(images, images, torch.zeros_like(holes)) == 0
    filled = method.fill(images, holes)
    assert torch.equal(filled[~gone], images[~gone])
    torch.testing.assert_close(filled[gone], method(shown)[gone])


def test_the_context_encoder_learns():
    train, test = (things(64, seed, size=16)[0] for seed in (0, 1))
    assert_overfits_one_batch(painter(), train[:4], steps=80, loss=0.01)
    method = painter()
    training.fit(
        method, sampler(train, 16), steps=200, generator=torch.Generator().manual_seed(1), lr=3e-3, progress=False
    )
    with torch.inference_mode():
        parts = method.training_loss(test, torch.Generator())
    assert parts["loss"] < 0.5 * parts["mean_fill"], parts
    assert method.features(test[:3]).shape == (3, 32)


def adversary(**options):
    parts = ConvEncoder(16, 32, width=8), ConvDecoder(16, 32, width=8), Discriminator(16, width=8, norm="spectral")
    return AdversarialContextEncoder(*parts, **options)


def test_an_adversarial_update_equals_its_formula(generator):
    method = adversary(weight=0.25, mask="blocks").eval()
    images = torch.rand(3, 3, 16, 16, generator=generator)
    shown, (_, holes) = method.pretext(images, torch.Generator().manual_seed(1))
    gone = holes.bool().expand_as(images)
    asked, minimised = [], {}
    method.discriminator.register_forward_hook(lambda _, given, logits: asked.append((given[0], logits)))
    parts = method.update(images, torch.Generator().manual_seed(1), minimised.__setitem__)
    painted = method(shown)
    for (seen, _), pictures in zip(asked, (images, painted, painted), strict=True):
        torch.testing.assert_close(seen[gone], pictures[gone])
        assert (seen[~gone] == 0.5).all()  # the discriminator knows the missing region only
    (_, truth), (_, lie), (_, last) = asked
    torch.testing.assert_close(minimised["discriminator"], -(F.logsigmoid(truth) + F.logsigmoid(-lie)).mean())
    error = (painted - images)[gone].square().mean()
    torch.testing.assert_close(minimised["painter"], 0.75 * error - 0.25 * F.logsigmoid(last).mean())
    torch.testing.assert_close(parts["error"], error)
    own = torch.autograd.grad(minimised["discriminator"], list(method.backbone.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in own)  # the discriminator's step does not reach the painter


def test_without_weight_the_adversary_changes_nothing():
    train, _ = things(32, 0, size=16)
    weights = []
    for method in (painter(), adversary(weight=0.0)):
        torch.manual_seed(0)
        for part in (method.backbone, method.decoder):
            part.apply(lambda layer: layer.reset_parameters() if hasattr(layer, "reset_parameters") else None)
        training.fit(
            method, sampler(train, 8), steps=5, generator=torch.Generator().manual_seed(1), lr=3e-3, progress=False
        )
        weights.append(method.backbone.code.weight)
    torch.testing.assert_close(*weights)


@pytest.mark.slow
def test_the_adversary_trains_stably_with_every_seed():
    """Five seeds: every loss finite, no side wins outright, and the error stays that of the L2 loss alone."""
    train, test = (things(64, seed, size=16)[0] for seed in (0, 1))
    for seed in range(5):
        errors = []
        for make, options in ((painter, {}), (adversary, {"weight": 0.01, "rate": 0.3})):
            torch.manual_seed(seed)
            method, draw = make(**options), torch.Generator().manual_seed(seed)
            history = training.fit(method, sampler(train, 16), steps=150, generator=draw, lr=3e-3, progress=False)
            with torch.inference_mode():
                parts = method.training_loss(test, torch.Generator())
            errors.append(parts["loss"] / parts["mean_fill"])
        assert torch.tensor(history.frame.to_numpy()).isfinite().all(), seed
        assert 0.4 < history.frame["accuracy"].tail(50).mean() < 0.9, seed
        assert errors[1] < min(0.5, 1.25 * errors[0]), (seed, errors)


# --- clusters ---


def test_whitening_is_that_of_scikit_learn(generator):
    features = torch.randn(40, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    white = whiten(features, 4)
    theirs = F.normalize(torch.from_numpy(PCA(4, whiten=True).fit_transform(features.numpy())).float(), dim=1)
    torch.testing.assert_close((white @ white.T), (theirs @ theirs.T), atol=1e-4, rtol=0)
    doubled = torch.cat([features, features[:, :2]], 1)  # two directions without variance
    assert whiten(doubled, None).shape == (40, 6)


def test_no_cluster_is_left_empty(generator):
    labels = fill_empty(torch.tensor([0] * 10 + [2] * 3), 5, generator)
    assert (labels.bincount(minlength=5) > 0).all()
    assert (labels[10:] == 2).all()
    full = torch.tensor([1, 0, 2])
    assert torch.equal(fill_empty(full, 3, generator), full)
    for features in (torch.ones(9, 4), torch.eye(3).repeat(3, 1)):
        assert (cluster_labels(features, 7, generator).bincount(minlength=7) > 0).all()


def test_clusters_are_found_and_repeatable(generator):
    truth = torch.arange(30) % 3
    features = 10 * torch.eye(3)[truth] + torch.randn(30, 3, generator=generator)
    labels = cluster_labels(features, 3, torch.Generator().manual_seed(2), components=2)
    assert normalized_mutual_info_score(truth, labels) == pytest.approx(1)
    assert torch.equal(labels, cluster_labels(features, 3, torch.Generator().manual_seed(2), components=2))


def test_deep_cluster_draws_clusters_evenly_and_starts_its_classifier_anew(generator):
    images, _ = things(40, 0)
    bytes_ = (images * 255).round().to(torch.uint8)
    method = DeepCluster(backbone(), bytes_, 4, generator=generator)
    assert (method.labels.bincount(minlength=4) > 0).all()
    method.labels.copy_(torch.tensor([0] * 34 + [1] * 2 + [2] * 2 + [3] * 2))
    shown, labels = method.batches(800)(generator)
    assert (labels.bincount(minlength=4) / 800 - 0.25).abs().max() < 0.05
    assert shown.dtype == torch.float32
    rows = (shown[:5, None] == bytes_.float()[None] / 255).flatten(2).all(2).float().argmax(1)
    assert torch.equal(method.labels[rows], labels[:5])
    head, weights = method.head.weight.clone(), [p.clone() for p in method.backbone.parameters()]
    settled = method.rebuild(generator)
    assert 0 <= settled <= 1
    assert not torch.equal(head, method.head.weight)
    assert all(torch.equal(a, b) for a, b in zip(weights, method.backbone.parameters(), strict=True))
    assert method.rebuild(generator) > 0.3
    assert method.training  # as before


def test_deep_cluster_learns_the_kinds(generator):
    images, kinds = things(64, 0)
    method = DeepCluster(backbone(), images, 8, generator=generator)
    assert_overfits_one_batch(method, method.batches(8)(generator), steps=60)
    for _ in range(2):
        method.rebuild(generator)
        assert_beats_chance(method, method.batches(16), method.batches(16), steps=25, margin=0.2)
    method.rebuild(generator)
    assert normalized_mutual_info_score(kinds, method.labels) > 0.5


def test_a_teacher_hands_over_its_classes(generator):
    images, kinds = things(48, 0)
    known = torch.eye(KINDS)[kinds] + 0.01 * torch.randn(48, KINDS, generator=generator)
    method = ClusterTransfer(backbone(), images, KINDS, teacher=known, generator=generator, components=3)
    assert normalized_mutual_info_score(kinds, method.labels) == pytest.approx(1)
    assert_beats_chance(method, method.batches(16), method.batches(16), steps=30, margin=0.5)
    teacher = RelativePosition(backbone(), window=30)
    method = ClusterTransfer(backbone(), images, KINDS, teacher=teacher, generator=generator)
    assert (method.labels.bincount(minlength=KINDS) > 0).all()
    assert all(module is not teacher for module in method.modules())


# --- all of them ---


def all_methods():
    images = things(16, 0)[0]
    draw = torch.Generator().manual_seed(0)
    return {
        "rotation": ImageRotation(backbone()),
        "relative position": RelativePosition(backbone()),
        "counting": Counting(backbone(), size=SIZE),
        "regression": Colourisation(backbone()),
        "histogram": Colourisation(backbone(), colours=PAINTS),
        "split-brain": SplitBrain(halves(), colours=PAINTS),
        "context encoder": ContextEncoder(ConvEncoder(SIZE, 8, width=4), ConvDecoder(SIZE, 8, width=4)),
        "DeepCluster": DeepCluster(backbone(), images, 4, generator=draw),
    }


def test_the_same_draws_give_the_same_loss_and_every_weight_a_gradient():
    for name, method in all_methods().items():
        batch = things(8, 1)[0]
        batch = (batch, torch.arange(8) % 4) if name == "DeepCluster" else batch
        losses = [method.training_loss(batch, torch.Generator().manual_seed(5))["loss"] for _ in range(2)]
        assert torch.equal(*losses), name
        losses[0].backward()
        unused = "fc6" if name in ("relative position", "counting", "regression", "histogram") else "none"
        for label, weight in method.named_parameters():
            if not label.startswith(f"backbone.{unused}"):
                assert weight.grad is not None, (name, label)
                assert weight.grad.isfinite().all(), (name, label)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageRotation(backbone(), turns_per_image=2), "turns_per_image is 2"),
        (lambda: RelativePosition(backbone(), patch=11), "patch is 11; a cell"),
        (lambda: RelativePosition(backbone(), pairs_per_image=4), "pairs_per_image is 4"),
        (lambda: Counting(backbone(), size=31), "size is 31"),
        (lambda: Counting(backbone(), size=32, downsampling="areas"), "Did you mean 'area'"),
        (lambda: Colourisation(dense_net(), colours=torch.rand(4, 3)), "colours is"),
        (lambda: Colourisation(dense_net(), weights=torch.rand(4)), "weights is"),
        (lambda: SplitBrain(dense_net()), "backbone is SmallResNet"),
        (lambda: SplitBrainBackbone(dense_net(), dense_net(in_channels=2)), "lightness is a network for 3"),
        (lambda: SplitBrain(halves(), levels=1), "levels is 1"),
        (lambda: painter(mask="center"), "Did you mean 'centre'"),
        (lambda: painter(share=1.0), "share is 1.0"),
        (lambda: adversary(weight=2.0), "weight is 2.0"),
        (lambda: adversary(rate=0), "rate is 0"),
        (lambda: DeepCluster(backbone(), torch.rand(3, 3, 32, 32), 4, generator=torch.Generator()), "clusters is 4"),
        (lambda: cluster_labels(torch.full((4, 2), torch.nan), 2, torch.Generator()), "features is"),
        (lambda: fill_empty(torch.zeros(2, dtype=torch.int64), 3, torch.Generator()), "clusters is 3"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_batches_are_named(generator):
    for name, method in all_methods().items():
        bad = torch.full((4, 3, SIZE, SIZE), torch.nan)
        bad = (bad, torch.zeros(4, dtype=torch.int64)) if name == "DeepCluster" else bad
        with pytest.raises(ValueError, match="NaN"):
            method.training_loss(bad, generator)
    with pytest.raises(ValueError, match="takes squares"):
        ImageRotation(backbone()).pretext(torch.rand(2, 3, 32, 24), generator)
    with pytest.raises(ValueError, match="at least 2 images"):
        Counting(backbone(), size=SIZE).pretext(torch.rand(1, 3, SIZE, SIZE), generator)
    with pytest.raises(ValueError, match="a window of 32"):
        RelativePosition(backbone()).pretext(torch.rand(2, 3, 30, 32), generator)
    method = DeepCluster(backbone(), things(8, 0)[0], 2, generator=generator)
    with pytest.raises(ValueError, match="features has 7 rows"):
        method.assign(torch.rand(7, 3), generator)
