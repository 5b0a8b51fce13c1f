"""Colour spaces: pixels as lightness and two colour axes. Batched, on the tensor's own device."""

import torch

# sRGB (ITU-R BT.709 primaries, white point D65) to CIE XYZ; each row is divided by its sum, so that white is (1, 1, 1)
# and grey has no colour at all.
_XYZ = ((0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456),
        (0.212671, 0.715160, 0.072169),
        (0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754))  # fmt: skip


def rgb_to_lab(pixels: torch.Tensor) -> torch.Tensor:
    """sRGB in [0, 1] → CIE L*a*b*, both (..., 3, H, W): L in [0, 100], a (green to red), b (blue to yellow) ± 110.

    Distances in Lab are roughly those that people see; L alone is the grey picture (002 §4.1.1). Raises ValueError
    unless there are three channels.
    """
    if pixels.ndim < 3 or pixels.shape[-3] != 3:
        raise ValueError(f"pixels is {tuple(pixels.shape)}; it takes (..., 3, H, W)")
    linear = torch.where(pixels > 0.04045, ((pixels.clamp(min=0) + 0.055) / 1.055) ** 2.4, pixels / 12.92)
    with torch.autocast(pixels.device.type, enabled=False):
        xyz = torch.einsum("dc,...chw->...dhw", linear.new_tensor(_XYZ), linear)
    bent = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = bent.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def to_grey(pixels: torch.Tensor) -> torch.Tensor:
    """Colour pixels (..., 3, H, W) → the same shape with three equal channels, the luma of ITU-R BT.601."""
    weights = pixels.new_tensor((0.299, 0.587, 0.114))[:, None, None]
    return (pixels * weights).sum(-3, keepdim=True).expand_as(pixels)
