"""Leave-one-out neighbours, features layer by layer, and the texture probe with its shuffled tiles."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib.evaluation import extract_layers, knn_classify, knn_loocv, texture_probe
from course_lib.evaluation.probes import linear_probe
from course_lib.models import AlexNet, SmallAlexNet, SmallResNet
from course_lib.transforms import shuffle_tiles


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def clouds(count, classes, generator, spread=1.0):
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, 6, generator=generator)
    return centres[labels] + spread * torch.randn(count, 6, generator=generator), labels


# --- leave one out
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31 - 1), st.sampled_from([1, 3, 7]))
def test_against_a_loop_that_leaves_each_row_out(seed, k):
    """Two classes and an odd k: no ties."""
    x, y = clouds(30, 2, torch.Generator().manual_seed(seed), 2.0)
    scaled = (x.numpy() - x.numpy().mean(0)) / x.numpy().std(0)
    right = 0
    for row, query in enumerate(scaled):
        others = np.delete(scaled, row, 0)
        cosine = others @ query / np.linalg.norm(others, axis=1)
        votes = np.delete(y.numpy(), row)[np.argsort(-cosine)[:k]]
        right += (votes.mean() > 0.5) == y[row].item()
    assert knn_loocv(x, y, [k])[k] == pytest.approx(right / 30)


def test_ties_and_plain_features_as_in_knn_classify(generator):
    x, y = clouds(60, 4, generator, 1.5)
    found, rows = knn_loocv(x, y, [1, 2, 4, 10], standardise=False), torch.arange(60)
    for k, accuracy in found.items():
        expected = knn_classify(x, y, x, y, k, train_groups=rows, test_groups=rows).accuracy
        assert accuracy == pytest.approx(expected)


def test_a_row_never_votes_for_itself_nor_for_its_group(generator):
    x = torch.randn(20, 5, generator=generator).repeat_interleave(2, 0)  # every row has a twin
    y = torch.randint(2, (20,), generator=generator).repeat_interleave(2)
    assert knn_loocv(x, y, [1])[1] == 1.0
    alone = knn_loocv(x[::2], y[::2], [1])[1]
    assert knn_loocv(x, y, [1], groups=torch.arange(20).repeat_interleave(2))[1] == pytest.approx(alone)


def test_a_unit_that_never_varies_changes_nothing(generator):
    x, y = clouds(30, 3, generator)
    assert knn_loocv(torch.cat([x, torch.full((30, 1), 1e4)], 1), y, [1, 5]) == knn_loocv(x, y, [1, 5])


# --- layers
@pytest.mark.parametrize("make", [lambda: SmallAlexNet(4, 8, image_size=32), lambda: AlexNet(8, image_size=67)])
def test_layers_are_the_maps_after_each_relu(make, generator):
    backbone = make().train()
    images = torch.rand(3, 3, backbone.image_size, backbone.image_size, generator=generator)
    found, maps, number = extract_layers(backbone, images, batch=2), images * 2 - 1, 0
    assert backbone.training
    backbone.eval()
    with torch.no_grad():
        for layer in backbone.conv:
            maps = layer(maps)
            if isinstance(layer, nn.ReLU):
                number += 1
                torch.testing.assert_close(found[f"conv{number}"], maps.flatten(1), atol=1e-5, rtol=1e-4)
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "conv5"]


def test_maps_are_averaged_down_and_blocks_are_layers(generator):
    images = torch.rand(2, 3, 16, 16, generator=generator)
    backbone = SmallResNet(8, 4).eval()
    full, small = extract_layers(backbone, images), extract_layers(backbone, images, cells=4)
    assert [part.shape[1] for part in full.values()] == [4 * 256, 4 * 256, 8 * 64, 16 * 16]
    assert [part.shape[1] for part in small.values()] == [4 * 16, 4 * 16, 8 * 16, 16 * 16]
    blocks = full["conv1"].reshape(2, 4, 4, 4, 4, 4).mean((3, 5))
    torch.testing.assert_close(small["conv1"], blocks.flatten(1))
    torch.testing.assert_close(small["conv4"], full["conv4"])


# --- shuffled tiles
@settings(deadline=None, max_examples=15)
@given(st.integers(2, 4), st.integers(0, 2**31 - 1))
def test_tiles_move_as_told(grid, seed):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, 4 * grid, 6 * grid, generator=draw)
    orders = torch.rand(2, grid**2, generator=draw).argsort(1)
    found = shuffle_tiles(images, grid, permutations=orders)
    for image, order, result in zip(images, orders.tolist(), found, strict=True):
        for place, source in enumerate(order):
            (y, x), (v, u) = divmod(place, grid), divmod(source, grid)
            tile = image[:, 4 * v : 4 * v + 4, 6 * u : 6 * u + 6]
            torch.testing.assert_close(result[:, 4 * y : 4 * y + 4, 6 * x : 6 * x + 6], tile)


@pytest.mark.parametrize("blend", [0, 1, 3])
def test_seams_fade_and_the_true_order_gives_the_image(blend, generator):
    images = torch.rand(2, 3, 32, 32, generator=generator)
    torch.testing.assert_close(shuffle_tiles(images, permutations=torch.arange(16).repeat(2, 1), blend=blend), images)
    drawn = shuffle_tiles(images, generator=torch.Generator().manual_seed(1), blend=blend)
    sharp = shuffle_tiles(images, generator=torch.Generator().manual_seed(1))
    middle = torch.zeros(32, dtype=torch.bool)
    for start in range(0, 32, 8):
        middle[start + blend : start + 8 - blend] = True
    torch.testing.assert_close(drawn[:, :, middle][..., middle], sharp[:, :, middle][..., middle])
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_a_fade_takes_both_neighbours(generator):
    """Left half black, right half white; swapped, with a fade of two pixels on either side of the seam."""
    images = torch.zeros(1, 1, 8, 8)
    images[..., 4:] = 1
    swapped = shuffle_tiles(images, 2, permutations=torch.tensor([[1, 0, 3, 2]]), blend=2)
    # at the seam each side shows what lay beyond its tile: white meets white's reflection, black meets black's
    assert swapped[0, 0, 0, 0] == 1
    assert swapped[0, 0, 0, -1] == 0
    row = swapped[0, 0, 0]
    assert (row.diff() <= 1e-6).all()


# --- texture probe
def test_the_probe_sees_order_and_not_textures(generator):
    """Means over the image are blind to the order of tiles; means of its parts are not."""
    bright = torch.linspace(0, 1, 16)[None, None, :, None]
    images = (bright + 0.2 * torch.rand(60, 3, 16, 16, generator=generator)).clamp(0, 1)
    shuffled = shuffle_tiles(images, generator=generator)
    blind, whole = (lambda x: x.mean((2, 3))), (lambda x: x.mean((1, 3)))
    scores = [texture_probe(f(images[:40]), f(shuffled[:40]), f(images[40:]), f(shuffled[40:])) for f in (blind, whole)]
    assert scores[0].accuracy == pytest.approx(0.5, abs=0.15)
    assert scores[1].accuracy > 0.95


def test_the_probe_is_a_linear_probe_of_two_classes(generator):
    parts = [torch.randn(12, 4, generator=generator) + shift for shift in (0, 1, 0, 1)]
    labels = torch.tensor([0] * 12 + [1] * 12)
    expected = linear_probe(torch.cat(parts[:2]), labels, torch.cat(parts[2:]), labels, l2=0.1)
    torch.testing.assert_close(texture_probe(*parts, l2=0.1).scores, expected.scores)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: knn_loocv(torch.rand(5, 2), torch.zeros(5).long(), [5]), "k is 5"),
        (lambda: knn_loocv(torch.rand(5, 2), torch.zeros(4).long(), [1]), "labels has 4"),
        (lambda: knn_loocv(torch.rand(5, 2), torch.zeros(5).long(), []), "ks is empty"),
        (lambda: knn_loocv(torch.rand(5, 2), torch.zeros(5).long(), [0]), "each of ks is 0"),
        (lambda: knn_loocv(torch.full((5, 2), torch.nan), torch.zeros(5).long(), [1]), "features has NaN"),
        (lambda: extract_layers(nn.Linear(2, 2), torch.rand(1, 3, 8, 8)), "backbone is Linear"),
        (lambda: extract_layers(SmallAlexNet(4, 8), torch.rand(1, 3, 64, 64), cells=0), "cells is 0"),
        (lambda: shuffle_tiles(torch.rand(1, 3, 9, 8)), "images are 9×8"),
        (lambda: shuffle_tiles(torch.rand(1, 3, 8, 8), blend=2), "blend is 2"),
        (lambda: shuffle_tiles(torch.rand(1, 3, 8, 8), permutations=torch.zeros(1, 16).long()), "not a permutation"),
        (lambda: texture_probe(*[torch.rand(n, 3) for n in (4, 5, 4, 4)]), "train_shuffled has 5"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
