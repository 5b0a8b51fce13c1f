"""What the pretext tasks on single images share: a backbone, a head, and a question whose answer the task made itself.

`ImageTask` asks about whole images, `PatchTask` about pieces of them. A task's own file tells only what is asked. The
jigsaw puzzle, which fits here too, is `methods.SpatialPermutation`; Exemplar-CNN is `baselines.ExemplarCNN`.
"""

import torch
from torch import nn

from ...checks import check_images, check_positive
from ...models.alexnet import map_shape
from ...transforms import standardise
from ..pretext.skeleton import scores


class ImageTask(nn.Module):
    """A classification task on images, as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: images (N, 3, H, W) → (N, D), with the attribute ``features`` = D. classes: answers to choose from.
    augment: called as ``augment(images, generator)`` on what the task has made; None for none.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, augment=None):
        super().__init__()
        self.backbone, self.augment = backbone, augment
        self.classes = check_positive("classes", classes)
        self.head = nn.Linear(backbone.features, classes)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.classes

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network is shown, and the right answers, int64; each task writes its own."""
        raise NotImplementedError

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of the pretext task → logits (N, classes)."""
        return self.head(self.backbone(inputs))

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of the pretext task."""
        inputs, labels = self.pretext(batch, generator)
        return scores(self(inputs), labels)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D), what is kept after training."""
        return self.backbone(images)


class PatchTask(nn.Module):
    """A task on pieces of images. They are smaller than images, so what they share with the backbone is its ``conv``.

    backbone: has ``conv``, as `AlexNet`, `SmallAlexNet` and `SmallResNet` have. patch: side of a piece, pixels. fc6:
    units of the layer over the map of a piece, which is thrown away with the task. augment: called on all pieces
    (N, K, 3, h, w), as on clips: with ``mode="frame"`` each piece is changed by itself. normalise: standardise the
    colours of each piece, so that neither light nor tint tells which belong together.
    """

    def __init__(self, backbone: nn.Module, patch: int, *, fc6: int, augment=None, normalise: bool = True):
        super().__init__()
        self.backbone, self.augment, self.normalise = backbone, augment, normalise
        self.patch = check_positive("patch", patch)
        channels, height, width = map_shape(backbone.conv, 3, patch)
        self.fc6 = nn.Sequential(nn.Linear(channels * height * width, check_positive("fc6", fc6)), nn.ReLU())

    def finish(self, pieces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Pieces as cut → augmented and standardised, as the network sees them."""
        pieces = self.augment(pieces, generator) if self.augment else pieces
        return standardise(pieces) if self.normalise else pieces

    def embed(self, pieces: torch.Tensor) -> torch.Tensor:
        """The same network on every piece: (N, K, 3, h, w) → (N, K, fc6)."""
        maps = self.backbone.conv(pieces.flatten(0, 1) * 2 - 1)  # scaled as the backbone does
        return self.fc6(maps.flatten(1)).unflatten(0, pieces.shape[:2])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → the last convolutional map, flattened (B, C·h·w): all that this task trains of it.

        As in `SpatialPermutation`; a backbone's fc6 over whole images is not touched by tasks on pieces.
        """
        images = standardise(images) if self.normalise else images
        return self.backbone.conv(images * 2 - 1).flatten(1)


def check_square(images: torch.Tensor, who: str) -> None:
    """Raise ValueError for images that are not (B, C, S, S) or not finite."""
    check_images("images", images)
    if images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images are {images.shape[-2]}×{images.shape[-1]} pixels; {who} takes squares")


def take_images(images: torch.Tensor, rows: torch.Tensor, device) -> torch.Tensor:
    """Rows of images, uint8 or float in [0, 1], as float32 in [0, 1] on ``device``."""
    taken = images[rows].to(device)
    return taken.float().div_(255) if taken.dtype == torch.uint8 else taken
