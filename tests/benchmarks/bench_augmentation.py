"""One call for a batch of clips against torchvision.transforms.v2 called clip by clip (or frame by frame).

torchvision draws once per call, so a batch with a draw of its own for each clip takes a loop. Same operations: square
crop resized to the frame, flip, brightness, contrast, saturation; float32, bilinear.
"""

import torch
from torchvision.transforms import v2

from course_lib.transforms import Augmentation

from .timing import compare

BATCH, FRAMES, SIZE = 16, 6, 64


def main() -> list[dict]:
    clips = torch.rand(BATCH, FRAMES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    one = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, scale=(0.64, 1.0), ratio=(1.0, 1.0), antialias=False),
            v2.RandomHorizontalFlip(0.5),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        ]
    )
    rows = []
    for mode, aim, batch in (("clip", 3.0, clips), ("frame", 3.0, clips.flatten(0, 1))):
        augment = Augmentation((0.8, 1.0), flip=0.5, brightness=0.2, contrast=0.2, saturation=0.2, mode=mode)
        rows.append(
            compare(
                f"augment {BATCH} clips of {FRAMES}×{SIZE}² per {mode}, against torchvision in a loop",
                lambda augment=augment: augment(clips, generator),
                lambda batch=batch: torch.stack([one(item) for item in batch]),
                aim=aim,
                repeats=15,
            )
        )
    return rows
