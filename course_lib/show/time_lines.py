"""Figures about transformed time: film strips with their frame numbers, index against time, clips that play.

Seed 001: Fig. 5.1 (the transformations as film strips), Fig. 5.4 (what a network looks at in a video).
"""

import base64
import html
import io
from collections.abc import Mapping
from functools import cached_property

import matplotlib
import numpy as np
import torch
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from ..checks import check_positive
from .images import as_pixels, strip
from .style import GREY, OKABE_ITO, WIDTH, Figure, mimebundle, new_figure, styled

_MARKS = (("blue", "o"), ("vermillion", "s"), ("green", "^"), ("purple", "D"), ("orange", "v"), ("black", "P"))
_SMALL = 60  # dots per inch of a strip that only few will see


@styled
def time_lines(
    frames, indices: Mapping[str, torch.Tensor], *, per_row: int = 8, title: str = "", alt: str | None = None
) -> Figure:
    """For each transformation its film strip, every frame with its number, beside a plot of frame number against time.

    frames: a video (T, C, H, W). indices: name → the frames it shows, integers (L,) in 0 … T − 1, e.g. a row of
    `transforms.periodic_index`. per_row: pictures in a line of the strip. Raises ValueError for an index outside.
    """
    pixels = as_pixels("frames", frames, 4)
    shown = {name: _index(name, values, len(pixels)) for name, values in indices.items()}
    if not shown or len(shown) > len(_MARKS):
        raise ValueError(f"indices has {len(shown)} transformations; it takes 1 … {len(_MARKS)}")
    check_positive("per_row", per_row)
    lines = [-(-len(index) // per_row) for index in shown.values()]
    height, width = pixels.shape[1:3]
    picture = 0.68 * WIDTH / per_row  # inches from one picture to the next
    heights = [max(1.35, count * picture * (height / width + 0.26) + 0.3) for count in lines]
    told = "; ".join(f"{name}: {', '.join(map(str, index))}" for name, index in shown.items())
    alt = alt or f"{title or 'Frames shown, in order of time'}. {told}"
    figure = new_figure(alt, WIDTH, sum(heights) + (0.35 if title else 0.05))
    grid = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[2.5, 1], height_ratios=heights)
    top = max(index.max() for index in shown.values())
    for row, ((name, index), (dye, marker)) in enumerate(zip(shown.items(), _MARKS, strict=False)):
        _numbered(grid[row, 0], pixels, index, per_row)
        grid[row, 0].set_title(name, loc="left")
        axes = grid[row, 1]
        axes.plot(range(1, len(index) + 1), index, "-", color=OKABE_ITO[dye], marker=marker, ms=4, lw=1.2)
        axes.set_ylim(-0.05 * top - 0.5, 1.05 * top + 0.5)
        axes.set_xticks([1, (len(index) + 1) // 2, len(index)])
        axes.set_ylabel("frame of the video", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(axis="y")
    grid[-1, 1].set_xlabel("place in the clip", fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


def _index(name, values, count) -> np.ndarray:
    index = torch.as_tensor(values).cpu()
    if index.ndim != 1 or index.numel() == 0 or index.is_floating_point() or index.dtype == torch.bool:
        raise ValueError(f"indices[{name!r}] is {tuple(index.shape)} {index.dtype}; it takes integers (L,)")
    if int(index.min()) < 0 or int(index.max()) >= count:
        reach = f"{int(index.min())} … {int(index.max())}"
        raise ValueError(f"indices[{name!r}] reaches {reach}; the video has frames 0 … {count - 1}")
    return index.numpy()


def _numbered(axes, pixels, index, per_row):
    """Frames in lines of ``per_row``, the number of each one below it."""
    height, width = pixels.shape[1:3]
    across, down = width + max(1, width // 16), height + round(0.26 * width)
    lines = -(-len(index) // per_row)
    canvas = np.ones((lines * down, per_row * across, 3), dtype=np.float32)
    for place, number in enumerate(index):
        x, y = place % per_row * across, place // per_row * down
        canvas[y : y + height, x : x + width] = pixels[number]
        axes.text(x + width / 2, y + height + 0.13 * width, str(number), ha="center", va="center", fontsize=8)
    axes.imshow(canvas, extent=(0, canvas.shape[1], canvas.shape[0], 0))  # one picture is drawn faster than many
    axes.set_aspect("equal", anchor="NW")
    axes.axis("off")


class Animation:
    """A clip that plays in a notebook and in static HTML: one GIF, and a strip of its frames where nothing may move.

    panels: name → pictures (T, H, W, 3) in [0, 1], all of one size, shown side by side. fps: frames in a second.
    limit: bytes for the output in the notebook; the pictures are made smaller to meet it.
    """

    def __init__(self, panels: Mapping[str, np.ndarray], alt: str, *, fps: float, limit: int):
        self.panels, self.alt, self.fps, self.limit = dict(panels), alt, fps, limit

    @cached_property
    def strip(self) -> Figure:
        """The same pictures without motion: a row of (at most 8) frames for each panel."""
        length = len(next(iter(self.panels.values())))
        keep = np.linspace(0, length - 1, min(length, 8)).round().astype(int)
        clips = torch.from_numpy(np.stack([pictures[keep] for pictures in self.panels.values()])).movedim(-1, 2)
        return strip(clips, rows=list(self.panels), titles=[f"{t + 1}" for t in keep], alt=self.alt)

    @cached_property
    def gif(self) -> bytes:
        """The moving picture, endlessly repeated, as large as ``limit`` allows, at least 32 pixels high."""
        room = self.limit * 3 / 4 - len(self.strip.png()) - len(self.strip.png(_SMALL)) - 1000  # base64: 3 bytes are 4
        for height in (128, 96, 64, 48, 32):
            moving = _gif(self.panels, height, self.fps)
            if len(moving) <= room:
                break
        return moving

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = mimebundle(self.strip.png(), self.alt)
        small = base64.b64encode(self.strip.png(_SMALL)).decode()
        # Who asks the system for less motion gets the strip.
        still = f'<source media="(prefers-reduced-motion: reduce)" srcset="data:image/png;base64,{small}">'
        moving = base64.b64encode(self.gif).decode()
        image = f'<img src="data:image/gif;base64,{moving}" alt="{html.escape(self.alt)}" style="max-width: 100%">'
        return {**data, "text/html": f"<picture>{still}{image}</picture>"}, metadata


def animate(
    clip,
    maps: Mapping[str, torch.Tensor] | None = None,
    *,
    overlay: bool = False,
    fps: float = 8,
    name: str = "video",
    alt: str | None = None,
    limit: int = 600_000,
) -> Animation:
    """A clip, and beside it what networks look at in every frame, playing side by side (001 Fig. 5.4).

    clip: (T, C, H, W). maps: name → (T, H, W), numbers >= 0, e.g. from `evaluation.video_saliency`; each is scaled to
    its own 99th percentile. overlay: lay the maps over the grey clip instead of beside it. Show the result as the last
    line of a cell; ``.strip`` is a figure of the same without motion. Raises ValueError for shapes that do not fit.
    """
    pixels = as_pixels("clip", clip, 4)
    check_positive("fps", fps, integer=False)
    panels = {name: pixels}
    for key, values in (maps or {}).items():
        values = np.asarray(torch.as_tensor(values).detach().cpu(), dtype=np.float32)
        if values.shape != pixels.shape[:3] or not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"maps[{key!r}] is {values.shape}; it takes finite numbers >= 0 {pixels.shape[:3]}")
        strength = (values / max(np.percentile(values, 99), 1e-12)).clip(0, 1)
        bright = matplotlib.colormaps["magma"](strength)[..., :3].astype(np.float32)
        if overlay:
            grey = pixels.mean(-1, keepdims=True) * 0.8
            bright = grey * (1 - strength[..., None]) + bright * strength[..., None]
        panels[key] = bright
    if len(panels) != 1 + len(maps or {}):
        raise ValueError(f"maps has a panel {name!r}, which is the name of the clip; it takes another name")
    alt = alt or f"An animation of {len(pixels)} frames, side by side: {', '.join(panels)}"
    return Animation(panels, alt, fps=fps, limit=limit)


def _gif(panels, height, fps) -> bytes:
    names, clips = list(panels), list(panels.values())
    length, rows, columns = clips[0].shape[:3]
    width = max(1, round(height * columns / rows))
    how = Image.Resampling.NEAREST if height >= rows else Image.Resampling.BOX
    font = ImageFont.truetype(findfont("DejaVu Sans"), 13)
    head, gap = 22, 8
    widths = [max(width, int(font.getlength(name)) + 1) for name in names]  # a name may be wider than its picture
    sheets = []
    for t in range(length):
        sheet = Image.new("RGB", (sum(widths) + gap * (len(names) - 1), head + height), "white")
        pen, left = ImageDraw.Draw(sheet), 0
        for name, clip, room in zip(names, clips, widths, strict=True):
            picture = Image.fromarray((clip[t] * 255).round().astype(np.uint8)).resize((width, height), how)
            sheet.paste(picture, (left, head))
            pen.text((left, 1), name, fill="black", font=font)
            left += room + gap
        # A bar that fills up says where in the clip one is.
        pen.rectangle((0, head - 2, round(sheet.width * (t + 1) / length) - 1, head - 1), fill=GREY)
        sheets.append(sheet)
    # One palette for all frames, so that colours do not flicker.
    every = Image.new("RGB", (sheets[0].width, sheets[0].height * length))
    for t, sheet in enumerate(sheets):
        every.paste(sheet, (0, t * sheet.height))
    palette = every.quantize(256, Image.Quantize.MEDIANCUT)
    colours = np.reshape(palette.getpalette(), (-1, 3))
    # The paper between the pictures: white, not the mean of all light colours. Pillow looks colours up in steps of 4,
    # so a neighbour within one step could be taken in white's place.
    colours[colours.min(1) >= min(252, colours.min(1).max())] = 255
    palette.putpalette(colours.flatten().tolist())
    coded = [sheet.quantize(palette=palette, dither=Image.Dither.NONE) for sheet in sheets]
    out = io.BytesIO()
    coded[0].save(out, format="GIF", save_all=True, append_images=coded[1:], duration=round(1000 / fps), loop=0)
    return out.getvalue()
