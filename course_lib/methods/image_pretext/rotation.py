"""RotNet: by how many quarter turns was the image rotated? (000 §3.2.1, P06; 001 §2.3, 1-BG28; 002 §4.1, 2-P11)

The idea (Gidaris et al. 2018): photographers hold the camera upright, so to know which way is up one must find the
thing and know how it stands. A quarter turn moves pixels without mixing them: it leaves no trace in fine detail.
"""

import torch
from torch import nn

from ...checks import check_positive
from ..pretext.skeleton import spread_labels
from .skeleton import ImageTask, check_square


class ImageRotation(ImageTask):
    """The method as a module for `training.fit`; batches are square images (B, 3, S, S) in [0, 1].

    backbone: images → (N, D). turns_per_image: how many of the four turns of each image are in a batch: 4, as in the
    paper, or 1 drawn at random. augment: called on the rotated images.
    """

    def __init__(self, backbone: nn.Module, *, turns_per_image: int = 4, augment=None):
        super().__init__(backbone, 4, augment=augment)
        if check_positive("turns_per_image", turns_per_image) not in (1, 4):
            raise ValueError(f"turns_per_image is {turns_per_image}; it takes 4 (all of them) or 1")
        self.turns_per_image = turns_per_image

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotated images (B · turns_per_image, 3, S, S) and the quarter turns, anticlockwise, 0 … 3.

        All turns of one image stand in turn. Raises ValueError for NaN and for images that are not square.
        """
        check_square(images, "a quarter turn")
        turned = torch.stack([images.rot90(turns, (-2, -1)) for turns in range(4)], 1)
        if self.turns_per_image == 4:
            turned, labels = turned.flatten(0, 1), torch.arange(4).repeat(len(images))
        else:
            labels = spread_labels(len(images), 4, generator)
            turned = turned[torch.arange(len(images)), labels]
        return (self.augment(turned, generator) if self.augment else turned), labels.to(images.device)
