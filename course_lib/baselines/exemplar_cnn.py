"""Exemplar-CNN: every seed image is a class of its own, made of random transformations of it (000 §3.3.2, Table 3.1).

The idea (Dosovitskiy et al. 2014): without labels, an image and its crops, mirror images and recolourings still
belong together. Classifying "which seed was this?" makes features that ignore the transformations. What the
transformations do not change, background included, stays a valid clue: no seed is ever similar to another.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_images, check_positive
from ..transforms import Augmentation
from .supervised import ImageSampler

STRONG = Augmentation(
    scale=(0.5, 1.0), flip=0.5, brightness=0.4, contrast=0.4, saturation=0.4, gain=0.2, grey=0.2, mode="clip"
)


class ExemplarCNN(nn.Module):
    """Surrogate-class classification; batches are (images (B, 3, H, W) in [0, 1], seed of each (B,)).

    backbone: images → (B, D). classes: number of seed images. augment: the transformations that make a class.
    `batches` draws from an array of seeds.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, augment=STRONG):
        super().__init__()
        self.backbone, self.augment = backbone, augment
        self.classifier = nn.Linear(backbone.features, check_positive("classes", classes))

    @staticmethod
    def batches(seeds: torch.Tensor, *, batch: int, device="cpu") -> ImageSampler:
        """A sampler over seed images (N, 3, H, W), uint8 or float in [0, 1]; image n is class n."""
        return ImageSampler(seeds, batch=batch, device=device)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.classifier.out_features

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A random transformation of every image, and the seed it came from. Raises ValueError for NaN."""
        images, seeds = batch
        check_images("images", images)
        return (self.augment(images, generator) if self.augment else images), seeds

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "which seed?"."""
        images, seeds = self.pretext(batch, generator)
        logits = self.classifier(self.backbone(images))
        return {"loss": F.cross_entropy(logits, seeds), "accuracy": (logits.argmax(1) == seeds).float().mean()}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(images)
