"""An autoencoder whose code entries see patches that hardly overlap (001 §3.3.1–3.3.4, Eq. 3.3, Fig. 3.4).

The idea: convolutions as wide as their stride leave the receptive fields apart, so to drop an entry of the code is to
drop a patch of the picture. It only makes data; what is transferred is the discriminator.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice, check_images, check_positive
from ..precision import full_precision


class LocalAutoencoder(nn.Module):
    """E and D₁ … Dₙ of 001 §3.3.4; a method for `training.fit` by itself; batches are images (B, 3, H, W) in [0, 1].

    stages: halvings of the side; an entry of the code stands for 2**stages pixels a side (4 in 001, so 16). width:
    channels of the first convolution (32), doubled by each halving. kernel: of the convolutions that halve: 2 (an
    entry sees 18 pixels with 4 stages, 1 of them on each side shared with its neighbour) or 3 (33 pixels; Table 3.1 d.
    The seed's text counts 15 shared pixels; 33 pixels in steps of 16 share 17). The seed leaves the activation of the
    last layer open: here a sigmoid, as pixels are in [0, 1]. Raises ValueError for arguments out of range.
    """

    chance = None  # there is nothing to guess

    def __init__(self, stages: int = 4, width: int = 32, *, kernel: int = 2):
        super().__init__()
        check_choice("kernel", kernel, (2, 3))
        widths = [check_positive("width", width) << stage for stage in range(check_positive("stages", stages) + 1)]
        self.stages = stages
        layers = [*_convolution(3, width, 3)]
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += _convolution(inputs, outputs, kernel, stride=2)
        self.backbone = nn.Sequential(*layers)
        # A resize-convolution does not leave the chequerboard of a transposed one, which would give fakes away.
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), *_convolution(inputs, outputs, 3))
            for inputs, outputs in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.decoder.append(nn.Conv2d(width, 3, 3, padding=1))
        self.channels = (*widths[::-1],)  # of the input of each decoder layer

    def map_size(self, size: int) -> int:
        """Side of the code of images of ``size`` pixels. Raises ValueError if halving does not come out even."""
        if check_positive("size", size) % 2**self.stages:
            raise ValueError(f"size is {size}; {self.stages} stages take a multiple of {2**self.stages} pixels")
        return size >> self.stages

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → code φ(x) (B, L, H / 2**stages, W / 2**stages). ValueError for other sizes, or NaN."""
        for side in check_images("images", images).shape[2:]:
            self.map_size(side)
        return self.backbone(images * 2 - 1)

    def decode(self, code: torch.Tensor, before=lambda number, maps: maps) -> torch.Tensor:
        """Code → images in [0, 1]. before: called on the input of each decoder layer, with its number from 0."""
        for number, layer in enumerate(self.decoder):
            code = layer(before(number, code))
        return full_precision(code).sigmoid()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images → their replicas D(E(x)), in [0, 1]."""
        return self.decode(self.encode(images))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Eq. 3.3: the squared error of an image, summed over its pixels; mean over the batch. "mse": of one pixel."""
        mse = F.mse_loss(self(images), images)
        return {"loss": mse * images[0].numel(), "mse": mse}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images → code, flattened (B, D)."""
        return self.encode(images).flatten(1)


def _convolution(inputs, outputs, kernel, *, stride=1):
    # An even kernel as wide as its stride needs no border: the patches lie side by side.
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel % 2 * (kernel // 2), bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]
