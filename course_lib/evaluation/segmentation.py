"""E08: a class for every pixel. Fine-tuning as a fully convolutional network, scored by mean intersection over union.

Seed 000, section 3.4.2, Table 3.6, right column; Long, Shelhamer and Darrell 2015 (FCN).
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import cross_entropy, grid_sample

from ..checks import check_positive
from .conv_maps import ConvMap, as_pixels, check_pictures, draw_mirrored, mirror
from .extraction import extract
from .finetuning import reset_weights, train_on

if TYPE_CHECKING:
    import pandas as pd

IGNORED = (-1, 255)  # labels of pixels that count neither in the loss nor in the score; VOC draws borders with 255


@dataclass(frozen=True)
class SegmentationResult:
    """What fine-tuning gave.

    mean_iou: in [0, 1], over the classes present. class_iou: (C,), NaN for a class that is neither there nor predicted.
    predicted: int64 (M, H, W), the class of each test pixel. curve: loss and pixel accuracy of each step. model:
    images (B, 3, H, W) → logits (B, C, H, W).
    """

    mean_iou: float
    class_iou: torch.Tensor
    predicted: torch.Tensor
    curve: "pd.DataFrame"
    model: nn.Module


class FCN(nn.Module):
    """Fully connected layers as convolutions on the map, and bilinear up-sampling of their scores to every pixel.

    conv, enlarge: see `ConvMap`. hidden: channels of a 3×3 convolution, which stands for fc6 and fc7 (with batch norm,
    as after fc6 of `SmallAlexNet`); without it a small net learns little in 100 steps. Then a 1×1 convolution scores
    the classes. A batch is (images, masks), masks int64 (B, H, W) in 0 … classes − 1 or -1 (ignored).
    The up-sampling reads the map where each pixel lies in it, and repeats its border outside. flip: mirror each
    image, with its mask, with probability one half.
    """

    def __init__(self, conv: nn.Module, classes: int, *, hidden: int = 128, enlarge: int = 2, flip: bool = True):
        super().__init__()
        self.map = ConvMap(conv, enlarge=enlarge)
        self.head = nn.Sequential(
            nn.Conv2d(self.map.channels, check_positive("hidden", hidden), 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, check_positive("classes", classes), 1),
        )
        self.flip = flip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes, H, W), float32."""
        scores = self.head(self.map(images)).float()
        down, right = (
            self.map.cells(torch.arange(pixels, device=scores.device, dtype=scores.dtype)) / max(cells - 1, 1) * 2 - 1
            for pixels, cells in zip(images.shape[-2:], scores.shape[-2:], strict=True)
        )
        x, y = torch.meshgrid(right, down, indexing="xy")
        places = torch.stack([x, y], -1).expand(len(scores), -1, -1, -1)
        return grid_sample(scores, places, padding_mode="border", align_corners=True)

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        images, masks = batch
        mirrored = draw_mirrored(len(images), generator, self.flip)
        images, masks = mirror(as_pixels(images), mirrored), mirror(masks, mirrored)
        logits, counted = self(images), masks >= 0
        own = logits.detach().gather(1, masks.clamp(min=0)[:, None]).squeeze(1)
        right = (own == logits.detach().amax(1)) & counted  # ten times as fast as argmax over this dimension
        # As many pixels count in every batch as there are: a batch without labels has loss 0, not NaN.
        loss = cross_entropy(logits, masks, ignore_index=-1, reduction="sum") / counted.sum().clamp(min=1)
        return {"loss": loss, "accuracy": right.sum() / counted.sum().clamp(min=1)}


def class_masks(masks, classes) -> torch.Tensor:
    """Which class is at each pixel, int64 (N, H, W): 0 background, c + 1 class c.

    masks (N, H, W): 0 background, k object k. classes (N, O): the class of each object, -1 where there is none.
    """
    masks, classes = torch.as_tensor(masks), torch.as_tensor(classes)
    if masks.ndim != 3 or classes.ndim != 2 or len(masks) != len(classes):
        raise ValueError(f"masks is {tuple(masks.shape)}, classes {tuple(classes.shape)}; they take (N, H, W), (N, O)")
    if masks.min() < 0 or masks.max() > classes.shape[1]:
        raise ValueError(f"masks holds {int(masks.min())} … {int(masks.max())}; it takes 0 … {classes.shape[1]}")
    table = torch.nn.functional.pad(classes.long() + 1, (1, 0))
    return table.gather(1, masks.long().flatten(1)).view(masks.shape)


def class_iou(predicted, truth, classes: int) -> torch.Tensor:
    """Intersection over union of each class, float64 (classes,): pixels of the class in both, over pixels in either.

    predicted, truth: integers of one shape, 0 … classes − 1; pixels whose truth is -1 or 255 are left out. A class that
    is in neither has NaN. Raises ValueError for other labels or shapes, or if no pixel counts.
    """
    predicted, truth = (torch.as_tensor(labels).detach().cpu() for labels in (predicted, truth))
    check_positive("classes", classes)
    if predicted.shape != truth.shape or predicted.is_floating_point() or truth.is_floating_point():
        raise ValueError(
            f"predicted is {tuple(predicted.shape)} {predicted.dtype}, truth {tuple(truth.shape)} {truth.dtype}; "
            "they take integers of one shape"
        )
    truth = _as_masks("truth", truth, classes)
    predicted, truth = predicted[truth >= 0].long(), truth[truth >= 0]
    if len(truth) == 0:
        raise ValueError("truth has no pixel with a class; it takes one or more")
    if predicted.min() < 0 or predicted.max() >= classes:
        raise ValueError(f"predicted holds {int(predicted.min())} … {int(predicted.max())}; it takes 0 … {classes - 1}")
    table = torch.bincount(truth * classes + predicted, minlength=classes**2).view(classes, classes).double()
    both = table.diagonal()
    return both / (table.sum(0) + table.sum(1) - both)


def mean_iou(predicted, truth, classes: int) -> float:
    """Mean of `class_iou` over the classes that are in the truth or predicted; arguments and errors as there."""
    return float(class_iou(predicted, truth, classes).nanmean())


def finetune_segmenter(
    backbone: nn.Module,
    images: torch.Tensor,
    masks,
    test_images: torch.Tensor,
    test_masks,
    *,
    generator: torch.Generator,
    steps: int = 500,
    batch: int = 32,
    lr: float = 1e-3,
    enlarge: int = 2,
    flip: bool = True,
    device: torch.device | str = "cpu",
    precision: str = "32-true",
    progress: bool = False,
) -> SegmentationResult:
    """Copy ``backbone.conv``, put a new `FCN` head on it, train all on the masks.

    masks (N, H, W), test_masks (M, H, W): integers, the class of each pixel (0 is the background by custom; see
    `class_masks`), -1 or 255 where it does not count. enlarge: see `ConvMap`. All else as in `finetune`; for the random
    row give a freshly initialised backbone. The backbone given is not changed. Raises ValueError for masks that do not
    fit the images, or a class that only the test has.
    """
    check_pictures("images", images), check_pictures("test_images", test_images)
    classes = 1 + max(_largest(name, given) for name, given in (("masks", masks), ("test_masks", test_masks)))
    masks = _as_masks("masks", masks, classes, images)
    test_masks = _as_masks("test_masks", test_masks, classes, test_images)
    unseen = sorted(set(test_masks.unique().tolist()) - set(masks.unique().tolist()) - {-1})
    if unseen or len(masks.unique()) < 2:
        raise ValueError(
            f"masks has classes {masks.unique().tolist()}, test_masks also {unseen}; "
            "it takes two or more, all of them in masks"
        )
    model = FCN(_conv_of(backbone), classes, enlarge=enlarge, flip=flip)
    reset_weights(model, generator, keep="map")
    options = {"device": device, "precision": precision, "progress": progress}
    curve = train_on(model, images, masks, generator=generator, steps=steps, batch=batch, lr=lr, **options)
    # Classes, not logits: a test set of logits is C times as large.
    predicted = extract(_Classes(model), test_images, batch=32, **options).view(test_masks.shape).long()
    per_class = class_iou(predicted, test_masks, classes)
    return SegmentationResult(float(per_class.nanmean()), per_class, predicted, curve, model)


class _Classes(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).argmax(1).float()


def _conv_of(backbone):
    if not hasattr(backbone, "conv"):
        raise ValueError(f"backbone is {type(backbone).__name__}; it takes a network with convolutions in .conv")
    return copy.deepcopy(backbone.conv)


def _largest(argument, masks):
    masks = torch.as_tensor(masks)
    if masks.is_floating_point() or masks.numel() == 0:
        raise ValueError(f"{argument} is {tuple(masks.shape)} {masks.dtype}; it takes integers (N, H, W)")
    return int(torch.where(masks == 255, 0, masks).max())


def _as_masks(argument, masks, classes, images=None):
    """``masks`` as int64 on the CPU with -1 for every ignored pixel."""
    masks = torch.as_tensor(masks).detach().cpu().long()
    if images is not None and masks.shape != (len(images), *images.shape[-2:]):
        raise ValueError(
            f"{argument} is {tuple(masks.shape)}; it takes {(len(images), *images.shape[-2:])}, as the images"
        )
    masks = torch.where(torch.isin(masks, torch.tensor(IGNORED)), -1, masks)
    if masks.numel() == 0 or masks.min() < -1 or masks.max() >= classes:
        raise ValueError(f"{argument} holds {masks.unique().tolist()[:8]}; it takes 0 … {classes - 1}, -1 or 255")
    return masks
