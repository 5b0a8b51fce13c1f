"""Training steps of 3-D networks: `training.fit` (channels-last kernels) against plain PyTorch, both in fp32.

R3D-18 on 16 frames of 112 pixels, the size of the seeds, and a C3D as small as those that learn in minutes. The layout
pays where channels are few; at full size nearly all time is arithmetic, the same in both, hence no aim but to be no
slower (0.9: one step takes seconds, and the machine may be busy).
"""

import torch
import torch.nn.functional as F
from torch import nn

from course_lib import training
from course_lib.models import C3D, R3D

from .timing import compare


class Classes(nn.Module):
    """Four classes of clips."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(backbone.features, 4)

    def training_loss(self, clips, generator):
        return {"loss": F.cross_entropy(self.head(self.backbone(clips)), torch.arange(len(clips)) % 4)}


def row(name, make, shape, steps, repeats, aim):
    clips = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    course, published = Classes(make()), Classes(make()).train()

    def ours():
        generator = torch.Generator().manual_seed(1)
        training.fit(course, lambda _: clips, steps=steps, generator=generator, precision="bf16-mixed", progress=False)

    def plain():
        optimiser = torch.optim.AdamW(published.parameters(), lr=1e-3)  # a new one each time, as in `fit`
        for _ in range(steps):
            loss = published.training_loss(clips, None)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    found = compare(f"{name}, {steps} training steps of {shape[0]} clips", ours, plain, aim=aim, repeats=repeats)
    speed = {"name": f"{name}, training", "value": shape[0] * steps / found["ours"], "unit": "clips/s"}
    return [found, speed]


def main() -> list[dict]:
    def small():
        return C3D(64, width=8, blocks=(1, 1, 1, 1), dense=1, clip_length=16, image_size=32, norm="batch")

    large = row("R3D-18 at 16 x 112²", R3D, (2, 16, 3, 112, 112), steps=1, repeats=3, aim=0.9)
    return [*large, *row("small C3D at 16 x 32²", small, (24, 16, 3, 32, 32), steps=4, repeats=5, aim=1.2)]
