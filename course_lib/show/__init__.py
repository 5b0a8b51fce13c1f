"""Figures, tables and widgets of the chapters. Functions that draw return a figure; nothing is drawn
globally.
"""

from .images import contact_sheet, filters, grid, neighbours, permutations, skeletons, strip
from .plots import (
    bars,
    confusion,
    curves,
    embedding_ring,
    grouped_bars,
    hamming_histogram,
    interval,
    lines,
    ranks,
    similarity_matrix,
)
from .style import OKABE_ITO, Figure, colour, display_figure, new_figure, png_bytes
from .tables import Scoreboard, Table, beside_seed, verdicts
from .widgets import Explorer, explorer, neighbour_browser, shuffle_explorer, shuffle_figure

__all__ = [
    "OKABE_ITO",
    "Explorer",
    "Figure",
    "Scoreboard",
    "Table",
    "bars",
    "beside_seed",
    "colour",
    "confusion",
    "contact_sheet",
    "curves",
    "display_figure",
    "embedding_ring",
    "explorer",
    "filters",
    "grid",
    "grouped_bars",
    "hamming_histogram",
    "interval",
    "lines",
    "neighbour_browser",
    "neighbours",
    "new_figure",
    "permutations",
    "png_bytes",
    "ranks",
    "shuffle_explorer",
    "shuffle_figure",
    "similarity_matrix",
    "skeletons",
    "strip",
    "verdicts",
]
