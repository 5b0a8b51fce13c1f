"""Saliency maps against gradients by hand, finite differences and loops; their scores against naive sums."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.evaluation import energy_inside, grad_cam, guided_backpropagation, input_gradient, pointing_game
from course_lib.models import CnnLstm, SmallAlexNet


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(classes=4, inplace=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.ReLU(inplace=inplace),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1),
        nn.ReLU(inplace=inplace),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, classes),
    )


class PerFrame(nn.Module):
    """Frame by frame through ``net``; the scores of a clip are the mean over its frames."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, clips):
        return self.net(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)


def test_gradient_of_a_linear_model_is_its_weights_and_the_map_their_largest_channel():
    weights = torch.randn(2, 3 * 4 * 5, generator=seeded())
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, 2, bias=False))
    model[1].weight.data = weights
    images = torch.rand(3, 3, 4, 5, generator=seeded(1))
    chosen = torch.tensor([0, 1, 1])
    torch.testing.assert_close(input_gradient(model, images, chosen, signed=True), weights[chosen].view(3, 3, 4, 5))
    torch.testing.assert_close(input_gradient(model, images, chosen), weights[chosen].view(3, 3, 4, 5).abs().amax(1))
    best = model(images).argmax(1)
    torch.testing.assert_close(input_gradient(model, images), input_gradient(model, images, best))


def test_gradient_agrees_with_finite_differences():
    model = small().double().eval()
    image = torch.rand(1, 3, 8, 8, generator=seeded(2)).double()
    gradient = input_gradient(model, image, 2, signed=True)
    for place in ((0, 0, 3, 3), (0, 2, 7, 0), (0, 1, 4, 6)):
        step = torch.zeros_like(image)
        step[place] = 1e-6
        with torch.no_grad():
            slope = (model(image + step)[0, 2] - model(image - step)[0, 2]) / 2e-6
        assert gradient[place].item() == pytest.approx(slope.item(), abs=1e-6)


def test_images_of_a_batch_do_not_meet_and_nothing_is_left_behind():
    model = SmallAlexNet(4, 8, image_size=32).train()
    images = torch.rand(4, 3, 32, 32, generator=seeded(3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    together = input_gradient(model, images, 5)
    alone = torch.cat([input_gradient(model, image[None], 5) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-7)
    cams = grad_cam(model, model.conv, images, 5)
    torch.testing.assert_close(cams, torch.cat([grad_cam(model, model.conv, i[None], 5) for i in images]))
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not images.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(part._forward_hooks or part._backward_hooks for part in model.modules())


@pytest.mark.parametrize("inplace", [False, True])
def test_guided_backpropagation_is_the_rule_written_out_and_leaves_no_hooks(inplace):
    model = small(inplace=inplace).eval()
    images = torch.rand(2, 3, 8, 8, generator=seeded(4))
    plain = input_gradient(model, images, 1, signed=True)
    with guided_backpropagation(model):
        guided = input_gradient(model, images, 1, signed=True)
    torch.testing.assert_close(input_gradient(model, images, 1, signed=True), plain)
    assert not any(part._backward_hooks for part in model.modules())
    assert [part.inplace for part in model if isinstance(part, nn.ReLU)] == [inplace] * 2

    # By hand, from the last layer to the first
    pixels = images.clone().requires_grad_()
    first = model[0](pixels)
    middle = model[2](first.relu())
    second = model[3](middle)
    up = model[7].weight[1].expand(2, 6)[:, :, None, None] / second.shape[-1] ** 2 * torch.ones_like(second)
    up = up.clamp(min=0) * (second > 0)
    (up,) = torch.autograd.grad(second, middle, up, retain_graph=True)
    (up,) = torch.autograd.grad(middle, first, up, retain_graph=True)  # through pooling and the plain ReLU
    (expected,) = torch.autograd.grad(first, pixels, up.clamp(min=0))
    torch.testing.assert_close(guided, expected)
    assert not torch.allclose(guided, plain)


def test_guided_backpropagation_cleans_up_after_an_error_and_needs_relus():
    model = small(inplace=True)
    with pytest.raises(ZeroDivisionError), guided_backpropagation(model):
        raise ZeroDivisionError
    assert not any(part._backward_hooks for part in model.modules())
    assert all(part.inplace for part in model if isinstance(part, nn.ReLU))
    with pytest.raises(ValueError, match="no nn.ReLU modules"), guided_backpropagation(nn.Linear(2, 2)):
        pass


def test_grad_cam_of_a_globally_pooled_net_is_its_class_activation_map():
    """For convolutions → mean → linear, α_k is the linear weight over the number of places (Selvaraju et al. 2016)."""
    model = small().eval()
    images = torch.rand(3, 3, 8, 8, generator=seeded(5))
    with torch.no_grad():
        maps = model[:5](images)
        cam = torch.einsum("k,bkhw->bhw", model[7].weight[2], maps).relu() / maps.shape[-1] ** 2
    mine = grad_cam(model, model[4], images, 2)
    torch.testing.assert_close(
        mine, torch.nn.functional.interpolate(cam[:, None], size=(8, 8), mode="bilinear")[:, 0].detach()
    )
    assert mine.shape == (3, 8, 8)
    assert (mine >= 0).all()


def test_frozen_weights_and_inference_callers_still_get_maps():
    model = small().eval().requires_grad_(False)
    images = torch.rand(2, 3, 8, 8, generator=seeded(6))
    with torch.no_grad():
        assert grad_cam(model, model[4], images).shape == (2, 8, 8)
        assert input_gradient(model, images).shape == (2, 8, 8)


def test_clips_have_a_map_per_frame():
    net = small()
    clips = torch.rand(2, 3, 3, 8, 8, generator=seeded(7))
    model = PerFrame(net)
    maps = input_gradient(model, clips, 1)
    assert maps.shape == (2, 3, 8, 8)
    torch.testing.assert_close(maps.flatten(0, 1), input_gradient(net, clips.flatten(0, 1), 1) / 3)
    torch.testing.assert_close(
        grad_cam(model, net[4], clips, 1).flatten(0, 1), grad_cam(net, net[4], clips.flatten(0, 1), 1) / 3
    )
    solid = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())

    class Spacetime(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = solid

        def forward(self, clips):
            return self.net(clips.transpose(1, 2))

    assert grad_cam(Spacetime(), solid[1], clips, 0).shape == (2, 3, 8, 8)
    with guided_backpropagation(solid):
        assert input_gradient(Spacetime(), clips, 0).shape == (2, 3, 8, 8)
    recurrent = CnnLstm(SmallAlexNet(4, 8, image_size=32), hidden=6, classes=2)
    clips = torch.rand(2, 3, 3, 32, 32, generator=seeded(8))
    assert input_gradient(recurrent, clips).shape == (2, 3, 32, 32)
    assert grad_cam(recurrent, recurrent.backbone.conv, clips).shape == (2, 3, 32, 32)


def test_one_score_per_image_is_enough():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))
    images = torch.rand(3, 3, 2, 2, generator=seeded(9))
    torch.testing.assert_close(
        input_gradient(model, images), model[1].weight.detach().view(1, 3, 2, 2).abs().amax(1).expand(3, 2, 2)
    )


def test_maps_find_what_the_model_looks_at():
    """A model that sums the red of one corner: all maps lie in that corner."""
    model = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 1, bias=False))
    model[0].weight.data = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    corner = torch.zeros(8, 8)
    corner[:3, :3] = 1
    model[3].weight.data = corner.view(1, 64)
    images = torch.rand(4, 3, 8, 8, generator=seeded(10))
    mask = corner.bool().expand(4, 8, 8)
    assert (energy_inside(input_gradient(model, images), mask) == 1).all()
    assert (pointing_game(input_gradient(model, images), mask) == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(2, 8, 8)}, "images is"),
        ({"images": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, "uint8"),
        ({"images": torch.rand(0, 3, 8, 8)}, "empty"),
        ({"target": 4}, "target reaches"),
        ({"target": -1}, "target reaches"),
        ({"target": torch.tensor([0, 1, 2])}, "target is"),
        ({"target": 0.5}, "target is"),
        ({"model": nn.Conv2d(3, 2, 3)}, "model gives"),
    ],
)
def test_saliency_names_what_is_wrong(change, message):
    arguments = {"model": small(), "images": torch.rand(2, 3, 8, 8), "target": 0} | change
    with pytest.raises(ValueError, match=message):
        input_gradient(**arguments)
    with pytest.raises(ValueError, match=message):
        grad_cam(arguments["model"], next(arguments["model"].modules()), arguments["images"], arguments["target"])


def test_grad_cam_names_a_layer_that_cannot_do():
    model, images = small(), torch.rand(2, 3, 8, 8)
    for layer, message in (
        (nn.Conv2d(3, 2, 1), "layer was not called"),
        (model[7], "it takes maps"),
    ):
        with pytest.raises(ValueError, match=message):
            grad_cam(model, layer, images)

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.unused = small(), nn.Conv2d(3, 2, 1)

        def forward(self, images):
            self.unused(images)
            return self.net(images)

    beside = Beside()
    with pytest.raises(ValueError, match="does not depend on"):
        grad_cam(beside, beside.unused, images)


@given(seed=st.integers(0, 10_000), frames=st.sampled_from([None, 2]))
def test_scores_are_naive_sums(seed, frames):
    generator = seeded(seed)
    shape = (3, 6, 7) if frames is None else (3, frames, 6, 7)
    maps = torch.randint(0, 4, shape, generator=generator).float()
    mask = torch.rand(shape, generator=generator) < 0.3
    for energy, point, one, where in zip(energy_inside(maps, mask), pointing_game(maps, mask), maps, mask, strict=True):
        total = one.sum().item()
        expected = one[where].sum().item() / total if total else where.float().mean().item()
        assert energy.item() == pytest.approx(expected, abs=1e-6)
        assert point.item() == pytest.approx(where[one == one.max()].float().mean().item(), abs=1e-6)
    assert torch.equal(pointing_game(5 * maps, mask), pointing_game(maps, mask))


def test_a_map_that_says_nothing_scores_the_area():
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, :2, :2] = True
    assert energy_inside(torch.zeros(2, 4, 4), mask).tolist() == [0.25, 0.25]
    assert energy_inside(torch.full((2, 4, 4), 7.0), mask).tolist() == [0.25, 0.25]
    assert pointing_game(torch.zeros(2, 4, 4), mask).tolist() == [0.25, 0.25]


def test_pointing_game_takes_a_near_miss_within_its_tolerance():
    maps, mask = torch.zeros(1, 7, 7), torch.zeros(1, 7, 7, dtype=torch.bool)
    maps[0, 2, 2], mask[0, 4, 4] = 1, True
    assert [pointing_game(maps, mask, tolerance=t).item() for t in (0, 1, 2)] == [0, 0, 1]


def test_score_errors():
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    for score in (energy_inside, pointing_game):
        with pytest.raises(ValueError, match="maps is"):
            score(-torch.ones(2, 4, 4), mask)
        with pytest.raises(ValueError, match="maps is"):
            score(torch.full((2, 4, 4), torch.nan), mask)
        with pytest.raises(ValueError, match="mask is"):
            score(torch.ones(2, 4, 4), mask.float())
        with pytest.raises(ValueError, match="mask is"):
            score(torch.ones(2, 4, 4), mask[:1])
    with pytest.raises(ValueError, match="tolerance is"):
        pointing_game(torch.ones(2, 4, 4), mask, tolerance=-1)
