"""What the athletes of `sport_poses` hold or hit: javelin, barbell, ball, hammer, racket, bowling ball."""

import torch

from .rasteriser import Shape, capsule, ellipse
from .sport_programs import ACTIVITIES

METAL, DARK, WHITE = (0.78, 0.80, 0.84), (0.13, 0.13, 0.16), (0.95, 0.95, 0.93)
RELEASE = {"javelin": 0.635, "football kick": 0.5, "bowling": 0.69}  # phase at which the object leaves


def with_props(person: list[Shape], activity, phase, yaw, pixels, scale, ground, right_near) -> list[Shape]:
    """The person's shapes with the sport's object behind and in front.

    activity, phase (of the pass), yaw (radians), scale (pixels per standing height), ground (pixels), right_near:
    (N,). pixels: joints (N, 17, 2).
    """
    frames = len(activity)
    doing = {name: activity == number for number, name in enumerate(ACTIVITIES)}
    phase, ahead = phase % 1, yaw.cos()
    wrist, other, elbow = pixels[:, 4], pixels[:, 7], pixels[:, 3]
    hands = (wrist + other) / 2
    unit = scale[:, None]
    start, end, middle, far = (torch.zeros(frames, 2) for _ in range(4))
    thick, turn = torch.full((frames,), 0.012), torch.zeros(frames)
    radii, stick, disc, behind = torch.full((frames, 2), 0.05), *(torch.zeros(frames) for _ in range(3))
    colour = torch.tensor(DARK).expand(frames, 3).clone()

    rows = doing["javelin"] & (phase < RELEASE["javelin"])
    along = torch.stack([ahead * 0.94, torch.full_like(ahead, -0.34)], 1)
    start[rows], end[rows] = (wrist - 0.42 * unit * along)[rows], (wrist + 0.5 * unit * along)[rows]
    stick[rows] = 1.0

    rows = doing["clean and jerk"]
    towards = torch.where(yaw.cos() >= 0, 1.0, -1.0)  # which end of the bar comes out of the picture
    reach = torch.stack([0.33 * yaw.sin() * towards, torch.zeros(frames)], 1) * unit
    start[rows], end[rows], middle[rows], far[rows] = (
        x[rows] for x in (hands - reach, hands + reach, hands + reach, hands - reach)
    )
    plate = torch.stack([0.12 * yaw.cos().abs() + 0.02, torch.full_like(yaw, 0.12)], 1)
    radii[rows] = plate[rows]
    stick[rows] = disc[rows] = behind[rows] = 1.0

    gone = (phase - RELEASE["football kick"]).clamp(min=0)
    rows = doing["football kick"] & (gone < 0.35)
    ball = torch.stack([pixels[:, 8, 0] + scale * ahead * (0.34 + 5 * gone), ground - scale * (0.05 + 1.4 * gone)], 1)
    middle[rows], disc[rows], colour[rows] = ball[rows], 1.0, torch.tensor(WHITE)
    radii[rows] = 0.055

    rows = doing["hammer throw"]
    arm = hands - (pixels[:, 2] + pixels[:, 5]) / 2
    tip = hands + 0.95 * arm
    start[rows], end[rows], middle[rows] = hands[rows], tip[rows], tip[rows]
    thick[rows], stick[rows], disc[rows] = 0.008, 1.0, 1.0

    rows = doing["tennis serve"]
    fore = torch.nn.functional.normalize(wrist - elbow, dim=1) * unit
    start[rows], end[rows] = wrist[rows], (wrist + 0.18 * fore)[rows]
    middle[rows], turn[rows] = (wrist + 0.27 * fore)[rows], torch.atan2(fore[:, 1], fore[:, 0])[rows]
    radii[rows] = torch.tensor([0.115, 0.08])
    colour[rows], stick[rows], disc[rows] = torch.tensor((0.90, 0.85, 0.35)), 1.0, 1.0

    rolled = (phase - RELEASE["bowling"]).clamp(min=0)
    rows = doing["bowling"] & (rolled < 0.2)
    roll = torch.stack([pixels[:, 8, 0] + scale * ahead * (0.55 + 4 * rolled), ground - 0.06 * scale], 1)
    ball = torch.where((rolled > 0)[:, None], roll, wrist + torch.stack([torch.zeros(frames), 0.05 * scale], 1))
    middle[rows], disc[rows] = ball[rows], 1.0
    colour[rows], radii[rows] = torch.tensor((0.20, 0.18, 0.55)), 0.065

    single = ~doing["clean and jerk"] & ~doing["hammer throw"]
    hidden = single & ~right_near & ~doing["football kick"]  # the object is in the hand behind the body
    where = torch.where(hidden[:, None], middle, far)
    back_disc = torch.where(hidden, disc, behind)
    radius = (thick * scale).clamp(min=0.4)
    bar = [capsule(start, end, radius, METAL, opacity=stick * side, shading=0.3) for side in (hidden, ~hidden)]
    size = radii * unit
    round_back = ellipse(where, size, colour, angle=turn, opacity=back_disc, outline=0.3)
    round_front = ellipse(middle, size, colour, angle=turn, opacity=disc * ~hidden, outline=0.3)
    return [*person[:1], bar[0], round_back, *person[1:], bar[1], round_front]
