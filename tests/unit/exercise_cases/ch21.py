"""Answers to the exercises of chapter 21."""

import torch

from course_lib.exercises import ch21


def pairs(one, two):
    return torch.stack([one, two], 1).flatten(0, 1)


def interleave(clips, permutations):
    shuffled = clips[torch.arange(len(clips))[:, None], permutations]
    return pairs(clips, shuffled), torch.arange(1, 2 * len(clips) + 1) % 2


def permutations(n, length, generator):
    orders = torch.rand(n, length, generator=generator).argsort(1)
    while (real := (orders == torch.arange(length)).all(1)).any():
        orders[real] = torch.rand(int(real.sum()), length, generator=generator).argsort(1)
    return orders


def hamming_set(candidates, count, score="least", pick="far"):
    chosen = [0]
    while len(chosen) < count:
        apart = (candidates[:, None] != candidates[chosen][None]).sum(2).float()
        value = {"least": apart.amin(1), "mean": apart.mean(1), "last": apart[:, -1]}[score]
        value = value if pick == "far" else -value
        value[chosen] = -torch.inf
        chosen.append(int(value.argmax()))
    return candidates[chosen]


# --- typical mistakes
def interleave_with(batch=None, labels=None):
    """The right answer with another batch or other labels."""

    def function(clips, orders):
        shuffled = clips[torch.arange(len(clips))[:, None], orders]
        right = interleave(clips, orders)
        return batch(clips, shuffled, orders) if batch else right[0], labels(len(clips)) if labels else right[1]

    return function


def permutations_with(change):
    """The right answer, changed by ``change(orders, n, length, generator)``."""
    return lambda n, length, generator: change(permutations(n, length, generator), n, length, generator)


def swap_the_identity(n, length, generator):
    orders = torch.rand(n, length, generator=generator).argsort(1)
    real = (orders == torch.arange(length)).all(1)
    orders[real] = torch.tensor([1, 0, *range(2, length)])
    return orders


def rotations(orders, n, length, generator):
    turns = torch.randint(1, length, (n,), generator=generator)
    return (torch.arange(length) + turns[:, None]) % length


MISTAKES = [
    (
        ch21.check_interleave,
        interleave_with(lambda c, s, o: torch.cat([c, s])),
        "two blocks; they should alternate: x1",
    ),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(s, c)), "the real one should"),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(c, c[:, o[0]])), "clip i has its own"),
    (
        ch21.check_interleave,
        interleave_with(lambda c, s, o: pairs(c, c[torch.arange(len(c))[:, None], o.argsort(1)])),
        "inverse permutation",
    ),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(c, c.roll(1, 0))), "along the batch axis"),
    (ch21.check_interleave, interleave_with(lambda c, s, o: torch.cat([c, c])), "along the batch axis"),
    (ch21.check_interleave, interleave_with(labels=lambda n: torch.arange(2 * n) % 2), "k is counted from 1"),
    (
        ch21.check_interleave,
        interleave_with(labels=lambda n: torch.tensor([1] * n + [0] * n)),
        "as the clips do",
    ),
    (ch21.check_interleave, lambda c, o: interleave(c, o)[0], "return batch, labels"),
    (ch21.check_permutations, lambda n, t, g: torch.rand(n, t, generator=g).argsort(1), "draw those again"),
    (ch21.check_permutations, permutations_with(lambda o, n, t, g: o[:1].repeat(n, 1)), "once for each row"),
    (
        ch21.check_permutations,
        lambda n, t, g: permutations(n, t, torch.default_generator),
        "global generator",
    ),
    (
        ch21.check_permutations,
        lambda n, t, g: permutations(n, t, torch.Generator().manual_seed(0)),
        "seeded again",
    ),
    (ch21.check_permutations, swap_the_identity, "first two frames swapped"),
    (ch21.check_permutations, permutations_with(rotations), "too few"),
    (ch21.check_permutations, lambda n, t, g: torch.randint(t, (n, t), generator=g), "torch.randperm"),
    (ch21.check_hamming_set, lambda c, n: c[:n], "A random subset"),
    (
        ch21.check_hamming_set,
        lambda c, n: c[torch.randperm(len(c), generator=torch.Generator().manual_seed(0))[:n]],
        "A random subset",
    ),
    (ch21.check_hamming_set, lambda c, n: c[[0, 1] * (n // 2) + [0] * (n % 2)], "distance 0 to itself"),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "mean", "near"), "argmax, not argmin"),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "last"), "last one chosen"),
    (ch21.check_hamming_set, lambda c, n: torch.arange(n), "candidates[numbers]"),
    (
        ch21.check_hamming_set,
        lambda c, n: torch.zeros(n, c.shape[1], dtype=torch.int64),
        "do not make new ones",
    ),
]
RIGHT = [
    (ch21.check_interleave, interleave),
    (ch21.check_interleave, lambda c, o: [interleave(c, o)[0], interleave(c, o)[1].float()]),
    (ch21.check_permutations, permutations),
    (ch21.check_hamming_set, hamming_set),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "mean")),
]
