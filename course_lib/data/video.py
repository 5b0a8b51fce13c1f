"""Real video files: `probe`, frame-accurate `decode` to uint8 tensors, and index lists of clips.

A frame's index is its place in presentation order, whatever the container says about time: B-frames, a first
frame that does not start at zero and varying frame rates do not shift it. A few frames of a long video are
reached by jumping to the key frame before each; where a file's time stamps cannot be trusted (old AVI codecs
drop frames while decoding) the video is decoded from its start instead, so that both ways give the same
frames.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..checks import check_choice, check_positive

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv", ".ts")
FITS = ("crop", "stretch", "pad")
SHORT_POLICIES = ("error", "loop", "hold")
BACKENDS = ("auto", "av", "torchcodec")

# One packet holds exactly one shown frame in these codecs, so packet times are frame times. (MPEG-4 ASP has
# "not coded" frames and VP8 hidden ones.)
_SEEKABLE_CODECS = ("h264", "hevc", "vp9", "av1", "mjpeg", "ffv1")
# torchcodec seeks by time and does not check where it arrived: in an MPEG transport stream, which has no
# index, it returns wrong frames.
_TORCHCODEC_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")
_CHUNK = 32


class VideoError(ValueError):
    """A video file that is missing, empty, damaged or not a video. The message names the file."""


@dataclass(frozen=True)
class VideoInfo:
    """What `probe` reads: ``frames`` (shown frames; at most this many can be decoded), ``fps`` (mean, 1/s),
    ``width`` and ``height`` (stored pixels), ``seconds``, ``codec``."""

    frames: int
    fps: float
    width: int
    height: int
    seconds: float
    codec: str


@dataclass(frozen=True)
class _Index:
    info: VideoInfo
    times: tuple[int, ...]  # presentation times of all frames, ascending
    keys: tuple[int, ...]  # presentation times of the key frames, ascending
    seekable: bool
    container: str


def probe(path: str | Path) -> VideoInfo:
    """Length, rate, size and codec of a video, from its packets (nothing is decoded).

    Raises `VideoError` if the file is missing, empty, truncated or holds no video.
    """
    return _index(path).info


def decode(
    path: str | Path,
    indices: Sequence[int] | torch.Tensor | None = None,
    size: int | None = None,
    *,
    fit: str = "crop",
    crop: tuple[int, int, int, int] | None = None,
    backend: str = "auto",
) -> torch.Tensor:
    """Frames of a video as uint8, [0, 255], RGB.

    indices: which frames, in presentation order, any order and shape, repeats allowed (None: all). Returns
    (\\*indices.shape, 3, H, W); H and W are the video's own, or ``size`` (see `fit_frames` for ``fit``;
    ``crop`` (left, top, right, bottom) in pixels is cut out first). ``backend``: "torchcodec" (needs that
    package), "av", or "auto" (the first that is there). Raises `VideoError` for a broken file, ValueError for
    an index outside the video.
    """
    if indices is None:
        return torch.cat(list(iterate(path, size, fit=fit, crop=crop, backend=backend)))
    wanted = _check_indices(indices)
    if wanted.numel() == 0:
        raise ValueError(f"indices is empty; it takes at least one frame of {path}")
    unique, place = wanted.flatten().unique(return_inverse=True)
    reader = _torchcodec_frames if _backend(backend) == "torchcodec" else _av_frames
    chunks = list(_fitted(path, reader(path, unique.tolist()), size, fit, crop))
    if sum(map(len, chunks)) < len(unique):
        raise ValueError(f"indices reaches {int(unique[-1])}; {path} has only {_count(path)} frames")
    frames = torch.cat(chunks)
    return frames[place].reshape(*wanted.shape, *frames.shape[1:])


def iterate(
    path: str | Path,
    size: int | None = None,
    *,
    stride: int = 1,
    max_frames: int | None = None,
    fit: str = "crop",
    crop: tuple[int, int, int, int] | None = None,
    backend: str = "auto",
) -> Iterator[torch.Tensor]:
    """Every ``stride``-th frame from the start, at most ``max_frames``, in chunks uint8 (N, 3, H, W).

    Only one chunk is in memory at a time. Arguments and errors as for `decode`.
    """
    check_positive("stride", stride)
    stop = None if max_frames is None else check_positive("max_frames", max_frames) * stride
    reader = _torchcodec_frames if _backend(backend) == "torchcodec" else _av_frames
    yield from _fitted(path, reader(path, None, stride, stop), size, fit, crop)


def clip_indices(frames: int, length: int, *, start: int = 0, stride: int = 1, short: str = "error") -> torch.Tensor:
    """Indices of a clip of ``length`` frames, ``stride`` apart, of a video of ``frames`` frames, int64
    (length,).

    ``short`` says what happens past the end of the video: "error" (ValueError), "loop" (start again at the
    first frame) or "hold" (repeat the last frame).
    """
    for name, value in (("frames", frames), ("length", length), ("stride", stride)):
        check_positive(name, value)
    check_positive("start", start, zero=True)
    check_choice("short", short, SHORT_POLICIES)
    index = start + stride * torch.arange(length)
    if int(index[-1]) < frames:
        return index
    if short == "error":
        raise ValueError(
            f"length is {length}: with start {start} and stride {stride} the clip ends at "
            f"frame {int(index[-1])}, the video has {frames} frames; take a shorter clip, or short='loop' or "
            "short='hold'"
        )
    return index % frames if short == "loop" else index.clamp(max=frames - 1)


def fit_box(width: int, height: int, size: int, fit: str = "crop") -> tuple[float, float, float, float]:
    """How `fit_frames` maps pixels: (scale_x, scale_y, shift_x, shift_y), ``new = old * scale + shift``.

    Coordinates are those of pixel centres, so key-points move with the picture.
    """
    check_choice("fit", fit, FITS)
    if fit == "stretch":
        scale_x, scale_y, left, top = size / width, size / height, 0.0, 0.0
    elif fit == "crop":
        side = min(width, height)
        scale_x = scale_y = size / side
        left, top = -((width - side) // 2) * scale_x, -((height - side) // 2) * scale_y
    else:
        new_width, new_height = _pad_size(width, height, size)
        scale_x, scale_y = new_width / width, new_height / height
        left, top = (size - new_width) // 2, (size - new_height) // 2
    return scale_x, scale_y, left + (scale_x - 1) / 2, top + (scale_y - 1) / 2


def fit_frames(frames: torch.Tensor, size: int, fit: str = "crop") -> torch.Tensor:
    """Frames uint8 (N, C, H, W) resized, anti-aliased, to (N, C, size, size).

    ``fit``: "crop" keeps the aspect and cuts the centre square, "stretch" changes the aspect, "pad" keeps all
    of the picture and fills with black.
    """
    check_positive("size", size)
    check_choice("fit", fit, FITS)
    height, width = frames.shape[-2:]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        frames = frames[..., top : top + side, left : left + side]
    target = _pad_size(width, height, size) if fit == "pad" else (size, size)
    frames = F.interpolate(frames, (target[1], target[0]), mode="bilinear", antialias=True, align_corners=False)
    if fit != "pad":
        return frames
    left, top = (size - target[0]) // 2, (size - target[1]) // 2
    return F.pad(frames, (left, size - target[0] - left, top, size - target[1] - top))


def crop_frames(frames: torch.Tensor, crop: tuple[int, int, int, int] | None) -> torch.Tensor:
    """The part ``crop`` = (left, top, right, bottom) of frames (..., H, W); raises ValueError if it is
    outside."""
    if crop is None:
        return frames
    height, width = frames.shape[-2:]
    left, top, right, bottom = crop
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"crop is {tuple(crop)}; it takes (left, top, right, bottom) inside {width}x{height} pixels")
    return frames[..., top:bottom, left:right]


def has_torchcodec() -> bool:
    """Whether torchcodec can be used here (the package and the FFmpeg libraries that it needs)."""
    return _torchcodec() is not None


# -- files and their packets ---------------------------------------------------------------------------------


def _index(path) -> _Index:
    file = Path(path)
    if not file.is_file():
        raise VideoError(f"{path} is missing" if not file.exists() else f"{path} is not a file")
    stat = file.stat()
    if stat.st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes)")
    return _read_index(os.fspath(file), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_index(path: str, size: int, modified: int) -> _Index:
    """``size`` and ``modified`` only make the cache forget a file that has changed."""
    with _opened(path, threads="NONE") as (container, stream):
        packets = [p for p in container.demux(stream) if p.size]
        codec = stream.codec_context.name
        shown = [p for p in packets if not p.is_discard]
        if not shown:
            raise VideoError(f"{path} holds no frames")
        times = sorted(p.pts for p in shown if p.pts is not None)
        base = float(stream.time_base)
        # Frame times need not be known to know where the file ends: decoding times are there in every format.
        ends = [p.dts + (p.duration or 0) for p in packets if p.dts is not None]
        span = (max(ends) - min(p.dts for p in packets if p.dts is not None)) * base if ends else 0.0
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        fps = rate or (len(shown) / span if span else 25.0)
        declared = stream.frames / fps
        if len(packets) < stream.frames and span < declared - 2 / fps:
            raise VideoError(
                f"{path} is truncated: it should hold {stream.frames} frames, {declared:.2f} s; "
                f"only {len(packets)} frames, {span:.2f} s, are there"
            )
        complete = len(times) == len(shown) == len(set(times))
        seekable = complete and packets[0].is_keyframe and codec in _SEEKABLE_CODECS
        keys = tuple(sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None))
        info = VideoInfo(len(shown), fps, stream.width, stream.height, len(shown) / fps, codec)
        container_name = container.format.name
    return _Index(info, tuple(times), keys, seekable, container_name)


@contextmanager
def _opened(path, threads: str):
    import av

    try:
        # Real archives (HMDB-51) carry titles that are not UTF-8; they are no reason to refuse the pixels.
        # From version 19 on PyAV reads them anyway and no longer takes the argument.
        lenient = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
        with av.open(os.fspath(path), **lenient) as container:
            if not container.streams.video:
                raise VideoError(f"{path} holds no video stream")
            stream = container.streams.video[0]
            stream.thread_type = threads
            yield container, stream
    except av.FFmpegError as error:
        raise VideoError(f"{path} cannot be decoded: {error}") from error


def _count(path) -> int:
    """Frames that decoding really gives."""
    index = _index(path)
    return len(index.times) if index.seekable else sum(1 for _ in _av_frames(path, None))


# -- PyAV ----------------------------------------------------------------------------------------------------


def _av_frames(path, wanted: list[int] | None, stride: int = 1, stop: int | None = None) -> Iterator[torch.Tensor]:
    """RGB frames uint8 (3, H, W): those at ``wanted`` (ascending), or every ``stride``-th before ``stop``."""
    index = _index(path)
    if wanted is not None and index.seekable:
        done = 0
        try:
            for frame in _seek_frames(path, index, [i for i in wanted if i < len(index.times)]):
                yield _to_tensor(frame)
                done += 1
            return
        except _UntrustedSeek:  # a frame's time is not the one its packet promised: count from the start instead
            wanted = wanted[done:]
    positions = None if wanted is None else set(wanted)
    last = None if wanted is None else wanted[-1]
    with _opened(path, threads="AUTO") as (container, stream):
        for position, frame in enumerate(container.decode(stream)):
            if stop is not None and position >= stop:
                break
            if position % stride == 0 if positions is None else position in positions:
                yield _to_tensor(frame)
            if position == last:
                break


class _UntrustedSeek(Exception):
    pass


def _seek_frames(path, index: _Index, wanted: list[int]):
    # With one key frame there is nothing to jump to: decode several frames at once instead.
    with _opened(path, threads="SLICE" if len(index.keys) > 1 else "AUTO") as (container, stream):
        frames, group = iter(()), None
        for target in (index.times[i] for i in wanted):
            key = bisect_right(index.keys, target) - 1
            if key < 0:
                raise _UntrustedSeek
            if key != group:
                container.seek(index.keys[key], stream=stream, backward=True)
                frames, group = container.decode(stream), key
            # The frames of a group that come before the target are decoded (others lean on them), not
            # converted.
            frame = next((f for f in frames if f.pts is None or f.pts >= target), None)
            if frame is None or frame.pts != target or frame.is_corrupt:
                raise _UntrustedSeek
            yield frame


def _to_tensor(frame) -> torch.Tensor:
    """RGB (3, H, W), stored as (H, W, 3): resizing that way round is four times faster."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4  # phones store the sensor's picture and how to turn it
    if turns:
        pixels = np.ascontiguousarray(np.rot90(pixels, turns))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _fitted(path, frames: Iterator[torch.Tensor], size, fit, crop) -> Iterator[torch.Tensor]:
    """Frames cropped and resized one by one (large pictures never pile up), stacked into chunks."""
    chunk = []
    for frame in frames:
        frame = crop_frames(frame[None], crop)
        frame = frame.contiguous() if size is None else fit_frames(frame, size, fit)
        if chunk and frame.shape != chunk[0].shape:
            shapes = f"{tuple(chunk[0].shape[2:])} to {tuple(frame.shape[2:])}"
            raise VideoError(f"{path} changes its frame size from {shapes}; give a size to decode it")
        chunk.append(frame)
        if len(chunk) == _CHUNK:
            yield torch.cat(chunk)
            chunk = []
    if chunk:
        yield torch.cat(chunk)


def _pad_size(width: int, height: int, size: int) -> tuple[int, int]:
    scale = size / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _check_indices(indices) -> torch.Tensor:
    wanted = torch.as_tensor(indices)
    if wanted.is_floating_point() or wanted.dtype == torch.bool:
        if wanted.numel() == 0:
            return wanted.long()
        raise ValueError(f"indices is {wanted.dtype}; it takes integers >= 0")
    if wanted.numel() and int(wanted.min()) < 0:
        raise ValueError(f"indices reaches {int(wanted.min())}; it takes integers >= 0")
    return wanted.long()


# -- torchcodec ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _torchcodec():
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, OSError, RuntimeError):  # the package is there, FFmpeg's libraries are not
        return None
    return VideoDecoder


def _backend(name: str) -> str:
    check_choice("backend", name, BACKENDS)
    if name == "auto":
        return "torchcodec" if has_torchcodec() else "av"
    if name == "torchcodec" and not has_torchcodec():
        raise ValueError("backend is 'torchcodec', which cannot be imported here; allowed: auto, av")
    return name


def _torchcodec_frames(path, wanted: list[int] | None, stride: int = 1, stop: int | None = None):
    index = _index(path)
    if not index.seekable or index.container not in _TORCHCODEC_CONTAINERS:
        yield from _av_frames(path, wanted, stride, stop)
        return
    try:
        decoder = _torchcodec()(os.fspath(path), seek_mode="exact", dimension_order="NCHW")
        count = len(decoder)
        if wanted is None:
            wanted = range(0, count if stop is None else min(stop, count), stride)
        inside = [i for i in wanted if i < count]
        for first in range(0, len(inside), _CHUNK):
            yield from decoder.get_frames_at(inside[first : first + _CHUNK]).data
    except RuntimeError as error:
        raise VideoError(f"{path} cannot be decoded: {error}") from error
