"""Answers to the exercises of chapter 23."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch23


def speed(kappa):
    return torch.arange(16) * 2 ** kappa[:, None]


def periodic(s, kappa, *, delta=True, rho=True, twice=False):
    step = 2**kappa
    whole, rest = divmod(s, step)
    back = range(whole if twice else whole - 1, 2 * whole - (15 if twice else 16), -1)
    frames = [i * step for i in range(whole + 1)] + [i * step + rest * delta for i in back]
    start = max(0, -min(frames)) if rho else 0
    return [start + frame for frame in frames]


def loss(motion_logits, speed_logits, motion, speed):
    asked = speed >= 0
    kinds = motion_logits.shape[1]
    return kinds * F.cross_entropy(motion_logits, motion) + F.cross_entropy(speed_logits[asked], speed[asked])


MISTAKES = [
    (ch23.check_speed, lambda kappa: torch.arange(16) * (kappa[:, None] + 1), "The step is kappa"),
    (ch23.check_speed, lambda kappa: torch.arange(16) * (2 ** kappa[:, None] - 1), "skipped frames"),
    (ch23.check_speed, lambda kappa: speed(kappa).T, "a row is a clip"),
    (ch23.check_periodic, lambda s, kappa: periodic(s, kappa, rho=False), "before the start"),
    (ch23.check_periodic, lambda s, kappa: periodic(s, kappa, delta=False), "δ is missing"),
    (ch23.check_periodic, lambda s, kappa: periodic(s, kappa, twice=True), "shown twice"),
    (ch23.check_periodic, lambda s, kappa: periodic(s, kappa)[:15], "on the way out"),
    (
        ch23.check_loss,
        lambda a, b, m, s: a.shape[1] * F.cross_entropy(a, m) + F.cross_entropy(b, s.clamp(min=0)),
        "not at constant speed",
    ),
    (ch23.check_loss, lambda a, b, m, s: loss(a, b, m, s) - (a.shape[1] - 1) * F.cross_entropy(a, m), "are summed"),
    (ch23.check_loss, lambda a, b, m, s: a.shape[1] * F.cross_entropy(a, m), "speed term is missing"),
]
RIGHT = [
    (ch23.check_speed, speed),
    (ch23.check_periodic, periodic),
    (ch23.check_periodic, lambda s, kappa: torch.tensor(periodic(s, kappa))),
    (ch23.check_loss, loss),
]
