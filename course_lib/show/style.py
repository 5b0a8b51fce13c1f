"""How every figure of the course looks: palette, fonts, the colour of each method, and the `Figure` they
return.

Colours are those of Okabe and Ito (2008), which people with any common form of colour blindness can tell
apart, and five shades of them. A method keeps its colour in all chapters; methods of one chapter differ, or, where
a chapter has more of them than there are colours, `bars` hatches the second of a colour. Figures never enter
pyplot's list, so a notebook cannot show one twice.
"""

import base64
import html
import io
import re
import zlib
from collections.abc import Iterable

import matplotlib
import matplotlib.axes
import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
# Shades of sky blue, green, blue, vermillion and purple, farther from each other and from all of the above than these
# are among themselves, for normal sight and each form of colour blindness.
SHADES = {
    "pale blue": "#C4E5F7",
    "pine": "#00573F",
    "navy": "#00283E",
    "brown": "#4B2100",
    "plum": "#854F6D",
}
GREY = "#8C8C8C"
GOOD, BAD = (
    OKABE_ITO["blue"],
    OKABE_ITO["vermillion"],
)  # always with a word, a sign or a line style beside them

_METHODS = {  # colour: who has it; two names in one row are akin, or are never in one figure
    "black": "supervised, labels, labelsframes",
    "orange": "hoglda, rotation, rot, joint",
    "sky blue": "imagenet, counting, swav, arrowoftime, multiclass, temporal, artifacts",
    "green": "exemplarcnn, colourregression, mocov2, colourisation, serial, rotlci",
    "yellow": "exemplarsvm, contextadversary, cubicpuzzles",
    "blue": "cliquecnn, colour, simclr, playbackrate, spatial, warp",
    "vermillion": "ours, srpwyes, temporalpermutation, lstmpermutation, temporalcoherence",
    "purple": "shufflelearn, shuffleandlearn, position, byol, lci",
    "pale blue": "splitbrain, cycletracking, binary",
    "pine": "jigsaw, mocov1, cliporder, hog",
    "navy": "exemplar, npid, orderprediction, opn",
    "brown": "context, cpc, denseprediction, supervisedelsewhere",
    "plum": "deepcluster, simsiam, oddoneout, warplci, gtnn",
}
METHOD_COLOURS = {
    method: (OKABE_ITO | SHADES)[name] for name, methods in _METHODS.items() for method in methods.split(", ")
} | dict.fromkeys(("random", "randominit", "randomweights", "randomframes", "chance"), GREY)
_FOR_OTHERS = [OKABE_ITO[name] for name in ("sky blue", "green", "purple", "orange", "blue")]
_SPARE = [SHADES[name] for name in ("plum", "pine", "brown", "navy")]  # where one figure has more than five such

STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture on every machine
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2.0,
    "image.interpolation": "nearest",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
styled = matplotlib.rc_context(STYLE)  # decorator: draw in this style, leave the user's settings alone
WIDTH = 8.0  # inches: the width of a notebook's output at 100 dots per inch
DPI = 100


def _key(method: str) -> str:
    return re.sub(r"\(.*?\)|[^a-z0-9]", "", method.lower())


def colour(method: str) -> str:
    """The colour of a method, the same in every figure of every chapter.

    Case, spaces, punctuation and remarks in brackets do not matter ("Exemplar-SVM" is "exemplar svm"). A name
    that the table does not list gets one of five colours from its letters, so it too keeps its colour.
    """
    key = _key(method)
    return METHOD_COLOURS.get(key) or _FOR_OTHERS[zlib.crc32(key.encode()) % len(_FOR_OTHERS)]


class _Axes(matplotlib.axes.Axes):
    legend = styled(matplotlib.axes.Axes.legend)


def colours(methods: Iterable[str]) -> dict[str, str]:
    """The colours of the methods of one figure: name → colour.

    As `colour`, but a name that has its colour from its letters takes the next free one when another method of the
    figure has that already.
    """
    key_of = {method: _key(method) for method in methods}
    found = {key: METHOD_COLOURS[key] for key in key_of.values() if key in METHOD_COLOURS}
    for method, key in key_of.items():
        if key not in found:
            own = colour(method)
            place = _FOR_OTHERS.index(own)
            turns = [*_FOR_OTHERS[place:], *_FOR_OTHERS[:place], *_SPARE]
            found[key] = next((dye for dye in turns if dye not in found.values()), own)
    return {method: found[key] for method, key in key_of.items()}


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure with a description, ``alt``; a notebook shows it once, and the description with it.

    Its axes and legends are in the course's style, whoever draws them.
    """

    alt: str = ""
    legend = styled(matplotlib.figure.Figure.legend)

    @styled
    def subplots(self, *args, subplot_kw=None, **options):
        return super().subplots(*args, subplot_kw=subplot_kw or {"axes_class": _Axes}, **options)

    def png(self, dpi: int = DPI) -> bytes:
        """The picture as PNG, 256 colours (a third of the size of full colour, hard to tell apart)."""
        return png_bytes(self, dpi)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return mimebundle(self.png(), self.alt)


def new_figure(alt: str, width: float = WIDTH, height: float = 3.0) -> Figure:
    """An empty figure, ``width`` by ``height`` inches, laid out so that nothing overlaps. ``alt`` describes
    it.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.alt = alt
    return figure


def png_bytes(figure: matplotlib.figure.Figure, dpi: int = DPI) -> bytes:
    """Any figure as PNG with at most 256 colours. The bytes depend on the picture alone (no date, no
    version).
    """
    from PIL import Image

    full = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(full, format="png", dpi=dpi)
    picture = Image.open(full).convert("RGB")
    # Maximum coverage keeps rare colours (a small colour wheel, black text), which median cut gives away to frequent
    # ones. k-means stops when fewer pixels than this change their colour; until none does takes seconds. Without
    # dithering, flat areas stay flat and text stays clean.
    stop = picture.width * picture.height // 8
    small = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=max(2, stop), dither=Image.Dither.NONE)
    # k-means takes white paper and black text along with their nearest greys: put them back.
    small.putpalette([0 if value < 4 else 255 if value > 251 else value for value in small.getpalette()])
    out = io.BytesIO()
    small.save(out, format="PNG", optimize=True)
    return out.getvalue()


def image_tag(png: bytes, alt: str) -> str:
    """``png`` inside an HTML ``<img>`` element, with its description and no wider than the page."""
    coded = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{coded}" alt="{html.escape(alt)}" style="max-width: 100%">'


def mimebundle(png: bytes, alt: str) -> tuple[dict, dict]:
    """``(data, metadata)`` of a notebook output that shows ``png`` and keeps ``alt`` wherever it is read.

    JupyterLab and nbconvert's HTML ignore the ``alt`` of an image/png output, so the picture is given as
    text/html too (an ``<img alt>``, which both prefer); image/png with ``alt`` in its metadata, the other
    convention, is for Sphinx, LaTeX and programs that collect pictures; text/plain is the description alone.
    """
    coded = base64.b64encode(png).decode()
    return {"text/html": image_tag(png, alt), "image/png": coded, "text/plain": alt}, {"image/png": {"alt": alt}}


def display_figure(figure: matplotlib.figure.Figure, alt: str | None = None, dpi: int = DPI) -> None:
    """Show a figure in a notebook, once, with a description for those who cannot see it; then close it.

    ``alt`` is taken from the figure when it comes from this package. For a figure made with pyplot, give it
    here. Raises ValueError when there is no description.
    """
    import sys

    from IPython.display import display

    alt = alt or getattr(figure, "alt", "")
    if not alt.strip():
        raise ValueError("alt is empty; it takes a sentence saying what the figure shows")
    data, metadata = mimebundle(png_bytes(figure, dpi), alt)
    display(data, metadata=metadata, raw=True)
    if "matplotlib.pyplot" in sys.modules:  # a figure that pyplot knows would be drawn again at the end of the cell
        sys.modules["matplotlib.pyplot"].close(figure)
