"""Real pictures: pretext tasks on single pictures are learned, and solved on pictures that the training did not see:
those of other persons, or photographs of other things.
"""

import pytest
import torch

from course_lib import training
from course_lib.data import FrameSampler, load
from course_lib.evaluation import bootstrap_interval
from course_lib.methods import ImageTransformations, LocalAutoencoder, SpottingArtifacts
from course_lib.methods.contrastive import SimCLR
from course_lib.methods.image_pretext import ImageRotation
from course_lib.models import SmallAlexNet
from course_lib.transforms import RandomWarp, Views

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

SIZE, SEED = 32, 0  # the margins below were seen with seeds 0, 1 and 2


@pytest.fixture(scope="module")
def persons(recording):
    """Frames of persons who make up their eyes: sixteen persons for training, three others for testing."""
    folder = recording("ucf101_eye_makeup_frames")
    options = {"size": SIZE, "layout": "frames", "cache": False, "progress": False}
    train, test = (load(folder, split=split, **options) for split in ("train", "test"))
    people = [set(videos.names["group"][i] for i in videos.video["group"].tolist()) for videos in (train, test)]
    assert people[0].isdisjoint(people[1])
    return train, test


@pytest.fixture(scope="module")
def photographs(recording):
    """562 photographs of as many things, and 150 of others."""
    folder = recording("imagenet_1000")
    options = {"size": SIZE, "layout": "frames", "split_by": "time", "cache": False, "progress": False}
    return [load(folder, split=split, **options) for split in ("train", "test")]


def backbone():
    torch.manual_seed(SEED)
    return SmallAlexNet(8, 64, image_size=SIZE)


def trained(method, videos, *, steps, batch=32, lr=3e-3):
    sampler = FrameSampler(videos, torch.zeros(len(videos.frames)), batch=batch)
    generator = torch.Generator().manual_seed(SEED)
    training.fit(
        method, lambda g: sampler(g)[0], steps=steps, lr=lr, generator=generator, precision="bf16-mixed", progress=False
    )


def some(videos, count):
    """``count`` frames, evenly spread."""
    return videos.gather(torch.linspace(0, len(videos.frames) - 1, count).round().long())


def test_rotation_is_told_of_persons_never_seen(persons):
    train, test = persons
    method = ImageRotation(backbone())
    trained(method, train, steps=120)
    with torch.inference_mode():
        shown, labels = method.pretext(some(test, 60), torch.Generator().manual_seed(2))
        correct = (method(shown).argmax(1) == labels).float()
    video = torch.linspace(0, len(test) - 1e-3, 60).long().repeat_interleave(4)
    interval = bootstrap_interval(correct, torch.Generator().manual_seed(3), groups=video)
    print("rotation", correct.mean(), interval)
    assert interval.low > method.chance + 0.1, interval


def test_simclr_finds_the_other_view_of_new_photographs(photographs):
    train, test = photographs
    method = SimCLR(backbone(), Views(area=(0.3, 1)), dim=32, temperature=0.2)
    found = {}
    for name in ("untrained", "trained"):
        if name == "trained":
            trained(method, train, steps=200, batch=64)
        method.eval()
        generator = torch.Generator().manual_seed(2)
        with torch.inference_mode():
            batches = some(test, 150).split(50)
            found[name] = torch.stack([method.training_loss(batch, generator)["accuracy"] for batch in batches]).mean()
    print("simclr", found, method.chance)
    assert found["trained"] > 10 * method.chance
    assert found["trained"] > found["untrained"] + 0.05


def test_artifacts_are_spotted_in_new_photographs(photographs):
    """One autoencoder, trained first; then damage and its repair against the discriminator, which says of nearly any
    photograph that the autoencoder's replica is more real than the damaged one, and where the damage is.

    Not asked is which side of zero it is on: the repair network moves that from step to step.
    """
    train, test = photographs
    torch.manual_seed(SEED)
    autoencoder = LocalAutoencoder(3, 8)
    trained(autoencoder, train, steps=80)
    method = SpottingArtifacts(backbone(), autoencoder, drop=0.5, history=128, fc6=32)
    trained(method, train, steps=120)
    with torch.inference_mode():
        shown, (_, mask) = method.pretext(some(test, 150), torch.Generator().manual_seed(2))
        logits, kept = method(shown)
    told = (logits[:150] > logits[150:]).float()
    interval = bootstrap_interval(told, torch.Generator().manual_seed(3))
    located = ((kept[150:] > 0) == mask.bool()).float().mean()
    print("artifacts", told.mean(), interval, located)
    assert interval.low > 0.65, interval
    assert located > method.mask_chance + 0.07


def test_transformations_are_told_of_persons_never_seen(persons):
    """Turned, warped or left alone."""
    train, test = persons
    method = ImageTransformations(backbone(), ("rotation", "warp"), warp=RandomWarp(0.15), resample=True)
    trained(method, train, steps=120)
    with torch.inference_mode():
        shown, labels = method.pretext(some(test, 60), torch.Generator().manual_seed(2))
        correct = (method(shown).argmax(1) == labels).float()
    video = torch.linspace(0, len(test) - 1e-3, 60).long().repeat(len(method.names))
    interval = bootstrap_interval(correct, torch.Generator().manual_seed(3), groups=video)
    warped = correct[labels == method.names.index("warp")].mean()
    print("transformations", correct.mean(), interval, "warp", warped)
    assert interval.low > method.chance + 0.1, interval
