"""Figures of the chapters on generative models: clouds of points in the plane, and where arrows would move them."""

from collections.abc import Mapping

import numpy as np
import torch

from .images import strip
from .style import OKABE_ITO, WIDTH, Figure, new_figure, styled


@styled
def point_clouds(
    clouds: Mapping[str, object],
    *,
    reference=None,
    arrows: Mapping[str, object] | None = None,
    columns: int = 4,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A panel for each cloud of points in the plane, all to one scale, over the grey points of ``reference``.

    clouds: name → (N, 2). reference: (M, 2), e.g. the data that a generator should hit. arrows: name → (N, 2), where
    an arrow from each point ends, in units of the axes. Raises ValueError for other shapes or numbers not finite.
    """
    if not clouds:
        raise ValueError("clouds is empty; it takes at least one cloud of points")
    points = {name: _points(f"clouds {name!r}", cloud) for name, cloud in clouds.items()}
    ends = {name: _points(f"arrows {name!r}", end) for name, end in (arrows or {}).items()}
    for name, end in ends.items():
        if name not in points or end.shape != points[name].shape:
            raise ValueError(f"arrows {name!r} is {end.shape}; it takes one end for each point of a cloud of that name")
    behind = None if reference is None else _points("reference", reference)
    columns = min(columns, len(points))
    rows = -(-len(points) // columns)
    every = np.concatenate([*points.values()] if behind is None else [*points.values(), behind])
    low, high = np.quantile(every, 0.002, axis=0), np.quantile(every, 0.998, axis=0)
    margin = 0.08 * (high - low).max()
    told = alt or f"{title or 'Points in the plane'}: {', '.join(points)}"
    figure = new_figure(told, min(WIDTH, 2.6 * columns), 2.35 * rows * min(1, 3.2 / columns) + 0.3)
    for axes, name in zip(figure.subplots(rows, columns, squeeze=False).flat, points, strict=False):
        if behind is not None:
            axes.scatter(*behind.T, s=4, color="#BBBBBB", linewidths=0)
        dots = points[name]
        if name in ends:
            step = ends[name] - dots
            axes.quiver(*dots.T, *step.T, angles="xy", scale_units="xy", scale=1, color=OKABE_ITO["blue"], width=0.005)
        else:
            axes.scatter(*dots.T, s=4, color=OKABE_ITO["vermillion"], linewidths=0)
        axes.set_title(name, fontsize=10)
        axes.set_xlim(low[0] - margin, high[0] + margin), axes.set_ylim(low[1] - margin, high[1] + margin)
        axes.set_aspect("equal"), axes.set_xticks([]), axes.set_yticks([])
    for axes in figure.axes[len(points) :]:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def picture_rows(rows: Mapping[str, object], *, titles=None, title: str = "", alt: str | None = None) -> Figure:
    """Rows of as many pictures each, with a label for each row: samples, reconstructions, traversals.

    rows: name → (K, C, H, W), float in [0, 1]. titles: a label for each of the K columns; none when not given.
    """
    if not rows:
        raise ValueError("rows is empty; it takes at least one row of pictures")
    sizes = {name: tuple(images.shape) for name, images in rows.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"rows has shapes {sizes}; it takes the same (K, C, H, W) for every row")
    images = torch.stack([images.detach().cpu().float() for images in rows.values()])
    titles = titles or [""] * images.shape[1]
    return strip(images, rows=list(rows), titles=titles, xlabel="", title=title, alt=alt)


def _points(argument: str, values) -> np.ndarray:
    points = np.asarray(torch.as_tensor(values).detach().cpu(), dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"{argument} is {points.shape}; it takes finite points (N, 2), N > 0")
    return points
