"""Figures made of numbers: similarity, embeddings, training curves, bars with intervals, ranks, confusion,
distances.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import MaxNLocator

from .images import as_pixels, check_labels
from .style import GREY, OKABE_ITO, WIDTH, Figure, colour, colours, new_figure, styled

Values = float | Sequence[float]  # one number, or one for each seed
_HATCHES = (None, "//", "..", "\\\\", "xx", "++", "--")


def interval(values: Values, confidence: float = 0.95) -> tuple[float, float, float]:
    """``(mean, low, high)``: Student's t interval for the mean over seeds; of a single number, the number
    itself.
    """
    numbers = np.atleast_1d(np.asarray(values, dtype=float))
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise ValueError(f"values is {values!r}; it takes finite numbers, one for each seed")
    mean = float(numbers.mean())
    if len(numbers) == 1:
        return mean, mean, mean
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return mean, mean - half, mean + half


@styled
def similarity_matrix(matrix, *, fps: float | None = None, title: str = "", alt: str | None = None) -> Figure:
    """Similarity of all pairs of frames, red high and blue low (seed 000, figure 3.14).

    matrix: (N, N), or method → (N, N) for panels side by side. Each panel spans its own 2nd to 98th
    percentile, since similarities of different representations have no common scale. fps: ticks in seconds
    instead of frame numbers.
    """
    panels = dict(matrix) if isinstance(matrix, Mapping) else {"": matrix}
    squares = {name: np.asarray(values, dtype=float) for name, values in panels.items()}
    for name, square in squares.items():
        if square.ndim != 2 or square.shape[0] != square.shape[1] or not np.isfinite(square).all():
            raise ValueError(f"matrix {name!r} is {square.shape}; it takes finite numbers (N, N)")
    alt = alt or f"{title or 'Similarity of all pairs of frames'}: red high, blue low. " + ", ".join(
        filter(None, squares)
    )
    figure = new_figure(alt, WIDTH if len(squares) > 1 else 4.6, {1: 4.2, 2: 3.8}.get(len(squares), 3.2))
    unit, scale = ("time (s)", 1 / fps) if fps else ("frame", 1.0)
    for axes, (name, square) in zip(figure.subplots(1, len(squares), squeeze=False)[0], squares.items(), strict=True):
        low, high = np.percentile(square, (2, 98))
        end = len(square) * scale
        image = axes.imshow(square, cmap="RdBu_r", vmin=low, vmax=high, extent=(0, end, end, 0))
        axes.set_title(name)
        axes.set_xlabel(unit)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[low, (low + high) / 2, high])
        bar.ax.set_yticklabels([f"{tick:.2f}".replace("-0.00", "0.00") for tick in (low, (low + high) / 2, high)])
        bar.outline.set_visible(False)
    figure.axes[0].set_ylabel(unit)
    bar.set_label("similarity")
    if title:
        figure.suptitle(title)
    return figure


@styled
def embedding_ring(
    points,
    phase,
    *,
    images=None,
    thumbnails: int = 12,
    title: str = "",
    label: str = "phase (cycles)",
    alt: str | None = None,
) -> Figure:
    """A 2-D embedding coloured by a cyclic factor; examples stand round it, tied to their points (seed 000,
    fig. 4.13).

    points: (N, 2), e.g. from t-SNE. phase: (N,), in cycles: 0 and 1 are the same. images: (N, C, H, W) or
    None.
    """
    points, phase = np.asarray(points, dtype=float), np.asarray(phase, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(f"points is {points.shape}; it takes finite numbers (N, 2)")
    if phase.shape != (len(points),):
        raise ValueError(f"phase is {phase.shape}; it takes ({len(points)},), one for each point")
    phase = phase % 1
    alt = alt or f"{title or 'Embedding'}: {len(points)} points in the plane, coloured by {label}"
    figure = new_figure(alt, 6.8, 5.6)
    axes = figure.subplots()
    dots = axes.scatter(*points.T, c=phase, cmap="twilight", vmin=0, vmax=1, s=16, edgecolor="#555555", linewidth=0.3)
    axes.set_xticks([]), axes.set_yticks([])
    axes.set_xlabel("first axis of the embedding (no unit)")
    axes.set_ylabel("second axis (no unit)")
    bar = figure.colorbar(dots, ax=axes, shrink=0.75, label=label)
    bar.outline.set_visible(False)
    if images is not None:
        _thumbnails(axes, points, phase, images, thumbnails)
    axes.set_title(title)
    return figure


def _thumbnails(axes, points, phase, images, count):
    """Put one example for each of ``count`` phases on a circle round the points, in the order of their
    angles.
    """
    centre = (points.max(0) + points.min(0)) / 2
    radius = np.abs(points - centre).max() * 1.42
    away = np.abs((phase[None] - np.arange(count)[:, None] / count + 0.5) % 1 - 0.5)
    chosen = np.unique(away.argmin(1))
    angles = np.arctan2(*(points[chosen] - centre).T[::-1])
    chosen = chosen[np.argsort(angles)]
    # Evenly spread places, turned so that the lines to the points are short.
    places = np.arange(len(chosen)) * 2 * np.pi / len(chosen)
    places += np.angle(np.exp(1j * (np.sort(angles) - places)).mean())
    pixels = as_pixels("images", images[chosen.tolist()], 4)
    for row, place, picture in zip(chosen, places, pixels, strict=True):
        spot = centre + radius * np.array([np.cos(place), np.sin(place)])
        thumb = OffsetImage(picture, zoom=46 / max(picture.shape[:2]), interpolation="bilinear")
        line = {"arrowstyle": "-", "color": GREY, "lw": 0.8}
        frame = {"edgecolor": GREY, "linewidth": 0.8}
        axes.add_artist(AnnotationBbox(thumb, points[row], spot, arrowprops=line, pad=0.1, bboxprops=frame))
    axes.set_xlim(centre[0] - radius * 1.2, centre[0] + radius * 1.2)
    axes.set_ylim(centre[1] - radius * 1.2, centre[1] + radius * 1.2)


@styled
def curves(
    histories, *, chance: float | None = None, smooth: int = 1, title: str = "", alt: str | None = None
) -> Figure:
    """Training curves: loss, and accuracy against chance.

    histories: a History or DataFrame with columns "loss" and, if known, "step" and "accuracy" (a fraction),
    or name → such. smooth: width in rows of a running mean, drawn over the pale raw values.
    """
    named = dict(histories) if isinstance(histories, Mapping) else {"": histories}
    frames = {name: getattr(history, "frame", history) for name, history in named.items()}
    for name, frame in frames.items():
        if not isinstance(frame, pd.DataFrame) or "loss" not in frame or frame.empty:
            got = list(frame) if isinstance(frame, pd.DataFrame) else type(frame).__name__
            raise ValueError(
                f"histories {name!r} is {got}; it takes a DataFrame with a column 'loss' and at least one row"
            )
    panels = ["loss"] + ["accuracy"] * any("accuracy" in frame for frame in frames.values())
    figure = new_figure("", WIDTH if len(panels) > 1 else WIDTH / 2, 3.1)
    ends, dyes = [], colours(frames)
    for axes, column in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, (name, frame) in enumerate(frames.items()):
            if column not in frame:
                continue
            rows = frame.dropna(subset=[column])
            steps = rows.get("step", rows.index)
            dye = dyes[name] if name else OKABE_ITO["blue"]
            style = ("-", "--", "-.", ":")[number % 4]
            if smooth > 1:
                axes.plot(steps, rows[column], color=dye, alpha=0.25, lw=1)
            line = rows[column].rolling(smooth, min_periods=1).mean()
            axes.plot(steps, line, style, color=dye, label=name or None)
            ends.append(f"{name} {column} ends at {line.iloc[-1]:.3g}".strip())
        axes.set_xlabel("step (batches)")
        axes.set_ylabel({"loss": "loss (nats)", "accuracy": "accuracy (fraction)"}[column])
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if column == "accuracy":
            axes.set_ylim(min(0.0 if chance is None or chance < 0.3 else 0.3, float(line.min())), 1.02)
            if chance is not None:
                axes.axhline(chance, color=GREY, ls=":", label=f"chance {chance:.2g}")
    entries = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in figure.axes]
    handles = {text: handle for entry in entries for handle, text in entry}  # each name once, under the panels
    if handles:
        room, widths = 95 * figure.get_figwidth(), [60 + 7 * len(name) for name in handles]  # roughly, in pixels
        columns = len(handles) if sum(widths) < room else max(1, int(room / max(widths)))
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns)
        figure.set_figheight(3.1 + 0.2 * -(-len(handles) // columns))
    if title:
        figure.suptitle(title)
    figure.alt = alt or f"{title or 'Training curves'}: {'; '.join(ends)}" + (
        f"; chance {chance:.2g}" if chance else ""
    )
    return figure


@styled
def bars(
    values: Mapping[str, Values],
    *,
    label: str = "accuracy",
    floor: float | None = None,
    ceiling: float | None = None,
    floor_name: str = "random floor",
    ceiling_name: str = "supervised ceiling",
    plain: bool = False,
    dyes: Mapping[str, str] | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A bar for each method: the mean over seeds, its 95 % interval, and the seeds as dots.

    values: method → one number, or one for each seed. label: what is measured, with its unit. floor, ceiling:
    dashed reference lines. Of methods that share a colour all but the first are hatched. plain: one colour for all,
    where the bars are conditions of one method. dyes: colours of single bars, where a colour says something else.
    """
    if not values:
        raise ValueError("values is empty; it takes at least one method")
    summary = {method: interval(numbers) for method, numbers in values.items()}
    told = ", ".join(f"{method} {mean:.3g}" for method, (mean, _, _) in summary.items())
    figure = new_figure(alt or f"{title or label}: {told}", WIDTH, 1.1 + 0.42 * len(values))
    axes = figure.subplots()
    highest = [max(high, *np.atleast_1d(values[method])) for method, (_, _, high) in summary.items()]
    far = max(highest + [x for x in (ceiling, floor) if x is not None] + [0.0])
    near = min([low for _, low, _ in summary.values()] + [0.0])
    box = {
        "facecolor": "#FFFFFFD0",
        "edgecolor": "none",
        "pad": 0.6,
    }  # keeps numbers readable on reference lines
    drawn = []
    for row, (method, (mean, low, high)) in enumerate(summary.items()):
        dye = (dyes or {}).get(method, OKABE_ITO["blue"] if plain else colour(method))
        hatch = None if plain or dyes else _HATCHES[drawn.count(dye) % len(_HATCHES)]
        drawn.append(dye)
        axes.barh(row, mean, color=dye, height=0.62, alpha=0.85, hatch=hatch, edgecolor="white", lw=0)
        numbers = np.atleast_1d(np.asarray(values[method], dtype=float))
        if len(numbers) > 1:
            axes.errorbar(mean, row, xerr=[[mean - low], [high - mean]], color="black", capsize=4, lw=1.6)
            axes.scatter(
                numbers,
                np.full(len(numbers), row) + 0.2,
                s=14,
                color="white",
                edgecolor="black",
                lw=0.7,
                zorder=3,
            )
        axes.text(
            max(high, *numbers) + (far - near) * 0.012,
            row,
            f"{mean:.3g}",
            va="center",
            fontsize=10,
            bbox=box,
        )
    for place, name, style in ((floor, floor_name, ":"), (ceiling, ceiling_name, "--")):
        if place is not None:
            axes.axvline(place, color="black", ls=style, lw=1.3, label=f"{name} {place:.3g}", zorder=0.5)
    if floor is not None or ceiling is not None:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.set_xlim(near * 1.1, far + (far - near) * 0.09)
    several = any(np.size(numbers) > 1 for numbers in values.values())
    axes.set_xlabel(label + (" – bar: mean, line: 95 % interval, dots: seeds" if several else ""))
    axes.grid(axis="x")
    if title:
        figure.suptitle(title)
    return figure


@styled
def grouped_bars(
    table: pd.DataFrame,
    *,
    label: str = "accuracy",
    chance: float | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Groups of bars: a group for each row of ``table`` (e.g. a body part), a bar for each column (a method)."""
    if table.empty:
        raise ValueError("table is empty; it takes at least one row and one column")
    told = "; ".join(f"{method}: " + ", ".join(f"{k} {v:.3g}" for k, v in table[method].items()) for method in table)
    figure = new_figure(alt or f"{title or label} – {told}", WIDTH, 3.6)
    axes = figure.subplots()
    width, dyes = 0.84 / len(table.columns), colours(map(str, table))
    for number, method in enumerate(table):
        places = np.arange(len(table)) + (number - (len(table.columns) - 1) / 2) * width
        hatch = _HATCHES[number % len(_HATCHES)]
        axes.bar(
            places,
            table[method],
            width * 0.92,
            color=dyes[str(method)],
            label=str(method),
            hatch=hatch,
            edgecolor="white",
        )
    long = sum(len(str(name)) for name in table.index) > 70
    axes.set_xticks(range(len(table)), table.index, rotation=30 if long else 0, ha="right" if long else "center")
    axes.set_ylabel(label)
    axes.grid(axis="y")
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"chance {chance:.2g}")
    handles, names = axes.get_legend_handles_labels()
    if chance is not None:  # the line of chance comes last
        handles, names = handles[1:] + handles[:1], names[1:] + names[:1]
    columns = 6 if sum(map(len, names)) < 55 else 5
    figure.legend(handles, names, loc="outside upper center", ncols=min(columns, len(names)))
    if title:
        axes.set_title(title)
    return figure


@styled
def lines(
    table: pd.DataFrame,
    *,
    xlabel: str,
    ylabel: str,
    chance: float | None = None,
    chance_name: str = "chance",
    log: bool = False,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A line for each column (a method) of ``table`` over its index, e.g. top-k accuracy over k.

    chance: a dotted line, called ``chance_name``. log: the index on a logarithmic axis.
    """
    if table.empty:
        raise ValueError("table is empty; it takes at least one row and one column")
    told = ", ".join(f"{method} from {table[method].iloc[0]:.3g} to {table[method].iloc[-1]:.3g}" for method in table)
    figure = new_figure(alt or f"{title or ylabel} over {xlabel}: {told}", WIDTH, 3.4)
    axes = figure.subplots()
    dyes = colours(map(str, table))
    for number, method in enumerate(table):
        marker, style = "osD^vPX"[number % 7], ("-", "--", "-.", ":")[number % 4]
        axes.plot(
            table.index,
            table[method],
            style,
            marker=marker,
            mec="black",
            mew=0.6,
            color=dyes[str(method)],
            label=str(method),
        )
    if chance is not None:
        axes.axhline(chance, color=GREY, ls=":", label=f"{chance_name} {chance:.2g}")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, chance - 0.04 * (high - low)), high)  # not on the frame
    if log:
        axes.set_xscale("log")
    axes.set_xticks(table.index, [f"{x:g}" for x in table.index])
    axes.minorticks_off()
    axes.set_xlabel(xlabel), axes.set_ylabel(ylabel)
    axes.grid(axis="y")
    figure.legend(loc="outside right upper")
    if title:
        axes.set_title(title)
    return figure


@styled
def ranks(
    here: Mapping[str, float],
    seed: Mapping[str, float],
    *,
    label: str = "mean AUC",
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """The order of the methods in the source and here, a line for each method; levels on the two sides are
    not comparable.

    here, seed: method → number; methods in both are drawn. The title tells Kendall's τ of the two orders.
    """
    common = [method for method in seed if method in here]
    if len(common) < 2:
        raise ValueError(f"here has {list(here)} and seed {list(seed)}; it takes at least two methods in both")
    from scipy.stats import kendalltau, rankdata

    sides = [np.array([side[method] for method in common], dtype=float) for side in (seed, here)]
    places = [rankdata(-side, method="ordinal") for side in sides]
    tau = float(kendalltau(*sides).statistic)
    told = ", ".join(f"{m} {s:.3g} → {h:.3g}" for m, s, h in zip(common, *sides, strict=True))
    figure = new_figure(
        alt or f"{title or label}, source → here: {told}; Kendall's tau {tau:.2f}",
        WIDTH * 0.8,
        1.3 + 0.4 * len(common),
    )
    axes = figure.subplots()
    for number, method in enumerate(common):
        ends = [places[0][number], places[1][number]]
        axes.plot(
            [0, 1],
            ends,
            "o-",
            color=colour(method),
            lw=2.4,
            ms=8,
            markeredgecolor="black",
            markeredgewidth=0.5,
        )
        axes.text(-0.04, ends[0], f"{method}  {sides[0][number]:.3g}", ha="right", va="center")
        axes.text(1.04, ends[1], f"{sides[1][number]:.3g}  {method}", ha="left", va="center")
    axes.set_xlim(-0.75, 1.75), axes.set_ylim(len(common) + 0.5, 0.5)
    axes.set_xticks([0, 1], [f"source\n({label})", f"here\n({label})"])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    figure.suptitle(f"{title or 'Order of the methods, best on top'} – Kendall's τ = {tau:.2f}", fontsize=12)
    return figure


@styled
def confusion(matrix, names: Sequence[str], *, title: str = "", alt: str | None = None) -> Figure:
    """A confusion matrix. matrix: (K, K) counts, rows true, columns predicted; drawn as per cent of each row."""
    counts = np.asarray(matrix, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ValueError(f"matrix is {counts.shape}; it takes counts (K, K), none negative")
    names = check_labels("names", names, len(counts))
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    right = 100 * counts.trace() / max(counts.sum(), 1)
    side = float(np.clip(1.8 + 0.5 * len(counts), 3.4, 7))
    figure = new_figure(alt or f"{title or 'Confusion matrix'}: {right:.0f} % on the diagonal", side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.5:
            dye = "white" if value > 55 else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=dye, fontsize=9)
    turn = {"rotation": 40, "ha": "right"} if max(map(len, names)) > 3 else {}
    axes.set_xticks(range(len(names)), names, **turn)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted"), axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="% of the true class").outline.set_visible(False)
    axes.set_title(title or f"{right:.0f} % right")
    return figure


@styled
def hamming_histogram(sets: Mapping[str, object], *, title: str = "", alt: str | None = None) -> Figure:
    """How far apart the permutations of a set are: pairwise Hamming distances, one colour for each set (seed
    000, §3.4).

    sets: name → permutations (P, T), P >= 2.
    """
    distances = {}
    for name, orders in sets.items():
        orders = np.asarray(orders)
        if orders.ndim != 2 or len(orders) < 2:
            raise ValueError(f"sets[{name!r}] is {orders.shape}; it takes permutations (P, T) with P >= 2")
        first, second = np.triu_indices(len(orders), 1)
        distances[name] = (orders[first] != orders[second]).sum(1)
    if not distances:
        raise ValueError("sets is empty; it takes at least one set of permutations")
    longest = max(int(values.max()) for values in distances.values())
    told = "; ".join(f"{name} mean {values.mean():.2f}, least {values.min()}" for name, values in distances.items())
    figure = new_figure(alt or f"{title or 'Pairwise Hamming distances'}: {told}", WIDTH * 0.8, 3.1)
    axes = figure.subplots()
    width = 0.84 / len(distances)
    dyes = [OKABE_ITO[name] for name in ("blue", "orange", "green", "purple")]
    for number, (name, values) in enumerate(distances.items()):
        share = 100 * np.bincount(values, minlength=longest + 1) / len(values)
        places = np.arange(longest + 1) + (number - (len(distances) - 1) / 2) * width
        text = f"{name} (mean {values.mean():.2f}, least {values.min()})"
        axes.bar(
            places,
            share,
            width * 0.94,
            color=dyes[number % 4],
            label=text,
            hatch=(None, "//", "..")[number % 3],
            edgecolor="white",
        )
    axes.set_xticks(range(longest + 1))
    axes.set_xlabel("Hamming distance of a pair (positions that differ)")
    axes.set_ylabel("share of pairs (%)")
    axes.grid(axis="y")
    axes.legend(loc="upper left")
    axes.set_title(title)
    return figure
