"""E01: are frames of similar posture near each other? (000, section 3.3.2, Table 3.1; 003, Table 4).

Each query posture has 20 similar and 20 dissimilar frames; the score is the area under the ROC curve of
sorting the 40 by similarity of features, averaged over the queries of a category, then over categories. The
seeds' lists were labelled by hand; here they follow from known joints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..checks import check_positive
from .arrays import as_integers, as_joints
from .retrieval import candidate_similarity


@dataclass(frozen=True)
class PoseBenchmark:
    """Queries with their similar and dissimilar frames, as row numbers of the frames they were made from.

    query int64 (Q,), similar int64 (Q, S), dissimilar int64 (Q, D), category int64 (Q,); ``names`` of the
    categories.
    """

    query: torch.Tensor
    similar: torch.Tensor
    dissimilar: torch.Tensor
    category: torch.Tensor
    names: tuple[str, ...] = ()

    def name(self, category: int) -> str | int:
        return self.names[category] if self.names else category


def normalise_joints(joints, limbs: Sequence[tuple[int, int]] | None = None, root: Sequence[int] = ()) -> torch.Tensor:
    """Key-points (N, J, 2) moved to the root and divided by the size of the body: only the pose remains.

    root: joints whose mean is the origin (e.g. the hips); all joints by default. Size: the summed length of
    ``limbs`` over their number, or without limbs the root mean square distance from the origin. Joints that
    are NaN stay NaN and count in neither; a frame without root or size becomes NaN altogether.
    """
    joints = as_joints("joints", joints)
    centre = joints[:, list(root) or slice(None)].nanmean(1, keepdim=True)
    joints = joints - centre
    if limbs is None:
        size = joints.square().sum(-1).nanmean(1).sqrt()
    else:
        ends = torch.as_tensor(limbs)
        size = (joints[:, ends[:, 0]] - joints[:, ends[:, 1]]).norm(dim=-1).nanmean(1)
    return joints / torch.where(size > 0, size, torch.nan)[:, None, None]


def joint_distance(a, b) -> torch.Tensor:
    """Mean distance of the joints known in both poses, (N, J, 2) and (M, J, 2) → (N, M), in their unit.

    Pairs that share fewer than half of the J joints are infinitely far: too little is known to call them
    similar.
    """
    a, b = as_joints("a", a), as_joints("b", b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a has {a.shape[1]} joints, b has {b.shape[1]}; both take the same skeleton")
    known_a, known_b = ~a.isnan().any(-1), ~b.isnan().any(-1)
    total, shared = torch.zeros(len(a), len(b)), torch.zeros(len(a), len(b))
    for joint in range(a.shape[1]):  # a loop over joints keeps the memory at (N, M)
        both = known_a[:, joint, None] & known_b[:, joint]
        gap = torch.cdist(
            a[:, joint].nan_to_num(), b[:, joint].nan_to_num(), compute_mode="donot_use_mm_for_euclid_dist"
        )
        total += gap * both
        shared += both
    return torch.where(shared >= a.shape[1] / 2, total / shared.clamp(min=1), torch.inf)


def pose_benchmark(
    joints,
    category,
    group,
    generator: torch.Generator,
    *,
    queries_per_category: int = 50,
    similar: int = 20,
    dissimilar: int = 20,
    tail: float = 0.5,
    limbs: Sequence[tuple[int, int]] | None = None,
    root: Sequence[int] = (),
    names: Sequence[str] = (),
) -> PoseBenchmark:
    """Similar and dissimilar frames for randomly drawn queries, from known joints.

    joints (F, J, 2), NaN where unknown; category int (F,), e.g. the activity; group int (F,), e.g. the
    subject or video. Everything compared with a query has its category, as in the seeds, so that telling
    activities apart does not help, and comes from another group, so that appearance does not help. Poses are
    compared by `joint_distance` of `normalise_joints`: similar are the nearest ``similar`` frames, dissimilar
    are drawn at random from the far ``tail`` of the distances (the farther half by default: hard enough to
    rank methods; never one of the similar ones). Raises ValueError when a category has no query with
    enough frames of other groups.
    """
    for key, value in {
        "queries_per_category": queries_per_category,
        "similar": similar,
        "dissimilar": dissimilar,
    }.items():
        check_positive(key, value)
    if not 0 < tail <= 1:
        raise ValueError(f"tail is {tail!r}; it takes the share of the farthest frames, in (0, 1]")
    poses = normalise_joints(joints, limbs, root)
    category, group = as_integers("category", category, len(poses)), as_integers("group", group, len(poses))
    parts = []
    for value in category.unique().tolist():
        rows = (category == value).nonzero().squeeze(1)
        rows = rows[~poses[rows].isnan().all(-1).all(-1)]
        drawn = rows[torch.randperm(len(rows), generator=generator)]
        # More than asked for, because some queries may lack enough comparable frames.
        asked = drawn[: 2 * queries_per_category]
        if len(asked) == 0:
            raise ValueError(f"joints are unknown in all frames of category {value}")
        distance = joint_distance(poses[asked], poses[rows])
        distance[group[asked][:, None] == group[rows]] = torch.inf
        comparable = distance.isfinite().sum(1)
        far = torch.minimum((comparable * tail).ceil().long(), comparable - similar)
        keep = (far >= dissimilar).nonzero().squeeze(1)[:queries_per_category]
        if len(keep) == 0:
            raise ValueError(
                f"category {value}: the best query has {int(comparable.max())} comparable frames of others; "
                f"{similar} similar + {dissimilar} dissimilar with tail {tail} do not fit"
            )
        order = distance[keep].argsort(dim=1, stable=True)
        # Random distinct ranks in [comparable - far, comparable): the far tail.
        noise = torch.rand(order.shape, generator=generator)
        rank = torch.arange(order.shape[1])
        last, first = comparable[keep, None], (comparable - far)[keep, None]
        noise[(rank < first) | (rank >= last)] = 2
        picked = noise.argsort(dim=1)[:, :dissimilar]
        query = asked[keep]
        parts.append((query, rows[order[:, :similar]], rows[order.gather(1, picked)], category[query]))
    return PoseBenchmark(*map(torch.cat, zip(*parts, strict=True)), tuple(names))


def rank_auc(positive, negative) -> torch.Tensor:
    """Area under the ROC curve row by row: P(s⁺ > s⁻) + ½ P(s⁺ = s⁻), (Q, S) and (Q, D) → (Q,)."""
    positive, negative = torch.as_tensor(positive), torch.as_tensor(negative)
    if (
        positive.ndim != 2
        or negative.ndim != 2
        or len(positive) != len(negative)
        or 0 in (*positive.shape, *negative.shape)
    ):
        raise ValueError(
            f"positive is {tuple(positive.shape)}, negative is {tuple(negative.shape)}; they take (Q, S) and (Q, D)"
        )
    if positive.isnan().any() or negative.isnan().any():
        raise ValueError("positive or negative has NaN; a score that is no number has no rank")
    greater = (positive[:, :, None] > negative[:, None]).float() + 0.5 * (positive[:, :, None] == negative[:, None])
    return greater.mean((1, 2))


def query_auc(features, benchmark: PoseBenchmark) -> torch.Tensor:
    """AUC of each query, float32 (Q,), for intervals; ``features`` as for `candidate_similarity`."""
    candidates = torch.cat([benchmark.similar, benchmark.dissimilar], dim=1)
    scores = candidate_similarity(features, benchmark.query, candidates)
    return rank_auc(*scores.split([benchmark.similar.shape[1], benchmark.dissimilar.shape[1]], dim=1))


def pose_auc(features, benchmark: PoseBenchmark) -> dict[str | int, float]:
    """{category: AUC, ..., "mean": mean over categories}, each in [0, 1], chance 0.5 (Table 3.1).

    features: (F, D), a row per frame the benchmark was made from; or a similarity function, see
    `candidate_similarity`.
    """
    auc = query_auc(features, benchmark)
    table = {
        benchmark.name(value): auc[benchmark.category == value].mean().item()
        for value in benchmark.category.unique().tolist()
    }
    return table | {"mean": sum(table.values()) / len(table)}
