"""Recurrent networks with their numbers in them: the unrolled net, the LSTM cell, CNN → LSTM, gates under a clip.

Seed 000, figure 2.4 (RNN and LSTM cell) and section 2.1.6; seed 002, figure 3.3 (the wiring). There they are
drawings; here every box holds what a real network computed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.patches import FancyBboxPatch

from ..checks import check_positive
from .images import as_pixels
from .style import GREY, OKABE_ITO, WIDTH, Figure, new_figure, styled

_STYLES = (("blue", "-"), ("vermillion", "--"), ("green", "-."), ("purple", ":"))
PARTS = ("c_before", "i", "f", "g", "o", "c", "h")


def _numbers(argument: str, values, shape: tuple[int | None, ...]) -> np.ndarray:
    """``values`` as finite floats of ``shape`` (None: any size from 1), else ValueError."""
    array = torch.as_tensor(values).detach().cpu().double().numpy()
    fits = array.ndim == len(shape) and all(a == b or b is None for a, b in zip(array.shape, shape, strict=True))
    if not fits or array.size == 0 or not np.isfinite(array).all():
        wanted = ", ".join("n" if size is None else str(size) for size in shape)
        raise ValueError(f"{argument} is {array.shape}; it takes finite numbers ({wanted})")
    return array


def _box(axes, x, y, text, *, dye="white", width=0.72, height=0.5, size=10.5):
    """A box with its text, centred at (x, y)."""
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.02,rounding_size=0.07", fc=dye, ec="black"
    )
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", fontsize=size)


def _arrow(axes, start, stop, text="", *, dye="black", shift=(0.0, 0.0)):
    """An arrow with a text beside its middle; ``shift`` moves the text."""
    axes.annotate(
        "", stop, start, arrowprops={"arrowstyle": "-|>", "color": dye, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
    )
    middle = [(a + b) / 2 + s for a, b, s in zip(start, stop, shift, strict=True)]
    axes.text(*middle, text, ha="center", va="center", fontsize=10, color=dye)


def _canvas(figure, right: float, low: float, high: float):
    axes = figure.subplots()
    axes.set_xlim(0, right), axes.set_ylim(low, high)
    axes.axis("off")
    return axes


@styled
def unrolled_rnn(inputs, states, outputs, *, start: float = 0.0, title: str = "", alt: str | None = None) -> Figure:
    """A recurrent network drawn once for every step, with the numbers of one unit (seed 000, Eq. 2.8, Fig. 2.4 left).

    inputs, states, outputs: x_t, h_t and z_t, each (T,) with T <= 8. start: h_0. Raises ValueError for other sizes.
    """
    x = _numbers("inputs", inputs, (None,))
    h, z = _numbers("states", states, (len(x),)), _numbers("outputs", outputs, (len(x),))
    if len(x) > 8:
        raise ValueError(f"inputs has {len(x)} steps; it takes at most 8, or the numbers cannot be read")
    told = ", ".join(f"{value:.2f}" for value in h)
    figure = new_figure(alt or f"{title or 'Unrolled recurrent network'}: the states are {told}", WIDTH, 3.0)
    axes = _canvas(figure, len(x) + 1.05, -0.35, 2.45)
    _box(axes, 0.34, 1, f"$h_0$\n{start:.2f}", dye="#EEEEEE", width=0.56)
    for t, values in enumerate(zip(x, h, z, strict=True), 1):
        place = t + 0.3
        for y, name, value, dye in zip((0, 1, 2), "xhz", values, ("#EEEEEE", "#BFE0F5", "#FCE3B0"), strict=True):
            _box(axes, place, y, f"${name}_{t}$\n{value:.2f}", dye=dye, width=0.56)
        _arrow(axes, (place, 0.27), (place, 0.73), "$W_{xh}$", shift=(0.2, 0))
        _arrow(axes, (place, 1.27), (place, 1.73), "$W_{hz}$", shift=(0.2, 0))
        _arrow(axes, (place - 0.7, 1), (place - 0.3, 1), "$W_{hh}$", shift=(0, 0.2))
    if title:
        figure.suptitle(title)
    return figure


@styled
def lstm_cell(parts: Mapping[str, float], *, title: str = "", alt: str | None = None) -> Figure:
    """One unit of an LSTM in one step, the flow of its numbers (seed 000, Eq. 2.9, Fig. 2.4 right).

    parts: "c_before" (c_{t-1}), "i", "f", "o" (gates, in [0, 1]), "g" (candidate), "c", "h". A gate is the fuller
    the more it is open. Raises ValueError when a part is missing or a gate is outside [0, 1].
    """
    if set(parts) != set(PARTS):
        raise ValueError(f"parts has {sorted(parts)}; it takes {', '.join(PARTS)}")
    v = {name: float(_numbers(name, value, ())) for name, value in parts.items()}
    for gate in "ifo":
        if not 0 <= v[gate] <= 1:
            raise ValueError(f"gate {gate} is {v[gate]:g}; it takes a number in [0, 1]")
    told = ", ".join(f"{name} {v[name]:.2f}" for name in PARTS)
    figure = new_figure(alt or f"{title or 'One LSTM unit in one step'}: {told}", WIDTH, 3.5)
    axes = _canvas(figure, 8.2, -0.55, 3.25)
    _box(axes, 0.65, 2.6, f"$c_{{t-1}}$\n{v['c_before']:.2f}", dye="#BFE0F5", width=0.9, height=0.62)
    _box(axes, 6.0, 2.6, f"$c_t$\n{v['c']:.2f}", dye="#BFE0F5", width=0.9, height=0.62)
    _box(axes, 7.6, 1.3, f"$h_t$\n{v['h']:.2f}", dye="#FCE3B0", width=0.9, height=0.62)
    for x, y, sign in ((2.2, 2.6, "×"), (4.1, 2.6, "+"), (4.1, 1.5, "×"), (6.0, 1.3, "×")):
        _box(axes, x, y, sign, width=0.32, height=0.36, size=14)
    columns = {"f": (2.2, "forget"), "i": (3.4, "input"), "g": (4.8, "candidate"), "o": (6.0, "output")}
    for name, (x, word) in columns.items():
        _gate(axes, x, 0.25, v[name], f"{word}\n${name}_t$ = {v[name]:.2f}", gate=name != "g")
    _arrow(axes, (1.12, 2.6), (2.0, 2.6))
    _arrow(axes, (2.4, 2.6), (3.9, 2.6), f"keeps {v['f'] * v['c_before']:.2f}", shift=(0, 0.22))
    _arrow(axes, (4.3, 2.6), (5.5, 2.6))
    _arrow(axes, (2.2, 0.62), (2.2, 2.38))
    _arrow(axes, (3.4, 0.62), (3.95, 1.3))
    _arrow(axes, (4.8, 0.62), (4.25, 1.3))
    _arrow(axes, (4.1, 1.72), (4.1, 2.38), f"writes {v['i'] * v['g']:.2f}", shift=(-0.68, 0))
    _arrow(axes, (6.0, 2.26), (6.0, 1.52), f"tanh = {np.tanh(v['c']):.2f}", shift=(0.72, 0))
    _arrow(axes, (6.0, 0.62), (6.0, 1.08))
    _arrow(axes, (6.2, 1.3), (7.1, 1.3))
    axes.text(4.1, -0.45, "each of the four looks at $x_t$ and $h_{t-1}$", ha="center", fontsize=10)
    if title:
        figure.suptitle(title)
    return figure


def _gate(axes, x, y, value, text, *, gate):
    """A box filled from below as far as the gate is open; the candidate is no gate and stays plain."""
    _box(axes, x, y, "", width=1.04, height=0.68)
    if gate:
        axes.add_patch(
            FancyBboxPatch(
                (x - 0.52, y - 0.34), 1.04, 0.68 * value, boxstyle="square,pad=0", fc="#9AD9C4", ec="none", zorder=1.5
            )
        )
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5, zorder=3)


_MOST = 12  # frames in a film; more could not be seen


def _film(axes, pixels: np.ndarray) -> None:
    """Frames along the time axis of ``axes`` (frame t is centred at t), as many as can be seen."""
    length, height, width = pixels.shape[:3]
    every = -(-length // _MOST)
    for t in range((every - 1) // 2, length, every):
        half = every / 2 * 0.95
        axes.imshow(pixels[t], extent=(t + 1 - half, t + 1 + half, 0, height / width * 2 * half), aspect="equal")
    axes.set_xlim(0.5, length + 0.5), axes.set_ylim(0, height / width * every * 0.95)
    axes.set_aspect("equal", anchor="S")
    axes.axis("off")


def _film_inches(pixels: np.ndarray, room: float) -> float:
    """How high the frames are when they share ``room`` inches."""
    length, height, width = pixels.shape[:3]
    every = -(-length // _MOST)
    return room * every / length * height / width


@styled
def gates_on_clip(
    clip,
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    event: float | None = None,
    event_name: str = "event",
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """A clip, and under its frames what a recurrent network had in itself at each of them.

    clip: (T, C, H, W). panels: y label → (curve name → (T,)), a panel for each, at most 4 curves in one. event: the
    frame (counted from 1, halves allowed) where a vertical line is drawn. Raises ValueError for other sizes.
    """
    pixels = as_pixels("clip", clip, 4)
    if not panels or not all(0 < len(curves) <= len(_STYLES) for curves in panels.values()):
        raise ValueError(f"panels has {[len(c) for c in panels.values()]} curves; it takes 1 … 4 in each panel")
    frames = np.arange(1, len(pixels) + 1)
    told = "; ".join(f"{label}: {', '.join(curves)}" for label, curves in panels.items())
    film = _film_inches(pixels, WIDTH - 2.0)
    alt = alt or f"{title or 'A clip and its gates'}. Under the frames, {told}"
    figure = new_figure(alt, WIDTH, film + 1.0 + 1.4 * len(panels))
    rows = figure.subplots(1 + len(panels), 1, sharex=True, height_ratios=[film] + [1.2] * len(panels))
    _film(rows[0], pixels)
    for axes, (label, curves) in zip(rows[1:], panels.items(), strict=True):
        for (name, values), (dye, style) in zip(curves.items(), _STYLES, strict=False):
            axes.plot(
                frames, _numbers(name, values, (len(pixels),)), style, color=OKABE_ITO[dye], label=name, marker="."
            )
        if event is not None:
            axes.axvline(event, color=GREY, lw=1.4, ls=":")
        axes.set_ylabel(label)
        axes.grid(axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    if event is not None:
        rows[1].text(event, 1.02, event_name, transform=rows[1].get_xaxis_transform(), ha="center", fontsize=9)
    rows[-1].set_xlabel("frame")
    if title:
        figure.suptitle(title)
    return figure


@styled
def cnn_lstm_wiring(
    clip, features, states, scores, *, shown: int = 24, title: str = "", alt: str | None = None
) -> Figure:
    """CNN per frame → LSTM → a score per step, as the numbers that flow (seed 002, Fig. 3.3; seed 000, Fig. 3.13).

    clip: (T, C, H, W). features: what the CNN gives, (T, D). states: h_t, (T, H). scores: (T,) in [0, 1]. Of features
    and states the ``shown`` that vary most over the clip are drawn. Raises ValueError for other sizes.
    """
    pixels = as_pixels("clip", clip, 4)
    length = len(pixels)
    check_positive("shown", shown)
    layers = {
        "CNN: fc6": _numbers("features", features, (length, None)),
        "LSTM: $h_t$": _numbers("states", states, (length, None)),
    }
    scores = _numbers("scores", scores, (length,))
    film = _film_inches(pixels, WIDTH - 0.8)
    alt = alt or f"{title or 'CNN → LSTM'}: {length} frames, their features, the states, and the score of each step"
    figure = new_figure(alt, WIDTH, film + 4.5)
    rows = figure.subplots(4, 1, sharex=True, height_ratios=[film, 1.2, 1.2, 0.9])
    _film(rows[0], pixels)
    for axes, (name, values) in zip(rows[1:3], layers.items(), strict=True):
        keep = np.sort(np.argsort(-values.std(0))[:shown])
        span = max(np.abs(values).max(), 1e-9)
        extent = (0.5, length + 0.5, len(keep) + 0.5, 0.5)
        axes.imshow(values[:, keep].T, extent=extent, aspect="auto", cmap="RdBu_r", vmin=-span, vmax=span)
        axes.set_ylabel(f"{name}\n({len(keep)} of {values.shape[1]};\nred +, blue −)", fontsize=9)
        axes.set_yticks([])
    rows[3].bar(np.arange(1, length + 1), scores, color=OKABE_ITO["orange"], width=0.7)
    rows[3].axhline(0.5, color=GREY, ls=":")
    rows[3].set_ylim(0, 1)
    rows[3].set_ylabel("score")
    rows[3].set_xlabel("frame: each column is one step; the CNN sees it alone, the LSTM also all before it")
    if title:
        figure.suptitle(title)
    return figure
