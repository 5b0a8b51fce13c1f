"""Figures about optimisers: paths on a surface (000, figure 2.7), lines in panels, standings with intervals."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from .plots import interval
from .style import GREY, OKABE_ITO, WIDTH, Figure, colour, new_figure, styled

OPTIMISERS = {  # colour and line style, the same in all figures; momentum is red as in 000, figure 2.7
    "SGD": (OKABE_ITO["black"], "-"),
    "momentum": (OKABE_ITO["vermillion"], "--"),
    "Nesterov": (OKABE_ITO["orange"], "-."),
    "AdaGrad": (OKABE_ITO["green"], ":"),
    "RMSProp": (OKABE_ITO["sky blue"], "-"),
    "Adam": (OKABE_ITO["blue"], "--"),
    "AdamW": (OKABE_ITO["purple"], "-."),
}
_OTHERS = [  # for names that are no optimiser's, in the order in which they come
    (OKABE_ITO[name], style)
    for name, style in zip(
        ("vermillion", "blue", "green", "purple", "orange", "sky blue"), ("-", "--", ":", "-.", "-", "--"), strict=True
    )
]
_LEGEND = {"ncols": 7, "columnspacing": 1.2, "handlelength": 1.9}  # seven names beside each other
_SMALLEST, _LARGEST = 1e-12, 1e6  # what the axis of values shows of vanishing and of exploding ones


@styled
def descent(
    surface: Callable[[torch.Tensor], torch.Tensor],
    paths: Mapping[str, object],
    *,
    limits: Sequence[float],
    minimum: Sequence[float] | None = None,
    lowest: float = 0.0,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Contours of a function of two variables with the paths taken on it; beside them its value after each step.

    surface: points (N, 2) → values (N,), float64. paths: name → (K+1, 2), the start first; what is not finite, or
    leaves the picture, is not drawn. limits: (left, right, bottom, top). minimum: where the star stands. lowest: the
    least value of the surface; values are drawn as heights above it, on a logarithmic axis.
    """
    left, right, bottom, top = _limits(limits)
    routes = _routes(paths)
    heights = {name: _values(surface, route) - lowest for name, route in routes.items()}
    told = ", ".join(f"{name} after {len(route) - 1} steps {heights[name][-1]:.2g}" for name, route in routes.items())
    figure = new_figure(alt or f"{title or 'Paths on a surface'}; height above the minimum: {told}", WIDTH, 3.7)
    plane, time = figure.subplots(1, 2, width_ratios=[1.25, 1])
    _contours(plane, surface, (left, right, bottom, top), lowest)
    for name, route in routes.items():
        dye, style = OPTIMISERS.get(name, (colour(name), "-"))
        inside = np.where(np.abs(route) < 100 * max(map(abs, limits)), route, np.nan)
        plane.plot(*inside.T, style, color=dye, marker=".", ms=4, lw=1.5, label=name)
        shown = np.nan_to_num(heights[name], nan=_LARGEST, posinf=_LARGEST).clip(_SMALLEST, _LARGEST)
        time.plot(shown, style, color=dye, lw=1.8)
    plane.plot(*next(iter(routes.values()))[0], "o", color="white", mec="black", ms=8, zorder=5)
    if minimum is not None:
        plane.plot(*minimum, "*", color=OKABE_ITO["yellow"], mec="black", ms=14, zorder=5)
    plane.set(xlim=(left, right), ylim=(bottom, top), xlabel="first parameter θ₁", ylabel="second parameter θ₂")
    time.set(yscale="log", xlabel="step", ylabel="height above the minimum")
    time.grid(axis="y")
    figure.legend(*plane.get_legend_handles_labels(), loc="outside lower center", **_LEGEND)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


@styled
def panels(*contents: Mapping, alt: str, height: float = 3.1) -> Figure:
    """Line plots side by side, one for each of ``contents``.

    contents: each a dict with "lines", name → y values (K,) or (x, y); "marks", the same, drawn as dots; "log" ("x",
    "y" or "xy"); and anything that ``Axes.set`` takes (xlabel, ylabel, title, ylim …). The names stand once under the
    figure, unless they begin with "_"; the empty name is grey. Optimisers have their own colours.
    """
    if not contents or not all(content.get("lines") or content.get("marks") for content in contents):
        raise ValueError("contents is empty or has a panel without lines and marks; it takes at least one of them each")
    figure, looks = new_figure(alt, WIDTH if len(contents) > 1 else 5.5, height), {"": (GREY, "-")}
    for axes, content in zip(figure.subplots(1, len(contents), squeeze=False)[0], contents, strict=True):
        for kind in ("lines", "marks"):
            for name, values in content.get(kind, {}).items():
                x, y = values if isinstance(values, tuple) else (range(len(values)), values)
                dye, style = looks.setdefault(name, OPTIMISERS.get(name) or _OTHERS[(len(looks) - 1) % len(_OTHERS)])
                axes.plot(x, y, "o" if kind == "marks" else style, color=dye, label=name or "_")
        for axis in content.get("log", ""):
            getattr(axes, f"set_{axis}scale")("log")
        axes.set(**{key: value for key, value in content.items() if key not in ("lines", "marks", "log")})
        axes.minorticks_off()
        axes.grid(axis="y")
    named = {text: line for axes in figure.axes for line, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    if named:
        figure.legend(named.values(), named, loc="outside lower center", **_LEGEND)
    return figure


@styled
def standings(panels: Mapping[str, Mapping[str, Sequence[float]]], *, label: str, alt: str | None = None) -> Figure:
    """Dots with 95 % intervals, a row for each name, a panel with a scale of its own for each title.

    panels: title → name → one value for each start; all panels have the same names, in the same order.
    """
    rows = [list(values) for values in panels.values()]
    if not rows or not rows[0] or any(names != rows[0] for names in rows):
        raise ValueError(f"panels has the names {rows}; it takes the same names, at least one, in every panel")
    figure = new_figure("", WIDTH, 1.3 + 0.3 * len(rows[0]))
    told = []
    for axes, (title, values) in zip(
        figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels.items(), strict=True
    ):
        for row, (name, numbers) in enumerate(values.items()):
            mean, low, high = interval(numbers)
            dye = OPTIMISERS[name][0] if name in OPTIMISERS else colour(name)
            axes.plot(numbers, [row + 0.28] * len(numbers), "|", color=GREY, ms=5, mew=0.8)
            axes.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="o", color=dye, capsize=4, lw=1.6)
            told.append(f"{title}, {name} {mean:.3g} ({low:.3g} to {high:.3g})")
        axes.set(title=title, xlabel=label)
        axes.grid(axis="x")
    figure.axes[0].set_yticks(range(len(rows[0])), rows[0])
    figure.axes[0].invert_yaxis()
    figure.alt = alt or f"{label}: " + "; ".join(told)
    return figure


def _contours(axes, surface, limits, lowest) -> None:
    """Contour lines, equally spaced in the logarithm of the height, so that the floor of a valley is seen too."""
    across, up = np.linspace(*limits[:2], 90), np.linspace(*limits[2:], 80)
    field = np.stack(np.meshgrid(across, up), -1)
    height = np.log10(np.maximum(_values(surface, field.reshape(-1, 2)) - lowest, 1e-3)).reshape(field.shape[:2])
    axes.contourf(across, up, height, levels=11, cmap="Greys", alpha=0.25)
    axes.contour(across, up, height, levels=11, colors="#999999", linewidths=0.5, linestyles="solid")


def _values(surface, points: np.ndarray) -> np.ndarray:
    found = torch.as_tensor(surface(torch.as_tensor(points))).detach().cpu().numpy()
    if found.shape != (len(points),):
        raise ValueError(f"surface gave {found.shape} for {len(points)} points; it takes (N, 2) to (N,)")
    return found


def _limits(limits) -> tuple[float, ...]:
    numbers = tuple(float(number) for number in limits)
    if len(numbers) != 4 or numbers[0] >= numbers[1] or numbers[2] >= numbers[3]:
        raise ValueError(f"limits is {numbers}; it takes (left, right, bottom, top) with left < right, bottom < top")
    return numbers


def _routes(paths) -> dict[str, np.ndarray]:
    if not paths:
        raise ValueError("paths is empty; it takes at least one path")
    routes = {name: np.asarray(torch.as_tensor(path).detach().cpu(), dtype=float) for name, path in paths.items()}
    for name, route in routes.items():
        if route.ndim != 2 or route.shape[1] != 2 or not len(route):
            raise ValueError(f"paths[{name!r}] is {route.shape}; it takes (K+1, 2), the start first")
    return routes
