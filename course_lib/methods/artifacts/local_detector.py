"""Can a pretext task be solved from near? A detector that sees a few pixels at a time is trained on it.

A control that the course adds. 001 §3.3.1 wants damage that shows only to who looks at a large part of the picture, and
gives renderings as evidence. A bag of small patches measures it: near chance, the task asks for more than low-level
traces; far above, there is a shortcut (no repair, or raw pictures as real).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_positive


class LocalDetector(nn.Module):
    """The control as a module for `training.fit`; batches are whatever ``pretext`` takes.

    pretext: ``(batch, generator) → (images (N, 3, H, W), labels (N,))``, or with a tuple of targets of which the labels
    are the first, e.g. ``SpottingArtifacts.pretext`` of a method in eval mode; it is not trained. classes: how many
    labels. layers: 3×3 convolutions, which see 2·layers + 1 pixels (9 with 4). width: their channels.
    """

    def __init__(self, pretext: Callable, classes: int = 2, *, layers: int = 4, width: int = 32):
        super().__init__()
        self.pretext, self.classes = pretext, check_positive("classes", classes)
        widths = [3, *[check_positive("width", width)] * check_positive("layers", layers)]
        chain = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            # No padding: a border would tell where in the picture a patch lies.
            chain += [nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.backbone = nn.Sequential(*chain)
        self.classifier = nn.Linear(2 * width, classes)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) → logits (N, classes), from mean and maximum of each channel over all patches."""
        maps = self.backbone(images * 2 - 1).flatten(2)
        return self.classifier(torch.cat([maps.mean(2), maps.amax(2)], 1))

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy on the pretext task's labels."""
        with torch.no_grad():
            images, targets = self.pretext(batch, generator)
        labels = targets[0] if isinstance(targets, tuple) else targets
        logits = self(images)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}
