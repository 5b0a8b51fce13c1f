"""Answers to the exercises of chapter 20."""

import torch

from course_lib.exercises import ch20


def turn(clips, sign=1):
    turned = torch.stack([clips.rot90(sign * k, (-2, -1)) for k in range(4)], 1)
    return turned.flatten(0, 1), torch.arange(4).repeat(len(clips))


def triplets(frames, outside, order=(0, 1), middle=True):
    a, b, c, d, e = frames.unbind(1)
    odd = torch.where(outside, a, e)
    both = torch.stack([b, c, d], 1), torch.stack([b, odd, d] if middle else [odd, b, d], 1)
    return torch.stack([both[i] for i in order], 1).flatten(0, 1), torch.tensor([1, 0]).repeat(len(frames))


def copy_colours(reference, target, colours, tau, axis=2):
    return (target @ reference.mT / tau).softmax(axis) @ colours


MISTAKES = [
    (ch20.check_turn, lambda c: (torch.cat([c.rot90(k, (-2, -1)) for k in range(4)]), turn(c)[1]), "comes first"),
    (ch20.check_turn, lambda c: turn(c, sign=-1), "turns anticlockwise"),
    (ch20.check_turn, lambda c: (c.repeat_interleave(4, 0), turn(c)[1]), "turn the copies"),
    (ch20.check_turn, lambda c: (turn(c)[0], torch.arange(4).repeat_interleave(len(c))), "four blocks"),
    (ch20.check_turn, lambda c: (turn(c)[0], 90 * turn(c)[1]), "in degrees"),
    (ch20.check_turn, lambda c: turn(c)[0], "return turned, labels"),
    (ch20.check_triplets, lambda f, o: triplets(f, ~o), "a and e are exchanged"),
    (ch20.check_triplets, lambda f, o: triplets(f, o, middle=False), "stand in the middle"),
    (ch20.check_triplets, lambda f, o: triplets(f, o, order=(1, 0)), "before the true one"),
    (ch20.check_triplets, lambda f, o: triplets(f, torch.ones_like(o)), "is not used"),
    (ch20.check_triplets, lambda f, o: (triplets(f, o)[0], 1 - triplets(f, o)[1]), "1 is the true triplet"),
    (
        ch20.check_triplets,
        lambda f, o: (triplets(f, o)[0].unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1), triplets(f, o)[1]),
        "in two blocks",
    ),
    (ch20.check_copy_colours, lambda r, t, c, tau: copy_colours(r, t, c, tau, axis=1), "rows of (B, m, n) sum to one"),
    (ch20.check_copy_colours, lambda r, t, c, tau: copy_colours(r, t, c, 1.0), "tau is not used"),
    (ch20.check_copy_colours, lambda r, t, c, tau: copy_colours(r, t, c, 1 / tau), "they should be divided"),
    (ch20.check_copy_colours, lambda r, t, c, tau: t @ r.mT / tau @ c, "softmax is missing"),
    (ch20.check_copy_colours, lambda r, t, c, tau: (t @ r.mT / tau).softmax(2), "still to be copied"),
]
RIGHT = [
    (ch20.check_turn, turn),
    (ch20.check_triplets, triplets),
    (ch20.check_copy_colours, copy_colours),
]
