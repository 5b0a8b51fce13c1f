"""No shortcut: what must not be readable from single raw frames, or from the path alone, is not; what must be, is."""

import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score

from course_lib.data import worlds
from course_lib.data.worlds.actions import CLASSES, NAMES

EASY = {
    "background_identity": 0.0,
    "camera_drift": 0.0,
    "light": 0.0,
    "noise": 0.0,
}  # where cheating is easiest
PAIRS = [("rise", "fall"), ("grow", "shrink"), ("slow bounce", "fast bounce"), ("stand up", "sit down"),
         ("raise arms", "lower arms")]  # fmt: skip


def pixels(videos):
    return torch.nn.functional.avg_pool2d(videos.frames.float().mean(1, keepdim=True) / 255, 2).flatten(1).numpy()


def probe(train, test, features, label):
    model = RidgeClassifier(alpha=30.0, class_weight="balanced").fit(features(train), label(train).numpy())
    return balanced_accuracy_score(label(test).numpy(), model.predict(features(test)))


def activity(videos):
    return videos.factor("activity")


@pytest.mark.parametrize("pair", PAIRS)
def test_a_motion_class_cannot_be_told_from_its_partner_by_one_frame(pair):
    # one frame per video: frames of one video are not independent
    train, test = (worlds.actions(split, 600, 1, 32, 0, classes=pair, **EASY) for split in ("train", "test"))
    assert abs(probe(train, test, pixels, activity) - 0.5) < 0.085  # four standard errors of 600 coin flips


def test_pose_classes_can_be_told_from_one_frame():
    train, test = (worlds.actions(split, 400, 2, 32, 0, families=("pose",), **EASY) for split in ("train", "test"))
    assert probe(train, test, pixels, activity) > 2.2 / 6


@pytest.mark.parametrize("pair", PAIRS)
def test_what_one_frame_shows_is_distributed_alike_and_what_two_show_is_not(pair):
    videos = worlds.actions("train", 300, 16, 24, 0, classes=pair, **EASY)
    second = videos.video["activity"] == NAMES.index(pair[1])
    state = videos.frame["state"].view(300, 16)
    one, two = state[~second].flatten().sort().values, state[second].flatten().sort().values
    grid = torch.linspace(0, 1, 21)
    gap = (torch.searchsorted(one, grid) / len(one) - torch.searchsorted(two, grid) / len(two)).abs().max()
    assert gap < 0.1
    step = state.diff(dim=1)
    if "bounce" in pair[0]:
        assert step[second].abs().mean() > 1.7 * step[~second].abs().mean()
    else:  # slow one way, fast the other
        assert (step[~second] > 0).float().mean() > 0.7 > 0.3 > (step[second] > 0).float().mean()


def test_reversal_partners_name_each_other_and_no_class_is_a_mirror_image():
    partner = {name: other for name, _, other, _ in CLASSES}
    for name, other in partner.items():
        assert other is None or partner[other] == name
    videos = worlds.actions("train", 192, 1, 24, 0, **EASY)
    facing = videos.video["facing"].float()
    for number in range(len(NAMES)):  # every class is shown facing both ways
        assert 0 < facing[videos.video["activity"] == number].mean() < 1


@pytest.fixture(scope="module")
def grasps():
    calm = {"background_identity": 0.0, "duration": 10.0}
    return [worlds.grasp(split, 432, 10, 32, 0, **calm) for split in ("train", "test")]


@pytest.mark.parametrize("target", ["success", "healthy"])
def test_the_path_of_the_paw_tells_nothing_and_the_digits_tell_all(grasps, target):
    train, test = grasps

    def label(videos):
        return videos.video["success"] if target == "success" else (videos.video["fitness"] > 0.5).long()

    def scaled(values):
        values = values - values.mean(0)
        return (values / values.std(0).clamp(min=1e-3)).numpy()

    def path(videos):
        joints = videos.frame["joints"].view(len(videos), 10, -1, 2)
        return scaled(torch.cat([joints[:, :, 1], joints[:, :, 1].diff(dim=1, prepend=joints[:, :1, 1])], 2).flatten(1))

    def digits(videos):
        joints = videos.frame["joints"].view(len(videos), 10, -1, 2)
        return scaled((joints[:, :, 2:] - joints[:, :, 1:2]).flatten(1))

    assert abs(probe(train, test, path, label) - 0.5) < 0.08
    assert probe(train, test, digits, label) > 0.9


def test_raw_pixels_are_a_poor_measure_of_posture_across_people():
    """The nearest picture of another person is little closer in posture than a random one; the joints know better."""
    queries, targets = worlds.sport_poses("test", 48, 3, 64, 0), worlds.sport_poses("train", 96, 10, 64, 0)

    def joints(videos):
        places = videos.frame["joints"]
        return (places - places[:, 8:9]).flatten(1)

    posture = torch.cdist(joints(queries), joints(targets))
    nearest = torch.cdist(torch.tensor(pixels(queries)), torch.tensor(pixels(targets))).argmin(1)
    chosen = posture.gather(1, nearest[:, None]).mean()
    best, chance = posture.amin(1).mean(), posture.mean()
    assert (chance - chosen) / (chance - best) < 0.35
