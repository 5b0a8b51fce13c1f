"""Augmentation: what it changes, what it must not, and torchvision as the reference for colour."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tvf

from course_lib.transforms import Augmentation, standardise

STRONG = dict(scale=(0.5, 0.9), flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, gain=0.2, grey=0.2)
OFF = dict(scale=(1.0, 1.0))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def same_frames(batch=3, frames=4, size=16, low=0.0, high=1.0):
    """Clips in which all frames are alike, so any difference afterwards is the augmentation's."""
    image = torch.rand(batch, 1, 3, size, size, generator=seeded(1)) * (high - low) + low
    return image.expand(-1, frames, -1, -1, -1).clone()


@given(st.integers(0, 2**31), st.sampled_from(["clip", "frame"]))
def test_same_seed_same_pixels_in_range(seed, mode):
    clips = torch.rand(2, 3, 3, 12, 10, generator=seeded(seed))
    before = clips.clone()
    augment = Augmentation(**STRONG, mode=mode)
    once, twice = augment(clips, seeded(seed)), augment(clips, seeded(seed))
    assert torch.equal(once, twice)
    assert not torch.equal(once, augment(clips, seeded(seed + 1)))
    assert once.shape == clips.shape
    assert once.min() >= 0
    assert once.max() <= 1
    assert torch.equal(clips, before)


def test_one_draw_per_clip_or_per_frame(generator):
    clips = same_frames()
    by_clip = Augmentation(**STRONG, mode="clip")(clips, generator)
    assert torch.equal(by_clip, by_clip[:, :1].expand_as(by_clip))
    assert not torch.allclose(by_clip[0], by_clip[1])
    by_frame = Augmentation(**STRONG, mode="frame")(clips, generator)
    gaps = (by_frame[:, 1:] - by_frame[:, :-1]).abs().mean((2, 3, 4))
    assert (gaps > 1e-3).all()


def test_images_are_clips_of_one_frame():
    images = torch.rand(4, 3, 16, 16, generator=seeded(2))
    augment = Augmentation(**STRONG)
    assert torch.equal(augment(images, seeded(5)), augment(images[:, None], seeded(5))[:, 0])


def test_switched_off_it_is_the_identity(generator):
    clips = torch.rand(2, 3, 3, 9, 9, generator=generator)
    assert torch.equal(Augmentation(**OFF)(clips, generator), clips)


def test_crops_stay_inside_and_magnify():
    """A ramp of coordinates shows what was taken: inside the frame, a straight ramp, of the share asked for."""
    size = 64
    ramp = torch.linspace(0, 1, size).expand(3, size, size)
    clips = torch.stack([ramp, ramp.mT, ramp])[[0, 1, 2], 0][None, None].expand(200, 1, 3, size, size)
    out = Augmentation(scale=(0.5, 0.8))(clips, seeded(3))[:, 0]
    for channel, axis in ((0, -1), (1, -2)):
        step = out[:, channel].diff(dim=axis)
        share = step.median(dim=1).values.median(dim=1).values * (size - 1)
        assert (share > 0.5 - 0.01).all()
        assert (share < 0.8 + 0.01).all()
        assert share.max() - share.min() > 0.2
        # Constant slope: nothing outside the frame was taken. (The outermost sample may lie half a pixel's
        # magnification beyond the centre of the outermost pixel, where that pixel's value is all there is.)
        inner = step.narrow(axis, 1, size - 3).flatten(1)
        assert (inner.max(1).values - inner.min(1).values).max() < 1e-4
    first, last = out[:, 0].mean(1)[:, 0], out[:, 0].mean(1)[:, -1]
    assert first.min() < 0.05  # crops reach the left border …
    assert last.max() > 0.95  # … and the right one


def test_flip_mirrors_about_half_of_the_clips(generator):
    clips = torch.rand(400, 2, 3, 6, 6, generator=generator)
    out = Augmentation(scale=(1.0, 1.0), flip=0.5)(clips, generator)
    kept = (out - clips).abs().amax((1, 2, 3, 4)) < 1e-5
    mirrored = (out - clips.flip(-1)).abs().amax((1, 2, 3, 4)) < 1e-5
    assert (kept | mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_output_size_can_differ(generator):
    assert Augmentation(size=8)(same_frames(size=16), generator).shape[-2:] == (8, 8)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("brightness", tvf.adjust_brightness),
        ("contrast", tvf.adjust_contrast),
        ("saturation", tvf.adjust_saturation),
    ],
)
def test_colour_equals_torchvision(name, reference):
    """The factor drawn is found by least squares; with it torchvision must give every pixel of the frame.

    The tolerance is for its weights of red, green and blue, which are rounded and sum to 0.9999.
    """
    clips = torch.rand(6, 2, 3, 8, 8, generator=seeded(4)) * 0.3 + 0.35  # no pixel reaches 0 or 1
    out = Augmentation(**OFF, **{name: 0.3}, mode="frame")(clips, seeded(6))
    frames, changed = clips.flatten(0, 1), out.flatten(0, 1)
    zero, factors = reference(frames, 0.0), []
    for frame, base, got in zip(frames, zero, changed, strict=True):
        direction = frame - base
        factor = float((got - base).flatten() @ direction.flatten() / direction.square().sum())
        torch.testing.assert_close(got, reference(frame, factor), atol=3e-5, rtol=0)
        factors.append(factor)
    factors = torch.tensor(factors)
    assert (factors >= 0.7).all()
    assert (factors <= 1.3).all()
    assert factors.std() > 0.05


def test_grey_equals_torchvision(generator):
    clips = torch.rand(3, 2, 3, 8, 8, generator=generator)
    out = Augmentation(**OFF, grey=1.0)(clips, generator)
    torch.testing.assert_close(out, tvf.rgb_to_grayscale(clips, num_output_channels=3), atol=2e-4, rtol=0)


def test_gain_scales_each_channel_by_itself(generator):
    clips = torch.full((5, 1, 3, 4, 4), 0.5)
    out = Augmentation(**OFF, gain=0.2)(clips, generator)[:, 0]
    assert out.std((-1, -2)).max() == 0
    assert (out.mean((-1, -2)).std(1) > 0.005).all()
    assert out.min() >= 0.4
    assert out.max() <= 0.6


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_broken_pixels_are_refused(generator, bad):
    clips = torch.rand(1, 2, 3, 4, 4)
    clips[0, 1, 2, 3, 0] = bad
    with pytest.raises(ValueError, match="clips contains NaN or infinite"):
        Augmentation()(clips, generator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "frames"}, "mode is 'frames'.*Did you mean 'frame'"),
        ({"scale": (0.9, 0.8)}, "scale is"),
        ({"scale": (0.0, 0.8)}, "scale is"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"brightness": -0.1}, "brightness is -0.1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_saturation_takes_three_channels(generator):
    with pytest.raises(ValueError, match="3 colour channels; clips have 1"):
        Augmentation(saturation=0.1)(torch.rand(1, 1, 1, 4, 4), generator)
    assert Augmentation(contrast=0.1)(torch.rand(1, 1, 1, 4, 4), generator).shape == (1, 1, 1, 4, 4)


def test_standardise_gives_zero_mean_unit_variance_and_keeps_constants_finite(generator):
    images = torch.rand(2, 3, 8, 8, generator=generator) * 0.2 + 0.5
    out = standardise(images)
    torch.testing.assert_close(out.mean((-1, -2)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((-1, -2)), torch.ones(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(standardise(images * 0.5 + 0.1), out, atol=1e-4, rtol=0)
    assert standardise(torch.full((1, 3, 4, 4), 0.3)).abs().max() < 1e-3


def test_training_in_bf16_leaves_positions_and_colours_exact():
    clips = torch.rand(2, 3, 3, 32, 32, generator=seeded(1))
    augment = Augmentation(**STRONG, mode="frame")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = augment(clips, seeded(2))
    assert inside.dtype == torch.float32
    assert torch.equal(inside, augment(clips, seeded(2)))
