"""The procedural worlds: what every one of them promises, and what each is for."""

import pytest
import torch

from course_lib.data import worlds
from course_lib.data.worlds import figure
from course_lib.data.worlds.draws import stream
from course_lib.data.worlds.sport_programs import ACTIVITIES, PROGRAMS

ALL = ("sport_poses", "actions", "gait", "grasp")


def small(world, split="train", videos=6, length=8, seed=0, **knobs):
    return getattr(worlds, world)(split, videos, max(length, 12) if world == "grasp" else length, 32, seed, **knobs)


@pytest.mark.parametrize("world", ALL)
def test_same_arguments_give_the_same_bits(world):
    first, second = small(world), small(world)
    assert torch.equal(first.frames, second.frames)
    for kind in ("video", "frame"):
        for name, values in getattr(first, kind).items():
            assert torch.equal(values.nan_to_num(-1), getattr(second, kind)[name].nan_to_num(-1)), name


@pytest.mark.parametrize("world", ALL)
def test_other_seeds_and_splits_give_other_pictures_subjects_and_backgrounds(world):
    first = small(world)
    for other in (small(world, seed=1), small(world, split="test")):
        difference = (first.frames.int() - other.frames.int()).abs().float().flatten(1).mean(1)
        assert (difference > 5).all()
    key = "animal" if world == "grasp" else "subject"
    assert not set(first.video[key].tolist()) & set(small(world, split="test").video[key].tolist())


@pytest.mark.parametrize("world", ALL)
def test_frames_and_factors_are_what_they_say(world):
    videos = small(world, videos=16)
    length = 12 if world == "grasp" else 8
    assert videos.frames.shape == (16 * length, 3, 32, 32)
    assert videos.frames.dtype == torch.uint8
    assert videos.frames.float().std() > 20
    phase = videos.frame["phase"]
    assert phase.min() >= 0
    assert phase.max() <= (1 if world == "grasp" else 0.9999995)
    joints = videos.frame["joints"]
    assert joints.shape[1:] == (len(videos.skeleton.joints), 2)
    assert len(videos.skeleton.part) == len(videos.skeleton.limbs)
    labelled = joints[~joints.isnan()]
    assert ((labelled > -16) & (labelled < 48)).float().mean() > 0.99
    for name, values in videos.names.items():
        assert 0 <= int(videos.video[name].clamp(min=0).min()) <= int(videos.video[name].max()) < len(values)


@pytest.mark.parametrize("world", ALL)
def test_size_and_background_do_not_change_the_story(world):
    small_one, large = (getattr(worlds, world)("train", 4, 12, size, 3) for size in (32, 64))
    assert torch.equal(small_one.frame["phase"], large.frame["phase"])
    assert large.frames.shape[-1] == 64
    shared = getattr(worlds, world)("train", 4, 12, 32, 3, background_identity=0.0)
    assert torch.equal(small_one.frame["joints"].nan_to_num(), shared.frame["joints"].nan_to_num())


@pytest.mark.parametrize("world", ALL)
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "validation"),
        ("videos", 0),
        ("length", 2.5),
        ("size", 8),
        ("background_identity", 1.5),
        ("noise", -1),
    ],
)
def test_bad_arguments_are_named(world, argument, value):
    with pytest.raises(ValueError, match=argument):
        getattr(worlds, world)(**{"videos": 2, "length": 12, argument: value})


@pytest.mark.parametrize(
    ("world", "knobs", "named"),
    [
        ("sport_poses", {"split": "stills", "length": 3}, "length"),
        ("sport_poses", {"activities": ("golf",)}, "activities"),
        ("sport_poses", {"speed": 0}, "speed"),
        ("actions", {"families": ("sound",)}, "families"),
        ("actions", {"classes": ("jump",)}, "classes"),
        ("actions", {"classes": ()}, "no class"),
        ("gait", {"subjects": (0, 0, 0)}, "subjects"),
        ("gait", {"severity": (0.9, 0.1)}, "severity"),
        ("grasp", {"duration": 99.0}, "duration"),
        ("grasp", {"animals": 0}, "animals"),
    ],
)
def test_bad_knobs_are_named(world, knobs, named):
    with pytest.raises(ValueError, match=named):
        getattr(worlds, world)(videos=2, **knobs)


# ---- backgrounds


def test_background_identity_decides_whether_backgrounds_repeat():
    def repeats(identity):
        calm = {"camera_drift": 0.0, "light": 0.0, "noise": 0.0, "background_identity": identity}
        corners = worlds.sport_poses("train", 24, 1, 32, 0, **calm).frames[:, :, :8, :6].flatten(1).float()
        distance = torch.cdist(corners, corners) / corners.shape[1] ** 0.5 + 1e3 * torch.eye(24)
        return float((distance.amin(1) < 8).float().mean())

    assert repeats(0.0) > 0.6  # a few videos have a limb in the corner
    assert repeats(1.0) < 0.2
    assert len(worlds.sport_poses("train", 24, 1, 32, 0, background_identity=0.0).video["background"].unique()) <= 4


def test_without_drift_light_and_noise_the_background_stands_still():
    videos = worlds.actions("train", 8, 6, 32, 0, classes=("rise",), camera_drift=0.0, light=0.0, noise=0.0)
    edge = videos.frames.view(8, 6, 3, 32, 32)[..., :3].int()
    assert (edge - edge[:, :1]).abs().max() == 0
    drifting = worlds.actions("train", 8, 6, 32, 0, classes=("rise",), light=0.0, noise=0.0)
    edge = drifting.frames.view(8, 6, 3, 32, 32)[..., :3].int()
    assert (edge - edge[:, :1]).abs().max() > 10


# ---- people


def test_limbs_keep_their_length_in_three_dimensions_and_the_feet_touch_the_ground():
    body = figure.people(torch.Generator().manual_seed(0), 5)
    phase = torch.linspace(0, 1, 41)[:-1].repeat(len(ACTIVITIES))
    activity = torch.arange(len(ACTIVITIES)).repeat_interleave(40)
    rows = body.of(torch.arange(len(phase)) % 5)
    angles = PROGRAMS(activity, phase)
    points = figure.joints(angles, rows)
    for limb, part in (((9, 10), "thigh"), ((13, 14), "shank"), ((2, 3), "upper arm"), ((6, 7), "lower arm")):
        length = (points[:, limb[0]] - points[:, limb[1]]).norm(dim=1)
        assert torch.allclose(length, rows.length[part], atol=1e-4), part
    assert torch.allclose(points[..., 1].amin(1), angles[:, figure.INDEX["up"]], atol=1e-4)


def test_programs_are_closed_and_smooth():
    activity = torch.arange(len(ACTIVITIES))
    here, later = PROGRAMS(activity, torch.full((8,), 0.3)), PROGRAMS(activity, torch.full((8,), 1.3))
    turned = later - here
    turned[:, [figure.INDEX["yaw"], figure.INDEX["pitch"]]] -= 360 * PROGRAMS.turns
    assert turned.abs().max() < 0.05
    phase = torch.linspace(0, 2, 2001)
    for number in range(len(ACTIVITIES)):
        path = PROGRAMS(torch.full((2001,), number), phase)
        assert path.diff(dim=0).abs().max() < 6  # degrees per thousandth of a pass


def test_colours_at_the_joints_are_the_subjects_own():
    """At its middle the near lower leg shows the leg's colour (shading may change it by a third)."""
    videos = worlds.sport_poses("train", 16, 10, 64, 0, activities=("clean and jerk",), light=0.0, noise=0.0)
    people = figure.people(stream(0, "sport_poses", "train", "subjects"), 16)
    subject = videos.factor("subject")
    joints = videos.frame["joints"]
    middle = ((joints[:, 10] + joints[:, 11]) / 2).round().long()  # right = nearer
    shown = videos.frames[torch.arange(len(subject)), :, middle[:, 1], middle[:, 0]].float() / 255
    expected = people.colour["shank"][subject]
    near = (shown - expected).abs().mean(1) < 0.12
    assert near.float().mean() > 0.85
    other = (shown - expected.roll(40, 0)).abs().mean(1) < 0.12
    assert other.float().mean() < 0.4


def test_observer_centric_joints_are_the_same_points_with_sides_exchanged():
    videos = worlds.sport_poses("train", 16, 6, 64, 0)
    seen, own = videos.frame["joints"], videos.frame["joints_person"]
    same = (seen == own).flatten(1).all(1)
    swapped = (seen == own[:, list(figure.MIRRORED)]).flatten(1).all(1)
    assert (same | swapped).all()
    profile = (videos.factor("turn") < 60) | (videos.factor("turn") > 300)
    assert same[profile].float().mean() > 0.95  # facing right, the athlete's right side is near
    assert same.any()
    assert swapped.any()


def test_sport_phase_runs_forward_and_limbs_move_a_few_pixels_a_frame():
    videos = worlds.sport_poses("train", 12, 40, 64, 0, activities=("long jump",))
    phase = videos.frame["phase"].view(12, 40)
    step = phase.diff(dim=1) % 1
    assert (step > 0).all()
    assert torch.allclose(step, (videos.video["speed"][:, None] / 40).expand_as(step), atol=1e-4)
    ends = videos.frame["joints_person"].view(12, 40, 15, 2)[:, :, [4, 7, 11, 14]]  # wrists and ankles
    assert 3 < float(ends.diff(dim=1).norm(dim=-1).mean()) < 6.5
    double = worlds.sport_poses("train", 12, 40, 64, 0, activities=("long jump",), speed=2.0)
    assert double.frame["joints"].view(12, 40, 15, 2).diff(dim=1).norm(dim=-1).mean() > 1.4 * (
        videos.frame["joints"].view(12, 40, 15, 2).diff(dim=1).norm(dim=-1).mean()
    )


def test_stills_are_single_pictures_of_unseen_people_in_unseen_poses():
    stills, train = worlds.sport_poses("stills", 60, size=32), worlds.sport_poses("train", 48, 40, 32)
    assert (stills.lengths == 1).all()
    assert len(stills.video["subject"].unique()) == 60

    def shape(videos):
        joints = videos.frame["joints"]
        return (
            (joints - joints[:, 8:9]) / (joints[:, 1] - joints[:, 8]).norm(dim=1)[:, None, None].clamp(min=3)
        ).flatten(1)

    nearest = torch.cdist(shape(stills), shape(train)).amin(1).median()
    test = worlds.sport_poses("test", 48, 40, 32)
    usual = torch.cdist(shape(test)[::7], shape(train)).amin(1).median()
    assert nearest > 1.15 * usual


def test_activities_and_knobs_of_sport_poses():
    videos = worlds.sport_poses("train", 8, 4, 32, 0, activities=("bowling", "diving"))
    named = {videos.names["activity"][a] for a in videos.video["activity"].tolist()}
    assert named == {"bowling", "diving"}
    bare = worlds.sport_poses("train", 8, 4, 32, 0, activities=("clean and jerk",), props=False)
    held = worlds.sport_poses("train", 8, 4, 32, 0, activities=("clean and jerk",))
    assert not torch.equal(bare.frames, held.frames)
    assert torch.equal(bare.frame["joints"], held.frame["joints"])


# ---- gait and grasp


def test_gait_impairments_change_what_they_should():
    videos = worlds.gait("train", 84, 64, 32, 0, subjects=(14, 14, 14), treated=True, severity=(0.9, 1.0))
    condition, stage = videos.video["condition"], videos.video["stage"]
    assert (videos.video["severity"][condition == 0] == 0).all()
    assert (stage[condition == 0] == 0).all()
    knee = videos.frame["angles"].view(84, 64, 2, 3)[..., 1]
    swing = knee.amax(1)  # peak flexion of each leg
    healthy, ms, hydro = (condition == c for c in range(3))
    before = stage == 0
    weak = swing.gather(1, videos.video["side"][:, None]).squeeze(1)
    strong = swing.gather(1, 1 - videos.video["side"][:, None]).squeeze(1)
    assert (strong - weak)[ms & before].mean() > 15 > (strong - weak)[healthy].abs().mean()
    assert swing[hydro & before].mean() < swing[healthy].mean() - 10
    assert videos.video["cadence"][hydro & before].mean() < 0.8 * videos.video["cadence"][healthy].mean()
    severity = {s: videos.video["severity"][hydro & (stage == s)].mean() for s in range(2)}
    assert severity[1] < 0.5 * severity[0]
    assert ((videos.frame["phase"].view(84, 64).diff(dim=1) % 1) < 0.2).all()


def test_gait_feet_stay_on_or_above_the_belt():
    videos = worlds.gait("train", 6, 32, 64, 0, camera_jitter=0.0)
    feet = videos.frame["joints"][:, [2, 3, 6, 7], 1]
    lowest = feet.amax(1)
    assert lowest.std() < 1.0  # one foot always carries
    assert feet.min() > 32


def test_grasp_boxes_hold_the_paw_and_experts_follow_fitness():
    videos = worlds.grasp("train", 288, 16, 32, 0)
    box, joints = videos.frame["paw_box"], videos.frame["joints"][:, 1:]
    assert (joints >= box[:, None, :2]).all()
    assert (joints <= box[:, None, 2:]).all()
    fitness, expert = videos.video["fitness"], videos.video["expert_score"]
    assert torch.corrcoef(torch.stack([fitness, expert]))[0, 1] > 0.9
    day = videos.video["day"]
    assert fitness[day == 0].mean() > fitness[day == 1].mean() + 0.5
    late = day == 5
    cohort = videos.video["cohort"]
    assert fitness[late & (cohort < 2)].mean() > 0.8
    assert videos.video["compensation"][late & (cohort == 2)].mean() > 0.7
    success = videos.video["success"].float()
    assert 0.6 < float(success[day == 0].mean()) < 0.95
    assert (videos.frame["phase"].view(288, 16).diff(dim=1) >= 0).all()
    unhurt = worlds.grasp("train", 144, 12, 32, 0, impairment=0.0, duration=10.0)
    assert unhurt.video["fitness"].mean() > 0.9
