"""An articulated person: 20 joint angles → 3-D joints → shaded limbs. Used by the worlds that show people.

Body frame: x forward, y up, z to the person's right; lengths in standing heights. The camera looks along z from the
right side: facing 0 shows the right profile, facing right; a yaw of 180 degrees turns the person to the left. The
projection is orthographic, so limbs that point at the camera are foreshortened.
"""

from dataclasses import dataclass

import torch

from ..videos import Skeleton
from .draws import choice, hsv, uniform
from .rasteriser import Shape, capsule, ellipse

# fmt: off
ANGLES = (  # degrees, except up (standing heights above where the feet would touch the ground)
    "lean", "roll", "head", "twist",
    "r_shoulder", "r_spread", "r_elbow", "l_shoulder", "l_spread", "l_elbow",
    "r_hip", "r_straddle", "r_knee", "l_hip", "l_straddle", "l_knee",
    "up", "pitch", "yaw", "point",
)
JOINTS = (
    "head top", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "pelvis", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
)
MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11)  # JOINTS with right and left exchanged
# fmt: on
SKELETON = Skeleton(
    joints=JOINTS,
    limbs=((1, 8), (9, 10), (12, 13), (10, 11), (13, 14), (2, 3), (5, 6), (3, 4), (6, 7), (0, 1)),
    part=(
        "torso",
        "upper legs",
        "upper legs",
        "lower legs",
        "lower legs",
        "upper arms",
        "upper arms",
        "lower arms",
        "lower arms",
        "head",
    ),
)  # fmt: skip
INDEX = {name: number for number, name in enumerate(ANGLES)}
SKIN = torch.tensor(
    [[0.96, 0.80, 0.69], [0.88, 0.67, 0.53], [0.76, 0.54, 0.38], [0.55, 0.37, 0.25], [0.38, 0.25, 0.18]]
)
HAIR = torch.tensor([[0.10, 0.08, 0.07], [0.30, 0.18, 0.10], [0.55, 0.33, 0.14], [0.85, 0.70, 0.35], [0.5, 0.5, 0.5]])


def pose(
    lean=0, roll=0, head=0, twist=0, right_arm=(0, 8, 10), left_arm=(0, 8, 10), right_leg=(0, 4, 4),
    left_leg=(0, 4, 4), up=0.0, pitch=0, yaw=0, point=0,
) -> list[float]:  # fmt: skip
    """One key pose in the order of `ANGLES`.

    An arm is (shoulder flexion from the torso, spread to the side, elbow flexion); a leg (hip flexion from the
    vertical, straddle, knee flexion). ``pitch`` turns the whole body forward, ``point`` stretches the feet.
    """
    return [lean, roll, head, twist, *right_arm, *left_arm, *right_leg, *left_leg, up, pitch, yaw, point]


def mirrored(key: list[float]) -> list[float]:
    """The pose with right and left limbs exchanged."""
    lean, roll, head, twist = key[:4]
    return [lean, -roll, head, -twist, *key[7:10], *key[4:7], *key[13:16], *key[10:13], *key[16:]]


class Programs:
    """Closed smooth programs of joint angles, one per activity: Catmull-Rom splines through key poses.

    keys: for each activity, a list of key poses at equal distances in phase; the last leads back to the first.
    turns: full turns (yaw, pitch) of an activity during one pass.
    """

    def __init__(self, keys: list[list[list[float]]], turns: list[tuple[int, int]]):
        longest = max(len(program) for program in keys)
        self.count = torch.tensor([len(program) for program in keys])
        self.table = torch.zeros(len(keys), longest, len(ANGLES))
        for activity, program in enumerate(keys):
            self.table[activity, : len(program)] = torch.tensor(program, dtype=torch.float32)
        self.turns = torch.tensor(turns, dtype=torch.float32)

    def mean(self) -> torch.Tensor:
        """Average pose of each activity, (A, angles)."""
        return self.table.sum(1) / self.count[:, None]

    def __call__(self, activity: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
        """Angles (N, angles) of activities (N,) at phases (N,); a phase of 1 more is one pass later."""
        count = self.count[activity]
        at = phase * count
        left = at.floor()
        t = (at - left)[:, None]
        corner = []
        for step in (-1, 0, 1, 2):
            key = left.long() + step
            value = self.table[activity, key % count].clone()
            passed = torch.div(key, count, rounding_mode="floor").float()
            value[:, INDEX["yaw"]] += 360 * passed * self.turns[activity, 0]
            value[:, INDEX["pitch"]] += 360 * passed * self.turns[activity, 1]
            corner.append(value)
        a, b, c, d = corner
        return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


@dataclass
class People:
    """Appearance and proportions of S subjects: each value (S, ...)."""

    colour: dict[str, torch.Tensor]
    length: dict[str, torch.Tensor]
    thickness: torch.Tensor
    height: torch.Tensor

    def of(self, index: torch.Tensor) -> "People":
        """One row per frame (or whatever ``index`` (N,) counts)."""
        return People(
            {k: v[index] for k, v in self.colour.items()},
            {k: v[index] for k, v in self.length.items()},
            self.thickness[index],
            self.height[index],
        )


LENGTHS = {
    "torso": 0.29, "neck": 0.105, "skull": 0.165, "shoulders": 0.115, "hips": 0.06,
    "upper arm": 0.165, "lower arm": 0.17, "thigh": 0.24, "shank": 0.24, "foot": 0.095,
}  # fmt: skip


def people(generator: torch.Generator, count: int, variety: float = 1.0) -> People:
    """Draw ``count`` subjects: clothes, skin, hair, build. variety: 0 all of the same build … 1."""

    def cloth():
        return hsv(
            torch.rand(count, generator=generator),
            uniform(generator, 0.15, 0.95, count),
            uniform(generator, 0.22, 0.98, count),
        )

    skin, hair, shirt, trousers, shoes = (
        choice(generator, SKIN, count),
        choice(generator, HAIR, count),
        *(cloth() for _ in range(3)),
    )
    skin = (skin * uniform(generator, 0.92, 1.06, count, 1)).clamp(0, 1)
    sleeve = torch.randint(3, (count,), generator=generator)[:, None]  # none, short, long
    leg = torch.randint(3, (count,), generator=generator)[:, None]  # shorts, shorts with long socks, long
    suit = torch.rand(count, 1, generator=generator) < 0.15
    trousers = torch.where(suit, shirt, trousers)
    colour = {
        "shirt": shirt, "trousers": trousers, "shoes": shoes, "skin": skin, "hair": hair,
        "upper arm": torch.where(sleeve > 0, shirt, skin), "lower arm": torch.where(sleeve > 1, shirt, skin),
        "thigh": trousers, "shank": torch.where(leg == 2, trousers, torch.where(leg == 1, shoes, skin)),
    }  # fmt: skip
    length = {k: v * (1 + 0.08 * variety * uniform(generator, -1, 1, count)) for k, v in LENGTHS.items()}
    thickness = 1 + variety * uniform(generator, -0.2, 0.35, count)
    return People(colour, length, thickness, 1 + 0.08 * variety * uniform(generator, -1, 1, count))


def joints(angles: torch.Tensor, body: People) -> torch.Tensor:
    """Forward kinematics: angles (N, 20) in degrees → (N, 17, 3): `JOINTS`, then right and left toes.

    The pelvis is the origin in x and z; the lowest joint stands on y = ``up``.
    """
    a = {name: angles[:, number].deg2rad() for name, number in INDEX.items()}
    size, zero = body.length, torch.zeros(len(angles))

    def ray(angle, spread, side):
        return torch.stack([angle.sin() * spread.cos(), -angle.cos() * spread.cos(), side * spread.sin()], 1)

    upward = torch.stack([a["lean"].sin() * a["roll"].cos(), a["lean"].cos() * a["roll"].cos(), a["roll"].sin()], 1)
    neck = size["torso"][:, None] * upward
    nod = a["lean"] + a["head"] + 0.15
    skull = neck + size["skull"][:, None] * torch.stack([nod.sin(), nod.cos(), 0.5 * a["roll"].sin()], 1)
    turn = _turn_y(a["twist"])
    points = {"head top": skull, "neck": neck, "pelvis": torch.zeros(len(angles), 3)}
    for name, side in (("right", 1.0), ("left", -1.0)):
        r = name[0]
        shoulder = (
            neck
            - 0.02 * upward
            + torch.einsum(
                "nij,nj->ni",
                turn,
                torch.stack([zero, zero - 0.1 * side * a["roll"].sin(), side * size["shoulders"]], 1),
            )
        )
        first, spread = a[f"{r}_shoulder"] - a["lean"], a[f"{r}_spread"]
        upper = torch.einsum("nij,nj->ni", turn, ray(first, spread, side))
        fore = torch.einsum("nij,nj->ni", turn, ray(first + a[f"{r}_elbow"], 0.6 * spread, side))
        elbow = shoulder + size["upper arm"][:, None] * upper
        points[f"{name} shoulder"], points[f"{name} elbow"] = shoulder, elbow
        points[f"{name} wrist"] = elbow + size["lower arm"][:, None] * fore
        hip = torch.stack([zero, zero, side * size["hips"]], 1)
        thigh, straddle = a[f"{r}_hip"], a[f"{r}_straddle"]
        knee = hip + size["thigh"][:, None] * ray(thigh, straddle, side)
        shank = thigh - a[f"{r}_knee"]
        ankle = knee + size["shank"][:, None] * ray(shank, 0.7 * straddle, side)
        points[f"{name} hip"], points[f"{name} knee"], points[f"{name} ankle"] = hip, knee, ankle
        sole = shank + torch.deg2rad(torch.tensor(82.0)) - a["point"]
        points[f"{name} toe"] = ankle + size["foot"][:, None] * ray(sole, 0.4 * straddle, side)
    body_points = torch.stack([points[name] for name in (*JOINTS, "right toe", "left toe")], 1)
    body_points = torch.einsum("nij,nkj->nki", _turn_z(-a["pitch"]), body_points)
    lowest = body_points[..., 1].amin(1)
    body_points[..., 1] += (angles[:, INDEX["up"]] - lowest)[:, None]
    return torch.einsum("nij,nkj->nki", _turn_y(a["yaw"]), body_points)


def _turn_y(angle):
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], 1).view(-1, 3, 3)


def _turn_z(angle):
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)


def near_first(points: torch.Tensor) -> torch.Tensor:
    """Whether the right side is nearer to the camera, bool (N,), from 3-D joints (N, >= 15, 3)."""
    right = points[:, [2, 9], 2].sum(1)
    left = points[:, [5, 12], 2].sum(1)
    return right >= left


def shapes(
    pixels: torch.Tensor, right_near: torch.Tensor, body: People, scale: torch.Tensor, ground=None
) -> list[Shape]:
    """The person as shapes, back to front. pixels: (N, 17, 2) joints; scale: pixels per standing height, (N,)."""
    order = torch.where(right_near[:, None], torch.tensor([0, 1]), torch.tensor([1, 0]))  # near, far
    frames = torch.arange(len(pixels))
    limb = {
        part: pixels[:, pair][frames[:, None], order]
        for part, pair in {
            "shoulder": [2, 5], "elbow": [3, 6], "wrist": [4, 7], "hip": [9, 12], "knee": [10, 13],
            "ankle": [11, 14], "toe": [15, 16],
        }.items()
    }  # fmt: skip
    width = (scale * body.thickness)[:, None]

    def tapered(first, second):
        return torch.cat([width * first, width * second], 1)

    def arm(side, tone):
        shoulder, elbow, wrist = (limb[j][:, side] for j in ("shoulder", "elbow", "wrist"))
        return [
            capsule(shoulder, elbow, tapered(0.042, 0.034), tone * body.colour["upper arm"], outline=0.25),
            capsule(elbow, wrist, tapered(0.033, 0.026), tone * body.colour["lower arm"], outline=0.25),
            ellipse(wrist + 0.12 * (wrist - elbow), 0.033 * width[:, 0], tone * body.colour["skin"]),
        ]

    def leg(side, tone):
        hip, knee, ankle, toe = (limb[j][:, side] for j in ("hip", "knee", "ankle", "toe"))
        return [
            capsule(ankle, toe, tapered(0.034, 0.026), tone * body.colour["shoes"], outline=0.25),
            capsule(knee, ankle, tapered(0.042, 0.030), tone * body.colour["shank"], outline=0.25),
            capsule(hip, knee, tapered(0.060, 0.044), tone * body.colour["thigh"], outline=0.25),
        ]

    top, neck, pelvis = pixels[:, 0], pixels[:, 1], pixels[:, 8]
    across = pixels[:, 2] - pixels[:, 5]
    waist = neck + 0.62 * (pelvis - neck)
    skull = neck + 0.60 * (top - neck)
    axis = top - neck
    tilt = torch.atan2(axis[:, 1], axis[:, 0])
    radii = torch.stack([0.082 * scale, 0.064 * scale], 1)
    mane = skull + 0.22 * axis
    out = []
    if ground is not None:
        below = torch.stack([pixels[:, 8, 0], ground], 1)
        flat = torch.stack([0.24 * scale, 0.045 * scale], 1)
        out.append(ellipse(below, flat, torch.zeros(3), opacity=0.30, shading=0.0))
    return out + [
        *arm(1, 0.74),
        *leg(1, 0.74),
        capsule(pixels[:, 9], pixels[:, 12], 0.066 * width[:, 0], body.colour["trousers"], outline=0.2),
        capsule(waist, pelvis, tapered(0.070, 0.074), body.colour["trousers"], outline=0.2),
        capsule(skull, neck, 0.03 * width[:, 0], 0.85 * body.colour["skin"]),
        capsule(
            neck + 0.34 * across - 0.05 * (neck - pelvis),
            neck - 0.34 * across - 0.05 * (neck - pelvis),
            0.052 * width[:, 0],
            body.colour["shirt"],
            outline=0.2,
        ),  # fmt: skip
        capsule(neck + 0.2 * (pelvis - neck), waist, tapered(0.088, 0.074), body.colour["shirt"], outline=0.25),
        *leg(0, 1.0),
        ellipse(mane, radii * 1.05, body.colour["hair"], angle=tilt, outline=0.3),
        ellipse(skull, radii, body.colour["skin"], angle=tilt, outline=0.3),
        *arm(0, 1.0),
    ]
