"""Learned baselines: how their classes are made, and that each learns them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning import assert_beats_chance, assert_overfits_one_batch, backbone, frozen_clips, held_out_accuracy

from course_lib import baselines, training
from course_lib.data.videos import ClipSampler, FrameSampler, VideoSet


def blobs(groups=6, each=5, dimensions=4, spread=0.05, seed=0):
    """Points in well separated groups: features (N, D), group of each (N,)."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(groups, dimensions, generator=draw) * 3
    member = torch.arange(groups).repeat_interleave(each)
    points = centres[member] + spread * torch.randn(groups * each, dimensions, generator=draw)
    order = torch.randperm(len(points), generator=draw)
    return points[order], member[order]


# --- exemplar CNN ---


def test_exemplar_classes_are_transformations_of_seeds(moving_dots, generator):
    seeds = moving_dots.frames[::16]
    method = baselines.ExemplarCNN(backbone(), len(seeds))
    images, labels = baselines.ExemplarCNN.batches(seeds, batch=20)(generator)
    assert torch.equal(images, seeds[labels].float() / 255)
    changed, same_labels = method.pretext((images, labels), generator)
    assert torch.equal(same_labels, labels)
    assert ((changed - images).abs().mean((1, 2, 3)) > 1e-3).all()
    assert method.chance == 1 / 16


def test_exemplar_cnn_learns(moving_dots, generator):
    seeds = moving_dots.frames[::16]  # one per video: the transformations are what is held out
    batches = baselines.ExemplarCNN.batches(seeds, batch=32)
    assert_overfits_one_batch(baselines.ExemplarCNN(backbone(), 16), batches(generator), steps=60, loss=0.2)
    assert_beats_chance(baselines.ExemplarCNN(backbone(), 16), batches, batches, steps=60, margin=0.2)


# --- clique CNN ---


def test_cliques_are_the_groups_of_separated_points():
    points, member = blobs()
    cliques = baselines.compact_cliques(-torch.cdist(points, points), 6, 5)
    assert cliques.unique().numel() == 30  # disjoint
    groups = member[cliques]
    assert (groups == groups[:, :1]).all()
    assert sorted(groups[:, 0].tolist()) == list(range(6))


@given(st.integers(0, 2**31), st.integers(2, 5))
def test_cliques_equal_a_naive_construction(seed, size):
    points = torch.randn(14, 3, generator=torch.Generator().manual_seed(seed))
    similarity = -torch.cdist(points, points)
    grown = []
    for first in range(14):
        clique = [first]
        while len(clique) < size:
            rest = [i for i in range(14) if i not in clique]
            clique.append(max(rest, key=lambda i: min(similarity[i, j].item() for j in clique)))  # noqa: B023
        worst = min(similarity[a, b].item() for a in clique for b in clique if a != b)
        grown.append((worst, -first, set(clique)))
    expected = []
    for _, _, clique in sorted(grown, key=lambda row: row[:2], reverse=True):
        if all(clique.isdisjoint(other) for other in expected):
            expected.append(clique)
    found = baselines.compact_cliques(similarity, len(expected), size)
    # Two samples may grow the same clique with equal compactness; as sets they are the same.
    assert [set(c) for c in found.tolist()] == expected
    # More than these come from the samples that are left, until none are.
    most = 14 // size
    every = baselines.compact_cliques(similarity, most, size)
    assert every.unique().numel() == most * size
    assert [set(c) for c in every[: len(expected)].tolist()] == expected[:most]
    with pytest.raises(ValueError, match="count is"):
        baselines.compact_cliques(similarity, most + 1, size)
    with pytest.raises(ValueError, match="only 0 disjoint cliques"):
        baselines.compact_cliques(torch.full((14, 14), -torch.inf), 1, size)


def test_forbidden_pairs_never_meet():
    points, _ = blobs()
    similarity = -torch.cdist(points, points)
    near_in_time = (torch.arange(30)[:, None] - torch.arange(30)).abs() <= 2
    cliques = baselines.compact_cliques(similarity.masked_fill(near_in_time, -torch.inf), 4, 4)
    for a, b in ((0, 1), (1, 2), (0, 3)):
        assert ((cliques[:, a] - cliques[:, b]).abs() > 2).all()
    with pytest.raises(ValueError, match="without NaN"):
        baselines.compact_cliques(similarity * torch.nan, 2, 3)


def test_batches_hold_cliques_that_are_further_apart_than_usual(generator):
    points, _ = blobs(groups=20, each=4)
    similarity = -torch.cdist(points, points)
    cliques = baselines.compact_cliques(similarity, 20, 4)
    between = baselines.clique_similarity(similarity, cliques)
    reference = [[similarity[a][:, b].mean() for b in cliques] for a in cliques]
    torch.testing.assert_close(between, torch.tensor(reference))
    groups = baselines.distant_groups(between, 5, generator)
    assert groups.shape == (20, 5)
    assert torch.equal(groups[:, 0], torch.arange(20))  # every clique is used
    assert all(len(set(g)) == 5 for g in groups.tolist())
    apart = torch.triu_indices(5, 5, 1)
    closest = between[groups[:, apart[0]], groups[:, apart[1]]].max(1).values.mean()
    drawn = torch.rand(200, 20, generator=generator).argsort(1)[:, :5]
    assert closest < between[drawn[:, apart[0]], drawn[:, apart[1]]].max(1).values.mean()


def test_clique_cnn_learns_and_is_built_again_from_what_it_learned(moving_dots, generator):
    images = moving_dots.frames[::2]
    method = baselines.CliqueCNN(backbone(), images, generator=generator, cliques=12, size=4, per_batch=4)
    assert method.chance == 0.25
    batch = method.batches()(generator)
    assert torch.equal(batch[0], images[method.cliques[batch[2]].flatten()].float() / 255)
    assert batch[1].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert_overfits_one_batch(method, batch, steps=20)
    assert_beats_chance(method, method.batches(), method.batches(), steps=60, margin=0.3)
    cliques, weight = method.cliques.clone(), method.classifier.weight.detach().clone()
    method.rebuild(generator)
    assert not torch.equal(method.cliques, cliques)
    assert not torch.equal(method.classifier.weight, weight)
    with torch.inference_mode():
        learned = torch.nn.functional.normalize(method.eval().backbone(images.float() / 255), dim=1)
    within = (learned[method.cliques] @ learned[method.cliques].mT).mean()
    assert within > (learned @ learned.T).mean()


def test_clique_cnn_names_wrong_sizes(moving_dots, generator):
    with pytest.raises(ValueError, match="per_batch is 9"):
        baselines.CliqueCNN(backbone(), moving_dots.frames, generator=generator, cliques=8, per_batch=9)
    with pytest.raises(ValueError, match="16 samples hold 2 such cliques"):
        baselines.CliqueCNN(backbone(), moving_dots.frames[::16], generator=generator, cliques=4, per_batch=2)


# --- shuffle and learn ---


def test_triplets_are_true_or_false_with_the_same_outer_frames(generator):
    clips = (torch.arange(7) / 8)[None, :, None, None, None].expand(300, 7, 3, 32, 32).contiguous()
    triplets, labels = baselines.ShuffleAndLearn(backbone()).pretext(clips, generator)
    assert labels.tolist() == [1, 0] * 300
    times = (triplets[:, :, 0, 0, 0] * 8).round().long()
    low, high = times[:, [0, 2]].min(1).values, times[:, [0, 2]].max(1).values
    between = (times[:, 1] > low) & (times[:, 1] < high)
    assert torch.equal(between.long(), labels)
    assert torch.equal(low[0::2], low[1::2])
    assert torch.equal(high[0::2], high[1::2])
    assert 200 < (times[:, 0] < times[:, 2]).sum() < 400  # forwards and backwards
    with pytest.raises(ValueError, match="clips have 4 frames; two ordered triplets take at least 5"):
        baselines.ShuffleAndLearn(backbone()).pretext(clips[:, :4], generator)


def test_motion_windows_are_where_something_moves():
    """Two videos: in each one half stands still and the other half flickers; one flickers less than the other."""
    frames = torch.full((40, 3, 8, 8), 100, dtype=torch.uint8)
    frames[10:20:2], frames[20:30:2] = 130, 110
    videos = VideoSet("halves", frames, torch.tensor([0, 20, 40]))
    starts = baselines.motion_starts(videos, 5, keep=0.3)
    assert set(starts.tolist()) <= set(videos.clip_starts(5).tolist())
    assert len(starts) == 2 * int(np.ceil(16 * 0.3))
    first, second = starts[starts < 20], starts[starts >= 20]
    assert (first >= 9).all()  # the window from 9 holds the first change, from 9 to 10
    assert len(second) > 0
    assert (second <= 26).all()
    everything = baselines.motion_starts(videos, 5, keep=1.0)
    assert torch.equal(everything, videos.clip_starts(5))
    with pytest.raises(ValueError, match="keep is 0"):
        baselines.motion_starts(videos, 5, keep=0)


def test_frame_differences_equal_the_definition(moving_dots):
    frames = moving_dots.frames[:30]
    expected = [(b.double() - a.double()).abs().mean() / 255 for a, b in zip(frames[:-1], frames[1:], strict=True)]
    torch.testing.assert_close(baselines.frame_differences(frames).double(), torch.stack(expected), atol=1e-6, rtol=0)


def test_shuffle_and_learn_learns(moving_dots, held_out_dots, generator):
    starts = baselines.motion_starts(moving_dots, 7, stride=2)
    batches = ClipSampler(moving_dots, batch=16, length=7, stride=2, starts=starts)
    assert_overfits_one_batch(baselines.ShuffleAndLearn(backbone()), batches(generator)[:6], steps=50)
    unseen = ClipSampler(held_out_dots, batch=32, length=7, stride=2)
    assert_beats_chance(baselines.ShuffleAndLearn(backbone()), batches, unseen, steps=80, margin=0.15)


def test_identical_frames_leave_shuffle_and_learn_at_chance(generator):
    method = baselines.ShuffleAndLearn(backbone())
    training.fit(method, frozen_clips(8, 5), steps=20, generator=generator, progress=False)
    assert held_out_accuracy(method, frozen_clips(16, 5)) == 0.5


# --- supervised ---


def test_supervised_learns(moving_dots, held_out_dots, generator):
    def frames(videos, batch):
        return FrameSampler(videos, videos.factor("height"), batch=batch)

    method = baselines.Supervised(backbone(), 2)
    assert method.chance == 0.5
    assert_overfits_one_batch(method, frames(moving_dots, 12)(generator), steps=15)
    unseen = frames(held_out_dots, 64)
    assert_beats_chance(baselines.Supervised(backbone(), 2), frames(moving_dots, 24), unseen, steps=40, margin=0.4)


def test_image_sampler_checks_its_labels(moving_dots):
    with pytest.raises(ValueError, match="labels has 3 rows"):
        baselines.ImageSampler(moving_dots.frames, torch.zeros(3), batch=2)


# --- cluster LSTM ---


def test_clusters_are_the_groups_of_separated_points():
    points, member = blobs(groups=4, each=6)
    labels = baselines.cluster_sequences(torch.cdist(points, points), 4)
    together = labels[:, None] == labels
    assert torch.equal(together, member[:, None] == member)
    uneven = torch.cat([points[member == 0], points[member == 1][:2]])
    assert baselines.cluster_sequences(torch.cdist(uneven, uneven), 2).tolist() == [0] * 6 + [1] * 2


def test_cluster_input_is_checked():
    square = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    for wrong, message in (
        (square, "symmetric"),
        (square[:3], "symmetric"),
        ((square + square.T) * torch.nan, "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            baselines.cluster_sequences(wrong, 2)
    with pytest.raises(ValueError, match="clusters is 5; there are 4"):
        baselines.cluster_sequences(square + square.T, 5)


def test_cluster_lstm_learns_clusters_of_movement(moving_dots, held_out_dots, generator):
    """Two clusters of sequences: left to right, and the same played backwards."""

    def sequences(videos, batch):
        index = videos.clip_starts(4, 3)[::4, None] + torch.arange(4) * 3
        both = torch.cat([index, index.flip(1)])
        labels = torch.arange(2).repeat_interleave(len(index))
        return baselines.ClusterLSTM.batches(videos, both, labels, batch=batch)

    method = baselines.ClusterLSTM(backbone(), 2, hidden=16)
    assert_overfits_one_batch(method, sequences(moving_dots, 8)(generator), steps=30)
    assert method.sequence_features(sequences(moving_dots, 3)(generator)[0]).shape == (3, 16)
    fresh = baselines.ClusterLSTM(backbone(), 2, hidden=16)
    assert_beats_chance(fresh, sequences(moving_dots, 16), sequences(held_out_dots, 64), steps=60, margin=0.3)
