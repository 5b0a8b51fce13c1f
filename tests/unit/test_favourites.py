"""The patches that a unit likes best: found where they were put, cut out along the receptive field."""

import pytest
import torch
from torch import nn

from course_lib.evaluation import favourite_patches
from course_lib.models import SmallAlexNet, receptive_field


def blob_finder():
    """Unit 0 likes bright 3×3 pixels, unit 1 dark ones."""
    conv = nn.Conv2d(3, 2, 3, bias=False)
    with torch.no_grad():
        conv.weight[0], conv.weight[1] = 1.0, -1.0
    return nn.Sequential(conv, nn.ReLU())


def test_the_patch_is_where_the_unit_answered():
    images = torch.full((4, 3, 12, 12), 0.5)
    for number, (y, x) in enumerate([(2, 7), (5, 1), (8, 8)]):
        images[number, :, y : y + 3, x : x + 3] = 0.7 + 0.1 * number
    images[3, :, 4:7, 4:7] = 0.1
    net = blob_finder()
    bright, dark = favourite_patches(net, receptive_field(net), images, [0, 1], 3, side=3)
    assert bright.amax((1, 2, 3)).tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert torch.equal(bright.amax((1, 2, 3)), bright.amin((1, 2, 3)))  # the whole patch, and nothing beside it
    assert dark[0].max() == pytest.approx(0.1)


def test_later_layers_cut_at_the_border_and_leave_the_network_alone():
    net, images = SmallAlexNet(4, 8, image_size=32).eval(), torch.rand(6, 3, 32, 32)
    before = [part.clone() for part in net.state_dict().values()]
    for layers in (net.conv[:3], net.conv[:7], net.conv[:-1]):
        patches = favourite_patches(layers, receptive_field(layers), images, [3, 0], 5)
        assert patches.shape == (2, 5, 3, 24, 24)
        assert 0 <= patches.min() <= patches.max() <= 1
    assert all(torch.equal(*pair) for pair in zip(before, net.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": [2]}, r"units is \[2\]; the layer has units 0 to 1"),
        ({"count": 5}, "images holds 4 pictures; 5 patches"),
        ({"count": 0}, "count is 0"),
        ({"side": 0}, "side is 0"),
        ({"images": torch.rand(3, 12, 12)}, "images is"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"images": torch.rand(4, 3, 12, 12), "units": [0], "count": 2} | change
    net = blob_finder()
    with pytest.raises(ValueError, match=message):
        favourite_patches(net, receptive_field(net), **given)
