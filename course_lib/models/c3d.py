"""C3D: eight 3 x 3 x 3 convolutions, five poolings, two dense layers (Tran et al. 2015; 000 §2.5, 002 §3.1.3)."""

import torch
from torch import nn

from ..checks import check_choice, check_positive


class TemporalBranches(nn.Module):
    """Convolutions of several temporal depths side by side: the layer of T3D (Diba et al. 2017; 004 §2.2.1).

    Maps (B, C, T, H, W) → (B, ``outputs``, T, H, W). The channels are shared out over ``depths``, all odd.
    """

    def __init__(self, inputs: int, outputs: int, depths: tuple[int, ...] = (1, 3, 5), *, bias: bool = True):
        super().__init__()
        shares = [outputs // len(depths) + (i < outputs % len(depths)) for i in range(len(depths))]
        self.branches = nn.ModuleList(
            conv3d(inputs, share, depth, bias=bias) for share, depth in zip(shares, depths, strict=True)
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """All branches, one after the other along the channels."""
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


class C3D(nn.Module):
    """C3D up to fc7: clips (B, T, 3, H, W) in [0, 1] → features (B, ``features``).

    With the defaults and a classifier of 101 classes it has 78 409 573 parameters (the paper's 78.4 M). A small one is
    ``C3D(64, width=8, blocks=(1, 1, 1, 1), dense=1, clip_length=8, image_size=32, norm="batch")``.

    width: channels of conv1; the stages have 1, 2, 4, 8, 8 times as many. blocks: convolutions of each stage; a stage
    ends in max pooling: 1 x 2 x 2 after the first, so that time is not lost early, 2 x 2 x 2 after the others (in time
    only while more than one frame is left). kernel_depth: frames a kernel sees, odd; 1 is a 2-D network on every frame,
    a tuple puts several depths side by side (T3D). dense: fully connected layers, with ``dropout``. norm: "none"
    (original) or "batch".
    """

    def __init__(
        self,
        features: int = 4096,
        *,
        width: int = 64,
        blocks: tuple[int, ...] = (1, 1, 2, 2, 2),
        dense: int = 2,
        clip_length: int = 16,
        image_size: int = 112,
        norm: str = "none",
        dropout: float = 0.5,
        kernel_depth: int | tuple[int, ...] = 3,
        in_channels: int = 3,
    ):
        super().__init__()
        check_choice("norm", norm, ("none", "batch"))
        sizes = {"features": features, "width": width, "dense": dense}
        for name, value in {**sizes, "clip_length": clip_length, "image_size": image_size}.items():
            check_positive(name, value)
        self.features, self.clip_length, self.image_size = features, clip_length, image_size
        layers, channels, frames, side = [], in_channels, clip_length, image_size
        for stage, count in enumerate(blocks):
            outputs = width * min(2**stage, 8)
            for _ in range(check_positive("blocks", count)):
                layers.append(conv3d(channels, outputs, kernel_depth, bias=norm == "none"))
                layers += [nn.BatchNorm3d(outputs)] * (norm == "batch") + [nn.ReLU()]
                channels = outputs
            step = 2 if stage and frames > 1 else 1
            # The last pooling of the original is padded: a map of 7 x 7 becomes 4 x 4, and fc6 reads 8192 numbers.
            edge = side % 2
            layers.append(nn.MaxPool3d((step, 2, 2), padding=(0, edge, edge)))
            frames, side = frames // step, (side + 2 * edge) // 2
        self.conv = nn.Sequential(*layers)
        self.map_shape = (channels, frames, side, side)
        inputs, fully = channels * frames * side * side, []
        for _ in range(dense):
            fully += [nn.Linear(inputs, features, bias=norm == "none")]
            fully += [nn.BatchNorm1d(features)] * (norm == "batch") + [nn.ReLU(), nn.Dropout(dropout)]
            inputs = features
        self.dense = nn.Sequential(nn.Flatten(), *fully)

    def maps(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips → the volume that the last pooling gives, (B, C, T', H', W')."""
        return self.conv(clips.transpose(1, 2) * 2 - 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, clip_length, 3, image_size, image_size) → (B, features), fc7 (fc6 with ``dense=1``)."""
        return self.dense(self.maps(clips))


def conv3d(inputs: int, outputs: int, depth: int | tuple[int, ...] = 3, *, bias: bool = True) -> nn.Module:
    """A convolution of ``depth`` x 3 x 3 that keeps the size; several depths give `TemporalBranches`."""
    if isinstance(depth, tuple):
        return TemporalBranches(inputs, outputs, depth, bias=bias)
    if check_positive("kernel_depth", depth) % 2 == 0:
        raise ValueError(f"kernel_depth is {depth!r}; it takes odd numbers, so that a kernel has a middle frame")
    return nn.Conv3d(inputs, outputs, (depth, 3, 3), padding=(depth // 2, 1, 1), bias=bias)
