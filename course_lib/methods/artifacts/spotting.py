"""Spotting artifacts: is this picture real, or was it damaged in feature space and repaired? (001 chapter 3)

The idea (Jenni & Favaro 2018): nothing is withheld from the network, and the question has one answer. An autoencoder
(`LocalAutoencoder`) is trained first and then left as it is. Codes with entries dropped are decoded with the help of a
repair network, which plays against the discriminator; as it may only touch what was dropped it cannot bring back what
was there. Real pictures go through the same decoder, or its own traces would tell them apart.
"""

from typing import NamedTuple

import torch
from torch import nn

from ...checks import check_choice, check_images, check_positive
from ..gan import discriminator_loss, generator_loss
from ..precision import full_precision
from .damage_repair import FILLS, Repair, draw_mask, drop_features
from .discriminator import ArtifactDiscriminator, mask_loss
from .history import History
from .local_autoencoder import LocalAutoencoder

REALS = ("autoencoded", "raw")
LOSSES = ("saturating", "non-saturating")


class Ablation(NamedTuple):
    """A row of 001, Table 3.1: what to pass on to the autoencoder and to the method, over the baseline's ``drop=0.5``.

    name: a short one. seed: the source's accuracy on STL-10, in per cent; its baseline has `BASELINE`.
    (The seed's transfer experiments have 0.7, which is the default here.)
    """

    name: str
    text: str
    seed: float
    autoencoder: dict
    method: dict


BASELINE = 79.94
ABLATIONS = {
    "a": Ablation("raw_real", "input image as real", 74.99, {}, {"real": "raw"}),
    "b": Ablation("no_mask", "without mask prediction", 78.44, {}, {"mask_weight": 0.0}),
    "c": Ablation("local_repair", "local repair network", 77.51, {}, {"repair": "local"}),
    "d": Ablation("wide_encoder", "3 × 3 encoder convolutions", 79.84, {"kernel": 3}, {}),
    "e": Ablation("no_gates", "no gating in repair layers", 79.66, {}, {"gated": False}),
    "f": Ablation("no_history", "no history of corrupted examples", 79.76, {}, {"history": 0}),
    "g": Ablation("drop_1", "dropping rate 0.1", 70.92, {}, {"drop": 0.1}),
    "h": Ablation("drop_3", "dropping rate 0.3", 76.26, {}, {"drop": 0.3}),
    "i": Ablation("drop_7", "dropping rate 0.7", 81.06, {}, {"drop": 0.7}),
    "j": Ablation("drop_9", "dropping rate 0.9", 79.60, {}, {"drop": 0.9}),
}


class SpottingArtifacts(nn.Module):
    """The method as a module for `training.fit`, with two optimisers; batches are images (B, 3, S, S) in [0, 1].

    backbone: an `AlexNet` or `SmallAlexNet`: the convolutions of the discriminator, which are what is transferred.
    autoencoder: trained; it is frozen here. drop: θ, the probability that an entry of the code is dropped. fill: what
    stands in its place, "average" or "noise", see `drop_features`. repair, gated: see `Repair`. real: what is shown as
    real, "autoencoded" or "raw". mask_weight: of the mask's loss, a sum over the code's entries, against the class's
    (the seed gives none; with 1 / M² both count alike). history: fakes kept for later, 0 for none. loss: of the repair
    network, as in Eq. 3.4 ("saturating") or −log C ("non-saturating"). fc6: see `ArtifactDiscriminator`.
    Adam with β₁ = 0.5 and a rate that falls from 3e-4 to 3e-6 are the seed's, for both networks. repair_rate: the
    repair network's learning rate over the discriminator's. Where a discriminator with batch norm learns ten times as
    fast, 0.05 leaves the repair network at half the seed's rate; at the same rate it runs away (chapter 12 shows it).
    Raises ValueError for arguments out of range, and for a backbone whose images the autoencoder cannot halve.
    """

    chance = 0.5

    def __init__(
        self,
        backbone: nn.Module,
        autoencoder: LocalAutoencoder,
        *,
        drop: float = 0.7,
        fill: str = "average",
        repair: str = "distributed",
        gated: bool = True,
        real: str = "autoencoded",
        mask_weight: float = 1.0,
        history: int = 512,
        loss: str = "saturating",
        fc6: int = 128,
        repair_rate: float = 1.0,
    ):
        super().__init__()
        if not 0 < drop < 1:
            raise ValueError(f"drop is {drop!r}; it takes a probability in (0, 1)")
        self.drop, self.fill = drop, check_choice("fill", fill, FILLS)
        self.real, self.loss = check_choice("real", real, REALS), check_choice("loss", loss, LOSSES)
        self.mask_weight = check_positive("mask_weight", mask_weight, integer=False, zero=True)
        self.repair_rate = check_positive("repair_rate", repair_rate, integer=False)
        size = backbone.image_size
        map_size = autoencoder.map_size(size)
        self.autoencoder = autoencoder.requires_grad_(False)
        self.repair, self.repairs = Repair(autoencoder.channels, repair, gated=gated), repair != "none"
        self.discriminator = ArtifactDiscriminator(backbone, map_size, fc6=fc6)
        kept = check_positive("history", history, zero=True)
        self.history = History(kept, size, map_size) if kept else None
        self.train()

    @property
    def backbone(self) -> nn.Module:
        """The discriminator's; its fc6 is not trained here."""
        return self.discriminator.backbone

    @property
    def mask_chance(self) -> float:
        """Accuracy of saying the same, the more frequent, of all entries."""
        return max(self.drop, 1 - self.drop)

    def train(self, mode: bool = True):
        """As `nn.Module.train`, but the autoencoder keeps its statistics: real and damaged must be decoded alike."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    def masks(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A mask Ω for each image, (B, 1, M, M): 1 kept, 0 dropped."""
        size = tuple(self.autoencoder.map_size(side) for side in images.shape[2:])
        return draw_mask(len(images), size, self.drop, generator).to(images.device)

    def damaged(
        self,
        images: torch.Tensor,
        mask: torch.Tensor,
        generator: torch.Generator | None = None,
        *,
        repaired: bool = True,
        gated: bool | None = None,
    ) -> torch.Tensor:
        """Images without what ``mask`` (B, 1, M, M) drops, x̂ = D̂(φ̂(x)). generator: for fill "noise".

        repaired=False: D(φ̂(x)); gated=False: the repair lets loose on all places (the panels of Fig. 3.3).
        """
        return self._decode(self.autoencoder.encode(images), mask, generator, repaired, gated)

    def pretext(self, images: torch.Tensor, generator: torch.Generator):
        """Real images, then as many damaged ones (2 B, 3, S, S); targets: 1 real or 0 (2 B,), and Ω (B, 1, M, M).

        Row B + i is the damaged row i. Gradients reach the repair network. Raises ValueError for NaN and other sizes.
        """
        size = self.backbone.image_size
        if check_images("images", images).shape[1:] != (3, size, size):
            raise ValueError(f"images is {tuple(images.shape)}; it takes (B, 3, {size}, {size})")
        mask = self.masks(images, generator)
        with torch.no_grad():
            code = self.autoencoder.encode(images)
            real = self.autoencoder.decode(code) if self.real == "autoencoded" else images
        inputs = torch.cat([real, self._decode(code, mask, generator, True, None)])
        return inputs, ((torch.arange(len(inputs), device=images.device) < len(images)).long(), mask)

    def _decode(self, code, mask, generator, repaired, gated):
        code = drop_features(code, mask, self.fill, generator)
        return self.autoencoder.decode(code, *([self.repair.before(mask, gated)] if repaired else []))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images → logits of "real" (B,) and of "kept" (B, 1, M, M)."""
        return tuple(full_precision(logits) for logits in self.discriminator(images))

    def optimisers(self, make) -> dict[str, torch.optim.Optimizer]:
        """One for the discriminator, and one for the repair network if there is one."""
        made = {"discriminator": make(self.discriminator.trained())}
        if self.repairs:
            made["repair"] = make(self.repair.parameters(), scale=self.repair_rate)
        return made

    def update(self, images: torch.Tensor, generator: torch.Generator, step) -> dict[str, torch.Tensor]:
        """The discriminator's step on Eq. 3.4 and the mask, then the repair network's on Eq. 3.4.

        "accuracy": real or damaged; "mask_accuracy": entries of the masks, against ``mask_chance``.
        """
        inputs, (_, mask) = self.pretext(images, generator)
        real, fake = inputs.chunk(2)
        shown, where = fake.detach(), mask
        if self.history is not None:
            shown, where = self.history.exchange(shown, where, generator)
        # In one batch, or the discriminator could tell them apart by the statistics of its batch norm.
        judged, kept = self(torch.cat([real.detach(), shown]))
        truth, lie = judged.chunk(2)
        located = kept[len(real) :]
        parts = {"class": discriminator_loss(truth, lie, "saturating")}
        told = parts["class"]
        if self.mask_weight:
            parts["mask"] = mask_loss(located, where)
            parts["mask_accuracy"] = ((located > 0) == where.bool()).float().mean()
            told = told + self.mask_weight * parts["mask"]
        step("discriminator", told)
        if self.repairs:
            parts["repair"] = generator_loss(self(torch.cat([real.detach(), fake]))[0][len(real) :], self.loss)
            step("repair", parts["repair"])
        parts["accuracy"] = 0.5 * ((truth > 0).float().mean() + (lie < 0).float().mean())
        return {"loss": told + parts.get("repair", 0.0), **parts}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images → the maps of conv5, flattened (B, D), without the batch norm that belongs to the task."""
        return self.discriminator.conv5(images).flatten(1)
