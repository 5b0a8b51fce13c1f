"""Figures of chapter 06: optical flow in colours and arrows, families of video networks, what a unit sees of time."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..checks import check_positive
from ..transforms import flow_to_colour
from .images import as_pixels
from .style import GREY, OKABE_ITO, Figure, new_figure, styled

_KINDS = {  # what a box of a schematic is: colour, name
    "frame": ("#FFFFFF", "frame"),
    "flow": (OKABE_ITO["yellow"], "optical flow"),
    "2d": (OKABE_ITO["sky blue"], "2-D CNN"),
    "lstm": (OKABE_ITO["orange"], "LSTM"),
    "3d": (OKABE_ITO["vermillion"], "3-D convolutions"),
    "mix": (OKABE_ITO["green"], "fusion"),
}
# name → rows from the bottom: kind and the horizontal spans of its boxes, in sixths of the panel
_EACH = [(i, i + 0.8) for i in range(6)]
_FAMILIES = {
    "single frame": [("frame", _EACH), ("2d", _EACH), ("mix", [(0, 5.8)])],
    "late fusion": [("frame", [_EACH[0], _EACH[5]]), ("2d", [_EACH[0], _EACH[5]]), ("mix", [(0, 5.8)])],
    "early fusion": [("frame", _EACH), ("mix", [(0, 5.8)]), ("2d", [(1.5, 4.3)])],
    "slow fusion": [
        ("frame", _EACH), ("mix", [(0, 1.8), (2, 3.8), (4, 5.8)]), ("mix", [(0.5, 5.3)]), ("2d", [(1.5, 4.3)]),
    ],
    "LRCN": [("frame", _EACH), ("2d", _EACH), ("lstm", _EACH)],
    "two streams": [
        ("frame", [(0.8, 1.6), (3, 3.8), (4, 4.8), (5, 5.8)]), ("flow", [(3, 3.8), (4, 4.8), (5, 5.8)]),
        ("2d", [(0, 2.4), (3, 5.8)]), ("mix", [(0.5, 5.3)]),
    ],
    "fused two streams": [
        ("frame", [(0.8, 1.6), (3, 3.8), (4, 4.8), (5, 5.8)]), ("flow", [(3, 3.8), (4, 4.8), (5, 5.8)]),
        ("2d", [(0, 2.4), (3, 5.8)]), ("3d", [(0.5, 5.3)]),
    ],
    "C3D, R3D, I3D": [("frame", _EACH), ("3d", [(0, 5.8)]), ("3d", [(0.7, 5.1)]), ("3d", [(1.5, 4.3)])],
}  # fmt: skip


@styled
def video_families() -> Figure:
    """A schematic of the families of video networks, time from left to right (002 Fig. 3.1, 004 Fig. 2.4)."""
    from matplotlib.patches import FancyArrow, Patch, Rectangle

    names = ", ".join(_FAMILIES)
    figure = new_figure(f"Schematic of video networks, frames at the bottom, answer at the top: {names}", 8.6, 4.6)
    panels = figure.subplots(2, 4).flat
    for axes, (name, rows) in zip(panels, _FAMILIES.items(), strict=True):
        for level, (kind, spans) in enumerate(rows):
            for left, right in spans:
                dye = _KINDS[kind][0]
                axes.add_patch(Rectangle((left, level), right - left, 0.62, facecolor=dye, edgecolor="black", lw=0.8))
        axes.add_patch(FancyArrow(2.9, len(rows) - 0.3, 0, 0.25, width=0.02, head_width=0.25, color="black"))
        axes.text(2.9, len(rows) + 0.28, "class", ha="center", va="bottom", fontsize=10)
        axes.set(xlim=(-0.2, 6), ylim=(-0.2, 5), title=name)
        axes.axis("off")
    legend = [Patch(facecolor=dye, edgecolor="black", label=label) for dye, label in _KINDS.values()]
    figure.legend(handles=legend, loc="outside lower center", ncols=6, columnspacing=1.2, handlelength=1.2)
    return figure


@styled
def flow_panels(
    image, flows: Mapping[str, torch.Tensor], *, limit: float | None = None, title: str = "", alt: str | None = None
) -> Figure:
    """A picture, and flow fields as colours (direction: hue, speed: strength) and arrows; with the colour wheel.

    image: (C, H, W) in [0, 1]. flows: name → (2, H, W), pixels. limit: pixels at which a colour is full; by default the
    99th percentile of all lengths. Raises ValueError for shapes that do not fit.
    """
    pixels = as_pixels("image", image, 3)
    if not flows:
        raise ValueError("flows is empty; it takes at least one field")
    height, width = pixels.shape[:2]
    for name, flow in flows.items():
        if tuple(flow.shape) != (2, height, width):
            raise ValueError(f"flows[{name!r}] is {tuple(flow.shape)}; it takes (2, {height}, {width})")
    fields = torch.stack([flow.float() for flow in flows.values()])
    limit = limit or max(float(fields.norm(dim=1).flatten().quantile(0.99)), 0.05)
    alt = alt or f"{title or 'Optical flow'}: the picture, {', '.join(flows)}, and the wheel of colours"
    columns = len(flows) + 2
    figure = new_figure(alt, min(2.1 * columns, 8.8), 2.9)
    panels = figure.subplots(1, columns, width_ratios=[1] * (columns - 1) + [0.6])
    panels[0].imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=1)
    panels[0].set_title("picture")
    step = max(1, round(height / 10))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    for axes, name, field in zip(panels[1:], flows, fields, strict=False):
        axes.imshow(flow_to_colour(field[None], limit)[0].permute(1, 2, 0).numpy())
        u, v = field[:, y, x].numpy()
        axes.quiver(x, y, u, -v, angles="uv", scale=limit / (0.9 * step), scale_units="x", width=0.012, color="black")
        axes.set_title(name)
    wheel = torch.stack(torch.meshgrid(torch.linspace(-1, 1, 65), torch.linspace(-1, 1, 65), indexing="xy"))
    colours = flow_to_colour(wheel[None], 1.0)[0]
    colours[:, wheel.norm(dim=0) > 1] = 1
    panels[-1].imshow(colours.permute(1, 2, 0).numpy())
    panels[-1].set_title(f"rim: {limit:.2g} px", fontsize=10)
    for axes in panels:
        axes.axis("off")
    if title:
        figure.suptitle(title)
    return figure


@styled
def temporal_layers(
    layers: Sequence[tuple[str, int, int, int]], frames: int, unit: int = 0, *, title: str = "", alt: str | None = None
) -> Figure:
    """Layers over time, the frames at the bottom: which of them does one unit at the top see?

    layers: (name, kernel, stride, padding) of each, from the first, in frames. unit: counted from 0 among those at the
    top; a larger one is the last. Raises ValueError when no unit is left at some layer.
    """
    from matplotlib.patches import Rectangle

    counts = [check_positive("frames", frames)]
    for name, kernel, stride, padding in layers:
        counts.append((counts[-1] + 2 * padding - kernel) // stride + 1)
        if counts[-1] < 1 or counts[-2] + 2 * padding < kernel:
            raise ValueError(f"layers: {name!r} takes {kernel} frames; {counts[-2]} and {padding} of padding are left")
    unit = min(unit, counts[-1] - 1)
    seen = [(unit, unit)]
    for _, kernel, stride, padding in reversed(layers):
        low, high = seen[-1]
        seen.append((low * stride - padding, high * stride - padding + kernel - 1))
    seen.reverse()  # from the frames to the top; may reach into the padding
    first, last = max(seen[0][0], 0), min(seen[0][1], frames - 1)
    told = f"Unit {unit + 1} at the top sees frames {first + 1} to {last + 1} of {frames}; units per row: {counts}"
    figure = new_figure(alt or told, 8.2, 1.1 + 0.52 * len(counts))
    axes = figure.subplots()
    names = ["frames", *(name for name, *_ in layers)]
    for level, (count, (low, high)) in enumerate(zip(counts, seen, strict=True)):
        spread = frames / count  # units stand over the middle of the frames they come from
        for number in range(min(low, 0), max(high, count - 1) + 1):
            real, inside = 0 <= number < count, low <= number <= high
            axes.add_patch(
                Rectangle(
                    ((number + 0.5) * spread - 0.42, level), 0.84, 0.6, lw=0.8, ls="-" if real else ":",
                    facecolor=(OKABE_ITO["vermillion"] if real else "#F5CBB5") if inside else "white",
                    edgecolor="black" if real else GREY,
                )
            )  # fmt: skip
    axes.set_yticks([level + 0.3 for level in range(len(counts))], names)
    axes.tick_params(axis="y", length=0)
    edge = min(max(-seen[0][0], seen[0][1] - frames + 1, 0), 4) + 0.3  # more padding than that is cut off
    axes.set(xlim=(-edge, frames + edge), ylim=(-0.25, len(counts)), xlabel="time (frames); dotted: padding")
    axes.set_xticks([number + 0.5 for number in range(frames)], [str(number + 1) for number in range(frames)])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title(title or f"one unit at the top sees {last - first + 1} of {frames} frames")
    return figure
