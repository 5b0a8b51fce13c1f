"""1-E9: k nearest neighbours, leaving one out (001 §4.4.2, Fig. 4.6)."""

from collections.abc import Sequence

import torch

from ..checks import check_positive
from .arrays import as_features, as_groups, as_integers
from .retrieval import _search


def knn_loocv(
    features,
    labels,
    ks: Sequence[int] = (1, 5, 10, 20, 50),
    *,
    groups=None,
    standardise: bool = True,
    device: torch.device | str = "cpu",
) -> dict[int, float]:
    """Accuracy of k-NN classification where each row is judged by all others: {k: accuracy}.

    features: (N, D); in the source conv5 of five crops, side by side. labels: integers (N,). groups: integers (N,);
    rows of a query's own group have no vote (by default each row is its own). standardise: each unit to zero mean and
    unit variance over all rows, as the source does. Neighbours are nearest by cosine and found once, for the largest k,
    a block of rows at a time; ties go to the class with the more similar voters. The source takes k + 1 neighbours and
    drops the nearest; leaving out the row itself is the same, and right where two rows are equal. Raises ValueError for
    NaN, and where a row has fewer than k others.
    """
    x = as_features("features", features)
    labels, groups = as_integers("labels", labels, len(x)), as_groups("groups", groups, len(x))
    if len(ks) == 0:
        raise ValueError("ks is empty; it takes at least one number of neighbours")
    if standardise:
        deviation = x.std(0, correction=0)
        # A unit that never varies carries nothing; dividing by its rounding error would make it the loudest.
        x = (x - x.mean(0)) / torch.where(deviation > 1e-6 * (1 + x.mean(0).abs()), deviation, torch.inf)
    most = max(check_positive("each of ks", k) for k in ks)
    index, similarity = _search(x, x, most, groups, groups, "cosine", device)
    classes, target = labels.unique(return_inverse=True)
    accuracy = {}
    for k in ks:
        voters = target[index[:, :k]]
        # Similarities lie in [-1, 1]: scaled so that k of them never outweigh one vote.
        votes = torch.zeros(len(x), len(classes)).scatter_add_(1, voters, 1 + similarity[:, :k] / (4 * k))
        accuracy[k] = (votes.argmax(1) == target).float().mean().item()
    return accuracy
