"""A training run small enough to be killed and repeated: batch norm, dropout and random batches, so that everything
that is random or has a state takes part. As a program, ``python tiny_run.py CHECKPOINT`` trains slowly, to be killed.
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

from course_lib import training

STEPS = 40


class Tiny(nn.Module):
    """Two-class classification of random points through convolution, batch norm and dropout."""

    def __init__(self, hidden=4):
        super().__init__()
        layers = (nn.Conv2d(1, hidden, 3), nn.BatchNorm2d(hidden), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3))
        self.backbone = nn.Sequential(*layers)
        self.head = nn.Linear(hidden * 4, 2)

    def pretext(self, batch, generator):
        noise = 0.1 * torch.randn(batch.shape, generator=generator)
        return batch + noise, (batch.mean((1, 2, 3)) > 0.5).long()

    def training_loss(self, batch, generator):
        inputs, labels = self.pretext(batch, generator)
        logits = self.head(self.backbone(inputs))
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}


def weights(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def assert_identical(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


def make(seed=0, hidden=4):
    torch.manual_seed(seed)
    return Tiny(hidden)


def train(method, checkpoint=None, *, pause=0.0, batches=None, steps=STEPS, seed=5, **options):
    """One run; the same arguments give the same weights, whatever happened to it on the way."""

    def sample(generator):
        time.sleep(pause)
        return torch.rand(8, 1, 4, 4, generator=generator)

    return training.fit(
        method,
        batches or sample,
        steps=steps,
        generator=torch.Generator().manual_seed(seed),
        lr=1e-2,
        checkpoint=checkpoint,
        checkpoint_every=5,
        progress=False,
        **options,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(make(), sys.argv[1], pause=0.1)
