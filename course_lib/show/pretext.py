"""Figures of pretext tasks: what a network is shown, in pieces, and what it is asked."""

from collections.abc import Sequence

import numpy as np
import torch

from .images import as_pixels
from .style import WIDTH, Figure, new_figure, styled

_APART, _GAP = 8, 2  # pixels between two pieces, and between two frames of a piece, of pictures 28 pixels high


@styled
def sample_rows(
    rows: Sequence[tuple[str, torch.Tensor, str]], *, title: str = "", height: float = 0.62, alt: str | None = None
) -> Figure:
    """One question in each row: a name, its pieces side by side with the frames of each close together, a remark.

    rows: (name, pieces (P, T, C, H, W) as uint8 or float in [0, 1], remark). height: inches of a row. Rows longer than
    the figure are shrunk. Raises ValueError for no row.
    """
    if not rows:
        raise ValueError("rows is empty; it takes at least one (name, pieces, remark)")
    told = "; ".join(f"{name}: {remark}".replace("\n", ", ") for name, _, remark in rows)
    figure = new_figure(alt or f"{title or 'Questions of pretext tasks'}. {told}", WIDTH + 1, len(rows) * height + 0.4)
    grid = figure.subplots(len(rows), 3, squeeze=False, gridspec_kw={"width_ratios": (1.5, 5.2, 2.1)})
    for (left, middle, right), (name, pieces, remark) in zip(grid, rows, strict=True):
        pixels = as_pixels("pieces", pieces, 5)
        middle.imshow(_line(pixels), aspect="equal")
        middle.set_anchor("W")
        left.text(1, 0.5, name, ha="right", va="center", fontsize=10, transform=left.transAxes)
        right.text(0, 0.5, remark, ha="left", va="center", fontsize=8.5, transform=right.transAxes)
        for axes in (left, middle, right):
            axes.set_axis_off()
    if title:
        figure.suptitle(title)
    return figure


def _line(pixels: np.ndarray) -> np.ndarray:
    """Pieces (P, T, H, W, 3) in one row on white."""
    unit = pixels.shape[2] / 28
    apart, gap = (np.ones((pixels.shape[2], max(1, round(unit * n)), 3)) for n in (_APART, _GAP))
    line = []
    for number, piece in enumerate(pixels):
        line += [apart] * (number > 0)
        for place, frame in enumerate(piece):
            line += [gap] * (place > 0) + [frame]
    return np.concatenate(line, 1)
