"""Shuffle and Learn: does the middle one of three frames lie between the others in time? (000 §3.3, Table 3.3, B10)

The idea (Misra et al. 2016): verify the order of three frames. Five frames a < b < c < d < e of a window with
much motion give the true triplet (b, c, d), and the false ones (b, a, d) and (b, e, d), whose outer frames are the
same. Where nothing moves the question has no answer, so windows are chosen by motion, here the difference of frames.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_clips, check_positive
from ..data.videos import VideoSet
from ..models.fusion import frame_features


class ShuffleAndLearn(nn.Module):
    """Siamese backbone on three frames, binary classifier; batches are clips (B, T, 3, H, W) in [0, 1], T ≥ 5.

    backbone: images → (B, D). hidden: units of the layer over the concatenated features. augment: called on the
    triplets (2B, 3, 3, H, W), e.g. `transforms.Augmentation`; None for none.
    """

    def __init__(self, backbone: nn.Module, *, hidden: int = 128, augment=None):
        super().__init__()
        self.backbone, self.augment = backbone, augment
        self.head = nn.Sequential(
            nn.Linear(3 * backbone.features, check_positive("hidden", hidden)), nn.ReLU(), nn.Linear(hidden, 2)
        )

    @property
    def chance(self) -> float:
        """Accuracy of guessing: true and false triplets are equally many."""
        return 0.5

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Per clip a true and a false triplet in turn, (2B, 3, 3, H, W), and labels (2B,): 1 true, 0 false.

        Either is played backwards with probability one half: "between" has no direction. Raises ValueError for NaN
        and for clips of fewer than 5 frames.
        """
        check_clips("clips", clips)
        batch, length = clips.shape[:2]
        if length < 5:
            raise ValueError(f"clips have {length} frames; two ordered triplets take at least 5")
        a, b, c, d, e = torch.rand(batch, length, generator=generator).argsort(1)[:, :5].sort(1).values.unbind(1)
        outside = torch.where(torch.rand(batch, generator=generator) < 0.5, a, e)
        index = torch.stack([torch.stack([b, c, d], 1), torch.stack([b, outside, d], 1)], 1).flatten(0, 1)
        backwards = torch.rand(2 * batch, generator=generator) < 0.5
        index = torch.where(backwards[:, None], index.flip(1), index).to(clips.device)
        source = torch.arange(batch, device=clips.device).repeat_interleave(2)
        triplets = clips[source[:, None], index]
        labels = torch.tensor([1, 0], device=clips.device).repeat(batch)
        return (self.augment(triplets, generator) if self.augment else triplets), labels

    def forward(self, triplets: torch.Tensor) -> torch.Tensor:
        """Triplets (B, 3, 3, H, W) → logits (B, 2)."""
        features = self.backbone(triplets.flatten(0, 1)).unflatten(0, triplets.shape[:2])
        return self.head(features.flatten(1))

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of order verification."""
        triplets, labels = self.pretext(clips, generator)
        logits = self(triplets)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D); of clips (B, T, 3, H, W) the mean over the frames."""
        return self.backbone(images) if images.ndim == 4 else frame_features(self.backbone, images).mean(1)


def motion_starts(videos: VideoSet, length: int, *, stride: int = 1, keep: float = 0.5) -> torch.Tensor:
    """First frames of the windows with most motion, int64 (N,): for ``ClipSampler(..., starts=...)``.

    Motion of a window is the mean absolute difference of successive frames in it; the ``keep`` share of windows
    with most of it is taken in every video, so that still videos are not left out. Raises ValueError as
    `VideoSet.clip_starts`, and if ``keep`` is not in (0, 1].
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep is {keep!r}; it takes a share in (0, 1]")
    starts = videos.clip_starts(length, stride)
    if length == 1:
        return starts
    total = torch.cat([torch.zeros(1, dtype=torch.float64), frame_differences(videos.frames).double().cumsum(0)])
    motion = total[starts + (length - 1) * stride] - total[starts]
    video = videos.video_of_frame[starts]
    order = motion.argsort(descending=True, stable=True)
    order = order[video[order].argsort(stable=True)]  # by video, then by motion
    windows = video.bincount(minlength=len(videos))
    rank = torch.arange(len(starts)) - (windows.cumsum(0) - windows)[video[order]]
    return starts[order[rank < (windows[video[order]] * keep).ceil()].sort().values]


def frame_differences(frames: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of each frame to the next, uint8 (F, C, H, W) → float32 (F − 1,), in [0, 1]."""
    pieces = math.ceil(max(1, len(frames) - 1) / 512)
    found = [
        (frames[rows + 1].float() - frames[rows].float()).abs().mean((1, 2, 3)) / 255
        for rows in torch.arange(len(frames) - 1, device=frames.device).chunk(pieces)
    ]
    return torch.cat(found).cpu()
