"""DCGAN: a convolutional generator and discriminator (Radford et al. 2016; 001 §2.2 and §7.3; 002 §4.1.1).

The rules that made convolutional GANs train: strides instead of pooling, batch norm in both (but not at the pixels),
ReLU in the generator and leaky ReLU in the discriminator, no fully connected layer but the first and the last.
"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ..checks import check_choice, check_positive
from .autoencoders import SMALLEST, stage_widths

NORMS = ("batch", "spectral", "none")


class Generator(nn.Module):
    """Noise (B, latent), standard normal, → pictures (B, C, H, W) in [0, 1].

    size: side of the pictures: 8, 16, 32, 64 … width: channels before the last layer, doubled at each halving of
    the side. norm: "batch" or "none". Raises ValueError for other sizes.
    """

    def __init__(self, size: int = 64, latent: int = 64, *, width: int = 32, channels: int = 3, norm: str = "batch"):
        super().__init__()
        check_choice("norm", norm, ("batch", "none"))
        self.latent, self.image_size = check_positive("latent", latent), size
        widths = stage_widths(size, width)[::-1]
        self.spread = nn.Linear(latent, widths[0] * SMALLEST**2)
        layers = _after(widths[0], norm, nn.ReLU())
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), *_after(outputs, norm, nn.ReLU())]
        self.conv = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1))
        self.apply(_dcgan_weights)

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        return self.conv(self.spread(noise).unflatten(1, (-1, SMALLEST, SMALLEST))).sigmoid()


class DiscriminatorBackbone(nn.Module):
    """All of a `Discriminator` but its last layer: pictures (B, C, H, W) in [0, 1] → (B, features)."""

    def __init__(self, size: int, width: int, channels: int, norm: str):
        super().__init__()
        widths = stage_widths(size, width)
        self.image_size, self.features = size, widths[-1] * SMALLEST**2
        layers, inputs = [], channels
        for number, outputs in enumerate(widths):
            conv = nn.Conv2d(inputs, outputs, 4, 2, 1)
            _dcgan_weights(conv)
            # No batch norm at the pixels: it would hide the colours of a batch from the discriminator.
            kept = "none" if number == 0 and norm == "batch" else norm
            layers += [spectral_norm(conv) if norm == "spectral" else conv]
            layers += _after(outputs, kept, nn.LeakyReLU(0.2))
            inputs = outputs
        self.conv = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images * 2 - 1).flatten(1)


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) in [0, 1] → logits (B,) that they are real.

    ``backbone`` gives what the last layer sees. norm: "batch" (DCGAN), "spectral" (every weight divided by its
    largest singular value, Miyato et al. 2018) or "none" (a gradient penalty does not go with batch norm).
    """

    def __init__(self, size: int = 64, *, width: int = 32, channels: int = 3, norm: str = "batch"):
        super().__init__()
        check_choice("norm", norm, NORMS)
        self.backbone = DiscriminatorBackbone(size, width, channels, norm)
        last = nn.Linear(self.backbone.features, 1)
        self.last = spectral_norm(last) if norm == "spectral" else last

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.backbone(images)).squeeze(1)


def _after(channels: int, norm: str, activation: nn.Module) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), activation] if norm == "batch" else [activation]


def _dcgan_weights(layer: nn.Module) -> None:
    """Normal with deviation 0.02, the start that DCGAN used."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, 0.02)
        nn.init.zeros_(layer.bias)
