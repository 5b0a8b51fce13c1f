"""`actions`: short clips of people and things in motion. Stands beside UCF-101, HMDB-51 and Kinetics.

Two families. *Motion*: a class can only be told from how things move; its single frames are distributed exactly as
those of its partner (the same motion backwards, or at another speed). *Pose*: a class can be told from one frame.
No class is the mirror image of another, so horizontal flips are safe as augmentation.
Source: the data of seeds 000 (section 3.4), 001, 002 (chapters 3, 4) and 004 (section 4.1), which these stand in for.
"""

import math
from dataclasses import replace

import torch

from ...checks import check_choice, check_positive
from ..videos import VideoSet
from . import figure
from .backgrounds import backdrop
from .draws import SPLITS, balanced, check_share, check_world, hsv, smooth_noise, stream, uniform
from .figure import pose
from .rasteriser import ellipse, polygon, render, silhouette

# name, family, reversed partner, who moves
CLASSES = (
    ("rise", "motion", "fall", "thing"),
    ("fall", "motion", "rise", "thing"),
    ("grow", "motion", "shrink", "thing"),
    ("shrink", "motion", "grow", "thing"),
    ("slow bounce", "motion", None, "thing"),
    ("fast bounce", "motion", None, "thing"),
    ("stand up", "motion", "sit down", "person"),
    ("sit down", "motion", "stand up", "person"),
    ("raise arms", "motion", "lower arms", "person"),
    ("lower arms", "motion", "raise arms", "person"),
    ("star", "pose", None, "person"),
    ("bend over", "pose", None, "person"),
    ("high kick", "pose", None, "person"),
    ("lunge", "pose", None, "person"),
    ("handstand", "pose", None, "person"),
    ("crawl", "pose", None, "person"),
)
NAMES = tuple(name for name, *_ in CLASSES)
FAMILIES = ("motion", "pose")
THINGS = ("disc", "square")
# Each programme swings between two key poses; u = 0 is the first
SWING = {
    "stand up": (
        pose(
            lean=38,
            right_arm=(60, 10, 30),
            left_arm=(60, 10, 30),
            right_leg=(98, 8, 104),
            left_leg=(98, 8, 104),
        ),
        pose(lean=0, right_arm=(5, 10, 12), left_arm=(5, 10, 12)),
    ),
    "raise arms": (
        pose(right_arm=(0, 8, 8), left_arm=(0, 8, 8)),
        pose(right_arm=(172, 12, 8), left_arm=(172, 12, 8)),
    ),
    "star": (
        pose(right_arm=(0, 84, 4), left_arm=(0, 84, 4), right_leg=(0, 26, 2), left_leg=(0, 26, 2), yaw=70),
        pose(right_arm=(0, 104, 4), left_arm=(0, 104, 4), right_leg=(0, 32, 2), left_leg=(0, 32, 2), yaw=70),
    ),
    "bend over": (
        pose(lean=82, right_arm=(80, 10, 6), left_arm=(80, 10, 6), right_leg=(-4, 6, 4), left_leg=(-4, 6, 4)),
        pose(lean=98, right_arm=(98, 10, 6), left_arm=(98, 10, 6), right_leg=(-8, 6, 4), left_leg=(-8, 6, 4)),
    ),
    "high kick": (
        pose(
            lean=-14,
            right_arm=(-30, 40, 20),
            left_arm=(60, 40, 30),
            right_leg=(92, 4, 8),
            left_leg=(-2, 3, 4),
        ),
        pose(
            lean=-22,
            right_arm=(-45, 40, 20),
            left_arm=(80, 40, 30),
            right_leg=(112, 4, 4),
            left_leg=(-6, 3, 4),
        ),
    ),
    "lunge": (
        pose(
            lean=6,
            right_arm=(-10, 20, 85),
            left_arm=(20, 20, 85),
            right_leg=(78, 3, 84),
            left_leg=(-34, 3, 28),
        ),
        pose(
            lean=12,
            right_arm=(-20, 20, 85),
            left_arm=(30, 20, 85),
            right_leg=(92, 3, 96),
            left_leg=(-42, 3, 32),
        ),
    ),
    "handstand": (
        pose(
            right_arm=(176, 8, 2),
            left_arm=(176, 8, 2),
            right_leg=(8, 4, 6),
            left_leg=(-8, 4, 6),
            pitch=172,
            point=40,
        ),
        pose(
            right_arm=(180, 8, 2),
            left_arm=(180, 8, 2),
            right_leg=(26, 4, 10),
            left_leg=(-26, 4, 10),
            pitch=186,
            point=40,
        ),
    ),
    "crawl": (
        pose(
            lean=78,
            head=-30,
            right_arm=(100, 6, 6),
            left_arm=(72, 6, 6),
            right_leg=(16, 4, 92),
            left_leg=(-10, 4, 84),
        ),
        pose(
            lean=78,
            head=-30,
            right_arm=(72, 6, 6),
            left_arm=(100, 6, 6),
            right_leg=(-10, 4, 84),
            left_leg=(16, 4, 92),
        ),
    ),
}


def actions(
    split: str = "train",
    videos: int = 480,
    length: int = 32,
    size: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    families: tuple[str, ...] = FAMILIES,
    classes: tuple[str, ...] | None = None,
    subjects: int = 40,
    period: float = 20.0,
    speed: float = 1.0,
    background_identity: float = 1.0,
    camera_drift: float = 3.0,
    light: float = 0.8,
    noise: float = 0.02,
    masks: bool = False,
) -> VideoSet:
    """Balanced clips of the classes chosen by ``families`` or by name.

    split: "train" or "test" (other subjects, other backgrounds). period: frames of one swing at speed 1; a clip varies
    by 20 %. background_identity: share of the picture's statistics unique to a video, 0 … 1. camera_drift: pixels the
    camera wanders (at 64 pixels). light, noise: see `backgrounds.backdrop`. masks: also give a mask of what moves.

    A swing leads from one state to another in 80 % of the period and back in 20 %; reversed classes run the same
    programme backwards. Slow and fast bounce differ by a factor 2.5 in period only.

    Per video: activity, family, reversal_of (the activity it reverses, or -1), subject, thing (0 disc, 1 square, -1 a
    person), facing, period (frames, negative where time runs backwards), background. Per frame: phase in [0, 1), state
    in [0, 1] (what a single frame can show), joints (15, 2) pixels as in `sport_poses` (NaN for things), centre (2,);
    with ``masks``, mask uint8 (size, size), 1 on the person or thing (without its shadow), 0 on the background.
    Same arguments, same bits on the CPU. Raises ValueError naming a bad argument.
    """
    check_world(split, videos, length, size, splits=SPLITS[:2])
    check_positive("subjects", subjects)
    for name, value in (("period", period), ("speed", speed)):
        check_positive(name, value, integer=False)
    check_share("background_identity", background_identity)
    for name, value in (("camera_drift", camera_drift), ("light", light), ("noise", noise)):
        check_positive(name, value, integer=False, zero=True)
    wanted = _wanted(families, classes)

    draw = stream(seed, "actions", split, "videos")
    activity = wanted[balanced(draw, len(wanted), videos)]
    subject = torch.randint(subjects, (videos,), generator=draw)
    person = torch.tensor([mover == "person" for *_, mover in CLASSES])[activity]
    thing = torch.where(person, -1, torch.randint(2, (videos,), generator=draw))
    facing = torch.randint(2, (videos,), generator=draw)
    backwards = torch.tensor([name in ("fall", "shrink", "sit down", "lower arms") for name in NAMES])[activity]
    stretch = torch.tensor([{"slow bounce": 1.6, "fast bounce": 0.64}.get(name, 1.0) for name in NAMES])[activity]
    beat = period / speed * stretch * uniform(draw, 0.8, 1.2, videos) * torch.where(backwards, -1.0, 1.0)
    of = torch.arange(videos).repeat_interleave(length)
    time = torch.arange(length, dtype=torch.float32)
    phase = (torch.rand(videos, 1, generator=draw) + time / beat[:, None]).view(-1) % 1
    even = torch.tensor(["bounce" in name or family == "pose" for name, family, *_ in CLASSES])[activity][of]
    state = torch.where(even, 0.5 - 0.5 * torch.cos(2 * math.pi * phase), _swing(phase))

    crowd = figure.people(stream(seed, "actions", split, "subjects"), subjects).of(subject[of])
    people, joints, middle = _people(draw, activity, state, facing, crowd, videos, length, size)
    things, centre = _things(draw, activity, state, thing, videos, length, size)
    people = [replace(shape, opacity=shape.opacity * person[of]) for shape in people]
    mask = {"mask": silhouette(videos * length, size, people[1:] + things[1:], device)} if masks else {}  # no shadows
    parts = people + things
    scene, background = backdrop(
        seed, f"actions {split}", videos, length, size,
        identity=background_identity, drift=camera_drift * size / 64, noise=noise, light=light, horizon=0.74,
    )  # fmt: skip
    scene, parts = scene.to(device), [part.to(device) for part in parts]
    partner = torch.tensor([NAMES.index(other) if other else -1 for _, _, other, _ in CLASSES])
    return VideoSet(
        name="actions",
        frames=render(videos * length, scene, parts, scene.develop),
        starts=torch.arange(videos + 1) * length,
        video={
            "activity": activity, "family": torch.tensor([FAMILIES.index(f) for _, f, *_ in CLASSES])[activity],
            "reversal_of": partner[activity], "subject": subject + 10_000 * SPLITS.index(split), "thing": thing,
            "facing": facing, "period": beat, "background": background,
        },
        frame={
            "phase": phase.clamp(max=0.999999), "state": state,
            "joints": torch.where(person[of][:, None, None], joints, float("nan")),
            "centre": torch.where(person[of][:, None], middle, centre), **mask,
        },
        names={"activity": NAMES, "family": FAMILIES, "facing": ("right", "left"), "thing": THINGS},
        skeleton=figure.SKELETON,
    )  # fmt: skip


def _wanted(families, classes):
    for family in families:
        check_choice("families", family, FAMILIES)
    if classes is not None:
        for name in classes:
            check_choice("classes", name, NAMES)
    chosen = [i for i, name in enumerate(NAMES) if (CLASSES[i][1] in families if classes is None else name in classes)]
    if not chosen:
        raise ValueError(f"families is {families!r} and classes is {classes!r}; they leave no class")
    return torch.tensor(chosen)


def _swing(phase, slow=0.8):
    """0 to 1 in the first ``slow`` part of the phase and back in the rest, smooth at both turns."""
    there = phase / slow
    back = (1 - phase) / (1 - slow)
    u = torch.minimum(there, back).clamp(0, 1)
    return u * u * (3 - 2 * u)


def _people(draw, activity, state, facing, body, videos, length, size):
    of = torch.arange(videos).repeat_interleave(length)
    keys = torch.zeros(len(NAMES), 2, len(figure.ANGLES))
    for name, programme in SWING.items():
        keys[NAMES.index(name)] = torch.tensor(programme, dtype=torch.float32)
    for name, _, partner, _ in CLASSES:
        if partner in SWING and name not in SWING:
            keys[NAMES.index(name)] = keys[NAMES.index(partner)]
    first, second = keys[activity][of].unbind(1)
    angles = first + (second - first) * state[:, None]
    angles = angles + 4.0 * torch.randn(videos, len(figure.ANGLES), generator=draw)[of] * _FREE
    sway = torch.stack([smooth_noise(draw, videos, length, 6) for _ in figure.ANGLES], -1)
    angles = angles + 2.0 * sway.view(-1, len(figure.ANGLES)) * _FREE
    angles[:, figure.INDEX["yaw"]] += (uniform(draw, -30, 30, videos) + 180 * facing)[of]
    points = figure.joints(angles, body)
    scale = size * uniform(draw, 0.50, 0.64, videos)[of] * body.height
    flat = torch.stack([points[..., 0], -points[..., 1]], -1) * scale[:, None, None]
    foot = torch.tensor([0.5, 0.88]) * size + torch.tensor([0.10, 0.03]) * size * uniform(draw, -1, 1, videos, 2)
    waist = flat[:, 8, 0].view(videos, length).mean(1)
    pixels = flat + foot[of][:, None] - torch.stack([waist, torch.zeros(videos)], 1)[of][:, None]
    near = figure.near_first(points)
    ground = foot[of][:, 1] + 0.012 * scale
    shapes = figure.shapes(pixels, near, body, scale, ground)
    person = pixels[:, :15]
    observer = torch.where(near[:, None, None], person, person[:, list(figure.MIRRORED)])
    return shapes, observer, pixels[:, 8]


_FREE = torch.ones(len(figure.ANGLES))
for _name in ("up", "pitch", "yaw", "point"):
    _FREE[figure.INDEX[_name]] = 0.0


def _things(draw, activity, state, thing, videos, length, size):
    of = torch.arange(videos).repeat_interleave(length)
    name = torch.tensor(
        [["rise", "fall"].count(n) + 2 * n.count("bounce") + 3 * (n in ("grow", "shrink")) for n in NAMES]
    )
    kind = name[activity][of]
    base = size * uniform(draw, 0.10, 0.15, videos)[of]
    radius = torch.where(kind == 3, base * (0.55 + 1.15 * state), base)
    x = size * uniform(draw, 0.3, 0.7, videos)[of]
    middle = size * uniform(draw, 0.42, 0.56, videos)[of]
    swing = size * uniform(draw, 0.20, 0.28, videos)[of]
    height = torch.where(kind == 3, middle, middle + swing * (1 - 2 * state))
    wobble = 0.02 * size * torch.stack([smooth_noise(draw, videos, length, 5) for _ in range(2)], -1).view(-1, 2)
    centre = torch.stack([x, height], 1) + wobble
    turn = uniform(draw, 0, math.pi, videos)[of]
    paint = hsv(torch.rand(videos, generator=draw), uniform(draw, 0.3, 1.0, videos), uniform(draw, 0.4, 1.0, videos))[
        of
    ]
    inner = hsv(torch.rand(videos, generator=draw), uniform(draw, 0.1, 0.9, videos), uniform(draw, 0.3, 1.0, videos))[
        of
    ]
    disc, square = (thing == 0)[of].float(), (thing == 1)[of].float()
    shadow = torch.stack([x, torch.full_like(x, 0.92 * size)], 1)
    corner = turn[:, None] + math.pi / 2 * torch.arange(4)
    box = torch.stack([corner.cos(), corner.sin()], -1)
    flat = torch.stack([radius, 0.18 * radius], 1)
    return [
        ellipse(shadow, flat, torch.zeros(3), opacity=0.28 * (thing >= 0)[of], shading=0.0),
        ellipse(centre, radius, paint, opacity=disc, outline=0.4),
        ellipse(centre, 0.55 * radius, inner, opacity=disc, shading=0.4),
        polygon(centre[:, None] + 1.25 * radius[:, None, None] * box, paint, opacity=square, outline=0.4),
        polygon(centre[:, None] + 0.65 * radius[:, None, None] * box, inner, opacity=square, outline=0.2),
    ], centre
