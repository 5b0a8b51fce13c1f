"""`arrow`: motions that have a direction in time, and motions that look the same backwards.

Irreversible: a ball that bounces lower and lower, a cloud of smoke that spreads, a dot that leaves a fading trail, a
throw that air slows down. Reversible: uniform translation, harmonic oscillation, constant rotation. Played backwards, a
reversible clip is as likely as forwards, so nothing can tell; a single frame never can.
Source: the arrow-of-time tasks of 002 (chapter 4) and 004 (chapters 3, 4), for which the seeds had no such data.
"""

import math

import torch

from ...checks import check_choice, check_positive
from ..videos import VideoSet
from .backgrounds import backdrop
from .draws import SPLITS, balanced, check_share, check_world, hsv, stream, uniform
from .rasteriser import capsule, ellipse, render

MOTIONS = ("bounce", "smoke", "trail", "throw", "translate", "oscillate", "rotate")
IRREVERSIBLE = MOTIONS[:4]
PUFFS = 6  # soft discs of a cloud
TRAIL = 8  # dots of a trail


def arrow(
    split: str = "train",
    videos: int = 280,
    length: int = 24,
    size: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    motions: tuple[str, ...] = MOTIONS,
    speed: float = 1.0,
    background_identity: float = 1.0,
    camera_drift: float = 1.0,
    light: float = 0.4,
    noise: float = 0.02,
) -> VideoSet:
    """Balanced videos of the motions chosen. All run *forwards*: whoever wants the other direction flips the frames.

    split: "train" or "test" (other draws, other backgrounds). speed: how much of a motion the video spans; 1 shows the
    whole of it whatever the length. The other knobs are those of `actions`.

    Per video: motion, reversible (0 or 1), subject (a number of its own), background. Per frame: phase, the share of
    the video that has passed, in [0, 1); centre (2,), pixels, of what moves. Same arguments, same bits on the CPU.
    Raises ValueError naming a bad argument.
    """
    check_world(split, videos, length, size, splits=SPLITS[:2])
    if not motions:
        raise ValueError(f"motions is {motions!r}; it takes at least one of {', '.join(MOTIONS)}")
    for name in motions:
        check_choice("motions", name, MOTIONS)
    check_positive("speed", speed, integer=False)
    check_share("background_identity", background_identity)
    for name, value in (("camera_drift", camera_drift), ("light", light), ("noise", noise)):
        check_positive(name, value, integer=False, zero=True)

    draw = stream(seed, "arrow", split, "videos")
    chosen = torch.tensor([MOTIONS.index(name) for name in motions])
    motion = chosen[balanced(draw, len(chosen), videos)]
    time = (torch.arange(length) + 0.5) / length  # the middles of frames: backwards, the same moments
    u = speed * time.repeat(videos)  # the share of the motion that has passed
    of = torch.arange(videos).repeat_interleave(length)
    numbers = torch.rand(videos, 8, generator=draw)  # what differs between videos, uniform
    paint = hsv(torch.rand(videos, generator=draw), uniform(draw, 0.4, 1.0, videos), uniform(draw, 0.5, 1.0, videos))
    cloud = torch.randn(videos, PUFFS, 2, generator=draw)
    here = _path(motion[of], u, numbers[of])
    shapes = _shapes(motion[of], u, numbers[of], here, cloud[of], paint[of], size, length / speed)
    scene, background = backdrop(
        seed, f"arrow {split}", videos, length, size,
        identity=background_identity, drift=camera_drift * size / 64, noise=noise, light=light, horizon=0.9,
    )  # fmt: skip
    scene, shapes = scene.to(device), [shape.to(device) for shape in shapes]
    return VideoSet(
        name="arrow",
        frames=render(videos * length, scene, shapes, scene.develop),
        starts=torch.arange(videos + 1) * length,
        video={
            "motion": motion, "reversible": (motion >= len(IRREVERSIBLE)).long(),
            "subject": torch.arange(videos) + 10_000 * SPLITS.index(split), "background": background,
        },
        frame={"phase": time.repeat(videos), "centre": here * size},
        names={"motion": MOTIONS},
    )  # fmt: skip


def _path(motion, u, r):
    """Where the thing is at share ``u`` of its motion, (F, 2), in units of the picture's side."""
    side = torch.where(r[:, 0] < 0.5, -1.0, 1.0)  # as many to the right as to the left
    middle = 0.5 + 0.16 * (r[:, 1:3] - 0.5)
    start = 0.5 - side * (0.28 + 0.06 * r[:, 1])
    places = [torch.stack([middle[:, 0] + side * 0.3 * (u - 0.5), 0.86 - _bounce(u, r[:, 3], r[:, 4])], 1)]
    places.append(middle)  # smoke spreads where it is
    angle = 2 * math.pi * r[:, 5]
    ahead = torch.stack([angle.cos(), angle.sin()], 1)
    straight = middle + ahead * ((u - 0.5) * (0.5 + 0.2 * r[:, 3]))[:, None]
    places.append(straight)  # the dot with a trail
    drag = 2.5 + r[:, 3]  # the path of a throw: speed across decays, gravity pulls down ever more
    across = (1 - torch.exp(-drag * u)) / drag
    up = (0.9 + 0.3 * r[:, 4]) * across * 1.9 - 0.62 * u * u
    places.append(torch.stack([start + side * 1.7 * across, 0.72 - up], 1))
    places.append(straight)
    beats = 1.2 + 0.8 * r[:, 3]
    places.append(middle + ahead * 0.26 * torch.sin(2 * math.pi * (beats * u + r[:, 6]))[:, None])
    places.append(middle)  # rotation turns where it is
    return torch.stack(places, 1)[torch.arange(len(motion)), motion]


def _bounce(u, r, s):
    """Height of a ball that loses a part of its speed at every bounce; it falls from 0.62 to 0.74 above the ground."""
    top, keep = 0.62 + 0.12 * r, 0.62 + 0.1 * s
    fall = 0.2  # share of the video in which it falls for the first time
    gravity = 2 * top / fall**2
    height = top - 0.5 * gravity * u * u
    begin, speed = torch.full_like(u, fall), gravity * fall * keep
    for _ in range(12):  # bounces; after that it lies
        hop = 2 * speed / gravity
        t = u - begin
        height = torch.where(t >= 0, speed * t - 0.5 * gravity * t * t, height)
        begin, speed = begin + hop, speed * keep
    return torch.where(u >= begin, torch.zeros_like(u), height).clamp(min=0)


def _shapes(motion, u, r, here, cloud, paint, size, frames):
    """Everything that may be drawn, each seen only in the videos of its motion."""
    centre, radius = here * size, size * (0.07 + 0.02 * r[:, 7])
    ball = (motion != MOTIONS.index("smoke")) & (motion != MOTIONS.index("rotate"))
    trail, smoke, turn = (motion == MOTIONS.index(name) for name in ("trail", "smoke", "rotate"))
    shapes = []
    spread = (0.012 + 0.035 * u).sqrt()  # diffusion: the width grows with the root of time
    for puff in range(PUFFS):
        where = centre + size * 0.75 * spread[:, None] * cloud[:, puff].clamp(-2, 2)
        shapes.append(ellipse(where, size * 0.75 * spread, paint, opacity=smoke * 0.09 / (0.1 + u), shading=0.0))
    for dot in range(TRAIL, 0, -1):
        earlier = (u - dot * 1.5 / frames).clamp(min=0)
        shapes.append(
            ellipse(
                _path(motion, earlier, r) * size, radius * (1 - 0.5 * dot / TRAIL), paint,
                opacity=trail * (1 - dot / (TRAIL + 1)) * 0.8, shading=0.0,
            )
        )  # fmt: skip
    side = torch.where(r[:, 0] < 0.5, -1.0, 1.0)
    angle = 2 * math.pi * (r[:, 6] + side * (0.35 + 0.3 * r[:, 3]) * u)
    arm = torch.stack([angle.cos(), angle.sin()], 1) * size * 0.24
    shapes.append(capsule(centre - arm, centre + arm, radius * 0.8, paint, opacity=turn.float()))
    shapes.append(ellipse(centre + arm, radius * 1.1, paint.flip(1), opacity=turn.float()))
    shapes.append(ellipse(centre, radius, paint, opacity=ball.float(), outline=0.4))
    return shapes
