"""From CIE L*a*b* back to pixels: what a colourisation network has painted, as a picture."""

import torch

from .colour import _XYZ


def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """CIE L*a*b* → sRGB in [0, 1], both (..., 3, H, W): the inverse of `rgb_to_lab`.

    Colours that no screen shows are cut to [0, 1]. Raises ValueError unless there are three channels.
    """
    if lab.ndim < 3 or lab.shape[-3] != 3:
        raise ValueError(f"lab is {tuple(lab.shape)}; it takes (..., 3, H, W)")
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    bent = torch.stack([y + a / 500, y, y - b / 200], -3)
    xyz = torch.where(bent > 0.206893, bent**3, (bent - 16 / 116) / 7.787)
    back = torch.linalg.inv(torch.tensor(_XYZ, dtype=torch.float64)).to(lab)
    with torch.autocast(lab.device.type, enabled=False):
        linear = torch.einsum("dc,...chw->...dhw", back, xyz).clamp(min=0)
    # The power has no gradient at 0, so it is kept away from there.
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)
