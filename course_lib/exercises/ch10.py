"""Checks for the exercises of chapter 10, the surveyed pretext tasks on images (001 §2.3; 002 §4.1; 000 §3.2.1)."""

from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, compare, run


def check_offset(function: Callable) -> CheckResult:
    """Warm-up: ``function(label) -> steps``, from neighbours 0 … 7 (N,) to rows and columns, -1, 0 or 1, (N, 2).

    Neighbours are counted row by row without the middle (relative position, 002 §4.1, 2-P7).
    """

    def judge(attempt: Attempt) -> str:
        for label in (torch.arange(8), torch.tensor([6, 1, 3, 3])):
            cell = label + (label >= 4)
            right = torch.stack([cell // 3, cell % 3], 1) - 1
            mistakes = {
                "The middle is counted: label 4 is the patch on the right, not the middle itself.": torch.stack(
                    [label // 3, label % 3], 1
                )
                - 1,
                "Rows and columns are exchanged: the first number is the row, -1 above … 1 below.": right.flip(1),
                "These are the cells of the grid, counted from 0; the middle patch is at (0, 0), so subtract 1.": right
                + 1,
                "The signs are turned round: up and left are negative.": -right,
            }
            compare(attempt(label), right, "the steps", mistakes)
        return "eight neighbours, and never the middle"

    return run(function, "offset(label)", judge)


def check_counting(function: Callable) -> CheckResult:
    """Core: ``function(phi, partner, margin) -> loss``, the counting loss (001 §2.3; 002 §4.1, 2-P9).

    phi: (B, 5, K), of the small picture and its four quarters. partner: int64 (B,), the row of each y.
    """

    def judge(attempt: Attempt) -> str:
        for batch, counts in ((6, 3), (4, 5), (3, 2)):
            draw = torch.Generator().manual_seed(batch)
            phi = torch.rand(batch, 5, counts, generator=draw)
            partner = torch.arange(batch).roll(1)
            small, total = phi[:, 0], phi[:, 1:].sum(1)
            same = (small - total).square().sum(1)
            far = (small[partner] - total).square().sum(1)
            margin = 0.9 * float(far.mean())  # between the distances: some pictures are beyond it, some are not
            mistakes = {
                "Without clamping, the second term rewards pushing y away for ever; beyond M it should be 0.": (
                    same + margin - far
                ).mean(),
                "The second term compares φ(Dy) with the quarters of y; it takes those of x.": (
                    same + (margin - (small[partner] - total[partner]).square().sum(1)).clamp(min=0)
                ).mean(),
                "The quarters are averaged; four of them together hold what the picture holds: take the sum.": (
                    (small - phi[:, 1:].mean(1)).square().sum(1)
                    + (margin - (small[partner] - phi[:, 1:].mean(1)).square().sum(1)).clamp(min=0)
                ).mean(),
                "The squared distances are averaged over the K counts; ‖·‖² is their sum.": (
                    same / counts + (margin - far / counts).clamp(min=0)
                ).mean(),
                "The second term adds nothing: it is missing, or clamped after the mean; each picture has a margin of "
                "its own, so clamp first.": same.mean(),
            }
            compare(attempt(phi, partner, margin), (same + (margin - far).clamp(min=0)).mean(), "the loss", mistakes)
        return "what the picture holds is what its quarters hold, and another picture holds something else"

    return run(function, "counting(phi, partner, margin)", judge)


def check_annealed_mean(function: Callable) -> CheckResult:
    """Core: ``function(logits, centres, temperature) -> ab``, the colours painted (Zhang et al. 2016; 002 §4.1, 2-P6).

    logits: (B, K, h, w). centres: (K, 2). ab: (B, 2, h, w).
    """

    def judge(attempt: Attempt) -> str:
        for batch, height, width, temperature in ((2, 3, 4, 0.4), (1, 2, 2, 3.0)):
            draw = torch.Generator().manual_seed(batch)
            logits = torch.randn(batch, 4, height, width, generator=draw)
            centres = 50 * torch.randn(4, 2, generator=draw)

            def paint(share, centres=centres):
                return torch.einsum("bkhw, kc -> bchw", share, centres)

            mistakes = {
                "The logits are multiplied by the temperature; they should be divided, so that a small one picks the "
                "likeliest colour.": paint((logits * temperature).softmax(1)),
                "The temperature is not used.": paint(logits.softmax(1)),
                "The softmax runs over the places of the picture; it should run over the colours, axis 1.": paint(
                    (logits / temperature).flatten(2).softmax(2).view_as(logits)
                ),
                "Only the likeliest colour is painted; the mean is weighted by the softmax.": paint(
                    torch.nn.functional.one_hot(logits.argmax(1), 4).movedim(3, 1).float()
                ),
                "The softmax is missing: logits are not yet shares that sum to 1.": paint(logits / temperature),
            }
            right = paint((logits / temperature).softmax(1))
            compare(attempt(logits, centres, temperature), right, "the colours", mistakes)
        return "dull at a high temperature, bold at a low one"

    return run(function, "annealed_mean(logits, centres, temperature)", judge)
