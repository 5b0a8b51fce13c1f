"""Backbones: known parameter counts, shapes, frames one by one or together, gradients through the LSTM."""

import pytest
import torch

from course_lib.models import AlexNet, CnnLstm, SmallAlexNet, alexnet_classifier


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("groups", "count"), [(2, 60_965_224), (1, 62_378_344)])
def test_alexnet_has_the_published_number_of_parameters(groups, count):
    with torch.device("meta"):
        shapes = alexnet_classifier(groups=groups)
    assert parameters(shapes) == count


def test_alexnet_maps_and_features():
    net = AlexNet(features=32).eval()
    assert net.map_shape == (256, 6, 6)
    assert net(torch.rand(1, 3, 227, 227)).shape == (1, 32)
    assert AlexNet(features=8, image_size=75, stride=2, norm="batch").map_shape[0] == 256


@pytest.mark.parametrize("size", [32, 64, 96])
def test_small_alexnet_at_several_sizes(size, generator):
    net = SmallAlexNet(width=4, features=10, image_size=size).eval()
    images = torch.rand(3, 3, size, size, generator=generator)
    assert net.conv(images).shape[1:] == net.map_shape
    out = net(images)
    assert out.shape == (3, 10)
    assert net.features == 10
    assert (out >= 0).all()


def test_building_a_network_leaves_batch_statistics_alone():
    net = SmallAlexNet(width=4, features=10)
    assert net.training
    assert all(int(m.num_batches_tracked) == 0 for m in net.modules() if hasattr(m, "num_batches_tracked"))


def test_impossible_networks_are_named():
    with pytest.raises(ValueError, match="image_size is 20"):
        AlexNet(image_size=20)
    with pytest.raises(ValueError, match="norm is 'bach'.*Did you mean 'batch'"):
        AlexNet(norm="bach")
    with pytest.raises(ValueError, match="groups is 3"):
        AlexNet(groups=3)
    with pytest.raises(ValueError, match="width is 0"):
        SmallAlexNet(width=0)


def test_frames_equals_one_call_per_frame(generator):
    net = CnnLstm(SmallAlexNet(4, 12, image_size=32), hidden=6, classes=5).eval()
    clips = torch.rand(2, 3, 3, 32, 32, generator=generator)
    one_by_one = torch.stack([net.backbone(clips[:, t]) for t in range(3)], dim=1)
    torch.testing.assert_close(net.frames(clips), one_by_one)
    assert net.sequence(clips).shape == (2, 6)
    assert net(clips).shape == (2, 5)


def test_the_summary_is_the_last_step_of_the_lstm_and_depends_on_order(generator):
    net = CnnLstm(SmallAlexNet(4, 12, image_size=32), hidden=6).eval()
    frames = torch.rand(2, 4, 12, generator=generator)
    torch.testing.assert_close(net.summarise(frames), net.lstm(frames)[0][:, -1])
    assert not torch.allclose(net.summarise(frames), net.summarise(frames.flip(1)))


def test_gradient_reaches_conv1_from_every_frame(generator):
    net = CnnLstm(SmallAlexNet(4, 12, image_size=32), hidden=6)
    clips = torch.rand(2, 3, 3, 32, 32, generator=generator).requires_grad_()
    net(clips).square().sum().backward()
    assert net.backbone.conv[0].weight.grad.abs().sum() > 0
    assert (clips.grad.abs().sum((0, 2, 3, 4)) > 0).all()


def test_one_image_can_be_described_but_not_trained_on(generator):
    """Batch statistics of fc6 need two images; torch says so."""
    network, image = SmallAlexNet(), torch.rand(1, 3, 64, 64, generator=generator)
    with pytest.raises(ValueError, match="more than 1 value per channel when training"):
        network(image)
    assert network.eval()(image).shape == (1, network.features)
