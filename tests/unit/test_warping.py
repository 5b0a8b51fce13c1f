"""Thin-plate warps against SciPy's spline, image by image, and where the answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from course_lib.transforms import RandomWarp, control_points, spline_matrix, thin_plate_flow, thin_plate_warp


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def smooth(count, height, width, generator):
    """Images without sharp edges, so that interpolating twice loses little."""
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).clamp(0, 1)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 5), st.integers(5, 14), st.integers(5, 14), st.integers(0, 2**31 - 1))
def test_flow_and_warp_equal_a_spline_solved_for_each_image(points, height, width, seed):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, height, width, generator=draw)
    offsets = RandomWarp(0.1, points).offsets(2, height, width, draw)
    flow, warped = thin_plate_flow(offsets, height, width), thin_plate_warp(images, offsets)
    grid = [(x, y) for y in np.linspace(0, height - 1, points) for x in np.linspace(0, width - 1, points)]
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2).astype(float)
    for image, own, found, result in zip(images, offsets, flow, warped, strict=True):
        spline = RBFInterpolator(np.array(grid), own.numpy(), kernel="thin_plate_spline")(pixels)
        np.testing.assert_allclose(found.flatten(1).T, spline, atol=2e-4)
        places = (pixels + spline).T[::-1].reshape(2, height, width)
        for channel, seen in zip(image, result, strict=True):
            expected = map_coordinates(channel.numpy(), places, order=1, mode="mirror")
            np.testing.assert_allclose(seen, expected, atol=1e-3)


def test_no_offset_is_no_warp(generator):
    images = torch.rand(2, 3, 9, 12, generator=generator)
    torch.testing.assert_close(thin_plate_warp(images, torch.zeros(2, 16, 2)), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(RandomWarp(0.0)(images, generator), images, atol=1e-5, rtol=0)


def test_affine_offsets_give_the_affine_map(generator):
    """A spline that needs no bending has none: shift, zoom, shear."""
    matrix, shift = torch.tensor([[0.1, -0.05], [0.02, -0.1]]), torch.tensor([0.7, -1.3])
    offsets = control_points(5, 10, 16).float() @ matrix.T + shift
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(16.0), indexing="ij")
    expected = (torch.stack([x, y], -1) @ matrix.T + shift).movedim(2, 0)
    torch.testing.assert_close(thin_plate_flow(offsets[None], 10, 16)[0], expected, atol=1e-4, rtol=0)


def test_a_shift_by_whole_pixels_moves_them(generator):
    images = torch.rand(1, 3, 8, 8, generator=generator)
    shifted = thin_plate_warp(images, torch.tensor([2.0, 0.0]).expand(1, 9, 2))
    torch.testing.assert_close(shifted[..., :6], images[..., 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(shifted[..., 6:], images[..., [6, 5]], atol=1e-5, rtol=0)  # reflected at the border


def test_control_points_keep_their_offsets():
    """The spline goes through what it was given, at control points that are pixels (13 = 4 · 3 + 1)."""
    offsets = RandomWarp().offsets(3, 13, 13, torch.Generator().manual_seed(1))
    flow = thin_plate_flow(offsets, 13, 13)[:, :, ::4, ::4]
    torch.testing.assert_close(flow.flatten(2).transpose(1, 2), offsets, atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 0.3), st.integers(2, 6), st.integers(0, 2**31 - 1))
def test_offsets_fill_their_range(strength, points, seed):
    offsets = RandomWarp(strength, points).offsets(50, 20, 40, torch.Generator().manual_seed(seed))
    assert offsets.shape == (50, points**2, 2)
    for axis, side in ((0, 40), (1, 20)):
        assert offsets[..., axis].abs().max() <= strength * side * (1 + 1e-6)
        assert offsets[..., axis].max() >= 0.8 * strength * side
        assert offsets[..., axis].min() <= -0.8 * strength * side


def test_each_image_has_a_warp_of_its_own_and_the_generator_decides(generator):
    images = smooth(1, 24, 24, generator).expand(4, -1, -1, -1)
    first = RandomWarp()(images, torch.Generator().manual_seed(3))
    torch.testing.assert_close(first, RandomWarp()(images, torch.Generator().manual_seed(3)), rtol=0, atol=0)
    assert (first[0] - first[1]).abs().max() > 0.01
    assert first.min() >= 0
    assert first.max() <= 1


def test_gradients_reach_the_pixels(generator):
    images = torch.rand(2, 3, 8, 8, generator=generator, requires_grad=True)
    RandomWarp()(images, generator).sum().backward()
    assert (images.grad > 0).float().mean() > 0.9


def test_autocast_leaves_places_exact(generator):
    images, offsets = torch.rand(1, 3, 16, 16, generator=generator), torch.full((1, 16, 2), 0.3)
    with torch.autocast("cpu", torch.bfloat16):
        warped = thin_plate_warp(images, offsets)
    torch.testing.assert_close(warped, thin_plate_warp(images, offsets), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomWarp(-0.1), "strength is -0.1"),
        (lambda: RandomWarp(points=1), "points is 1"),
        (lambda: control_points(4, 1, 9), "height is 1"),
        (lambda: spline_matrix(torch.tensor([[0.0, 0], [1, 1], [2, 2]]), torch.zeros(1, 2)), "on one line"),
        (lambda: thin_plate_flow(torch.zeros(2, 5, 2), 8, 8), "offsets is"),
        (lambda: thin_plate_warp(torch.rand(2, 3, 8, 8), torch.zeros(3, 9, 2)), "2 images take"),
        (lambda: RandomWarp()(torch.full((1, 3, 8, 8), torch.nan), None), "NaN"),
        (lambda: RandomWarp()(torch.rand(3, 8, 8), None), "images is"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
