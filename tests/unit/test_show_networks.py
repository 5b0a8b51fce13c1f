"""Drawings of networks: every unit and every number is in the picture, and unknown names are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import show


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.floats(-3, 3), st.floats(0.5, 3))
def test_fully_connected_joins_each_layer_with_the_next_and_no_other(sizes, left, apart):
    layers = [[f"{column}.{row}" for row in range(size)] for column, size in enumerate(sizes)]
    places, edges = show.fully_connected(layers, left=left, apart=apart)
    assert len(places) == sum(sizes) == len(set(places.values()))
    assert len(set(edges)) == len(edges) == sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    for start, end in edges:
        assert places[end][0] - places[start][0] == pytest.approx(apart)
    for layer in layers:
        assert sum(places[name][1] for name in layer) == pytest.approx(0)


@pytest.mark.parametrize("layers", [[], [[]], [["a"], []], [["a"], ["a"]]])
def test_fully_connected_refuses_empty_layers_and_names_used_twice(layers):
    with pytest.raises(ValueError, match="layers is"):
        show.fully_connected(layers)


def test_computation_graph_shows_names_values_and_gradients():
    places, edges = show.fully_connected([["$x$", "$w$"], ["y"]])
    figure = show.computation_graph(
        places, edges, forward={"y": "15"}, backward={"$w$": "20"}, edge_labels={("$x$", "y"): "times"},
        captions={"inputs": (0, 1)}, active=("$x$", "y"), title="One product",
    )  # fmt: skip
    shown = texts(figure)
    assert {"$x$", "$w$", "y", "15", "20", "times", "inputs"} <= set(shown)
    assert figure.alt == "One product: y = 15; gradient at w 20"
    assert figure.png() == figure.png()
    assert show.computation_graph(places, edges).alt == "A network: 3 units and 2 connections"
    assert show.computation_graph(places, edges, alt="mine").alt == "mine"


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges": [("a", "z")]},
        {"forward": {"z": "1"}},
        {"backward": {"z": "1"}},
        {"edge_labels": {("z", "a"): "1"}},
        {"active": ["z"]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_computation_graph_refuses_names_that_have_no_place(wrong):
    (argument,) = wrong
    with pytest.raises(ValueError, match=f"{argument} names 'z'; places has a"):
        show.computation_graph(**{"places": {"a": (0, 0)}, "edges": [], **wrong})


def test_computation_graph_refuses_nothing_to_draw_and_circles_without_size():
    with pytest.raises(ValueError, match="places is empty"):
        show.computation_graph({}, [])
    with pytest.raises(ValueError, match="radius is 0"):
        show.computation_graph({"a": (0, 0)}, [], radius=0)
