"""I3D: 2-D networks inflated to 3-D (Carreira and Zisserman 2017; 000 §2.5, 002 §3.1.6, 004 §2.2.1).

`inflate` does it to any network; `I3D` is the inflated Inception-v1 of the paper.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_positive

# After the stem, each module: 1x1 | 1x1 then 3x3 | 1x1 then 3x3 | pool then 1x1; "pool" lines halve time and space.
INCEPTION = {
    "mixed_3b": (64, (96, 128), (16, 32), 32),
    "mixed_3c": (128, (128, 192), (32, 96), 64),
    "pool_4": 3,
    "mixed_4b": (192, (96, 208), (16, 48), 64),
    "mixed_4c": (160, (112, 224), (24, 64), 64),
    "mixed_4d": (128, (128, 256), (24, 64), 64),
    "mixed_4e": (112, (144, 288), (32, 64), 64),
    "mixed_4f": (256, (160, 320), (32, 128), 128),
    "pool_5": 2,
    "mixed_5b": (256, (160, 320), (32, 128), 128),
    "mixed_5c": (384, (192, 384), (48, 128), 128),
}


def inflate(
    module: nn.Module,
    depth: int = 3,
    *,
    how: str = "repeat",
    time_padding: str = "replicate",
    time_stride: bool = False,
) -> nn.Module:
    """A copy of a 2-D network whose layers work on volumes (B, C, T, H, W); the given one is left as it is.

    Kernels larger than 1 x 1 get ``depth`` frames (odd), 1 x 1 kernels stay 1 x 1 x 1. how: "repeat" copies the 2-D
    kernel to every frame and divides by ``depth``; "centre" puts it in the middle between zeros. In both cases a
    *static* clip gives at every frame the maps of the 2-D network, if the frames beyond the ends look like those at
    the ends: time_padding "replicate". With "zeros", usual in practice, the first and last frames of a "repeat" net
    differ. time_stride: strides of convolutions and poolings act in time as well (the paper); otherwise time is kept.

    Convolutions, batch norm, poolings and channel dropout are replaced wherever they are nested; layers without a place
    (ReLU, Linear) are kept; *functions* called in a ``forward`` must suit volumes. Raises ValueError for bad arguments
    or a layer that has no inflation here.
    """
    check_choice("how", how, ("repeat", "centre"))
    check_choice("time_padding", time_padding, ("replicate", "zeros"))
    if check_positive("depth", depth) % 2 == 0:
        raise ValueError(f"depth is {depth!r}; it takes odd numbers, so that a kernel has a middle frame")
    if not isinstance(module, nn.Module):
        raise ValueError(f"module is {type(module).__name__}; it takes a torch.nn.Module")
    return _inflate(copy.deepcopy(module), depth, how, time_padding, time_stride)


def _inflate(module, depth, how, time_padding, time_stride):
    if isinstance(module, nn.Conv2d):
        return _inflate_conv(module, depth, how, time_padding, time_stride)
    if isinstance(module, nn.BatchNorm2d):
        module.__class__ = nn.BatchNorm3d  # the two differ only in the shape they accept
        return module
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return _inflate_pool(module, time_stride)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        kind = nn.AdaptiveAvgPool3d if isinstance(module, nn.AdaptiveAvgPool2d) else nn.AdaptiveMaxPool3d
        size = _pair(module.output_size)
        return kind((1 if size == (1, 1) else None, *size))  # a global pooling is global in time too
    if isinstance(module, nn.Dropout2d):
        return nn.Dropout3d(module.p)
    if type(module).__module__.startswith("torch.nn") and type(module).__name__.endswith("2d"):
        raise ValueError(f"module holds a {type(module).__name__}; inflate knows convolution, batch norm and pooling")
    for name, child in module.named_children():
        setattr(module, name, _inflate(child, depth, how, time_padding, time_stride))
    return module


class InflatedConv(nn.Conv3d):
    """A 3-D convolution that can repeat the first and last frame beyond the ends, padding space as the 2-D one did."""

    time_padding = "zeros"

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps (B, C, T, H, W)."""
        reach = self.padding[0]
        if self.time_padding == "zeros" or not reach:
            return super().forward(maps)
        maps = F.pad(maps, (0, 0, 0, 0, reach, reach), mode="replicate")
        return F.conv3d(maps, self.weight, self.bias, self.stride, (0, *self.padding[1:]), self.dilation, self.groups)


def _inflate_conv(conv, depth, how, time_padding, time_stride):
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ValueError(
            f"module has a convolution with padding {conv.padding!r}, {conv.padding_mode!r}; it takes zeros"
        )
    depth = 1 if conv.kernel_size == (1, 1) else depth
    stride = conv.stride[0] if time_stride else 1
    new = InflatedConv(
        conv.in_channels, conv.out_channels, (depth, *conv.kernel_size), (stride, *conv.stride),
        (depth // 2, *conv.padding), (1, *conv.dilation), conv.groups, conv.bias is not None,
        device=conv.weight.device, dtype=conv.weight.dtype,
    )  # fmt: skip
    new.time_padding = time_padding
    with torch.no_grad():
        if how == "repeat":
            new.weight.copy_(conv.weight[:, :, None].expand_as(new.weight) / depth)
        else:
            new.weight.zero_()
            new.weight[:, :, depth // 2] = conv.weight
        if conv.bias is not None:
            new.bias.copy_(conv.bias)
    return new.train(conv.training)


def _inflate_pool(pool, time_stride):
    kernel, stride, padding = _pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding)
    step = stride[0] if time_stride else 1
    shape = ((step, *kernel), (step, *stride), (0, *padding))
    if isinstance(pool, nn.MaxPool2d):
        return nn.MaxPool3d(*shape, dilation=(1, *_pair(pool.dilation)), ceil_mode=pool.ceil_mode)
    return nn.AvgPool3d(*shape, ceil_mode=pool.ceil_mode, count_include_pad=pool.count_include_pad)


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


class I3D(nn.Module):
    """Inception-v1 inflated: clips (B, T, 3, H, W) in [0, 1] → features (B, ``features``), 1024 at full width.

    It has 12 287 264 parameters, and 12 697 264 with a classifier of 400 classes. width: multiplies all channels, for
    small variants. The paper's clips are 64 frames of 224 pixels; any length and size will do.
    in_channels: 2 for the stream that sees optical flow.
    """

    def __init__(self, width: float = 1.0, *, in_channels: int = 3):
        super().__init__()
        check_positive("width", width, integer=False)

        def some(channels):
            return max(1, round(width * channels))

        layers = [
            _unit(in_channels, some(64), 7, 2), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            _unit(some(64), some(64), 1), _unit(some(64), some(192), 3), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        ]  # fmt: skip
        channels = some(192)
        for plan in INCEPTION.values():
            if isinstance(plan, int):
                layers.append(nn.MaxPool3d(plan, 2, padding=plan // 2 if plan == 3 else 0, ceil_mode=plan == 2))
                continue
            one, three, five, pooled = plan
            layers.append(_Inception(channels, some(one), [*map(some, three)], [*map(some, five)], some(pooled)))
            channels = layers[-1].outputs
        self.body, self.features = nn.Sequential(*layers), channels

    def maps(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips → the volume of the last module, (B, features, T / 8, H / 32, W / 32)."""
        return self.body(clips.transpose(1, 2) * 2 - 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → the mean over time and space of the last maps, (B, features)."""
        return self.maps(clips).mean((2, 3, 4))


class _Inception(nn.Module):
    """Four branches side by side. The paper's code has 3 x 3 x 3 where Inception-v1 has 5 x 5; so has this one."""

    def __init__(self, inputs, one, three, five, pooled):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _unit(inputs, one, 1),
                nn.Sequential(_unit(inputs, three[0], 1), _unit(three[0], three[1], 3)),
                nn.Sequential(_unit(inputs, five[0], 1), _unit(five[0], five[1], 3)),
                nn.Sequential(nn.MaxPool3d(3, 1, 1), _unit(inputs, pooled, 1)),
            ]
        )
        self.outputs = one + three[1] + five[1] + pooled

    def forward(self, maps):
        return torch.cat([branch(maps) for branch in self.branches], 1)


def _unit(inputs, outputs, kernel, stride=1):
    conv = nn.Conv3d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm3d(outputs), nn.ReLU())


class InflatedFrames(nn.Module):
    """A trained 2-D network that sees clips: its ``conv`` inflated, its ``fc6`` on every frame, the mean over time.

    backbone: with ``conv`` and ``fc6``, as `AlexNet` and `SmallAlexNet`; ``options`` as for `inflate`. A static clip
    gets the features of its picture (see there about padding).
    """

    def __init__(self, backbone: nn.Module, depth: int = 3, **options):
        super().__init__()
        self.conv, self.fc6 = inflate(backbone.conv, depth, **options), copy.deepcopy(backbone.fc6)
        self.features = backbone.features

    def frames(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → features of every frame in its context, (B, T, features)."""
        maps = self.conv(clips.transpose(1, 2) * 2 - 1).transpose(1, 2)
        return self.fc6(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → (B, features)."""
        return self.frames(clips).mean(1)
