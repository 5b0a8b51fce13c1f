"""Shortcuts are what they say: where they are, that they tell what they should, and nothing else."""

import pytest
import torch
import torch.nn.functional as F

from course_lib.transforms import (
    chromatic_aberration,
    cut_tiles,
    downsample,
    drop_colours,
    flatten_light,
    grain,
    lab_to_rgb,
    light_from_above,
    rgb_to_lab,
    seams,
    standardise,
)
from course_lib.transforms.shortcuts import DOWNSAMPLING


def smooth(count, size, generator, cells=8):
    return F.interpolate(torch.rand(count, 3, cells, cells, generator=generator), (size, size), mode="bilinear")


def test_red_lies_further_out_than_green_and_green_than_blue():
    place = torch.arange(64) + 0.5
    line = (-((place - 52) ** 2) / 8).exp().expand(1, 3, 64, 64)
    for axis in (line, line.transpose(2, 3)):
        seen = chromatic_aberration(axis.contiguous(), 0.05).sum(2 if axis is line else 3)[0]
        centre = (seen * place).sum(1) / seen.sum(1)
        # x is magnified about 32 by 1.10, 1.05 and 1
        expected = 32 + 20 * torch.tensor([1.10, 1.05, 1.0])
        torch.testing.assert_close(centre, expected, atol=0.1, rtol=0)


def test_no_strength_changes_nothing(generator):
    images = torch.rand(2, 3, 12, 16, generator=generator)
    for seen in (
        chromatic_aberration(images, 0.0),
        grain(images, generator, 0.0),
        light_from_above(images, 0.0),
        seams(images, 3, generator=generator, strength=0.0),
    ):
        torch.testing.assert_close(seen, images, atol=1e-5, rtol=0)


def test_aberration_is_that_of_every_picture_alone(generator):
    images = torch.rand(3, 3, 10, 14, generator=generator)
    together = chromatic_aberration(images, 0.1)
    torch.testing.assert_close(together, torch.cat([chromatic_aberration(one[None], 0.1) for one in images]))
    torch.testing.assert_close(together[:, 2], images[:, 2])
    assert chromatic_aberration(images.expand(3, 3, 10, 14), 0.1).is_contiguous()


def test_tiles_that_touch_share_a_colour_and_others_do_not(generator):
    images = torch.rand(4, 3, 24, 24, generator=generator)
    marked = seams(images, 3, generator=generator)
    tiles = cut_tiles(marked, 3, size=8).unflatten(1, (3, 3))  # (B, row, column, C, 8, 8)
    inner = slice(1, -1)  # at the corners level seams lie over upright ones
    right, left = tiles[:, :, :-1, :, inner, -1], tiles[:, :, 1:, :, inner, 0]
    assert torch.equal(right, left)
    assert torch.equal(right, right[..., :1].expand_as(right))
    below, above = tiles[:, :-1, :, :, -1, inner], tiles[:, 1:, :, :, 0, inner]
    assert torch.equal(below, above)
    # Each seam has a colour of its own, also at the rim.
    rims = torch.cat([tiles[:, :, 0, :, 3, 0], right[..., 0].flatten(1, 2), tiles[:, :, 2, :, 3, -1]], 1)
    assert len(rims.flatten(0, 1).unique(dim=0)) == 4 * (3 + 6 + 3)
    assert torch.equal(tiles[..., inner, inner], cut_tiles(images, 3, size=8).unflatten(1, (3, 3))[..., inner, inner])


def test_a_gap_between_tiles_takes_seams_away(generator):
    images = torch.rand(2, 3, 24, 24, generator=generator)
    marked = seams(images, 3, generator=generator)
    assert torch.equal(cut_tiles(marked, 3, size=6), cut_tiles(images, 3, size=6))


def test_seams_fit_pictures_that_the_grid_does_not_fill(generator):
    images = torch.rand(2, 3, 25, 31, generator=generator)
    marked = seams(images, 3, generator=generator, strength=0.5)
    changed = (marked != images).any(1).any(0)
    assert changed[:, 7:9].all()
    assert not changed[1:7, 1:7].any()
    assert not changed[2:7, 26:].any()


def test_grain_tells_smaller_pictures_from_cut_ones(generator):
    images = torch.full((8, 3, 32, 32), 0.5)
    noisy = grain(images, generator, 0.1)
    cut, small, taken = noisy[..., :16, :16], downsample(noisy, "area"), downsample(noisy, "nearest")
    assert float(cut.std()) == pytest.approx(0.1, rel=0.05)
    assert float(small.std()) == pytest.approx(0.05, rel=0.05)
    assert float(taken.std()) == pytest.approx(0.1, rel=0.05)
    assert torch.equal(noisy[:, 0], noisy[:, 1])


def test_the_light_falls_from_above():
    seen = light_from_above(torch.full((1, 3, 5, 4), 0.5), 0.4)
    torch.testing.assert_close(seen[0, 0, :, 0], torch.tensor([0.7, 0.6, 0.5, 0.4, 0.3]))


def test_flattened_light_has_no_slope_and_keeps_the_mean(generator):
    images = 0.25 + torch.rand(2, 3, 16, 12, generator=generator) / 2
    even = flatten_light(images)
    torch.testing.assert_close(even.mean((2, 3)), images.mean((2, 3)))
    for ramp in (torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 16)[:, None]):
        torch.testing.assert_close((even * ramp).mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        flatten_light(light_from_above(torch.full((1, 3, 6, 6), 0.5), 0.4)), torch.full((1, 3, 6, 6), 0.5)
    )


def test_one_channel_is_kept_and_fringes_are_gone(generator):
    tiles = torch.rand(50, 4, 3, 5, 5, generator=generator)
    seen = drop_colours(tiles, generator)
    same = (seen == tiles).flatten(3).all(3)
    assert (same.sum(2) == 1).all()
    assert (seen == 0.5).flatten(3).all(3).sum(2).eq(2).all()
    assert same.flatten(0, 1).float().mean(0).sub(1 / 3).abs().max() < 0.12
    assert (standardise(seen).flatten(3).abs().amax(3) > 0).sum(2).eq(1).all()


def test_downsampling_methods_agree_on_smooth_pictures(generator):
    images = smooth(2, 32, generator, cells=3)
    means = images.unflatten(2, (16, 2)).unflatten(4, (16, 2)).mean((3, 5))
    torch.testing.assert_close(downsample(images, "area"), means)
    assert torch.equal(downsample(images, "nearest"), images[..., ::2, ::2])
    for method in DOWNSAMPLING:
        torch.testing.assert_close(downsample(images, method), means, atol=0.1, rtol=0)


def test_lab_and_back(generator):
    images = torch.rand(2, 3, 9, 7, generator=generator)
    images[0, :, 0, :3] = torch.tensor([0.0, 0.02, 1.0])
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(images)), images, atol=2e-3, rtol=0)
    lab = rgb_to_lab(images).requires_grad_()
    lab_to_rgb(lab).sum().backward()
    assert lab.grad.isfinite().all()
    assert lab_to_rgb(torch.tensor([50.0, 200, 0])[:, None, None]).max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, g: chromatic_aberration(x[:, :1]), "images is .*it takes pictures"),
        (lambda x, g: chromatic_aberration(x, -1), "strength is -1"),
        (lambda x, g: chromatic_aberration(x * torch.nan), "NaN"),
        (lambda x, g: seams(x, 3, generator=g, strength=2), "strength is 2"),
        (lambda x, g: seams(x, 6, generator=g), "width is 1; a cell of a 6×6 grid over 12×12 has 2"),
        (lambda x, g: grain(x, g, -0.1), "strength is -0.1"),
        (lambda x, g: light_from_above(x, 1.5), "strength is 1.5"),
        (lambda x, g: drop_colours(x[0], g), "images is"),
        (lambda x, g: downsample(x, "cubic"), "method is 'cubic'.*Did you mean 'bicubic'"),
        (lambda x, g: downsample(x, factor=5), "factor is 5"),
        (lambda x, g: lab_to_rgb(x[:, :2]), "lab is"),
    ],
)
def test_bad_input_is_named(call, message, generator):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(2, 3, 12, 12), generator)
