"""What detection and segmentation transfer: the map before the last pooling, and where its cells lie in the picture."""

import torch
from torch import nn
from torch.nn.functional import interpolate

from ..checks import check_images, check_positive

WINDOW = ("kernel_size", "stride", "padding", "dilation")  # an average pooling has no dilation


class ConvMap(nn.Module):
    """Images (B, C, H, W), uint8 or float in [0, 1] → the map of ``conv`` before its last pooling (B, D, h, w).

    conv: a chain (`nn.Sequential`) of convolutions, poolings and layers that work on every place by itself; it is part
    of this module, not copied. Fast R-CNN puts the pooling of regions in place of the last pooling, and a finer map
    suits segmentation too. enlarge: times the picture is enlarged first (Fast R-CNN works on enlarged pictures as well:
    a cell of a coarse map cannot tell small neighbours apart).

    The map is float32 under any autocast; ``channels`` is D. Cell i of the map looks at pixel ``offset + stride · i``
    of the picture as it was given; pixels are counted by their centres, the first is 0. Raises ValueError if conv is
    another kind of module, or has windows that are not square.
    """

    def __init__(self, conv: nn.Module, *, enlarge: int = 1):
        super().__init__()
        self.enlarge = check_positive("enlarge", enlarge)
        layers = list(conv) if isinstance(conv, nn.Sequential) else []
        nested = [type(layer).__name__ for layer in layers if next(layer.children(), None) is not None]
        if not any(isinstance(layer, nn.Conv2d) for layer in layers) or nested:
            got = f"with {nested[0]} in it" if nested else type(conv).__name__
            raise ValueError(f"backbone.conv is {got}; it takes an nn.Sequential of convolutions and poolings")
        if isinstance(layers[-1], nn.MaxPool2d):
            layers = layers[:-1]
        self.conv = nn.Sequential(*layers)
        self.channels = [layer for layer in layers if isinstance(layer, nn.Conv2d)][-1].out_channels
        stride, offset = 1, 0.0  # in enlarged pixels
        for layer in layers:
            if hasattr(layer, "kernel_size"):
                sides = [getattr(layer, name, 1) for name in WINDOW]
                sides = [side if isinstance(side, tuple) else (side, side) for side in sides]
                if any(side[0] != side[1] or isinstance(side[0], str) for side in sides):
                    raise ValueError(f"backbone.conv holds {layer}; it takes square windows with padding in pixels")
                kernel, step, padding, dilation = (side[0] for side in sides)
                offset += stride * (dilation * (kernel - 1) / 2 - padding)
                stride *= step
        self.stride = stride / enlarge
        self.offset = (offset + 0.5) / enlarge - 0.5

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = as_pixels(images)
        if self.enlarge > 1:
            images = interpolate(images, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        return self.conv(images * 2 - 1).float()  # scaled as the backbones do; losses and pooling need float32

    def cells(self, pixels: torch.Tensor) -> torch.Tensor:
        """Coordinates in the picture → coordinates in the map, where whole numbers are cells."""
        return (pixels - self.offset) / self.stride


def as_pixels(images: torch.Tensor) -> torch.Tensor:
    """Float images in [0, 1], from uint8 or from float."""
    return images.float().div(255) if images.dtype == torch.uint8 else images


def check_pictures(argument: str, images) -> torch.Tensor:
    """``images`` if it is uint8 (N, C, H, W), or float as `check_images` wants it; ValueError otherwise."""
    if isinstance(images, torch.Tensor) and images.dtype == torch.uint8 and images.ndim == 4 and images.numel():
        return images
    return check_images(argument, images)


def draw_mirrored(count: int, generator: torch.Generator, flip: bool) -> torch.Tensor:
    """Which of ``count`` images are mirrored in this batch: bool (count,), none if not ``flip``."""
    return (torch.rand(count, generator=generator) < 0.5) & flip


def mirror(maps: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Images (B, …, H, W) or masks (B, H, W), left and right swapped where ``mirrored`` (B,) says so."""
    where = mirrored.to(maps.device).view(-1, *[1] * (maps.ndim - 1))
    return torch.where(where, maps.flip(-1), maps)
