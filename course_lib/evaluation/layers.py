"""1-E1: features of every layer, conv1 … conv5, for one probe each (001, Tables 4.2, 4.3, 4.5, 4.6)."""

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from ..checks import check_positive
from .extraction import extract


def extract_layers(backbone: nn.Module, images: torch.Tensor, *, cells: int | None = None, **options):
    """Features of ``images`` (N, C, H, W) after each convolution of ``backbone.conv``: {"conv1": (N, D1), …}, float32.

    One pass for all layers. A layer ends at a ReLU or at a block (a module made of others), before any pooling that
    follows. cells: maps are averaged down to at most so many cells a side (the source resizes to about 9200 numbers on
    ImageNet and Places, and leaves maps as they are on STL-10 and CelebA: None). options: of `extract`.
    Raises ValueError for a backbone whose ``conv`` is no `nn.Sequential` with such layers, and what `extract` raises.
    """
    stack = _Stack(backbone, cells)
    rows = extract(stack, images, **options)
    return {f"conv{number}": part for number, part in enumerate(rows.split(stack.widths, 1), 1)}


class _Stack(nn.Module):
    """All layers' maps, flattened and side by side; ``widths`` tells them apart after a call."""

    def __init__(self, backbone, cells):
        super().__init__()
        self.cells = cells if cells is None else check_positive("cells", cells)
        self.conv = getattr(backbone, "conv", None)
        self.widths: list[int] = []
        if not isinstance(self.conv, nn.Sequential) or not any(map(_ends_layer, self.conv)):
            name = type(backbone).__name__
            raise ValueError(f"backbone is {name}; it takes one with conv, an nn.Sequential of layers with ReLUs")

    def forward(self, images):
        maps, found = images * 2 - 1, []  # scaled as the backbones do
        for layer in self.conv:
            maps = layer(maps)
            if _ends_layer(layer):
                found.append(self._small(maps).flatten(1))
        self.widths = [part.shape[1] for part in found]
        return torch.cat(found, 1)

    def _small(self, maps):
        if self.cells is None or max(maps.shape[2:]) <= self.cells:
            return maps
        return adaptive_avg_pool2d(maps, tuple(min(side, self.cells) for side in maps.shape[2:]))


def _ends_layer(layer):
    return isinstance(layer, nn.ReLU) or next(layer.children(), None) is not None
