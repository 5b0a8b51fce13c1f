"""Supervised classification of frames: the ceiling of a scoreboard, and "supervised elsewhere" (000 Tables 3.1 to 3.3).

Trained on another world it stands for the ImageNet features the seeds compare with; trained on the same world it
is what labels could give.
"""

import torch

from .. import evaluation
from ..checks import check_positive
from ..data.videos import VideoSet


class Supervised(evaluation.Supervised):
    """`evaluation.Supervised` with the attributes a chapter asks of every method it compares.

    Batches are (images, labels), from `data.FrameSampler`, `ImageSampler`, or any callable of a generator.
    """

    @property
    def chance(self) -> float:
        """Accuracy of guessing among equally frequent classes."""
        return 1 / self.head.out_features

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(images)


class ImageSampler:
    """Random labelled images: ``sampler(generator) -> (float32 (B, C, H, W) in [0, 1], labels (B,))`` on ``device``.

    images: uint8, or float in [0, 1], (N, C, H, W). labels: int64 (N,); None numbers the images, so that each is a
    class of its own. Raises ValueError if the two do not fit together.
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor | None = None, *, batch: int, device="cpu"):
        labels = torch.arange(len(images)) if labels is None else labels
        if images.ndim != 4 or len(images) != len(labels):
            raise ValueError(f"images is {tuple(images.shape)}, labels has {len(labels)} rows; (N, C, H, W) takes N")
        self.images, self.labels = images, labels
        self.batch, self.device = check_positive("batch", batch), device

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pick = torch.randint(len(self.images), (self.batch,), generator=generator)
        return take_images(self.images, pick, self.device), self.labels[pick].to(self.device)


class SequenceSampler:
    """Random labelled sequences of a `VideoSet`: ``sampler(generator) -> (clips (B, T, C, H, W), labels (B,))``.

    index: int64 (N, T), the frames of each sequence (rows of ``videos.frames``); labels: int64 (N,).
    """

    def __init__(self, videos: VideoSet, index: torch.Tensor, labels: torch.Tensor, *, batch: int, device="cpu"):
        if index.ndim != 2 or len(index) != len(labels):
            raise ValueError(f"index is {tuple(index.shape)}, labels has {len(labels)} rows; (N, T) takes N")
        self.videos, self.index, self.labels = videos, index, labels
        self.batch, self.device = check_positive("batch", batch), device

    def __call__(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        pick = torch.randint(len(self.index), (self.batch,), generator=generator)
        return self.videos.gather(self.index[pick], self.device), self.labels[pick].to(self.device)


def take_images(images: torch.Tensor, index: torch.Tensor, device="cpu") -> torch.Tensor:
    """Rows of ``images`` (N, C, H, W), uint8 or float in [0, 1], as float32 in [0, 1] on ``device``."""
    taken = images[index.to(images.device)].to(device, non_blocking=True)
    return taken.float().div_(255) if images.dtype == torch.uint8 else taken.float()
