"""`VideoSet`: many videos in one tensor, with everything known about them; and the sampler of clips.

All frames of all videos lie one after the other in a single uint8 tensor, in memory, memory-mapped, or on
the device. A batch of clips is then one gather by an index tensor: no loop over videos or frames.
"""

from dataclasses import dataclass, field, replace

import torch

from ..checks import check_positive


@dataclass(frozen=True)
class Skeleton:
    """Names of key-points and the limbs between them (pairs of indices), for PCP and for drawing.

    ``part`` gives each limb the row of the seeds' PCP table that it counts in (e.g. "upper legs").
    """

    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    part: tuple[str, ...]


@dataclass(frozen=True)
class VideoSet:
    """V videos with F frames in total.

    frames: uint8 (F, C, H, W), in [0, 255]; may be memory-mapped. starts: int64 (V + 1,), video v owns frames
    ``starts[v]:starts[v + 1]``. ``video``: what is known per video, each (V, ...). ``frame``: what is known
    per frame, each (F, ...); ``frame["joints"]`` is (F, J, 2), pixels, x then y, NaN where not labelled.
    ``names``: names of the values of integer factors, e.g. ``names["activity"][2] == "throw"``. Raises
    ValueError if the pieces do not fit together.
    """

    name: str
    frames: torch.Tensor
    starts: torch.Tensor
    fps: float = 25.0
    video: dict[str, torch.Tensor] = field(default_factory=dict)
    frame: dict[str, torch.Tensor] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skeleton: Skeleton | None = None

    def __post_init__(self):
        if self.frames.ndim != 4 or self.frames.dtype != torch.uint8:
            raise ValueError(f"frames is {tuple(self.frames.shape)} {self.frames.dtype}; it takes uint8 (F, C, H, W)")
        starts = self.starts
        if starts.ndim != 1 or len(starts) < 2 or starts[0] != 0 or starts[-1] != len(self.frames):
            raise ValueError(f"starts must run from 0 to {len(self.frames)} (the number of frames); it is {starts}")
        if (starts.diff() <= 0).any():
            empty = int((starts.diff() <= 0).nonzero()[0])
            raise ValueError(f"video {empty} of {self.name!r} has no frames")
        for kind, factors, count in (
            ("video", self.video, len(self)),
            ("frame", self.frame, len(self.frames)),
        ):
            for key, values in factors.items():
                if len(values) != count:
                    raise ValueError(f"{kind}[{key!r}] has {len(values)} rows; there are {count} {kind}s")

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> torch.Tensor:
        """Frames of each video, int64 (V,)."""
        return self.starts.diff()

    @property
    def video_of_frame(self) -> torch.Tensor:
        """The video each frame belongs to, int64 (F,)."""
        return torch.repeat_interleave(torch.arange(len(self)), self.lengths)

    def factor(self, key: str) -> torch.Tensor:
        """A factor per *frame*, (F, ...), whether it is stored per frame or per video."""
        if key in self.frame:
            return self.frame[key]
        if key in self.video:
            return self.video[key][self.video_of_frame]
        raise ValueError(f"factor {key!r} is not known for {self.name!r}; known: {sorted({*self.frame, *self.video})}")

    def clip_starts(self, length: int, stride: int = 1) -> torch.Tensor:
        """First frames (indices into ``frames``) of all clips of ``length`` frames, ``stride`` apart, int64
        (N,).

        Raises ValueError when no video is long enough: videos are never looped or padded silently.
        """
        span = (check_positive("length", length) - 1) * check_positive("stride", stride) + 1
        room = (self.lengths - span + 1).clamp(min=0)
        if room.sum() == 0:
            raise ValueError(
                f"a clip of {length} frames with stride {stride} spans {span} frames; the longest video of "
                f"{self.name!r} has {int(self.lengths.max())}"
            )
        within = torch.arange(int(room.sum())) - torch.repeat_interleave(room.cumsum(0) - room, room)
        return torch.repeat_interleave(self.starts[:-1], room) + within

    def gather(self, index: torch.Tensor, device: torch.device | str | None = None) -> torch.Tensor:
        """Frames at ``index`` (any shape) as float32 in [0, 1], shape (*index.shape, C, H, W), on ``device``.

        Pixels travel as uint8 and become float on the device.
        """
        index = torch.as_tensor(index)
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= len(self.frames)):
            reach, last = f"{int(index.min())} … {int(index.max())}", len(self.frames) - 1
            raise ValueError(f"index reaches {reach}; frames are 0 … {last}")
        taken = self.frames[index.to(self.frames.device)]
        return taken.to(device or taken.device, non_blocking=True).float().div_(255)

    def select(self, keep: torch.Tensor) -> "VideoSet":
        """The videos where ``keep`` (bool (V,), or int64 indices) says so, in the order given."""
        order = keep.nonzero().squeeze(1) if keep.dtype == torch.bool else keep
        if len(order) == 0:
            raise ValueError(f"keep selects none of the {len(self)} videos of {self.name!r}")
        lengths = self.lengths[order]
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        rows = torch.arange(int(starts[-1])) + torch.repeat_interleave(self.starts[:-1][order] - starts[:-1], lengths)
        return replace(
            self,
            frames=self.frames[rows],
            starts=starts,
            video={k: v[order] for k, v in self.video.items()},
            frame={k: v[rows] for k, v in self.frame.items()},
        )

    def to(self, device: torch.device | str) -> "VideoSet":
        """The same set with its frames on ``device``; factors and indices stay on the CPU."""
        return replace(self, frames=self.frames.to(device))


class ClipSampler:
    """Random clips of a `VideoSet`: ``sampler(generator) -> float32 (B, T, C, H, W)`` on ``device``.

    Each clip is drawn from the first frames in ``starts`` (all possible ones by default), so a video counts
    by its length. Every draw comes from the generator alone: same state, same batch.
    """

    def __init__(self, videos: VideoSet, *, batch: int, length: int, stride: int = 1, device="cpu", starts=None):
        self.videos, self.batch, self.device = videos, check_positive("batch", batch), device
        possible = videos.clip_starts(length, stride)
        if starts is not None and (len(starts) == 0 or not torch.isin(starts, possible).all()):
            raise ValueError(f"starts is {starts}; it takes first frames of clips of {length} inside one video")
        self.starts = possible if starts is None else starts
        self.offsets = torch.arange(length) * stride

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Indices of the frames of a batch, int64 (B, T)."""
        pick = torch.randint(len(self.starts), (self.batch,), generator=generator)
        return self.starts[pick][:, None] + self.offsets

    def __call__(self, generator: torch.Generator) -> torch.Tensor:
        return self.videos.gather(self.draw(generator), self.device)


class FrameSampler:
    """Random frames with labels: ``sampler(generator) -> (images (B, C, H, W), labels (B,))`` on
    ``device``."""

    def __init__(self, videos: VideoSet, labels: torch.Tensor, *, batch: int, device="cpu"):
        if len(labels) != len(videos.frames):
            raise ValueError(f"labels has {len(labels)} rows; {videos.name!r} has {len(videos.frames)} frames")
        self.videos, self.labels, self.batch, self.device = (
            videos,
            labels,
            check_positive("batch", batch),
            device,
        )

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pick = torch.randint(len(self.labels), (self.batch,), generator=generator)
        return self.videos.gather(pick, self.device), self.labels[pick].to(self.device)
