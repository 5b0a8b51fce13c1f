"""Contrastive and siamese learning: the losses are their formulas (loops here, and lightly's where it is installed),
queue, bank, momentum and codes do what they say, what prevents collapse does, and each method learns."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from learning import assert_beats_chance, assert_overfits_one_batch, backbone, held_out_accuracy

from course_lib import training
from course_lib.methods.contrastive import (
    BYOL,
    CPC,
    NPID,
    MoCo,
    Momentum,
    SimCLR,
    SimSiam,
    SwAV,
    cut_patches,
    info_nce,
    info_nce_logits,
    mlp,
    nce,
    negative_cosine,
    nt_xent,
    nt_xent_logits,
    sinkhorn,
    swapped_prediction,
)
from course_lib.methods.contrastive.losses import partners
from course_lib.models import SmallResNet, largest_tensor
from course_lib.transforms import Views

VIEWS = Views(area=(0.4, 1), brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, grey=0.1, sigma=(0.1, 1.0))
METHODS = {
    "SimCLR": lambda **options: SimCLR(backbone(), VIEWS, **options),
    "MoCo v1": lambda **options: MoCo(backbone(), VIEWS, **{"version": 1, "queue": 64, "dim": 32, **options}),
    "MoCo v2": lambda **options: MoCo(backbone(), VIEWS, **{"queue": 64, "dim": 32, **options}),
    "SwAV": lambda **options: SwAV(backbone(), VIEWS, **{"prototypes": 32, "dim": 32, **options}),
    "BYOL": lambda **options: BYOL(backbone(), VIEWS, **{"dim": 32, "momentum": 0.9, **options}),
    "SimSiam": lambda **options: SimSiam(backbone(), VIEWS, **{"dim": 32, "hidden": 32, **options}),
}


def pictures(count, seed, size=32):
    """Smooth grounds with a smooth object of another colour: each picture its own."""
    draw = torch.Generator().manual_seed(seed)

    def smooth(channels, cells):
        noise = torch.rand(count, channels, cells, cells, generator=draw)
        return F.interpolate(noise, (size, size), mode="bilinear")

    return torch.where(smooth(1, 6) > 0.5, smooth(3, 3), torch.rand(count, 3, 1, 1, generator=draw))


def patterns(count, seed):
    """Grey shades, each picture its own."""
    noise = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, (32, 32), mode="bilinear").expand(-1, 3, -1, -1).contiguous()


def tinted(images, generator):
    """Two views: the same shades in other colours, which is all that an untrained network sees of them."""
    both = images.repeat(2, 1, 1, 1)
    gain, shift = torch.rand(2, len(both), 3, 1, 1, generator=generator)
    return (both * (0.3 + 0.4 * gain) + 0.3 * shift).unflatten(0, (2, len(images)))


def sampler(images, batch):
    return lambda generator: images[torch.randperm(len(images), generator=generator)[:batch]]


def embeddings(count, dim, seed=0, many=2):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(count, dim, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(many)]


def assert_equal_with_gradient(ours, theirs, inputs, **tolerance):
    """Both are functions of ``inputs``: the same value, the same gradient for each."""
    values = [function(*inputs) for function in (ours, theirs)]
    torch.testing.assert_close(*values, **tolerance)
    for mine, other in zip(*(torch.autograd.grad(value, inputs) for value in values), strict=True):
        torch.testing.assert_close(mine, other, **tolerance)


# --- losses


def looped_nt_xent(first, second, temperature):
    """002 eq. 1, pair by pair."""
    rows = [row / row.norm() for row in torch.cat([first, second])]
    count = len(first)
    total = 0
    for i in range(2 * count):
        others = sum((rows[i].dot(rows[k]) / temperature).exp() for k in range(2 * count) if k != i)
        total = total - ((rows[i].dot(rows[(i + count) % (2 * count)]) / temperature).exp() / others).log()
    return total / (2 * count)


def looped_info_nce(queries, keys, queue, temperature):
    """002 eq. 2, pair by pair."""
    total = 0
    for q, k in zip(queries, keys, strict=True):
        positive = (F.cosine_similarity(q, k, dim=0) / temperature).exp()
        negatives = sum((F.cosine_similarity(q, other, dim=0) / temperature).exp() for other in queue)
        total = total - (positive / (positive + negatives)).log()
    return total / len(queries)


@given(st.integers(1, 5), st.integers(2, 6), st.floats(0.05, 2), st.integers(0, 2**31))
def test_nt_xent_is_the_loop(count, dim, temperature, seed):
    assert_equal_with_gradient(
        lambda a, b: nt_xent(a, b, temperature),
        lambda a, b: looped_nt_xent(a, b, temperature),
        embeddings(count, dim, seed),
    )


@given(st.integers(1, 4), st.integers(1, 6), st.floats(0.05, 2), st.integers(0, 2**31))
def test_info_nce_is_the_loop(count, queue, temperature, seed):
    negatives = embeddings(queue, 4, seed + 1, many=1)[0]
    assert_equal_with_gradient(
        lambda a, b, c: info_nce(a, b, c, temperature),
        lambda a, b, c: looped_info_nce(a, b, c, temperature),
        [*embeddings(count, 4, seed), negatives],
    )


def test_values_of_the_losses():
    same = torch.ones(6, 4)
    assert nt_xent(same, same).item() == pytest.approx(math.log(11))
    assert info_nce(same, same, torch.ones(9, 4)).item() == pytest.approx(math.log(10))
    away = torch.cat([torch.ones(1, 4), -torch.ones(1, 4)])  # both views alike, the negatives opposite
    floor = -math.log(math.exp(2) / (math.exp(2) + 2 * math.exp(-2)))
    assert nt_xent(away, away, 0.5).item() == pytest.approx(floor, rel=1e-5)
    assert negative_cosine(same, 3 * same).item() == pytest.approx(-1)
    assert negative_cosine(same, -same).item() == pytest.approx(1)


def test_cross_entropy_of_the_logits_is_the_loss():
    first, second = embeddings(5, 3)
    logits, positive = nt_xent_logits(first, second, 0.2)
    torch.testing.assert_close(F.cross_entropy(logits, partners(5)), nt_xent(first, second, 0.2))
    torch.testing.assert_close(logits.gather(1, partners(5)[:, None])[:, 0], positive)
    assert (logits.diagonal() == -math.inf).all()
    assert torch.equal(partners(3), torch.tensor([3, 4, 5, 0, 1, 2]))


def test_negative_cosine_is_the_distance_of_byol():
    first, second = embeddings(5, 3)
    distance = lambda a, b: (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).mean()  # noqa: E731
    assert_equal_with_gradient(lambda a, b: 2 + 2 * negative_cosine(a, b), distance, (first, second))


def test_no_tensor_is_larger_than_the_matrix_of_similarities():
    first, second = (torch.randn(16, 64, requires_grad=True) for _ in range(2))
    assert largest_tensor(lambda: nt_xent(first, second).backward()) == max(32 * 32, 32 * 64)
    queue = torch.randn(200, 64)
    assert largest_tensor(lambda: info_nce(first, second, queue).backward()) <= max(16 * 201, 200 * 64)


def test_similarities_keep_their_bits_under_autocast():
    first, second = torch.randn(2, 8, 16)
    queue = torch.randn(20, 16)
    plain = nt_xent(first, second, 0.07), info_nce(first, second, queue)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = nt_xent(first, second, 0.07), info_nce(first, second, queue)
        low = nt_xent(first.bfloat16(), second.bfloat16())
    assert mixed == plain
    assert low.dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_losses_are_lightlys(temperature):
    """NT-Xent without and with a memory bank, negative cosine, SwAV: value and gradient."""
    loss = pytest.importorskip("lightly.loss")
    first, second = (one.detach().float().requires_grad_() for one in embeddings(8, 6))
    close = {"atol": 1e-5, "rtol": 1e-4}
    theirs = loss.NTXentLoss(temperature=temperature, memory_bank_size=0)
    assert_equal_with_gradient(lambda a, b: nt_xent(a, b, temperature), theirs, (first, second), **close)
    for_queue = loss.NTXentLoss(temperature=temperature, memory_bank_size=(12, 6))
    queue = for_queue.memory_bank.bank.clone()
    assert_equal_with_gradient(lambda a, b: info_nce(a, b, queue, temperature), for_queue, (first, second), **close)
    assert_equal_with_gradient(negative_cosine, loss.NegativeCosineSimilarity(), (first, second), **close)
    scores = [F.normalize(one.detach(), dim=1).requires_grad_() for one in (first, second)]

    def ours(a, b):
        pairs = ((sinkhorn(a), b), (sinkhorn(b), a))
        return sum(swapped_prediction(codes, other, temperature) for codes, other in pairs) / 2

    theirs = loss.SwaVLoss(temperature=temperature)
    assert_equal_with_gradient(ours, lambda a, b: theirs([a, b], []).squeeze(), scores, **close)


# --- Sinkhorn and SwAV


@given(st.integers(1, 12), st.integers(1, 9), st.sampled_from([0.01, 0.05, 1.0]), st.integers(0, 2**31))
def test_codes_share_the_prototypes_out(batch, count, epsilon, seed):
    scores = 2 * torch.rand(batch, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    codes = sinkhorn(scores, epsilon, 3)
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(1), torch.ones(batch, dtype=torch.float64))
    if epsilon == 1.0:
        columns = sinkhorn(scores, epsilon, 200).sum(0)
        torch.testing.assert_close(columns, torch.full_like(columns, batch / count), rtol=1e-6, atol=0)


def test_codes_are_the_iteration_of_the_paper():
    scores = torch.rand(6, 4, dtype=torch.float64) * 2 - 1
    mass = (scores / 0.1).exp().T
    for _ in range(3):
        mass = mass / mass.sum(1, keepdim=True) / 4
        mass = mass / mass.sum(0, keepdim=True) / 6
    torch.testing.assert_close(sinkhorn(scores, 0.1, 3), (6 * mass).T)
    assert sinkhorn(torch.rand(4, 3) * 1e4, 0.001).isfinite().all()


def test_swapped_prediction_is_the_loop():
    codes, (scores,) = sinkhorn(torch.rand(3, 4, dtype=torch.float64)), embeddings(3, 4, many=1)

    def looped(scores):
        total = 0
        for i in range(3):
            whole = sum((scores[i, k] / 0.1).exp() for k in range(4))
            total = total - sum(codes[i, k] * ((scores[i, k] / 0.1).exp() / whole).log() for k in range(4))
        return total / 3

    assert_equal_with_gradient(lambda s: swapped_prediction(codes, s, 0.1), looped, [scores])


def test_small_crops_predict_the_codes_of_large_ones(generator):
    net = SmallResNet(8, 4)
    small = Views(area=(0.05, 0.3), size=16, count=3)
    method = SwAV(net, VIEWS, small_views=small, dim=8, prototypes=6)
    images, sizes, losses = pictures(4, 0), [], []
    embed, codes = method.embed, method.codes
    method.embed = lambda many: (sizes.append(tuple(many.shape)), embed(many))[1]
    method.codes = lambda scores: (losses.append(scores), codes(scores))[1]
    parts = method.training_loss(images, generator)
    parts["loss"].backward()
    assert sizes == [(8, 3, 32, 32), (12, 3, 16, 16)]
    assert len({id(scores) for scores in losses}) == 2  # codes of the two large views only
    assert method.prototypes.grad.abs().sum() > 0
    assert 1 <= parts["used"] <= 6


def test_without_balance_codes_are_a_softmax():
    method = METHODS["SwAV"](iterations=0)
    scores = torch.rand(3, 32)
    torch.testing.assert_close(method.codes(scores), (scores / 0.05).softmax(1))


# --- momentum, queue, bank


@given(st.floats(0, 1), st.integers(0, 2**31))
def test_the_copy_follows_exactly(momentum, seed):
    torch.manual_seed(seed)
    network = mlp(3, 4, 2, norm=True)
    follower = Momentum(network, momentum)
    before = copy.deepcopy(follower.copy)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight))
    follower.follow(network)
    for old, new, target in zip(before.parameters(), follower.copy.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(new, momentum * old + (1 - momentum) * target)
        assert not new.requires_grad
    if momentum in (0, 1):
        source = network if momentum == 0 else before
        assert all(torch.equal(a, b) for a, b in zip(follower.copy.parameters(), source.parameters(), strict=True))


@pytest.mark.parametrize(("name", "part"), [("MoCo v2", "key_encoder"), ("BYOL", "target")])
def test_the_copy_moves_in_training_only_and_has_no_gradient(name, part, generator):
    method = METHODS[name](momentum=0.5)
    follower = getattr(method, part)
    with torch.no_grad():
        for weight in method.parameters():
            weight.add_(0.1)
        for weight in follower.parameters():
            weight.sub_(0.1)  # as it was
    before = [weight.clone() for weight in follower.parameters()]
    images = pictures(8, 0)
    method.eval().training_loss(images, generator)
    assert all(torch.equal(a, b) for a, b in zip(before, follower.parameters(), strict=True))
    method.train().training_loss(images, generator)["loss"].backward()
    for old, new in zip(before, follower.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.05)
    assert all(weight.grad is None for weight in follower.parameters())
    assert all(weight.grad is not None for weight in method.backbone.parameters())


@given(st.lists(st.sampled_from([1, 2, 3, 6]), min_size=1, max_size=9))
def test_the_queue_is_first_in_first_out(sizes):
    method = MoCo(backbone(4), VIEWS, queue=6, dim=2)
    expected, number = list(method.queue), 0
    for size in sizes:
        keys = torch.arange(number, number + size)[:, None].expand(-1, 2).float()
        number += size
        place = int(method.oldest)
        for key in keys:  # takes the place of the oldest
            expected[place % 6] = key
            place += 1
        method.enqueue(keys)
        assert torch.equal(method.queue, torch.stack(expected))
    newest = [number - 1 - back for back in range(min(6, number))]
    assert {float(row[0]) for row in method.queue} >= {float(value) for value in newest}
    assert not method.queue.requires_grad


def test_keys_enter_the_queue_after_the_loss(generator):
    method = METHODS["MoCo v2"]().train()
    images, before = pictures(8, 0), method.queue
    state = generator.get_state()
    parts = method.training_loss(images, generator)
    assert torch.equal(method.queue[8:], before[8:])
    assert not torch.equal(method.queue[:8], before[:8])
    torch.testing.assert_close(method.queue.norm(dim=1), torch.ones(64))
    assert method.chance == 1 / 65
    generator.set_state(state)
    first, second = VIEWS(images, generator)
    with torch.no_grad():
        queries, keys = method.embed(first), method.key_encoder(second)
    torch.testing.assert_close(parts["loss"].detach(), info_nce(queries, keys, before, method.temperature))
    torch.testing.assert_close(method.queue[:8], F.normalize(keys, dim=1))


def test_shuffled_keys_come_back_to_their_places():
    method = METHODS["MoCo v2"](groups=2)
    images = torch.rand(6, 3, 2, 2)
    order = torch.tensor([4, 0, 5, 2, 1, 3])

    def centred(some):  # as batch norm does
        return some.flatten(1) - some.flatten(1).mean(0)

    found = method.encode(centred, images, order)
    rows = {}
    for part in ([4, 0, 5], [2, 1, 3]):
        rows.update(zip(part, centred(images[part]), strict=True))
    torch.testing.assert_close(found, F.normalize(torch.stack([rows[i] for i in range(6)]), dim=1))


def test_the_two_versions_of_moco_differ_in_the_head():
    one, two = METHODS["MoCo v1"](), METHODS["MoCo v2"]()
    assert [type(layer).__name__ for layer in one.projector] == ["Linear"]
    assert [type(layer).__name__ for layer in two.projector] == ["Linear", "ReLU", "Linear"]


def test_nce_is_its_formula():
    positive, noise = (one.requires_grad_() for one in (torch.randn(3).double(), torch.randn(3, 5).double()))
    images, constant = 20, 7.0

    def looped(positive, noise):
        total, share = 0, 5 / images
        for right, wrong in zip(positive, noise, strict=True):
            right, wrong = right.exp() / constant, wrong.exp() / constant
            total = total - (right / (right + share)).log()
            for one in wrong:
                total = total - (1 - one / (one + share)).log()
        return total / 3

    close = {"atol": 1e-5, "rtol": 1e-5}  # the constants of the loss are float32
    assert_equal_with_gradient(lambda p, n: nce(p, n, images, constant), looped, (positive, noise), **close)


def test_the_bank_remembers_what_was_seen(generator):
    method = NPID(backbone(), 20, dim=8, momentum=0.25).train()
    images, numbers = pictures(4, 0), torch.tensor([3, 19, 0, 7])
    before = method.bank
    parts = method.training_loss((images, numbers), generator)
    with torch.no_grad():
        seen = method(images)
    expected = before.clone()
    for row, number in zip(seen, numbers, strict=True):
        mixed = 0.25 * before[number] + 0.75 * row
        expected[number] = mixed / mixed.norm()
    torch.testing.assert_close(method.bank, expected)
    torch.testing.assert_close(parts["loss"].detach(), F.cross_entropy(seen @ before.T / 0.07, numbers))
    parts["loss"].backward()
    kept = method.bank
    method.eval().training_loss((images, numbers), generator)
    assert torch.equal(method.bank, kept)


def test_nce_estimates_its_constant_once(generator):
    method = NPID(backbone(), 50, dim=8, loss="nce", samples=400).train()
    batch = pictures(8, 0), torch.arange(8)
    method.training_loss(batch, generator)
    first = method.constant.clone()
    assert first > 0
    method.training_loss(batch, generator)
    assert torch.equal(first, method.constant)


# --- CPC


def cpc(**options):
    return CPC(SmallResNet(8, 8), **{"hidden": 16, **options})


def test_patches_overlap_by_half():
    images = torch.rand(2, 3, 32, 32)
    patches = cut_patches(images, 8, 4)
    assert patches.shape == (2, 7, 7, 3, 8, 8)
    for row, column in ((0, 0), (2, 5), (6, 6)):
        expected = images[:, :, 4 * row : 4 * row + 8, 4 * column : 4 * column + 8]
        assert torch.equal(patches[:, row, column], expected)
    assert cut_patches(torch.rand(1, 3, 256, 256), 64, 32).shape[1:3] == (7, 7)


def test_the_context_knows_only_what_is_above():
    method = cpc()
    z = torch.randn(1, 7, 7, 32, requires_grad=True)
    method.context(z)[0, 3, 2].sum().backward()
    reached = z.grad[0].abs().sum(-1) > 0
    assert not reached[4:].any()
    assert reached[3, 2]
    assert reached[0].any()


def test_cpc_is_the_loop(generator):
    method = cpc(ahead=(1, 2)).eval()
    images = torch.rand(2, 3, 16, 16, generator=generator)
    parts = method.training_loss(images, generator)
    with torch.no_grad():
        z = method.encode(cut_patches(images, 8, 4))
        c = method.context(z)
        everything, losses, right = z.flatten(0, 2), [], []
        for predictor, k in zip(method.predictors, (1, 2), strict=True):
            for b in range(2):
                for i in range(3 - k):
                    for j in range(3):
                        guess = predictor(c[b, i, j])
                        scores = torch.stack([guess.dot(other) for other in everything])
                        positive = guess.dot(z[b, i + k, j])
                        losses.append(scores.logsumexp(0) - positive)
                        right.append((scores > positive).sum() == 0)
    torch.testing.assert_close(parts["loss"], torch.stack(losses).mean())
    assert float(parts["accuracy"]) == pytest.approx(float(torch.stack(right).float().mean()), abs=0.1)
    assert method.chance == 1 / 18
    assert method.features(images).shape == (2, 32)


# --- collapse


def last_steps(method, steps=40):
    images = pictures(64, 0)
    history = training.fit(
        method, sampler(images, 32), steps=steps, generator=torch.Generator().manual_seed(0), lr=1e-2, progress=False
    )
    return history.frame[["loss", "spread"]].tail(5).mean()


def test_simsiam_collapses_without_stop_gradient():
    whole, broken = (last_steps(METHODS["SimSiam"](stop_gradient=stop, norm=False)) for stop in (True, False))
    assert broken["loss"] < whole["loss"]  # the perfect answer, of which nothing is to be had
    assert broken["spread"] < 0.6 * whole["spread"], (whole, broken)


def test_batch_norm_at_the_end_of_simsiam_can_be_left_out():
    whole, without = METHODS["SimSiam"](), METHODS["SimSiam"](norm=False)
    assert [type(layer).__name__ for layer in (*whole.projector[-2:], without.projector[-1])] == [
        "Linear",
        "BatchNorm1d",
        "Linear",
    ]


@pytest.mark.parametrize("stop_gradient", [True, False])
def test_where_the_gradient_of_simsiam_goes(stop_gradient, generator):
    """The loss and gradient are those of the definition, with the targets as constants or not."""
    method, images = METHODS["SimSiam"](stop_gradient=stop_gradient).train(), pictures(6, 0)
    state = generator.get_state()
    weights = list(method.parameters())
    ours = method.training_loss(images, generator)["loss"]
    generator.set_state(state)
    first, second = (method.projector(method.backbone(view)) for view in VIEWS(images, generator))
    total = 0
    for one, other in ((first, second), (second, first)):
        other = other.data if stop_gradient else other
        predictions = method.predictor(one)
        total = total - sum(F.cosine_similarity(p, z, dim=0) for p, z in zip(predictions, other, strict=True)) / 12
    torch.testing.assert_close(ours, total)
    for mine, expected in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(total, weights), strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-5, rtol=1e-3)


# --- all of them


@pytest.mark.parametrize("name", METHODS)
def test_each_fits_one_batch(name):
    # At SimCLR's temperature of 0.5 even the best arrangement has a loss of 1.5; two pictures share a prototype.
    options = {"SimCLR": {"temperature": 0.1}, "SwAV": {"prototypes": 8}}.get(name, {})
    method, batch = METHODS[name](**options), pictures(16, 0)
    # Four batches are in MoCo's queue, all of the same pictures: the positive is one of five keys that are alike.
    floor = {"MoCo v1": math.log(5), "MoCo v2": math.log(5), "SimSiam": -1}.get(name, 0)
    assert_overfits_one_batch(method, batch, steps=60, loss=floor + 0.3)


@torch.inference_mode()
def partners_found(method):
    """How often the nearest of 32 embeddings of pictures not seen in training is that of the other view."""
    method.eval()
    draw, found = torch.Generator().manual_seed(2), []
    for _ in range(4):
        first, second = method(method.views(sampler(patterns(64, 2), 32)(draw), draw))
        found.append(((F.normalize(first, dim=1) @ F.normalize(second, dim=1).T).argmax(1) == torch.arange(32)).float())
    return float(torch.cat(found).mean())


@pytest.mark.parametrize("name", METHODS)
def test_each_learns_what_views_share(name):
    """Pictures that it has not seen, in new colours. An untrained network finds one partner in six."""
    method = METHODS[name]()
    method.views = tinted
    before = partners_found(method)
    lr = 1e-2 if name in ("SwAV", "SimSiam") else 3e-3
    batches, draw = sampler(patterns(256, 1), 32), torch.Generator().manual_seed(1)
    training.fit(method, batches, steps=60, generator=draw, lr=lr, progress=False)
    assert partners_found(method) > before + 0.1
    assert held_out_accuracy(method, sampler(patterns(64, 2), 32)) > 2 * method.chance
    assert method.features(pictures(3, 0)).shape == (3, 32)


@pytest.mark.parametrize("loss", ["softmax", "nce"])
def test_npid_learns_to_tell_pictures_apart(loss):
    images = pictures(64, 0)

    def batches(generator):
        numbers = torch.randperm(64, generator=generator)[:32]
        return images[numbers], numbers

    augment = lambda some, generator: VIEWS(some, generator)[0]  # noqa: E731
    method = NPID(backbone(), 64, augment=augment, dim=32, loss=loss, samples=32)
    assert_beats_chance(method, batches, batches, steps=80, margin=0.15)


def test_cpc_fits_one_batch():
    assert_overfits_one_batch(cpc(), pictures(4, 0), steps=40, loss=3.0)  # log(196) = 5.3 at first


def test_cpc_learns():
    """Shades go on where a patch ends, so the patch below can be told from those of other pictures."""
    method = cpc(ahead=(1,))
    assert_beats_chance(method, sampler(patterns(128, 1), 8), sampler(patterns(32, 2), 8), steps=30, margin=0.03)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nt_xent(torch.rand(2, 3), torch.rand(3, 3)), "first is"),
        (lambda: nt_xent(torch.rand(2, 3), torch.rand(2, 3), 0), "temperature is 0"),
        (lambda: info_nce_logits(torch.rand(2, 3), torch.rand(2, 3), torch.rand(4, 2)), "queue is"),
        (lambda: negative_cosine(torch.rand(3), torch.rand(3)), "predictions is"),
        (lambda: sinkhorn(torch.rand(3)), "scores is"),
        (lambda: sinkhorn(torch.rand(3, 2), iterations=0), "iterations is 0"),
        (lambda: METHODS["SimCLR"](temperature=-1), "temperature is -1"),
        (lambda: METHODS["SimCLR"]().pretext(pictures(1, 0), None), "images has 1 picture"),
        (lambda: METHODS["BYOL"]().pretext(torch.full((2, 3, 8, 8), math.nan), None), "NaN"),
        (lambda: METHODS["BYOL"](momentum=1.5), "momentum is 1.5"),
        (lambda: METHODS["MoCo v2"](version=3), "version is 3"),
        (lambda: METHODS["MoCo v2"]().enqueue(torch.rand(7, 32)), "images has 7 pictures"),
        (lambda: METHODS["SwAV"](prototypes=0), "prototypes is 0"),
        (lambda: NPID(backbone(), 5, loss="triplet"), "loss is 'triplet'"),
        (lambda: NPID(backbone(), 5, momentum=1), "momentum is 1"),
        (lambda: NPID(backbone(), 5).pretext((pictures(2, 0), torch.tensor([0, 5])), None), "numbers is"),
        (lambda: cpc(ahead=()), "ahead is empty"),
        (lambda: cpc(ahead=(7,)).pretext(torch.rand(1, 3, 32, 32), None), "7 rows of patches"),
        (lambda: cpc(patch=40).pretext(torch.rand(1, 3, 32, 32), None), "images is"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
