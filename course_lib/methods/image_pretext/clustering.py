"""Classes made by clustering: features → whitened → k-means → a label for every image, and no class left empty.

Used by `DeepCluster` (000 §3.2.1, P04; 001 §2.3, 1-BG36) and `ClusterTransfer` (P03).
"""

import warnings

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from ...checks import check_positive

ROWS_PER_AXIS = 10  # of whitened features


def whiten(features: torch.Tensor, components: int | None = 64) -> torch.Tensor:
    """Features (N, D) → principal components of unit variance, every row of unit length, float32 (N, components).

    Without it k-means sees only the few directions in which a network's features vary most (Caron et al. 2018, §3.3).
    components: at most so many; None for all. Directions without variance are left out.
    """
    centred = features.double() - features.double().mean(0)
    variance, axes = torch.linalg.eigh(centred.T @ centred / (len(features) - 1))  # smallest first
    kept = (variance > max(1e-8 * float(variance[-1]), 1e-12)).nonzero().flatten()
    kept = kept if components is None else kept[-check_positive("components", components) :]
    return F.normalize(centred @ axes[:, kept] / variance[kept].sqrt(), dim=1).float()


def cluster_labels(
    features: torch.Tensor, clusters: int, generator: torch.Generator, *, components: int | None = 64
) -> torch.Tensor:
    """A cluster for each row of features (N, D): k-means on the whitened features, int64 (N,), none of them empty.

    components: at most so many, and never more than a tenth of the rows: along an axis that few rows have measured,
    whitening blows up what is noise, and with N − 1 axes all N rows lie equally far apart, so that clusters are drawn
    by lot. Raises ValueError for NaN, or for more clusters than rows.
    """
    if not isinstance(features, torch.Tensor) or features.ndim != 2 or not features.isfinite().all():
        got = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        raise ValueError(f"features is {got}; it takes finite (N, D)")
    if not 2 <= check_positive("clusters", clusters) <= len(features):
        raise ValueError(f"clusters is {clusters}; it takes 2 … {len(features)}, the number of rows")
    few = max(2, len(features) // ROWS_PER_AXIS)
    white = whiten(features.detach().cpu().float(), few if components is None else min(components, few))
    if white.shape[1] == 0:  # features that are all alike
        white = torch.zeros(len(features), 1)
    seed = int(torch.randint(2**31, (), generator=generator))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: filled below
        labels = KMeans(clusters, n_init=1, random_state=seed).fit_predict(white.numpy())
    return fill_empty(torch.from_numpy(labels).long(), clusters, generator)


def fill_empty(labels: torch.Tensor, clusters: int, generator: torch.Generator) -> torch.Tensor:
    """Labels (N,) in which every one of ``clusters`` occurs: an empty one takes a random half of the largest.

    A class without images would get no gradient but "never me", and stay empty (Caron et al. 2018, §3.4). Raises
    ValueError for more clusters than labels.
    """
    if clusters > len(labels):
        raise ValueError(f"clusters is {clusters}; {len(labels)} labels fill at most as many")
    labels = labels.clone()
    for empty in (labels.bincount(minlength=clusters) == 0).nonzero().flatten().tolist():
        members = (labels == labels.bincount().argmax()).nonzero().flatten()
        moved = members[torch.randperm(len(members), generator=generator)[: len(members) // 2]]
        labels[moved] = empty
    return labels
