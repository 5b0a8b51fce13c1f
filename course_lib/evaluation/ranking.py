"""How good is a whole ranking? Average precision, and retrieval scored by it.

Seeds: 000, Table 3.6 (VOC'07, mean average precision); 001, section 3.4 (VOC) and Table 4.3 (attributes of CelebA).
`retrieval_topk` asks whether *one* right answer comes early; these ask how many do, and how early.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from ..checks import check_positive
from .arrays import as_groups, as_integers, as_pair
from .retrieval import nearest


def average_precision(scores, relevant) -> torch.Tensor:
    """Area under precision over recall, in steps: scikit-learn's ``average_precision_score``, for many columns at once.

    scores: (N,) or (N, C), higher means "more likely relevant". relevant: bool, the same shape (C labels that may hold
    at once). Returns float64 () or (C,), in [0, 1]; the mean over C is the "mAP" of multi-label tables; chance is the
    share of relevant rows. Equal scores count as one step, so an undecided column gives that share and not the luck
    of sorting. Raises ValueError for NaN, other shapes, or a column without any relevant row.
    """
    scores, relevant = torch.as_tensor(scores).detach().cpu().double(), torch.as_tensor(relevant).cpu()
    if scores.ndim not in (1, 2) or scores.numel() == 0 or scores.isnan().any():
        raise ValueError(f"scores is {tuple(scores.shape)}; it takes numbers (N,) or (N, C), without NaN")
    if relevant.shape != scores.shape or relevant.dtype != torch.bool:
        raise ValueError(f"relevant is {tuple(relevant.shape)} {relevant.dtype}; it takes bool {tuple(scores.shape)}")
    single = scores.ndim == 1
    scores, relevant = (x[:, None] if single else x for x in (scores, relevant))
    if not relevant.any(0).all():
        raise ValueError(
            f"relevant has no True in column {int((~relevant.any(0)).nonzero()[0])}; each takes one or more"
        )
    ordered, order = scores.sort(dim=0, descending=True, stable=True)
    hits = relevant.gather(0, order).double().cumsum(0)
    rank = torch.arange(1, len(scores) + 1, dtype=torch.double)[:, None]
    # Rows of one score are met together: each takes hits and rank of the last of them.
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[:-1] = ordered[:-1] != ordered[1:]
    step = torch.where(last, rank, torch.inf).flip(0).cummin(0).values.flip(0)
    precision = hits.gather(0, step.long() - 1) / step
    result = (precision * relevant.gather(0, order)).sum(0) / hits[-1]
    return result[0] if single else result


def precision_at_k(
    query_x, query_y, gallery_x, gallery_y, ks: Sequence[int] = (1, 5, 10), *, query_groups=None, gallery_groups=None
) -> dict[int, float]:
    """Mean share of a query's class among its k nearest (cosine) gallery rows: {k: precision}, in [0, 1].

    Arguments and errors as for `retrieval_topk`, which grows with k; this one tends to fall, and at k = 1 they agree.
    """
    if len(ks) == 0:
        raise ValueError("ks is empty; it takes at least one number of neighbours")
    neighbours = nearest(query_x, gallery_x, max(ks), query_groups=query_groups, gallery_groups=gallery_groups)
    query_y, gallery_y = (
        as_integers("query_y", query_y, len(query_x)),
        as_integers("gallery_y", gallery_y, len(gallery_x)),
    )
    right = (gallery_y[neighbours] == query_y[:, None]).double().cumsum(1).mean(0)
    return {check_positive("each of ks", k): right[k - 1].item() / k for k in ks}


def mean_average_precision(
    query_x, query_y, gallery_x, gallery_y, *, query_groups=None, gallery_groups=None
) -> tuple[float, torch.Tensor]:
    """Retrieval mAP: for each query the whole gallery is ranked by cosine and scored by `average_precision`.

    Returns the mean, in [0, 1], and the average precision of each query, float64 (Q,), for `bootstrap_interval`.
    Rows of the query's own group take no part. Raises ValueError as `nearest`, and when a query has no relevant row.
    """
    query, gallery = as_pair("query_x", query_x, "gallery_x", gallery_x)
    query_y, gallery_y = as_integers("query_y", query_y, len(query)), as_integers("gallery_y", gallery_y, len(gallery))
    if (query_groups is None) != (gallery_groups is None):
        raise ValueError("query_groups and gallery_groups go together; only one was given")
    relevant = query_y[:, None] == gallery_y
    scores = normalize(query, dim=1) @ normalize(gallery, dim=1).T
    if query_groups is not None:
        own = as_groups("query_groups", query_groups, len(query))[:, None]
        own = own == as_groups("gallery_groups", gallery_groups, len(gallery))
        relevant &= ~own
        scores.masked_fill_(own, -torch.inf)  # last and not relevant: they change no precision that counts
    if not relevant.any(1).all():
        query_row = int((~relevant.any(1)).nonzero()[0])
        raise ValueError(f"query_y: query {query_row} has no row of its class outside its own group in the gallery")
    each = average_precision(scores.T, relevant.T)
    return each.mean().item(), each
