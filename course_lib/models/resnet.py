"""Small residual networks for images of 32 to 96 pixels, and the plain networks they are compared with.

He et al. 2016, §4.2; 002 §3.1.4 and Fig. 3.5; 004 §2.1 and Fig. 2.1. A residual block computes F(x) + x instead of
F(x). Everything else is equal, so that the two can be compared layer by layer.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_positive


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a skip connection: relu(F(x) + shortcut(x)); relu(F(x)) without it.

    stride: of the first convolution. norm: "batch", or "none" (then the convolutions have a bias). shortcut, where
    the shape changes: "A" takes every ``stride``-th pixel and pads new channels with zeros (no weights); "B" is a 1×1
    convolution, the "Conv Block" of 002 Fig. 3.5. Where the shape stays, both are the identity.
    """

    def __init__(self, inputs, outputs, *, stride=1, residual=True, norm="batch", shortcut="A"):
        super().__init__()
        check_choice("shortcut", shortcut, ("A", "B"))
        self.residual, self.stride, self.extra = residual, stride, outputs - inputs
        self.relu = nn.ReLU()  # a module, so that guided back-propagation reaches it
        self.function = nn.Sequential(
            *convolution(inputs, outputs, 3, stride=stride, norm=norm),
            nn.ReLU(),
            *convolution(outputs, outputs, 3, norm=norm),
        )
        self.projection = None
        if residual and shortcut == "B" and (stride > 1 or outputs != inputs):
            self.projection = nn.Sequential(*convolution(inputs, outputs, 1, stride=stride, norm=norm))
        elif residual and outputs < inputs:
            raise ValueError(f"outputs is {outputs!r}; shortcut A takes at least the {inputs} channels of the input")

    @property
    def widest_path(self) -> nn.Module:
        """The branch that sees most; see `receptive_field.windows`."""
        return self.function

    def shortcut(self, maps: torch.Tensor) -> torch.Tensor:
        """What is added to F(x)."""
        if self.projection is not None:
            return self.projection(maps)
        maps = maps[:, :, :: self.stride, :: self.stride] if self.stride > 1 else maps
        return F.pad(maps, (0, 0, 0, 0, 0, self.extra)) if self.extra else maps

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (B, inputs, H, W) → (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉)."""
        changed = self.function(maps)
        return self.relu(changed + self.shortcut(maps)) if self.residual else self.relu(changed)


class SmallResNet(nn.Module):
    """The family of He et al. for small images: a 3×3 convolution, three stages of blocks, global average pooling.

    Images (B, in_channels, H, W) in [0, 1] → (B, features) with ``features`` = 4 ``width``. depth: layers with weights,
    6n + 2 with n blocks in each stage (20, 32, 44, 56 …; the last layer, the classifier, is not part of it). width:
    channels of the first stage; the others have two and four times as many at half and a quarter of the resolution.
    residual: False leaves out all skip connections ("plain"). norm: "batch" or "none". shortcut: see `ResidualBlock`.
    stem_stride: 2 quarters the work, for images of 48 pixels and more. ``conv`` holds everything before the pooling.
    """

    def __init__(self, depth=20, width=16, *, residual=True, norm="batch", shortcut="A", stem_stride=1, in_channels=3):
        super().__init__()
        check_positive("width", width)
        check_positive("stem_stride", stem_stride)
        if not isinstance(depth, int) or depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth is {depth!r}; it takes 6n + 2 with n >= 1, e.g. 8, 20, 32, 56")
        options = dict(residual=residual, norm=norm, shortcut=shortcut)
        layers = [*convolution(in_channels, width, 3, stride=stem_stride, norm=norm), nn.ReLU()]
        inputs = width
        for stage in range(3):
            outputs = width * 2**stage
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(inputs, outputs, stride=stride, **options))
                inputs = outputs
        self.conv = nn.Sequential(*layers)
        self.features = inputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) in [0, 1] → features (B, 4 width)."""
        return self.conv(images * 2 - 1).mean((2, 3))


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, norm: str = "batch") -> list[nn.Module]:
    """A convolution that keeps the size (up to its stride), with He initialisation, and its batch norm if asked."""
    check_choice("norm", norm, ("batch", "none"))
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=norm == "none")
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return [layer, nn.BatchNorm2d(outputs)] if norm == "batch" else [layer]
