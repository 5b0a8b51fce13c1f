"""How large maps become and what a unit sees: output size, stride and receptive field of a chain of windows.

A *window* is what a convolution or a pooling slides over its input: kernel, stride, padding, dilation. Output size:
002 §2.3.1 (there for padding 0 and dilation 1). Receptive fields: 000 §2.1.3 ("increases the receptive field").
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from ..checks import check_positive


@dataclass(frozen=True)
class Window:
    """One sliding window, square: ``kernel``, ``stride``, ``padding`` and ``dilation`` in pixels of its own input."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self):
        for name in ("kernel", "stride", "dilation"):
            check_positive(name, getattr(self, name))
        check_positive("padding", self.padding, zero=True)

    @property
    def span(self) -> int:
        """Pixels from the first to the last that the window touches: dilation leaves gaps between its weights."""
        return self.dilation * (self.kernel - 1) + 1

    def output_size(self, size: int) -> int:
        """Positions that the window can take on ``size`` pixels. Raises ValueError if it takes none."""
        places = (size + 2 * self.padding - self.span) // self.stride + 1
        if size < 1 or places < 1:
            raise ValueError(f"size is {size!r}; with padding {self.padding} a window of {self.span} pixels needs more")
        return places


@dataclass(frozen=True)
class ReceptiveField:
    """What units of a map see of the image: ``size`` pixels, ``stride`` pixels from unit to unit, and the ``start``
    of the first unit's field (negative where it reaches into the padding)."""

    size: int
    stride: int
    start: int

    def pixels(self, unit: int) -> tuple[int, int]:
        """First and last pixel that ``unit`` (counted from 0 along an axis) can depend on; may lie outside."""
        first = self.start + unit * self.stride
        return first, first + self.size - 1


_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
# They work on every place by itself (batch norm: once its statistics are fixed).
_POINTWISE = (*_ACTIVATIONS, nn.BatchNorm2d, nn.LocalResponseNorm, nn.Dropout, nn.Dropout2d, nn.Identity)


def windows(layers: nn.Module | Iterable[Window]) -> list[Window]:
    """The windows of a chain of layers, in order.

    layers: windows, which are returned as a list, or a module: a convolution, a pooling, a layer without a window
    (activation, normalisation, dropout), an `nn.Sequential` of such, or one whose attribute ``widest_path`` is the
    branch that sees most (residual blocks). Raises ValueError for other modules and for windows that are not square.
    """
    if not isinstance(layers, nn.Module):
        return list(layers)
    if isinstance(layers, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        names = ("kernel_size", "stride", "padding", "dilation")
        pairs = [getattr(layers, name, 1) for name in names]
        sides = [pair if isinstance(pair, tuple) else (pair, pair) for pair in pairs]
        if any(side[0] != side[-1] or isinstance(side[0], str) for side in sides):
            raise ValueError(f"layers holds {layers}; it takes square windows with padding in pixels")
        return [Window(*(side[0] for side in sides))]
    if hasattr(layers, "widest_path"):
        return windows(layers.widest_path)
    if isinstance(layers, nn.Sequential):
        return [window for layer in layers for window in windows(layer)]
    if isinstance(layers, _POINTWISE):
        return []
    raise ValueError(f"layers holds {type(layers).__name__}, whose windows are not known; give a list of Window")


def receptive_field(layers: nn.Module | Iterable[Window]) -> ReceptiveField:
    """The receptive field of a unit after ``layers`` (as for `windows`); one pixel for no layers.

    With r₀ = j₀ = 1 and s₀ = 0, layer l with span k, stride s and padding p gives r = r + (k − 1)·j,
    start = start − p·j and j = j·s.
    """
    size, stride, start = 1, 1, 0
    for window in windows(layers):
        size += (window.span - 1) * stride
        start -= window.padding * stride
        stride *= window.stride
    return ReceptiveField(size, stride, start)


def output_size(layers: nn.Module | Iterable[Window], size: int) -> int:
    """Side of the map that ``layers`` (as for `windows`) make of an image of ``size`` pixels."""
    for window in windows(layers):
        size = window.output_size(size)
    return size


def influence(module: nn.Module, images: torch.Tensor, unit: tuple[int, int] | None = None) -> torch.Tensor:
    """How much each pixel moves one unit: the absolute gradient, summed over images and channels, (H, W).

    module: images (B, C, H, W) → maps (B, D, h, w). unit: row and column of the map; its middle by default. Where the
    result is zero the unit does not look: outside its receptive field, and where ReLU or max-pooling lets nothing pass.
    """
    images = images.detach().clone().requires_grad_()
    maps = module(images)
    if maps.ndim != 4:
        raise ValueError(f"module gives {tuple(maps.shape)}; it takes one that gives maps (B, D, h, w)")
    row, column = unit or (maps.shape[2] // 2, maps.shape[3] // 2)
    (gradient,) = torch.autograd.grad(maps[:, :, row, column].sum(), images)
    return gradient.abs().sum((0, 1))
