"""What `test_training_processes` runs alone and under ``torchrun``: `main` writes what each rank saw into a folder."""

import itertools
import json
import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from course_lib import training

STEPS = 12


class Plain(nn.Module):
    """Neither norm nor draws: what it learns may not depend on the number of processes. 4-D and 5-D kernels."""

    def __init__(self):
        super().__init__()
        self.frame, self.clip = nn.Conv2d(3, 4, 3), nn.Conv3d(4, 6, 3, padding=1)
        self.head = nn.Linear(6, 2)

    def forward(self, clips):
        maps = self.frame(clips.flatten(0, 1)).relu().unflatten(0, clips.shape[:2])
        return self.head(self.clip(maps.transpose(1, 2)).relu().mean((2, 3, 4)))

    def training_loss(self, batch, generator):
        clips, labels = batch
        logits = self(clips)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}


class Two(nn.Module):
    """The same with two optimisers, of which the second sees what the first has done."""

    def __init__(self):
        super().__init__()
        self.left, self.right = Plain(), Plain()

    def optimisers(self, make):
        return {"left": make(self.left.parameters()), "right": make(self.right.parameters(), 0.5)}

    def update(self, batch, generator, step):
        left = self.left.training_loss(batch, generator)["loss"]
        step("left", left)
        right = (self.right(batch[0]) - self.left(batch[0]).detach()).square().mean()
        step("right", right)
        return {"loss": left + right, "right": right}


class WhichHalf(nn.Module):
    """A pretext task: of two halves of a picture, drawn for each picture, one is bright. Batch norm and dropout too."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1))
        self.head, self.drawn = nn.Linear(8 * 16, 2), []

    def pretext(self, batch, generator):
        sides = torch.randint(2, (len(batch),), generator=generator)
        self.drawn.append(sides.tolist())
        bright = (torch.arange(6) // 3 == sides[:, None]).float()
        return batch + bright[:, None, None], sides

    def training_loss(self, batch, generator):
        inputs, labels = self.pretext(batch, generator)
        logits = self.head(self.backbone(inputs))
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}


class Keep(nn.Module):
    """Keeps the batch it was given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def training_loss(self, batch, generator):
        self.batch = [part.tolist() for part in batch]
        return {"loss": self.weight.square()}


def labelled(generator):
    clips = torch.rand(8, 2, 3, 6, 6, generator=generator)
    labels = torch.arange(8) // 4
    return clips * (1 + labels[:, None, None, None, None]), labels


def train(method, batches=labelled, *, generator=None, steps=STEPS, **options):
    generator = generator or torch.Generator().manual_seed(5)
    return training.fit(method, batches, steps=steps, generator=generator, lr=1e-2, progress=False, **options)


def main(folder: Path):
    rank = int(os.environ.get("RANK", 0))
    seen = {}

    def keep(name, method, history):
        seen[name] = history.frame.to_dict("list") | {"samples": history.samples}
        save_file({k: v.contiguous() for k, v in method.state_dict().items()}, folder / f"{name}.{rank}.safetensors")

    for name, make in {"one": Plain, "two": Two}.items():
        torch.manual_seed(10 + rank)  # other weights on every rank: those of rank 0 count
        method = make()
        keep(name, method, train(method))

        calls, file = itertools.count(), folder / f"{name}.checkpoint"

        def dies(generator, calls=calls):
            if next(calls) == 8:
                raise RuntimeError("died")
            return labelled(generator)

        torch.manual_seed(10 + rank)
        try:
            train(make(), dies, checkpoint=file, checkpoint_every=5)
        except RuntimeError as error:
            seen[f"{name} died"] = str(error)
        torch.manual_seed(20)
        started = []
        note = [lambda step, *_, started=started: started.append(step)]
        history = train(method := make(), checkpoint=file, checkpoint_every=5, callbacks=note)
        keep(f"{name} resumed", method, history)
        seen[f"{name} resumed"]["first"] = started[0]

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    method = WhichHalf()
    history = train(method, lambda g: 0.5 * torch.rand(16, 1, 6, 6, generator=g), generator=generator, steps=40)
    seen["shared state"] = int(generator.get_state().sum())
    seen["drawn"] = method.drawn
    with torch.inference_mode():
        unseen = float(method.training_loss(0.5 * torch.rand(256, 1, 6, 6, generator=generator), generator)["accuracy"])
    keep("pretext", method, history)
    seen["pretext"]["unseen"] = unseen

    kept = Keep()
    train(kept, lambda g: (torch.arange(5), torch.arange(5) * 2, torch.arange(3), torch.tensor(7)), steps=1)
    seen["shares"] = kept.batch

    try:
        train(Plain(), lambda g: tuple(part[:1] for part in labelled(g)), steps=1)
    except ValueError as error:
        seen["small"] = str(error)
    (folder / f"seen.{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
    torch.distributed.destroy_process_group()  # its threads may otherwise abort a process that ends before them
