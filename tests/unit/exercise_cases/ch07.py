"""Answers to the exercises of chapter 07."""

import torch
from torch.nn.functional import normalize

from course_lib.evaluation import paired_bootstrap
from course_lib.evaluation import precision_at_k as library_precision
from course_lib.exercises import ch07


def precision_at_k(features, labels, groups, k, without=None, similarity=None, score=None):
    unit = normalize(features, dim=1)
    similar = unit @ unit.T if similarity is None else similarity(features)
    mask = groups[:, None] == groups if without is None else without(groups)
    right = labels[similar.masked_fill(mask, -torch.inf).topk(k, dim=1).indices] == labels[:, None]
    return (right.double().mean() if score is None else score(right)).item()


def split_by_group(groups, share, generator):
    unique, member = groups.unique(return_inverse=True)
    drawn = torch.zeros(len(unique), dtype=torch.bool)
    drawn[torch.randperm(len(unique), generator=generator)[: round(share * len(unique))]] = True
    return drawn[member]


def split_in_a_loop(groups, share, generator):
    unique = sorted(set(groups.tolist()))
    order = torch.randperm(len(unique), generator=generator).tolist()
    chosen = {unique[i] for i in order[: round(share * len(unique))]}
    return torch.tensor([g in chosen for g in groups.tolist()])


def paired_interval(a, b, resamples, generator):
    drawn = torch.randint(len(a), (resamples, len(a)), generator=generator)
    means = (a - b)[drawn].mean(1)
    return means.quantile(0.025).item(), means.quantile(0.975).item()


def class_activation(maps, gradients):
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1).relu()


# --- typical mistakes
def split_rows(groups, share, generator):
    return torch.rand(len(groups), generator=generator) < share


def first_groups(groups, share, generator):
    unique = groups.unique()
    return torch.isin(groups, unique[: round(share * len(unique))])


def share_of_rows(groups, share, generator):
    mask = torch.zeros(len(groups), dtype=torch.bool)
    for group in groups.unique()[torch.randperm(len(groups.unique()), generator=generator)]:
        if mask.sum() < share * len(groups):
            mask |= groups == group
    return mask


def two_largest_first(groups, share, generator):
    """Large groups are drawn more often: rows are drawn, and their groups taken."""
    unique, member, size = groups.unique(return_inverse=True, return_counts=True)
    drawn = torch.zeros(len(unique), dtype=torch.bool)
    weight = size.double() ** 8
    drawn[torch.multinomial(weight, round(share * len(unique)), generator=generator)] = True
    return drawn[member]


def independent(a, b, resamples, generator):
    one, two = (torch.randint(len(a), (resamples, len(a)), generator=generator) for _ in range(2))
    means = a[one].mean(1) - b[two].mean(1)
    return means.quantile(0.025).item(), means.quantile(0.975).item()


def with_levels(low, high):
    def function(a, b, resamples, generator):
        means = (a - b)[torch.randint(len(a), (resamples, len(a)), generator=generator)].mean(1)
        return means.quantile(low).item(), means.quantile(high).item()

    return function


def of_single_rows(a, b, resamples, generator):
    spread = (a - b).std().item()
    return (a - b).mean().item() - 1.96 * spread, (a - b).mean().item() + 1.96 * spread


def without_generator(a, b, resamples, generator):
    return paired_interval(a, b, resamples, torch.default_generator)


def always_the_same(a, b, resamples, generator):
    return paired_interval(a, b, resamples, torch.Generator().manual_seed(0))


MISTAKES = [
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(f, y, g, k, without=lambda g: torch.zeros(len(g), len(g), dtype=torch.bool)),
        "Every query found itself",
    ),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(f, y, g, k, without=lambda g: torch.eye(len(g), dtype=torch.bool)),
        "compare the groups, not the row",
    ),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(f, y, g, k, score=lambda right: right.any(1).double().mean()),
        "This is top-k",
    ),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(f, y, g, k, similarity=lambda f: -torch.cdist(f, f)),
        "Euclidean distance",
    ),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(f, y, g, k, similarity=lambda f: f @ f.T),
        "prefers long vectors",
    ),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: precision_at_k(
            f, y, g, k, similarity=lambda f: -normalize(f, dim=1) @ normalize(f, dim=1).T
        ),
        "farthest rows",
    ),
    (ch07.check_split_by_group, split_rows, "Draw groups, not rows"),
    (ch07.check_split_by_group, first_groups, "The generator is not used"),
    (ch07.check_split_by_group, share_of_rows, "counts groups, not rows"),
    (ch07.check_split_by_group, lambda *a: ~split_by_group(*a), "wrong way round"),
    (ch07.check_split_by_group, two_largest_first, "whatever its size"),
    (ch07.check_split_by_group, lambda g, s, _: split_by_group(g, s, torch.default_generator), "global generator"),
    (ch07.check_split_by_group, lambda *a: split_by_group(*a).long(), "dtype=torch.bool"),
    (ch07.check_paired_interval, independent, "drawn independently"),
    (ch07.check_paired_interval, lambda a, b, r, g: paired_interval(b, a, r, g), "signs are turned round"),
    (ch07.check_paired_interval, lambda *a: paired_interval(*a)[::-1], "exchanged"),
    (ch07.check_paired_interval, with_levels(0.05, 0.95), "5 and 95 percentiles"),
    (ch07.check_paired_interval, of_single_rows, "the spread of single rows"),
    (ch07.check_paired_interval, without_generator, "global generator"),
    (ch07.check_paired_interval, always_the_same, "seeded again"),
    (ch07.check_class_activation, lambda m, g: (g.mean((2, 3), keepdim=True) * m).sum(1), "end with a ReLU"),
    (ch07.check_class_activation, lambda m, g: (g.mean((2, 3), keepdim=True) * m).sum(1).abs(), "absolute value"),
    (ch07.check_class_activation, lambda m, g: (g * m).sum(1).relu(), "each place has its own"),
    (ch07.check_class_activation, lambda m, g: (g.sum((2, 3), keepdim=True) * m).sum(1).relu(), "not the sum"),
    (ch07.check_class_activation, lambda m, g: class_activation(m, g) / m.shape[1], "this is their mean"),
    (
        ch07.check_class_activation,
        lambda m, g: (g.mean((2, 3), keepdim=True) * m).relu().sum(1),
        "Add up the maps first",
    ),
    (
        ch07.check_class_activation,
        lambda m, g: class_activation(m, g.mean((2, 3), keepdim=True).relu()),
        "also takes their",
    ),
]
RIGHT = [
    (ch07.check_precision_at_k, precision_at_k),
    (
        ch07.check_precision_at_k,
        lambda f, y, g, k: library_precision(f, y, f, y, (k,), query_groups=g, gallery_groups=g)[k],
    ),
    (ch07.check_split_by_group, split_by_group),
    (ch07.check_split_by_group, split_in_a_loop),
    (ch07.check_paired_interval, paired_interval),
    (ch07.check_paired_interval, lambda a, b, r, g: paired_bootstrap(a, b, g, resamples=r)[1:]),
    (ch07.check_class_activation, class_activation),
]
