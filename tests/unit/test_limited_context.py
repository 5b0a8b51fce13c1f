"""Limited context inpainting: what is hidden, what is pasted, the losses, and that both networks learn."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.methods import LimitedContext, paste
from course_lib.models import Inpainter, PatchDiscriminator
from course_lib.training import fit


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def stripes(count, side, draw):
    """Images of wide stripes, of another phase and colour each: a border tells how they go on."""
    phase = torch.randint(8, (count, 1, 1), generator=draw)
    wave = ((torch.arange(side) + phase) % 8 < 4).float().expand(-1, side, -1)
    return 0.2 + 0.6 * wave[:, None] * torch.rand(count, 3, 1, 1, generator=draw)


def context(**options):
    torch.manual_seed(0)
    return LimitedContext(**{"patch": 16, "width": 4} | options)


# --- construction
@settings(deadline=None, max_examples=20)
@given(st.integers(16, 24), st.integers(16, 24), st.integers(0, 2**31 - 1))
def test_patches_are_cut_and_put_back(height, width, seed):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(3, 3, height, width, generator=draw)
    patches, corners = context().draw(images, draw)
    new = torch.rand(3, 3, 16, 16, generator=draw)
    pasted = paste(images, new, corners)
    for image, patch, (top, left), fresh, result in zip(images, patches, corners.tolist(), new, pasted, strict=True):
        assert torch.equal(patch, image[:, top : top + 16, left : left + 16])
        expected = image.clone()
        expected[:, top : top + 16, left : left + 16] = fresh
        assert torch.equal(result, expected)
    assert torch.equal(paste(images, patches, corners), images)


def test_places_are_uniform(generator):
    _, corners = context().draw(torch.rand(1, 3, 19, 17, generator=generator).expand(4000, -1, -1, -1), generator)
    for axis, places in ((0, 4), (1, 2)):
        share = torch.bincount(corners[:, axis], minlength=places) / 4000
        assert len(share) == places
        assert (share - 1 / places).abs().max() < 0.04


@pytest.mark.parametrize("border", [1, 2, 4])
def test_the_inpainter_sees_the_border_and_noise(border, generator):
    method = context(border=border)
    inputs, targets = method.pretext(torch.rand(300, 3, 16, 16, generator=generator), generator)
    middle = (..., slice(border, -border), slice(border, -border))
    seen = torch.ones(16, 16, dtype=torch.bool)
    seen[middle] = False
    assert torch.equal(inputs[..., seen], (targets * 2 - 1)[..., seen])
    noise = inputs[middle]
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.std().item() == pytest.approx(1, abs=0.02)


def test_the_centre_is_unknown_to_the_inpainter(generator):
    """Patches that differ in the centre only are painted alike, from the same noise; copied, they are not."""
    method, patches = context(), torch.rand(2, 3, 16, 16, generator=generator)
    other = patches.clone()
    other[..., 2:-2, 2:-2] = torch.rand(2, 3, 12, 12, generator=generator)
    one, two = (method.fill(each, torch.Generator().manual_seed(5)) for each in (patches, other))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert (method.copy(patches) - method.copy(other)).abs().max() > 1e-4


def test_only_the_patch_changes(generator):
    method, images = context(), torch.rand(5, 3, 24, 24, generator=generator)
    changed = (method.transform(images, generator) != images).any(1)
    for each in changed:
        rows, columns = each.any(1).nonzero()[:, 0], each.any(0).nonzero()[:, 0]
        assert rows.max() - rows.min() < 16
        assert columns.max() - columns.min() < 16
        assert each.sum() > 0.9 * 16**2


# --- losses
def test_losses_against_their_formulas(generator):
    method = context(border=2, border_weight=3.0, autoencoding=7.0).double()
    patches = torch.rand(4, 3, 16, 16, generator=generator, dtype=torch.double)
    filled = method.fill(patches, generator)
    method.discriminator.eval()  # spectral norm moves its vectors at every call in training mode
    parts, border, pixels = method.losses(patches, filled), 0.0, 0
    for patch, made in zip(patches, filled, strict=True):
        for y in range(16):
            for x in range(16):
                if min(x, y) < 2 or max(x, y) > 13:
                    border, pixels = border + ((patch - made)[:, y, x] ** 2).sum(), pixels + 3
    copied = ((method.inpainter(patches * 2 - 1) - patches) ** 2).mean()
    adversarial = -method.discriminator(filled).mean()
    torch.testing.assert_close(parts["border"], border / pixels)
    torch.testing.assert_close(parts["copy"], copied)
    torch.testing.assert_close(parts["adversarial"], adversarial)
    torch.testing.assert_close(parts["inpainter"], adversarial + 3 * border / pixels + 7 * copied)
    seen = {}
    method.play(patches, filled, seen.__setitem__, pressure=torch.tensor(0.25))
    real, fake = method.discriminator(patches), method.discriminator(filled)
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    torch.testing.assert_close(seen["discriminator"], hinge)
    torch.testing.assert_close(seen["inpainter"], parts["inpainter"] + 0.25)


def test_without_autoencoding_nothing_is_copied(generator):
    method = context(autoencoding=0)
    patches = torch.rand(2, 3, 16, 16, generator=generator)
    assert set(method.losses(patches, method.fill(patches, generator))) == {"adversarial", "border", "inpainter"}


def test_each_network_moves_by_its_own_loss_only(generator):
    method = context()
    images, moved = torch.rand(4, 3, 20, 20, generator=generator), {}

    def step(name, loss):
        part = getattr(method, name)
        weights = [p for p in part.parameters() if p.ndim > 1]  # within the hinge's margins D's last bias has no say
        moved[name] = all(grad.abs().sum() > 0 for grad in torch.autograd.grad(loss, weights, retain_graph=True))
        if name == "discriminator":  # it learns from samples, not through them
            assert all(g is None for g in torch.autograd.grad(loss, method.inpainter.parameters(), allow_unused=True))

    method.update(images, generator, step)
    assert moved == {"discriminator": True, "inpainter": True}


# --- networks, learning
@pytest.mark.parametrize("size", [8, 24, 48])
def test_networks_take_any_multiple_of_eight(size, generator):
    patches = torch.rand(2, 3, size, size, generator=generator)
    painted = Inpainter(2)(patches * 2 - 1)
    assert painted.shape == patches.shape
    assert 0 <= painted.min() <= painted.max() <= 1
    assert PatchDiscriminator(size, 2)(patches).shape == (2,)


def test_it_learns_to_copy_and_to_continue_the_border(generator):
    method, images = context(width=8), stripes(16, 20, generator)
    with torch.no_grad():
        patches, _ = method.draw(images, generator)
        before = method.losses(patches, method.fill(patches, generator))
    history = fit(
        method,
        lambda g: images,
        steps=120,
        generator=torch.Generator().manual_seed(0),
        lr=2e-3,
        optimiser=torch.optim.Adam,
        schedule="constant",
        progress=False,
    )
    with torch.no_grad():
        after = method.losses(patches, method.fill(patches, generator))
    assert after["border"] < 0.2 * before["border"]
    assert after["copy"] < 0.2 * before["copy"]
    parts = {"loss", "discriminator", "adversarial", "border", "copy", "inpainter", "accuracy", "lr"}
    assert set(history.frame.columns) == parts


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: context(patch=20), "size is 20"),
        (lambda: context(border=8), "border is 8"),
        (lambda: context(border=0), "border is 0"),
        (lambda: context(width=0), "width is 0"),
        (lambda: context(border_weight=-1), "border_weight is -1"),
        (lambda: context(autoencoding=-1), "autoencoding is -1"),
        (lambda: context().transform(torch.rand(2, 3, 12, 20), torch.Generator()), "images are 12×20"),
        (lambda: context().transform(torch.full((1, 3, 16, 16), torch.nan), torch.Generator()), "NaN"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_game_is_stable_for_five_seeds(seed):
    """F and D, from nothing: all losses stay finite and bounded, D does not win for good, the border gets better."""
    torch.manual_seed(seed)
    context = LimitedContext(16, width=4)
    images = F.interpolate(torch.rand(64, 3, 4, 4), 32, mode="bilinear")

    def batches(generator):
        return images[torch.randint(64, (8,), generator=generator)]

    history = fit(
        context,
        batches,
        steps=80,
        generator=torch.Generator().manual_seed(seed),
        optimiser=partial(torch.optim.AdamW, betas=(0.5, 0.99)),
        lr=3e-3,
        progress=False,
    )
    frame = history.frame
    assert frame.notna().all().all()
    assert frame["inpainter"].abs().max() < 100
    assert frame["border"].tail(10).mean() < 0.7 * frame["border"].head(10).mean()
    assert frame["accuracy"].tail(20).mean() < 0.99
