"""Answers to the exercises of chapter 10."""

import torch

from course_lib.exercises import ch10


def offset(label, jump=True):
    cell = label + (label >= 4) if jump else label
    return torch.stack([cell // 3, cell % 3], 1) - 1


def counting(phi, partner, margin, total=None, other=None, clamp=True):
    small, total = phi[:, 0], phi[:, 1:].sum(1) if total is None else total
    same = (small - total).square().sum(1)
    different = (small[partner] - (total if other is None else other)).square().sum(1)
    room = margin - different
    return (same + (room.clamp(min=0) if clamp else room)).mean()


def counting_of_means(phi, partner, margin):
    small, total = phi[:, 0], phi[:, 1:].sum(1)
    different = (small[partner] - total).square().sum(1).mean()
    return (small - total).square().sum(1).mean() + (margin - different).clamp(min=0)


def annealed_mean(logits, centres, temperature, axis=1):
    share = (logits / temperature).softmax(axis)
    return torch.einsum("bkhw, kc -> bchw", share, centres)


MISTAKES = [
    (ch10.check_offset, lambda x: offset(x, jump=False), "The middle is counted"),
    (ch10.check_offset, lambda x: offset(x).flip(1), "Rows and columns are exchanged"),
    (ch10.check_offset, lambda x: offset(x) + 1, "so subtract 1"),
    (ch10.check_offset, lambda x: -offset(x), "up and left are negative"),
    (ch10.check_counting, counting_of_means, "clamp first"),
    (ch10.check_counting, lambda p, y, m: counting(p, y, m, clamp=False), "beyond M it should be 0"),
    (ch10.check_counting, lambda p, y, m: counting(p, y, m, other=p[y, 1:].sum(1)), "it takes those of x"),
    (ch10.check_counting, lambda p, y, m: counting(p, y, m, total=p[:, 1:].mean(1)), "take the sum"),
    (ch10.check_counting, lambda p, y, m: (p[:, 0] - p[:, 1:].sum(1)).square().sum(1).mean(), "clamp first"),
    (ch10.check_annealed_mean, lambda z, c, t: annealed_mean(z, c, 1 / t), "should be divided"),
    (ch10.check_annealed_mean, lambda z, c, t: annealed_mean(z, c, 1), "temperature is not used"),
    (ch10.check_annealed_mean, lambda z, c, t: torch.einsum("bkhw, kc -> bchw", z / t, c), "softmax is missing"),
    (ch10.check_annealed_mean, lambda z, c, t: annealed_mean(z, c, 1e-6), "weighted by the softmax"),
    (
        ch10.check_annealed_mean,
        lambda z, c, t: torch.einsum("bkhw, kc -> bchw", (z / t).flatten(2).softmax(2).view_as(z), c),
        "over the colours, axis 1",
    ),
]
RIGHT = [
    (ch10.check_offset, offset),
    (ch10.check_counting, counting),
    (ch10.check_annealed_mean, annealed_mean),
]
