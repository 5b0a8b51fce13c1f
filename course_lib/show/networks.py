"""Drawings of networks and of computations: circles, arrows, and what flows along them, forwards and back."""

from collections.abc import Collection, Mapping, Sequence

from ..checks import check_positive
from .style import BAD, GOOD, GREY, WIDTH, Figure, new_figure, styled

Place = tuple[float, float]
Edge = tuple[str, str]


def fully_connected(
    layers: Sequence[Sequence[str]], *, left: float = 0.0, apart: float = 1.0
) -> tuple[dict[str, Place], list[Edge]]:
    """Places and edges, for `computation_graph`, of layers in which every unit feeds every unit of the next.

    layers: the names of the units, layer by layer; each name once. left: where the first layer stands. apart:
    distance of two layers. Units of a layer stand one below the other, centred on height 0, one apart.
    """
    names = [name for layer in layers for name in layer]
    if not names or len(set(names)) < len(names) or not all(layers):
        raise ValueError(f"layers is {layers!r}; it takes at least one unit in each layer, and each name once")
    places = {
        name: (left + apart * column, (len(layer) - 1) / 2 - row)
        for column, layer in enumerate(layers)
        for row, name in enumerate(layer)
    }
    edges = [(a, b) for one, two in zip(layers, layers[1:], strict=False) for a in one for b in two]
    return places, edges


@styled
def computation_graph(
    places: Mapping[str, Place],
    edges: Sequence[Edge],
    *,
    forward: Mapping[str, str] | None = None,
    backward: Mapping[str, str] | None = None,
    edge_labels: Mapping[Edge, str] | None = None,
    captions: Mapping[str, Place] | None = None,
    active: Collection[str] = (),
    radius: int = 17,
    width: float = WIDTH,
    height: float = 3.4,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Units as circles, with the value that flows forward above and the gradient that flows back below (seed
    000, figure 2.6; seed 002, figure 2.1).

    places: name of a unit, written into its circle (mathematics in dollar signs) → (x, y). edges: (from, to).
    forward, backward: name → text above, in blue, and below, in vermillion. edge_labels: (from, to) → text on
    the arrow. captions: free text → (x, y). active: units to be drawn bold. radius: of a circle, points.
    """
    if not places:
        raise ValueError("places is empty; it takes at least one unit")
    edge_labels, captions = edge_labels or {}, captions or {}
    check_positive("radius", radius)
    asked = {
        "edges": [name for edge in edges for name in edge],
        "forward": forward or {},
        "backward": backward or {},
        "edge_labels": [name for edge in edge_labels for name in edge],
        "active": active,
    }
    for argument, names in asked.items():
        if unknown := [name for name in names if name not in places]:
            raise ValueError(f"{argument} names {unknown[0]!r}; places has {', '.join(places)}")
    told = [f"{name} = {text}" for name, text in (forward or {}).items()]
    told += [f"gradient at {name} {text}" for name, text in (backward or {}).items()]
    told = "; ".join(told) or f"{len(places)} units and {len(edges)} connections"
    figure = new_figure(alt or f"{title or 'A network'}: {told}".replace("$", ""), width, height)
    axes = figure.subplots()
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    for start, end in edges:
        on = start in active and end in active
        arrow = {"arrowstyle": "-|>", "color": "black" if on else GREY, "lw": 2 if on else 1.1}
        shrink = {"shrinkA": radius, "shrinkB": radius}
        axes.annotate("", places[end], places[start], arrowprops=arrow | shrink, zorder=1)
        if (start, end) in edge_labels:
            spot = [0.7 * a + 0.3 * b for a, b in zip(places[start], places[end], strict=True)]
            axes.text(*spot, edge_labels[start, end], ha="center", va="center", fontsize=10, bbox=box, zorder=2)
    for name, (x, y) in places.items():
        on = name in active
        edge = {"color": "#FFF6D6" if on else "white", "edgecolors": "black", "linewidths": 2.4 if on else 1.2}
        axes.scatter(x, y, s=(2 * radius) ** 2, zorder=3, **edge)
        axes.text(x, y, name, ha="center", va="center", fontsize=11, zorder=4)
    for texts, up, dye in ((forward, 1, GOOD), (backward, -1, BAD)):
        for name, text in (texts or {}).items():
            axes.annotate(
                text, places[name], (0, up * (radius + 3)), textcoords="offset points", ha="center",
                va="bottom" if up > 0 else "top", color=dye, fontsize=11, zorder=4, bbox=box | {"alpha": 0.85},
            )  # fmt: skip
    for text, spot in captions.items():
        axes.text(*spot, text, ha="center", va="center", fontsize=11)
    points = [*places.values(), *captions.values()]
    for limits, values in ((axes.set_xlim, [x for x, _ in points]), (axes.set_ylim, [y for _, y in points])):
        limits(min(values) - 0.6, max(values) + 0.6)
    axes.axis("off")
    axes.set_title(title)
    return figure
