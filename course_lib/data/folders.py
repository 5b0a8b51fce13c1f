"""Real videos as a `VideoSet`: UCF-101, HMDB-51, Kinetics, key-point projects, and any folder of videos."""

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..checks import check_choice, check_positive
from . import layouts
from .cache import FrameWriter, decoded_once
from .keypoints import KeyPoints, find_tables, read_table
from .layouts import LAYOUTS, Item
from .video import (
    FITS,
    SHORT_POLICIES,
    VideoError,
    clip_indices,
    crop_frames,
    fit_box,
    fit_frames,
    iterate,
    probe,
)
from .videos import Skeleton, VideoSet

_TEST_PART, _GAP_PART = 0.2, 0.05


@dataclass(frozen=True)
class _Options:
    size: int
    fit: str
    crop: tuple[int, int, int, int] | None
    stride: int
    max_frames: int | None
    min_frames: int
    short: str
    skip_broken: bool


def open_folder(
    path: str | Path,
    layout: str = "auto",
    split: str = "train",
    fold: int = 1,
    size: int = 64,
    *,
    fit: str = "crop",
    crop: tuple[int, int, int, int] | None = None,
    stride: int = 1,
    max_frames: int | None = None,
    max_videos: int | None = None,
    min_frames: int = 1,
    short: str = "error",
    split_by: str = "video",
    joints: str = "*",
    skip_broken: bool = False,
    cache: bool = True,
    progress: bool = True,
) -> VideoSet:
    """Videos of a folder (or one video file), decoded once to ``size`` x ``size`` and memory-mapped
    afterwards.

    layout: "ucf101" and "hmdb51" (with their split files; ``fold`` 1-3), "kinetics" (CSV), "classes" (a
    folder per class), "flat" (videos side by side), "frames" (folders of images), "keypoints" (DeepLabCut or
    lightning-pose tables), or "auto". split: "train", "test" or "all"; Kinetics has the splits of its CSV;
    key-point projects also have "labelled": their labelled images, each a video of one frame, since they do
    not follow each other. Without
    official splits one fifth of the groups of videos is "test"; a single video is split in time, and every
    video with split_by="time" (synchronised cameras): its last fifth is "test", a gap of a twentieth before
    it unused.

    stride and max_frames thin out each video; max_videos takes that many, evenly spread over the listing.
    min_frames: a shorter video is an error, or is looped or held (``short``), never silently. fit and crop:
    see `video.fit_frames` and `video.crop_frames`. joints: pattern of the key-points to keep. A file that is
    missing or broken raises `VideoError`; with skip_broken it is left out, a warning counts and
    ``names["skipped"]`` lists such files.

    Factors: ``video["file"]``, ``video["group"]`` and, where known, ``video["activity"]`` (the class, named
    as in the worlds) with their ``names``; ``frame["joints"]`` (F, J, 2) in pixels of the resized frames, for
    key-point projects.
    """
    folder = Path(path).expanduser()
    options = _Options(size, fit, crop, stride, max_frames, min_frames, short, skip_broken)
    _check(options, layout, max_videos)
    check_choice("split_by", split_by, ("video", "time"))
    if not folder.exists():
        raise VideoError(f"{path} does not exist")
    if folder.is_file():
        check_choice("split", split, ("train", "test", "all"))
        alone = [Item(folder, folder.stem)]
        return _split_in_time(_videos(folder.stem, folder.parent, alone, [], options, cache, progress), split)
    if layout == "auto":
        layout = layouts.detect(folder)
    table = _tables(folder, joints) if layout == "keypoints" else None
    if table is not None and (split == "labelled" or not layouts.all_videos(folder, layout)):
        return _labelled(folder, table, split, max_videos, options, cache, progress)
    if table is not None:
        check_choice("split", split, ("train", "test", "all", "labelled"))
    in_time = layout not in layouts.OFFICIAL and (split_by == "time" or len(layouts.all_videos(folder, layout)) == 1)
    if in_time:
        check_choice("split", split, ("train", "test", "all"))
    items, missing = layouts.list_videos(folder, layout, "all" if in_time else split, fold)
    if max_videos is not None and max_videos < len(items):
        items = [items[i * len(items) // max_videos] for i in range(max_videos)]
    if missing and not skip_broken:
        raise VideoError(
            f"{len(missing)} of {len(items) + len(missing)} videos of split {split!r} are missing in "
            f"{folder}; the first is {missing[0].name}. skip_broken=True leaves them out"
        )
    videos = _videos(folder.name, folder, items, missing, options, cache, progress)
    if in_time:
        videos = _split_in_time(videos, split)
    if table is None:
        return videos
    nowhere = torch.full((len(videos.frames), len(table.names), 2), float("nan"))
    return _with_joints(videos, nowhere, table.names)


def _check(options: _Options, layout: str, max_videos: int | None) -> None:
    check_choice("layout", layout, LAYOUTS)
    check_choice("fit", options.fit, FITS)
    check_choice("short", options.short, SHORT_POLICIES)
    for name in ("size", "stride", "min_frames"):
        check_positive(name, getattr(options, name))
    for name, value in (("max_frames", options.max_frames), ("max_videos", max_videos)):
        if value is not None:
            check_positive(name, value)


def _videos(name, folder, items, missing, options, cache, progress) -> VideoSet:
    frames, about = _decoded(name, folder, items, options, cache, progress)
    kept = [items[i] for i in about["kept"]]
    skipped = [*about["skipped"], *(str(m.relative_to(folder)) for m in missing)]
    if skipped:
        total = len(items) + len(missing)
        warnings.warn(f"{name}: {len(skipped)} of {total} videos are broken or missing and were left out", stacklevel=3)
    starts = torch.tensor([0, *np.cumsum(about["lengths"])], dtype=torch.int64)
    files = tuple(str(item.path.relative_to(folder)) for item in kept)
    videos = VideoSet(
        name,
        frames,
        starts,
        fps=about["fps"] / options.stride,
        video={"file": torch.arange(len(kept))},
        names={"file": files},
    )
    for factor, values in (("group", [i.group for i in kept]), ("activity", [i.label for i in kept])):
        if None not in values:
            known = sorted(set(values))
            videos.video[factor] = torch.tensor([known.index(v) for v in values])
            videos.names[factor] = tuple(known)
    if skipped:
        videos.names["skipped"] = tuple(skipped)
    return videos


def _split_in_time(videos: VideoSet, split: str) -> VideoSet:
    """The part ``split`` of every video: what is close in time to the test part is in neither."""
    if split == "all":
        return videos
    first_test = videos.lengths - (videos.lengths * _TEST_PART).round().long().clamp(min=1)
    end_train = first_test - (videos.lengths * _GAP_PART).round().long().clamp(min=1)
    if int(end_train.min()) < 1:
        shortest = int(videos.lengths.min())
        raise ValueError(f"split is {split!r}: a video of {shortest} frames in {videos.name!r} is too short to split")
    begin, end = (torch.zeros_like(first_test), end_train) if split == "train" else (first_test, videos.lengths)
    begin, end = begin + videos.starts[:-1], end + videos.starts[:-1]
    if len(videos) == 1:
        frames = videos.frames[int(begin) : int(end)]  # stays memory-mapped
    else:
        frames = torch.cat([videos.frames[a:b] for a, b in zip(begin.tolist(), end.tolist(), strict=True)])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), (end - begin).cumsum(0)])
    return replace(videos, frames=frames, starts=starts)


def _decoded(name, folder, items: list[Item], options: _Options, cache, progress):
    files = [_stamp(folder, item.path) for item in items]
    key = {"files": files, **{k: v for k, v in vars(options).items()}}

    def fill(writer: FrameWriter) -> dict:
        from tqdm.auto import tqdm

        kept, lengths, rates, skipped = [], [], [], []
        for place, item in enumerate(tqdm(items, desc=f"decoding {name}", unit="video", disable=not progress)):
            before = writer.count
            try:
                rates.append(_append(writer, item.path, options))
            except VideoError:
                if not options.skip_broken:
                    raise
                writer.cut(before)
                skipped.append(files[place][0])
                continue
            kept.append(place)
            lengths.append(writer.count - before)
        if not kept:
            raise VideoError(f"none of the {len(items)} videos in {folder} could be decoded")
        return {"kept": kept, "lengths": lengths, "skipped": skipped, "fps": float(np.median(rates))}

    return decoded_once(name, key, (3, options.size, options.size), fill, cache=cache)


def _stamp(folder: Path, path: Path) -> list:
    """What says whether a video has changed: name, bytes, time of change, over all frames of a folder of
    images."""
    if not path.exists():
        return [str(path.relative_to(folder)), 0, 0]
    stats = [f.stat() for f in (layouts.images_in(path) if path.is_dir() else [path])]
    return [
        str(path.relative_to(folder)),
        sum(s.st_size for s in stats),
        max((s.st_mtime_ns for s in stats), default=0),
    ]


def _append(writer: FrameWriter, path: Path, options: _Options) -> float:
    """Append one video, as long as the policy for short videos asks; returns its rate in frames per
    second."""
    before = writer.count
    if path.is_dir():
        files = layouts.images_in(path)[:: options.stride][: options.max_frames]
        chunks, fps = (_image(f, options) for f in files), VideoSet.fps
    else:
        chunks = iterate(
            path,
            options.size,
            stride=options.stride,
            max_frames=options.max_frames,
            fit=options.fit,
            crop=options.crop,
        )
        fps = probe(path).fps
    short = []
    for chunk in chunks:
        writer.append(chunk)
        if writer.count - before < options.min_frames:
            short.append(chunk)
        else:
            short = []
    length = writer.count - before
    if length == 0:
        raise VideoError(f"{path} holds no frames")
    if length < options.min_frames:
        if options.short == "error":
            raise VideoError(
                f"{path} gives {length} frames, min_frames is {options.min_frames}; "
                "short='loop' or short='hold' would extend it"
            )
        more = clip_indices(length, options.min_frames, short=options.short)[length:]
        writer.append(torch.cat(short)[more])
    return fps


def _image(path: Path, options: _Options) -> torch.Tensor:
    """One image as a frame uint8 (1, 3, size, size)."""
    return fit_frames(crop_frames(_pixels(path), options.crop), options.size, options.fit)


def _pixels(path: Path) -> torch.Tensor:
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path} cannot be decoded: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


# -- key-point projects --------------------------------------------------------------------------------------


def _tables(folder: Path, joints: str) -> KeyPoints:
    """All tables of a project as one; raises ValueError if they do not name the same key-points."""
    paths = find_tables(folder)
    if not paths:
        raise ValueError(f"{folder} has no CollectedData*.csv or keypoints.csv, which layout 'keypoints' needs")
    tables = [read_table(p, joints=joints) for p in paths]
    for path, table in zip(paths, tables, strict=True):
        if table.names != tables[0].names:
            raise ValueError(f"{path} labels {table.names}, {paths[0]} labels {tables[0].names}; open them one by one")
    images = tuple(image for table in tables for image in table.images)
    return KeyPoints(images, torch.cat([table.joints for table in tables]), tables[0].names)


def _labelled(folder, table: KeyPoints, split, max_videos, options, cache, progress) -> VideoSet:
    if len(set(table.images)) < len(table.images):
        raise ValueError(f"an image is labelled twice in the tables of {folder}; open them one by one")
    items = [Item(image, os.path.relpath(image, folder)) for image in table.images]
    if split != "labelled":  # the project has no videos: its images are split instead
        items = layouts.split_by_group(items, split)
    if max_videos is not None and max_videos < len(items):
        items = [items[i * len(items) // max_videos] for i in range(max_videos)]
    rows = {image: row for row, image in enumerate(table.images)}
    files = [_stamp(folder, item.path) for item in items]

    def fill(writer: FrameWriter) -> dict:
        from tqdm.auto import tqdm

        kept, boxes, skipped = [], [], []
        for place, item in enumerate(tqdm(items, desc=f"reading {folder.name}", unit="image", disable=not progress)):
            try:
                pixels = crop_frames(_pixels(item.path), options.crop)
            except VideoError:
                if not options.skip_broken:
                    raise
                skipped.append(files[place][0])
                continue
            kept.append(place)
            boxes.append(fit_box(pixels.shape[3], pixels.shape[2], options.size, options.fit))
            writer.append(fit_frames(pixels, options.size, options.fit))
        if not kept:
            raise VideoError(f"none of the {len(items)} labelled images of {folder} could be read")
        return {"kept": kept, "boxes": boxes, "skipped": skipped}

    key = {"labelled": files, **vars(options)}
    frames, about = decoded_once(folder.name, key, (3, options.size, options.size), fill, cache=cache)
    if about["skipped"]:
        warnings.warn(
            f"{folder.name}: {len(about['skipped'])} of {len(items)} images are broken or missing, left out",
            stacklevel=3,
        )
    kept = [items[i] for i in about["kept"]]
    boxes = torch.tensor(about["boxes"], dtype=torch.float32)
    corner = torch.tensor(options.crop[:2] if options.crop else (0, 0))
    xy = table.joints[[rows[item.path] for item in kept]] - corner
    names = {"file": tuple(files[i][0] for i in about["kept"])}
    if about["skipped"]:
        names["skipped"] = tuple(about["skipped"])
    starts = torch.arange(len(kept) + 1)
    videos = VideoSet(folder.name, frames, starts, video={"file": torch.arange(len(kept))}, names=names)
    xy = xy * boxes[:, None, :2] + boxes[:, None, 2:]
    outside = ((xy < -0.5) | (xy > options.size - 0.5)).any(2)  # cut away by crop or fit
    return _with_joints(videos, xy.masked_fill(outside[..., None], float("nan")), table.names)


def _with_joints(videos: VideoSet, joints: torch.Tensor, names: tuple[str, ...]) -> VideoSet:
    return replace(videos, frame={"joints": joints}, skeleton=Skeleton(names, (), ()))
