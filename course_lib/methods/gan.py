"""Generative adversarial networks: a generator against a critic that learns along (001 §2.2, Eq. 7.1; 002 §4.1.1).

min_G max_D E[log D(x)] + E[log(1 − D(G(z)))]. For a fixed G the best D is p_d / (p_d + p_g), and the value is then
2·JSD(p_d, p_g) − log 4 (Goodfellow et al. 2014). Where the two densities do not overlap D becomes perfect and its
gradient, all that G learns from, vanishes; the other losses, the noise and the penalties here are answers to that.
Nothing here asks what the data are: pictures or points in the plane.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_positive
from .precision import full_precision

LOSSES = ("non-saturating", "saturating", "least-squares", "hinge", "wgan-gp")


def discriminator_loss(
    real: torch.Tensor, fake: torch.Tensor, loss: str = "non-saturating", *, real_target: float = 1.0
) -> torch.Tensor:
    """What D minimises, from its logits (B,) for real and for generated samples.

    real_target: the target for real samples; 0.9 is one-sided label smoothing (Salimans et al. 2016), for the two
    cross-entropy losses. "least-squares": (D(x) − 1)² + D(G)² (LSGAN). Raises ValueError for another loss.
    """
    check_choice("loss", loss, LOSSES)
    if loss in ("non-saturating", "saturating"):
        target = torch.full_like(real, real_target)
        told = F.binary_cross_entropy_with_logits(real, target)
        return told + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    if loss == "least-squares":
        return (real - 1).square().mean() + fake.square().mean()
    if loss == "hinge":
        return (1 - real).relu().mean() + (1 + fake).relu().mean()
    return fake.mean() - real.mean()


def generator_loss(fake: torch.Tensor, loss: str = "non-saturating") -> torch.Tensor:
    """What G minimises, from D's logits (B,) for its samples.

    "saturating": E[log(1 − D)] as Eq. 7.1 of 001 has it; "non-saturating": −E[log D]. Raises ValueError for another.
    """
    check_choice("loss", loss, LOSSES)
    if loss == "saturating":
        return F.logsigmoid(-fake).mean()  # log(1 − sigmoid(a)) = logsigmoid(−a), safe for large a
    if loss == "non-saturating":
        return -F.logsigmoid(fake).mean()
    if loss == "least-squares":
        return (fake - 1).square().mean()
    return -fake.mean()


def gradient_penalty(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """E[(‖∇D(x)‖ − 1)²] at random points between real and generated samples (WGAN-GP, Gulrajani et al. 2017)."""
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator).to(real)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


class GAN(nn.Module):
    """The method as a module for `training.fit`, with an optimiser for each network; batches are samples (B, …).

    generator: noise (B, generator.latent) → samples like the batch. discriminator: samples → logits (B,).
    loss: one of `LOSSES`. penalty: weight of the gradient penalty (10 for "wgan-gp", otherwise 0, when None).
    real_target: 0.9 for label smoothing. noise: deviation of normal noise added to all that D sees (instance noise);
    it may be changed while training. critic_steps: updates of D for each one of G; each gets its share of the batch.
    rate: learning rate of D as a multiple of G's. Raises ValueError for arguments out of range.
    """

    chance = 0.5  # accuracy of D in equilibrium

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        loss: str = "non-saturating",
        penalty: float | None = None,
        real_target: float = 1.0,
        noise: float = 0.0,
        critic_steps: int = 1,
        rate: float = 1.0,
    ):
        super().__init__()
        self.loss = check_choice("loss", loss, LOSSES)
        penalty = 10.0 * (loss == "wgan-gp") if penalty is None else penalty
        self.penalty = check_positive("penalty", penalty, integer=False, zero=True)
        if not 0 < real_target <= 1:
            raise ValueError(f"real_target is {real_target!r}; it takes a number in (0, 1]")
        self.noise = check_positive("noise", noise, integer=False, zero=True)
        self.critic_steps, self.rate = check_positive("critic_steps", critic_steps), rate
        self.real_target = real_target
        self.generator, self.discriminator = generator, discriminator

    @property
    def backbone(self) -> nn.Module:
        """The discriminator without its last layer."""
        return self.discriminator.backbone

    def features(self, samples: torch.Tensor) -> torch.Tensor:
        """What the discriminator's last layer sees."""
        return self.backbone(samples)

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """``count`` generated samples, from z ~ N(0, I)."""
        noise = torch.randn(count, self.generator.latent, generator=generator)
        return self.generator(noise.to(next(self.generator.parameters()).device))

    def optimisers(self, make) -> dict[str, torch.optim.Optimizer]:
        """One for each network."""
        return {
            "discriminator": make(self.discriminator.parameters(), self.rate),
            "generator": make(self.generator.parameters()),
        }

    def update(self, batch: torch.Tensor, generator: torch.Generator, step) -> dict[str, torch.Tensor]:
        """``critic_steps`` updates of D, then one of G. "accuracy": how often D tells real from generated."""
        if len(batch) % self.critic_steps:
            raise ValueError(f"batch has {len(batch)} samples; it takes a multiple of critic_steps {self.critic_steps}")
        for real in batch.chunk(self.critic_steps):
            with torch.no_grad():
                fake = self.sample(len(real), generator)
            truth, lie = (self._judge(x, generator) for x in (real, fake))
            judged = discriminator_loss(truth, lie, self.loss, real_target=self.real_target)
            if self.penalty:
                judged = judged + self.penalty * gradient_penalty(self.discriminator, real, fake, generator)
            step("discriminator", judged)
        fake = self.sample(len(real), generator)
        fooled = generator_loss(self._judge(fake, generator), self.loss)
        step("generator", fooled)
        accuracy = 0.5 * ((truth > 0).float().mean() + (lie < 0).float().mean())
        return {"loss": judged + fooled, "discriminator": judged, "generator": fooled, "accuracy": accuracy}

    def _judge(self, samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Logits for samples, with instance noise added."""
        if self.noise:
            samples = samples + self.noise * torch.randn(samples.shape, generator=generator).to(samples)
        return full_precision(self.discriminator(samples))
