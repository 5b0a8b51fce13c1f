"""Receptive fields and output sizes: against torch's own layers, against gradients, and the published numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.models import (
    AlexNet,
    ReceptiveField,
    ResidualBlock,
    SmallResNet,
    Window,
    influence,
    output_size,
    receptive_field,
    windows,
)

some_windows = st.builds(
    Window,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
)


def positive_chain(chain):
    """Convolutions of one channel with positive weights: no gradient can cancel."""
    layers = [nn.Conv2d(1, 1, w.kernel, w.stride, w.padding, w.dilation, bias=False).double() for w in chain]
    for layer in layers:
        nn.init.uniform_(layer.weight, 0.1, 1.0)
    return nn.Sequential(*layers)


@given(some_windows, st.integers(1, 40))
def test_output_size_is_what_torch_gives(window, size):
    net = positive_chain([window])
    try:
        expected = net(torch.zeros(1, 1, size, size, dtype=torch.float64)).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueError, match=f"size is {size}"):
            window.output_size(size)
    else:
        assert window.output_size(size) == expected


@given(st.lists(some_windows, max_size=4), st.data())
def test_receptive_field_is_where_the_gradient_is(chain, data):
    """Without dilation and with strides within kernels the field has no holes; its ends are reached in any case."""
    field = receptive_field(chain)
    size = 2 * field.size + 2 * field.stride + 5
    side = output_size(chain, size)
    unit = data.draw(st.integers(0, side - 1))
    seen = influence(positive_chain(chain), torch.zeros(1, 1, size, size, dtype=torch.float64), (unit, unit))
    columns = seen.sum(0).nonzero().flatten()
    first, last = field.pixels(unit)
    if first >= 0 and last < size:
        assert (columns[0].item(), columns[-1].item()) == (first, last)
    else:  # cut off by the border
        assert len(columns) == 0 or (columns[0] >= max(first, 0) and columns[-1] <= min(last, size - 1))


def test_the_seeds_example_of_a_convolution():
    """002 Fig. 2.6: a 2×2 kernel on a 4×3 input with stride 1 gives 3×2."""
    window = Window(2)
    assert (window.output_size(4), window.output_size(3)) == (3, 2)


def test_published_receptive_fields():
    assert receptive_field(AlexNet().conv).size == 195  # pool5
    assert receptive_field(AlexNet().conv).stride == 32
    vgg16 = [Window(3, 1, 1)] * 2 + [Window(2, 2)]
    vgg16 = vgg16 * 2 + ([Window(3, 1, 1)] * 3 + [Window(2, 2)]) * 3
    assert receptive_field(vgg16) == ReceptiveField(212, 32, -90)


def test_residual_blocks_count_by_their_widest_branch():
    block = ResidualBlock(4, 8, stride=2, shortcut="B")
    assert windows(block) == [Window(3, 2, 1), Window(3, 1, 1)]
    net = SmallResNet(20, 4)
    assert receptive_field(net.conv).size == 1 + 2 * 7 + (2 + 4 * 5) + (4 + 8 * 5)  # by hand: stride 1, 2, 4
    assert output_size(net.conv, 33) == net.conv(torch.zeros(2, 3, 33, 33)).shape[-1]


def test_layers_without_windows_change_nothing_and_no_layers_see_one_pixel():
    assert receptive_field([]) == ReceptiveField(1, 1, 0)
    chain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.AvgPool2d(2))
    assert windows(chain) == [Window(3), Window(2, 2)]


@pytest.mark.parametrize("layer", [nn.Conv2d(1, 1, (3, 5)), nn.Conv2d(1, 1, 3, padding="same")])
def test_windows_that_are_not_square_are_refused(layer):
    with pytest.raises(ValueError, match="square windows"):
        windows(layer)


@pytest.mark.parametrize("layer", [nn.Linear(3, 3), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(1, 1, 3)])
def test_layers_that_are_not_understood_are_named(layer):
    with pytest.raises(ValueError, match=type(layer).__name__):
        receptive_field(nn.Sequential(layer))


def test_bad_windows_are_named():
    with pytest.raises(ValueError, match="kernel is 0"):
        Window(0)
    with pytest.raises(ValueError, match="padding is -1"):
        Window(3, padding=-1)
    with pytest.raises(ValueError, match="takes one that gives maps"):
        influence(nn.Flatten(), torch.zeros(1, 1, 4, 4))
