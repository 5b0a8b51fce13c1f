"""How a representation fills its space: alignment and uniformity, and signs of collapse.

Wang & Isola 2020; the monitors of 002 (spec 002 §6.5). A contrastive loss asks for two things: views of one image
close together (alignment), images spread over the sphere (uniformity). A collapsed network is perfect at the first.
"""

import torch
import torch.nn.functional as F

from ..checks import check_positive
from .arrays import as_features, as_pair


def alignment(first, second, *, alpha: float = 2.0) -> float:
    """Mean of ‖x − y‖^α over rows x, y (N, D) of two views of one image, normalised: 0 for equal, 2^α for opposite.

    About 2 (α = 2) for pairs that have nothing in common. Raises ValueError for arrays of different shapes.
    """
    check_positive("alpha", alpha, integer=False)
    first, second = as_pair("first", first, "second", second)
    as_features("second", second, rows=len(first))
    return (F.normalize(first, dim=1) - F.normalize(second, dim=1)).norm(dim=1).pow(alpha).mean().item()


def uniformity(features, *, t: float = 2.0) -> float:
    """log E exp(−t ‖x − y‖²) over all pairs of different rows (N, D), normalised: 0 when collapsed.

    The lower the more even; points spread evenly over a sphere of many dimensions come to about −2t, for their squared
    distances are about 2. Raises ValueError for fewer than two rows.
    """
    check_positive("t", t, integer=False)
    features = as_features("features", features)
    if len(features) < 2:
        raise ValueError(f"features has {len(features)} row; it takes at least 2")
    distances = torch.pdist(F.normalize(features, dim=1).double())
    return ((-t * distances.square()).logsumexp(0) - torch.tensor(len(distances)).double().log()).item()


def effective_rank(features) -> float:
    """exp of the entropy of the singular values of (N, D), as shares of their sum: from 1 to min(N, D).

    Roy & Vetterli 2007; "RankMe" (Garrido et al. 2023). Not centred, so that features which are all alike have rank 1.
    Raises ValueError when all features are zero.
    """
    values = torch.linalg.svdvals(as_features("features", features).double())
    if values.sum() == 0:
        raise ValueError("features are all zero; they have no rank")
    return torch.special.entr(values / values.sum()).sum().exp().item()


def feature_spread(features) -> float:
    """√D times the mean standard deviation of the coordinates of normalised rows (N, D): 0 when collapsed, 1 at most.

    About 1 where the rows fill the sphere evenly (Chen & He 2021 plot it without √D).
    """
    features = F.normalize(as_features("features", features), dim=1)
    return features.std(0, correction=0).mean().item() * features.shape[1] ** 0.5
