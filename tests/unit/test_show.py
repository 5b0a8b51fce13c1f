"""Figures: they carry a description, keep colours, tell the numbers they were given, and refuse what they
cannot draw.
"""

import base64
import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from PIL import Image

from course_lib import show
from course_lib.data.videos import Skeleton, VideoSet
from course_lib.show.style import METHOD_COLOURS, STYLE, mimebundle


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(count=2, length=4, side=8):
    return torch.rand(count, length, 3, side, side, generator=generator())


def videos():
    frames = torch.randint(256, (30, 3, 8, 8), generator=generator(), dtype=torch.uint8)
    return VideoSet(
        "tiny",
        frames,
        torch.tensor([0, 10, 18, 30]),
        video={"activity": torch.tensor([0, 1, 0]), "speed": torch.rand(3, generator=generator())},
        frame={"joints": torch.rand(30, 3, 2, generator=generator()) * 8},
        names={"activity": ("throw", "kick")},
        skeleton=Skeleton(("a", "b", "c"), ((0, 1), (1, 2)), ("leg", "leg")),
    )


def history(rows=20):
    return pd.DataFrame({"step": range(rows), "loss": np.linspace(1, 0.1, rows), "accuracy": np.linspace(0.5, 1, rows)})


FIGURES = {
    "strip": lambda: show.strip(clips(), rows=["real", "fake"], titles=[*"abcd"], borders=[[None] * 4, ["red"] * 4]),
    "strip of one clip": lambda: show.strip((clips()[0] * 255).byte()),
    "grid": lambda: show.grid(clips()[0], titles=list("abcd"), columns=3, borders=["blue", None, None, None]),
    "contact sheet": lambda: show.contact_sheet(videos(), frames=5, generator=generator()),
    "skeletons": lambda: show.skeletons(videos().frames[:5], videos().frame["joints"][:5], ((0, 1), (1, 2))),
    "neighbours": lambda: show.neighbours(
        clips()[0, 0], {"ours": clips()[0], "HOG-LDA": clips()[1]}, correct={"ours": [True, False, True, True]}
    ),
    "filters": lambda: show.filters(torch.randn(5, 3, 3, 3, generator=generator())),
    "permutations": lambda: show.permutations([[0, 1, 2], [2, 0, 1]], names=["identity", "shuffled"]),
    "similarity": lambda: show.similarity_matrix({"a": np.eye(5), "b": np.ones((5, 5))}, fps=25),
    "ring": lambda: show.embedding_ring(np.random.default_rng(0).normal(size=(30, 2)), np.linspace(0, 1, 30),
                                        images=videos().frames, thumbnails=5),
    "curves": lambda: show.curves(history(), chance=0.5, smooth=3),
    "curves of two": lambda: show.curves({"ours": history(), "HOG-LDA": history().drop(columns="accuracy")}),
    "bars": lambda: show.bars({"ours": [0.8, 0.9], "random": 0.5}, floor=0.5, ceiling=0.95),
    "grouped bars": lambda: show.grouped_bars(pd.DataFrame({"ours": [1, 2], "HOG-LDA": [2, 1]}, index=["leg", "arm"])),
    "lines": lambda: show.lines(pd.DataFrame({"ours": [1, 2]}, index=[1, 5]), xlabel="k", ylabel="hits", chance=0.1),
    "ranks": lambda: show.ranks({"a": 1, "b": 2, "c": 3}, {"a": 3, "b": 2, "c": 1}),
    "confusion": lambda: show.confusion([[8, 2], [1, 9]], ["throw", "kick"]),
    "hamming": lambda: show.hamming_histogram({"two": [[0, 1, 2], [1, 2, 0]]}),
}  # fmt: skip


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_every_figure_is_described_readable_and_leaves_settings_alone(make):
    before = dict(matplotlib.rcParams)
    figure = make()
    assert len(figure.alt) > 20
    png = figure.png()
    assert dict(matplotlib.rcParams) == before
    picture = Image.open(io.BytesIO(png))
    assert picture.width <= 900
    assert len(picture.convert("RGB").resize((64, 64)).getcolors(5000)) > 2  # something is drawn
    for axes in figure.findobj(matplotlib.axes.Axes):
        if axes.lines or axes.containers:
            assert axes.get_xlabel() or axes.get_ylabel() or axes.texts, "an axis without a label"
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    assert min(sizes, default=6) >= 6


@pytest.mark.parametrize("name", ["strip", "bars"])
def test_same_input_gives_the_same_bytes(name):
    assert FIGURES[name]().png() == FIGURES[name]().png()


def test_a_given_description_replaces_the_made_one():
    assert show.strip(clips(), alt="Two clips").alt == "Two clips"


REFUSED = {
    "clips is": lambda: show.strip(torch.zeros(3, 8, 8)),
    "rows is": lambda: show.strip(clips(), rows=["only one"]),
    "images is": lambda: show.grid(torch.zeros(0, 3, 8, 8)),
    "contains NaN": lambda: show.grid(torch.full((1, 3, 8, 8), torch.nan)),
    "columns is 0": lambda: show.grid(clips()[0], columns=0),
    "joints is": lambda: show.skeletons(clips()[0], np.zeros((3, 5, 2)), []),
    "factors is 'spede'.*'speed'": lambda: show.contact_sheet(videos(), factors=["spede"]),
    "found is empty": lambda: show.neighbours(clips()[0, 0], {}),
    "weights is": lambda: show.filters(torch.zeros(4, 16, 3, 3)),
    "orders is": lambda: show.permutations([0, 0, 1]),
    "it takes finite numbers .N, N": lambda: show.similarity_matrix(np.zeros((2, 3))),
    "points is": lambda: show.embedding_ring(np.zeros((4, 3)), np.zeros(4)),
    "phase is": lambda: show.embedding_ring(np.zeros((4, 2)), np.zeros(3)),
    "column 'loss'": lambda: show.curves(pd.DataFrame({"step": [1]})),
    "values is empty": lambda: show.bars({}),
    "values is .nan.": lambda: show.bars({"ours": [float("nan")]}),
    "table is empty": lambda: show.grouped_bars(pd.DataFrame()),
    "at least two methods": lambda: show.ranks({"a": 1}, {"a": 2, "b": 1}),
    "none negative": lambda: show.confusion([[-1]], ["a"]),
    "P >= 2": lambda: show.hamming_histogram({"one": [[0, 1]]}),
    "alt is empty": lambda: show.display_figure(matplotlib.figure.Figure()),
}


@pytest.mark.parametrize(("message", "make"), REFUSED.items(), ids=REFUSED)
def test_bad_input_is_refused_by_name(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_frames_are_drawn_where_they_belong():
    """Flat frames of known colours: each appears in the picture, left to right, in the order given."""
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    figure = show.strip(colours[:, :, None, None].expand(3, 3, 8, 8))
    canvas = figure.axes[0].images[0].get_array()
    middles = [canvas[canvas.shape[0] // 2, int(x)] for x in (4, 14, 24)]
    assert np.allclose(middles, colours)


def test_columns_of_a_strip_are_moments_unless_said_otherwise():
    assert show.strip(clips()).axes[0].get_xlabel() == "position in the clip (frames)"
    bare = show.strip(clips(), titles=[""] * 4, xlabel="")
    assert bare.axes[0].get_xlabel() == ""
    assert bare.get_figheight() < show.strip(clips()).get_figheight() - 0.4


def test_axes_and_legends_drawn_by_a_notebook_are_in_the_style_of_the_course():
    figure = show.new_figure("A test")
    axes = figure.subplots()
    axes.plot([0, 1], label="a")
    assert not axes.spines["top"].get_visible()
    assert not axes.legend().get_frame_on()
    assert not figure.legend().get_frame_on()
    assert figure.subplots(1, 2)[1].xaxis.label.get_size() == 11
    assert figure.subplots(subplot_kw={"projection": "polar"}).name == "polar"


def test_curves_take_a_history_indexed_by_step():
    class History:
        frame = history().set_index("step")

    line = show.curves(History()).axes[0].lines[0]
    assert line.get_xdata().tolist() == list(range(20))
    assert np.allclose(line.get_ydata(), history()["loss"])


def test_average_is_of_all_neighbours_not_only_of_those_shown():
    found = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    figure = show.neighbours(torch.zeros(3, 8, 8), {"ours": found}, shown=1)
    canvas = figure.axes[0].images[0].get_array()
    assert np.allclose(canvas[5, -4], 0.5)


def test_similarity_is_red_when_high_and_blue_when_low():
    image = show.similarity_matrix(np.array([[1.0, 0.0], [0.0, 1.0]])).axes[0].images[0]
    high, low = image.cmap(image.norm(1.0)), image.cmap(image.norm(0.0))
    assert high[0] > high[2]
    assert low[2] > low[0]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8))
@settings(max_examples=20, deadline=None)
def test_interval_agrees_with_scipy(values):
    from scipy.stats import sem, t

    mean, low, high = show.interval(values)
    assert low <= mean <= high
    error = sem(values)
    if error > 0:
        assert np.allclose([low, high], t.interval(0.95, len(values) - 1, np.mean(values), error))


def test_interval_of_one_seed_is_the_number():
    assert show.interval(0.7) == (0.7, 0.7, 0.7)


def test_method_keeps_its_colour_however_it_is_written():
    assert show.colour("Exemplar-SVM") == show.colour("exemplar svm") == show.colour("Exemplar-SVM (recorded)")
    assert show.colour("ours") != show.colour("CliqueCNN") != show.colour("random")
    assert show.colour("some new method") == show.colour("Some New Method")
    core = [
        "ours",
        "random",
        "supervised",
        "cliquecnn",
        "hoglda",
        "exemplarsvm",
        "exemplarcnn",
        "shuffleandlearn",
        "imagenet",
    ]
    assert len({METHOD_COLOURS[key] for key in core}) == len(core)


@pytest.mark.parametrize(
    "board",
    [
        "position jigsaw rotation context context_adversary counting colour colour_regression split_brain exemplar "
        "deep_cluster labels random",
        "simclr moco_v1 moco_v2 npid cpc swav byol simsiam rotation supervised random",
        "rot lci warp rot_lci warp_lci ours supervised random",
        "order_prediction shuffle_learn clip_order odd_one_out arrow_of_time playback_rate rotation cubic_puzzles "
        "colourisation cycle_tracking dense_prediction temporal_coherence labels random",
        "ours binary multiclass joint jigsaw opn shuffle_learn supervised_elsewhere random",
        "joint serial spatial temporal opn supervised random",
    ],
)
def test_methods_of_one_board_differ_in_colour(board):
    methods = board.split()
    assert len({show.colour(name) for name in methods}) == len(methods)


def test_plain_bars_are_alike_and_numbers_stand_beyond_all_dots():
    axes = show.bars({"lens": [1, 1, 4], "deep cluster": 2, "odd one out": 3}, plain=True).axes[0]
    bars = axes.patches
    assert {(bar.get_facecolor(), bar.get_hatch()) for bar in bars} == {(bars[0].get_facecolor(), None)}
    assert axes.texts[0].get_position()[0] > max(4, show.interval([1, 1, 4])[2])


def test_dyes_give_single_bars_a_colour():
    one, two = show.bars({"a": 1, "b": 2}, plain=True, dyes={"b": "#123456"}).axes[0].patches
    assert one.get_facecolor() == to_rgba(show.OKABE_ITO["blue"], 0.85)
    assert two.get_facecolor() == to_rgba("#123456", 0.85)


def test_chance_stands_last_in_the_legend_of_grouped_bars():
    table = pd.DataFrame({"ours": [1, 2], "random": [2, 1]}, index=["leg", "arm"])
    names = [text.get_text() for text in show.grouped_bars(table, chance=0.5).legends[0].get_texts()]
    assert names == ["ours", "random", "chance 0.5"]


def test_scoreboard_takes_a_table_and_marks_what_only_earlier_runs_have():
    board = show.Scoreboard("accuracy, %")
    earlier = [{"random": {"probe": 9}, "deep_cluster": {"probe": 50 + n}} for n in range(3)] + [{"random": {}}]
    board.add_table({"random": {"probe": 10}}, "probe", kinds={"random": "floor"}, recorded=earlier)
    rows = board.frame.set_index("method")
    assert rows["recorded"].to_dict() == {"random": False, "deep cluster": True}
    assert rows["values"].to_dict() == {"random": [10.0], "deep cluster": [50.0, 51.0, 52.0]}
    assert rows["kind"].to_dict() == {"random": "floor", "deep cluster": "baseline"}


def test_bars_hatch_the_second_method_of_a_colour():
    bars = show.bars({"deep cluster": 1, "rotation": 2, "odd one out": 3, "warp lci": 4}).axes[0].patches
    hatches = [bar.get_hatch() for bar in bars]
    assert hatches == [None, None, *hatches[2:]]
    assert len({None, *hatches}) == 3


def test_names_of_one_figure_do_not_share_a_colour_given_by_letters():
    twins = ["motions, ordered", "postures, shuffled"]
    assert len({show.colour(name) for name in twins}) == 1
    assert len(set(show.colours(twins).values())) == 2
    many = ["no pooling", *(f"max-pool {2**n}" for n in range(1, 6)), "imagenet", "ours (recorded)", "Ours"]
    found = show.colours(many)
    assert list(found) == many
    assert len(set(found.values())) == len(many) - 1  # one name, twice
    assert all(found[name] == show.colour(name) for name in many[-3:])  # a name of the table keeps its colour
    board = [f"method {n}" for n in range(30)]  # more than there are colours
    assert show.colours(board).keys() == set(board)


def test_curves_lines_and_bars_keep_names_apart():
    twins = ["motions, ordered", "postures, shuffled"]
    table = pd.DataFrame(dict.fromkeys(twins, [0.1, 0.2]))
    drawn = show.lines(table, xlabel="x", ylabel="y").axes[0].lines, show.grouped_bars(table).axes[0].containers
    assert len({line.get_color() for line in drawn[0]}) == 2
    assert len({bars.patches[0].get_facecolor() for bars in drawn[1]}) == 2
    figure = show.curves(dict.fromkeys(twins, history()), chance=0.5)
    assert len({line.get_color() for line in figure.axes[0].lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*twins, "chance 0.5"]  # once, not per panel


def test_line_of_chance_does_not_lie_on_the_frame():
    axes = show.lines(pd.DataFrame({"a": [0.3, 0.9]}), xlabel="x", ylabel="y", chance=0.1).axes[0]
    assert axes.get_ylim()[0] < 0.09


@pytest.mark.parametrize("kind", ["wheel", "noise"])
def test_few_colours_are_still_the_right_colours(kind):
    """256 colours, whatever else fills the picture: white is white, black is black, no colour is far off."""
    figure = show.new_figure("a picture", 4, 3)
    canvas, text = figure.subplots(1, 2, width_ratios=[2, 1])
    if kind == "wheel":
        y, x = torch.meshgrid(*[torch.linspace(-1, 1, 101)] * 2, indexing="ij")
        hue = torch.atan2(y, x) / (2 * torch.pi) + 0.5
        pixels = matplotlib.colors.hsv_to_rgb(torch.stack([hue, (x**2 + y**2).sqrt().clamp(max=1), hue**0], -1))
    else:
        pixels = torch.rand(60, 60, 3, generator=generator()).numpy()
    canvas.imshow(pixels)
    text.text(0, 0.5, "black text", weight="bold")
    full = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(full, format="png", dpi=100)
    full, few = (np.asarray(Image.open(png).convert("RGB")).astype(int) for png in (full, io.BytesIO(figure.png())))
    away = np.abs(few - full).max(2)
    assert len(np.unique(few.reshape(-1, 3), axis=0)) <= 256
    assert away.max() <= 48
    assert away.mean() < 9
    for exact in (0, 255):
        assert (few[(full == exact).all(2)] == exact).all()
        assert (full == exact).all(2).sum() > 50


def test_notebook_output_carries_the_description_in_every_form():
    data, metadata = mimebundle(b"png", 'a "quoted" <figure>')
    assert 'alt="a &quot;quoted&quot; &lt;figure&gt;"' in data["text/html"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == 'a "quoted" <figure>'
    assert base64.b64decode(data["image/png"]) == b"png"


def test_a_figure_of_pyplot_is_closed_after_it_was_shown(monkeypatch):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **rest: shown.append(data))
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    show.display_figure(figure, alt="A line going up")
    assert len(shown) == 1
    assert shown[0]["text/plain"] == "A line going up"
    assert not plt.fignum_exists(figure.number)


def test_our_figures_never_enter_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    assert show.bars({"ours": 1.0}).png()
    assert plt.get_fignums() == before


def board():
    board = show.Scoreboard("mean AUC", chance=0.5)
    board.add("random", [0.5, 0.52], kind="floor")
    board.add("ours", [0.8, 0.84], kind="ours")
    board.add("CliqueCNN", 0.7, recorded=True)
    board.add("supervised", 0.9, kind="ceiling")
    return board


def test_scoreboard_orders_replaces_and_marks_what_was_recorded():
    table = board()
    assert list(table.frame["method"]) == ["supervised", "ours", "CliqueCNN", "random"]
    assert "recorded run" in repr(table)
    assert "recorded run" in table._repr_html_()
    table.add("CliqueCNN", 0.95)
    assert list(table.frame["method"])[0] == "CliqueCNN"
    assert len(table.frame) == 4
    assert "recorded run" not in repr(table)
    with pytest.raises(ValueError, match="kind is 'best'"):
        table.add("x", 1.0, kind="best")


def test_scoreboard_figure_names_recorded_bars_and_draws_floor_and_ceiling():
    figure = board().figure()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["supervised", "ours", "CliqueCNN (recorded)", "random"]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["random floor 0.51", "supervised ceiling 0.9"]
    with pytest.raises(ValueError, match="empty"):
        show.Scoreboard("mean AUC").figure()


def test_scoreboard_puts_the_smallest_first_where_less_is_better():
    board = show.Scoreboard("error", higher_is_better=False)
    board.add("a", 0.2), board.add("b", 0.1)
    assert list(board.frame["method"]) == ["b", "a"]


def test_numbers_beside_the_source_have_both_ranks_and_dashes_for_what_is_missing():
    table = show.beside_seed({"ours": [0.7, 0.8], "random": 0.5}, {"ours": 0.83, "CliqueCNN": 0.79}).frame
    table = table.set_index("method")
    assert table.loc["ours"].tolist() == ["0.83", "0.75", 1, 1]
    assert table.loc["CliqueCNN", "rank here"] == "–"
    assert table.loc["random", "rank in the source"] == "–"


def test_recorded_numbers_beside_the_source_are_marked_and_ranked():
    table = show.beside_seed({"a": 0.5}, {"a": 0.8, "b": 0.7}, recorded=[{"b": 0.6}, {"a": 0.1, "b": 0.8, "c": 0.9}])
    rows = table.frame.set_index("method")
    assert rows.index.tolist() == ["a", "b"]
    assert rows.loc["a"].tolist() == ["0.8", "0.5", 1, 2]
    assert rows.loc["b"].tolist() == ["0.7", "0.7 (recorded)", 2, 1]
    assert table.caption.endswith("this run and means over the recorded runs (marked)")
    assert "this run" not in show.beside_seed({}, {"b": 0.7}, recorded=[{"b": 0.6}]).caption
    assert "recorded" not in show.beside_seed({"a": 0.5}, {"a": 0.8}, recorded=[{"a": 0.1}]).caption


def test_verdicts_are_words_and_signs_and_are_escaped():
    rows = [
        {"claim": "C3.2", "statement": "ours > <b>", "verdict": "reproduced", "here": "0.8"},
        {"claim": "C3.1", "statement": "multi-class", "verdict": "contradicted"},
    ]
    html = show.verdicts(rows)._repr_html_()
    assert "✔ reproduced" in html
    assert "✘ contradicted" in html
    assert "&lt;b&gt;" in html
    with pytest.raises(ValueError, match="verdict is 'reproducd'.*'reproduced'"):
        show.verdicts([{**rows[0], "verdict": "reproducd"}])
    with pytest.raises(ValueError, match="lacks .'verdict'"):
        show.verdicts([{"claim": "C3.2", "statement": "x"}])


def test_every_verdict_of_the_ledger_can_be_shown():
    from course_lib.claims import VERDICTS
    from course_lib.show import tables

    assert list(tables.VERDICTS) == list(VERDICTS)
    for verdict in VERDICTS:
        assert verdict in show.verdicts([{"claim": "C1", "statement": "x", "verdict": verdict}])._repr_html_()
