"""Views: what they change, how often, and torchvision as the reference for the blur."""

import colorsys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tvf

from course_lib.transforms import MOCO_V1, MOCO_V2, Views, gaussian_blur, hue_matrix, to_grey

OFF = dict(area=(1, 1), flip=0, jitter=0, grey=0, blur=0)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([None, 8]))
def test_same_seed_same_views_in_range(seed, count, size):
    images = torch.rand(3, 3, 12, 10, generator=seeded(seed))
    before = images.clone()
    views = Views(count=count, size=size)
    once, twice = views(images, seeded(seed)), views(images, seeded(seed))
    assert torch.equal(once, twice)
    assert once.shape == (count, 3, 3, *((size, size) if size else (12, 10)))
    assert once.dtype == torch.float32
    assert once.min() >= 0
    assert once.max() <= 1
    assert torch.equal(images, before)


def test_every_view_has_a_draw_of_its_own(generator):
    images = torch.rand(1, 3, 16, 16, generator=generator).expand(6, -1, -1, -1)
    views = Views()(images, generator).flatten(0, 1).flatten(1)
    assert torch.pdist(views).min() > 0.1


def test_switched_off_they_are_copies(generator):
    images = torch.rand(2, 3, 9, 9, generator=generator)
    views = Views(**OFF)(images, generator)
    assert torch.equal(views, images.expand(2, -1, -1, -1, -1))
    views += 1
    assert images.max() <= 1


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"flip": 0.3}, lambda new, old: (new - old.flip(-1)).abs()),
        ({"jitter": 0.3, "hue": 0}, None),
        ({"jitter": 0.3, "brightness": 0, "contrast": 0, "saturation": 0}, None),
        ({"grey": 0.3}, lambda new, old: (new - to_grey(old)).abs()),
        ({"blur": 0.3, "sigma": (1.0, 2.0)}, None),
    ],
)
def test_each_step_happens_as_often_as_asked(options, changed):
    images = torch.rand(500, 3, 8, 8, generator=seeded(0)) * 0.6 + 0.2
    views = Views(**{**OFF, **options})(images, seeded(1)).flatten(0, 1)
    old = images.repeat(2, 1, 1, 1)
    moved = (views - old).abs().amax((1, 2, 3)) > 1e-4
    assert float(moved.float().mean()) == pytest.approx(0.3, abs=0.05)
    if changed:
        assert changed(views[moved], old[moved]).max() < 1e-5


def test_crops_cover_the_share_asked_for():
    """A ramp from 0 to 1: what a crop spans of it is its side."""
    ramp = (torch.arange(64) + 0.5).div(64).expand(400, 3, 64, 64)
    views = Views(**{**OFF, "area": (0.25, 0.64)})(ramp, seeded(2))
    share = (views[..., 0, -1] - views[..., 0, 0])[..., 0].flatten() * 64 / 63
    assert 0.5 - 0.02 < share.min() < 0.52
    assert 0.78 < share.max() < 0.8 + 0.02


@pytest.mark.parametrize(("size", "window"), [((12, 12), 3), ((56, 60), 7), ((32, 41), 5)])
def test_the_blur_is_torchvisions(size, window):
    images = torch.rand(3, 3, *size, generator=seeded(3))
    sigma = torch.tensor([0.1, 0.7, 2.0])
    expected = [tvf.gaussian_blur(one, [window, window], [s]) for one, s in zip(images, sigma.tolist(), strict=True)]
    torch.testing.assert_close(gaussian_blur(images, sigma), torch.stack(expected), atol=1e-5, rtol=0)


def test_hue_turns_and_keeps_lightness():
    pixels = torch.rand(3, 50, generator=seeded(4))
    turned = hue_matrix(torch.tensor([0.0, 0.2, 1.0])) @ pixels
    torch.testing.assert_close(turned[0], pixels, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned[2], pixels, atol=1e-5, rtol=0)
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(luma @ turned[1], luma @ pixels, atol=1e-4, rtol=0)
    grey = torch.full((3, 1), 0.4)
    torch.testing.assert_close(hue_matrix(torch.tensor([0.3]))[0] @ grey, grey, atol=1e-4, rtol=0)


def test_a_turn_of_hue_goes_the_way_of_hsv():
    """Turned by less than 0.1, muted colours keep about the hue that HSV gives: the same direction, a similar size."""
    pixels = 0.5 + 0.1 * (torch.rand(200, 3, generator=seeded(5)) - 0.5)
    turned = (hue_matrix(torch.tensor([0.08])) @ pixels.T)[0].T
    hue = [[colorsys.rgb_to_hsv(*rows)[0] for rows in many.tolist()] for many in (pixels, turned)]
    gap = (torch.tensor(hue[1]) - torch.tensor(hue[0]) + 0.5) % 1 - 0.5
    assert float(gap.abs().median()) == pytest.approx(0.08, abs=0.03)
    assert (gap.sign() == gap.sign()[0]).float().mean() > 0.95


def test_the_versions_of_moco(generator):
    images = torch.rand(2, 3, 8, 8, generator=generator)
    assert Views(**MOCO_V1)(images, generator).shape == Views(**MOCO_V2)(images, generator).shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Views(area=(0, 1)), "area is"),
        (lambda: Views(area=(0.5, 1.1)), "area is"),
        (lambda: Views(sigma=(2.0, 1.0)), "sigma is"),
        (lambda: Views(blur=2), "blur is 2"),
        (lambda: Views(contrast=-1), "contrast is -1"),
        (lambda: Views(count=0), "count is 0"),
        (lambda: Views()(torch.rand(2, 1, 8, 8), seeded(0)), "3 colour channels"),
        (lambda: Views()(torch.rand(3, 8, 8), seeded(0)), "images is"),
        (lambda: Views()(torch.full((2, 3, 8, 8), float("nan")), seeded(0)), "NaN"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
