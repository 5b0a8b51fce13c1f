"""Real or damaged, and where? Two heads over the convolutions that are transferred (001 §3.3.3–3.3.4)."""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_positive
from ...models.alexnet import map_shape


def mask_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """−Σ_ij Ω log σ(a) + (1 − Ω) log(1 − σ(a)), mean over the corrupt images; logits and mask (B, 1, M, N).

    The seed prints it without the minus, which would make the prediction as wrong as it can be, and applies σ to what
    it says is in [0, 1]; here a is a logit.
    """
    return F.binary_cross_entropy_with_logits(logits, mask, reduction="sum") / len(mask)


class ArtifactDiscriminator(nn.Module):
    """C: images (B, 3, S, S) in [0, 1] → logits of "real" (B,), and of "kept" for each entry of the code (B, 1, M, M).

    backbone: an `AlexNet` or `SmallAlexNet`; its ``conv`` without the last pooling is used. map_size: M. fc6: units of
    the fully connected layer before the class (4096 in AlexNet, whose second one is left out).
    """

    def __init__(self, backbone: nn.Module, map_size: int, *, fc6: int = 128):
        super().__init__()
        self.backbone, self.map_size = backbone, check_positive("map_size", map_size)
        channels, height, width = map_shape(self.layers, 3, backbone.image_size)
        # After conv5 and outside of ``conv``: it goes with the heads when the convolutions are transferred.
        self.norm = nn.BatchNorm2d(channels)
        self.real = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * width, check_positive("fc6", fc6)), nn.ReLU(), nn.Linear(fc6, 1)
        )
        self.kept = nn.Conv2d(channels, 1, 3, padding=1)

    @property
    def layers(self) -> nn.Sequential:
        """conv1 … conv5, without pool5."""
        conv = self.backbone.conv
        return conv[:-1] if isinstance(conv[-1], nn.MaxPool2d) else conv

    def trained(self) -> list[nn.Parameter]:
        """What the two losses reach: all but the backbone's own fully connected layer."""
        return [p for part in (self.layers, self.norm, self.real, self.kept) for p in part.parameters()]

    def conv5(self, images: torch.Tensor) -> torch.Tensor:
        """Images → the maps that are transferred (B, C, h, w)."""
        return self.layers(images * 2 - 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.norm(self.conv5(images))
        # Where conv5 and the code differ in size (6 and 8 for AlexNet without padding and 128 pixels) it is resized.
        fits = maps.shape[2:] == (self.map_size, self.map_size)
        places = maps if fits else F.interpolate(maps, size=self.map_size, mode="bilinear")
        return self.real(maps).squeeze(1), self.kept(places)
