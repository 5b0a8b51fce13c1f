"""Widgets: controls that redraw a picture. Each stands on a pure function, values in, figure out.

A widget is one output with two faces: live where a kernel runs, and the same picture as PNG, with its description,
where none does (GitHub, nbviewer, print). nbconvert takes the live face, which needs scripts from the network, unless
told otherwise: ``--NbConvertBase.display_data_priority="['text/html', 'image/png', 'text/markdown', 'text/plain']"``.
"""

import asyncio
import html
import traceback
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import torch

from ..checks import check_choice, check_positive
from .images import as_pixels, check_labels, draw_order, neighbours, picture_row
from .style import GREY, OKABE_ITO, WIDTH, Figure, image_tag, mimebundle, new_figure, png_bytes, styled

_LOOK = {"style": {"description_width": "initial"}, "layout": {"width": "26em"}}
_SECONDS = 0.06  # a control must rest this long before the picture is drawn again


def control(name: str, choice) -> ipywidgets.Widget:
    """A control from a shortcut. Raises ValueError for a choice that has no control.

    A widget is taken as it is; True or False is a checkbox; (low, high), (low, high, step) or
    (low, high, step, start) a slider, of integers when all are, which begins at ``low`` unless told where; a list or
    a dict (label → value) a drop-down.
    """
    label = name.replace("_", " ")
    look = {"description": label, **_LOOK}
    if isinstance(choice, ipywidgets.Widget):
        return choice
    if isinstance(choice, bool):
        return ipywidgets.Checkbox(value=choice, **look)
    if isinstance(choice, tuple) and len(choice) in (2, 3, 4) and choice[0] < choice[1]:
        whole = all(isinstance(number, int) for number in choice)
        low, high = choice[:2]
        step = choice[2] if len(choice) > 2 else (1 if whole else (high - low) / 50)
        start = choice[3] if len(choice) > 3 else low
        if not low <= start <= high:
            raise ValueError(f"{name} starts at {start!r}; it takes a start from {low!r} to {high!r}")
        slider = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return slider(value=start, min=low, max=high, step=step, **look)
    if isinstance(choice, list | dict) and choice:
        return ipywidgets.Dropdown(options=list(choice.items()) if isinstance(choice, dict) else choice, **look)
    raise ValueError(
        f"{name} is {choice!r}; it takes a widget, True or False, (low, high[, step[, start]]) with low < high, "
        "a list, or a dict of label → value"
    )


class Explorer:
    """Controls above a picture that ``draw(**values)`` makes; see `explorer`.

    controls: name → widget. picture: the widget that holds the image. png, description: the image and what it
    shows. message: what went wrong at the last change, empty if
    nothing. box: everything together.
    """

    def __init__(self, draw: Callable[..., Figure], alt, dpi: int, controls: Mapping[str, object], extra=()):
        self.draw, self.alt, self.dpi = draw, alt, dpi
        self.controls = {name: control(name, choice) for name, choice in controls.items()}
        self.picture = ipywidgets.HTML()  # not ipywidgets.Image: that one cannot have a description
        self.message = ipywidgets.HTML()
        self._pending: asyncio.TimerHandle | None = None
        self._show()  # a mistake in the first picture is the author's: let it stop the cell
        for widget in self.controls.values():
            widget.observe(self._changed, names="value")
        row = ipywidgets.HBox([*self.controls.values(), *extra], layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([row, self.message, self.picture])

    @property
    def values(self) -> dict:
        """What the controls say now."""
        return {name: widget.value for name, widget in self.controls.items()}

    def _show(self) -> None:
        values = self.values
        figure = self.draw(**values)
        alt = self.alt(**values) if callable(self.alt) else self.alt or getattr(figure, "alt", "")
        if not alt.strip():
            raise ValueError("alt is empty; it takes a sentence saying what the picture shows")
        self.png, self.description = png_bytes(figure, self.dpi), alt
        self.picture.value = image_tag(self.png, alt)

    def update(self) -> None:
        """Draw again, now. An error of ``draw`` is shown, with its traceback, where the picture is."""
        self._pending = None
        try:
            self._show()
        except Exception as error:  # shown in full to whoever moved the control
            self.picture.layout.display = "none"
            told = html.escape("".join(traceback.format_exception(error)))
            self.message.value = (
                f'<p role="alert"><b>✘ {html.escape(f"{type(error).__name__}: {error}")}</b></p>'
                f"<details><summary>Traceback</summary><pre>{told}</pre></details>"
            )
        else:
            self.picture.layout.display = None
            self.message.value = ""

    def _changed(self, _) -> None:
        if self._pending is not None:
            self._pending.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no event loop, hence no stream of changes to wait for (a script, a test)
            self.update()
        else:
            self._pending = loop.call_later(_SECONDS, self.update)

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, metadata = mimebundle(self.png, self.description)
        live = self.box._repr_mimebundle_()
        data["application/vnd.jupyter.widget-view+json"] = live["application/vnd.jupyter.widget-view+json"]
        return data, metadata


def explorer(draw: Callable[..., Figure], *, alt=None, dpi: int = 80, **controls) -> Explorer:
    """Let a reader move the arguments of a figure. Shows itself when it is the last line of a cell.

    draw: called with the value of each control by name, returns a figure. alt: what the picture shows, a text
    or a function of the same values (the figure's own ``alt`` when None). controls: name → widget, or a
    shortcut as in `control`. dpi: dots per inch; small pictures keep the notebook small.

    An error of the first picture is raised; later ones are shown in the widget.

    >>> explorer(lambda k: show.strip(clip[:k]), k=(1, 8))
    """
    if not controls:
        raise ValueError("controls is empty; an explorer takes at least one control")
    return Explorer(draw, alt, check_positive("dpi", dpi), controls)


@styled
def shuffle_figure(clip, order: Sequence[int], real: float, shuffled: float) -> Figure:
    """A clip in a given order, which frame is shown when, and P(real) for the real and for this order.

    clip: (T, C, H, W). order: permutation of 0 … T-1. real, shuffled: probabilities in [0, 1].
    """
    order = [int(number) for number in order]
    shown = "-".join(str(number + 1) for number in order)
    alt = f"Frames in the order {shown}; P(real) is {shuffled:.2f}, and {real:.2f} for the real order"
    figure = new_figure(alt, WIDTH, 3.9)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.55])
    picture_row(top.subplots(), as_pixels("clip", clip, 4)[order], [f"frame {number + 1}" for number in order])
    left, right = bottom.subplots(1, 2, width_ratios=[1, 1.7])
    draw_order(left, order)
    for row, (value, dye) in enumerate([(real, GREY), (shuffled, OKABE_ITO["vermillion"])]):
        right.barh(row, value, color=dye, height=0.55)
        inside = value > 0.85
        right.text(
            value + (-0.02 if inside else 0.02),
            row,
            f"{value:.2f}",
            va="center",
            ha="right" if inside else "left",
            color="white" if inside else "black",
            fontsize=13,
            bbox=None if inside else {"facecolor": "#FFFFFFD0", "edgecolor": "none", "pad": 1},
        )
    right.axvline(0.5, color="black", ls=":", lw=1.3)
    right.set_yticks([0, 1], ["real order", "this order"])
    right.invert_yaxis()
    right.set_xlim(0, 1)
    right.set_xlabel("P(real) by the network; dotted: undecided")
    return figure


def shuffle_explorer(
    clips,
    probability: Callable[[torch.Tensor], torch.Tensor],
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    dpi: int = 80,
) -> Explorer:
    """Shuffle the frames of a clip and watch the network's P(real), live (seed 000, figures 3.12 and 3.13).

    clips: (B, T, C, H, W), float in [0, 1]. probability: clips (B, T, C, H, W) → P(real) (B,), in [0, 1];
    called without gradients. names: a label for each clip. seed: the first order is drawn with it. The frames
    can be dragged into any order, shuffled with a seed, reversed, swapped in pairs, and put back.
    """
    clips = torch.as_tensor(clips)
    as_pixels("clips", clips, 5)
    count, length = clips.shape[:2]
    if length < 2:
        raise ValueError(f"clips has {length} frame per clip; shuffling takes at least 2")
    labels = check_labels("names", names or [f"clip {number + 1}" for number in range(count)], count)
    tags = [str(number + 1) for number in range(length)]

    def shuffled(with_seed: int) -> list[str]:
        order = torch.randperm(length, generator=torch.Generator().manual_seed(with_seed))
        return [tags[number] for number in order.tolist()]

    def draw(clip: int, order: Sequence[str]) -> Figure:
        if sorted(order) != sorted(tags):
            raise ValueError(f"the order {' '.join(order)} lacks frames; it takes each of 1 … {length} once")
        chosen = [int(tag) - 1 for tag in order]
        both = torch.stack([clips[clip], clips[clip][chosen]])
        with torch.no_grad():
            chance = torch.as_tensor(probability(both)).detach().float().cpu()
        if chance.shape != (2,) or not ((chance >= 0) & (chance <= 1)).all():
            raise ValueError(f"probability gave {chance.tolist()} for 2 clips; it takes 2 numbers in [0, 1]")
        return shuffle_figure(clips[clip], chosen, *chance.tolist())

    clip = ipywidgets.Dropdown(options=list(zip(labels, range(count), strict=True)), description="clip", **_LOOK)
    order = ipywidgets.TagsInput(value=shuffled(seed), allowed_tags=tags, allow_duplicates=False)
    seeds = ipywidgets.IntSlider(value=seed, min=0, max=max(99, seed), description="shuffle with seed", **_LOOK)
    seeds.observe(lambda change: setattr(order, "value", shuffled(change["new"])), names="value")
    pair = [
        ipywidgets.Dropdown(options=tags, value=tags[place], layout={"width": "4em"}, tooltip=told)
        for place, told in ((0, "first position to swap"), (1, "second position to swap"))
    ]

    def swap() -> list[str]:
        now, (one, two) = list(order.value), (int(choice.value) - 1 for choice in pair)
        if max(one, two) < len(now):
            now[one], now[two] = now[two], now[one]
        return now

    buttons = []
    for text, change in (
        ("real order", lambda: tags),
        ("reverse", lambda: list(order.value)[::-1]),
        ("swap positions", swap),
    ):
        button = ipywidgets.Button(description=text, layout={"width": "auto"})
        button.on_click(lambda _, change=change: setattr(order, "value", change()))
        buttons.append(button)
    hint = ipywidgets.Label("drag the frames:")
    found = Explorer(draw, None, dpi, {"clip": clip, "order": order})
    rows = [[clip, seeds], [hint, order], [*buttons, *pair]]
    boxes = [ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows]
    found.box.children = [*boxes, found.message, found.picture]
    return found


def neighbour_browser(
    frames: torch.Tensor,
    features: Mapping[str, torch.Tensor],
    groups=None,
    *,
    query: int = 0,
    k: int = 20,
    shown: int = 6,
    dpi: int = 80,
) -> Explorer:
    """Pick a frame, see its nearest neighbours by cosine similarity in each representation, and their
    average.

    Seed 000, figures 3.15 and 3.17. frames: uint8 (N, C, H, W). features: method → (N, D). groups: (N,),
    which video (or subject) a frame comes from; a query does not find frames of its own group. k: neighbours
    averaged.
    """
    as_pixels("frames", frames[:1], 4)
    count = len(frames)
    units = {}
    for method, values in features.items():
        values = torch.as_tensor(values).detach().float().cpu().flatten(1)
        if len(values) != count or not torch.isfinite(values).all():
            raise ValueError(f"features[{method!r}] is {tuple(values.shape)}; it takes finite numbers ({count}, D)")
        units[method] = torch.nn.functional.normalize(values, dim=1)
    if not units:
        raise ValueError("features is empty; it takes at least one method")
    groups = torch.arange(count) if groups is None else torch.as_tensor(groups)
    if groups.shape != (count,):
        raise ValueError(f"groups is {tuple(groups.shape)}; it takes ({count},)")
    others = count - int(torch.unique(groups, return_counts=True)[1].max())
    most = min(100, others)
    if most < 1:
        raise ValueError("groups holds one group only; a query takes neighbours from other groups")

    def draw(query: int, k: int, method: str) -> Figure:
        chosen = units if method == "all" else {method: units[method]}
        found = {}
        for name, unit in chosen.items():
            near = (unit @ unit[query]).masked_fill(groups == groups[query], -torch.inf)
            found[name] = frames[near.topk(k).indices]
        return neighbours(frames[query], found, shown=shown, title=f"Neighbours of frame {query}")

    return Explorer(
        draw,
        None,
        dpi,
        {
            "query": ipywidgets.IntSlider(
                value=check_choice("query", query, range(count)),
                max=count - 1,
                description="query frame",
                **_LOOK,
            ),
            "k": ipywidgets.IntSlider(
                value=min(check_positive("k", k), most),
                min=1,
                max=most,
                description="neighbours averaged",
                **_LOOK,
            ),
            "method": ipywidgets.Dropdown(
                options=["all", *units] if len(units) > 1 else list(units), description="method", **_LOOK
            ),
        },
    )
