"""Joint spatio-temporal permutation, "S+T": the same convolutions order tiles and frames (000 §3.4.1, Fig. 3.16, §3.5).

The idea: one representation for images and video. The two tasks differ only in the dimension that is shuffled, so
one loss fits both, with no weight to balance. A step takes a batch of images and a batch of clips; both
gradients reach conv1. Serial training "S&T" (000 Table 3.8) needs no class of its own: train `SpatialPermutation`,
then `TemporalPermutation`, on the same backbone.
"""

import torch
from torch import nn

from .spatial_permutation import SpatialPermutation
from .temporal_permutation import TemporalPermutation


class JointPermutation(nn.Module):
    """Two heads on one backbone; batches are (images (B, 3, H, W), clips (B', T, 3, H, W)), both in [0, 1].

    Give both tasks the same ``normalise``: batch norm keeps one mean for tiles and frames, which then suits both.
    spatial, temporal: the two tasks, made with the *same* backbone object; each keeps its permutations,
    augmentation and head. Raises ValueError if their backbones differ.
    """

    def __init__(self, spatial: SpatialPermutation, temporal: TemporalPermutation):
        super().__init__()
        if spatial.backbone is not temporal.backbone:
            raise ValueError("spatial and temporal have different backbones; joint training takes one shared backbone")
        self.spatial, self.temporal = spatial, temporal

    @property
    def backbone(self) -> nn.Module:
        """Images (B, 3, H, W) → fc6 (B, D); its ``conv`` is trained by both tasks, fc6 by the temporal one."""
        return self.temporal.backbone

    @property
    def chance(self) -> float:
        """Mean accuracy of guessing in the two tasks."""
        return (self.spatial.chance + self.temporal.chance) / 2

    def pretext(self, batch, generator: torch.Generator):
        """((tiles, frames), (index of the spatial, of the temporal permutation)), each as its task gives it."""
        images, clips = batch
        tiles, spatial_index = self.spatial.pretext(images, generator)
        frames, temporal_index = self.temporal.pretext(clips, generator)
        return (tiles, frames), (spatial_index, temporal_index)

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Sum of the two losses (equal weights), the mean accuracy, and those of each task."""
        images, clips = batch
        spatial = self.spatial.training_loss(images, generator)
        temporal = self.temporal.training_loss(clips, generator)
        return {
            "loss": spatial["loss"] + temporal["loss"],
            "accuracy": (spatial["accuracy"] + temporal["accuracy"]) / 2,
            "spatial_accuracy": spatial["accuracy"],
            "temporal_accuracy": temporal["accuracy"],
        }

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → fc6 (B, D)."""
        return self.temporal.features(images)
