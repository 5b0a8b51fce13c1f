"""Figures about measuring: rankings under other settings, tables as colours, intervals side by side, saliency maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata

from .images import as_pixels, check_labels
from .style import GREY, OKABE_ITO, WIDTH, Figure, colour, new_figure, styled


@styled
def rank_chart(table: pd.DataFrame, *, xlabel: str = "", title: str = "", alt: str | None = None) -> Figure:
    """The rank of each column (a method) in each row (a setting of the protocol); best on top, crossings are changes.

    table: numbers, higher is better; equal numbers share the better rank's line by column order.
    """
    if table.shape[0] < 2 or table.shape[1] < 2 or not np.isfinite(table.to_numpy(dtype=float)).all():
        raise ValueError(f"table is {table.shape}; it takes finite numbers, two or more settings and methods")
    places = rankdata(-table.to_numpy(dtype=float), axis=1, method="ordinal")
    best = [table.columns[row.argmin()] for row in places]
    told = "; ".join(f"{setting}: {winner} first" for setting, winner in zip(table.index, best, strict=True))
    figure = new_figure(alt or f"{title or 'Rank of each method by setting'}. {told}", 9.0, 1.5 + 0.36 * table.shape[1])
    axes = figure.subplots()
    settings = np.arange(len(table))
    for number, method in enumerate(table):
        dye, marker = colour(str(method)), "osD^vPX"[number % 7]
        axes.plot(settings, places[:, number], "-", marker=marker, color=dye, ms=8, mec="black", mew=0.5)
        axes.text(settings[-1] + 0.25, places[-1, number], str(method), va="center")
    axes.set_xticks(settings, [str(name) for name in table.index], fontsize=9)
    axes.set_yticks(range(1, table.shape[1] + 1))
    axes.set_ylim(table.shape[1] + 0.5, 0.5)
    axes.set_xlim(-0.3, settings[-1] + 0.3 + 0.13 * len(settings) * max(len(str(m)) for m in table) / 8)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("rank (1 is best)")
    axes.grid(axis="y")
    axes.set_title(title)
    return figure


@styled
def heat_table(table: pd.DataFrame, *, label: str, low: float = 0.0, high: float = 1.0, title: str = "", alt=None):
    """A table of numbers (rows by columns) with a colour behind each, from ``low`` (white) to ``high`` (dark).

    Numbers have two decimals; one where ``high`` is above 10 (per cent).
    """
    values = table.to_numpy(dtype=float)
    if table.empty or not np.isfinite(values).all() or not low < high:
        raise ValueError(f"table is {table.shape}, low {low!r}, high {high!r}; it takes finite numbers and low < high")
    told = "; ".join(f"{n}: " + ", ".join(f"{k} {v:.2f}" for k, v in row.items()) for n, row in table.iterrows())
    figure = new_figure(alt or f"{title or label}. {told}", WIDTH, 1.3 + 0.38 * len(table))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        dark = (value - low) / (high - low) > 0.6
        text = f"{value:.1f}" if high > 10 else f"{value:.2f}".replace("-0.00", "0.00")
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(table.shape[1]), [str(name) for name in table])
    axes.set_yticks(range(table.shape[0]), [str(name) for name in table.index])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=label, fraction=0.05).outline.set_visible(False)
    axes.set_title(title)
    return figure


@styled
def named_points(
    points: Mapping[str, tuple[float, float]],
    *,
    shades: Mapping[str, float],
    label: str,
    xlabel: str,
    ylabel: str,
    high: float = 1.0,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Named points in the plane, e.g. two measures of each network; the darker, the higher a third measure.

    points: name → (x, y). shades: name → third measure, from 0 (white) to ``high``; label: what it is. A name stands on
    the side of its point that is away from the nearest other point. Raises ValueError for fewer than two points.
    """
    places = np.array(list(points.values()), dtype=float).reshape(len(points), -1)
    if len(places) < 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise ValueError(f"points has the shape {places.shape}; it takes two or more finite points (x, y)")
    told = "; ".join(f"{name}: {x:.2f}, {y:.2f}" for name, (x, y) in points.items())
    figure = new_figure(alt or f"{title or f'{ylabel} over {xlabel}'}. {told}", WIDTH, 4.8)
    axes = figure.subplots()
    dyes = [shades.get(name, 0.0) for name in points]
    dots = axes.scatter(*places.T, c=dyes, cmap="Blues", vmin=0, vmax=high, s=90, edgecolors="black", zorder=3)
    scaled = places / np.maximum(np.ptp(places, axis=0), 1e-12)
    apart = np.linalg.norm(scaled[:, None] - scaled, axis=2) + np.diag([np.inf] * len(places))
    for name, place, away in zip(points, places, scaled - scaled[apart.argmin(1)], strict=True):
        right, up = np.where(away > 0, 9, -9)
        side = "left" if right > 0 else "right"
        axes.annotate(name, place, (right, up), textcoords="offset points", ha=side, va="center", fontsize=10)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.margins(x=0.25, y=0.12)
    axes.grid()
    figure.colorbar(dots, ax=axes, label=label)
    return figure


@styled
def interval_rows(
    intervals: Mapping[str, Sequence[float]],
    *,
    label: str,
    truth: float | None = None,
    truth_name: str = "truth",
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """One interval in each row: name → (mean, low, high). ``truth``: a line; intervals that miss it are dashed red."""
    found = {name: tuple(float(number) for number in three) for name, three in intervals.items()}
    if not found or not all(len(three) == 3 and np.isfinite(three).all() for three in found.values()):
        raise ValueError(f"intervals is {dict(intervals)!r}; it takes name → (mean, low, high), finite, at least one")
    told = "; ".join(f"{name} {mean:.3g} ({low:.3g} to {high:.3g})" for name, (mean, low, high) in found.items())
    figure = new_figure(
        alt or f"{title or label}: {told}", WIDTH, 1.2 + (0.36 if len(found) < 16 else 0.16) * len(found)
    )
    axes = figure.subplots()
    for row, (mean, low, high) in enumerate(found.values()):
        miss = truth is not None and not low <= truth <= high
        dye, style = (OKABE_ITO["vermillion"], "--") if miss else (OKABE_ITO["blue"], "-")
        axes.plot([low, high], [row, row], style, color=dye, lw=2.4)
        axes.plot(mean, row, "o", color=dye, mec="black", mew=0.5, ms=6)
    if truth is not None:
        axes.axvline(truth, color="black", ls=":", lw=1.4, label=f"{truth_name} {truth:.3g}")
        figure.legend(loc="outside upper right")
    axes.set_yticks(range(len(found)), list(found), fontsize=10 if len(found) < 16 else 7)
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="x")
    axes.set_title(title, loc="left")
    return figure


@styled
def saliency_rows(
    images,
    maps: Mapping[str, torch.Tensor],
    *,
    masks=None,
    titles: Sequence[str] | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Images in the first row, below them one row of saliency maps for each method, with the object's outline.

    images: (B, C, H, W). maps: method → (B, H, W), numbers >= 0; each map is scaled to its own 99th percentile.
    masks: bool (B, H, W) or None, drawn as an outline. titles: one for each image.
    """
    pixels = as_pixels("images", images, 4)
    count, height, width = pixels.shape[:3]
    drawn = {name: np.asarray(torch.as_tensor(values).detach().cpu(), dtype=float) for name, values in maps.items()}
    for name, values in drawn.items():
        if values.shape != (count, height, width) or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"maps[{name!r}] is {values.shape}; it takes numbers >= 0 {(count, height, width)}")
    if not drawn:
        raise ValueError("maps is empty; it takes the maps of at least one method")
    titles = check_labels("titles", titles, count)
    outline = None if masks is None else np.asarray(torch.as_tensor(masks).cpu(), dtype=float)
    alt = alt or f"{title or 'Saliency maps'} of {count} images, bright where they say much: {', '.join(drawn)}"
    side = min(1.15, (WIDTH - 1.4) / count)
    figure = new_figure(alt, WIDTH, 0.5 + side * (1 + len(drawn)))
    grid = figure.subplots(1 + len(drawn), count, squeeze=False)
    for column in range(count):
        grid[0, column].imshow(pixels[column])
        grid[0, column].set_title(titles[column], fontsize=9)
        for row, values in enumerate(drawn.values(), 1):
            one = values[column]
            grid[row, column].imshow(one, cmap="magma", vmin=0, vmax=max(np.percentile(one, 99), 1e-12))
            if outline is not None and outline[column].any():
                grid[row, column].contour(outline[column], [0.5], colors="#56B4E9", linewidths=0.9)
    for row, name in enumerate(["image", *drawn]):
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    for axes in grid.flat:
        axes.set_xticks([]), axes.set_yticks([])
        axes.spines[:].set_color(GREY)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure
