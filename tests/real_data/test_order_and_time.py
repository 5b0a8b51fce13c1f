"""Real recordings: what order and time teach. Pretext tasks are learned from real clips and solved on their last fifth,
which the training did not see; what was learned finds clips of the same recording again.
"""

import shutil

import pytest
import torch

from course_lib import training
from course_lib.data import ClipSampler, load
from course_lib.evaluation import bootstrap_interval, extract, nearest
from course_lib.methods import TemporalTransformations
from course_lib.methods.pretext import PlaybackRate
from course_lib.models import C3D

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

# Small pictures, so that decoding is quick, and no cuts.
CLIPS = (
    "arm_wrestling.mp4", "carphone_pristine.mp4", "dog_clip.avi", "exercise_wave_jump_three.avi", "golf_swing.mp4",
    "kinetics_R6llTwEh07w.mp4", "v_ApplyEyeMakeup_g01_c01.avi", "v_SoccerJuggling_g23_c01.avi",
)  # fmt: skip
SIZE, LENGTH = 32, 8


@pytest.fixture(scope="module")
def actions(recording, tmp_path_factory):
    """Eight recordings: most of each for training, its last fifth for testing."""
    folder = tmp_path_factory.mktemp("actions")
    for name in CLIPS:
        shutil.copy(recording(f"action_clips/{name}"), folder)
    options = {"size": SIZE, "split_by": "time", "cache": False, "progress": False}
    return [load(folder, split=split, **options) for split in ("train", "test")]


@pytest.fixture(scope="module")
def make_up(recording):
    """One action, nineteen persons, two clips of 25 frames of each."""
    folder = recording("ucf101_eye_makeup_frames")
    videos = load(folder, split="all", size=SIZE, layout="frames", cache=False, progress=False)
    assert (len(videos), len(videos.frames), len(videos.names["group"])) == (38, 38 * 25, 19)
    return videos


def backbone(seed=0):
    torch.manual_seed(seed)
    sizes = {"clip_length": LENGTH, "image_size": SIZE, "norm": "batch", "dropout": 0.0}
    return C3D(64, width=8, blocks=(1, 1, 1, 1), dense=1, **sizes)


def trained(method, videos, *, frames, steps, batch=6, lr=3e-3):
    batches = ClipSampler(videos, batch=batch, length=frames)
    generator = torch.Generator().manual_seed(1)
    history = training.fit(
        method, batches, steps=steps, lr=lr, generator=generator, precision="bf16-mixed", progress=False
    )
    return history.smooth("loss")


def spread_clips(videos, length, count):
    """First frames of ``count`` clips of each video that is long enough, evenly spread, and which video each is of."""
    starts = videos.clip_starts(length)
    owner = videos.video_of_frame[starts]
    picks = []
    for video in owner.unique():
        own = starts[owner == video]
        picks.append(own[torch.linspace(0, len(own) - 1, count).round().long()])
    picks = torch.cat(picks)
    return picks, videos.video_of_frame[picks]


def same_recording(net, train, test, count=6):
    """Is the nearest training clip of each test clip one of the same recording? Booleans, and the recordings."""
    (gallery, gallery_of), (query, query_of) = (spread_clips(videos, LENGTH, count) for videos in (train, test))
    span = torch.arange(LENGTH)
    x, y = (
        extract(net, v.gather(starts[:, None] + span), precision="bf16-mixed")
        for v, starts in ((train, gallery), (test, query))
    )
    return (gallery_of[nearest(y, x)[:, 0]] == query_of).float(), query_of


def answers(logits, labels):
    return (logits.argmax(1) == labels).float()


def test_temporal_transformations_are_told_apart_in_real_clips(actions):
    """At one of two speeds, or shuffled? And the features know the recording, of eight."""
    train, test = actions
    method = TemporalTransformations(backbone(), ("speed", "random"), length=LENGTH, max_kappa=1)
    loss = trained(method, train, frames=16, steps=200)
    generator = torch.Generator().manual_seed(2)
    starts, owner = spread_clips(test, 16, 12)
    with torch.inference_mode():
        shown, targets = method.pretext(test.gather(starts[:, None] + torch.arange(16)), generator)
        correct = answers(method(shown)["motion"], targets["motion"])
    interval = bootstrap_interval(correct, generator, groups=owner.repeat_interleave(2))
    found, of = same_recording(method.backbone, train, test)
    same = bootstrap_interval(found, generator, groups=of)
    print("temporal transformations", loss.iloc[[24, -1]].tolist(), interval, same)
    print("untrained", same_recording(backbone(1), train, test)[0].mean())
    assert loss.iloc[-1] < loss.iloc[24] - 0.2
    assert interval.low > method.chance, interval
    assert same.low > 2 / len(train), same


def test_the_playback_rate_is_told_in_real_clips(actions):
    train, test = actions
    method = PlaybackRate(backbone(), rates=(1, 3), length=LENGTH)
    loss = trained(method, train, frames=24, steps=200)
    generator = torch.Generator().manual_seed(2)
    starts, owner = spread_clips(test, 24, 12)
    with torch.inference_mode():
        shown, labels = method.pretext(test.gather(starts[:, None] + torch.arange(24)), generator)
        correct = answers(method(shown), labels)
    interval = bootstrap_interval(correct, generator, groups=owner.repeat_interleave(2))
    print("rate", loss.iloc[[24, -1]].tolist(), interval)
    assert loss.iloc[-1] < loss.iloc[24] - 0.05
    assert interval.low > method.chance, interval


def test_persons_are_found_again(make_up):
    """Nineteen persons do the same; the other clip of the same person is the nearest far more often than by chance.

    Random weights do this better, as looks tell persons apart and this task does not ask for looks.
    """
    method = TemporalTransformations(backbone(), ("speed", "random"), length=LENGTH, max_kappa=1)
    trained(method, make_up, frames=16, steps=100)
    group, own = make_up.video["group"], torch.arange(38)
    clips = make_up.gather(make_up.starts[:-1, None] + torch.arange(8, 8 + LENGTH))
    hits = {}
    for name, net in {"trained": method.backbone, "untrained": backbone(1)}.items():
        features = extract(net, clips)
        other = nearest(features, features, 1, query_groups=own, gallery_groups=own)[:, 0]
        hits[name] = bootstrap_interval((group[other] == group).float(), torch.Generator().manual_seed(3), groups=group)
    print("persons", hits)
    assert hits["trained"].low > 3 / 37, hits
