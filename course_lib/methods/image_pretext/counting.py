"""Counting: what a picture holds is what its four quarters hold together. (001 §2.3, 1-BG27; 002 §4.1, 2-P9)

The idea (Noroozi et al. 2017): features that *count* visual primitives do not change when the picture D x is made
smaller, and add up over its tiles T_j x. Nobody says what to count:

    L = ‖φ(D x) − Σ_j φ(T_j x)‖² + max(0, M − ‖φ(D y) − Σ_j φ(T_j x)‖²),   φ >= 0.

The second term, with another picture y, keeps φ from counting nothing, which would fulfil the first. A network that
sees from fine detail whether it was given a D x or a tile can cheat: it need not count, but only answer four times as
much to D x, of anything, e.g. of the mean colour. So D is drawn from several ways of making a picture smaller.
"""

import torch
from torch import nn

from ...checks import check_choice, check_positive
from ...transforms import cut_tiles, downsample
from ...transforms.shortcuts import DOWNSAMPLING
from ..precision import full_precision
from .skeleton import PatchTask, check_square


class Counting(PatchTask):
    """The method as a module for `training.fit`; batches are square images (B, 3, S, S) in [0, 1], B at least 2.

    backbone: has ``conv``. size: S, even; D x and the tiles have half of it. counts: numbers that φ gives (1000 in the
    paper). margin: M (10 in the paper); 0 leaves the second term out. fc6: units before them. downsampling: "random"
    draws a method of `downsample` for each image; or one of them. augment, normalise: see `PatchTask`; colours are not
    standardised by default, since an empty tile must stay empty.
    """

    chance = 0.5  # of telling D x from D y, given the tiles of x

    def __init__(
        self,
        backbone: nn.Module,
        *,
        size: int,
        counts: int = 64,
        margin: float = 10.0,
        fc6: int = 64,
        downsampling: str = "random",
        augment=None,
        normalise: bool = False,
    ):
        if check_positive("size", size) % 2:
            raise ValueError(f"size is {size}; it takes an even number of pixels")
        super().__init__(backbone, size // 2, fc6=fc6, augment=augment, normalise=normalise)
        self.margin = check_positive("margin", margin, integer=False, zero=True)
        self.downsampling = check_choice("downsampling", downsampling, ("random", *DOWNSAMPLING))
        self.count = nn.Sequential(nn.Linear(fc6, check_positive("counts", counts)), nn.ReLU())

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pieces (B, 5, 3, S/2, S/2), D x and then the four tiles, row by row; and for each x the row of its y (B,).

        y is another image of the batch, drawn at random. Raises ValueError for NaN, a single image, another size.
        """
        check_square(images, "counting")
        if len(images) < 2 or images.shape[-1] != 2 * self.patch:
            raise ValueError(
                f"images is {tuple(images.shape)}; counting takes at least 2 images of side {2 * self.patch}"
            )
        whole = self._smaller(images, generator)
        pieces = torch.cat([whole[:, None], cut_tiles(images, 2, size=self.patch)], 1)
        # A random cycle through the batch: every y is used once, and none is its own x.
        order = torch.randperm(len(images), generator=generator)
        partner = torch.empty_like(order)
        partner[order] = order.roll(1)
        return self.finish(pieces, generator), partner.to(images.device)

    def _smaller(self, images, generator):
        if self.downsampling != "random":
            return downsample(images, self.downsampling)
        drawn = torch.randint(len(DOWNSAMPLING), (len(images),), generator=generator).to(images.device)
        ways = torch.stack([downsample(images, method) for method in DOWNSAMPLING])
        return ways[drawn, torch.arange(len(images), device=images.device)]

    def forward(self, pieces: torch.Tensor) -> torch.Tensor:
        """Pieces (N, K, 3, h, w) → φ of each, (N, K, counts), all >= 0."""
        return self.count(self.embed(pieces))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The loss, its parts "equal" and "contrast", the mean "count" of a picture (0: it collapsed), and "accuracy":
        how often the tiles of x add up to something nearer to D x than to D y; a tie is wrong."""
        pieces, partner = self.pretext(images, generator)
        phi = full_precision(self(pieces))
        whole, total = phi[:, 0], phi[:, 1:].sum(1)
        equal = (whole - total).square().sum(1)
        other = (whole[partner] - total).square().sum(1)
        contrast = (self.margin - other).relu()
        return {
            "loss": (equal + contrast).mean(),
            "equal": equal.mean(),
            "contrast": contrast.mean(),
            "count": total.sum(1).mean(),
            "accuracy": (equal < other).float().mean(),
        }
