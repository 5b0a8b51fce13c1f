"""Figures, tables and widgets of the chapters. Functions that draw return a figure; nothing is drawn
globally.
"""

from .convolution import response_maps, sliding_window
from .generative import picture_rows, point_clouds
from .images import contact_sheet, filters, grid, neighbours, permutations, skeletons, strip
from .measuring import heat_table, interval_rows, named_points, rank_chart, saliency_rows
from .networks import computation_graph, fully_connected
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
from .pretext import sample_rows
from .recurrent import cnn_lstm_wiring, gates_on_clip, lstm_cell, unrolled_rnn
from .style import OKABE_ITO, Figure, colour, colours, display_figure, new_figure, png_bytes
from .surfaces import OPTIMISERS, descent, panels, standings
from .tables import Scoreboard, Table, beside_seed, verdicts
from .time_lines import Animation, animate, time_lines
from .video import flow_panels, temporal_layers, video_families
from .widgets import Explorer, explorer, neighbour_browser, shuffle_explorer, shuffle_figure

__all__ = [
    "OKABE_ITO",
    "OPTIMISERS",
    "Animation",
    "Explorer",
    "Figure",
    "Scoreboard",
    "Table",
    "animate",
    "bars",
    "beside_seed",
    "cnn_lstm_wiring",
    "colour",
    "colours",
    "computation_graph",
    "confusion",
    "contact_sheet",
    "curves",
    "descent",
    "display_figure",
    "embedding_ring",
    "explorer",
    "filters",
    "flow_panels",
    "fully_connected",
    "gates_on_clip",
    "grid",
    "grouped_bars",
    "hamming_histogram",
    "heat_table",
    "interval",
    "interval_rows",
    "lines",
    "lstm_cell",
    "named_points",
    "neighbour_browser",
    "neighbours",
    "new_figure",
    "panels",
    "permutations",
    "png_bytes",
    "picture_rows",
    "point_clouds",
    "rank_chart",
    "ranks",
    "response_maps",
    "saliency_rows",
    "sample_rows",
    "shuffle_explorer",
    "shuffle_figure",
    "similarity_matrix",
    "skeletons",
    "sliding_window",
    "standings",
    "strip",
    "temporal_layers",
    "time_lines",
    "unrolled_rnn",
    "verdicts",
    "video_families",
]
