"""E07: what is where? Fine-tuning as a small Fast R-CNN, scored by mean average precision.

Seed 000, section 3.4.2, Table 3.6, middle column; Girshick 2015 (Fast R-CNN). The convolutions run once per picture;
every proposed box then takes its piece of their map, and the fully connected layers say what is in it and how the box
should move. Boxes: see `boxes`.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torchvision.ops import batched_nms, clip_boxes_to_image, roi_align

from ..checks import check_positive
from .arrays import as_integers
from .boxes import decode_boxes, mirror_boxes, paired_iou, proposals, windows
from .conv_maps import ConvMap, as_pixels, check_pictures, draw_mirrored, mirror
from .extraction import extract
from .finetuning import reset_weights, train_on

if TYPE_CHECKING:
    import pandas as pd

OVERLAP = 0.3  # IoU above which the weaker of two boxes of a class is dropped, as in Fast R-CNN
TOP = 100  # boxes of a picture that reach non-maximum suppression


@dataclass(frozen=True)
class Detections:
    """D boxes found in any number of pictures, the surest first within a picture.

    image: int64 (D,), the row of the picture. boxes: (D, 4), pixels. scores: (D,) in [0, 1]. classes: int64 (D,).
    """

    image: torch.Tensor
    boxes: torch.Tensor
    scores: torch.Tensor
    classes: torch.Tensor


@dataclass(frozen=True)
class DetectionResult:
    """What fine-tuning gave.

    mean_ap: mean of ``class_ap`` (class → average precision at IoU 0.5), in [0, 1]. detections: what was found in the
    test images. curve: loss, accuracy (share of proposals classified right) and box (the part of the loss that moves
    boxes) of each step. model: the fine-tuned `FastRCNN`.
    """

    mean_ap: float
    class_ap: dict[int, float]
    detections: Detections
    curve: "pd.DataFrame"
    model: nn.Module


class FastRCNN(nn.Module):
    """Class and box of every proposal, from one convolutional map per picture.

    backbone: has ``conv`` and ``fc6`` and the shape ``map_shape`` of the map between them, as `AlexNet` and
    `SmallAlexNet`; its parts are used, not copied. `roi_align` pools the map under each proposal to ``map_shape``, in
    place of the last pooling; then fc6, a layer for the class (0 background) and one for the moves, per class.
    A batch is (images, boxes, classes), the last two as in `proposals`, of which ``count`` are drawn per picture.
    flip: mirror each picture, with its boxes, with probability one half. enlarge: see `ConvMap`.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, count: int = 16, enlarge: int = 2, flip: bool = True):
        super().__init__()
        missing = [name for name in ("conv", "fc6", "map_shape", "features") if not hasattr(backbone, name)]
        if missing:
            raise ValueError(f"backbone is {type(backbone).__name__}; it takes one with .{missing[0]}, e.g. an AlexNet")
        self.classes, self.count = check_positive("classes", classes), check_positive("count", count)
        self.flip, self.pooled = flip, tuple(backbone.map_shape[1:])
        self.map, self.fc6 = ConvMap(backbone.conv, enlarge=enlarge), backbone.fc6
        self.class_head = nn.Linear(backbone.features, classes + 1)
        self.box_head = nn.Linear(backbone.features, 4 * classes)

    def forward(self, images: torch.Tensor, proposed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, 3, H, W), boxes (B, R, 4) → logits (B, R, classes + 1), moves (B, R, classes, 4)."""
        # Coordinates count cells by their centres, as our pixels: "aligned" would move them by half a cell.
        cells = self.map.cells(proposed).unbind()
        pieces = roi_align(self.map(images), list(cells), self.pooled, sampling_ratio=2, aligned=False)
        hidden = self.fc6(pieces)
        logits, moves = self.class_head(hidden).float(), self.box_head(hidden).float()
        return logits.view(*proposed.shape[:2], -1), moves.view(*proposed.shape[:2], -1, 4)

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        images, boxes, classes = batch[0], batch[1].cpu(), batch[2].cpu()  # proposals are drawn on the CPU
        mirrored = draw_mirrored(len(images), generator, self.flip)
        images, boxes = mirror(as_pixels(images), mirrored), mirror_boxes(boxes, mirrored, images.shape[-1])
        drawn = proposals(boxes, classes, self.count, generator, images.shape[-2:])
        proposed, labels, targets = (each.to(images.device) for each in drawn)
        logits, moves = self(images, proposed)
        own = (labels - 1).clamp(min=0)[..., None, None].expand(-1, -1, 1, 4)
        missed = smooth_l1_loss(moves.gather(2, own).squeeze(2), targets, reduction="none").sum(-1)
        named = cross_entropy(logits.flatten(0, 1), labels.flatten())
        box = (missed * (labels > 0)).mean()
        accuracy = (logits.argmax(-1) == labels).float().mean()
        return {"loss": named + box, "accuracy": accuracy, "box": box}

    @torch.no_grad()
    def detect(
        self, images: torch.Tensor, *, lowest: float = 0.01, device=None, precision: str = "32-true", progress=False
    ) -> Detections:
        """Find objects in images (N, 3, H, W) from the `windows` alone; scores under ``lowest`` are left out."""
        found = extract(_Best(self), images, batch=32, device=device, precision=precision, progress=progress)
        found = found.view(len(images), -1, 6)
        rows = []
        for number, best in enumerate(found):
            best = best[best[:, 4] >= lowest]
            kept = best[batched_nms(best[:, :4], best[:, 4], best[:, 5], OVERLAP)]
            rows.append((torch.full((len(kept),), number), kept))
        image, kept = (torch.cat(each) for each in zip(*rows, strict=True))
        return Detections(image, kept[:, :4], kept[:, 4], kept[:, 5].long())


class _Best(nn.Module):
    """Images (B, …) → the surest boxes of each, (B, K, 6): box, score, class. A module for `extract`."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, images):
        grid = windows(images.shape[-2:]).to(images.device).expand(len(images), -1, -1)
        logits, moves = self.detector(images, grid)
        scores = logits.softmax(-1)[..., 1:].flatten(1)
        scores, place = scores.topk(min(TOP, scores.shape[1]))
        boxes = decode_boxes(grid[:, :, None], moves).flatten(1, 2)
        boxes = boxes.gather(1, place[..., None].expand(-1, -1, 4))
        boxes = clip_boxes_to_image(boxes, tuple(pixels - 1 for pixels in images.shape[-2:]))
        classes = (place % self.detector.classes).float()
        return torch.cat([boxes, scores[..., None], classes[..., None]], -1)


def detection_map(
    image, boxes, scores, classes, true_boxes, true_classes, *, iou: float = 0.5
) -> tuple[float, dict[int, float]]:
    """Mean average precision of detections, and the average precision of each class that is in the truth.

    Found: image (D,) the row of the picture, boxes (D, 4), scores (D,), classes (D,). Truth: true_boxes (N, O, 4), NaN
    where there is no object, and true_classes (N, O), -1 there. In the order of its score each box is compared with the
    true box of its class that it overlaps most; it is right if their IoU is ``iou`` or more and no surer box was right
    about the same object. Average precision is the area under the curve of precision, made non-increasing, over recall
    (VOC from 2010 on; VOC'07 read it at eleven points). A class found but never true is left out, as in VOC.
    Raises ValueError for shapes or boxes that do not fit, NaN, or a truth without objects.
    """
    true_boxes, true_classes = _as_truth("true_boxes", true_boxes, "true_classes", true_classes)
    boxes, scores = (torch.as_tensor(each).detach().cpu().double() for each in (boxes, scores))
    if boxes.shape != (len(boxes), 4) or scores.shape != boxes.shape[:1]:
        raise ValueError(f"boxes is {tuple(boxes.shape)}, scores {tuple(scores.shape)}; they take (D, 4) and (D,)")
    if not boxes.isfinite().all() or not scores.isfinite().all():
        raise ValueError("boxes or scores are NaN or infinite; they take numbers")
    image, classes = (as_integers(name, v, len(boxes)) for name, v in (("image", image), ("classes", classes)))
    if len(image) and (image.min() < 0 or image.max() >= len(true_boxes)):
        raise ValueError(
            f"image holds {int(image.min())} … {int(image.max())}; there are {len(true_boxes)} pictures in true_boxes"
        )
    if not 0 < iou <= 1:
        raise ValueError(f"iou is {iou!r}; it takes a number in (0, 1]")
    order = scores.argsort(descending=True, stable=True)
    image, boxes, classes = image[order], boxes[order], classes[order]
    overlap = paired_iou(boxes[:, None], true_boxes.double()[image])
    overlap, best = torch.where(true_classes[image] == classes[:, None], overlap, 0.0).max(1)
    # Which object a box is about does not depend on the others: the first that is right about an object gets it.
    about = torch.where(overlap >= iou, image * true_boxes.shape[1] + best, -1)
    right = (about >= 0) & _first_of_its_kind(about)
    result = {}
    for label in true_classes[true_classes >= 0].unique().tolist():
        hits = right[classes == label].double()
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        precision = precision.flip(0).cummax(0).values.flip(0)
        result[label] = float((precision * hits).sum() / (true_classes == label).sum())
    return sum(result.values()) / len(result), result


def finetune_detector(
    backbone: nn.Module,
    images: torch.Tensor,
    boxes,
    classes,
    test_images: torch.Tensor,
    test_boxes,
    test_classes,
    *,
    generator: torch.Generator,
    steps: int = 500,
    batch: int = 32,
    lr: float = 1e-3,
    count: int = 16,
    enlarge: int = 2,
    flip: bool = True,
    device: torch.device | str = "cpu",
    precision: str = "32-true",
    progress: bool = False,
) -> DetectionResult:
    """Copy ``backbone``, keep ``conv``, draw fc6 and two heads anew, train all as `FastRCNN`, find the test's boxes.

    boxes (N, O, 4), NaN where there is no object, classes (N, O), -1 there; test_boxes, test_classes alike. count:
    proposals per picture in training. In the test the proposals are `windows`, which know nothing of the truth.
    enlarge: see `ConvMap`. All else as in `finetune`; for the random row give a freshly initialised backbone. The
    backbone given is not changed. Raises ValueError for boxes outside of the picture or that do not fit the classes,
    and for a class that only the test has.
    """
    check_pictures("images", images), check_pictures("test_images", test_images)
    boxes, classes = _as_truth("boxes", boxes, "classes", classes, images)
    test_boxes, test_classes = _as_truth("test_boxes", test_boxes, "test_classes", test_classes, test_images)
    unseen = sorted(set(test_classes.unique().tolist()) - set(classes.unique().tolist()) - {-1})
    if unseen:
        raise ValueError(f"test_classes has {unseen}; they are not in classes, {classes.unique().tolist()}")
    model = FastRCNN(copy.deepcopy(backbone), int(classes.max()) + 1, count=count, enlarge=enlarge, flip=flip)
    reset_weights(model, generator, keep="map")
    options = {"device": device, "precision": precision, "progress": progress}
    curve = train_on(model, images, boxes, classes, generator=generator, steps=steps, batch=batch, lr=lr, **options)
    found = model.detect(test_images, **options)
    mean, per_class = detection_map(found.image, found.boxes, found.scores, found.classes, test_boxes, test_classes)
    return DetectionResult(mean, per_class, found, curve, model)


def _first_of_its_kind(numbers):
    """bool (D,): no earlier element is equal."""
    kinds, which = numbers.unique(return_inverse=True)
    first = torch.full((len(kinds),), len(numbers)).scatter_reduce(0, which, torch.arange(len(numbers)), "amin")
    return first[which] == torch.arange(len(numbers))


def _as_truth(boxes_name, boxes, classes_name, classes, images=None):
    """Boxes float32 (N, O, 4) and classes int64 (N, O) on the CPU, checked against each other and the images."""
    boxes, classes = (torch.as_tensor(each).detach().cpu() for each in (boxes, classes))
    if boxes.ndim != 3 or boxes.shape[2:] != (4,) or boxes.shape[:2] != classes.shape or boxes.numel() == 0:
        raise ValueError(
            f"{boxes_name} is {tuple(boxes.shape)}, {classes_name} {tuple(classes.shape)}; they take (N, O, 4), (N, O)"
        )
    if classes.is_floating_point() or classes.min() < -1 or classes.max() < 0:
        raise ValueError(f"{classes_name} is {classes.dtype}; it takes integers, -1 for no object, and some object")
    if images is not None and len(boxes) != len(images):
        raise ValueError(f"{boxes_name} has {len(boxes)} rows; it takes {len(images)}, one per image")
    boxes = torch.where((classes >= 0)[..., None], boxes.float(), torch.nan)
    there = boxes[classes >= 0]
    if not there.isfinite().all() or not (there[:, :2] < there[:, 2:]).all():
        raise ValueError(f"{boxes_name} is NaN or has no area for an object; it takes finite x0 < x1 and y0 < y1")
    if images is not None and (there.min() < 0 or (there[:, 2:] > there.new_tensor(images.shape[:1:-1])).any()):
        raise ValueError(f"{boxes_name} reaches outside of its picture of {tuple(images.shape[2:])} pixels")
    return boxes, classes.long()
