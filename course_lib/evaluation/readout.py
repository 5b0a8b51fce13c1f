"""What do features know of a known factor, and how far does a change of the picture move them? (001, sections 1 and 4)

Reading out asks whether a factor is in the features; movement asks whether they ignore it. Both need known causes.
"""

import torch

from ..checks import check_positive
from .arrays import as_features, as_groups, as_pair

PENALTIES = (1e4, 1e3, 1e2, 1e1, 1.0)


def factor_r2(
    train_x, train_t, test_x, test_t, *, l2: float | None = None, groups=None, generator: torch.Generator | None = None
) -> float:
    """R² on the test rows of ridge regression from standardised features to a factor: 1 all, 0 (or less) nothing.

    train_x (N, D), test_x (M, D): features, standardised by the train rows. train_t (N,) or (N, F), test_t alike: the
    factor as numbers; an angle as its cosine and sine (F = 2), a class as one-hot columns; R² pools the columns:
    1 − Σ (t − t̂)² / Σ (t − t̄)², t̄ the mean of the test rows. l2: weight of ‖W‖² beside the sum of squares; None
    chooses it from `PENALTIES` on a quarter of the ``groups`` of the train rows (each row its own by default), drawn
    by ``generator`` (a fixed one if None). Raises ValueError for other shapes, NaN, or a factor that is constant.
    """
    x, test = as_pair("train_x", train_x, "test_x", test_x)
    target, truth = _columns("train_t", train_t, len(x)), _columns("test_t", test_t, len(test))
    if target.shape[1] != truth.shape[1]:
        raise ValueError(f"train_t has {target.shape[1]} columns, test_t {truth.shape[1]}; they must agree")
    mean, deviation = x.mean(0), x.std(0, correction=0)
    scale = torch.where(deviation > 1e-6 * (1 + mean.abs()), deviation, torch.inf)  # as `linear_probe`
    x, test = ((values - mean).double() / scale.double() for values in (x, test))
    if l2 is None:
        held = _held_out(as_groups("groups", groups, len(x)), generator or torch.Generator().manual_seed(0))
        scores = [_r2(*_ridge(x[~held], target[~held], l2), x[held], target[held]) for l2 in PENALTIES]
        l2 = PENALTIES[int(torch.tensor(scores).argmax())]
    return _r2(*_ridge(x, target, check_positive("l2", l2, integer=False)), test, truth)


def relative_movement(before, after) -> float:
    """How far a change of the pictures moves their features: 0 not at all, 1 as far as unrelated pictures are apart.

    before, after: (N, D), N >= 2, features of the same pictures without and with the change. The mean squared distance
    of the pairs, over that of two different rows of ``before`` (twice the total variance). Not bounded by 1. Raises
    ValueError for shapes that differ, or features that are all the same.
    """
    before = as_features("before", before).double()
    after = as_features("after", after, rows=len(before)).double()
    if before.shape != after.shape or len(before) < 2:
        raise ValueError(
            f"before is {tuple(before.shape)}, after {tuple(after.shape)}; they take one shape (N, D), N >= 2"
        )
    unrelated = 2 * before.var(0).sum()
    if unrelated <= 0:
        raise ValueError("before has the same features in every row; there is no distance to compare with")
    return ((after - before).square().sum(1).mean() / unrelated).item()


def _columns(argument, values, rows):
    values = torch.as_tensor(values).detach().cpu().double()
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != rows or not torch.isfinite(values).all():
        raise ValueError(f"{argument} is {tuple(values.shape)}; it takes finite numbers ({rows},) or ({rows}, F)")
    if (values == values[0]).all():
        raise ValueError(f"{argument} is constant; R² takes a factor that varies")
    return values


def _held_out(groups, generator):
    unique, member = groups.unique(return_inverse=True)
    if len(unique) < 2:
        raise ValueError("groups has one group, so none can be held out to choose l2; give l2, or more groups")
    drawn = torch.zeros(len(unique), dtype=torch.bool)
    drawn[torch.randperm(len(unique), generator=generator)[: max(1, len(unique) // 4)]] = True
    return drawn[member]


def _ridge(x, target, l2):
    mean, centre = target.mean(0), x.mean(0)
    z, t = x - centre, target - mean
    if len(z) < z.shape[1]:  # the dual has a matrix of rows by rows
        weights = z.T @ torch.linalg.solve(z @ z.T + l2 * torch.eye(len(z), dtype=z.dtype), t)
    else:
        weights = torch.linalg.solve(z.T @ z + l2 * torch.eye(z.shape[1], dtype=z.dtype), z.T @ t)
    return weights, mean - centre @ weights


def _r2(weights, offset, x, truth):
    error = (truth - x @ weights - offset).square().sum()
    return (1 - error / (truth - truth.mean(0)).square().sum()).item()
