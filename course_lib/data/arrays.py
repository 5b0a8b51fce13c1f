"""Image sets that a package holds as one array: the files are fetched like all others, and read here."""

from pathlib import Path

import numpy as np
import torch

from ..checks import check_choice, check_positive
from .fetching import FetchError
from .installed import _stills
from .video import fit_frames
from .videos import VideoSet

_FACES, _TRAIN = 100, 70  # of each kind: pictures, and how many of them are for training


def open_faces(
    folder: str | Path, split: str = "train", size: int = 64, *, fit: str = "crop", progress: bool = True
) -> VideoSet:
    """scikit-image's part of Labeled Faces in the Wild: 100 faces, 100 pieces of background, grey, 25 x 25 pixels.

    folder: holds lfw_subset.npy. split: "train" (the first 70 of each kind), "test" (the other 30) or "all"; faces
    first. Each picture is a video of one frame, grey repeated to three channels. ``video["label"]`` is 1 for a face.
    Raises ValueError for a bad split or size, `FetchError` if the file is not there or holds something else.
    """
    first, last = {"train": (0, _TRAIN), "test": (_TRAIN, _FACES), "all": (0, _FACES)}[
        check_choice("split", split, ("train", "test", "all"))
    ]
    check_positive("size", size)
    path = Path(folder) / "lfw_subset.npy"
    try:
        pictures = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FetchError(f"{path} cannot be read as an array: {error}") from error
    if pictures.shape != (2 * _FACES, 25, 25):
        raise FetchError(f"{path} holds an array of {pictures.shape}; it should be {(2 * _FACES, 25, 25)}")
    both = torch.from_numpy(pictures).unflatten(0, (2, _FACES))[:, first:last].flatten(0, 1)
    pixels = both.mul(255).round().clamp(0, 255).to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
    labels = torch.tensor([1, 0]).repeat_interleave(last - first)
    return _stills("faces", fit_frames(pixels, size, fit), "label", labels, ("no face", "face"))


READERS = {"faces": open_faces}
