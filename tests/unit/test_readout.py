"""Reading factors out of features: scikit-learn's ridge and R²; movement against a loop over pairs."""

import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from course_lib.evaluation import factor_r2, relative_movement


def features(rows=120, columns=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(rows, columns, generator=generator) + 5
    target = x[:, :2] @ torch.tensor([[1.0, 0.3], [-0.5, 2.0]]) + torch.randn(rows, 2, generator=generator)
    return x, target


@pytest.mark.parametrize("rows", [80, 12])  # more rows than columns, and fewer
@pytest.mark.parametrize("columns", [9, 30])
def test_r2_is_scikit_learns_ridge_on_standardised_features(rows, columns):
    x, target = features(rows + 40, columns)
    mine = factor_r2(x[:rows], target[:rows], x[rows:], target[rows:], l2=3.0)
    scaler = StandardScaler().fit(x[:rows].double())
    model = Ridge(alpha=3.0).fit(scaler.transform(x[:rows].double()), target[:rows].double())
    guess = model.predict(scaler.transform(x[rows:].double()))
    error = ((target[rows:].double().numpy() - guess) ** 2).sum()
    total = ((target[rows:] - target[rows:].mean(0)).double() ** 2).sum().item()
    assert mine == pytest.approx(1 - error / total, abs=1e-5)
    one = factor_r2(x[:rows], target[:rows, 0], x[rows:], target[rows:, 0], l2=3.0)
    assert one == pytest.approx(r2_score(target[rows:, 0], guess[:, 0]), abs=1e-5)


def test_r2_of_what_is_there_is_one_and_of_noise_not_above_zero():
    x, target = features(200)
    assert factor_r2(x[:150], x[:150, 3], x[150:], x[150:, 3]) > 0.99
    noise = torch.randn(200, generator=torch.Generator().manual_seed(1))
    assert factor_r2(x[:150], noise[:150], x[150:], noise[150:]) < 0.1
    constant = torch.cat([x, torch.full((200, 1), 7.0)], 1)
    assert factor_r2(constant[:150], target[:150], constant[150:], target[150:], l2=1.0) == pytest.approx(
        factor_r2(x[:150], target[:150], x[150:], target[150:], l2=1.0), abs=1e-6
    )


def test_penalty_is_chosen_on_whole_groups():
    """Rows twice, and a factor without any rule: a weak penalty predicts the twin held out, but no other group."""
    generator = torch.Generator().manual_seed(0)
    base, factor = torch.randn(40, 200, generator=generator), torch.randn(40, generator=generator)
    x, t, group = base.repeat(4, 1), factor.repeat(4), torch.arange(40).repeat(4)
    test_x, test_t = torch.randn(50, 200, generator=generator), torch.randn(50, generator=generator)
    assert factor_r2(x, t, test_x, test_t, groups=group) > factor_r2(x, t, test_x, test_t) + 0.1


def test_r2_errors():
    x, target = features(20)
    for arguments, message in (
        ((x, target[:5], x, target), "train_t is"),
        ((x, target, x, target[:, :1]), "must agree"),
        ((x, target, x[:, :2], target), "dimensions"),
        ((x, torch.zeros(20), x, target[:, 0]), "train_t is constant"),
        ((x, torch.full((20,), torch.nan), x, target[:, 0]), "train_t is"),
    ):
        with pytest.raises(ValueError, match=message):
            factor_r2(*arguments)
    with pytest.raises(ValueError, match="l2 is 0"):
        factor_r2(x, target, x, target, l2=0)
    with pytest.raises(ValueError, match="one group"):
        factor_r2(x, target, x, target, groups=torch.zeros(20, dtype=torch.int64))


def test_movement_is_the_ratio_of_mean_squared_distances():
    before, _ = features(15)
    after = before + torch.randn(before.shape, generator=torch.Generator().manual_seed(2))
    pairs = [(before[i] - before[j]).square().sum() for i in range(15) for j in range(15) if i != j]
    expected = (after - before).square().sum(1).mean() / torch.stack(pairs).mean()
    assert relative_movement(before, after) == pytest.approx(expected.item(), rel=1e-5)
    assert relative_movement(before, before) == 0
    assert relative_movement(4 * before + 1, 4 * after + 1) == pytest.approx(expected.item(), rel=1e-5)


def test_movement_errors():
    before, _ = features(15)
    for one, two, message in (
        (before, before[:3], "after has 3 rows"),
        (before, before[:, :3], "one shape"),
        (before[:1], before[:1], "one shape"),
        (torch.ones(4, 2), torch.ones(4, 2), "same features"),
    ):
        with pytest.raises(ValueError, match=message):
            relative_movement(one, two)
