"""Figures about measuring: returned, described, and clear about bad input."""

import pandas as pd
import pytest
import torch

from course_lib import show

TABLE = pd.DataFrame({"pixels": [0.2, 0.6, 0.4], "random": [0.3, 0.5, 0.4]}, index=["linear", "5-NN", "mAP"])


def drawn(figure, *words):
    assert isinstance(figure, show.Figure)
    assert figure.png()
    for word in words:
        assert word in figure.alt


def test_rank_chart_ranks_each_row():
    figure = show.rank_chart(TABLE, xlabel="protocol")
    drawn(figure, "linear: random first", "5-NN: pixels first")
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[2, 1, 1], [1, 2, 2]]
    for bad in (TABLE[:1], TABLE[["pixels"]], TABLE * float("nan")):
        with pytest.raises(ValueError, match="table is"):
            show.rank_chart(bad)


def test_named_points_tell_their_places_and_write_names_away_from_each_other():
    words = dict(shades={"near": 1.0}, label="probe", xlabel="uniformity", ylabel="alignment")
    figure = show.named_points({"left": (0, 0), "near": (1, 1), "far": (9, 9)}, **words)
    drawn(figure, "near: 1.00, 1.00", "alignment over uniformity")
    assert [text.get_ha() for text in figure.axes[0].texts] == ["right", "left", "left"]
    for bad in ({"one": (0, 0)}, {"one": (0, 0), "two": (0, float("nan"))}, {"one": (0, 0, 0), "two": (1, 1, 1)}):
        with pytest.raises(ValueError, match="points"):
            show.named_points(bad, **words)


def test_heat_table_tells_its_numbers():
    drawn(show.heat_table(TABLE, label="accuracy"), "pixels 0.20", "random 0.50")
    for bad in (dict(table=TABLE * float("nan")), dict(table=TABLE[:0]), dict(table=TABLE, low=1.0)):
        with pytest.raises(ValueError, match="table is"):
            show.heat_table(**({"label": "accuracy"} | bad))


def test_interval_rows_marks_those_that_miss():
    figure = show.interval_rows({"a": (0.5, 0.4, 0.6), "b": (0.8, 0.75, 0.85)}, label="accuracy", truth=0.55)
    drawn(figure, "a 0.5 (0.4 to 0.6)")
    styles = [line.get_linestyle() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert styles[:2] == ["-", "--"]
    for bad in ({}, {"a": (0.1, 0.2)}, {"a": (0.1, float("nan"), 0.2)}):
        with pytest.raises(ValueError, match="intervals is"):
            show.interval_rows(bad, label="accuracy")


def test_saliency_rows_takes_maps_and_masks():
    images, maps = torch.rand(3, 3, 8, 8), {"gradient": torch.rand(3, 8, 8), "nothing": torch.zeros(3, 8, 8)}
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[:2, 2:5, 2:5] = True
    drawn(show.saliency_rows(images, maps, masks=masks, titles=["a", "b", "c"]), "gradient, nothing")
    with pytest.raises(ValueError, match="maps is empty"):
        show.saliency_rows(images, {})
    for bad in (torch.rand(3, 4, 4), -torch.rand(3, 8, 8), torch.full((3, 8, 8), torch.nan)):
        with pytest.raises(ValueError, match="'gradient'"):
            show.saliency_rows(images, {"gradient": bad})
