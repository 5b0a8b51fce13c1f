"""Convolutionalised classifiers: the same scores at the training size, those of every crop on a larger image."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.models import SmallAlexNet, bilinear_upsampling, convolutionalise, fully_convolutional


def classifier():
    """Without padding, so that a crop sees exactly what a place of the larger map sees."""
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3))
    head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 5 * 5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout())
    return nn.Sequential(features, head, nn.Linear(8, 3))


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_a_linear_layer_and_its_convolution_agree(channels, height, width, bias):
    layer = nn.Linear(channels * height * width, 7, bias=bias)
    maps = torch.randn(2, channels, height, width)
    scores = convolutionalise(layer, (channels, height, width))(maps)
    assert scores.shape == (2, 7, 1, 1)
    torch.testing.assert_close(scores.flatten(1), layer(maps.flatten(1)))


def test_scores_at_the_training_size_and_of_every_crop(generator):
    net = classifier()
    net(torch.rand(16, 3, 16, 16, generator=generator))  # statistics other than 0 and 1
    net.eval()
    scored = fully_convolutional(net, (6, 5, 5))
    crops = torch.rand(2, 3, 16, 16, generator=generator)
    torch.testing.assert_close(scored(crops).flatten(1), net(crops))
    image = torch.rand(1, 3, 20, 24, generator=generator)
    maps = scored(image)
    assert maps.shape == (1, 3, 3, 5)
    for row in range(3):
        for column in range(5):  # the total stride is 2
            crop = image[:, :, 2 * row : 2 * row + 16, 2 * column : 2 * column + 16]
            torch.testing.assert_close(maps[:, :, row, column], net(crop))


def test_it_is_a_copy_of_equal_size_in_the_same_mode():
    net = classifier()
    scored = fully_convolutional(net, (6, 5, 5))
    assert scored.training
    assert sum(p.numel() for p in scored.parameters()) == sum(p.numel() for p in net.parameters())
    with torch.no_grad():
        scored[0].weight.zero_()
    assert net[0][0].weight.count_nonzero() > 0
    parts = nn.Sequential(*net.eval())  # a new container says "training", its layers do not
    assert not any(layer.training for layer in fully_convolutional(parts, (6, 5, 5)).modules())


def test_a_small_alexnet_too(generator):
    backbone = SmallAlexNet(4, 8, image_size=32).eval()
    net = nn.Sequential(backbone.conv, backbone.fc6, nn.Linear(8, 5)).eval()
    scored = fully_convolutional(net, backbone.map_shape)
    images = torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1
    torch.testing.assert_close(scored(images).flatten(1), net(images))
    assert scored(torch.rand(1, 3, 64, 96, generator=generator)).shape[:2] == (1, 5)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_upsampling_is_bilinear_inside(factor, generator):
    maps = torch.rand(2, 3, 7, 6, generator=generator)
    ours = bilinear_upsampling(3, factor)(maps)
    theirs = F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
    assert ours.shape == theirs.shape
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(ours[inside], theirs[inside])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"map_shape is \(2, 3, 3\), 18 numbers; the layer takes 12"):
        convolutionalise(nn.Linear(12, 2), (2, 3, 3))
    with pytest.raises(ValueError, match="0 nn.Flatten"):
        fully_convolutional(nn.Sequential(nn.Conv2d(3, 3, 3)), (3, 1, 1))
    with pytest.raises(ValueError, match="factor is 0"):
        bilinear_upsampling(2, 0)
