"""3-D RotNet: by how much was the whole clip rotated? (002 §4.2.3; 000 §3.2.1 for images)

The idea (Jing et al. 2018, after Gidaris et al. 2018): to see that a clip stands on its head one must know how things
stand, and how they move, under gravity. A rotation by quarter turns leaves no trace in the pixels themselves.
"""

import torch
from torch import nn

from ...checks import check_clips, check_positive
from .skeleton import ClipTask, spread_labels


class ClipRotation(ClipTask):
    """The method as a module for `training.fit`; batches are square clips (B, T, 3, S, S) in [0, 1].

    backbone: clips → (N, D). rotations_per_clip: how many of the four turns of each clip are in a batch: 4, or 1 drawn
    at random. length: frames of a clip, for ``features``. augment: called on the rotated clips.
    """

    def __init__(self, backbone: nn.Module, *, rotations_per_clip: int = 4, length: int | None = None, augment=None):
        super().__init__(backbone, 4, length=length, augment=augment)
        if check_positive("rotations_per_clip", rotations_per_clip) not in (1, 4):
            raise ValueError(f"rotations_per_clip is {rotations_per_clip}; it takes 4 (all of them) or 1")
        self.rotations_per_clip = rotations_per_clip

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotated clips (B · rotations_per_clip, T, 3, S, S) and the quarter turns, anticlockwise, 0 … 3.

        All turns of one clip stand in turn. Raises ValueError for NaN and for clips that are not square.
        """
        check_clips("clips", clips)
        if clips.shape[-1] != clips.shape[-2]:
            raise ValueError(f"clips are {clips.shape[-2]}×{clips.shape[-1]} pixels; quarter turns take squares")
        turned = torch.stack([clips.rot90(turns, (-2, -1)) for turns in range(4)], 1)
        if self.rotations_per_clip == 4:
            turned, labels = turned.flatten(0, 1), torch.arange(4).repeat(len(clips))
        else:
            labels = spread_labels(len(clips), 4, generator)
            turned = turned[torch.arange(len(clips)), labels]
        return (self.augment(turned, generator) if self.augment else turned), labels.to(clips.device)
