"""Small residual networks: the published counts, plain twins of equal size, and that they learn."""

import pytest
import torch
from learning import assert_overfits_one_batch
from torch import nn

from course_lib.evaluation import Supervised
from course_lib.models import ResidualBlock, SmallResNet


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_the_family_has_the_published_size(depth, millions):
    """He et al. 2016, Table 6; ten classes, shortcut A."""
    net = SmallResNet(depth, 16)
    assert round((parameters(net) + 65 * 10) / 1e6, 2) == millions
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) + 1 == depth


def test_plain_and_residual_differ_in_nothing_but_the_skips():
    plain, residual = SmallResNet(14, 4, residual=False), SmallResNet(14, 4)
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in residual.state_dict().items()}
    images = torch.rand(2, 3, 24, 24)
    residual.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain.eval()(images), residual.eval()(images))


def test_a_block_that_computes_nothing_passes_its_input_on(generator):
    """The point of the design: F = 0 makes the block the identity, however many are stacked."""
    maps = torch.rand(2, 6, 8, 8, generator=generator)
    block = ResidualBlock(6, 6, norm="none")
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(block(maps), maps)
    plain = ResidualBlock(6, 6, norm="none", residual=False)
    plain.load_state_dict(block.state_dict())
    assert plain(maps).count_nonzero() == 0


def test_shortcuts_change_the_shape_as_they_should(generator):
    maps = torch.rand(2, 4, 9, 9, generator=generator)
    a, b = (ResidualBlock(4, 10, stride=2, shortcut=kind) for kind in "AB")
    assert a(maps).shape == b(maps).shape == (2, 10, 5, 5)
    torch.testing.assert_close(a.shortcut(maps)[:, :4], maps[:, :, ::2, ::2])
    assert a.shortcut(maps)[:, 4:].count_nonzero() == 0
    assert parameters(b) - parameters(a) == 4 * 10 + 20
    assert ResidualBlock(4, 4, shortcut="B").projection is None


@pytest.mark.parametrize("options", [{}, {"norm": "none"}, {"stem_stride": 2}, {"shortcut": "B"}])
def test_images_become_features_and_gradients_reach_the_stem(options, generator):
    net = SmallResNet(8, 4, **options)
    out = net(torch.rand(3, 3, 32, 32, generator=generator))
    assert out.shape == (3, net.features) == (3, 16)
    out.square().sum().backward()
    assert net.conv[0].weight.grad.abs().sum() > 0
    assert any(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == (options.get("norm") != "none")


def test_it_fits_one_batch(generator):
    images, labels = torch.rand(8, 3, 16, 16, generator=generator), torch.arange(8) % 4
    assert_overfits_one_batch(Supervised(SmallResNet(8, 8), 4, flip=False), (images, labels), steps=60)


def test_impossible_networks_are_named():
    with pytest.raises(ValueError, match="depth is 18; it takes 6n"):
        SmallResNet(18)
    with pytest.raises(ValueError, match="norm is 'layer'"):
        SmallResNet(norm="layer")
    with pytest.raises(ValueError, match="shortcut is 'C'"):
        ResidualBlock(4, 4, shortcut="C")
    with pytest.raises(ValueError, match="outputs is 2"):
        ResidualBlock(4, 2)
    with pytest.raises(ValueError, match="width is 0"):
        SmallResNet(width=0)
