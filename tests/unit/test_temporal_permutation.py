"""Temporal permutation: what is shown, what is asked, the shared-frames shortcut, and that it learns order only."""

import math

import pytest
import torch
from learning import assert_beats_chance, assert_overfits_one_batch, backbone, frozen_clips, held_out_accuracy

from course_lib import training
from course_lib.data.videos import ClipSampler
from course_lib.methods import TemporalPermutation
from course_lib.models import AlexNet
from course_lib.runtime import settings_for
from course_lib.transforms import Augmentation, all_permutations, maximal_hamming_set, random_permutations


def numbered_clips(batch=5, frames=4):
    """Clips whose pixels name clip and frame, so that inputs can be read back."""
    names = torch.arange(batch)[:, None] * 0.1 + torch.arange(frames) * 0.01
    return names[:, :, None, None, None].expand(-1, -1, 3, 32, 32).clone()


def test_binary_inputs_are_interleaved_as_in_equation_3_1(generator):
    clips = numbered_clips()
    inputs, labels = TemporalPermutation(backbone()).pretext(clips, generator)
    k = torch.arange(1, len(labels) + 1)
    assert torch.equal(labels, k % 2)
    assert torch.equal(inputs[labels == 1], clips)
    shuffled = inputs[labels == 0]
    assert not (shuffled == clips).flatten(1).all(1).any()
    assert torch.equal(shuffled.sort(1).values, clips)


def test_the_identity_is_shuffled_in_only_when_asked():
    clips = numbered_clips(batch=60, frames=2)
    for exclude, expected in ((True, 0), (False, 1)):
        method = TemporalPermutation(backbone(), exclude_identity=exclude)
        inputs, labels = method.pretext(clips, torch.Generator().manual_seed(0))
        same = (inputs[labels == 0] == clips).flatten(1).all(1).any()
        assert int(same) == expected


def test_multiclass_label_is_the_permutation_applied(generator):
    orders = maximal_hamming_set(9, 4, generator)
    method = TemporalPermutation(backbone(), permutations=orders)
    clips = numbered_clips(batch=40)
    inputs, index = method.pretext(clips, generator)
    for row in range(len(clips)):
        assert torch.equal(inputs[row], clips[row, orders[index[row]]])
    assert len(index.unique()) > 5
    assert method.chance == pytest.approx(1 / 9)
    assert method.network.classifier.out_features == 9


def test_chance_of_the_binary_task_is_one_half():
    assert TemporalPermutation(backbone()).chance == 0.5


@pytest.mark.parametrize("train_mode", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_sharing_frames_changes_neither_loss_nor_gradient(train_mode, normalise):
    """In train mode too: showing every frame twice leaves batch statistics as they are."""
    results = []
    for share in (True, False):
        torch.manual_seed(1)
        method = TemporalPermutation(backbone(), hidden=6, share_frames=share, normalise=normalise)
        method.double().train(train_mode)
        clips = torch.rand(3, 4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        parts = method.training_loss(clips, torch.Generator().manual_seed(3))
        parts["loss"].backward()
        results.append((parts, [p.grad for p in method.parameters()]))
    (shared, shared_gradients), (published, gradients) = results
    torch.testing.assert_close(shared["loss"], published["loss"], atol=1e-12, rtol=0)
    assert shared["accuracy"] == published["accuracy"]
    for a, b in zip(shared_gradients, gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-8)


def test_the_published_form_augments_each_copy_by_itself(generator):
    method = TemporalPermutation(backbone(), augment=Augmentation(scale=(1.0, 1.0), brightness=0.4))
    inputs, labels = method.pretext(numbered_clips(), generator)
    assert not torch.allclose(inputs[labels == 1].amax((1, 2, 3, 4)), inputs[labels == 0].amax((1, 2, 3, 4)))


def test_wrong_input_is_named(generator):
    method = TemporalPermutation(backbone(), permutations=all_permutations(4))
    with pytest.raises(ValueError, match="clips have 5 frames; the permutations take 4"):
        method.pretext(numbered_clips(frames=5), generator)
    with pytest.raises(ValueError, match="probability_real takes the binary task"):
        method.probability_real(numbered_clips())
    for share in (True, False):
        with pytest.raises(ValueError, match="clips contains NaN"):
            TemporalPermutation(backbone(), share_frames=share).training_loss(numbered_clips() * torch.nan, generator)
    with pytest.raises(ValueError, match="P >= 2 different rows"):
        TemporalPermutation(backbone(), permutations=torch.tensor([[0, 1], [0, 1]]))
    with pytest.raises(ValueError, match="length is 1"):
        TemporalPermutation(backbone()).pretext(numbered_clips(frames=1), generator)


def test_it_overfits_one_batch(moving_dots, generator):
    clips = ClipSampler(moving_dots, batch=4, length=4, stride=3)(generator)
    assert_overfits_one_batch(TemporalPermutation(backbone(), hidden=16), clips, steps=60)


@pytest.mark.parametrize("permutations", [None, all_permutations(3)], ids=["binary", "multi-class"])
def test_it_learns_order_and_generalises(moving_dots, held_out_dots, permutations):
    torch.manual_seed(3)
    method = TemporalPermutation(backbone(), hidden=32, permutations=permutations)
    batches = ClipSampler(moving_dots, batch=12, length=3, stride=5)
    unseen = ClipSampler(held_out_dots, batch=48, length=3, stride=5)
    assert_beats_chance(method, batches, unseen, steps=90, margin=0.25, lr=5e-3)
    if permutations is None:
        clips = unseen(torch.Generator().manual_seed(7))
        real, reversed_order = method.probability_real(clips), method.probability_real(clips.flip(1))
        assert real.mean() > reversed_order.mean() + 0.2


def test_identical_frames_leave_chance(generator):
    """Frames alone say nothing: without change there is no order, however long the training (no shortcut)."""
    torch.manual_seed(0)
    method = TemporalPermutation(backbone(), hidden=16)
    training.fit(method, frozen_clips(batch=8, frames=3), steps=30, generator=generator, lr=3e-3, progress=False)
    assert held_out_accuracy(method, frozen_clips(batch=16, frames=3)) == 0.5


def test_features(moving_dots, generator):
    method = TemporalPermutation(backbone(), hidden=7, normalise=True).eval()
    clips = ClipSampler(moving_dots, batch=2, length=3)(generator)
    assert method.features(clips[:, 0]).shape == (2, method.backbone.features)
    assert method.sequence_features(clips).shape == (2, 7)
    assert torch.allclose(method.features(clips[:, 0] * 0.5 + 0.2), method.features(clips[:, 0]), atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_training_step_on_cuda_agrees_with_the_cpu():
    clips = torch.rand(4, 4, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    weights, losses = [], []
    for device in ("cpu", "cuda"):
        torch.manual_seed(1)
        method = TemporalPermutation(backbone(), hidden=8, augment=Augmentation(brightness=0.2, mode="frame"))
        history = training.fit(
            method,
            lambda _, device=device: clips.to(device),
            steps=1,
            generator=torch.Generator().manual_seed(5),
            optimiser=torch.optim.SGD,
            lr=0.1,
            device=device,
            progress=False,
        )
        losses.append(history.frame["loss"].iloc[0])
        weights.append([p.detach().cpu() for p in method.parameters()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    for cpu, cuda in zip(*weights, strict=True):
        torch.testing.assert_close(cpu, cuda, atol=2e-3, rtol=0)


def test_random_orders_cover_all_but_the_identity(generator):
    """With six orders of three frames, five are shown as shuffled."""
    clips = numbered_clips(batch=1, frames=3).expand(200, -1, -1, -1, -1)
    inputs, labels = TemporalPermutation(backbone()).pretext(clips, generator)
    orders = inputs[labels == 0][:, :, 0, 0, 0].argsort(1)
    assert len(orders.unique(dim=0)) == 5
    assert len(random_permutations(200, 3, generator).unique(dim=0)) == 5


def test_it_learns_in_bf16_as_the_course_runs_it(moving_dots, held_out_dots):
    torch.manual_seed(3)
    method = TemporalPermutation(backbone(), hidden=32, augment=Augmentation(brightness=0.1), normalise=True)
    batches = ClipSampler(moving_dots, batch=12, length=3, stride=5)
    training.fit(
        method,
        batches,
        steps=70,
        generator=torch.Generator().manual_seed(1),
        lr=5e-3,
        precision="bf16-mixed",
        progress=False,
    )
    assert held_out_accuracy(method, ClipSampler(held_out_dots, batch=48, length=3, stride=5)) > 0.75


def test_the_gpu_preset_takes_a_step_at_the_size_of_the_seeds():
    """000 section 3.5: AlexNet on frames of 75 pixels, l = 8, fc6 512, LSTM 256, a thousand permutations."""
    settings = settings_for("21", "gpu")
    assert settings["network"] == "alexnet"
    generator = torch.Generator().manual_seed(0)
    orders = maximal_hamming_set(settings["permutations"], settings["clip_length"], generator)
    net = AlexNet(settings["features"], image_size=settings["size"], stride=2, norm="batch")
    method = TemporalPermutation(net, hidden=settings["hidden"], permutations=orders)
    before = net.conv[0].weight.detach().clone()

    shape = (2, settings["clip_length"], 3, settings["size"], settings["size"])

    def batches(generator):
        return torch.rand(shape, generator=generator)

    history = training.fit(method, batches, steps=1, generator=generator, lr=settings["lr"], progress=False)
    assert history.frame["loss"].item() == pytest.approx(math.log(1000), rel=0.1)
    assert not torch.equal(before, net.conv[0].weight)
