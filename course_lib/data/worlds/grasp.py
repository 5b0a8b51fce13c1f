"""`grasp`: a rat's paw reaching for a pellet, before and after a stroke. Stands beside the rat stroke study.

Source: seed 000 section 4.2 (experimental material) and seed 003: single-pellet grasping through a slit, four cohorts
filmed at baseline and days 2 … 35. The way of the paw carries no information about success or recovery, by design:
only the digits and the turn of the paw do.
"""

import torch

from ...checks import check_positive
from ..videos import Skeleton, VideoSet
from .backgrounds import backdrop
from .draws import SPLITS, check_share, check_world, smooth_noise, stream, uniform
from .rasteriser import capsule, ellipse, render

COHORTS = ("stimulation", "stimulation and training", "delayed training", "no treatment")
DAYS = (0, 2, 7, 14, 21, 35)
DAY_NAMES = ("baseline", "2 d", "7 d", "14 d", "21 d", "35 d")
RECOVERY = torch.tensor([  # fitness of each cohort on each day; 1 is the healthy grasp
    [1.0, 0.15, 0.35, 0.58, 0.78, 0.90],
    [1.0, 0.15, 0.38, 0.66, 0.88, 0.97],
    [1.0, 0.15, 0.20, 0.26, 0.36, 0.42],
    [1.0, 0.15, 0.18, 0.22, 0.26, 0.28],
])  # fmt: skip
COMPENSATION = torch.tensor([  # another way to get the pellet, neither healthy nor impaired
    [0.0, 0.0, 0.05, 0.05, 0.05, 0.05],
    [0.0, 0.0, 0.05, 0.05, 0.0, 0.0],
    [0.0, 0.0, 0.25, 0.55, 0.80, 0.95],
    [0.0, 0.0, 0.20, 0.40, 0.55, 0.65],
])  # fmt: skip
DIGITS = 4
JOINTS = ("wrist", "palm", *(f"digit {d + 1} {place}" for d in range(DIGITS) for place in ("knuckle", "tip")))
SKELETON = Skeleton(
    joints=JOINTS,
    limbs=(
        (0, 1),
        *((1, 2 + 2 * d) for d in range(DIGITS)),
        *((2 + 2 * d, 3 + 2 * d) for d in range(DIGITS)),
    ),
    part=("arm", *["palm"] * DIGITS, *["digits"] * DIGITS),
)
FUR = torch.tensor([[0.93, 0.91, 0.88], [0.55, 0.45, 0.38], [0.30, 0.27, 0.26], [0.75, 0.66, 0.55]])


def grasp(
    split: str = "train",
    videos: int = 288,
    length: int = 16,
    size: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
    *,
    animals: int = 3,
    duration: float = 12.0,
    failures: float = 0.2,
    impairment: float = 1.0,
    expert_noise: float = 0.35,
    background_identity: float = 1.0,
    light: float = 0.6,
    noise: float = 0.02,
    pellet: bool = True,
) -> VideoSet:
    """Grasps of ``animals`` rats in each of four cohorts on six days; one video is one attempt.

    split: "train" or "test" (other animals). duration: frames of a grasp (reach, open, pronate, close, supinate,
    retract). failures: share of failed grasps at baseline. impairment: 0 a stroke changes nothing … 1. pellet: show it.

    An attempt's fitness f in [0, 1] decides how far the digits open, how far the paw pronates and how well the
    closing is timed; a failed grasp closes late and only in part. The path and speed of the paw never depend on it.

    Per video: animal, cohort, day (index), success, fitness, compensation, expert_score (0 … 10: noisy affine function
    of mean fitness, the same for all attempts of an animal on a day). Per frame: phase in [0, 1] of the grasp, joints
    (10, 2) pixels (wrist, palm, knuckle and tip of four digits), paw_box (x0, y0, x1, y1) pixels, digits (3,): opening,
    pronation, closing in [0, 1]. Same arguments, same bits on the CPU. Raises ValueError naming a bad argument.
    """
    check_world(split, videos, length, size, splits=SPLITS[:2], smallest=32)
    check_positive("animals", animals)
    if check_positive("duration", duration, integer=False) > length:
        raise ValueError(f"duration is {duration!r}; it takes at most length, {length} frames")
    for name, value in (
        ("failures", failures),
        ("impairment", impairment),
        ("background_identity", background_identity),
    ):
        check_share(name, value)
    for name, value in (("expert_noise", expert_noise), ("light", light), ("noise", noise)):
        check_positive(name, value, integer=False, zero=True)

    draw = stream(seed, "grasp", split, "videos")
    session = torch.arange(videos) % (4 * animals * len(DAYS))
    day, animal = session % len(DAYS), session // len(DAYS)
    cohort = animal % 4
    of_animal = 0.05 * torch.randn(4 * animals, generator=stream(seed, "grasp", split, "animals"))
    lost = impairment * (1 - RECOVERY[cohort, day])
    fitness = (1 - lost + of_animal[animal] + 0.06 * torch.randn(videos, generator=draw)).clamp(0, 1)
    other = (impairment * COMPENSATION[cohort, day] + 0.05 * torch.randn(videos, generator=draw)).clamp(0, 1)
    chance = (1 - failures) * (0.15 + 0.85 * torch.maximum(fitness, 0.7 * other))
    success = torch.rand(videos, generator=draw) < chance
    expert = _expert(fitness, session, expert_noise, stream(seed, "grasp", split, "experts"))

    of = torch.arange(videos).repeat_interleave(length)
    time = torch.arange(length, dtype=torch.float32)
    begin = uniform(draw, 0.0, 1.0, videos) * (length - duration)
    phase = ((time - begin[:, None]) / duration).clamp(0, 1).view(-1)
    hand = _programme(phase, fitness[of], other[of], success[of], draw, videos, length)
    points, target, slit = _points(phase, hand, other[of], draw, of, videos, length, size)
    box = torch.cat([points[:, 1:].amin(1), points[:, 1:].amax(1)], 1)
    box += torch.tensor([-1.0, -1.0, 1.0, 1.0]) * 0.035 * size

    look = _looks(stream(seed, "grasp", split, "looks"), 4 * animals)
    look = {k: v[animal][of] for k, v in look.items()}
    nose = slit - torch.tensor([0.10, 0.17]) * size
    nose = nose + 0.03 * size * torch.stack([smooth_noise(draw, videos, length, 3) for _ in range(2)], -1).view(-1, 2)
    taken = success[of] & (phase > 0.62)
    held = torch.where(taken[:, None], points[:, 3::2].mean(1), target)
    parts = _shapes(points, slit, nose, held, look, size, pellet & ~(taken & (phase > 0.97)))
    scene, background = backdrop(
        seed, f"grasp {split}", videos, length, size,
        identity=background_identity, noise=noise, light=light, horizon=0.78, still=True,
    )  # fmt: skip
    scene, parts = scene.to(device), [part.to(device) for part in parts]
    return VideoSet(
        name="grasp",
        frames=render(videos * length, scene, parts, scene.develop),
        starts=torch.arange(videos + 1) * length,
        fps=50.0,
        video={
            "animal": animal + 10_000 * SPLITS.index(split), "cohort": cohort, "day": day, "success": success.long(),
            "fitness": fitness, "compensation": other, "expert_score": expert, "background": background,
        },
        frame={"phase": phase, "joints": points, "paw_box": box, "digits": hand},
        names={"cohort": COHORTS, "day": DAY_NAMES, "success": ("failed", "succeeded")},
        skeleton=SKELETON,
    )  # fmt: skip


def _expert(fitness, session, noise, generator):
    """One score per session: affine in the mean fitness of its attempts, plus the expert's own error."""
    sessions = int(session.max()) + 1
    total = torch.zeros(sessions).index_add(0, session, fitness)
    count = torch.bincount(session, minlength=sessions).clamp(min=1)
    score = 1.0 + 8.5 * total / count + noise * torch.randn(sessions, generator=generator)
    return score.clamp(0, 10)[session]


def _bump(phase, rise, top, fall, end):
    """0 before ``rise``, smoothly 1 from ``top`` to ``fall``, 0 after ``end``."""

    def step(at, low, high):
        t = ((at - low) / (high - low)).clamp(0, 1)
        return t * t * (3 - 2 * t)

    return step(phase, rise, top) * (1 - step(phase, fall, end))


def _programme(phase, fitness, other, success, draw, videos, length):
    """Opening, pronation and closing of the paw at each frame, (N, 3) in [0, 1]."""
    vary = 1 + 0.06 * torch.randn(videos, 3, generator=draw).repeat_interleave(length, 0)
    late = 0.10 * (1 - fitness) + 0.05 * (~success)
    opening = (0.30 + 0.70 * fitness) * _bump(phase, 0.12, 0.38, 0.50, 0.66)
    pronation = (0.20 + 0.80 * fitness) * (1 - 0.4 * other) * _bump(phase, 0.28, 0.48, 0.66, 0.86)
    closing = torch.where(success, 1.0, 0.35) * (0.5 + 0.5 * fitness) * _bump(phase - late, 0.46, 0.60, 0.9, 1.0)
    return (torch.stack([opening, pronation, closing], 1) * vary).clamp(0, 1)


def _points(phase, hand, other, draw, of, videos, length, size):
    """Joints (N, 10, 2), the pellet's and the slit's place (N, 2), pixels. The path ignores how the digits move."""
    slit = torch.tensor([0.30, 0.50]) * size + 0.02 * size * torch.randn(videos, 2, generator=draw)
    target = torch.tensor([0.72, 0.60]) * size + 0.025 * size * torch.randn(videos, 2, generator=draw)
    bow = 0.10 * size * uniform(draw, 0.4, 1.4, videos)
    wobble = torch.stack([smooth_noise(draw, videos, length, 6) for _ in range(2)], -1).view(-1, 2)
    slit, target, bow = slit[of], target[of], bow[of]
    out = _bump(phase, 0.0, 0.46, 0.66, 1.0)[:, None]
    rest = slit - torch.tensor([0.06, -0.02]) * size
    near = target - torch.tensor([0.10, 0.02]) * size
    palm = rest + (near - rest) * out - bow[:, None] * torch.tensor([0.0, 1.0]) * (4 * out * (1 - out)) * 0.5
    palm = palm + 0.008 * size * wobble
    opening, pronation, closing = hand.unbind(1)
    heading = torch.atan2((near - rest)[:, 1], (near - rest)[:, 0]) + 0.10 - 0.55 * other * out[:, 0]
    spread = 0.10 + 0.30 * opening + 0.16 * pronation
    reach = 0.062 * size * (0.75 + 0.45 * opening - 0.30 * closing)
    curl = 0.5 - 0.55 * opening + 1.75 * closing
    digits = []
    for digit in range(DIGITS):
        place = digit - (DIGITS - 1) / 2
        angle = heading + place * spread + 0.25 * other * place
        base = palm + 0.040 * size * torch.stack([angle.cos(), angle.sin()], 1)
        knuckle = base + reach[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        bent = angle + curl
        tip = knuckle + (0.9 * reach)[:, None] * torch.stack([bent.cos(), bent.sin()], 1)
        digits += [knuckle, tip]
    back = torch.stack([heading.cos(), heading.sin()], 1)
    wrist = palm - 0.085 * size * back
    return torch.stack([wrist, palm, *digits], 1), target, slit


def _looks(generator, animals):
    fur = FUR[torch.randint(len(FUR), (animals,), generator=generator)]
    fur = (fur * uniform(generator, 0.9, 1.1, animals, 1)).clamp(0, 1)
    pink = torch.tensor([0.93, 0.68, 0.64]) * uniform(generator, 0.85, 1.05, animals, 1)
    return {"fur": fur, "skin": pink.clamp(0, 1), "thick": uniform(generator, 0.9, 1.15, animals)}


def _shapes(points, slit, nose, pellet_at, look, size, pellet_seen):
    frames = len(points)
    width = look["thick"] * size
    wrist, palm = points[:, 0], points[:, 1]
    post = [0.75, 0.80, 0.84]
    low, high = (
        slit * torch.tensor([1.0, 0.0]),
        slit * torch.tensor([1.0, 0.0]) + torch.tensor([0.0, float(size)]),
    )
    shelf_y = points.new_full((frames,), 0.70 * size)
    shelf = torch.stack([points.new_full((frames,), 0.52 * size), shelf_y], 1)
    shoulder = slit - torch.tensor([0.42, -0.16]) * size
    head = nose - torch.tensor([0.20, 0.01]) * size
    parts = [
        capsule(
            shelf,
            shelf + torch.tensor([0.6, 0.0]) * size,
            0.022 * size,
            torch.tensor([0.35, 0.36, 0.40]),
            outline=0.3,
        ),
        ellipse(head, torch.tensor([[0.20, 0.15]]).expand(frames, 2) * size, look["fur"], angle=0.1, outline=0.3),
        capsule(head, nose, torch.stack([0.12 * width, 0.05 * width], 1), look["fur"]),
        ellipse(nose + torch.tensor([0.035, 0.0]) * size, 0.022 * size, look["skin"]),
        ellipse(
            head + torch.tensor([0.07, -0.05]) * size,
            0.020 * size,
            torch.tensor([0.06, 0.05, 0.06]),
            shading=0.2,
        ),
        *(
            capsule(
                nose,
                nose + torch.tensor([0.10, dy]) * size,
                0.45,
                torch.tensor([0.85, 0.85, 0.85]),
                opacity=0.6,
                shading=0.0,
            )
            for dy in (-0.05, 0.05)
        ),
        capsule(shoulder, wrist, torch.stack([0.085 * width, 0.036 * width], 1), look["fur"], outline=0.3),
        ellipse(
            pellet_at,
            0.030 * size,
            torch.tensor([0.96, 0.90, 0.62]),
            opacity=pellet_seen.float(),
            outline=0.3,
        ),
        capsule(wrist, palm, torch.stack([0.036 * width, 0.046 * width], 1), look["skin"], outline=0.25),
        ellipse(palm, 0.050 * width, look["skin"], outline=0.25),
    ]
    for digit in range(DIGITS):
        knuckle, tip = points[:, 2 + 2 * digit], points[:, 3 + 2 * digit]
        tone = 0.82 + 0.06 * digit
        parts += [
            capsule(palm, knuckle, 0.020 * width, tone * look["skin"], outline=0.35),
            capsule(
                knuckle,
                tip,
                torch.stack([0.019 * width, 0.015 * width], 1),
                tone * look["skin"],
                outline=0.35,
            ),
        ]
    parts += [  # the box's glass: two edges and a slit between them
        capsule(
            low - torch.tensor([0.022, 0.0]) * size,
            high - torch.tensor([0.022, 0.0]) * size,
            0.45,
            post,
            opacity=0.55,
            shading=0.0,
        ),
        capsule(
            low + torch.tensor([0.022, 0.0]) * size,
            high + torch.tensor([0.022, 0.0]) * size,
            0.45,
            post,
            opacity=0.35,
            shading=0.0,
        ),
    ]
    return parts
