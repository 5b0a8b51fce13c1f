"""Drawings of convolutions: a kernel on its way over an image, number by number, and maps of responses."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle

from ..checks import check_positive
from .images import as_pixels, check_labels
from .style import GREY, OKABE_ITO, WIDTH, Figure, new_figure, styled


@styled
def sliding_window(
    image, kernel, place: int, *, stride: int = 1, padding: int = 0, dilation: int = 1, alt: str | None = None
) -> Figure:
    """One step of a convolution: the window on the image, the kernel, their products, and the feature map so far.

    image: (H, W), kernel: (h, w), numbers. place: how many positions have been left behind, row by row; the window
    stands on the next one (002, Eq. 2.4 and Fig. 2.6). Raises ValueError if the map has no such position.
    """
    image, kernel = (torch.as_tensor(numbers).double() for numbers in (image, kernel))
    if image.ndim != 2 or kernel.ndim != 2:
        raise ValueError(f"image and kernel have shapes {tuple(image.shape)}, {tuple(kernel.shape)}; both take (H, W)")
    for name, value in (("stride", stride), ("dilation", dilation)):
        check_positive(name, value)
    padded = F.pad(image, [check_positive("padding", padding, zero=True)] * 4)
    spans = [dilation * (side - 1) + 1 for side in kernel.shape]
    if any(span > side for span, side in zip(spans, padded.shape, strict=True)):
        raise ValueError(f"kernel spans {tuple(spans)}; the image has {tuple(padded.shape)} with its padding")
    full = F.conv2d(padded[None, None], kernel[None, None], stride=stride, dilation=dilation)[0, 0]
    if not 0 <= place < full.numel():
        raise ValueError(f"place is {place!r}; the feature map has positions 0 … {full.numel() - 1}")
    row, column = divmod(place, full.shape[1])
    top, left = row * stride, column * stride
    window = padded[top : top + spans[0] : dilation, left : left + spans[1] : dilation]
    products = window * kernel + 0.0  # + 0 makes −0 a plain 0
    terms = " + ".join(f"{number:g}" for number in products.flatten().tolist()).replace("+ -", "− ")
    result = f"S({row}, {column}) = {full[row, column]:g}"
    shapes = [padded.shape, kernel.shape, kernel.shape, full.shape]
    figure = new_figure(
        alt or f"A window of {kernel.shape[0]} by {kernel.shape[1]} at row {top}, column {left}: {terms}: {result}",
        WIDTH + 0.6,
        1.0 + 0.42 * max(shape[0] for shape in shapes),
    )
    panels = figure.subplots(1, 4, width_ratios=[shape[1] + 0.6 for shape in shapes])
    done = torch.full_like(full, torch.nan)
    done.view(-1)[: place + 1] = full.flatten()[: place + 1]
    names = ("input I", "kernel K", "products", "feature map S")
    for axes, numbers, name in zip(panels, (padded, kernel, products, done), names, strict=True):
        _numbers(axes, numbers.numpy(), name, max(shape[0] for shape in shapes))
    _dim_padding(panels[0], padded.shape, padding)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            _frame(panels[0], top + i * dilation, left + j * dilation, OKABE_ITO["vermillion"])
    _frame(panels[3], row, column, OKABE_ITO["vermillion"])
    figure.supxlabel(f"sum of the products: {terms if kernel.numel() <= 9 else '…'}  →  {result}", fontsize=11)
    return figure


def _numbers(axes, values: np.ndarray, name: str, tall: int) -> None:
    """A grid of numbers; NaN stays empty. tall: rows of the tallest grid, so that all have cells of one size."""
    rows, columns = values.shape
    size = 11 if max(len(f"{value:g}") for value in values.flat) <= 4 else 9
    for (row, column), value in np.ndenumerate(values):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#BBBBBB", lw=0.8))
        if np.isfinite(value):
            axes.text(column, row, f"{value:g}".replace("-", "−"), ha="center", va="center", fontsize=size)
    axes.set_xlim(-0.55, columns - 0.45), axes.set_ylim(tall - 0.45, -0.55)
    axes.set_aspect("equal"), axes.set_xticks([]), axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{name}\n{rows} × {columns}", fontsize=11)


def _frame(axes, row: int, column: int, dye: str) -> None:
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=dye, alpha=0.25, edgecolor="none"))
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=dye, lw=1.8))


def _dim_padding(axes, shape, padding: int) -> None:
    for row in range(shape[0]):
        for column in range(shape[1]):
            inside = padding <= row < shape[0] - padding and padding <= column < shape[1] - padding
            if not inside:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=GREY, alpha=0.2, lw=0))


@styled
def response_maps(
    maps,
    *,
    image=None,
    titles: Sequence[str] | None = None,
    pictures: int = 0,
    peaks: bool = False,
    columns: int = 4,
    label: str = "response",
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """What filters answer: maps with signs, blue below and red above zero, each on its own scale.

    maps: (K, H, W), or K maps of any sizes. image: (C, H, W) in [0, 1], drawn first. pictures: so many of the
    maps, the first ones, are pictures themselves and drawn grey. peaks: mark the largest response of each map.
    titles: one for each map. label: of the colours.
    """
    maps = [np.asarray(torch.as_tensor(values).detach().cpu().float()) for values in maps]
    if not maps or any(values.ndim != 2 or not np.isfinite(values).all() for values in maps):
        raise ValueError(f"maps is {[values.shape for values in maps]}; it takes finite maps (H, W)")
    names = check_labels("titles", titles, len(maps))
    check_positive("pictures", pictures, zero=True)
    count = len(maps) + (image is not None)
    columns = min(check_positive("columns", columns), count)
    rows = -(-count // columns)
    ratio = maps[0].shape[0] / maps[0].shape[1]
    height = min(rows * (0.8 * WIDTH / columns * ratio + 0.4) + (0.4 if title else 0.1), 9)
    told = ", ".join(filter(None, names))
    figure = new_figure(alt or f"{title or 'Responses'}: {len(maps)} maps. {told}", WIDTH, height)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels:
        axes.set_xticks([]), axes.set_yticks([])
        axes.spines[:].set_visible(False)
    if image is not None:
        panels[0].imshow(as_pixels("image", image, 3))
        panels[0].set_title("image", fontsize=10)
        panels = panels[1:]
    for number, (axes, values, name) in enumerate(zip(panels, maps, names, strict=False)):
        axes.set_title(name, fontsize=10)
        if number < pictures:
            axes.imshow(values, cmap="gray")
            continue
        reach = max(float(np.abs(values).max()), 1e-12)
        signed = values.min() < 0
        drawn = axes.imshow(values, cmap="RdBu_r" if signed else "viridis", vmin=-reach if signed else 0, vmax=reach)
        if peaks:
            row, column = np.unravel_index(values.argmax(), values.shape)
            axes.plot(column, row, "o", ms=14, mfc="none", mec="black", mew=3.2, clip_on=False)
            axes.plot(column, row, "o", ms=14, mfc="none", mec=OKABE_ITO["yellow"], mew=1.6, clip_on=False)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, ticks=[-reach, 0, reach] if signed else [0, reach])
        bar.ax.set_yticklabels([f"{tick:.2g}".replace("-", "−") for tick in bar.get_ticks()], fontsize=8)
        bar.outline.set_visible(False)
        bar.set_label(label if number == len(maps) - 1 else "", fontsize=9)
    if title:
        figure.suptitle(title)
    return figure
