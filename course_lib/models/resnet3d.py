"""R3D and R(2+1)D: residual networks on clips (Hara et al. 2018, Tran et al. 2018; 002 §3.1.4 and §code, 004 §2.2.2).

The modules have the names that torchvision gives them, so its weights can be loaded:
``R3D().load_state_dict(torchvision.models.video.r3d_18().state_dict(), strict=False)``.
"""

import torch
from torch import nn

from ..checks import check_positive


def mid_planes(inputs: int, outputs: int, depth: int = 3, size: int = 3) -> int:
    """Channels between the two halves of a (2+1)-D convolution that give it the parameters of the 3-D one.

    M = floor(t d² N N' / (d² N + t N')), for t = ``depth``, d = ``size``, N = ``inputs``, N' = ``outputs`` (Tran et
    al. 2018, §3.5): d² N M weights in space and t M N' in time are together at most t d² N N'.
    """
    for name, value in (("inputs", inputs), ("outputs", outputs), ("depth", depth), ("size", size)):
        check_positive(name, value)
    return depth * size**2 * inputs * outputs // (size**2 * inputs + depth * outputs)


class R3D(nn.Module):
    """A residual network with 3-D kernels: clips (B, T, 3, H, W) in [0, 1] → features (B, ``features``).

    The defaults are torchvision's ``r3d_18`` (33 371 472 parameters with 400 classes). The one of 002, after Hara et
    al., has ``stem_kernel=(7, 7, 7), stem_pool=True`` (33 203 904 without a classifier); a tiny one is
    ``R3D(8, (1, 1, 1, 1), stem_kernel=(3, 5, 5))``.

    width: channels of the stem and the first stage, doubled by every further one; ``features`` are those of the last.
    blocks: residual blocks of each stage; all stages but the first halve time and space. stem_pool: max pooling of
    3 x 3 x 3, stride 2, after the stem. kernel_depth: frames a kernel of the blocks sees, odd. Any size of clip.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        *,
        stem_kernel: tuple[int, int, int] = (3, 7, 7),
        stem_stride: tuple[int, int, int] = (1, 2, 2),
        stem_pool: bool = False,
        kernel_depth: int = 3,
        in_channels: int = 3,
    ):
        super().__init__()
        check_positive("width", width)
        if check_positive("kernel_depth", kernel_depth) % 2 == 0:
            raise ValueError(f"kernel_depth is {kernel_depth!r}; it takes odd numbers, so that a kernel has a middle")
        if not blocks:
            raise ValueError(f"blocks is {blocks!r}; it takes the number of blocks of at least one stage")
        self.stem = self._stem(in_channels, width, stem_kernel, stem_stride)
        self.pool = nn.MaxPool3d(3, 2, 1) if stem_pool else nn.Identity()
        channels, self.stages = width, len(blocks)
        for stage, count in enumerate(blocks):
            layers = []
            for number in range(check_positive("blocks", count)):
                outputs, stride = width * 2**stage, 2 if stage and not number else 1
                layers.append(_Block(channels, outputs, stride, self._conv, kernel_depth))
                channels = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.features = channels
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stem(self, inputs, width, kernel, stride):
        conv = nn.Conv3d(inputs, width, kernel, stride, tuple(k // 2 for k in kernel), bias=False)
        return nn.Sequential(conv, nn.BatchNorm3d(width), nn.ReLU())

    @staticmethod
    def _conv(inputs, outputs, middle, stride, depth):
        return nn.Conv3d(inputs, outputs, (depth, 3, 3), stride, (depth // 2, 1, 1), bias=False)

    def maps(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips → the volume of the last stage, (B, features, T', H', W')."""
        volume = self.pool(self.stem(clips.transpose(1, 2) * 2 - 1))
        for stage in range(self.stages):
            volume = getattr(self, f"layer{stage + 1}")(volume)
        return volume

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → the mean over time and space of the last maps, (B, features)."""
        return self.maps(clips).mean((2, 3, 4))


class R2Plus1D(R3D):
    """R(2+1)D: every 3-D convolution is one in space, batch norm and ReLU, and one in time. Arguments as for `R3D`.

    The defaults are torchvision's ``r2plus1d_18`` (31 505 325 parameters with 400 classes). The width between the two
    halves is `mid_planes`, computed once per block, from its first convolution, as in the reference implementation.
    """

    def _stem(self, inputs, width, kernel, stride):
        # 45 for 64 channels, from the authors' code; the formula would say 83 for a stem of 3 x 7 x 7.
        middle = max(1, 45 * width // 64)
        reach = [k // 2 for k in kernel]
        space = nn.Conv3d(inputs, middle, (1, *kernel[1:]), (1, *stride[1:]), (0, *reach[1:]), bias=False)
        time = nn.Conv3d(middle, width, (kernel[0], 1, 1), (stride[0], 1, 1), (reach[0], 0, 0), bias=False)
        return nn.Sequential(space, nn.BatchNorm3d(middle), nn.ReLU(), time, nn.BatchNorm3d(width), nn.ReLU())

    @staticmethod
    def _conv(inputs, outputs, middle, stride, depth):
        return nn.Sequential(
            nn.Conv3d(inputs, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, outputs, (depth, 1, 1), (stride, 1, 1), (depth // 2, 0, 0), bias=False),
        )


class _Block(nn.Module):
    """Two convolutions and a shortcut; where the shape changes, the shortcut is a 1 x 1 x 1 convolution (type B)."""

    def __init__(self, inputs, outputs, stride, conv, depth):
        super().__init__()
        middle = mid_planes(inputs, outputs, depth)
        self.conv1 = nn.Sequential(conv(inputs, outputs, middle, stride, depth), nn.BatchNorm3d(outputs), nn.ReLU())
        self.conv2 = nn.Sequential(conv(outputs, outputs, middle, 1, depth), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU()  # a module, so that guided back-propagation reaches it
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, maps):
        short = maps if self.downsample is None else self.downsample(maps)
        return self.relu(self.conv2(self.conv1(maps)) + short)
