"""Context encoder: paint what is missing from a picture. (000 §3.2.1, P01, Fig. 3.2; 001 §2.3, 1-BG25; 002 §4.1, 2-P4)

The idea (Pathak et al. 2016): to fill a hole one must know what the rest shows. An encoder sees the picture with the
hole, a decoder paints, and the squared error counts inside the hole only:

    L = ‖M ⊙ (x − F((1 − M) ⊙ x))‖², per missing pixel.

The L2 loss alone paints the mean of all that would fit, a blur (`ContextEncoder`). A discriminator that sees what was
painted, and what was there, tells a blur at once (`AdversarialContextEncoder`):

    L = (1 − w) · L2 + w · L_adv,  w = 0.001.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice, check_images, check_positive
from ..gan import discriminator_loss, generator_loss
from ..precision import full_precision

MASKS = ("centre", "blocks", "shapes")
BLOCKS = 6  # of the kind "blocks"


class ContextEncoder(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    encoder: images → codes (B, D), a backbone. decoder: codes → logits of the pixels, e.g. `ConvDecoder`. mask: kind of
    hole, see `missing`. share: of the pixels that are missing, about. Raises ValueError for another kind or share.
    """

    chance = None  # there is nothing to guess; "mean_fill" is what must be beaten

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, mask: str = "centre", share: float = 0.25):
        super().__init__()
        self.backbone, self.decoder = encoder, decoder
        self.mask, self.share = check_choice("mask", mask, MASKS), _check_share(share)

    def pretext(self, images: torch.Tensor, generator: torch.Generator):
        """The images with a hole of middle grey (B, 3, H, W), and targets: (the images, the holes (B, 1, H, W), 1 where
        a pixel is missing). Raises ValueError for NaN."""
        check_images("images", images)
        holes = missing(self.mask, len(images), images.shape[-2:], self.share, generator).to(images)
        return torch.where(holes > 0, 0.5, images), (images, holes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images with a hole → whole pictures in [0, 1]."""
        return full_precision(self.decoder(self.backbone(images))).sigmoid()

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The mean squared error of a missing pixel, and that of "mean_fill": the mean colour of what is left."""
        shown, (wanted, holes) = self.pretext(images, generator)
        mean = (wanted * (1 - holes)).sum((2, 3), keepdim=True) / (1 - holes).sum((2, 3), keepdim=True)
        return {"loss": hole_error(self(shown), wanted, holes), "mean_fill": hole_error(mean, wanted, holes)}

    @torch.inference_mode()
    def fill(self, images: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) with what is missing, ``holes`` (B, 1, H, W) > 0, painted by the network."""
        check_images("images", images)
        return torch.where(holes > 0, self(torch.where(holes > 0, 0.5, images)), images)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → codes (B, D)."""
        return self.backbone(images)


class AdversarialContextEncoder(ContextEncoder):
    """The same with a discriminator, and an optimiser for each side; batches are images (B, 3, H, W) in [0, 1].

    discriminator: pictures (B, 3, H, W) in [0, 1] → logits (B,), e.g. `models.Discriminator` with ``norm="spectral"``.
    It sees the missing region only, all else is middle grey: shown the whole picture it would look for the seam.
    weight: w. rate: learning rate of the discriminator as a multiple of the painter's, a tenth in the paper.
    ``training_loss`` is that of `ContextEncoder`, for judging. Raises ValueError for a weight outside [0, 1].
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        discriminator: nn.Module,
        *,
        weight: float = 0.001,
        rate: float = 0.1,
        mask: str = "centre",
        share: float = 0.25,
    ):
        super().__init__(encoder, decoder, mask=mask, share=share)
        if not 0 <= weight <= 1:
            raise ValueError(f"weight is {weight!r}; it takes a number in [0, 1]")
        self.discriminator, self.weight = discriminator, weight
        self.rate = check_positive("rate", rate, integer=False)

    def optimisers(self, make) -> dict[str, torch.optim.Optimizer]:
        """One for each side."""
        painter = [*self.backbone.parameters(), *self.decoder.parameters()]
        return {"discriminator": make(self.discriminator.parameters(), self.rate), "painter": make(painter)}

    def update(self, images: torch.Tensor, generator: torch.Generator, step) -> dict[str, torch.Tensor]:
        """A step of the discriminator, then one of the painter, on the same holes. "accuracy": how often the
        discriminator tells what was there from what was painted; "error": the L2 part."""
        shown, (wanted, holes) = self.pretext(images, generator)
        painted = self(shown)
        truth, lie = (self.judge(pictures, holes) for pictures in (wanted, painted.detach()))
        judged = discriminator_loss(truth, lie)
        step("discriminator", judged)
        error, fooled = hole_error(painted, wanted, holes), generator_loss(self.judge(painted, holes))
        loss = (1 - self.weight) * error + self.weight * fooled
        step("painter", loss)
        accuracy = 0.5 * ((truth > 0).float().mean() + (lie < 0).float().mean())
        return {"loss": loss, "error": error, "discriminator": judged, "painter": fooled, "accuracy": accuracy}

    def judge(self, pictures: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
        """Logits (B,) that what stands in the holes (B, 1, H, W) of pictures (B, 3, H, W) was there, not painted."""
        return full_precision(self.discriminator(torch.where(holes > 0, pictures, 0.5)))


def hole_error(painted: torch.Tensor, wanted: torch.Tensor, holes: torch.Tensor) -> torch.Tensor:
    """Mean squared error over the missing pixels: pictures (B, C, H, W) and holes (B, 1, H, W), 1 where missing."""
    error = holes * (painted - wanted).square()
    return error.sum() / (holes.sum() * wanted.shape[1]).clamp(min=1)


def missing(kind: str, count: int, size: tuple[int, int], share: float, generator: torch.Generator) -> torch.Tensor:
    """What is missing from pictures: float32 (count, 1, H, W), 1 where it is (000 Fig. 3.2).

    kind: "centre", a rectangle in the middle, with the same sides as the picture; "blocks", `BLOCKS` of them at random
    places, which may overlap; "shapes", blots of random form. share: of the pixels, exactly up to rounding for "centre"
    and "shapes", for "blocks" at most. Raises ValueError for another kind, or a share outside (0, 1).
    """
    check_choice("kind", kind, MASKS)
    _check_share(share)
    height, width = size
    if kind == "shapes":
        coarse = torch.rand(count, 1, 5, 5, generator=generator)
        smooth = F.interpolate(coarse, size, mode="bicubic", align_corners=True).flatten(1)
        gone = smooth.topk(max(1, round(share * height * width)), dim=1).indices
        return torch.zeros_like(smooth).scatter_(1, gone, 1.0).unflatten(1, (1, *size))
    side = (share if kind == "centre" else share / BLOCKS) ** 0.5
    tall, wide = (max(1, round(side * length)) for length in size)
    if kind == "centre":
        top, left = torch.full((count, 1), (height - tall) // 2), torch.full((count, 1), (width - wide) // 2)
    else:
        top = torch.randint(height - tall + 1, (count, BLOCKS), generator=generator)
        left = torch.randint(width - wide + 1, (count, BLOCKS), generator=generator)
    rows, columns = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top[..., None]) & (rows < top[..., None] + tall)  # (count, blocks, H)
    inside_columns = (columns >= left[..., None]) & (columns < left[..., None] + wide)
    return (inside_rows[..., :, None] & inside_columns[..., None, :]).any(1, keepdim=True).float()


def _check_share(share):
    if not 0 < share < 1:
        raise ValueError(f"share is {share!r}; it takes a number in (0, 1)")
    return share
