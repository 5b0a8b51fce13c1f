"""What `test_contrastive_processes` runs alone and under ``torchrun``: `main` writes what each rank saw."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from course_lib import training
from course_lib.methods.contrastive import CPC, NPID, MoCo, SimCLR, SwAV

STEPS = 5
SGD = partial(torch.optim.SGD, momentum=0.9)  # Adam turns rounding of small gradients into steps


class Plain(nn.Module):
    """Without norm, which would see a share of the batch."""

    features = 8

    def __init__(self):
        super().__init__()
        self.conv, self.read = nn.Conv2d(3, 6, 3, stride=2), nn.Linear(6, 8)

    def forward(self, images):
        return self.read(self.conv(images).tanh().mean((2, 3)))


def mirrored(images, generator):
    """Two views without draws, which would differ between processes."""
    return torch.stack([images, 0.9 * images.flip(-1)])


def swav():
    method = SwAV(Plain(), mirrored, dim=8, prototypes=4)
    method.projector = nn.Linear(8, 8)  # the usual one has batch norm
    return method


def cpc():
    method = CPC(Plain(), patch=6, stride=3, ahead=(1, 2), hidden=4)
    with torch.no_grad():  # its similarities are products of any length, at first too small to learn from in five steps
        for weight in method.parameters():
            weight.mul_(3)
    return method


METHODS = {
    "simclr": lambda: SimCLR(Plain(), mirrored, dim=4, temperature=0.1),
    "moco": lambda: MoCo(Plain(), mirrored, dim=4, queue=16, momentum=0.5),
    "swav": swav,
    "npid": lambda: NPID(Plain(), 12, dim=4),
    "cpc": cpc,
}


def main(folder: Path):
    rank, seen = int(os.environ.get("RANK", 0)), {}
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(12, 3, 1, 1, generator=draw) * (0.5 + 0.5 * torch.rand(12, 3, 12, 12, generator=draw))

    def train(method, name="", batch=8):
        def batches(generator):
            numbers = torch.randperm(12, generator=generator)[:batch]
            return (images[numbers], numbers) if name == "npid" else images[numbers]

        generator = torch.Generator().manual_seed(5)
        options = dict(steps=STEPS, lr=0.3, optimiser=SGD, schedule="constant", progress=False)
        return training.fit(method, batches, generator=generator, **options)

    for name, make in METHODS.items():
        torch.manual_seed(0)
        method = make()
        seen[name] = train(method, name).frame.to_dict("list") | {"chance": method.chance}
        state = {key: value.clone().contiguous() for key, value in method.state_dict().items()}
        save_file(state, folder / f"{name}.{rank}.safetensors")
        with torch.no_grad():  # by itself, and not the same number of pictures on each rank: nobody waits for anybody
            own = images[: 4 + rank]
            method.training_loss((own, torch.arange(len(own))) if name == "npid" else own, torch.Generator())
        seen[name]["alone"] = method.chance
    try:
        train(METHODS["simclr"](), batch=7)
    except ValueError as error:
        seen["unequal"] = str(error)
    (folder / f"seen.{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
    torch.distributed.destroy_process_group()
