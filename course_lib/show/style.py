"""How every figure of the course looks: palette, fonts, the colour of each method, and the `Figure` they
return.

Colours are those of Okabe and Ito (2008), which people with any common form of colour blindness can tell
apart. A method keeps its colour in all chapters. Figures never enter pyplot's list, so a notebook cannot show
one twice.
"""

import base64
import html
import io
import re
import zlib

import matplotlib
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
GREY = "#8C8C8C"
GOOD, BAD = (
    OKABE_ITO["blue"],
    OKABE_ITO["vermillion"],
)  # always with a word, a sign or a line style beside them

METHOD_COLOURS = {
    "ours": OKABE_ITO["vermillion"],
    "temporalpermutation": OKABE_ITO["vermillion"],
    "lstmpermutation": OKABE_ITO["vermillion"],
    "random": GREY,
    "randominit": GREY,
    "randomweights": GREY,
    "chance": GREY,
    "supervised": OKABE_ITO["black"],
    "imagenet": OKABE_ITO["sky blue"],
    "cliquecnn": OKABE_ITO["blue"],
    "hoglda": OKABE_ITO["orange"],
    "exemplarsvm": OKABE_ITO["yellow"],
    "exemplarcnn": OKABE_ITO["green"],
    "shufflelearn": OKABE_ITO["purple"],
    "shuffleandlearn": OKABE_ITO["purple"],
}
_FOR_OTHERS = [OKABE_ITO[name] for name in ("sky blue", "green", "purple", "orange", "blue")]

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


def colour(method: str) -> str:
    """The colour of a method, the same in every figure of every chapter.

    Case, spaces, punctuation and remarks in brackets do not matter ("Exemplar-SVM" is "exemplar svm"). A name
    that the table does not list gets one of five colours from its letters, so it too keeps its colour.
    """
    key = re.sub(r"\(.*?\)|[^a-z0-9]", "", method.lower())
    return METHOD_COLOURS.get(key) or _FOR_OTHERS[zlib.crc32(key.encode()) % len(_FOR_OTHERS)]


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure with a description, ``alt``; a notebook shows it once, and the description with it."""

    alt: str = ""

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
    # Without dithering, flat areas stay flat and text stays clean.
    small = Image.open(full).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
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
