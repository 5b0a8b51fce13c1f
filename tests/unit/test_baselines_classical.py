"""HOG, HOG-LDA, Exemplar-SVM, sequence similarities, ground-truth neighbours: independent references."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import evaluation as ev
from course_lib.baselines import ExemplarSVM, HogLda, fit_exemplars, ground_truth, hog, sequence_similarity


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bars(rows=240, categories=3, seed=0):
    """Bars of a few directions at random places on noise, images (N, 3, 32, 32) with their direction."""
    draw = generator(seed)
    category = torch.arange(rows) % categories
    angle = (category + 0.15 * torch.randn(rows, generator=draw)) * math.pi / categories
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    centre = 12 + 8 * torch.rand(rows, 2, generator=draw)
    across = (x - centre[:, 0, None, None]) * angle.sin()[:, None, None]
    across = across - (y - centre[:, 1, None, None]) * angle.cos()[:, None, None]
    bar = torch.sigmoid(2 * (3 - across.abs()))
    return (0.7 * bar[:, None] + 0.3 * torch.rand(rows, 3, 32, 32, generator=draw)).float(), category


@pytest.mark.parametrize(
    ("size", "options"),
    [((64, 64), {}), ((40, 51), {"cell": 6, "block": 3, "orientations": 8}), ((16, 16), {"block": 1})],
)
def test_hog_is_scikit_images(size, options):
    from skimage.feature import hog as reference

    images = torch.rand(4, 3, *size, generator=generator(1), dtype=torch.double)
    images[1] = images[1, :1]  # a grey image: channels tie
    images[2] = 0.5  # a flat image: no gradient
    cell, block = options.get("cell", 8), options.get("block", 2)
    for image, ours in zip(images, hog(images, **options), strict=True):
        theirs = reference(
            image.permute(1, 2, 0).numpy(),
            orientations=options.get("orientations", 9),
            pixels_per_cell=(cell, cell),
            cells_per_block=(block, block),
            channel_axis=2,
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_hog_does_not_depend_on_chunks_brightness_or_contrast(monkeypatch):
    images, _ = bars(20)
    features = hog(images)
    torch.testing.assert_close(hog(images * 0.5 + 0.2), features, atol=1e-3, rtol=0)
    monkeypatch.setitem(hog.__globals__, "CHUNK", 7)
    assert torch.equal(hog(images), features)


def test_hog_errors():
    with pytest.raises(ValueError, match="a block takes 16"):
        hog(torch.rand(2, 3, 15, 64))
    with pytest.raises(ValueError, match="images"):
        hog(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="NaN"):
        hog(torch.full((2, 3, 64, 64), torch.nan))


def test_hog_lda_whitens_and_its_discriminants_are_the_textbooks():
    images, category = bars()
    lda = HogLda(images, generator(1), clusters=12, shrinkage=0.1)
    features = hog(images).double()
    centred = features - features.mean(0)
    covariance = centred.T @ centred / len(centred)
    shrunk = 0.9 * covariance + 0.1 * covariance.diagonal().mean() * torch.eye(len(covariance))
    inverse = torch.linalg.inv(shrunk)
    # Inner products of the whitened features are those with the inverse covariance.
    white = lda.whitened(images).double()
    torch.testing.assert_close(white @ white.T, centred @ inverse @ centred.T, atol=0.05, rtol=1e-3)
    # Scores are w_c · (x − μ₀) with w_c = Σ⁻¹(μ_c − μ₀), up to the length of w_c.
    means = torch.stack([centred[lda.clusters == c].mean(0) for c in range(12)])
    weights = inverse @ means.T
    length = (means * weights.T).sum(1).sqrt()
    torch.testing.assert_close(lda(images).double(), centred @ weights / length, atol=1e-2, rtol=1e-3)
    held_out, label = bars(seed=5)
    hit = ev.retrieval_topk(lda(held_out), label, lda(images), category, ks=(1,))[1]
    assert hit > 0.8
    assert torch.equal(HogLda(images, generator(1), clusters=12, shrinkage=0.1)(held_out), lda(held_out))


def test_hog_lda_errors():
    images, _ = bars(20)
    with pytest.raises(ValueError, match="clusters is 20"):
        HogLda(images, generator(), clusters=20)
    with pytest.raises(ValueError, match="shrinkage"):
        HogLda(images, generator(), clusters=2, shrinkage=0)


def test_exemplar_svms_are_liblinears():
    from sklearn.svm import LinearSVC

    draw = generator(2)
    shared = torch.randn(10, 40, generator=draw)
    rows = torch.nn.functional.normalize(torch.randn(150, 10, generator=draw) @ shared, dim=1)
    rows = torch.cat([rows, torch.ones(150, 1)], dim=1)
    positives, negatives = rows[:5], rows[5:]
    ours = fit_exemplars(positives, negatives, positive_weight=1.0, negative_weight=0.05, iterations=300)
    for row, positive in zip(ours, positives, strict=True):
        x = torch.cat([positive[None], negatives]).numpy()
        y = np.r_[1, np.zeros(len(negatives))]
        theirs = LinearSVC(C=1, class_weight={0: 0.05, 1: 1.0}, fit_intercept=False, tol=1e-8, max_iter=100_000).fit(
            x, y
        )
        np.testing.assert_allclose(row, theirs.coef_[0], atol=2e-3)


def test_exemplar_svm_ranks_its_own_category_first_and_repeats():
    images, category = bars()
    features = hog(images)
    exemplars = torch.arange(0, 30)
    model = ExemplarSVM(features, category, exemplars, generator(1), negatives=100)
    every = torch.arange(240).expand(30, -1)
    score = model.similarity(exemplars, every)
    assert torch.equal(score.argmax(1), exemplars)
    for row, own in zip(score, category[exemplars], strict=True):
        auc = ev.rank_auc(row[None, category == own], row[None, category != own])
        assert auc.item() > 0.7
    ensemble = model.scores()
    assert ensemble.shape == (240, 30)
    torch.testing.assert_close(ensemble.mean(0), torch.zeros(30), atol=1e-4, rtol=0)
    # Same seed, same classifiers; another order of queries, the same scores.
    again = ExemplarSVM(features, category, exemplars, generator(1), negatives=100)
    assert torch.equal(again.weights, model.weights)
    back = exemplars.flip(0)
    torch.testing.assert_close(model.similarity(back, every), score.flip(0))


def test_exemplar_svm_converges_in_its_default_iterations():
    images, category = bars()
    inputs = ExemplarSVM(hog(images), category, torch.arange(9), generator(1), negatives=100)
    converged = ExemplarSVM(hog(images), category, torch.arange(9), generator(1), negatives=100, iterations=800)
    every = torch.arange(240).expand(9, -1)
    default, limit = (m.similarity(torch.arange(9), every) for m in (inputs, converged))
    assert (default - limit).abs().max() < 0.02 * limit.std()


def test_negatives_of_an_exemplar_are_the_other_categories():
    x, category = torch.rand(60, 6, generator=generator()), torch.arange(60) % 3
    model = ExemplarSVM(x, category, torch.tensor([0, 1, 3]), generator())
    for row, exemplar in zip(model.weights, (0, 1, 3), strict=True):
        others = model.inputs[category != category[exemplar]]
        expected = fit_exemplars(model.inputs[exemplar : exemplar + 1], others)[0]
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-3)


def test_exemplar_svm_errors():
    x, category = torch.rand(20, 6, generator=generator()), torch.arange(20) % 2
    with pytest.raises(ValueError, match="one value"):
        ExemplarSVM(x, torch.zeros(20).long(), torch.arange(3), generator())
    with pytest.raises(ValueError, match="exemplars"):
        ExemplarSVM(x, category, torch.tensor([20]), generator())
    with pytest.raises(ValueError, match="features.*NaN"):
        ExemplarSVM(x * torch.nan, category, torch.arange(3), generator())
    model = ExemplarSVM(x, category, torch.arange(3), generator())
    with pytest.raises(ValueError, match=r"no exemplars: \[7\]"):
        model.similarity(torch.tensor([1, 7]), torch.zeros(2, 4).long())


def naive_dtw(a, b):
    """Textbook recursion over two sequences, with the length of the path."""
    cost = 1 - np.array([[x @ y / np.linalg.norm(x) / np.linalg.norm(y) for y in b] for x in a])
    best = {(-1, -1): (0.0, 0)}
    for i in range(len(a)):
        for j in range(len(b)):
            moves = [best[p] for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if p in best]
            total, steps = min(moves)
            best[i, j] = (total + cost[i, j], steps + 1)
    total, steps = best[len(a) - 1, len(b) - 1]
    return total / steps


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 7))
def test_dtw_is_the_textbook_recursion_and_symmetric(seed, rows, columns):
    draw = generator(seed)
    a, b = torch.randn(3, rows, 4, generator=draw), torch.randn(2, columns, 4, generator=draw)
    ours = sequence_similarity.dtw_distance(a, b)
    theirs = [[naive_dtw(x, y) for y in b.double().numpy()] for x in a.double().numpy()]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    torch.testing.assert_close(sequence_similarity.dtw_distance(b, a).T, ours)


def test_dtw_forgives_speed_and_not_order(monkeypatch):
    draw = generator(1)
    sequence = torch.randn(6, 8, generator=draw)
    slower, reversed_ = sequence.repeat_interleave(2, dim=0), sequence.flip(0)
    others = torch.stack([slower, reversed_.repeat_interleave(2, dim=0), torch.randn(12, 8, generator=draw)])
    same, backwards, other = sequence_similarity.dtw_distance(sequence[None], others)[0]
    assert same.item() == pytest.approx(0, abs=1e-5)
    assert min(backwards, other) > 0.2
    # The frame similarities cannot tell the order.
    for mode in ("average", "max"):
        forward, back = sequence_similarity.frame_similarity(sequence[None], others[:2], mode)[0]
        torch.testing.assert_close(forward, back)
    many = torch.randn(9, 5, 8, generator=draw)
    whole = sequence_similarity.dtw_distance(many, many)
    monkeypatch.setattr(sequence_similarity, "PAIRS", 500)
    torch.testing.assert_close(sequence_similarity.dtw_distance(many, many), whole)
    torch.testing.assert_close(whole.diagonal(), torch.zeros(9), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("mode", "combine"), [("average", np.mean), ("max", np.max)])
def test_frame_similarity_is_all_pairs(mode, combine):
    draw = generator(3)
    a, b = torch.randn(4, 5, 6, generator=draw), torch.randn(3, 7, 6, generator=draw)
    unit_a, unit_b = (x.numpy() / np.linalg.norm(x.numpy(), axis=2, keepdims=True) for x in (a, b))
    expected = [[combine(x @ y.T) for y in unit_b] for x in unit_a]
    np.testing.assert_allclose(sequence_similarity.frame_similarity(a, b, mode), expected, atol=1e-5)


def test_sequence_errors():
    with pytest.raises(ValueError, match="query"):
        sequence_similarity.dtw_distance(torch.rand(3, 4), torch.rand(3, 4, 2))
    with pytest.raises(ValueError, match="gallery"):
        sequence_similarity.dtw_distance(torch.rand(3, 4, 2), torch.full((3, 4, 2), torch.nan))
    with pytest.raises(ValueError, match="dimensions"):
        sequence_similarity.frame_similarity(torch.rand(3, 4, 2), torch.rand(3, 4, 3))
    with pytest.raises(ValueError, match="mode"):
        sequence_similarity.frame_similarity(torch.rand(3, 4, 2), torch.rand(3, 4, 2), "mean")


def test_ground_truth_neighbours_bound_every_other_choice():
    draw = generator(6)
    train, query = 10 * torch.randn(60, 5, 2, generator=draw), 10 * torch.randn(25, 5, 2, generator=draw)
    index = ground_truth.nearest_by_joints(query, train)
    by_hand = (query[:, None] - train).norm(dim=-1).mean(-1).argmin(1)
    assert torch.equal(index, by_hand)
    groups = torch.arange(60) // 6
    own = ground_truth.nearest_by_joints(train, train, query_groups=groups, train_groups=groups)
    assert (groups[own] != groups).all()
    limbs, parts = ((0, 1), (1, 2), (3, 4)), ("a", "b", "c")
    bound = ev.pcp(train[index], query, limbs, parts)["mean"]
    anyone = ev.pcp(train[torch.randint(60, (25,), generator=draw)], query, limbs, parts)["mean"]
    assert bound > anyone
    query[3] = torch.nan
    with pytest.raises(ValueError, match="row 3"):
        ground_truth.nearest_by_joints(query, train)
    with pytest.raises(ValueError, match="go together"):
        ground_truth.nearest_by_joints(query, train, query_groups=groups)


def test_joint_similarity_is_perfect_on_its_own_benchmark():
    draw = generator(7)
    joints = torch.randn(200, 6, 2, generator=draw)
    joints[torch.rand(200, 6, generator=draw) < 0.05] = torch.nan
    category, subject = torch.arange(200) % 2, torch.arange(200) // 2 % 5
    benchmark = ev.pose_benchmark(joints, category, subject, generator(8), similar=10, dissimilar=10)
    assert ev.pose_auc(ground_truth.JointSimilarity(joints), benchmark)["mean"] == 1
