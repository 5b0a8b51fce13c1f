"""Figures about optimisers: what is drawn, what it says, and what it refuses."""

import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.show.surfaces import OPTIMISERS


def bowl(points):
    return (points**2).sum(-1) / 2


LIMITS = (-2, 2, -1, 1)
PATH = torch.tensor([[1.5, 0.5], [1.0, -0.2], [0.5, 0.1]], dtype=torch.float64)


def test_it_draws_every_path_and_says_where_it_ends():
    figure = show.descent(bowl, {"SGD": PATH, "Adam": PATH / 2}, limits=LIMITS, minimum=(0, 0), title="Bowl")
    plane, time = figure.axes
    assert plane.get_xlim() == LIMITS[:2]
    assert [line.get_label() for line in plane.lines[:2]] == ["SGD", "Adam"]
    np.testing.assert_allclose(time.lines[0].get_ydata(), bowl(PATH))
    assert "SGD after 2 steps 0.13" in figure.alt
    assert figure.png()


def test_heights_are_above_the_lowest_value():
    figure = show.descent(lambda points: bowl(points) - 3, {"SGD": PATH}, limits=LIMITS, lowest=-3)
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), bowl(PATH))


def test_an_explosion_is_drawn_without_an_error():
    path = torch.tensor([[1.0, 1.0], [1e30, 1e200], [torch.inf, torch.nan]], dtype=torch.float64)
    figure = show.descent(bowl, {"SGD": path, "some other": PATH}, limits=LIMITS)
    assert figure.png()
    assert np.isfinite(figure.axes[1].lines[0].get_ydata()).all()


def test_optimisers_have_colours_of_their_own():
    assert len({dye for dye, _ in OPTIMISERS.values()}) == len(OPTIMISERS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"paths": {}}, "paths is empty"),
        ({"paths": {"SGD": torch.zeros(3)}}, r"paths\['SGD'\] is \(3,\)"),
        ({"paths": {"SGD": torch.zeros(0, 2)}}, "the start first"),
        ({"limits": (1, 0, 0, 1)}, "left < right"),
        ({"limits": (0, 1, 0)}, "limits is"),
        ({"surface": lambda points: points}, "surface gave"),
    ],
)
def test_bad_input_is_named(change, told):
    given = {"surface": bowl, "paths": {"SGD": PATH}, "limits": LIMITS} | change
    with pytest.raises(ValueError, match=told):
        show.descent(given["surface"], given["paths"], limits=given["limits"])


def test_panels_name_every_line_once():
    one = {"lines": {"SGD": [3, 2, 1], "": ([0, 2], [1, 1])}, "xlabel": "step", "log": "y"}
    two = {"lines": {"SGD": [1, 2, 3]}, "marks": {"measured": ([1, 2], [2, 3])}, "ylim": (0, 4)}
    figure = show.panels(one, two, alt="Two panels")
    left, right = figure.axes
    assert left.get_yscale() == "log"
    assert right.get_ylim() == (0, 4)
    assert left.lines[0].get_color() == right.lines[0].get_color() == OPTIMISERS["SGD"][0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SGD", "measured"]
    assert figure.alt == "Two panels"


@pytest.mark.parametrize("contents", [[], [{"xlabel": "step"}]])
def test_panels_need_something_to_draw(contents):
    with pytest.raises(ValueError, match="at least one"):
        show.panels(*contents, alt="Nothing")


def test_standings_tell_mean_and_interval():
    values = {"SGD": [1.0, 2.0, 3.0], "Adam": [2.0, 2.0, 2.0]}
    figure = show.standings({"short": values, "long": values}, label="accuracy (%)")
    mean, low, high = show.interval(values["SGD"])
    assert f"long, SGD {mean:.3g} ({low:.3g} to {high:.3g})" in figure.alt
    assert len(figure.axes) == 2
    with pytest.raises(ValueError, match="same names"):
        show.standings({"short": values, "long": {"SGD": [1.0]}}, label="accuracy (%)")
    with pytest.raises(ValueError, match="at least one"):
        show.standings({}, label="accuracy (%)")
