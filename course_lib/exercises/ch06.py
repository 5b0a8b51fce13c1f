"""Checks for the exercises of chapter 06, networks that see time (seeds 002 §3.1 and 004 §2.2)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, compare, run, same


def check_mid_planes(function: Callable) -> CheckResult:
    """Warm-up: ``function(inputs, outputs, depth, size) -> int``, the channels between the halves of a (2+1)-D layer.

    The largest M with d² N M + t M N' <= t d² N N' (Tran et al. 2018): floor(t d² N N' / (d² N + t N')).
    """

    def judge(attempt: Attempt) -> str:
        for inputs, outputs, depth, size in (
            (64, 64, 3, 3),
            (64, 128, 3, 3),
            (7, 30, 5, 3),
            (13, 5, 3, 5),
            (3, 2, 1, 1),
        ):
            answer = attempt(inputs, outputs, depth, size)
            _judge_width(answer, inputs, outputs, depth, size)
        return "the halves together have as many weights as the whole kernel, and never more."

    return run(function, "mid_planes(inputs, outputs, depth, size)", judge)


def _judge_width(answer, inputs, outputs, depth, size) -> None:
    case = f"{inputs} → {outputs} channels, {depth} x {size} x {size}"
    if isinstance(answer, torch.Tensor) and answer.numel() == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        raise Wrong(
            f"the answer for {case} is of type {type(answer).__name__}; it should be a number",
            "Return an int: the number of channels is of type int.",
        )
    whole, square = depth * size**2 * inputs * outputs, size**2
    right = whole // (square * inputs + depth * outputs)
    if answer == right:
        return
    exact = whole / (square * inputs + depth * outputs)
    if abs(answer - exact) < 1e-6:
        hint = "A number of channels is whole: round down, with // instead of /."
    elif answer == right + 1:
        hint = "Rounded up, the two halves have more weights than the whole kernel: round down, with //."
    elif answer == whole // (square * outputs + depth * inputs):
        hint = "Inputs and outputs are swapped in the sum: the spatial half reads the inputs, d² N M weights."
    elif answer == depth * size * inputs * outputs // (size * inputs + depth * outputs):
        hint = "The kernel in space has d times d weights: d must be squared, in the product and in the sum."
    elif answer == whole // (square * inputs + outputs):
        hint = "The temporal half has t M N' weights: t is missing in the sum."
    else:
        hint = "Set d² N M + t M N' = t d² N N' and solve for M."
    raise Wrong(f"for {case} it gives {answer:g}; it should be {right}", hint)


def neighbour_mean(flow: torch.Tensor) -> torch.Tensor:
    """Mean of the neighbours after Horn and Schunck: 1/6 beside, above and below, 1/12 at the corners. (2, H, W)."""
    kernel = flow.new_tensor([[1.0, 2.0, 1.0], [2.0, 0.0, 2.0], [1.0, 2.0, 1.0]]).expand(2, 1, 3, 3) / 12
    return F.conv2d(F.pad(flow[None], (1, 1, 1, 1), mode="replicate"), kernel, groups=2)[0]


def check_flow_step(function: Callable) -> CheckResult:
    """Core: ``function(flow, ix, iy, it, alpha) -> flow``, one iteration of Horn and Schunck's optical flow (BG23).

    flow: (2, H, W), u before v, pixels. ix, iy, it: (H, W), the derivatives of the brightness. The mean of the
    neighbours is ``exercises.neighbour_mean(flow)``.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for height, width, alpha in ((6, 7, 0.3), (4, 9, 1.5)):
            flow = torch.randn(2, height, width, generator=generator)
            ix, iy, it = torch.randn(3, height, width, generator=generator)
            _judge_step(attempt(flow, ix, iy, it, alpha), flow, ix, iy, it, alpha)
        return "the mean of the neighbours, moved along the gradient by what is left unexplained."

    return run(function, "flow_step(flow, ix, iy, it, alpha)", judge)


def _judge_step(answer, flow, ix, iy, it, alpha) -> None:
    mean = neighbour_mean(flow)
    gradient = torch.stack([ix, iy])

    def step(start, sign=1.0, smooth=alpha**2, change=it, weight=1.0):
        left = (gradient * start).sum(0) + change
        return start - sign * gradient * weight * left / (smooth + ix.square() + iy.square())

    if isinstance(answer, tuple | list) and len(answer) == 2 and all(isinstance(part, torch.Tensor) for part in answer):
        answer = torch.stack(list(answer))
    mistakes = {
        "The step goes the wrong way: it must reduce Ix u + Iy v + It, so it is subtracted.": step(mean, sign=-1.0),
        "Nothing couples the pixels: start from the mean of the neighbours, neighbour_mean(flow), not from the flow "
        "itself.": step(flow),
        "The update is subtracted from the old flow; it should be from the mean of the neighbours.": flow
        - (mean - step(mean)),
        "In the denominator alpha is squared.": step(mean, smooth=alpha),
        "The denominator lacks alpha squared.": step(mean, smooth=0.0),
        "It is missing: the change of brightness is what the flow explains.": step(mean, change=0.0),
        "It has the wrong sign: Ix u + Iy v + It should become 0.": step(mean, change=-it),
    }
    compare(answer, step(mean), "the flow after one step", mistakes)


def check_inflate(function: Callable) -> CheckResult:
    """Core: ``function(weight, depth) -> weight``, (O, I, h, w) → (O, I, depth, h, w), by repeating (AR7).

    A static clip must give what the image gives, so the copies are divided by ``depth``.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for outputs, inputs, size, depth in ((5, 3, 3, 3), (4, 6, 5, 7), (2, 2, 1, 2)):
            weight = torch.randn(outputs, inputs, size, size, generator=generator)
            _judge_inflated(attempt(weight, depth), weight, depth)
        return "a clip in which nothing moves gets the answer of its picture."

    return run(function, "inflate_kernel(weight, depth)", judge)


def _judge_inflated(answer, weight, depth) -> None:
    copies = weight[:, :, None].repeat(1, 1, depth, 1, 1)
    middle = torch.zeros_like(copies)
    middle[:, :, depth // 2] = weight
    mistakes = {
        "The copies are not divided: a static clip would answer depth times too strongly.": copies,
        "That is inflation by the centre, which is possible too; here the copies should be spread over all "
        "frames, divided by depth.": middle,
        "The copies are divided twice, or by the wrong number: by depth, once.": copies / depth**2,
    }
    right = copies / depth
    for axis in (0, 1, 3, 4):  # another axis may have the same length, so values are compared
        wrong = weight.unsqueeze(axis).repeat_interleave(depth, axis)
        if not same(answer, right) and (same(answer, wrong) or same(answer, wrong / depth)):
            raise Wrong(
                f"the copies lie along axis {axis}",
                "Time is on the wrong axis: Conv3d has its weights as (out, in, time, height, width).",
            )
    compare(answer, right, "the inflated kernel", mistakes)


def check_consensus(function: Callable) -> CheckResult:
    """Core: ``function(scores, segments) -> (B, K)``, the consensus of a temporal segment network (AR8).

    scores: (B, T, K), class scores of every frame, T a multiple of ``segments``. The video is cut into equal parts, the
    frame in the middle of each, ``(part - 1) // 2`` from its start, speaks for it, and the mean of these is the answer.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for batch, segments, part, classes in ((4, 3, 5, 6), (2, 4, 4, 3), (3, 2, 3, 5)):
            scores = torch.randn(batch, segments * part, classes, generator=generator)
            _judge_consensus(attempt(scores, segments), scores, segments, part)
        return "one frame from every part of the video, all with the same weight."

    return run(function, "consensus(scores, segments)", judge)


def _judge_consensus(answer, scores, segments, part) -> None:
    cut = scores.unflatten(1, (segments, part))
    chosen = cut[:, :, (part - 1) // 2]
    mistakes = {
        "All frames were averaged; TSN looks at one frame of each part.": scores.mean(1),
        "The scores were summed; the consensus is their mean.": chosen.sum(1),
        "The first frame of each part speaks here; it should be the one in the middle.": cut[:, :, 0].mean(1),
        "These are the first frames of the video, all from one part: cut the video into parts first.": scores[
            :, :segments
        ].mean(1),
        "The cut is the wrong way round: every part should be frames that follow each other.": scores.unflatten(
            1, (part, segments)
        )[:, (part - 1) // 2].mean(1),
        "The maximum was taken; the consensus of this exercise is the mean.": chosen.amax(1),
    }
    compare(answer, chosen.mean(1), "the consensus", mistakes)
