"""Contrastive learning against the obvious alternatives: two views of a batch against torchvision's transforms sample
by sample; NT-Xent against lightly's, in time and in memory; training by SimCLR against lightly's published example.

Rows against lightly need ``pip install lightly``; without it they say so. The same steps on both sides of the first:
crop, flip, jitter, loss of colour, blur. torchvision draws once per call, so a batch with draws of its own takes a
loop. At 224 pixels nearly all time goes into the pixels on both sides: no aim there but to be no slower.
"""

import os
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models import resnet18
from torchvision.transforms import v2

from course_lib.data import FrameSampler, VideoSet
from course_lib.methods.contrastive import SimCLR, nt_xent
from course_lib.methods.contrastive.losses import partners
from course_lib.models import SmallAlexNet
from course_lib.runtime import choose_precision
from course_lib.training import fit
from course_lib.transforms import Views

from .timing import compare

try:
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform
except ImportError:
    NTXentLoss = None


def main() -> list[dict]:
    rows = [
        views(64, 32, aim=5.0),
        views(64, 64, aim=5.0),
        views(8, 224, aim=1.0),
        loss_time(256, 64, broadcast_nt_xent, "broadcast cosines", aim=5.0),
        loss_memory(256, 64, broadcast_nt_xent, "broadcast cosines", aim=5.0),
    ]
    if NTXentLoss is None:
        return [*rows, {"name": "NT-Xent and SimCLR against lightly", "value": "skipped: lightly is not installed"}]
    for count in (512, 1024, 2048, 4096):
        rows.append(loss_time(count, 128, NTXentLoss(temperature=0.5), "lightly", aim=1.0))
        rows.append(loss_memory(count, 128, NTXentLoss(temperature=0.5), "lightly", aim=1.0))
    native = choose_precision(torch.device("cpu"))
    rows += [simclr(precision, resnet, "ResNet-18", aim=1.5) for precision in dict.fromkeys([native, "32-true"])]
    return [*rows, simclr("32-true", alexnet, "the laptop's AlexNet", aim=1.5)]


def views(batch: int, size: int, *, aim: float) -> dict:
    """SimCLR's two views of every picture of a batch."""
    images = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    draws, ours = torch.Generator().manual_seed(1), Views()
    window = 2 * round(size / 20) + 1
    one = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(1, 1), antialias=False),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(window, (0.1, 2.0))], 0.5),
        ]
    )
    return compare(
        f"two views of {batch} pictures of {size}², against torchvision in a loop",
        lambda: ours(images, draws),
        lambda: torch.stack([one(image) for _ in range(2) for image in images]),
        aim=aim,
        repeats=15,
    )


def broadcast_nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float = 0.5) -> torch.Tensor:
    """NT-Xent as it is often written: the cosine of (2N, 1, D) with (1, 2N, D), and cross-entropy."""
    rows = torch.cat([first, second])
    logits = F.cosine_similarity(rows[:, None], rows[None], dim=-1) / temperature
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return F.cross_entropy(logits.masked_fill(itself, float("-inf")), partners(len(first), rows.device))


def gradients(loss, count: int, dim: int):
    """A call that takes the loss of ``count`` pairs, forward and backward, in fp32."""
    draws = torch.Generator().manual_seed(0)
    pair = [torch.randn(count, dim, generator=draws).requires_grad_() for _ in range(2)]
    return lambda: torch.autograd.grad(loss(*pair), pair)


def loss_time(count: int, dim: int, other, named: str, *, aim: float) -> dict:
    ours, theirs = gradients(nt_xent, count, dim), gradients(other, count, dim)
    for mine, expected in zip(ours(), theirs(), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-3)
    name = f"NT-Xent of {count} pairs, {dim} dimensions, against {named}"
    return compare(name, ours, theirs, aim=aim, repeats=3 if count > 1024 else 7)


def loss_memory(count: int, dim: int, other, named: str, *, aim: float) -> dict:
    """Megabytes that forward and backward take at most."""
    ours, theirs = (round(peak(gradients(loss, count, dim)) / 2**20, 1) for loss in (nt_xent, other))
    name = f"peak memory of NT-Xent of {count} pairs, {dim} dimensions, against {named}"
    return {"name": name, "ours": ours, "other": theirs, "ratio": theirs / ours, "aim": aim, "unit": "MB"}


def peak(call) -> int:
    """The most bytes that torch had allocated at a time during a call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        call()
    # Only the raw events keep the order of what is taken and given back.
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def simclr(precision: str, network, named: str, *, aim: float, batch: int = 256, size: int = 32) -> dict:
    """Images a second in training: pictures in memory → views → network and head → NT-Xent → SGD.

    Theirs is examples/pytorch/simclr.py of lightly with its settings (32², batches of 256, fp32), the pictures being
    noise in memory instead of CIFAR-10, and a worker for each core that is used instead of eight. Both have the same
    network, pictures and cores; neither counts making the network. Ours is `fit`, in ``precision``: the chapters take
    the one that is native. In fp32 ResNet-18's own two passes are 1.20 of our 1.24 s a step, its convolutions as fast
    as a product of matrices: with all else free the ratio would be 1.4 to 1.5, so there the aim is out of reach of what
    surrounds the network.
    """
    pictures = torch.randint(256, (3 * batch, 3, size, size), generator=torch.Generator().manual_seed(0))
    store = VideoSet("noise", pictures.to(torch.uint8), torch.arange(len(pictures) + 1))
    sampler, draws = FrameSampler(store, torch.zeros(len(pictures)), batch=batch), torch.Generator().manual_seed(1)
    method = SimCLR(network(), Views(), dim=128)
    method.projector = head(method.backbone)
    options = {"steps": 3, "lr": 0.06, "optimiser": torch.optim.SGD, "schedule": "constant", "generator": draws}
    example = Example(network(), store, batch)
    name = f"SimCLR, {named}, batches of {batch} pictures of {size}², {precision}, against lightly's example"
    with same_cores():
        row = compare(
            name,
            lambda: fit(method, lambda g: sampler(g)[0], precision=precision, progress=False, **options),
            example.epoch,
            aim=aim,
            repeats=3,
        )
    return {**row, "ours": len(pictures) / row["ours"], "other": len(pictures) / row["other"], "unit": "images/s"}


def resnet() -> nn.Module:
    """ResNet-18 without its last layer."""
    torch.manual_seed(0)
    net = resnet18()
    net.fc, net.features = nn.Identity(), 512
    return net


def alexnet() -> nn.Module:
    torch.manual_seed(0)
    return SmallAlexNet(16, 64, image_size=32)


def head(net: nn.Module) -> nn.Module:
    """The example's head."""
    return SimCLRProjectionHead(net.features, net.features, 128)


class Example:
    """lightly's example: transforms of PIL pictures in the workers of a loader, a pass for each view."""

    def __init__(self, net: nn.Module, store: VideoSet, batch: int):
        pictures = Pictures(store.frames, SimCLRTransform(input_size=store.frames.shape[-1]))
        workers = torch.get_num_threads()
        self.loader = DataLoader(pictures, batch_size=batch, shuffle=True, drop_last=True, num_workers=workers)
        self.model = nn.Sequential(net, head(net))
        self.criterion = NTXentLoss()
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.06)

    def epoch(self) -> None:
        for x0, x1 in self.loader:
            z0 = self.model(x0)
            z1 = self.model(x1)
            loss = self.criterion(z0, z1)
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad()


class Pictures(Dataset):
    """Frames as torchvision's CIFAR-10 gives them: PIL pictures, transformed."""

    def __init__(self, frames: torch.Tensor, transform):
        self.frames, self.transform = frames.permute(0, 2, 3, 1).contiguous().numpy(), transform

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int):
        return self.transform(Image.fromarray(self.frames[index]))


@contextmanager
def same_cores():
    """As many cores as torch has threads, for this process and the workers it starts, where the system can say so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[: torch.get_num_threads()])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
