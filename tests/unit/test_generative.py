"""Autoencoders, VAE and GAN: networks, losses against independent references, and that each of them learns."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib import show
from course_lib.methods import (
    GAN,
    VAE,
    Autoencoder,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    kl_to_standard_normal,
    reparameterise,
)
from course_lib.methods.gan import LOSSES
from course_lib.models import ConvDecoder, ConvEncoder, Discriminator, Generator
from course_lib.training import fit


@pytest.fixture
def stripes():
    """Pictures (32, 3, 8, 8) of two kinds, upright and lying stripes, in two colours."""
    draw = torch.Generator().manual_seed(0)
    wave = (torch.arange(8) % 4 < 2).float()
    upright, lying = wave.expand(8, 8), wave[:, None].expand(8, 8)
    kind = torch.rand(32, generator=draw) < 0.5
    bright = 0.5 + 0.5 * torch.rand(32, 3, 1, 1, generator=draw)
    return torch.where(kind[:, None, None, None], upright, lying) * bright


def learn(method, images, steps=60, lr=3e-3, **options):
    return fit(
        method,
        lambda generator: images,
        steps=steps,
        generator=torch.Generator().manual_seed(0),
        lr=lr,
        optimiser=torch.optim.Adam,
        progress=False,
        **options,
    )


# --- networks
@pytest.mark.parametrize("size", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_of_the_networks(size, channels):
    options = {"width": 4, "channels": channels}
    images = torch.rand(2, channels, size, size)
    encoder, decoder = ConvEncoder(size, 5, **options), ConvDecoder(size, 5, **options)
    assert encoder(images).shape == (2, encoder.features) == (2, 5)
    assert decoder(encoder(images)).shape == images.shape
    made = Generator(size, 7, **options)(torch.randn(2, 7))
    assert made.shape == images.shape
    assert 0 <= made.min() <= made.max() <= 1
    judge = Discriminator(size, **options)
    assert judge(images).shape == (2,)
    assert judge.backbone(images).shape == (2, judge.backbone.features)


def test_decoder_mirrors_encoder():
    """As many weights in the convolutions of one as of the other."""
    encoder, decoder = ConvEncoder(32, 5, width=4), ConvDecoder(32, 5, width=4)
    kernels = [[tuple(p.shape) for p in net.conv.parameters() if p.ndim == 4] for net in (encoder, decoder)]
    assert kernels[0] == kernels[1][::-1]


@pytest.mark.parametrize("network", [ConvEncoder, ConvDecoder, Generator, partial(Discriminator)])
@pytest.mark.parametrize("size", [4, 24, 12, 8.0])
def test_sizes_that_do_not_halve_to_four_are_refused(network, size):
    with pytest.raises(ValueError, match="size is .*4 times a power of two"):
        network(size)


def test_wrong_options_of_networks_are_named():
    with pytest.raises(ValueError, match="norm is 'layer'"):
        Discriminator(8, norm="layer")
    with pytest.raises(ValueError, match="norm is 'spectral'"):
        Generator(8, norm="spectral")
    with pytest.raises(ValueError, match="width is 0"):
        ConvEncoder(8, width=0)


def test_spectral_norm_bounds_every_layer():
    judge = Discriminator(16, width=4, norm="spectral").train()
    for _ in range(30):  # power iterations
        judge(torch.rand(2, 3, 16, 16))
    weights = [layer.weight for layer in judge.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [torch.linalg.matrix_norm(w.flatten(1), ord=2).item() for w in weights] == pytest.approx([1.0] * 3, rel=0.02)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in judge.modules())


def test_batch_norm_is_not_at_the_pixels():
    layers = list(Discriminator(16, width=4).backbone.conv)
    assert [type(layer).__name__ for layer in layers[:2]] == ["Conv2d", "LeakyReLU"]
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in layers)


# --- autoencoder
def autoencoder(**options):
    return Autoencoder(ConvEncoder(8, 4, width=8), ConvDecoder(8, 4, width=8), **options)


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_an_autoencoder_learns_to_rebuild(stripes, loss):
    method = autoencoder(loss=loss)
    blank = (stripes - stripes.mean(0)).square().mean()
    learn(method, stripes, steps=150, lr=1e-2)
    with torch.no_grad():
        rebuilt = method(stripes)
    assert (rebuilt - stripes).square().mean() < 0.3 * blank
    assert method.features(stripes).shape == (32, method.backbone.features)


def test_a_denoising_autoencoder_removes_noise(stripes):
    method = autoencoder(noise=0.4)
    learn(method, stripes, steps=120)
    noisy, clean = method.pretext(stripes, torch.Generator().manual_seed(9))
    assert torch.equal(clean, stripes)
    with torch.no_grad():
        assert (method(noisy) - clean).square().mean() < 0.5 * (noisy - clean).square().mean()


def test_the_damage_is_as_asked(generator):
    images = torch.full((64, 3, 8, 8), 0.5)
    noisy, _ = autoencoder(noise=0.2).pretext(images, generator)
    assert (noisy - images).std().item() == pytest.approx(0.2, rel=0.05)
    masked, _ = autoencoder(mask=0.25).pretext(images, generator)
    assert (masked == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(masked[:, 0], masked[:, 2])
    assert torch.equal(autoencoder().pretext(images, generator)[0], images)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"loss": "l2"}, "loss is 'l2'"), ({"noise": -1}, "noise is -1"), ({"mask": 1.0}, "mask is 1.0")],
)
def test_wrong_options_of_an_autoencoder_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        autoencoder(**options)


# --- VAE
def vae(**options):
    return VAE(ConvEncoder(8, 16, width=8), ConvDecoder(8, 3, width=8), 3, **options)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
def test_the_kl_is_that_of_torch(batch, units, seed):
    draw = torch.Generator().manual_seed(seed)
    mean, log_variance = (2 * torch.randn(batch, units, generator=draw, dtype=torch.double) for _ in range(2))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), expected)


def test_reparameterised_draws_have_the_right_moments_and_gradients(generator):
    mean = torch.full((200_000,), 1.5, requires_grad=True)
    log_variance = torch.full((200_000,), -1.0, requires_grad=True)
    z = reparameterise(mean, log_variance, generator)
    assert z.mean().item() == pytest.approx(1.5, abs=0.01)
    assert z.var().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.02)
    z.square().mean().backward()  # E z² = μ² + σ², so 2μ and, in ln σ², σ²
    assert mean.grad.sum().item() == pytest.approx(3.0, rel=0.01)
    assert log_variance.grad.sum().item() == pytest.approx(torch.tensor(-1.0).exp().item(), rel=0.05)


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_the_bound_is_that_of_torch_distributions(stripes, likelihood):
    method = vae(likelihood=likelihood, sigma=0.3, beta=2.5).double().eval()
    images = stripes[:5].double()
    parts = method.training_loss(images, torch.Generator().manual_seed(4))
    mean, log_variance = method.encode(images)
    z = mean + (log_variance / 2).exp() * torch.randn(5, 3, generator=torch.Generator().manual_seed(4)).double()
    logits = method.decoder(z)
    if likelihood == "bernoulli":
        told = -F.binary_cross_entropy_with_logits(logits, images, reduction="none")
    else:
        told = torch.distributions.Normal(logits.sigmoid(), 0.3).log_prob(images)
    torch.testing.assert_close(parts["reconstruction"], -told.flatten(1).sum(1).mean())
    torch.testing.assert_close(parts["loss"], parts["reconstruction"] + 2.5 * parts["kl"])


def test_a_vae_learns_and_can_be_drawn_from(stripes, generator):
    method = vae()
    history = learn(method, stripes, steps=200, lr=1e-2)
    assert history.frame["loss"].iloc[-10:].mean() < 0.8 * history.frame["loss"].iloc[:3].mean()
    samples = method.sample(16, generator).detach()
    assert samples.shape == (16, 3, 8, 8)
    # A sample is nearer to some training picture than the mean of all is: it is not a blur.
    blur = torch.cdist(stripes.mean(0).flatten()[None], stripes.flatten(1)).min()
    assert torch.cdist(samples.flatten(1), stripes.flatten(1)).amin(1).mean() < blur
    assert method.features(stripes).shape == (32, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"beta": -1}, "beta is -1"), ({"likelihood": "gauss"}, "likelihood is 'gauss'"), ({"sigma": 0}, "sigma is 0")],
)
def test_wrong_options_of_a_vae_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        vae(**options)


def test_pictures_with_nan_are_refused(stripes, generator):
    stripes[0, 0, 0, 0] = torch.nan
    for method in (autoencoder(), vae()):
        with pytest.raises(ValueError, match="NaN"):
            method.training_loss(stripes, generator)


# --- GAN
def test_losses_against_their_formulas(generator):
    real, fake = (torch.randn(9, generator=generator, dtype=torch.double) for _ in range(2))
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    value = d_real.log().mean() + (1 - d_fake).log().mean()
    for kind in ("saturating", "non-saturating"):
        torch.testing.assert_close(discriminator_loss(real, fake, kind), -value)
    torch.testing.assert_close(generator_loss(fake, "saturating"), (1 - d_fake).log().mean())
    torch.testing.assert_close(generator_loss(fake, "non-saturating"), -d_fake.log().mean())
    torch.testing.assert_close(discriminator_loss(real, fake, "wgan-gp"), fake.mean() - real.mean())
    squares = (real - 1).square().mean() + fake.square().mean()
    torch.testing.assert_close(discriminator_loss(real, fake, "least-squares"), squares)
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    torch.testing.assert_close(discriminator_loss(real, fake, "hinge"), hinge)
    smooth = -(0.9 * d_real.log() + 0.1 * (1 - d_real).log()).mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(discriminator_loss(real, fake, real_target=0.9), smooth)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_stay_finite_and_teach_the_right_way(loss):
    far = torch.tensor([500.0, -500.0], requires_grad=True)
    assert discriminator_loss(far, far, loss).isfinite()
    assert generator_loss(far, loss).isfinite()
    score = torch.tensor([0.3], requires_grad=True)
    (up,) = torch.autograd.grad(generator_loss(score, loss), score)
    assert up < 0  # the generator wants a higher logit
    (down,) = torch.autograd.grad(discriminator_loss(score.detach(), score, loss), score)
    assert down > 0  # the discriminator a lower one for what was generated


def test_the_penalty_measures_the_slope(generator):
    class Plane(nn.Module):
        def forward(self, x):
            return 3 * x[:, 0] + 4 * x[:, 1]  # slope 5

    real, fake = torch.randn(6, 2), torch.randn(6, 2)
    assert gradient_penalty(Plane(), real, fake, generator).item() == pytest.approx(16.0, rel=1e-5)


class Points(nn.Sequential):
    """A generator of points in the plane."""

    latent = 2


def point_gan(hidden=32, **options):
    maker = Points(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 2))
    judge = nn.Sequential(nn.Linear(2, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1), nn.Flatten(0))
    return GAN(maker, judge, **options)


@pytest.mark.parametrize(
    "options",
    [{"loss": loss} for loss in LOSSES if loss != "wgan-gp"]  # which circles with one step of D for each of G
    + [{"noise": 0.2}, {"real_target": 0.9}, {"penalty": 0.5}, {"loss": "wgan-gp", "critic_steps": 4}],
    ids=str,
)
def test_a_gan_moves_its_samples_to_the_data(options, generator):
    method = point_gan(**options)
    place = torch.tensor([2.0, -1.0])
    with torch.no_grad():
        before = (method.sample(500, generator).mean(0) - place).norm()
    history = fit(
        method,
        lambda g: place + 0.3 * torch.randn(64, 2, generator=g),
        steps=300,
        generator=torch.Generator().manual_seed(0),
        lr=3e-3,
        optimiser=partial(torch.optim.Adam, betas=(0.5, 0.9)),
        schedule="constant",
        progress=False,
    )
    with torch.no_grad():
        after = (method.sample(500, generator).mean(0) - place).norm()
    assert after < 0.7 * before
    assert set(history.frame.columns) == {"loss", "discriminator", "generator", "accuracy", "lr"}


def test_a_dcgan_trains_in_bf16_and_gives_features(stripes):
    method = GAN(Generator(8, 4, width=8), Discriminator(8, width=8))
    before = {name: value.clone() for name, value in method.named_parameters()}
    learn(method, stripes, steps=4, precision="bf16-mixed")
    moved = {name for name, value in method.named_parameters() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"generator", "discriminator"}
    with torch.no_grad():
        assert method.features(stripes).shape == (32, method.backbone.features)
        assert method.sample(3, torch.Generator()).shape == (3, 3, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "wgan"}, "Did you mean 'wgan-gp'"),
        ({"penalty": -1}, "penalty is -1"),
        ({"real_target": 0}, "real_target is 0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"critic_steps": 0}, "critic_steps is 0"),
    ],
)
def test_wrong_options_of_a_gan_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        point_gan(**options)


def test_a_batch_that_cannot_be_shared_out_is_refused(generator):
    method = point_gan(critic_steps=3)
    with pytest.raises(ValueError, match="batch has 8 samples; it takes a multiple of critic_steps 3"):
        method.update(torch.rand(8, 2), generator, lambda name, loss: None)


# --- figure
def test_point_clouds_give_a_figure_with_alt_text():
    points = torch.rand(20, 2)
    figure = show.point_clouds({"a": points, "b": points + 1}, reference=points, arrows={"b": points})
    assert isinstance(figure, show.Figure)
    assert "a, b" in figure.alt
    assert len(figure.axes) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "clouds is empty"),
        (({"a": torch.rand(3, 3)},), "clouds 'a' is"),
        (({"a": torch.full((3, 2), torch.nan)},), "clouds 'a' is"),
    ],
)
def test_point_clouds_refuse_other_shapes(arguments, message):
    with pytest.raises(ValueError, match=message):
        show.point_clouds(*arguments)
    with pytest.raises(ValueError, match="arrows 'b' is"):
        show.point_clouds({"a": torch.rand(3, 2)}, arrows={"b": torch.rand(3, 2)})


def test_picture_rows_label_rows_and_not_moments():
    figure = show.picture_rows({"one": torch.rand(3, 1, 8, 8), "two": torch.rand(3, 1, 8, 8)}, titles=["a", "b", "c"])
    assert isinstance(figure, show.Figure)
    assert figure.alt
    assert figure.axes[0].get_xlabel() == ""


def test_picture_rows_refuse_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="rows is empty"):
        show.picture_rows({})
    with pytest.raises(ValueError, match="takes the same"):
        show.picture_rows({"one": torch.rand(3, 1, 8, 8), "two": torch.rand(2, 1, 8, 8)})
