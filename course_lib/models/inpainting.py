"""A network that paints a patch, and one that judges patches, of any side that is a multiple of eight.

001 §4.2.1 uses both and leaves their layers to a supplement; these are ours. No layer normalises over the batch, so a
patch is painted alike in training and later, and alike whatever else is in its batch.
"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ..checks import check_positive

HALVINGS = 3


class Inpainter(nn.Module):
    """Patches (B, 3, s, s), centred to [-1, 1], noise where nothing is known, → patches (B, 3, s, s) in [0, 1].

    Three halvings, so that the middle hears of the border, and three doublings; the last layer sees the patch at full
    resolution as well, so that what is known can be copied. width: channels at full resolution, twice as many after
    each halving.
    """

    def __init__(self, width: int = 16):
        super().__init__()
        widths = [check_positive("width", width) << stage for stage in range(HALVINGS + 1)]
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        layers = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += _stage(nn.Conv2d(inputs, outputs, 4, 2, 1), outputs)
        layers += _stage(nn.Conv2d(widths[-1], widths[-1], 3, padding=1), widths[-1])
        for outputs, inputs in reversed(list(zip(widths, widths[1:], strict=False))):
            layers += _stage(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), outputs)
        self.conv = nn.Sequential(*layers)
        self.last = nn.Conv2d(2 * width, 3, 3, padding=1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        fine = self.first(patches)
        return self.last(torch.cat([fine, self.conv(fine)], 1)).sigmoid()


class PatchDiscriminator(nn.Module):
    """Patches (B, 3, size, size) in [0, 1] → logits (B,) that they are real; spectral norm in every layer.

    Raises ValueError for a size that is not a multiple of 8.
    """

    def __init__(self, size: int, width: int = 16):
        super().__init__()
        if check_positive("size", size) % 2**HALVINGS:
            raise ValueError(f"size is {size}; it takes a multiple of {2**HALVINGS}")
        layers, inputs = [], 3
        for stage in range(HALVINGS):
            outputs = check_positive("width", width) << stage
            layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, 2, 1)), nn.LeakyReLU(0.2)]
            inputs = outputs
        self.conv = nn.Sequential(*layers)
        self.last = spectral_norm(nn.Linear(inputs * (size >> HALVINGS) ** 2, 1))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return self.last(self.conv(patches * 2 - 1).flatten(1)).squeeze(1)


def _stage(convolution: nn.Module, channels: int) -> list[nn.Module]:
    return [convolution, nn.GroupNorm(1, channels), nn.ReLU()]
