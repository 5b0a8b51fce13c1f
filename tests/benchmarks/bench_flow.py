"""Horn–Schunck on all pairs of a batch of clips in one call, against one pair at a time."""

import torch

from course_lib.transforms import horn_schunck

from .timing import compare

PAIRS, SIZE = 112, 48


def main() -> list[dict]:
    first = torch.rand(PAIRS, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    second = first.roll(1, 3)
    return [
        compare(
            f"Horn–Schunck flow, {PAIRS} pairs of {SIZE}², 100 iterations, against a loop over pairs",
            lambda: horn_schunck(first, second),
            lambda: torch.cat([horn_schunck(*pair) for pair in zip(first.split(1), second.split(1), strict=True)]),
            aim=2.0,
            repeats=3,
        )
    ]
