"""Average precision and retrieval by it, against scikit-learn and loops; Wilson's interval against SciPy."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from course_lib import evaluation


def draw(seed, rows=30, columns=4, levels=None):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, columns, generator=generator)
    if levels:
        scores = (scores * levels).round()
    relevant = torch.rand(rows, columns, generator=generator) < 0.3
    relevant[0] = True
    return scores, relevant


@given(seed=st.integers(0, 10_000), levels=st.sampled_from([None, 1, 2]))
def test_average_precision_is_scikit_learns_with_and_without_ties(seed, levels):
    scores, relevant = draw(seed, levels=levels)
    expected = [average_precision_score(r, s) for r, s in zip(relevant.T, scores.T, strict=True)]
    assert evaluation.average_precision(scores, relevant).tolist() == pytest.approx(expected)
    assert evaluation.average_precision(scores[:, 0], relevant[:, 0]).item() == pytest.approx(expected[0])


def test_average_precision_of_perfect_worst_and_undecided_rankings():
    relevant = torch.tensor([True, True, False, False])
    order = torch.tensor([4.0, 3, 2, 1])
    assert evaluation.average_precision(order, relevant).item() == 1
    assert evaluation.average_precision(-order, relevant).item() == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert evaluation.average_precision(torch.zeros(4), relevant).item() == 0.5
    assert evaluation.average_precision((3 * order).exp(), relevant).item() == 1


def features(seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(24) % 3
    x = torch.randn(24, 5, generator=generator) + y[:, None]
    return x, y, torch.arange(24) // 4


def test_retrieval_is_a_naive_loop_with_groups_left_out():
    x, y, group = features()
    mean, each = evaluation.mean_average_precision(x, y, x, y, query_groups=group, gallery_groups=group)
    at_k = evaluation.precision_at_k(x, y, x, y, (1, 3, 7), query_groups=group, gallery_groups=group)
    unit = torch.nn.functional.normalize(x, dim=1)
    expected, counts = [], {1: [], 3: [], 7: []}
    for row in range(len(x)):
        others = (group != group[row]).nonzero().squeeze(1)
        similarity = unit[others] @ unit[row]
        right = y[others] == y[row]
        expected.append(average_precision_score(right, similarity))
        ranked = right[similarity.argsort(descending=True)]
        for k, found in counts.items():
            found.append(ranked[:k].float().mean().item())
    assert each.tolist() == pytest.approx(expected)
    assert mean == pytest.approx(sum(expected) / len(expected))
    for k, found in counts.items():
        assert at_k[k] == pytest.approx(sum(found) / len(found))
    groups = dict(query_groups=group, gallery_groups=group)
    assert at_k[1] == pytest.approx(evaluation.retrieval_topk(x, y, x, y, (1,), **groups)[1])


def test_retrieval_of_noise_is_chance_and_of_the_labels_perfect():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 3
    noise, gallery = torch.randn(300, 8, generator=generator), torch.randn(300, 8, generator=generator)
    assert evaluation.mean_average_precision(noise, y, gallery, y)[0] == pytest.approx(1 / 3, abs=0.03)
    labels = torch.nn.functional.one_hot(y).float()
    assert evaluation.mean_average_precision(labels, y, labels, y)[0] == 1
    assert evaluation.precision_at_k(labels, y, labels, y, (100,))[100] == 1


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        (torch.zeros(3, 2, 2), torch.ones(3, 2, 2, dtype=torch.bool), "scores is"),
        (torch.tensor([0.0, torch.nan]), torch.tensor([True, False]), "scores is"),
        (torch.zeros(2), torch.tensor([1, 0]), "relevant is"),
        (torch.zeros(2), torch.tensor([True]), "relevant is"),
        (torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]), "column 1"),
    ],
)
def test_average_precision_errors(scores, relevant, message):
    with pytest.raises(ValueError, match=message):
        evaluation.average_precision(scores, relevant)


def test_retrieval_errors():
    x, y, group = features()
    with pytest.raises(ValueError, match="only one was given"):
        evaluation.mean_average_precision(x, y, x, y, query_groups=group)
    with pytest.raises(ValueError, match="query 0 has no row of its class"):
        evaluation.mean_average_precision(x, y + 9, x, y)
    with pytest.raises(ValueError, match="ks is empty"):
        evaluation.precision_at_k(x, y, x, y, ())
    with pytest.raises(ValueError, match="each of ks"):
        evaluation.precision_at_k(x, y, x, y, (0, 2))
    with pytest.raises(ValueError, match="gallery_y has"):
        evaluation.precision_at_k(x, y, x, y[:3])


@given(total=st.integers(1, 400), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_is_scipys(total, share, level):
    correct = round(share * total)
    mine = evaluation.wilson_interval(correct, total, level=level)
    theirs = binomtest(correct, total).proportion_ci(level, method="wilson")
    assert mine == pytest.approx((correct / total, theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((3, 2), "correct is 3"), ((0, 0), "total is 0"), ((-1, 2), "correct is -1"), ((0.5, 2), "correct is 0.5")],
)
def test_wilson_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation.wilson_interval(*arguments)
    with pytest.raises(ValueError, match="level is"):
        evaluation.wilson_interval(1, 2, level=1.0)
