"""Answers to the exercises of chapter 05."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch05


def reparameterise(mean, log_variance, noise):
    return mean + torch.exp(0.5 * log_variance) * noise


def kl(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)


def gan_losses(real, fake):
    one, zero = torch.ones_like(real), torch.zeros_like(fake)
    bce = F.binary_cross_entropy_with_logits
    return bce(real, one) + bce(fake, zero), bce(fake, one)


def by_logsigmoid(real, fake):
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean(), -F.logsigmoid(fake).mean()


def by_sigmoid(real, fake):
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    return -d_real.log().mean() - (1 - d_fake).log().mean(), -d_fake.log().mean()


# --- typical mistakes
def scaled(sigma):
    return lambda mean, log_variance, noise: mean + sigma(log_variance) * noise


def changed(
    told=lambda real, fake: by_logsigmoid(real, fake)[0], fooled=lambda real, fake: by_logsigmoid(real, fake)[1]
):
    """The right losses with one of the two replaced."""
    return lambda real, fake: (told(real, fake), fooled(real, fake))


MISTAKES = [
    (ch05.check_reparameterise, scaled(torch.exp), "is the variance. The noise"),
    (ch05.check_reparameterise, scaled(lambda v: v), "itself was used as σ"),
    (ch05.check_reparameterise, lambda m, v, e: m, "a plain autoencoder"),
    (ch05.check_reparameterise, lambda m, v, e: (0.5 * v).exp() * e, "the mean is missing"),
    (ch05.check_reparameterise, scaled(lambda v: (2 * v).exp()), "σ⁴"),
    (ch05.check_reparameterise, lambda m, v, e: reparameterise(m.detach(), v, e), "cuts the graph"),
    (ch05.check_reparameterise, lambda m, v, e: reparameterise(m, v.detach(), e), "cuts the graph"),
    (ch05.check_kl, lambda m, v: -kl(m, v), "never negative"),
    (ch05.check_kl, lambda m, v: kl(m, v) / m.shape[1], "mean over the latent units"),
    (ch05.check_kl, lambda m, v: 2 * kl(m, v), "factor ½"),
    (ch05.check_kl, lambda m, v: kl(m, v).sum(), "(its sum)"),
    (ch05.check_kl, lambda m, v: kl(m, v).mean() / m.shape[1], "(its mean)"),
    (ch05.check_kl, lambda m, v: kl(m, v).mean(), "mean over the batch; give"),
    (ch05.check_kl, lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v), "single units"),
    (ch05.check_kl, lambda m, v: 0.5 * ((m**2 + 1) / v.exp() - 1 + v).sum(1), "stands first"),
    (ch05.check_gan_losses, changed(told=lambda r, f: by_logsigmoid(f, r)[0]), "labels are swapped"),
    (ch05.check_gan_losses, changed(told=lambda r, f: -by_logsigmoid(r, f)[0]), "D maximises"),
    (ch05.check_gan_losses, changed(told=lambda r, f: -F.logsigmoid(r).mean()), "Only the real samples"),
    (ch05.check_gan_losses, changed(told=lambda r, f: by_logsigmoid(r, f)[0] / 2), "divided by two"),
    (ch05.check_gan_losses, changed(told=lambda r, f: len(r) * by_logsigmoid(r, f)[0]), "sums over the batch"),
    (
        ch05.check_gan_losses,
        changed(told=lambda r, f: by_logsigmoid(r.sigmoid(), f.sigmoid())[0]),
        "applied twice",
    ),
    (ch05.check_gan_losses, changed(fooled=lambda r, f: F.logsigmoid(-f).mean()), "saturating loss E[log"),
    (ch05.check_gan_losses, changed(fooled=lambda r, f: -F.logsigmoid(-f).mean()), "for being found out"),
    (ch05.check_gan_losses, changed(fooled=lambda r, f: F.logsigmoid(f).mean()), "so it is −E[log D]"),
    (ch05.check_gan_losses, changed(fooled=lambda r, f: -F.logsigmoid(r).mean()), "its own samples"),
    (ch05.check_gan_losses, by_sigmoid, "F.logsigmoid(a) for log D"),
    (ch05.check_gan_losses, lambda r, f: by_logsigmoid(r, f)[0], "return discriminator_loss"),
]
RIGHT = [
    (ch05.check_reparameterise, reparameterise),
    (ch05.check_reparameterise, lambda m, v, e: torch.addcmul(m, v.exp().sqrt(), e)),
    (ch05.check_kl, kl),
    (ch05.check_kl, lambda m, v: -0.5 * (1 + v - m.square() - v.exp()).sum(-1)),
    (ch05.check_gan_losses, gan_losses),
    (ch05.check_gan_losses, by_logsigmoid),
    (ch05.check_gan_losses, lambda r, f: [F.softplus(-r).mean() + F.softplus(f).mean(), F.softplus(-f).mean()]),
]
