"""What every method must show: it can fit one batch, and it beats chance on videos it has not seen."""

import torch

from course_lib import training
from course_lib.models import SmallAlexNet


def backbone(features=32):
    return SmallAlexNet(4, features, image_size=32)


def assert_overfits_one_batch(method, batch, *, steps, lr=1e-2, loss=0.1):
    """Same batch, same draws (permutations, crops) at every step: the loss must go to almost nothing."""

    def again(generator):
        generator.manual_seed(0)
        return batch

    history = training.fit(
        method, again, steps=steps, generator=torch.Generator(), lr=lr, schedule="constant", progress=False
    )
    assert history.frame["loss"].iloc[-1] < loss, history.frame["loss"].iloc[[0, -1]].tolist()


def assert_beats_chance(method, batches, unseen, *, steps, margin, lr=3e-3):
    """Train on one sampler; on the other, the mean accuracy must exceed chance by ``margin``."""
    training.fit(method, batches, steps=steps, generator=torch.Generator().manual_seed(1), lr=lr, progress=False)
    accuracy = held_out_accuracy(method, unseen)
    assert accuracy > method.chance + margin, accuracy


@torch.inference_mode()
def held_out_accuracy(method, batches, repeats=4):
    generator = torch.Generator().manual_seed(2)
    values = [method.training_loss(batches(generator), generator)["accuracy"] for _ in range(repeats)]
    return float(torch.stack(values).mean())


def numbered(batch, frames, size=16):
    """Clips whose red tells the frame's number and green the video's, in steps of 1/256."""
    clips = torch.zeros(batch, frames, 3, size, size)
    clips[:, :, 0] = torch.arange(frames)[None, :, None, None] / 256
    clips[:, :, 1] = torch.arange(batch)[:, None, None, None] / 256
    return clips


def one_step(method, batches, lr, *, optimiser=torch.optim.AdamW):
    """Parts of the loss of one step in bf16, after which the first kernel has moved and all weights are finite."""
    kernel = next(weight for weight in method.parameters() if weight.ndim >= 4 and weight.requires_grad)
    before = kernel.detach().clone()
    history = training.fit(
        method,
        batches if callable(batches) else lambda _: batches,
        steps=1,
        generator=torch.Generator().manual_seed(0),
        optimiser=optimiser,
        lr=lr,
        precision="bf16-mixed",
        progress=False,
    )
    assert not torch.equal(before, kernel.detach())
    assert all(weight.isfinite().all() for weight in method.parameters())
    return history.frame.iloc[0]


def frozen_clips(batch, frames):
    """A sampler of clips in which nothing changes: ``frames`` times the same noise."""

    def sample(generator):
        return torch.rand(batch, 1, 3, 32, 32, generator=generator).expand(-1, frames, -1, -1, -1).contiguous()

    return sample
