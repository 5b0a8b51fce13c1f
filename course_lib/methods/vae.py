"""The variational autoencoder and β-VAE (000 §2.1; 001 §2.1): a code that one can draw from, and perhaps read.

The encoder gives a distribution q(z|x) = N(μ, diag σ²) instead of a point. Training maximises a lower bound of
log p(x): E_q[log p(x|z)] − β·KL(q(z|x) ‖ N(0, I)), with β = 1 for the VAE (Kingma & Welling 2014; Rezende et al. 2014)
and β > 1 for the β-VAE (Higgins et al. 2017). z = μ + σ·ε puts the chance outside the network, so that gradients pass.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_images, check_positive
from .precision import full_precision

LIKELIHOODS = ("bernoulli", "normal")


def reparameterise(mean: torch.Tensor, log_variance: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A draw from N(mean, exp(log_variance)), of any shape, through which gradients reach both."""
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    return mean + (0.5 * log_variance).exp() * noise


def kl_to_standard_normal(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) of each unit, in nats, same shape: ½(μ² + σ² − 1 − ln σ²)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


class VAE(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, C, H, W) in [0, 1].

    encoder: a backbone, images → (B, encoder.features); linear layers on it give μ and ln σ². decoder: codes
    (B, latent) → logits of the pixels. beta: weight of the KL. likelihood of a pixel: "bernoulli", i.e. cross-entropy,
    or "normal" with deviation ``sigma`` (σ = 1 gives the ½‖x̂ − x‖² of 000 §2.4). Raises ValueError for another
    likelihood or numbers that are not positive.
    """

    chance = None  # there is nothing to guess

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent: int,
        *,
        beta: float = 1.0,
        likelihood: str = "bernoulli",
        sigma: float = 1.0,
    ):
        super().__init__()
        self.latent = check_positive("latent", latent)
        self.beta = check_positive("beta", beta, integer=False, zero=True)
        self.likelihood = check_choice("likelihood", likelihood, LIKELIHOODS)
        self.sigma = check_positive("sigma", sigma, integer=False)
        self.backbone, self.decoder = encoder, decoder
        self.mean = nn.Linear(encoder.features, latent)
        self.log_variance = nn.Linear(encoder.features, latent)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images → μ and ln σ² of q(z|x), both (B, latent)."""
        hidden = self.backbone(images).relu()
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, latent) → the mean image of p(x|z), in [0, 1]."""
        return self.decoder(codes).sigmoid()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images → their reconstructions from μ, in [0, 1]."""
        return self.decode(self.encode(images)[0])

    def sample(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """``count`` new images, decoded from z ~ N(0, I)."""
        noise = torch.randn(count, self.latent, generator=generator)
        return self.decode(noise.to(self.mean.weight))

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Input and target are the same images."""
        check_images("images", images)
        return images, images

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Minus the bound: "reconstruction" − log p(x|z) and "kl", nats per image; "loss" weighs the KL with β."""
        images, target = self.pretext(images, generator)
        mean, log_variance = (full_precision(part) for part in self.encode(images))
        logits = full_precision(self.decoder(reparameterise(mean, log_variance, generator)))
        if self.likelihood == "bernoulli":
            error = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        else:
            constant = math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
            error = 0.5 * ((logits.sigmoid() - target) / self.sigma).square() + constant
        reconstruction = error.flatten(1).sum(1).mean()
        kl = kl_to_standard_normal(mean, log_variance).sum(1).mean()
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) → μ (B, latent)."""
        return self.encode(images)[0]
