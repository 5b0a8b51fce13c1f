"""Recurrent networks drawn with their numbers: what is drawn, what the description says, what is refused."""

import pytest
import torch

from course_lib import show

CELL = {"c_before": 1.0, "i": 0.25, "f": 0.5, "g": -0.8, "o": 0.75, "c": 0.3, "h": 0.2}


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def written(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(
    "figure",
    [
        show.unrolled_rnn([1, 0, 0], noise(3), noise(3)),
        show.lstm_cell(CELL),
        show.gates_on_clip(noise(30, 3, 8, 8), {"gates": {"i": noise(30), "f": noise(30)}}, event=4.5),
        show.gates_on_clip(noise(2, 1, 8, 6), {"gates": {"i": noise(2)}, "cell": {"c": noise(2)}}),
        show.cnn_lstm_wiring(noise(5, 3, 8, 8), noise(5, 40), noise(5, 6), noise(5)),
    ],
)
def test_every_picture_has_a_description_and_can_be_drawn(figure):
    assert isinstance(figure, show.Figure)
    assert figure.alt.strip()
    assert figure.png(40).startswith(b"\x89PNG")


def test_unrolled_network_shows_its_numbers():
    figure = show.unrolled_rnn([1, 0], [0.76, 0.54], [0.63, 0.52], start=-1.0)
    assert all(number in written(figure) for number in ("-1.00", "0.76", "0.54", "0.63", "0.52"))
    assert "0.76, 0.54" in figure.alt


def test_lstm_cell_says_what_is_kept_and_written():
    text = written(show.lstm_cell(CELL))
    assert "keeps 0.50" in text
    assert "writes -0.20" in text


def test_gates_share_the_time_axis_with_the_clip_and_show_all_values():
    values = noise(20)
    figure = show.gates_on_clip(noise(20, 3, 8, 8), {"gates": {"f": values}}, event=7.5, event_name="turn")
    film, panel = figure.axes
    assert film.get_xlim() == panel.get_xlim() == (0.5, 20.5)
    assert torch.allclose(torch.as_tensor(panel.lines[0].get_ydata()), values.double())
    assert panel.lines[1].get_xdata()[0] == 7.5
    assert "turn" in written(figure)


def test_wiring_draws_the_channels_that_vary_most():
    features = torch.zeros(4, 10)
    features[:, [2, 7]] = noise(4, 2)
    figure = show.cnn_lstm_wiring(noise(4, 3, 8, 8), features, noise(4, 3), noise(4), shown=2)
    drawn = torch.as_tensor(figure.axes[1].images[0].get_array().data)
    assert torch.allclose(drawn, features[:, [2, 7]].T.double())


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: show.unrolled_rnn(noise(9), noise(9), noise(9)), "at most 8"),
        (lambda: show.unrolled_rnn(noise(3), noise(2), noise(3)), "states"),
        (lambda: show.unrolled_rnn(noise(0), noise(0), noise(0)), "inputs"),
        (lambda: show.lstm_cell(CELL | {"f": 1.5}), "gate f"),
        (lambda: show.lstm_cell({"f": 0.5}), "c_before"),
        (lambda: show.lstm_cell(CELL | {"c": float("nan")}), "c is"),
        (lambda: show.gates_on_clip(noise(5, 3, 8, 8), {}), "panels"),
        (lambda: show.gates_on_clip(noise(5, 3, 8, 8), {"a": {"f": noise(4)}}), "f is"),
        (lambda: show.gates_on_clip(noise(5, 3, 8, 8), {"a": {k: noise(5) for k in "ifogc"}}), "1 … 4"),
        (lambda: show.gates_on_clip(noise(5, 8, 8), {"a": {"f": noise(5)}}), "clip"),
        (lambda: show.cnn_lstm_wiring(noise(5, 3, 8, 8), noise(4, 2), noise(5, 2), noise(5)), "features"),
        (lambda: show.cnn_lstm_wiring(noise(5, 3, 8, 8), noise(5, 2), noise(5, 2), noise(4)), "scores"),
        (lambda: show.cnn_lstm_wiring(noise(5, 3, 8, 8), noise(5, 2), noise(5, 2), noise(5), shown=0), "shown"),
    ],
)
def test_bad_input_is_named(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()
