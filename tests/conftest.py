"""Fixtures shared by all tests: seeded generators and tiny videos that are made here, in a few milliseconds."""

import os

# Before torch is imported: the tests run beside others, and small tensors are slower on many threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

from course_lib.data.videos import VideoSet

# Times vary on a loaded machine; examples are few and the same on every run.
settings.register_profile("course", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("course")


@pytest.fixture(autouse=True)
def _seed_global_generator():
    """Layers draw their weights from torch's global generator."""
    torch.manual_seed(0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def moving_dots():
    """Sixteen videos of 16 frames, 32×32: a dot goes from left to right, at its own height, colour and background."""
    return make_moving_dots(videos=16, frames=16, size=32, seed=0)


@pytest.fixture(scope="session")
def held_out_dots():
    """Other videos of the same kind."""
    return make_moving_dots(videos=16, frames=16, size=32, seed=1)


def make_moving_dots(videos, frames, size, seed):
    """`VideoSet` with factors ``video["height"]`` (0: upper half, 1: lower half), ``frame["place"]`` (0 … 1)."""
    draw = torch.Generator().manual_seed(seed)
    height = torch.arange(videos) % 2
    y = (size * (0.3 + 0.4 * height) + torch.randint(-2, 3, (videos,), generator=draw)).float()
    start = 0.1 + 0.1 * torch.rand(videos, generator=draw)
    place = start[:, None] + 0.7 * torch.arange(frames) / (frames - 1)
    grid = torch.arange(size).float()
    distance = (grid[None, None, :, None] - y[:, None, None, None]).square() + (
        grid[None, None, None, :] - size * place[:, :, None, None]
    ).square()
    dot = (-distance / 12).exp()[:, :, None]
    colour = 0.6 + 0.4 * torch.rand(videos, 1, 3, 1, 1, generator=draw)
    background = 0.3 * torch.rand(videos, 1, 3, 1, 1, generator=draw)
    pixels = (background * (1 - dot) + colour * dot).flatten(0, 1)
    return VideoSet(
        name="moving dots",
        frames=(pixels * 255).round().to(torch.uint8),
        starts=torch.arange(videos + 1) * frames,
        video={"height": height},
        frame={"place": place.flatten()},
    )
