"""Autoencoders: through a bottleneck and back, x̂ = D(E(x)); and their denoising form (000 §2.1; 001 §2.1; 002 §4.1.1).

The idea: a code smaller than the picture forces the encoder to keep what many pictures have in common. A denoising
autoencoder (Vincent et al. 2008) is given a corrupted picture and asked for the clean one, min ‖D(E(x̃)) − x‖², which
works without a bottleneck too: what does not look like the data has to be taken away.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_images
from .precision import full_precision

LOSSES = ("mse", "bce")


class Autoencoder(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, C, H, W) in [0, 1].

    encoder: images → codes (B, D). decoder: codes → logits of the pixels. noise: deviation of the normal noise added
    to the input; mask: share of its pixels set to 0 (all channels of a pixel together); both 0: a plain autoencoder.
    loss: "mse", the squared error of a pixel, or "bce", its cross-entropy (000 §2.4), mean over all. Raises ValueError
    for another loss, a negative noise, or a mask outside [0, 1).
    """

    chance = None  # there is nothing to guess

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, noise=0.0, mask=0.0, loss: str = "mse"):
        super().__init__()
        check_choice("loss", loss, LOSSES)
        if not noise >= 0:
            raise ValueError(f"noise is {noise!r}; it takes a deviation >= 0")
        if not 0 <= mask < 1:
            raise ValueError(f"mask is {mask!r}; it takes a share in [0, 1)")
        self.backbone, self.decoder = encoder, decoder
        self.noise, self.mask, self.loss = noise, mask, loss

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The corrupted images, and the clean ones as targets, both (B, C, H, W)."""
        check_images("images", images)
        corrupt = images
        if self.noise:
            corrupt = corrupt + self.noise * torch.randn(images.shape, generator=generator).to(images)
        if self.mask:
            keep = torch.rand(images[:, :1].shape, generator=generator) >= self.mask
            corrupt = corrupt * keep.to(images)
        return corrupt, images

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) → images in [0, 1]."""
        return self.decoder(codes).sigmoid()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images → their reconstructions, in [0, 1]."""
        return self.decode(self.backbone(images))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The reconstruction error of the clean image from the corrupted one."""
        corrupt, clean = self.pretext(images, generator)
        logits = full_precision(self.decoder(self.backbone(corrupt)))
        if self.loss == "bce":
            return {"loss": F.binary_cross_entropy_with_logits(logits, clean)}
        return {"loss": F.mse_loss(logits.sigmoid(), clean)}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) → codes (B, D)."""
        return self.backbone(images)
