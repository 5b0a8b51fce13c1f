"""E04: nearest neighbours without any training (000, 3.4.2, Table 3.4), and k-NN classification."""

from collections.abc import Iterator, Sequence

import torch
from torch.nn.functional import normalize

from ..checks import check_choice, check_positive
from .arrays import as_features, as_groups, as_integers, as_pair
from .probes import ProbeResult

CHUNK = 1024


def self_similarity(features) -> torch.Tensor:
    """Cosine similarity of all rows of (N, D) with each other, (N, N) (V01: seed 000, Fig. 3.14)."""
    unit = normalize(as_features("features", features), dim=1)
    return (unit @ unit.T).clamp_(-1, 1)


def nearest(
    query,
    gallery,
    k: int = 1,
    *,
    query_groups=None,
    gallery_groups=None,
    metric: str = "cosine",
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Rows of ``gallery`` (M, D) nearest to each row of ``query`` (Q, D): int64 (Q, k), nearest first.

    query_groups (Q,), gallery_groups (M,): integers; a neighbour of the query's own group (video, subject, or
    the query itself) is never taken. metric: "cosine" or "euclidean". Raises ValueError when a query has
    fewer than k candidates, or only one of the two groups is given.
    """
    return _search(query, gallery, k, query_groups, gallery_groups, metric, device)[0]


def retrieval_topk(
    query_x,
    query_y,
    gallery_x,
    gallery_y,
    ks: Sequence[int] = (1, 5, 10, 20, 50),
    *,
    query_groups=None,
    gallery_groups=None,
    device: torch.device | str = "cpu",
) -> dict[int, float]:
    """Share of queries whose class occurs among their k nearest (cosine) gallery rows: {k: accuracy}.

    Labels are integers (Q,) and (M,); groups as for `nearest`. The seeds: test frames are queries, train
    frames the gallery, pool5 features, k in {1, 5, 10, 20, 50}.
    """
    if len(ks) == 0:
        raise ValueError("ks is empty; it takes at least one number of neighbours")
    neighbours = nearest(
        query_x, gallery_x, max(ks), query_groups=query_groups, gallery_groups=gallery_groups, device=device
    )
    query_y = as_integers("query_y", query_y, len(query_x))
    gallery_y = as_integers("gallery_y", gallery_y, len(gallery_x))
    found = (gallery_y[neighbours] == query_y[:, None]).cummax(1).values.float().mean(0)
    return {check_positive("each of ks", k): found[k - 1].item() for k in ks}


def knn_classify(
    train_x,
    train_y,
    test_x,
    test_y,
    k: int = 5,
    *,
    train_groups=None,
    test_groups=None,
    device: torch.device | str = "cpu",
) -> ProbeResult:
    """Class by vote of the k nearest train rows (cosine); ties go to the class with the more similar voters.

    Shapes and errors as for `linear_probe` and `nearest`. ``scores`` are the votes.
    """
    index, similarity = _search(test_x, train_x, k, test_groups, train_groups, "cosine", device)
    train_y, labels = (
        as_integers("train_y", train_y, len(train_x)),
        as_integers("test_y", test_y, len(test_x)),
    )
    classes, target = train_y.unique(return_inverse=True)
    votes = torch.zeros(len(index), len(classes)).scatter_add_(1, target[index], torch.ones(index.shape))
    # Similarities lie in [-1, 1]: scaled so that k of them never outweigh one vote.
    closeness = torch.zeros_like(votes).scatter_add_(1, target[index], similarity)
    return ProbeResult.of(votes + closeness / (4 * k), classes, labels)


def cross_group_share(neighbours, query_groups, gallery_groups) -> float:
    """Share of the neighbours (Q, k) that come from another group (subject) than their query (C4.2)."""
    neighbours = torch.as_tensor(neighbours).cpu()
    query_groups = as_integers("query_groups", query_groups, len(neighbours))
    gallery_groups = as_integers("gallery_groups", gallery_groups)
    return (gallery_groups[neighbours] != query_groups[:, None]).float().mean().item()


def candidate_similarity(features, query, candidates) -> torch.Tensor:
    """Similarity of each query to its own list of candidates, float32 (Q, K).

    features: (N, D), compared by cosine; or a function ``(query, candidates) -> (Q, K)`` for similarities
    that are not an inner product (an exemplar's classifier, DTW, key-points). query int64 (Q,), candidates
    int64 (Q, K): rows.
    """
    query, candidates = as_integers("query", query), torch.as_tensor(candidates).cpu()
    if candidates.ndim != 2 or len(candidates) != len(query):
        raise ValueError(f"candidates has shape {tuple(candidates.shape)}; it takes ({len(query)}, K)")
    if callable(features):
        scores = torch.as_tensor(features(query, candidates)).detach().cpu().float()
        if scores.shape != candidates.shape or scores.isnan().any():
            raise ValueError(
                f"features gives similarities {tuple(scores.shape)}, NaN: {bool(scores.isnan().any())}; "
                f"it takes a function that gives numbers {tuple(candidates.shape)}"
            )
        return scores
    unit = normalize(as_features("features", features), dim=1)
    highest = int(max(query.max(), candidates.max()))
    if highest >= len(unit):
        raise ValueError(f"features has {len(unit)} rows; the benchmark asks for row {highest}")
    pieces = [
        torch.einsum("qd,qkd->qk", unit[q], unit[c]) for q, c in zip(query.split(64), candidates.split(64), strict=True)
    ]
    return torch.cat(pieces)


def _search(query, gallery, k, query_groups, gallery_groups, metric, device):
    query, gallery = as_pair("query", query, "gallery", gallery)
    check_positive("k", k)
    check_choice("metric", metric, ("cosine", "euclidean"))
    if (query_groups is None) != (gallery_groups is None):
        raise ValueError("query_groups and gallery_groups go together; only one was given")
    if query_groups is not None:
        query_groups = as_groups("query_groups", query_groups, len(query)).to(device)
        gallery_groups = as_groups("gallery_groups", gallery_groups, len(gallery)).to(device)
    if k > len(gallery):
        raise ValueError(f"k is {k}; the gallery has {len(gallery)} rows")
    if metric == "cosine":
        query, gallery = normalize(query, dim=1), normalize(gallery, dim=1)
    gallery = gallery.to(device)
    index, similarity = [], []
    for rows in _chunks(len(query)):
        piece = query[rows].to(device)
        scores = piece @ gallery.T if metric == "cosine" else -torch.cdist(piece, gallery)
        if query_groups is not None:
            scores.masked_fill_(query_groups[rows][:, None] == gallery_groups, -torch.inf)
        best = scores.topk(k, dim=1)
        if torch.isneginf(best.values).any():
            row = int(torch.isneginf(best.values).any(1).nonzero()[0]) + rows.start
            raise ValueError(f"k is {k}; query {row} has fewer neighbours outside its own group")
        index.append(best.indices.cpu())
        similarity.append(best.values.cpu())
    return torch.cat(index), torch.cat(similarity)


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(first, min(first + CHUNK, rows)) for first in range(0, rows, CHUNK))
