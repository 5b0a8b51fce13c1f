"""E06: several labels at once. Fine-tuning for the classification task of Pascal VOC, scored by mean average precision.

Seed 000, section 3.4.2, Table 3.6, left column: a picture shows any number of classes, and the net answers each with a
probability of its own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..checks import check_positive
from .conv_maps import check_pictures
from .extraction import extract
from .finetuning import Supervised, partial_copy, reset_weights, train_on
from .ranking import average_precision

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MultilabelResult:
    """What fine-tuning gave.

    mean_ap: mean over the classes of ``class_ap`` (C,), each in [0, 1]; chance is the share of pictures with the class.
    scores: (M, C) logits of the test images. curve: loss and accuracy (share of right yes-or-no answers) of each step.
    model: the fine-tuned net, images (B, 3, H, W) → logits (B, C).
    """

    mean_ap: float
    class_ap: torch.Tensor
    scores: torch.Tensor
    curve: "pd.DataFrame"
    model: nn.Module


class Multilabel(Supervised):
    """`Supervised` with labels bool (B, C): a sigmoid per class, and the mean binary cross-entropy."""

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        images, present = self.pretext(batch, generator)
        logits = self(images).float()
        return {
            "loss": binary_cross_entropy_with_logits(logits, present.float()),
            "accuracy": ((logits > 0) == present).float().mean(),
        }


def presence(classes, count: int) -> torch.Tensor:
    """Which classes a picture shows: int (N, O), -1 where there is no object → bool (N, count)."""
    classes = torch.as_tensor(classes)
    check_positive("count", count)
    if classes.ndim != 2 or classes.is_floating_point() or classes.numel() == 0:
        raise ValueError(f"classes is {tuple(classes.shape)} {classes.dtype}; it takes integers (N, O)")
    if classes.min() < -1 or classes.max() >= count:
        raise ValueError(f"classes holds {int(classes.min())} … {int(classes.max())}; it takes -1 … {count - 1}")
    shown = torch.zeros(len(classes), count + 1, dtype=torch.bool, device=classes.device)
    return shown.scatter(1, classes.long() + 1, True)[:, 1:]


def finetune_multilabel(
    backbone: nn.Module,
    images: torch.Tensor,
    labels,
    test_images: torch.Tensor,
    test_labels,
    *,
    generator: torch.Generator,
    steps: int = 500,
    batch: int = 32,
    lr: float = 1e-3,
    keep: str | None = "conv",
    flip: bool = True,
    device: torch.device | str = "cpu",
    precision: str = "32-true",
    progress: bool = False,
) -> MultilabelResult:
    """Copy ``backbone``, keep its part ``keep``, draw the rest anew, train all on which classes are there.

    labels (N, C), test_labels (M, C): bool, or 0 and 1; see `presence`. All else as in `finetune`. Average precision is
    the area under precision over recall; VOC'07 itself reads the curve at eleven recalls only. Raises ValueError for
    labels of another kind, or a class that is in no training or in no test picture.
    """
    check_pictures("images", images), check_pictures("test_images", test_images)
    labels = _as_presence("labels", labels, len(images))
    test_labels = _as_presence("test_labels", test_labels, len(test_images))
    if labels.shape[1] != test_labels.shape[1]:
        raise ValueError(f"labels has {labels.shape[1]} classes, test_labels {test_labels.shape[1]}; they must agree")
    model = Multilabel(partial_copy(backbone, keep, generator), labels.shape[1], flip=flip)
    reset_weights(model, generator, keep="backbone")
    options = {"device": device, "precision": precision, "progress": progress}
    curve = train_on(model, images, labels, generator=generator, steps=steps, batch=batch, lr=lr, **options)
    scores = extract(model, test_images, **options)
    class_ap = average_precision(scores, test_labels)
    return MultilabelResult(float(class_ap.mean()), class_ap, scores, curve, model)


def _as_presence(argument, labels, rows):
    labels = torch.as_tensor(labels).detach().cpu()
    if labels.ndim != 2 or len(labels) != rows or labels.shape[1] == 0 or not ((labels == 0) | (labels == 1)).all():
        raise ValueError(f"{argument} is {tuple(labels.shape)} {labels.dtype}; it takes 0 or 1, ({rows}, C)")
    missing = (labels == 0).all(0).nonzero().flatten().tolist()
    if missing:
        raise ValueError(f"{argument} has no picture with class {missing[0]}; each takes one or more")
    return labels.bool()
