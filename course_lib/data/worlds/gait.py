"""`gait`: legs on a treadmill, healthy and with two impairments. Stands beside the human gait study (HG2DB).

Source: seed 000 section 4.2 (HG2DB) and seed 003: people filmed from the side, legs only, fixed tripod, before and
after treatment of multiple sclerosis (a drug) or hydrocephalus (lumbar puncture).
"""

import math

import torch

from ...checks import check_positive
from ..videos import Skeleton, VideoSet
from .backgrounds import backdrop
from .draws import SPLITS, check_share, check_world, choice, hsv, smooth_noise, stream, uniform
from .figure import SKIN
from .rasteriser import capsule, ellipse, polygon, render

CONDITIONS = ("healthy", "multiple sclerosis", "hydrocephalus")
STAGES = ("before", "2 h after", "24 h after")
JOINTS = (
    "right hip", "right knee", "right heel", "right toe", "left hip", "left knee", "left heel", "left toe",
)  # fmt: skip
SKELETON = Skeleton(
    joints=JOINTS,
    limbs=((0, 1), (4, 5), (1, 2), (5, 6), (2, 3), (6, 7)),
    part=("upper legs", "upper legs", "lower legs", "lower legs", "feet", "feet"),
)
# One gait cycle from heel strike, every 10 %: flexion of hip, knee and ankle in degrees (textbook level walking)
CYCLE = torch.tensor([
    [30, 25, 17, 8, -2, -9, -6, 8, 24, 32],
    [5, 16, 15, 9, 6, 10, 32, 60, 50, 18],
    [0, -4, 4, 8, 10, 4, -16, -6, 2, 2],
], dtype=torch.float32)  # fmt: skip
SERIES = torch.fft.rfft(CYCLE)[:, :4] / CYCLE.shape[1]  # mean and three harmonics
LEFT_OVER = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.8, 0.5], [1.0, 0.35, 0.85]])  # severity by condition and stage
HIP, KNEE, ANKLE = range(3)


def gait(
    split: str = "train",
    videos: int = 126,
    length: int = 48,
    size: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    subjects: tuple[int, int, int] = (10, 14, 18),
    severity: tuple[float, float] = (0.4, 1.0),
    treated: bool = True,
    period: float = 16.0,
    background_identity: float = 1.0,
    camera_jitter: float = 0.3,
    light: float = 0.7,
    noise: float = 0.02,
) -> VideoSet:
    """Side views of a lower body walking on a treadmill, to the right.

    split: "train" or "test" (other subjects). subjects: how many are healthy, have multiple sclerosis (MS), have
    hydrocephalus; each subject has its own trousers, legs, gait and treadmill. severity: range of s before treatment.
    treated: also show patients 2 h and 24 h after treatment. period: frames of a gait cycle at normal cadence.

    MS: less knee flexion and a dropping foot, mostly on one side. Hydrocephalus: short steps that barely clear the
    belt, slow cadence, both sides; the puncture helps at 2 h and wears off by 24 h. Healthy subjects have s = 0.

    Per video: subject, condition, stage, severity (what is left after treatment), cadence (cycles per frame), side (of
    the weaker leg: 0 right, 1 left). Per frame: phase in [0, 1) from right heel strike, angles (6,) degrees (hip, knee,
    ankle of the right, then the left leg), joints (8, 2) pixels. Same arguments, same bits on the CPU.
    Raises ValueError naming a bad argument.
    """
    check_world(split, videos, length, size, splits=SPLITS[:2])
    if len(subjects) != 3 or min(subjects) < 0 or sum(subjects) == 0:
        raise ValueError(f"subjects is {subjects!r}; it takes three counts >= 0, not all 0")
    if len(severity) != 2 or not 0 <= severity[0] <= severity[1] <= 1:
        raise ValueError(f"severity is {severity!r}; it takes (low, high) with 0 <= low <= high <= 1")
    check_positive("period", period, integer=False)
    check_share("background_identity", background_identity)
    for name, value in (("camera_jitter", camera_jitter), ("light", light), ("noise", noise)):
        check_positive(name, value, integer=False, zero=True)

    people = sum(subjects)
    who = stream(seed, "gait", split, "subjects")
    condition_of = torch.repeat_interleave(torch.arange(3), torch.tensor(subjects))
    order = torch.randperm(people, generator=who)
    condition_of = condition_of[order]
    worst = uniform(who, *severity, people) * (condition_of > 0)
    weak_side = torch.randint(2, (people,), generator=who)
    own = {  # a subject's own way of walking, and legs
        "shift": 3.0 * torch.randn(people, 2, 3, generator=who),
        "gain": 1 + 0.08 * torch.randn(people, 1, 3, generator=who),
        "thigh": uniform(who, 0.345, 0.385, people), "shank": uniform(who, 0.345, 0.385, people),
        "foot": uniform(who, 0.15, 0.18, people), "thick": uniform(who, 0.85, 1.3, people),
        "pace": uniform(who, 0.92, 1.08, people),
    }  # fmt: skip
    look = _looks(who, people)

    draw = stream(seed, "gait", split, "videos")
    subject = torch.arange(videos) % people
    condition = condition_of[subject]
    stage = (torch.arange(videos) // people % 3) * (condition > 0) * int(treated)
    left_over = worst[subject] * LEFT_OVER[condition, stage]
    cadence = own["pace"][subject] * (1 - 0.35 * left_over * (condition == 2)) / period
    of = torch.arange(videos).repeat_interleave(length)
    time = torch.arange(length, dtype=torch.float32)
    start = torch.rand(videos, generator=draw)
    unsteady = 0.012 * smooth_noise(draw, videos, length, 5)
    phase = ((start[:, None] + cadence[:, None] * time) + unsteady).view(-1)
    angles = _angles(phase, condition[of], left_over[of], weak_side[subject][of])
    sway = torch.stack([smooth_noise(draw, videos, length, 7) for _ in range(6)], -1).view(-1, 2, 3)
    s = subject[of]
    angles = angles * own["gain"][s] + own["shift"][s] + 0.8 * sway

    shake = camera_jitter * torch.stack([smooth_noise(draw, videos, length, 12) for _ in range(2)], -1).view(-1, 2)
    points, belt = _legs(angles, {k: v[s] for k, v in own.items()}, size, shake * size / 64)
    parts = [
        part.to(device) for part in _shapes(points, belt, {k: v[s] for k, v in look.items()}, own["thick"][s], size)
    ]
    scene, _ = backdrop(
        seed, f"gait {split}", videos, length, size,
        identity=background_identity, drift=0.0, noise=noise, light=light, horizon=0.8, still=True,
    )  # fmt: skip
    scene = scene.to(device)
    return VideoSet(
        name="gait",
        frames=render(videos * length, scene, parts, scene.develop),
        starts=torch.arange(videos + 1) * length,
        video={
            "subject": subject + 10_000 * SPLITS.index(split), "condition": condition, "stage": stage,
            "severity": left_over, "cadence": cadence, "side": weak_side[subject],
        },
        frame={
            "phase": (phase % 1).clamp(max=0.999999), "angles": angles.flatten(1),
            "joints": points[:, :, [0, 1, 3, 4]].reshape(-1, 8, 2),
        },
        names={"condition": CONDITIONS, "stage": STAGES, "side": ("right", "left")},
        skeleton=SKELETON,
    )  # fmt: skip


def _looks(generator, people):
    def cloth(low, high):
        hue, colourful = torch.rand(people, generator=generator), uniform(generator, 0.1, 0.8, people)
        return hsv(hue, colourful, uniform(generator, low, high, people))

    skin = choice(generator, SKIN, people)
    trousers = cloth(0.2, 0.9)
    shorts = torch.rand(people, 1, generator=generator) < 0.35
    return {
        "thigh": trousers, "shank": torch.where(shorts, skin, trousers), "shoe": cloth(0.15, 0.95),
        "shirt": cloth(0.3, 0.95), "belt": cloth(0.08, 0.3), "frame": cloth(0.45, 0.85),
    }  # fmt: skip


def _angles(phase, condition, severity, weak_side):
    """Hip, knee, ankle of the right and the left leg, (N, 2, 3) degrees: Fourier series bent by the impairment."""
    sides = torch.stack([phase, phase + 0.5], 1)
    harmonics = torch.arange(SERIES.shape[1])
    wave = torch.polar(torch.ones(1), 2 * math.pi * sides[..., None] * harmonics)  # (N, 2, harmonics)
    weight = torch.where(harmonics > 0, 2.0, 1.0)
    angle = torch.einsum("nsh,jh->nsj", wave * weight, SERIES).real
    mean = SERIES[:, 0].real
    swing = torch.exp(-((((sides % 1) - 0.75) / 0.13) ** 2))  # around the middle of the swing

    weak = torch.where(torch.arange(2) == weak_side[:, None], 1.0, 0.35) * (severity * (condition == 1))[:, None]
    both = (severity * (condition == 2))[:, None].expand(-1, 2)
    hip = mean[HIP] + (angle[..., HIP] - mean[HIP]) * (1 - 0.55 * both) * (1 - 0.15 * weak) + 7 * weak * swing
    knee = angle[..., KNEE] * (1 - 0.60 * weak * swing) * (1 - 0.45 * both) + 9 * both
    ankle = angle[..., ANKLE] - 24 * weak * swing - 6 * both * swing
    return torch.stack([hip, knee, ankle], -1)


def _legs(angles, own, size, shake):
    """Points (N, 2 legs, 5, 2) in pixels: hip, knee, ankle, heel, toe; and the height of the belt (N,)."""
    hip, knee, ankle = angles.deg2rad().unbind(-1)
    scale = 0.98 * size

    def ray(angle, length):
        return torch.stack([angle.sin(), angle.cos()], -1) * (scale * length)[:, None, None]

    zero = torch.zeros(len(angles), 2, 2)
    k = ray(hip, own["thigh"])
    a = k + ray(hip - knee, own["shank"])
    sole = hip - knee + math.pi / 2 + ankle
    heel = a + ray(sole, -0.28 * own["foot"]) + ray(sole - math.pi / 2, 0.035 + 0 * own["foot"])
    toe = heel + ray(sole, own["foot"])
    points = torch.stack([zero, k, a, heel, toe], 2)
    belt = torch.full((len(angles),), 0.88 * size) + shake[:, 1]
    lowest = points[..., 1].flatten(1).amax(1)
    middle = torch.stack([0.47 * size + shake[:, 0], belt - lowest - 0.02 * size], 1)
    points = points + middle[:, None, None]
    points[:, 1] += torch.tensor([0.012, -0.008]) * size  # the far (left) leg stands a little behind
    return points, belt


def _shapes(points, belt, look, thick, size):
    frames, width = len(points), thick * size

    def at(x, y):
        return torch.stack([torch.full((frames,), float(x)) if isinstance(x, float) else x, y], 1)

    def leg(side, tone):
        hip, knee, ankle, heel, toe = points[:, side].unbind(1)

        def radii(first, second):
            return torch.stack([first * width, second * width], 1)

        return [
            capsule(heel, toe, radii(0.036, 0.026), tone * look["shoe"], outline=0.3),
            capsule(ankle, 0.35 * ankle + 0.65 * heel, 0.036 * width, tone * look["shoe"]),
            capsule(knee, ankle, radii(0.052, 0.036), tone * look["shank"], outline=0.3),
            capsule(hip, knee, radii(0.082, 0.056), tone * look["thigh"], outline=0.3),
        ]

    low = belt + 0.01 * size
    deck = [
        at(0.06 * size, low),
        at(0.94 * size, low),
        at(0.97 * size, low + 0.075 * size),
        at(0.03 * size, low + 0.075 * size),
    ]
    rail = [at(0.86 * size, low), at(0.92 * size, low - 0.62 * size)]
    hip = points[:, 0, 0]
    above = hip - torch.tensor([0.0, 0.14]) * size
    return [
        ellipse(at(0.5 * size, low + 0.08 * size), torch.tensor([[0.5, 0.035]]).expand(frames, 2) * size,
                torch.zeros(3), opacity=0.3, shading=0.0),
        capsule(rail[0], rail[1], 0.014 * size, look["frame"]),
        capsule(rail[1], rail[1] - torch.tensor([0.16, 0.0]) * size, 0.014 * size, look["frame"]),
        polygon(torch.stack(deck, 1), look["belt"], outline=0.3),
        capsule(at(0.05 * size, low + 0.075 * size), at(0.95 * size, low + 0.075 * size), 0.014 * size, look["frame"]),
        *leg(1, 0.72),
        capsule(above, hip, 0.098 * width, look["shirt"], outline=0.2),
        *leg(0, 1.0),
        capsule(above, hip - torch.tensor([0.0, 0.045]) * size, 0.092 * width, look["shirt"], outline=0.2),
    ]  # fmt: skip
