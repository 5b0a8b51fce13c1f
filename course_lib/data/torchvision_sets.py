"""Image sets that torchvision downloads, as a `VideoSet` whose videos are single frames."""

import numpy as np
import torch

from ..checks import check_choice, check_positive
from .cache import FrameWriter, decoded_once
from .fetching import FetchError, cache_root, disk_errors
from .video import fit_frames
from .videos import VideoSet


def open_torchvision(
    dataset: str,
    splits: dict[str, dict],
    split: str = "train",
    size: int = 64,
    *,
    fit: str = "crop",
    max_videos: int | None = None,
    cache: bool = True,
    progress: bool = True,
) -> VideoSet:
    """The images of ``torchvision.datasets.<dataset>``, each a video of one frame, resized to ``size`` x
    ``size``.

    splits: for each split the arguments of the torchvision class. max_videos: so many images, evenly spread
    over the set. Where a target is one integer it is ``video["label"]``; a row of zeros and ones is
    ``video["attributes"]``, as in the world of scenes. The folders of COURSE_DATA are
    looked into before anything is downloaded; torchvision verifies its downloads itself (MD5). Raises
    ValueError for an unknown split, `FetchError` if the set is not there and cannot be downloaded.
    """
    arguments = splits[check_choice("split", split, tuple(splits))]
    check_positive("size", size)
    if max_videos is not None:
        check_positive("max_videos", max_videos)

    def fill(writer: FrameWriter) -> dict:
        from tqdm.auto import tqdm

        images = _images(dataset, arguments)
        count = len(images) if max_videos is None else min(max_videos, len(images))
        labels, attributes = [], []
        chosen = (i * len(images) // count for i in range(count))
        for index in tqdm(chosen, total=count, desc=dataset, unit="image", disable=not progress):
            image, target = images[index]
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
            writer.append(fit_frames(pixels, size, fit))
            parts = [torch.as_tensor(p) for p in _parts(target) if isinstance(p, (int, torch.Tensor))]
            labels.append(next((int(p) for p in parts if p.ndim == 0 and p >= 0), None))  # STL-10: unlabelled is -1
            attributes += [p.tolist() for p in parts if p.ndim == 1]
        asked = [name for name in getattr(images, "attr_names", []) if name]  # CelebA's line of names ends in a space
        return {
            "labels": labels,
            "classes": list(getattr(images, "classes", [])),
            "attributes": attributes,
            "attribute_names": asked,
        }

    key = {"dataset": dataset, "arguments": arguments, "fit": fit, "max_videos": max_videos}
    frames, about = decoded_once(dataset.lower(), key, (3, size, size), fill, cache=cache)
    video = {} if None in about["labels"] else {"label": torch.tensor(about["labels"])}
    names = {"label": tuple(map(str, about["classes"]))} if video and about["classes"] else {}
    if about.get("attributes"):  # sets decoded by an older version have none
        video["attributes"] = torch.tensor(about["attributes"])
        names["attributes"] = tuple(about["attribute_names"])
    return VideoSet(dataset.lower(), frames, torch.arange(len(frames) + 1), video=video, names=names)


def _parts(target) -> tuple:
    """What torchvision gives beside a picture: one thing, or a tuple where several were asked for."""
    return target if isinstance(target, tuple) else (target,)


def _images(dataset: str, arguments: dict):
    import torchvision

    from .catalogue import data_folders

    make = getattr(torchvision.datasets, dataset)
    root = cache_root() / "torchvision"
    for place in (*data_folders(), root):
        try:
            return make(place, download=False, **arguments)
        except RuntimeError:  # torchvision's way to say that the files are not there, or not whole
            continue
    try:
        with disk_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            return make(root, download=True, **arguments)
    except (OSError, RuntimeError) as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"torchvision could not download {dataset}: {error}") from error
