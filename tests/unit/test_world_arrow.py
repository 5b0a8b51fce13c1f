"""The world `arrow`: what it promises, and that only the irreversible motions have a direction in time."""

import pytest
import torch

from course_lib.data import worlds
from course_lib.data.worlds.arrow import IRREVERSIBLE, MOTIONS

CALM = {"background_identity": 0.0, "camera_drift": 0.0, "light": 0.0, "noise": 0.0}


def test_same_arguments_give_the_same_bits_and_other_seeds_do_not():
    first, second = (worlds.arrow("train", 7, 8, 32, 0) for _ in range(2))
    assert torch.equal(first.frames, second.frames)
    for other in (worlds.arrow("train", 7, 8, 32, 1), worlds.arrow("test", 7, 8, 32, 0)):
        assert ((first.frames.int() - other.frames.int()).abs().float().flatten(1).mean(1) > 5).all()
    test = worlds.arrow("test", 7, 8, 32, 0)
    assert not set(first.video["subject"].tolist()) & set(test.video["subject"].tolist())


def test_frames_and_factors_are_what_they_say():
    videos = worlds.arrow("train", 70, 8, 32, 0)
    assert videos.frames.shape == (560, 3, 32, 32)
    assert videos.frames.float().std() > 20
    assert torch.bincount(videos.video["motion"]).tolist() == [10] * 7
    assert videos.names["motion"] == MOTIONS
    named = [MOTIONS[number] in IRREVERSIBLE for number in videos.video["motion"].tolist()]
    assert videos.video["reversible"].tolist() == [int(not irreversible) for irreversible in named]
    assert ((videos.frame["centre"] > 0) & (videos.frame["centre"] < 32)).all()
    assert videos.frame["phase"].max() < 1


def test_length_and_size_do_not_change_the_story():
    short, long = (worlds.arrow("train", 14, length, 32, 3) for length in (8, 24))
    large = worlds.arrow("train", 14, 8, 64, 3)
    path = long.frame["centre"].view(14, 24, 2)[:, 1::3]  # a third of the time between frames
    torch.testing.assert_close(short.frame["centre"].view(14, 8, 2), path)
    torch.testing.assert_close(short.frame["centre"] * 2, large.frame["centre"])


def test_every_motion_changes_the_picture():
    for motion in MOTIONS:
        videos = worlds.arrow("train", 4, 8, 32, 0, motions=(motion,), **CALM)
        clips = videos.frames.view(4, 8, -1).int()
        assert (clips[:, 1:] - clips[:, :-1]).abs().amax((1, 2)).min() > 20, motion


def skewness(values):
    centred = values - values.mean()
    return float(centred.pow(3).mean() / centred.pow(2).mean() ** 1.5)


@pytest.mark.parametrize("motion", ["translate", "oscillate"])
def test_reversible_motions_have_no_preferred_direction_of_time(motion):
    videos = worlds.arrow("train", 400, 16, 24, 0, motions=(motion,), **CALM)
    steps = videos.frame["centre"].view(400, 16, 2).diff(dim=1)
    speed = steps.norm(dim=2)
    assert abs(float((speed[:, -4:].mean() - speed[:, :4].mean()) / speed.mean())) < 0.08
    assert abs(skewness(steps[..., 0])) < 0.2


def test_irreversible_motions_slow_down_or_speed_up():
    for motion in ("bounce", "throw"):
        videos = worlds.arrow("train", 100, 16, 24, 0, motions=(motion,), **CALM)
        steps = videos.frame["centre"].view(100, 16, 2).diff(dim=1).abs()
        axis = {"bounce": 1, "throw": 0}[motion]
        assert steps[:, :4, axis].mean() > 1.5 * steps[:, -4:, axis].mean(), motion


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "stills"),
        ("videos", 0),
        ("size", 8),
        ("motions", ("fly",)),
        ("motions", ()),
        ("speed", 0),
        ("background_identity", 1.5),
        ("noise", -1),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        worlds.arrow(**{"videos": 2, "length": 8, argument: value})
