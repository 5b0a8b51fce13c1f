"""Protocols on postures and behaviour (E01, E02, E09, V01, V02, C4.2) and fine-tuning (E03)."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_lib import evaluation as ev

LIMBS = ((0, 1), (1, 2), (1, 3), (2, 4), (3, 5))
PARTS = ("torso", "upper", "upper", "lower", "lower")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def world(frames=600, categories=3, subjects=6, seed=0):
    """Poses on a closed curve per category: joints (F, 6, 2), category, subject, phase in cycles."""
    draw = generator(seed)
    phase = torch.rand(frames, generator=draw)
    category = torch.arange(frames) % categories
    subject = torch.randint(subjects, (frames,), generator=draw)
    axes = torch.randn(categories, 3, 12, generator=draw)
    angle = 2 * math.pi * phase
    wave = torch.stack([torch.ones(frames), angle.cos(), angle.sin()], dim=1)
    joints = torch.einsum("fk,fkd->fd", wave, axes[category]).view(frames, 6, 2)
    place = torch.rand(subjects, 1, 2, generator=draw) * 50 + 20
    size = 5 + 5 * torch.rand(subjects, 1, 1, generator=draw)
    return joints * size[subject] + place[subject], category, subject, phase


def flat_poses(joints):
    return ev.normalise_joints(joints).flatten(1)


# --- E01 ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_rank_auc_is_scikit_learns_and_survives_monotone_transforms(seed, ties):
    from sklearn.metrics import roc_auc_score

    draw = generator(seed)
    scores = torch.randn(5, 27, generator=draw, dtype=torch.double)
    if ties:
        scores = scores.round()
    ours = ev.rank_auc(scores[:, :11], scores[:, 11:])
    truth = np.r_[np.ones(11), np.zeros(16)]
    theirs = [roc_auc_score(truth, row) for row in scores.numpy()]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    moved = scores.mul(0.7).exp()
    torch.testing.assert_close(ev.rank_auc(moved[:, :11], moved[:, 11:]), ours)
    torch.testing.assert_close(ev.rank_auc(-scores[:, :11], -scores[:, 11:]), 1 - ours)


def test_pose_benchmark_lists_hold_what_they_promise():
    joints, category, subject, _ = world()
    made = ev.pose_benchmark(joints, category, subject, generator(1), queries_per_category=15, names=("a", "b", "c"))
    assert made.similar.shape == (45, 20)
    assert made.dissimilar.shape == (45, 20)
    poses = ev.normalise_joints(joints)
    for query, near, far in zip(made.query, made.similar, made.dissimilar, strict=True):
        both = torch.cat([near, far])
        assert (category[both] == category[query]).all()
        assert (subject[both] != subject[query]).all()
        assert len(both.unique()) == 40
        distance = (poses[both] - poses[query]).norm(dim=-1).mean(-1)
        assert distance[:20].max() < distance[20:].min()
        rows = ((category == category[query]) & (subject != subject[query])).nonzero().squeeze(1)
        every = (poses[rows] - poses[query]).norm(dim=-1).mean(-1)
        assert set(rows[every.argsort()[:20]].tolist()) == set(near.tolist())
    again = ev.pose_benchmark(joints, category, subject, generator(1), queries_per_category=15)
    assert torch.equal(made.query, again.query)
    assert torch.equal(made.dissimilar, again.dissimilar)


def test_pose_auc_is_perfect_for_poses_and_chance_for_noise():
    joints, category, subject, _ = world()
    made = ev.pose_benchmark(joints, category, subject, generator(1), names=("a", "b", "c"))
    exact = ev.pose_auc(
        lambda q, c: -ev.joint_distance(flat(joints)[q], flat(joints))[torch.arange(len(q))[:, None], c], made
    )
    assert exact == {"a": 1.0, "b": 1.0, "c": 1.0, "mean": 1.0}
    assert ev.pose_auc(flat_poses(joints), made)["mean"] > 0.95
    noise = ev.pose_auc(torch.randn(600, 64, generator=generator(9)), made)
    assert noise["mean"] == pytest.approx(0.5, abs=0.03)
    per_query = ev.query_auc(flat_poses(joints), made)
    by_hand = [per_query[made.category == c].mean().item() for c in range(3)]
    assert ev.pose_auc(flat_poses(joints), made)["mean"] == pytest.approx(sum(by_hand) / 3)


def flat(joints):
    return ev.normalise_joints(joints)


def test_poses_do_not_depend_on_place_size_or_a_missing_joint():
    joints, *_ = world(50)
    moved = joints * 3.5 + torch.tensor([100.0, -7.0])
    torch.testing.assert_close(ev.normalise_joints(moved), ev.normalise_joints(joints), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        ev.normalise_joints(moved, LIMBS, root=(1,)),
        ev.normalise_joints(joints, LIMBS, root=(1,)),
        atol=1e-4,
        rtol=1e-4,
    )
    holes = joints.clone()
    holes[:, 4] = torch.nan
    holes[3] = torch.nan
    distance = ev.joint_distance(holes, joints)
    by_hand = (joints[0, [0, 1, 2, 3, 5]] - joints[7, [0, 1, 2, 3, 5]]).norm(dim=-1).mean()
    assert distance[0, 7].item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert distance[3].isinf().all()


def test_pose_benchmark_leaves_unlabelled_frames_out():
    joints, category, subject, _ = world()
    joints[::7] = torch.nan
    made = ev.pose_benchmark(joints, category, subject, generator(2), queries_per_category=10)
    used = torch.cat([made.query, made.similar.flatten(), made.dissimilar.flatten()])
    assert not (used % 7 == 0).any()


def test_pose_errors():
    joints, category, subject, _ = world(90)
    with pytest.raises(ValueError, match="category 0.*do not fit"):
        ev.pose_benchmark(joints, category, subject, generator())
    with pytest.raises(ValueError, match="category 0"):
        ev.pose_benchmark(joints, category, torch.zeros(90).long(), generator(), similar=2, dissimilar=2)
    with pytest.raises(ValueError, match="joints"):
        ev.pose_benchmark(joints[..., 0], category, subject, generator())
    with pytest.raises(ValueError, match="group has 3"):
        ev.pose_benchmark(joints, category, subject[:3], generator())
    with pytest.raises(ValueError, match="tail"):
        ev.pose_benchmark(joints, category, subject, generator(), tail=0)
    made = ev.pose_benchmark(joints, category, subject, generator(), similar=3, dissimilar=3)
    with pytest.raises(ValueError, match="features has 5 rows"):
        ev.pose_auc(torch.rand(5, 3), made)
    with pytest.raises(ValueError, match="NaN"):
        ev.pose_auc(torch.full((90, 3), torch.nan), made)
    with pytest.raises(ValueError, match="positive"):
        ev.rank_auc(torch.rand(3, 0), torch.rand(3, 4))


# --- E02 ---------------------------------------------------------------------------------------


def test_pcp_of_the_truth_is_100_and_of_far_away_0():
    true, *_ = world(40)
    perfect = ev.pcp(true, true, LIMBS, PARTS)
    assert perfect == {"torso": 100.0, "upper": 100.0, "lower": 100.0, "mean": 100.0, "weighted mean": 100.0}
    assert ev.pcp(true + 1e4, true, LIMBS, PARTS)["mean"] == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["strict", "average"]), st.floats(0.01, 10))
def test_pcp_is_a_naive_loop_and_has_no_scale(seed, convention, scale):
    draw = generator(seed)
    true = torch.randn(12, 6, 2, generator=draw)
    predicted = true + 0.5 * torch.randn(12, 6, 2, generator=draw)
    true[draw_mask(draw)] = torch.nan
    predicted[draw_mask(draw)] = torch.nan
    right = {name: [] for name in PARTS}
    for image, ((a, b), part) in itertools.product(range(12), zip(LIMBS, PARTS, strict=True)):
        length = math.dist(true[image, a].tolist(), true[image, b].tolist())
        if math.isnan(length):
            continue
        errors = [math.dist(predicted[image, j].tolist(), true[image, j].tolist()) for j in (a, b)]
        off = max(errors) if convention == "strict" else sum(errors) / 2
        right[part].append(not any(map(math.isnan, errors)) and off <= length / 2)
    expected = {name: 100 * sum(values) / len(values) for name, values in right.items()}
    ours = ev.pcp(predicted, true, LIMBS, PARTS, convention)
    assert {k: ours[k] for k in expected} == pytest.approx(expected, rel=1e-4)
    assert ours["mean"] == pytest.approx(sum(expected.values()) / 3, rel=1e-4)
    weights = {"torso": 1, "upper": 2, "lower": 2}
    assert ours["weighted mean"] == pytest.approx(sum(expected[k] * w for k, w in weights.items()) / 5, rel=1e-4)
    assert ev.pcp(predicted * scale, true * scale, LIMBS, PARTS, convention) == pytest.approx(ours, abs=2)


def draw_mask(draw):
    return torch.rand(12, 6, generator=draw) < 0.05


def test_the_two_means_of_table_3_2():
    """The printed cells of DeepCut: 85.0 is their weighted mean, 86.9 the plain one."""
    rates = {
        "torso": 96.0,
        "upper legs": 91.0,
        "lower legs": 83.5,
        "upper arms": 82.8,
        "lower arms": 71.8,
        "head": 96.2,
    }
    parts = [name for name, n in zip(rates, (1, 2, 2, 2, 2, 1), strict=True) for _ in range(n)]
    limbs = [(2 * i, 2 * i + 1) for i in range(10)]
    true = torch.zeros(1000, 20, 2)
    true[:, 1::2, 0] = 1
    predicted = true.clone()
    for limb, part in enumerate(parts):
        predicted[round(10 * rates[part]) :, 2 * limb] += 5
    ours = ev.pcp(predicted, true, limbs, parts)
    assert {k: ours[k] for k in rates} == pytest.approx(rates, abs=0.01)
    assert ours["mean"] == pytest.approx(86.9, abs=0.05)
    assert ours["weighted mean"] == pytest.approx(85.0, abs=0.05)


def test_a_part_nobody_labelled_is_in_no_mean():
    true, *_ = world(10)
    holes = true.clone()
    holes[:, 0] = torch.nan
    ours = ev.pcp(true, holes, LIMBS, PARTS)
    assert math.isnan(ours["torso"])
    assert ours["mean"] == ours["weighted mean"] == 100


def test_nearest_pose_copies_the_neighbours_joints():
    joints, _, subject, _ = world(80)
    poses = flat_poses(joints)
    assert torch.equal(ev.nearest_pose(poses, poses, joints), joints)
    copied = ev.nearest_pose(poses, poses, joints, query_groups=subject, train_groups=subject)
    assert not torch.equal(copied, joints)
    with pytest.raises(ValueError, match="train_joints has 3"):
        ev.nearest_pose(poses, poses, joints[:3])


def test_pcp_errors():
    true, *_ = world(10)
    with pytest.raises(ValueError, match="must agree"):
        ev.pcp(true[:5], true, LIMBS, PARTS)
    with pytest.raises(ValueError, match="parts has 2"):
        ev.pcp(true, true, LIMBS, PARTS[:2])
    with pytest.raises(ValueError, match="limbs"):
        ev.pcp(true, true, ((0, 6),), ("torso",))
    with pytest.raises(ValueError, match="no limb"):
        ev.pcp(true, torch.full_like(true, torch.nan), LIMBS, PARTS)
    with pytest.raises(ValueError, match="convention"):
        ev.pcp(true, true, LIMBS, PARTS, "loose")


# --- E09 ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_ten_ten_score_is_sorting_and_counting_ties_in_expectation(seed):
    draw = generator(seed)
    scores = torch.randn(4, 20, generator=draw)
    counted = [sum(int(i) < 10 for i in row.argsort(descending=True)[:10]) / 10 for row in scores]
    assert ev.ten_ten_score(scores).tolist() == pytest.approx(counted)
    coarse = torch.randint(3, (1, 20), generator=draw).float()
    shuffled = [ev.ten_ten_score(coarse + 1e-3 * torch.rand(1, 20, generator=draw)).item() for _ in range(300)]
    assert ev.ten_ten_score(coarse).item() == pytest.approx(np.mean(shuffled), abs=0.05)


def test_ten_ten_score_of_a_constant_is_chance():
    assert ev.ten_ten_score(torch.zeros(3, 20)).tolist() == pytest.approx([0.5] * 3)
    with pytest.raises(ValueError, match="similarity"):
        ev.ten_ten_score(torch.zeros(3, 19))
    with pytest.raises(ValueError, match="similarity"):
        ev.ten_ten_score(torch.full((3, 20), torch.nan))


@pytest.mark.parametrize("period", [1.0, 2 * math.pi])
def test_similarity_benchmark_lists_hold_what_they_promise(period):
    _, _, subject, phase = world(800)
    condition = torch.arange(800) % 2
    made = ev.similarity_benchmark(
        phase=phase * period, condition=condition, group=subject, generator=generator(3), period=period
    )
    assert made.candidates.shape == (30, 20)
    for reference, row in zip(made.reference, made.candidates, strict=True):
        assert (subject[row] != subject[reference]).all()
        assert len(row.unique()) == 20
        gap = (phase[row] - phase[reference]).abs()
        gap = torch.minimum(gap, 1 - gap)
        other = condition[row] != condition[reference]
        assert (gap[:10] <= 0.05 + 1e-5).all()
        assert not other[:10].any()
        assert ((gap[10:] >= 0.25 - 1e-5) | other[10:]).all()
    ring = torch.stack([(2 * math.pi * phase).cos(), (2 * math.pi * phase).sin(), condition * 2.0 - 1], dim=1)
    assert made.score(ring) == 1
    assert made.score(lambda q, c: ring[q, 2:] * ring[c, 2]) == pytest.approx(0.75, abs=0.2)
    assert made.score(torch.randn(800, 50, generator=generator(4))) == pytest.approx(0.5, abs=0.1)


def test_similarity_benchmark_errors():
    _, _, subject, phase = world(100)
    with pytest.raises(ValueError, match="both None"):
        ev.similarity_benchmark(group=subject, generator=generator())
    with pytest.raises(ValueError, match="no row has 10"):
        ev.similarity_benchmark(group=torch.zeros(100).long(), phase=phase, generator=generator())
    with pytest.raises(ValueError, match="near"):
        ev.similarity_benchmark(group=subject, phase=phase, generator=generator(), near=0.3, far=0.2)
    with pytest.raises(ValueError, match="phase has shape"):
        ev.similarity_benchmark(group=subject, phase=phase[:5], generator=generator())


# --- V01, V02, C4.2 ----------------------------------------------------------------------------


def test_stripes_of_a_walk_are_seen_and_noise_has_none():
    angle = torch.arange(120) * 2 * math.pi / 12
    walk = torch.stack([angle.cos(), angle.sin()], dim=1)
    noise = torch.randn(120, 20, generator=generator(1))
    similarity = ev.self_similarity(walk)
    np.testing.assert_allclose(similarity, np.corrcoef(np.c_[walk, -walk]), atol=1e-5)
    clear = ev.stripe_contrast(similarity, period=12.0)
    assert clear > 1.5
    assert ev.stripe_contrast(similarity, phase=angle, period=2 * math.pi) == pytest.approx(clear, abs=1e-4)
    assert abs(ev.stripe_contrast(ev.self_similarity(noise), period=12.0)) < 0.15
    weak = ev.stripe_contrast(ev.self_similarity(torch.cat([walk, 2 * noise], dim=1)), period=12.0)
    assert 0.0 < weak < clear
    # A drift that only makes neighbours in time similar is no stripe.
    drift = torch.stack([torch.ones(120), torch.linspace(-1, 1, 120)], dim=1)
    assert abs(ev.stripe_contrast(ev.self_similarity(drift), period=12.0)) < 0.3
    assert ev.stripe_contrast(similarity * 0.1 + 0.9, period=12.0) == pytest.approx(clear, rel=1e-3)
    with pytest.raises(ValueError, match="no pair"):
        ev.stripe_contrast(similarity, period=1000.0)


def test_means_of_consistent_neighbours_are_sharper():
    image = (torch.rand(3, 8, 8, generator=generator(2)) * 255).byte()
    others = (torch.rand(30, 3, 8, 8, generator=generator(3)) * 255).byte()
    images = torch.cat([image.expand(20, -1, -1, -1), others])
    means = ev.mean_images(images, torch.stack([torch.arange(20), torch.arange(20, 40)]))
    torch.testing.assert_close(means[0], image.float() / 255)
    torch.testing.assert_close(means[1], others[:20].float().mean(0) / 255)
    sharp, blurred = ev.gradient_energy(means)
    assert sharp > 5 * blurred
    assert ev.gradient_energy(torch.full((1, 3, 4, 4), 0.3)).item() == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(-10, 10))
def test_circular_correlation_is_the_sum_over_pairs(seed, turn):
    draw = generator(seed)
    a = torch.rand(25, generator=draw, dtype=torch.double) * 2 * math.pi
    b = a + torch.randn(25, generator=draw, dtype=torch.double)
    x, y = np.sin(a.numpy()[:, None] - a.numpy()), np.sin(b.numpy()[:, None] - b.numpy())
    ours = ev.circular_correlation(a, b)
    assert ours == pytest.approx((x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum()), abs=1e-9)
    assert ev.circular_correlation(a + turn, b) == pytest.approx(ours, abs=1e-7)
    assert ev.circular_correlation(-a, b) == pytest.approx(-ours, abs=1e-9)
    assert ev.circular_correlation(a, a + turn) == pytest.approx(1, abs=1e-9)


def test_a_ring_anywhere_gives_its_phase_back():
    phase = torch.rand(300, generator=generator(1)) * 2 * math.pi
    ring = torch.stack([phase.cos(), -phase.sin()], dim=1) * 4 + torch.tensor([100.0, -30.0])
    ring += 0.2 * torch.randn(300, 2, generator=generator(2))
    assert ev.circular_correlation(ev.embedding_angle(ring), phase) < -0.98
    blob = torch.randn(300, 2, generator=generator(3))
    assert abs(ev.circular_correlation(ev.embedding_angle(blob), phase)) < 0.2
    with pytest.raises(ValueError, match="line"):
        ev.embedding_angle(torch.arange(5.0)[:, None].expand(-1, 2))
    with pytest.raises(ValueError, match="constant"):
        ev.circular_correlation(torch.zeros(300), phase)


# --- E03 ---------------------------------------------------------------------------------------


class TinyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = 8
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.fc6 = nn.Sequential(nn.Flatten(), nn.Linear(8 * 4, 8), nn.ReLU())

    def forward(self, images):
        return self.fc6(self.conv(images))


def stripes(rows=96, seed=0):
    """Horizontal or vertical stripes in noise, uint8, with labels 2 and 5."""
    labels = torch.arange(rows) % 2
    line = torch.tensor([0.0, 1.0] * 4).expand(8, 8)
    clean = torch.where(labels[:, None, None, None] == 1, line, line.T)
    noisy = 0.3 * clean + 0.7 * torch.rand(rows, 3, 8, 8, generator=generator(seed))
    return (noisy * 255).byte(), torch.tensor([2, 5])[labels]


def test_finetune_learns_leaves_the_backbone_alone_and_repeats():
    torch.manual_seed(0)
    backbone = TinyNet()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    (x, y), (test_x, test_y) = stripes(), stripes(seed=1)
    runs = [
        ev.finetune(backbone, x, y, test_x, test_y, generator=generator(4), steps=60, batch=32, lr=1e-2)
        for _ in range(2)
    ]
    assert runs[0].accuracy > 0.9
    assert len(runs[0].curve) == 60
    assert runs[0].curve["loss"].iloc[-1] < runs[0].curve["loss"].iloc[0]
    assert torch.equal(runs[0].result.scores, runs[1].result.scores)
    assert set(runs[0].result.predictions.tolist()) <= {2, 5}
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])
    # Videos of both halves: averaged over frames, one row each.
    groups = torch.arange(96) % 8
    videos = ev.finetune(backbone, x, y, test_x, test_y, generator=generator(4), steps=2, test_groups=groups, keep=None)
    assert len(videos.result.correct) == 8


def test_reset_keeps_the_convolutions_and_draws_the_rest_from_the_generator():
    nets = [TinyNet() for _ in range(2)]
    conv = [net.conv[0].weight.clone() for net in nets]
    state = torch.get_rng_state()
    for net in nets:
        ev.reset_weights(net, generator(7), keep="conv")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(nets[0].conv[0].weight, conv[0])
    assert not torch.equal(nets[0].conv[0].weight, nets[1].conv[0].weight)
    assert torch.equal(nets[0].fc6[1].weight, nets[1].fc6[1].weight)


def test_supervised_mirrors_half_of_the_images():
    method = ev.Supervised(TinyNet(), 2)
    images = torch.rand(400, 3, 8, 8, generator=generator(1))
    inputs, _ = method.pretext((images, torch.zeros(400).long()), generator(2))
    mirrored = (inputs != images).flatten(1).any(1)
    assert torch.equal(inputs[mirrored], images[mirrored].flip(-1))
    assert 150 < int(mirrored.sum()) < 250


def test_finetune_errors():
    x, y = stripes(8)
    with pytest.raises(ValueError, match="keep is 'convs'"):
        ev.finetune(TinyNet(), x, y, x, y, generator=generator(), keep="convs")
    with pytest.raises(ValueError, match="test_labels"):
        ev.finetune(TinyNet(), x, y, x, y + 1, generator=generator())
    with pytest.raises(ValueError, match="labels"):
        ev.finetune(TinyNet(), x, torch.zeros(8).long(), x, torch.zeros(8).long(), generator=generator())
    with pytest.raises(ValueError, match="labels has 3"):
        ev.finetune(TinyNet(), x, y[:3], x, y, generator=generator())
