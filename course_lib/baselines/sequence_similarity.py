"""B25, B26: comparing sequences of posture features without learning their order (000, 4.6.2, Table 4.3).

All take sequences (Q, T, D) and (G, S, D) of frame features and give a matrix (Q, G). Cosine compares frames.
"""

import torch
from torch.nn.functional import normalize

from ..checks import check_choice

PAIRS = 4_000_000  # frame pairs held in memory at once


def frame_similarity(query, gallery, mode: str = "average") -> torch.Tensor:
    """B25: the mean ("average") or the largest ("max") of all pairwise frame similarities, (Q, G)."""
    query, gallery = _sequences(query, gallery)
    if check_choice("mode", mode, ("average", "max")) == "average":
        # The mean over all pairs of an inner product is the inner product of the means.
        return query.mean(1) @ gallery.mean(1).T
    return _by_chunks(lambda part: _frame_pairs(part, gallery).amax((2, 3)), query, gallery)


def dtw_distance(query, gallery) -> torch.Tensor:
    """B26: dynamic time warping, float32 (Q, G), in [0, 2]; 0 when one is a warped copy of the other.

    D(i, j) = c(i, j) + min(D(i−1, j−1), D(i−1, j), D(i, j−1)) with c = 1 − cosine; D(T, S) divided by the
    number of steps of the best path (the shortest of equally good ones, so that the distance is symmetric).
    All pairs advance together along the anti-diagonals: T + S − 1 steps instead of T · S.
    """
    query, gallery = _sequences(query, gallery)
    return _by_chunks(lambda part: warp((1 - _frame_pairs(part, gallery)).clamp_(min=0)), query, gallery)


def warp(cost: torch.Tensor) -> torch.Tensor:
    """Cheapest monotone path through each cost matrix (..., T, S), per step of the path: (...)."""
    *batch, rows, columns = cost.shape
    # Cell (i, j) of anti-diagonal i + j is kept at position i + 1; position 0 is the border.
    border = cost.new_full((*batch, rows + 1), torch.inf)
    before, now = border.clone(), border.clone()  # the two anti-diagonals before this one: total cost
    steps_before, steps_now = torch.zeros_like(border), torch.zeros_like(border)
    before[..., 0] = 0  # the corner that (0, 0) starts from
    for diagonal in range(rows + columns - 1):
        first, last = max(0, diagonal - columns + 1), min(rows - 1, diagonal)
        i = torch.arange(first, last + 1, device=cost.device)
        moves = torch.stack([before[..., i], now[..., i], now[..., i + 1]])
        steps = torch.stack([steps_before[..., i], steps_now[..., i], steps_now[..., i + 1]])
        best = moves.amin(0)
        steps = steps.masked_fill(moves != best, torch.inf).amin(0)
        before, steps_before = now, steps_now
        now, steps_now = border.clone(), torch.zeros_like(border)
        now[..., i + 1] = best + cost[..., i, diagonal - i]
        steps_now[..., i + 1] = steps + 1
    return now[..., rows] / steps_now[..., rows]


def _sequences(query, gallery):
    both = []
    for name, values in (("query", query), ("gallery", gallery)):
        values = torch.as_tensor(values).detach().float()
        if values.ndim != 3 or values.numel() == 0 or not values.isfinite().all():
            raise ValueError(f"{name} has shape {tuple(values.shape)}; it takes finite frame features (N, T, D)")
        both.append(normalize(values, dim=2))
    if both[0].shape[2] != both[1].shape[2]:
        raise ValueError(f"query has {both[0].shape[2]} dimensions, gallery {both[1].shape[2]}; they must agree")
    return both


def _frame_pairs(query, gallery):
    """Cosine of all frames with all frames, (Q, G, T, S)."""
    return torch.einsum("qtd,gsd->qgts", query, gallery)


def _by_chunks(measure, query, gallery):
    pairs_per_query = len(gallery) * query.shape[1] * gallery.shape[1]
    return torch.cat([measure(part) for part in query.split(max(1, PAIRS // pairs_per_query))])
