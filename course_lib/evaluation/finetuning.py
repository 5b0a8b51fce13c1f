"""E03: what are learned weights worth as a start? Fine-tuning on labelled frames.

Seed 000, sections 3.3.2 and 3.4.2, Tables 3.3 and 3.7.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ..checks import check_positive
from .arrays import as_integers
from .extraction import extract
from .probes import ProbeResult, group_result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FinetuneResult:
    """What fine-tuning gave.

    accuracy: in [0, 1], on the test images (or test groups). curve: loss and train accuracy of each step.
    result: the predictions behind the accuracy. model: the fine-tuned net, images (B, C, H, W) → logits.
    """

    accuracy: float
    curve: "pd.DataFrame"
    result: ProbeResult
    model: nn.Module


class Supervised(nn.Module):
    """Plain classification as a method that `training.fit` can train: backbone, then one linear layer.

    backbone: images (B, C, H, W), or clips (B, T, C, H, W), → (B, D), with attribute ``features`` = D. A batch is
    (images, labels), images uint8 or float in [0, 1], labels int64 (B,) in 0 … classes − 1. flip: mirror each image,
    or each clip as a whole, with probability one half.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, flip: bool = True):
        super().__init__()
        self.backbone, self.flip = backbone, flip
        self.head = nn.Linear(backbone.features, check_positive("classes", classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes)."""
        return self.head(self.backbone(images))

    def pretext(self, batch, generator: torch.Generator):
        """Float images, mirrored at random, and their labels."""
        images, labels = batch
        images = images.float().div(255) if images.dtype == torch.uint8 else images
        if self.flip:
            mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
            images = torch.where(mirrored.view(-1, *[1] * (images.ndim - 1)), images.flip(-1), images)
        return images, labels

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        images, labels = self.pretext(batch, generator)
        logits = self(images)
        return {
            "loss": cross_entropy(logits, labels),
            "accuracy": (logits.argmax(1) == labels).float().mean(),
        }


def reset_weights(module: nn.Module, generator: torch.Generator, *, keep: str | None = None) -> nn.Module:
    """Draw new weights for every layer of ``module`` outside its part ``keep`` (a dotted name), in place.

    Each layer's own ``reset_parameters`` decides the distribution; ``generator`` decides the draw.
    """
    kept = set(module.get_submodule(keep).modules()) if keep else set()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        for layer in module.modules():
            if layer not in kept and hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return module


def partial_copy(backbone: nn.Module, keep: str | None, generator: torch.Generator) -> nn.Module:
    """A copy of ``backbone`` with the weights of its part ``keep`` (a dotted name) and all others drawn anew.

    None keeps every weight, and draws nothing from ``generator``. Raises ValueError for a part that is not there.
    """
    if keep is not None and keep not in dict(backbone.named_modules()):
        raise ValueError(f"keep is {keep!r}; {type(backbone).__name__} has {[n for n, _ in backbone.named_children()]}")
    copied = copy.deepcopy(backbone)
    return copied if keep is None else reset_weights(copied, generator, keep=keep)


def finetune(
    backbone: nn.Module,
    images: torch.Tensor,
    labels,
    test_images: torch.Tensor,
    test_labels,
    *,
    generator: torch.Generator,
    steps: int = 500,
    batch: int = 64,
    lr: float = 1e-3,
    keep: str | None = "conv",
    flip: bool = True,
    test_groups=None,
    device: torch.device | str = "cpu",
    precision: str = "32-true",
    progress: bool = False,
) -> FinetuneResult:
    """Copy ``backbone``, keep the weights of its part ``keep``, draw the rest anew, train all on the labels.

    images (N, C, H, W), test_images (M, C, H, W): uint8 or float in [0, 1]; labels, test_labels: integers.
    The seeds keep conv1 to conv5 (``keep="conv"``); None keeps every weight. For the random row give a
    freshly initialised backbone. test_groups (M,): the video of each test frame; scores are averaged over a
    video's frames, accuracy is per video. flip off where left and right matter. The backbone given is not
    changed. Raises ValueError for labels that do not fit or an unknown ``keep``.
    """
    labels = as_integers("labels", labels, len(images))
    test_labels = as_integers("test_labels", test_labels, len(test_images))
    classes, target = labels.unique(return_inverse=True)
    unseen = sorted(set(test_labels.tolist()) - set(classes.tolist()))
    if len(classes) < 2 or unseen:
        raise ValueError(
            f"labels has classes {classes.tolist()}, test_labels also {unseen}; "
            "it takes two or more, all of them in labels"
        )
    model = Supervised(partial_copy(backbone, keep, generator), len(classes), flip=flip)
    reset_weights(model, generator, keep="backbone")
    options = {"device": device, "precision": precision, "progress": progress}
    curve = train_on(model, images, target, generator=generator, steps=steps, batch=batch, lr=lr, **options)
    scores = extract(model, test_images, device=device, precision=precision)
    result = ProbeResult.of(scores, classes, test_labels)
    if test_groups is not None:
        result = group_result(result, test_labels, test_groups)
    return FinetuneResult(result.accuracy, curve, result, model)


def train_on(
    model: nn.Module,
    images: torch.Tensor,
    *truth: torch.Tensor,
    generator: torch.Generator,
    batch: int,
    device,
    **options,
) -> "pd.DataFrame":
    """Train ``model`` on random batches of ``images`` and of each ``truth`` (N, …); loss and parts of each step.

    The images may lie on another device than ``device``, where the batches are. options: as for `training.fit`.
    """
    from ..training import fit

    check_positive("batch", batch)

    def batches(draw: torch.Generator):
        pick = torch.randint(len(images), (batch,), generator=draw)
        return tuple(each[pick.to(each.device)].to(device) for each in (images, *truth))

    return fit(model, batches, generator=generator, device=device, **options).frame
