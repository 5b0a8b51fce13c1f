"""A convolutional encoder and its mirror image, for square pictures (background: 000 §2.1; 001 §2.1).

Both halve or double the side with every convolution, between the picture and a map of 4×4, and double or halve the
channels. What is compressed, corrupted, sampled or judged in between is a matter of the method.
"""

import torch
from torch import nn

from ..checks import check_positive

SMALLEST = 4  # side of the map between convolutions and the fully connected layer


class ConvEncoder(nn.Module):
    """Pictures (B, C, H, W) in [0, 1] → codes (B, latent); a backbone, with ``features`` = latent.

    size: side of the pictures, 8, 16, 32, 64 … width: channels of the first convolution, doubled by each further one.
    Raises ValueError for a size that halving does not take to 4.
    """

    def __init__(self, size: int = 64, latent: int = 64, *, width: int = 32, channels: int = 3):
        super().__init__()
        self.features, self.image_size = check_positive("latent", latent), size
        widths = [channels, *stage_widths(size, width)]
        layers = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        self.code = nn.Linear(widths[-1] * SMALLEST**2, latent)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.code(self.conv(images * 2 - 1).flatten(1))


class ConvDecoder(nn.Module):
    """Codes (B, latent) → logits (B, C, H, W); their sigmoid is a picture in [0, 1]. Options as for `ConvEncoder`.

    Logits, because binary cross-entropy computed from them neither overflows nor loses its gradient.
    """

    def __init__(self, size: int = 64, latent: int = 64, *, width: int = 32, channels: int = 3):
        super().__init__()
        self.latent, self.image_size = check_positive("latent", latent), size
        widths = [channels, *stage_widths(size, width)][::-1]
        self.spread = nn.Sequential(nn.Linear(latent, widths[0] * SMALLEST**2), nn.ReLU())
        layers = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        last = nn.ConvTranspose2d(widths[-2], channels, 4, 2, 1)
        self.conv = nn.Sequential(*layers[:-3], last)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return self.conv(self.spread(codes).unflatten(1, (-1, SMALLEST, SMALLEST)))


def stage_widths(size: int, width: int) -> list[int]:
    """Channels after each halving of a picture of ``size`` down to 4×4. Raises ValueError if that is impossible."""
    check_positive("width", width)
    stages = 0
    while isinstance(size, int) and SMALLEST << stages < size:
        stages += 1
    if size != SMALLEST << stages or stages == 0:
        raise ValueError(f"size is {size!r}; it takes 4 times a power of two: 8, 16, 32, 64 …")
    return [width << stage for stage in range(stages)]
