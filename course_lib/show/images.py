"""Figures made of pictures: strips of frames, grids, contact sheets, skeletons, neighbours, filters,
permutations.

All pictures of a figure are laid into one canvas, so hundreds of frames cost one draw call.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.patches import Rectangle

from ..checks import check_choice, check_positive
from .style import GOOD, GREY, OKABE_ITO, WIDTH, Figure, new_figure, styled

_GAP = 2  # pixels between pictures
_LIMB_COLOURS = [OKABE_ITO[name] for name in ("sky blue", "orange", "green", "vermillion", "purple", "yellow", "blue")]


def as_pixels(argument: str, images, dimensions: int) -> np.ndarray:
    """``images`` (..., C, H, W), uint8 or float in [0, 1], 1 or 3 channels, as float32 (..., H, W, 3) in [0,
    1].

    Raises ValueError for another number of dimensions, of channels, for no picture, and for NaN.
    """
    pixels = torch.as_tensor(images).detach().cpu()
    if pixels.ndim != dimensions or pixels.shape[-3] not in (1, 3) or pixels.numel() == 0:
        kind = {3: "(C, H, W)", 4: "(B, C, H, W)", 5: "(B, T, C, H, W)"}[dimensions]
        raise ValueError(f"{argument} is {tuple(pixels.shape)}; it takes {kind} with C = 1 or 3, and at least one")
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if not torch.isfinite(pixels).all():
        raise ValueError(f"{argument} contains NaN or infinite pixels")
    if pixels.shape[-3] == 1:
        pixels = pixels.expand(*pixels.shape[:-3], 3, *pixels.shape[-2:])
    return pixels.clamp(0, 1).movedim(-3, -1).numpy()


def check_labels(argument: str, labels, count: int) -> list[str]:
    """``labels`` as ``count`` strings (empty ones when None). Raises ValueError when their number differs."""
    if labels is None:
        return [""] * count
    if isinstance(labels, str) or len(labels) != count:
        raise ValueError(f"{argument} is {labels!r}; it takes {count} labels, one for each")
    return [str(label) for label in labels]


class _Mosaic:
    """Pictures (R, K, H, W, 3) side by side on one axes; knows where each of them lies."""

    def __init__(self, axes, pixels: np.ndarray, head: int = _GAP):
        rows, columns, self.height, self.width = pixels.shape[:4]
        self.step = self.height + head, self.width + _GAP
        canvas = np.ones((rows * self.step[0], columns * self.step[1] - _GAP, 3), dtype=np.float32)
        self.axes, self.head = axes, head
        for row in range(rows):
            for column in range(columns):
                x, y = self.corner(row, column)
                canvas[y : y + self.height, x : x + self.width] = pixels[row, column]
        axes.imshow(canvas, extent=(-0.5, canvas.shape[1] - 0.5, canvas.shape[0] - 0.5, -0.5))
        axes.set_xticks([]), axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        return column * self.step[1], row * self.step[0] + self.head

    def label_rows(self, labels):
        centres = [self.corner(row, 0)[1] + self.height / 2 for row in range(len(labels))]
        self.axes.set_yticks(centres, labels)

    def label_columns(self, labels):
        centres = [self.corner(0, column)[0] + self.width / 2 for column in range(len(labels))]
        self.axes.set_xticks(centres, labels)
        self.axes.xaxis.tick_top()

    def border(self, row: int, column: int, colour: str, style: str = "-"):
        x, y = self.corner(row, column)
        box = Rectangle((x - 0.5, y - 0.5), self.width, self.height, fill=False, edgecolor=colour, linewidth=3)
        box.set_linestyle(style)
        self.axes.add_patch(box)

    def title(self, row: int, column: int, text: str, size: float):
        x, y = self.corner(row, column)
        self.axes.text(x + self.width / 2, y - 1.5, text, ha="center", va="bottom", fontsize=size)

    def skeleton(self, row: int, column: int, joints: np.ndarray, limbs, colours=_LIMB_COLOURS):
        x, y = self.corner(row, column)
        for number, (start, stop) in enumerate(limbs):
            ends = joints[[start, stop]]
            if np.isfinite(ends).all():  # key-points that nobody labelled are NaN
                dye = colours[number % len(colours)]
                self.axes.plot(x + ends[:, 0], y + ends[:, 1], color=dye, lw=1.5, solid_capstyle="round")
        seen = joints[np.isfinite(joints).all(axis=1)]
        self.axes.scatter(
            x + seen[:, 0], y + seen[:, 1], s=4, color="white", edgecolor="black", linewidth=0.4, zorder=3
        )


def picture_row(axes, pixels: np.ndarray, labels: Sequence[str]) -> None:
    """Draw pictures (K, H, W, 3) side by side on ``axes``, each with its label above."""
    mosaic = _Mosaic(axes, pixels[None])
    mosaic.label_columns(labels)
    axes.tick_params(axis="x", labelsize=10 if len(labels) <= 8 else 7)


def _height(rows: int, columns: int, pixels: np.ndarray, head: int = _GAP, label_inches: float = 0.6) -> float:
    """Inches that a mosaic ``WIDTH`` wide needs, at most 9; small ones are not blown up beyond 1.3 inches a
    picture.
    """
    height, width = pixels.shape[-3:-1]
    picture = min((WIDTH - 1.2) / columns, 1.3)
    return min(rows * picture * (height + head) / (width + _GAP) + label_inches, 9.0)


@styled
def strip(
    clips,
    *,
    rows: Sequence[str] | None = None,
    titles: Sequence | None = None,
    borders: Sequence[Sequence[str | None]] | None = None,
    xlabel: str = "position in the clip (frames)",
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Clips as rows of frames, time from left to right.

    clips: (T, C, H, W) or (B, T, C, H, W), uint8 or float in [0, 1]. rows: a label for each clip. titles: a
    label for each position in time (1 … T when not given). borders: a colour or None for each frame, (B, T).
    xlabel: what the columns are.
    """
    clips = torch.as_tensor(clips)
    pixels = as_pixels("clips", clips[None] if clips.ndim == 4 else clips, 5)
    count, length = pixels.shape[:2]
    titles = check_labels("titles", list(range(1, length + 1)) if titles is None else titles, length)
    rows = check_labels("rows", rows, count)
    alt = (
        alt or f"{title or 'Frames in time order'}: {count} clip(s) of {length} frames. {'; '.join(filter(None, rows))}"
    )
    labels = 0.15 + 0.2 * any(titles) + 0.25 * bool(xlabel) + 0.3 * bool(title)  # inches
    figure = new_figure(alt, WIDTH, _height(count, length, pixels, label_inches=labels))
    mosaic = _Mosaic(figure.subplots(), pixels)
    mosaic.axes.set_anchor("N")
    mosaic.label_rows(rows)
    mosaic.label_columns(titles if any(titles) else [])
    mosaic.axes.set_xlabel(xlabel)
    mosaic.axes.xaxis.set_label_position("bottom")
    for row, line in enumerate(borders or []):
        for column, dye in enumerate(line):
            if dye:
                mosaic.border(row, column, dye)
    if title:
        figure.suptitle(title)
    return figure


def _grid(images, titles, columns, title, alt) -> tuple[Figure, _Mosaic, int]:
    """Images in reading order: the figure, the mosaic, and the number of columns."""
    pixels = as_pixels("images", images, 4)
    columns = min(check_positive("columns", columns), len(pixels))
    rows = -(-len(pixels) // columns)
    labels = check_labels("titles", titles, len(pixels))
    padded = np.ones((rows * columns, *pixels.shape[1:]), dtype=np.float32)
    padded[: len(pixels)] = pixels
    padded = padded.reshape(rows, columns, *pixels.shape[1:])
    inches = min(WIDTH / columns, 1.3)  # of one picture
    head = _GAP if titles is None else round(0.22 * pixels.shape[2] / inches)  # room for one line of text
    figure = new_figure(alt, WIDTH, _height(rows, columns, pixels, head, 0.45 if title else 0.1))
    mosaic = _Mosaic(figure.subplots(), padded, head)
    size = float(np.clip(110 * inches / max(*map(len, labels), 1), 6, 10))
    for number, label in enumerate(labels):
        mosaic.title(*divmod(number, columns), label, size)
    if title:
        figure.suptitle(title)
    return figure, mosaic, columns


@styled
def grid(
    images,
    *,
    titles: Sequence | None = None,
    columns: int = 8,
    borders: Sequence[str | None] | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Images in reading order. images: (B, C, H, W), uint8 or float in [0, 1]; titles and border colours for
    each.
    """
    alt = alt or f"{title or 'Images'}: {len(images)} in reading order. {', '.join(map(str, titles or []))}"
    figure, mosaic, columns = _grid(images, titles, columns, title, alt)
    for number, dye in enumerate(borders or []):
        if dye:
            mosaic.border(*divmod(number, columns), dye)
    return figure


@styled
def skeletons(
    images, joints, limbs, *, columns: int = 8, titles=None, title: str = "", alt: str | None = None
) -> Figure:
    """Images with their key-points drawn on them.

    images: (B, C, H, W). joints: (B, J, 2), pixels, x then y, NaN where unknown. limbs: pairs of joint
    indices.
    """
    points = np.asarray(joints, dtype=float)
    if points.ndim != 3 or len(points) != len(images) or points.shape[2] != 2:
        raise ValueError(f"joints is {points.shape}; it takes ({len(images)}, J, 2), one set for each image")
    alt = alt or f"{title or 'Key-points on images'}: {len(points)} images with {points.shape[1]} joints each"
    figure, mosaic, columns = _grid(images, titles, columns, title, alt)
    for number in range(len(points)):
        mosaic.skeleton(*divmod(number, columns), points[number], limbs)
    return figure


@styled
def contact_sheet(
    videos,
    *,
    count: int = 4,
    frames: int = 6,
    factors: Sequence[str] = (),
    joints: bool = True,
    generator: torch.Generator | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A first look at a `VideoSet`: ``count`` videos as rows of evenly spaced ``frames``.

    Each row carries the values of its ``factors`` (keys of ``videos.video``; all scalar ones when empty) and,
    where known, the skeleton is drawn on every second frame. Videos are evenly spread, or drawn from
    ``generator``.
    """
    count = min(check_positive("count", count), len(videos))
    check_positive("frames", frames)
    factors = [check_choice("factors", key, videos.video) for key in factors] or [
        key for key, values in videos.video.items() if values.ndim == 1
    ]
    if generator is None:
        chosen = torch.linspace(0, len(videos) - 1, count).round().long()
    else:
        chosen = torch.randperm(len(videos), generator=generator)[:count].sort().values
    spread = torch.linspace(0, 1, frames)
    index = videos.starts[chosen][:, None] + ((videos.lengths[chosen] - 1)[:, None] * spread).round().long()
    pixels = as_pixels("videos", videos.frames[index], 5)
    rows = ["\n".join([f"video {v}", *(_factor(videos, key, v) for key in factors[:4])]) for v in chosen.tolist()]
    alt = alt or f"{title or videos.name}: {count} videos, {frames} frames each. {'; '.join(rows)}".replace("\n", ", ")
    figure = new_figure(alt, WIDTH, _height(count, frames, pixels, label_inches=0.5))
    mosaic = _Mosaic(figure.subplots(), pixels)
    mosaic.label_rows(rows)
    mosaic.axes.tick_params(axis="y", labelsize=8.5)
    if joints and videos.skeleton is not None and "joints" in videos.frame:
        points = videos.frame["joints"][index].numpy()
        for row in range(count):
            for column in range(1, frames, 2):
                mosaic.skeleton(row, column, points[row, column], videos.skeleton.limbs)
    drawn = "; every second frame with its key-points" if joints and videos.skeleton is not None else ""
    mosaic.axes.set_xlabel(f"{frames} frames from first to last, {videos.fps:g} frames/s{drawn}")
    figure.suptitle(title or f"{videos.name}: {len(videos)} videos, {len(videos.frames)} frames")
    return figure


def _factor(videos, key: str, video: int) -> str:
    value = videos.video[key][video].item()
    if key in videos.names:
        value = videos.names[key][int(value)]
    return f"{key} {value:.2g}" if isinstance(value, float) else f"{key} {value}"


@styled
def neighbours(
    query,
    found: Mapping[str, torch.Tensor],
    *,
    shown: int = 5,
    correct: Mapping[str, Sequence[bool]] | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A query, its nearest neighbours in each representation, and the average of all neighbours given.

    Seed 000, figures 3.15 and 3.17: a sharp average means that the neighbours agree. query: (C, H, W). found:
    method → images (K, C, H, W), nearest first; the first ``shown`` are drawn, all K are averaged. correct:
    method → (K,), draws a solid frame round the right ones and a dashed one round the wrong ones.
    """
    if not found:
        raise ValueError("found is empty; it takes the neighbours of at least one method")
    asked = as_pixels("query", query, 3)
    near = {method: as_pixels(f"found[{method!r}]", images, 4) for method, images in found.items()}
    check_positive("shown", shown)
    shown = min([shown, *map(len, near.values())])
    blank = np.ones_like(asked)
    table = np.stack(
        [[asked if row == 0 else blank, *images[:shown], images.mean(0)] for row, images in enumerate(near.values())]
    )
    counts = sorted({len(images) for images in near.values()})
    alt = alt or f"{title or 'Nearest neighbours'}: a query, its {shown} nearest images and the average of " + (
        f"{counts[-1]} neighbours, by {', '.join(near)}"
    )
    figure = new_figure(alt, WIDTH, _height(len(near), shown + 2, table, label_inches=0.95 if title else 0.6))
    mosaic = _Mosaic(figure.subplots(), table)
    mosaic.label_rows(list(near))
    mosaic.label_columns(["query", *range(1, shown + 1), f"mean of {'/'.join(map(str, counts))}"])
    mosaic.border(0, 0, GREY)
    for row, method in enumerate(near):
        for column, right in enumerate(list((correct or {}).get(method, []))[:shown]):
            mosaic.border(row, column + 1, GOOD if right else OKABE_ITO["vermillion"], "-" if right else "--")
    if correct:
        mosaic.axes.set_xlabel("solid blue frame: right; dashed red frame: wrong")
    if title:
        figure.suptitle(title)
    return figure


@styled
def filters(weights, *, columns: int = 8, title: str = "Filters of the first layer", alt: str | None = None) -> Figure:
    """The filters of a first convolution, each stretched to its own range. weights: (O, C, h, w), C = 1 or 3."""
    weights = torch.as_tensor(weights).detach().float().cpu()
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(f"weights is {tuple(weights.shape)}; it takes (O, C, h, w) with C = 1 or 3")
    low, high = weights.amin((1, 2, 3), keepdim=True), weights.amax((1, 2, 3), keepdim=True)
    scaled = (weights - low) / (high - low).clamp(min=1e-12)
    big = scaled.repeat_interleave(8, 2).repeat_interleave(8, 3)  # so that the gap is thin beside a filter
    alt = alt or f"{title}: {len(weights)} filters of {weights.shape[2]} by {weights.shape[3]} pixels"
    return _grid(big, None, columns, title, alt)[0]


@styled
def permutations(orders, *, names: Sequence[str] | None = None, title: str = "", alt: str | None = None) -> Figure:
    """Which frame is shown when: one panel for each permutation. orders: (T,) or (P, T), values 0 … T-1."""
    orders = np.atleast_2d(np.asarray(orders))
    count, length = orders.shape
    if orders.ndim != 2 or (np.sort(orders, axis=1) != np.arange(length)).any():
        raise ValueError(f"orders is {orders.tolist()}; it takes permutations of 0 … {length - 1}")
    names = check_labels("names", names, count)
    shown = "; ".join(f"{name} {'-'.join(str(i + 1) for i in line)}" for name, line in zip(names, orders, strict=True))
    width = min(WIDTH, 0.8 + 2.4 * count)
    figure = new_figure(alt or f"{title or 'Order of the frames'}: {shown}", width, 2.7)
    steps = np.arange(1, length + 1)
    for axes, line, name in zip(figure.subplots(1, count, squeeze=False, sharey=True)[0], orders, names, strict=True):
        draw_order(axes, line)
        axes.set_title(name)
    for axes in figure.axes[1:]:
        axes.set_ylabel("")
    figure.axes[0].set_yticks(steps if length <= 12 else steps[:: length // 6])
    if title:
        figure.suptitle(title)
    return figure


def draw_order(axes, order) -> None:
    """Draw one permutation on ``axes``: which frame (up) is shown at which position (right)."""
    steps = np.arange(1, len(order) + 1)
    axes.plot(steps, steps, "--", color=GREY, lw=1.2, label="real order")
    axes.plot(steps, np.asarray(order) + 1, "o-", color=OKABE_ITO["vermillion"], lw=1.5, ms=6)
    axes.set_xlabel("shown at position")
    axes.set_ylabel("original frame")
    ticks = steps if len(steps) <= 12 else steps[:: len(steps) // 6]
    axes.set_xticks(ticks), axes.set_yticks(ticks)
    axes.set_aspect("equal")
