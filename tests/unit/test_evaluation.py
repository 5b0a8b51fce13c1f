"""Extraction, probes, retrieval and statistics against scikit-learn, scipy and plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib import evaluation as ev


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(rows=240, dimensions=12, classes=4, spread=1.5, seed=0):
    draw = generator(seed)
    y = torch.arange(rows) % classes
    centres = torch.randn(classes, dimensions, generator=draw)
    return centres[y] + spread * torch.randn(rows, dimensions, generator=draw), y * 3 + 1


class Net(nn.Module):
    """A batch norm and dropout show whether eval mode was used and put back."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.head = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Linear(3 * 8 * 8, 5)
        self.norm.eval()

    def forward(self, images):
        return self.head(self.drop(self.norm(images)).flatten(1))


def test_extract_is_the_eval_forward_in_batches_and_restores_modes():
    net = Net().train()
    net.norm.eval()
    images = torch.randint(256, (37, 3, 8, 8), generator=generator(), dtype=torch.uint8)
    features = ev.extract(net, images, batch=10)
    assert net.training
    assert net.drop.training
    assert not net.norm.training
    with torch.no_grad():
        expected = net.eval()(images.float() / 255)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ev.extract(net, images.float() / 255), features)
    assert not features.requires_grad
    # A head can be trained on them, and the net on its own gradients, as if nothing had happened.
    nn.Linear(5, 2)(features).sum().backward()
    net.train()(images.float()).sum().backward()


def test_extract_restores_modes_after_an_error_and_rejects_bad_images():
    net = Net().train()
    with pytest.raises(RuntimeError):
        ev.extract(net, torch.rand(4, 3, 9, 9))
    assert net.drop.training
    with pytest.raises(ValueError, match="images"):
        ev.extract(net, torch.zeros(4, 3, 8))
    with pytest.raises(ValueError, match="images"):
        ev.extract(net, torch.zeros(0, 3, 8, 8))
    with pytest.raises(ValueError, match="bf16-mixed"):
        ev.extract(net, torch.rand(4, 3, 8, 8), precision="bf16")
    with pytest.raises(ValueError, match="NaN"):
        ev.extract(lambda x: x.flatten(1) * torch.nan, torch.rand(4, 3, 8, 8))


def test_extract_in_low_precision_is_close_and_float32():
    net, images = Net().eval(), torch.rand(16, 3, 8, 8, generator=generator())
    exact, rough = ev.extract(net, images), ev.extract(net, images, precision="bf16-mixed")
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, atol=0.05, rtol=0.05)


def test_extract_takes_plain_functions_and_clips():
    clips = torch.rand(5, 4, 3, 6, 6, generator=generator())
    features = ev.extract(lambda x: x.mean((3, 4)), clips, batch=2)
    torch.testing.assert_close(features, clips.mean((3, 4)).flatten(1))


@pytest.mark.parametrize("l2", [0.1, 0.003])
def test_linear_probe_is_scikit_learns_logistic_regression(l2):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = blobs()
    train, test = slice(0, 160), slice(160, None)
    ours = ev.linear_probe(x[train] * 50 + 7, y[train], x[test] * 50 + 7, y[test], l2=l2)
    scaler = StandardScaler().fit(x[train])
    theirs = LogisticRegression(C=1 / (160 * l2), tol=1e-8, max_iter=5000).fit(scaler.transform(x[train]), y[train])
    probability = theirs.predict_proba(scaler.transform(x[test]))
    np.testing.assert_allclose(ours.scores.softmax(1), probability, atol=2e-3)
    assert ours.accuracy == pytest.approx(theirs.score(scaler.transform(x[test]), y[test]))
    assert ours.correct.float().mean().item() == pytest.approx(ours.accuracy)
    assert ours.classes.tolist() == [1, 4, 7, 10]


def test_linear_probe_chooses_a_strong_penalty_for_noise_and_holds_out_whole_groups():
    draw = generator(3)
    # Ten groups of forty near-copies: by rows, memorising the noise looks right; by groups it does not.
    base = torch.randn(10, 300, generator=draw)
    groups = torch.arange(400) // 40
    y = (groups >= 5).long()
    x = base[groups] + 0.01 * torch.randn(400, 300, generator=draw)
    by_group = ev.linear_probe(x, y, x, y, groups=groups, generator=generator(1))
    by_row = ev.linear_probe(x, y, x, y, generator=generator(1))
    assert by_group.l2 > by_row.l2
    again = ev.linear_probe(x, y, x, y, groups=groups, generator=generator(1))
    assert torch.equal(again.scores, by_group.scores)


def test_probes_ignore_constant_units():
    x, y = blobs()
    with_constant = torch.cat([x, torch.full((len(x), 3), 1e4)], dim=1)
    a, b = ev.linear_probe(x, y, x, y, l2=0.01), ev.linear_probe(with_constant, y, with_constant, y, l2=0.01)
    torch.testing.assert_close(a.scores, b.scores, atol=1e-2, rtol=0)


def test_two_layers_solve_xor_and_one_does_not():
    draw = generator(5)
    x = torch.randn(600, 2, generator=draw)
    y = (x[:, 0] * x[:, 1] > 0).long()
    linear = ev.linear_probe(x[:400], y[:400], x[400:], y[400:], l2=0.01)
    two_layer = ev.mlp_probe(x[:400], y[:400], x[400:], y[400:], generator=generator(), hidden=64, steps=300)
    assert linear.accuracy < 0.65
    assert two_layer.accuracy > 0.9
    again = ev.mlp_probe(x[:400], y[:400], x[400:], y[400:], generator=generator(), hidden=64, steps=300)
    assert torch.equal(two_layer.scores, again.scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_x": torch.full((240, 12), torch.nan)}, "train_x.*NaN"),
        ({"train_x": torch.rand(240)}, r"train_x.*\(N, D\)"),
        ({"train_x": torch.rand(0, 12)}, "train_x"),
        ({"train_x": torch.rand(240, 11)}, "11 dimensions"),
        ({"train_y": torch.zeros(239, dtype=torch.int64)}, "train_y has 239"),
        ({"train_y": torch.zeros(240, dtype=torch.int64)}, "one class"),
        ({"train_y": torch.zeros(240)}, "train_y.*integers"),
        ({"test_y": torch.full((240,), 99)}, r"\[99\]"),
        ({"l2": -1.0}, "l2"),
        ({"groups": torch.zeros(240, dtype=torch.int64)}, "one group"),
    ],
)
def test_linear_probe_names_what_is_wrong(change, message):
    x, y = blobs()
    with pytest.raises(ValueError, match=message):
        ev.linear_probe(**({"train_x": x, "train_y": y, "test_x": x, "test_y": y} | change))


def test_group_result_averages_the_probabilities_of_a_video():
    x, y = blobs(240, spread=2.5)
    frames = ev.linear_probe(x, y, x, y, l2=0.01)
    # Videos of six frames of one class each (the classes of blobs repeat every four rows).
    groups = (torch.arange(240) // 24) * 4 + torch.arange(240) % 4 + 100
    videos = ev.group_result(frames, y, groups)
    for row, group in enumerate(groups.unique()):
        mean = frames.scores.softmax(1)[groups == group].mean(0)
        torch.testing.assert_close(videos.scores[row], mean)
    assert videos.accuracy > frames.accuracy
    with pytest.raises(ValueError, match="group 100"):
        ev.group_result(frames, y, torch.full((240,), 100))


def test_retrieval_is_a_naive_loop_with_groups_left_out():
    draw = generator(2)
    x, y, g = (
        torch.randn(60, 5, generator=draw),
        torch.randint(6, (60,), generator=draw),
        torch.arange(60) // 4,
    )
    ours = ev.retrieval_topk(x, y, x, y, ks=(1, 3, 10), query_groups=g, gallery_groups=g)
    cosine = x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)
    hits = {1: 0, 3: 0, 10: 0}
    for query in range(60):
        others = [(-float(cosine[query] @ cosine[j]), j) for j in range(60) if g[j] != g[query]]
        found = [int(y[j]) for _, j in sorted(others)]
        for k in hits:
            hits[k] += int(y[query]) in found[:k]
    assert ours == pytest.approx({k: v / 60 for k, v in hits.items()})


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nearest_is_scikit_learns_and_does_not_depend_on_chunks(metric, monkeypatch):
    from sklearn.neighbors import NearestNeighbors

    draw = generator(4)
    query, gallery = torch.randn(50, 7, generator=draw), torch.randn(80, 7, generator=draw)
    expected = NearestNeighbors(n_neighbors=6, metric=metric, algorithm="brute").fit(gallery.numpy())
    index = expected.kneighbors(query.numpy(), return_distance=False)
    np.testing.assert_array_equal(ev.nearest(query, gallery, 6, metric=metric), index)
    monkeypatch.setattr(ev.retrieval, "CHUNK", 7)
    np.testing.assert_array_equal(ev.nearest(query, gallery, 6, metric=metric), index)


def test_knn_classify_is_scikit_learns_vote():
    from sklearn.neighbors import KNeighborsClassifier

    x, y = blobs(spread=2.0)
    ours = ev.knn_classify(x[:160], y[:160], x[160:], y[160:], k=5)
    theirs = KNeighborsClassifier(5, metric="cosine").fit(x[:160].numpy(), y[:160].numpy())
    votes = theirs.predict_proba(x[160:].numpy()) * 5
    np.testing.assert_array_equal(ours.scores.round(), votes.round())
    clear = torch.as_tensor(votes).topk(2).values.diff(dim=1).squeeze(1) < -0.5
    np.testing.assert_array_equal(ours.predictions[clear], theirs.predict(x[160:].numpy())[clear])


def test_retrieval_errors():
    x, y = blobs(24)
    with pytest.raises(ValueError, match="k is 50"):
        ev.retrieval_topk(x, y, x, y)
    with pytest.raises(ValueError, match="outside its own group"):
        ev.nearest(x, x, 2, query_groups=torch.zeros(24).long(), gallery_groups=torch.zeros(24).long())
    with pytest.raises(ValueError, match="go together"):
        ev.nearest(x, x, 2, query_groups=torch.zeros(24).long())
    with pytest.raises(ValueError, match="gallery_y has 3"):
        ev.retrieval_topk(x, y, x, y[:3], ks=(1,))
    with pytest.raises(ValueError, match="metric"):
        ev.nearest(x, x, 2, metric="cosin")


def test_cross_group_share_counts_other_subjects():
    neighbours = torch.tensor([[0, 2], [3, 2]])
    assert ev.cross_group_share(neighbours, torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1])) == 0.25


def test_bootstrap_interval_is_scipys_and_groups_widen_it():
    from scipy import stats

    values = torch.randn(200, generator=generator(1), dtype=torch.double) + 0.3
    ours = ev.bootstrap_interval(values, generator(2), resamples=4000)
    theirs = stats.bootstrap((values.numpy(),), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert ours.mean == pytest.approx(values.mean().item())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)
    groups = torch.arange(200) // 20
    shifted = values + torch.randn(10, generator=generator(3), dtype=torch.double)[groups]
    by_row, by_group = (ev.bootstrap_interval(shifted, generator(2), groups=g) for g in (None, groups))
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)
    assert ev.bootstrap_interval(values, generator(2)) == ev.bootstrap_interval(values, generator(2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(-3, 3), st.integers(0, 100))
def test_paired_bootstrap_sees_a_constant_difference_exactly(values, difference, seed):
    b = torch.tensor(values, dtype=torch.double)
    mean, low, high = ev.paired_bootstrap(b + difference, b, generator(seed), resamples=50)
    assert mean == pytest.approx(difference, abs=1e-9)
    assert low == pytest.approx(high, abs=1e-9)


def test_bootstrap_errors():
    with pytest.raises(ValueError, match="values"):
        ev.bootstrap_interval([1.0, float("nan")], generator())
    with pytest.raises(ValueError, match="values"):
        ev.bootstrap_interval([], generator())
    with pytest.raises(ValueError, match="paired"):
        ev.paired_bootstrap([1.0, 2.0], [1.0], generator())
    with pytest.raises(ValueError, match="level"):
        ev.bootstrap_interval([1.0], generator(), level=95)


def test_supervised_training_mirrors_clips_as_a_whole():
    from torch import nn

    from course_lib.evaluation import Supervised

    backbone = nn.Flatten()
    backbone.features = 3 * 3 * 2 * 4
    clips = torch.rand(64, 3, 3, 2, 4, generator=torch.Generator().manual_seed(0))
    seen, _ = Supervised(backbone, 2).pretext((clips, torch.zeros(64)), torch.Generator().manual_seed(0))
    same = (seen == clips).flatten(1).all(1)
    turned = (seen == clips.flip(-1)).flatten(1).all(1)
    assert torch.equal(same, ~turned)
    assert 16 < same.sum() < 48
