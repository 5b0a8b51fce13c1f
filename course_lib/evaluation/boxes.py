"""Boxes in pictures: how they overlap and move, which are shown to a detector in training, and which in the test.

Girshick 2015 (Fast R-CNN). Boxes are x0, y0, x1, y1 in pixels, with x0 < x1 and y0 < y1; 0 is the centre of the first
pixel, so a picture of 32 pixels reaches to 31.
"""

import torch
from torchvision.ops import clip_boxes_to_image

SPREAD = (0.1, 0.1, 0.2, 0.2)  # targets are divided by these, their usual standard deviations, as in Fast R-CNN
LARGEST = 4.0  # no box grows to more than e^… of its proposal: an untrained head would overflow
FOREGROUND = 0.5  # IoU with a true box from which on a proposal shows its object


def encode_boxes(proposals: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """How a proposal (…, 4) must move to become ``boxes`` (…, 4): Fast R-CNN's t (…, 4), divided by `SPREAD`.

    Shift of the centre in units of the proposal's width and height, and the logarithms of the ratios of the sides.
    """
    start, side = proposals[..., :2], proposals[..., 2:] - proposals[..., :2]
    goal, goal_side = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    shift = (goal + goal_side / 2 - start - side / 2) / side
    return torch.cat([shift, (goal_side / side).log()], -1) / shift.new_tensor(SPREAD)


def decode_boxes(proposals: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """The boxes that ``moves`` make of ``proposals``: the inverse of `encode_boxes`."""
    side = proposals[..., 2:] - proposals[..., :2]
    moves = moves * moves.new_tensor(SPREAD)
    centre = proposals[..., :2] + side / 2 + moves[..., :2] * side
    half = moves[..., 2:].clamp(max=LARGEST).exp() * side / 2
    return torch.cat([centre - half, centre + half], -1)


def paired_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes (…, 4) with boxes (…, 4), broadcast; 0 with a box of NaN."""
    start = torch.maximum(first[..., :2], second[..., :2])
    end = torch.minimum(first[..., 2:], second[..., 2:])
    both = (end - start).clamp(min=0).prod(-1)
    either = sum((boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (first, second)) - both
    return (both / either).nan_to_num(0.0)


def proposals(
    boxes: torch.Tensor, classes: torch.Tensor, count: int, generator: torch.Generator, image_size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes to train on: half of them true boxes, moved and stretched a little, half anywhere.

    boxes (B, O, 4), NaN where there is no object; classes int64 (B, O), -1 there; image_size: height, width. Returns
    proposed boxes (B, count, 4) inside the picture, labels int64 (B, count): 0 background, c + 1 where an object of
    class c overlaps with an IoU of 0.5 or more, and targets (B, count, 4): `encode_boxes` to that object (0 for
    background). Selective search, which Fast R-CNN used, needs larger pictures.
    """
    height, width = image_size
    there = classes >= 0
    draw = torch.rand(3, len(boxes), count, 4, generator=generator)
    # Anywhere: sides from an eighth of the picture to all of it, each as likely on a logarithmic scale.
    size = boxes.new_tensor([width - 1, height - 1])
    side = size * 8.0 ** -draw[0, ..., 2:]
    start = draw[0, ..., :2] * (size - side)
    anywhere = torch.cat([start, start + side], -1)
    # Near an object: each as likely. Without one all boxes are anywhere.
    pick = torch.multinomial(there.float() + ~there.any(1, keepdim=True), count, True, generator=generator)
    true = boxes.gather(1, pick[..., None].expand(-1, -1, 4))
    near = decode_boxes(true, (draw[1] + draw[2] - 1) * 3)  # ± 0.3 of a side, ± 0.6 of its logarithm, mostly less
    near = clip_boxes_to_image(near, (height - 1, width - 1))
    first = (torch.arange(count) < count // 2)[None, :, None] & there.any(1)[:, None, None]
    proposed = torch.where(first, near, anywhere)
    overlap, best = paired_iou(proposed[:, :, None], boxes[:, None]).max(-1)
    shows = overlap >= FOREGROUND
    labels = torch.where(shows, classes.gather(1, best) + 1, 0)
    moves = encode_boxes(proposed, boxes.gather(1, best[..., None].expand(-1, -1, 4)))
    return proposed, labels, torch.where(shows[..., None], moves, 0.0)


def windows(image_size: tuple[int, int], sides=(0.22, 0.32, 0.45, 0.65, 0.9), ratios=(0.6, 1.0, 1.7)) -> torch.Tensor:
    """A fixed grid of boxes (R, 4) over a picture (height, width): the proposals of the test, which know no truth.

    sides: square roots of their areas, shares of the picture's shorter side. ratios: width over height. Neighbours of
    one shape are half a side apart. In `scenes` every object has a window with an IoU above 0.5 (a test holds it).
    """
    height, width = (pixels - 1 for pixels in image_size)
    grids = []
    for share in sides:
        for ratio in ratios:
            w, h = (share * min(height, width) * ratio**power for power in (0.5, -0.5))
            if w > width or h > height:
                continue
            x, y = (
                torch.linspace(0, room, 1 + max(1, round(2 * room / side)))
                for room, side in ((width - w, w), (height - h, h))
            )
            corner = torch.cartesian_prod(x, y)
            grids.append(torch.cat([corner, corner + torch.tensor([w, h])], 1))
    return torch.cat(grids)


def mirror_boxes(boxes: torch.Tensor, mirrored: torch.Tensor, width: int) -> torch.Tensor:
    """Boxes (B, O, 4) in pictures of ``width`` pixels, left and right swapped where ``mirrored`` (B,) says so."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    turned = torch.stack([width - 1 - x1, y0, width - 1 - x0, y1], -1)
    return torch.where(mirrored[:, None, None], turned, boxes)
