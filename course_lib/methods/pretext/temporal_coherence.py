"""Temporally coherent embeddings (TCE): neighbouring frames lie close together, other videos far away.

The idea (Knights et al. 2020; 002 §4.2.4 and Fig. 4.16): what changes slowly in a video is what it shows. An anchor
frame is attracted by the next frame of its video and repelled by all frames of the other videos; frames of its own
video that are further away are neither, so a video may still move through the space: it becomes a smooth curve there.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_clips, check_positive
from .contrast import contrast_accuracy


def coherence_logits(embeddings: torch.Tensor, temperature: float) -> torch.Tensor:
    """Similarity of every anchor with every frame of the batch, over the temperature; −∞ where a frame plays no part.

    embeddings: (B, T, D), of length 1. Anchors are all frames but the last of each video; the positive of frame t of
    video b is row b T + t + 1. Returns float32 (B (T − 1), B T): cross-entropy with the positives as targets is TCE's
    −log e^{z_a·z_+/τ} / (e^{z_a·z_+/τ} + Σ_n e^{z_a·z_n/τ}), n over the frames of all other videos.
    """
    videos, frames, _ = embeddings.shape
    anchor = _anchors(videos, frames).to(embeddings.device)
    rows = embeddings.flatten(0, 1).float()
    with torch.autocast(rows.device.type, enabled=False):  # similarities over τ need more than eight bits
        logits = rows[anchor] @ rows.T / temperature
    video = torch.arange(videos * frames, device=rows.device) // frames
    takes_part = video[anchor][:, None] != video
    takes_part[torch.arange(len(anchor), device=rows.device), anchor + 1] = True
    return logits.masked_fill(~takes_part, float("-inf"))


def _anchors(videos, frames):
    rows = torch.arange(videos * frames)
    return rows[rows % frames < frames - 1]


class TemporalCoherence(nn.Module):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1], B and T at least 2.

    The clips of a batch are taken for different videos: two of the same video would repel each other.

    backbone: images → (B, D). projection: units of a layer on top, in whose space frames are compared; 0 compares the
    backbone's features, as 002 says. temperature: τ. augment: called as ``augment(clips, generator)``; with
    ``mode="frame"`` neighbours cannot be recognised by their colours alone. None for none.
    """

    def __init__(self, backbone: nn.Module, *, projection: int = 0, temperature: float = 0.1, augment=None):
        super().__init__()
        self.backbone, self.augment = backbone, augment
        self.temperature = check_positive("temperature", temperature, integer=False)
        check_positive("projection", projection, zero=True)
        self.projection = nn.Linear(backbone.features, projection) if projection else nn.Identity()
        self.chance = float("nan")  # set by `pretext`: it depends on the batch

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented clips, and the row of every anchor's positive, (B (T − 1),). Sets ``chance``.

        Raises ValueError for NaN, and for fewer than two clips or frames.
        """
        check_clips("clips", clips)
        videos, frames = clips.shape[:2]
        if videos < 2 or frames < 2:
            raise ValueError(f"clips is {videos} clips of {frames} frames; coherence takes at least 2 of each")
        self.chance = 1 / (1 + (videos - 1) * frames)
        targets = _anchors(videos, frames).to(clips.device) + 1
        return (self.augment(clips, generator) if self.augment else clips), targets

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → logits (B (T − 1), B T), see `coherence_logits`."""
        frames = self.projection(self.backbone(clips.flatten(0, 1)))
        return coherence_logits(F.normalize(frames.float(), dim=1).unflatten(0, clips.shape[:2]), self.temperature)

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy, the share of anchors nearer to their positive than to any negative, and its chance."""
        inputs, targets = self.pretext(clips, generator)
        logits = self(inputs)
        return {
            "loss": F.cross_entropy(logits, targets),
            "accuracy": contrast_accuracy(logits, targets),
            "chance": torch.tensor(self.chance, device=logits.device),
        }

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → the mean of their frames' features, (B, D)."""
        return self.backbone(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)
