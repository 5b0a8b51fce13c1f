"""Real images that lie inside packages which the course needs anyway: nothing is downloaded, and it works offline."""

from importlib import resources
from pathlib import Path

import torch

from ..checks import check_choice, check_positive
from .fetching import FetchError
from .video import fit_frames
from .videos import VideoSet


def open_digits(split: str = "train", size: int = 64, *, fit: str = "crop", progress: bool = True) -> VideoSet:
    """scikit-learn's digits: 1797 handwritten digits of 8 x 8 pixels in 17 levels, each a video of one frame.

    split: "train" (the first 1000), "test" (the other 797) or "all". Neighbours in the file are by one writer, so the
    file is cut once and not drawn from at random. Grey is repeated to three channels.
    ``video["label"]`` is the digit. Raises ValueError for a bad split or size, `FetchError` if the file is not there.
    """
    first, last = {"train": (0, 1000), "test": (1000, 1797), "all": (0, 1797)}[
        check_choice("split", split, ("train", "test", "all"))
    ]
    check_positive("size", size)
    file("sklearn", "datasets/data/digits.csv.gz")
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = torch.from_numpy(digits.images[first:last]).mul(255 / 16).round().to(torch.uint8)
    frames = fit_frames(pixels[:, None].repeat(1, 3, 1, 1), size, fit)
    return _stills("digits", frames, "label", torch.from_numpy(digits.target[first:last]), "0123456789")


PHOTOGRAPHS = {
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "grace hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}


def open_photographs(split: str = "all", size: int = 64, *, fit: str = "crop", progress: bool = True) -> VideoSet:
    """Three photographs, each a video of one frame: a Chinese temple, a flower, Rear Admiral Grace Hopper.

    split: any of "train", "test", "all" gives all three: they are for looking, not for learning. ``video["name"]``
    says which. Raises ValueError for a bad split or size, `FetchError` if a file is not there.
    """
    import numpy as np
    from PIL import Image

    check_choice("split", split, ("train", "test", "all"))
    check_positive("size", size)
    frames = []
    for place in PHOTOGRAPHS.values():
        with Image.open(file(*place)) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
        frames.append(fit_frames(pixels, size, fit))
    return _stills("photographs", torch.cat(frames), "name", torch.arange(len(frames)), PHOTOGRAPHS)


OPENERS = {"digits": open_digits, "photographs": open_photographs}


def file(package: str, path: str) -> Path:
    """A file inside an installed package. Raises `FetchError` if the package or the file is not there."""
    try:
        found = Path(str(resources.files(package))) / path
    except ModuleNotFoundError as error:
        raise FetchError(f"the package {package!r} is not installed; it holds {path}") from error
    if not found.is_file():
        raise FetchError(f"the installed package {package!r} lacks {path}: install the whole package, with its data")
    return found


def _stills(name, frames, factor, values, names):
    starts = torch.arange(len(frames) + 1)
    return VideoSet(name, frames, starts, video={factor: values}, names={factor: tuple(names)})
