"""Widgets: the picture follows the controls, errors are shown, and a saved notebook shows the picture without
a kernel.
"""

import asyncio
import base64
import re

import ipywidgets
import nbformat
import pytest
import torch

from course_lib import show
from course_lib.show.widgets import control

VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"


def clips(count=3, length=5):
    return torch.rand(count, length, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def probability(batch):
    """How far the brightness rises, as a number in [0, 1] that depends on the order."""
    return torch.sigmoid(20 * (batch[:, -1] - batch[:, 0]).mean((1, 2, 3)))


@pytest.mark.parametrize(
    ("choice", "kind", "value"),
    [
        ((1, 5), ipywidgets.IntSlider, 1),
        ((0.0, 1.0, 0.1), ipywidgets.FloatSlider, 0.0),
        ((0, 1.5), ipywidgets.FloatSlider, 0.0),
        ((1, 5, 1, 3), ipywidgets.IntSlider, 3),
        ((-3.0, 3.0, 0.25, 0.0), ipywidgets.FloatSlider, 0.0),
        (["a", "b"], ipywidgets.Dropdown, "a"),
        ({"one": 1, "two": 2}, ipywidgets.Dropdown, 1),
        (True, ipywidgets.Checkbox, True),
    ],
)
def test_shortcuts_make_controls(choice, kind, value):
    made = control("some_name", choice)
    assert type(made) is kind
    assert made.value == value
    assert made.description == "some name"


@pytest.mark.parametrize("choice", [(5, 1), (1,), [], {}, "text", None, 3])
def test_what_is_no_control_is_refused(choice):
    with pytest.raises(ValueError, match="k is"):
        control("k", choice)


@pytest.mark.parametrize("start", [0, 6])
def test_a_start_out_of_range_is_refused(start):
    with pytest.raises(ValueError, match=f"k starts at {start}; it takes a start from 1 to 5"):
        control("k", (1, 5, 1, start))


def test_picture_follows_the_control_and_tells_what_it_shows():
    seen = []

    def draw(k):
        seen.append(k)
        return show.strip(clips()[0, :k])

    explorer = show.explorer(draw, k=(2, 4), alt=lambda k: f"{k} frames")
    first = explorer.png
    explorer.controls["k"].value = 4
    assert seen == [2, 4]
    assert explorer.png != first
    assert 'alt="4 frames"' in explorer.picture.value
    assert base64.b64encode(explorer.png).decode() in explorer.picture.value


def test_quick_moves_are_drawn_once():
    seen = []

    async def drag():
        explorer = show.explorer(lambda k: seen.append(k) or show.strip(clips()[0]), k=(0, 50))
        for k in range(1, 50):
            explorer.controls["k"].value = k
        await asyncio.sleep(0.3)

    asyncio.run(drag())
    assert seen == [0, 49]


def test_first_error_stops_the_cell_later_ones_are_shown():
    def draw(k):
        if k == 3:
            raise RuntimeError("no <picture> for 3")
        return show.strip(clips()[0])

    with pytest.raises(RuntimeError, match="no <picture>"):
        show.explorer(draw, k=(3, 4))
    explorer = show.explorer(draw, k=(2, 4))
    explorer.controls["k"].value = 3
    assert "RuntimeError: no &lt;picture&gt; for 3" in explorer.message.value
    assert explorer.picture.layout.display == "none"  # an old picture would be taken for the new one
    explorer.controls["k"].value = 4
    assert explorer.message.value == ""
    assert explorer.picture.layout.display is None


def test_explorer_takes_a_control_and_a_description():
    with pytest.raises(ValueError, match="controls is empty"):
        show.explorer(lambda: show.strip(clips()))
    with pytest.raises(ValueError, match="alt is empty"):
        show.explorer(lambda k: __import__("matplotlib").figure.Figure(), k=(1, 2))


def press(explorer, text):
    buttons = [w for row in explorer.box.children[:-2] for w in row.children if isinstance(w, ipywidgets.Button)]
    next(button for button in buttons if button.description == text).click()


def test_shuffle_explorer_shows_the_networks_probability_of_the_order_chosen():
    asked = []
    explorer = show.shuffle_explorer(clips(), lambda batch: asked.append(batch) or probability(batch), seed=3)
    drawn = torch.randperm(5, generator=torch.Generator().manual_seed(3))
    assert [int(tag) - 1 for tag in explorer.controls["order"].value] == drawn.tolist()
    assert torch.equal(asked[-1], torch.stack([clips()[0], clips()[0][drawn]]))
    press(explorer, "reverse")
    assert torch.equal(asked[-1][1], clips()[0][drawn.flip(0)])
    assert f"P(real) is {probability(asked[-1])[1]:.2f}" in explorer.description
    press(explorer, "real order")
    assert torch.equal(asked[-1][1], clips()[0])
    press(explorer, "swap positions")
    assert torch.equal(asked[-1][1], clips()[0][[1, 0, 2, 3, 4]])
    explorer.controls["clip"].value = 2
    assert torch.equal(asked[-1][1], clips()[2][[1, 0, 2, 3, 4]])


def test_shuffle_explorer_is_patient_while_frames_are_being_dragged():
    explorer = show.shuffle_explorer(clips(), probability)
    explorer.controls["order"].value = ["1", "2"]
    assert "each of 1 … 5 once" in explorer.message.value
    press(explorer, "real order")
    assert explorer.message.value == ""


def test_shuffle_explorer_calls_without_gradients_and_refuses_what_is_no_probability():
    weight = torch.nn.Parameter(torch.ones(()))
    show.shuffle_explorer(clips(), lambda batch: torch.sigmoid(weight * batch.mean((1, 2, 3, 4))))
    with pytest.raises(ValueError, match="probability gave"):
        show.shuffle_explorer(clips(), lambda batch: 5 + batch.mean((1, 2, 3, 4)))
    with pytest.raises(ValueError, match="at least 2"):
        show.shuffle_explorer(clips(length=1), probability)


def browser_input():
    frames = torch.randint(256, (12, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return frames, {"pixels": frames.flatten(1).float()}, torch.arange(12) // 4


def test_neighbours_come_from_other_groups_nearest_first(monkeypatch):
    frames, features, groups = browser_input()
    given = {}
    real = show.widgets.neighbours
    monkeypatch.setattr(show.widgets, "neighbours", lambda q, f, **k: given.update(q=q, f=f) or real(q, f, **k))
    explorer = show.neighbour_browser(frames, features, groups, query=5, k=3)
    unit = torch.nn.functional.normalize(features["pixels"], dim=1)
    allowed = [n for n in range(12) if groups[n] != groups[5]]
    best = sorted(allowed, key=lambda n: -float(unit[n] @ unit[5]))[:3]
    assert torch.equal(given["f"]["pixels"], frames[best])
    explorer.controls["query"].value = 0
    assert torch.equal(given["q"], frames[0])
    assert explorer.controls["k"].max == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {}}, "features is empty"),
        ({"features": {"a": torch.zeros(3, 2)}}, r"features\['a'\] is"),
        ({"groups": torch.zeros(12)}, "one group only"),
        ({"groups": torch.zeros(3)}, "groups is"),
        ({"query": 12}, "query is 12"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_neighbour_browser_refuses_bad_input(change, message):
    frames, features, groups = browser_input()
    with pytest.raises(ValueError, match=message):
        show.neighbour_browser(**{"frames": frames, "features": features, "groups": groups, **change})


def test_saved_notebook_is_valid_and_shows_the_picture_without_a_kernel():
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    source = (
        "import torch\nfrom course_lib import show\nclips = torch.rand(2, 4, 3, 8, 8)\n"
        "show.shuffle_explorer(clips, lambda c: torch.full((2,), 0.25))"
    )
    cells = [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("show.bars({'ours': 0.5})")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    nbformat.validate(notebook)
    (output,), (figure,) = (cell.outputs for cell in notebook.cells)  # one output each: nothing is shown twice
    assert {VIEW, "image/png", "text/html", "text/plain"} <= set(output.data)
    assert "P(real) is 0.25" in output.data["text/plain"]
    assert figure.metadata["image/png"]["alt"] == figure.data["text/plain"]
    saved = notebook.metadata["widgets"][STATE]
    assert (saved["version_major"], saved["version_minor"]) == (2, 0)
    assert output.data[VIEW]["model_id"] in saved["state"]
    assert len(str(saved)) < 100_000

    picture = output.data["image/png"].strip()
    assert any(picture in str(widget["state"].get("value", "")) for widget in saved["state"].values())
    static = ["text/html", "image/png", "text/plain"]  # what a page without scripts or network asks for
    exporter = HTMLExporter(config={"NbConvertBase": {"display_data_priority": static}})
    page = exporter.from_notebook_node(notebook)[0]
    images = re.findall(r"<img [^>]*>", page.split('<script type="application/vnd.jupyter.widget-state')[0])
    assert len(images) == 2
    assert picture in images[0]
    assert 'alt="Frames in the order' in images[0]
    assert 'alt="accuracy: ours 0.5"' in images[1]
