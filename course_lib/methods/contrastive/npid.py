"""NPID: every image is a class of its own (non-parametric instance discrimination; the first of 001 1-BG44 … 48).

The idea (Wu et al. 2018): telling all images of a set apart makes similar ones neighbours, because they are hard to
tell apart. A softmax over n images needs no weights: the class of an image is represented by its embedding of the last
epoch, kept in a memory bank. For large n the softmax is replaced by noise-contrastive estimation (NCE): is this row of
the bank that of the image, or one of m drawn at random?
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice, check_images, check_positive
from ..precision import full_precision
from .losses import products
from .ranks import gather


def nce(positive: torch.Tensor, noise: torch.Tensor, images: int, constant: torch.Tensor | float) -> torch.Tensor:
    """−log h(positive) − Σ log(1 − h(noise)), averaged over the batch; h = P / (P + m/n), P = exp(logit) / Z.

    positive: logits (B,) of the right rows. noise: logits (B, m) of rows drawn uniformly from all ``images`` n.
    constant: Z, the softmax's denominator, for which a constant is taken. h(x) is σ(logit − log Z − log(m/n)).
    """
    samples = noise.shape[1]
    shift = torch.as_tensor(constant, device=noise.device).log() + torch.tensor(samples / images).log().to(noise.device)
    # log(1 − σ(a)) = log σ(−a)
    return -(F.logsigmoid(positive - shift) + F.logsigmoid(shift - noise).sum(1)).mean()


class NPID(nn.Module):
    """The method as a module for `training.fit`; batches are (images (B, 3, H, W) in [0, 1], their numbers (B,)).

    An image may be only once in a batch: draw ``torch.randperm(n)[:64]``, not with replacement (as `FrameSampler`).

    backbone: images → (B, D). images: n, of the whole set. augment: called as ``augment(images, generator)``; None for
    none. dim: of the embedding. temperature: τ. momentum: share of a bank's row that stays when its image is seen.
    loss: "softmax" over all n, or "nce" with ``samples`` = m random rows.
    """

    def __init__(
        self,
        backbone: nn.Module,
        images: int,
        *,
        augment=None,
        dim: int = 64,
        temperature: float = 0.07,
        momentum: float = 0.5,
        loss: str = "softmax",
        samples: int = 256,
    ):
        super().__init__()
        self.backbone, self.augment = backbone, augment
        self.projector = nn.Linear(backbone.features, check_positive("dim", dim))
        self.temperature = check_positive("temperature", temperature, integer=False)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum!r}; it takes a number in [0, 1)")
        self.momentum, self.samples = momentum, check_positive("samples", samples)
        self.loss = check_choice("loss", loss, ("softmax", "nce"))
        self.register_buffer("bank", F.normalize(torch.randn(check_positive("images", images), dim), dim=1))
        self.register_buffer("constant", torch.zeros(()))  # Z of NCE; 0: not estimated yet

    @property
    def chance(self) -> float:
        """Accuracy of guessing one of the n images."""
        return 1 / len(self.bank)

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented images, and the rows of the bank that are theirs. Raises ValueError for numbers outside of it."""
        images, numbers = batch
        check_images("images", images)
        if numbers.shape != (len(images),) or numbers.min() < 0 or numbers.max() >= len(self.bank):
            raise ValueError(f"numbers is {tuple(numbers.shape)}; it takes one in [0, {len(self.bank)}) for each image")
        return (self.augment(images, generator) if self.augment else images), numbers.to(images.device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → embeddings (B, dim) of unit length."""
        return F.normalize(full_precision(self.projector(self.backbone(images))), dim=1)

    @torch.no_grad()
    def remember(self, embeddings: torch.Tensor, numbers: torch.Tensor) -> None:
        """Move the rows ``numbers`` of the bank towards ``embeddings``, and back to unit length.

        In training with several processes, those that any of them has seen: all have the same bank.
        """
        embeddings, numbers = (gather(one, self.training)[0] for one in (embeddings, numbers))
        moved = self.momentum * self.bank[numbers] + (1 - self.momentum) * embeddings.to(self.bank)
        # A new tensor: the gradient of the loss still needs the old one.
        self.bank = self.bank.index_copy(0, numbers, F.normalize(moved, dim=1))

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Loss, and how often an image's row of the bank is the nearest of all n. In training mode the bank is renewed.

        The accuracy takes the similarities with the whole bank, NCE's loss only those that it uses.
        """
        images, numbers = self.pretext(batch, generator)
        embeddings = self(images)
        if self.loss == "softmax":
            logits = products(embeddings, self.bank) / self.temperature
            loss = F.cross_entropy(logits, numbers)
        else:
            loss = self._nce(embeddings, numbers, generator)
            with torch.no_grad():
                logits = products(embeddings, self.bank)
        if self.training:
            self.remember(embeddings.detach(), numbers)
        return {"loss": loss, "accuracy": (logits.argmax(1) == numbers).float().mean()}

    def _nce(self, embeddings, numbers, generator):
        drawn = torch.randint(len(self.bank), (len(numbers), self.samples), generator=generator).to(numbers.device)
        rows = self.bank[torch.cat([numbers[:, None], drawn], 1)]  # (B, 1 + m, dim)
        with torch.autocast(rows.device.type, enabled=False):
            logits = (rows @ embeddings[:, :, None]).squeeze(2) / self.temperature
        if not self.constant:  # from the first batch, as in the paper: n times the mean of what was drawn
            self.constant = logits[:, 1:].detach().exp().mean() * len(self.bank)
        return nce(logits[:, 0], logits[:, 1:], len(self.bank), self.constant)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(images)
