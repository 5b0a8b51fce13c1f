"""Optical flow: known translations, still pictures, batches, warping, colours, and bad input."""

import pytest
import torch

from course_lib.transforms import flow_to_colour, horn_schunck, opencv_flow, warp


def texture(generator, batch=1, size=32):
    """Smooth random pictures (B, 1, size, size) in [0, 1]."""
    coarse = torch.rand(batch, 1, 7, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic", align_corners=True).clamp(0, 1)


def shifted(picture, u, v):
    """``picture`` moved by u pixels to the right and v down."""
    flow = torch.tensor([u, v], dtype=torch.float32).view(1, 2, 1, 1).expand(len(picture), 2, *picture.shape[2:])
    return warp(picture, -flow)


def inside(flow, margin=5):
    return flow[..., margin:-margin, margin:-margin]


@pytest.mark.parametrize(("u", "v"), [(0.5, 0.0), (0.0, -0.4), (0.6, 0.3)])
def test_small_translations_are_found(u, v, generator):
    first = texture(generator, 3)
    flow = inside(horn_schunck(first, shifted(first, u, v), 0.01, 300))
    error = (flow - torch.tensor([u, v]).view(1, 2, 1, 1)).norm(dim=1).mean()
    assert error < 0.12, error


def test_large_translations_need_a_pyramid(generator):
    first = texture(generator, 4, 48)
    second = shifted(first, 4.0, -2.0)
    errors = []
    for levels in (1, 4):
        flow = inside(horn_schunck(first, second, 0.03, 100, levels=levels), 9)
        errors.append(float((flow - torch.tensor([4.0, -2.0]).view(1, 2, 1, 1)).norm(dim=1).mean()))
    assert errors[1] < 0.6 < errors[0]
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize("method", ["farneback", "dis"])
def test_opencv_finds_the_same_translation(method, generator):
    first = texture(generator, 2, 48)
    flow = opencv_flow(first, shifted(first, 2.0, 1.0), method)
    assert flow.shape == (2, 2, 48, 48)
    assert (inside(flow, 9) - torch.tensor([2.0, 1.0]).view(1, 2, 1, 1)).norm(dim=1).mean() < 0.4


def test_nothing_moves_when_nothing_changes(generator):
    first = texture(generator, 2)
    assert horn_schunck(first, first).abs().max() == 0
    assert horn_schunck(first, first, levels=2).abs().max() < 1e-4
    assert inside(opencv_flow(first, first)).abs().mean() < 0.05  # OpenCV is not exact, least at the edges


def test_a_batch_is_its_pictures_one_by_one(generator):
    first, second = texture(generator, 3), texture(generator, 3)
    for function in (lambda a, b: horn_schunck(a, b, 0.1, 20, levels=2), opencv_flow):
        together = function(first, second)
        alone = torch.cat([function(first[i : i + 1], second[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_it_converges_to_the_minimum_of_its_energy(generator):
    """At the fixed point, the gradient of the data term and the pull of the neighbours cancel."""
    first = texture(generator, 1, 16).double()
    second = shifted(first.float(), 0.3, 0.2).double()
    flows = [horn_schunck(first, second, 0.1, n) for n in (2000, 2001)]
    assert (flows[1] - flows[0]).abs().max() < 1e-6


def test_colours_are_turned_to_grey(generator):
    first, second = torch.rand(1, 3, 16, 16, generator=generator), torch.rand(1, 3, 16, 16, generator=generator)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = [(picture * weights).sum(1, keepdim=True) for picture in (first, second)]
    torch.testing.assert_close(horn_schunck(first, second), horn_schunck(*grey))


def test_warping_by_whole_pixels_is_indexing(generator):
    picture = torch.rand(1, 2, 6, 7, generator=generator)
    flow = torch.zeros(1, 2, 6, 7)
    flow[:, 0], flow[:, 1] = 2, -1
    moved = warp(picture, flow)
    torch.testing.assert_close(moved[:, :, 1:, :5], picture[:, :, :-1, 2:])
    torch.testing.assert_close(warp(picture, flow * 0), picture)


def test_colours_tell_direction_and_speed():
    flow = torch.zeros(5, 2, 1, 1)
    flow[1, 0], flow[2, 0], flow[3, 1], flow[4, 0] = 1, -1, 1, 0.5
    white, right, left, _, slow = flow_to_colour(flow, 1.0).flatten(1)
    assert white.tolist() == [1, 1, 1]
    assert right.tolist() == [1, 0, 0]
    torch.testing.assert_close(left, torch.tensor([0.0, 1.0, 1.0]))
    torch.testing.assert_close(slow, torch.tensor([1.0, 0.5, 0.5]))
    assert flow_to_colour(flow).shape == (5, 3, 1, 1)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda p: horn_schunck(p[0], p), "first"),
        (lambda p: horn_schunck(p, p[..., :-1]), "second"),
        (lambda p: horn_schunck(p, p, alpha=0), "alpha"),
        (lambda p: horn_schunck(p, p, iterations=0), "iterations"),
        (lambda p: horn_schunck(p, p, levels=9), "levels"),
        (lambda p: horn_schunck(p.expand(-1, 2, -1, -1), p), "channels"),
        (lambda p: horn_schunck(p / 0, p), "NaN"),
        (lambda p: opencv_flow(p, p, "lucas"), "method"),
        (lambda p: opencv_flow(p[..., :8, :8], p[..., :8, :8]), "12 pixels"),
        (lambda p: flow_to_colour(p), "flow"),
        (lambda p: warp(p, p), "flow"),
    ],
)
def test_bad_input_is_named(call, named, generator):
    with pytest.raises(ValueError, match=named):
        call(texture(generator) + 0.0)
