"""Relative position: which of the eight neighbours of this patch is that one? (001 §2.3, 1-BG23; 002 §4.1, 2-P7)

The idea (Doersch et al. 2015): to say that the ear belongs above and left of the nose one must recognise both. Edges
that run on from one patch to the next would do as well, hence the gap and the jitter; so would the colour fringes of a
lens, which point away from the centre of the picture, hence the dropping of colours (`transforms.drop_colours`).
"""

import torch
from torch import nn

from ...checks import check_images, check_positive
from ...transforms import cut_tiles
from ..pretext.skeleton import scores, spread_labels
from .skeleton import PatchTask

CENTRE = 4  # of the nine tiles of a 3×3 grid, row by row


class RelativePosition(PatchTask):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: has ``conv`` and ``image_size``, unless ``window`` is given. window: side of the square, at a random place
    of the image, that the 3×3 grid is laid over (None: ``image_size``). Smaller than the image it keeps the *absolute*
    place of the second patch from answering. patch: side of a patch, at a random place of its cell; 7/8 of a cell by
    default, and the whole cell for touching edges. pairs_per_image: 8, all neighbours, or 1 drawn at random. fc6, fc7:
    units per patch and over a pair. augment, e.g. ``drop_colours``, and normalise: see `PatchTask`.
    Raises ValueError for a patch larger than a cell.
    """

    chance = 1 / 8

    def __init__(
        self,
        backbone: nn.Module,
        *,
        window: int | None = None,
        patch: int | None = None,
        pairs_per_image: int = 8,
        fc6: int = 64,
        fc7: int = 128,
        augment=None,
        normalise: bool = True,
    ):
        window = check_positive("window", backbone.image_size if window is None else window)
        cell = window // 3
        patch = max(1, cell * 7 // 8) if patch is None else patch
        if check_positive("patch", patch) > cell:
            raise ValueError(f"patch is {patch}; a cell of a 3×3 grid over {window} pixels has {cell}")
        super().__init__(backbone, patch, fc6=fc6, augment=augment, normalise=normalise)
        if check_positive("pairs_per_image", pairs_per_image) not in (1, 8):
            raise ValueError(f"pairs_per_image is {pairs_per_image}; it takes 8 (all neighbours) or 1")
        self.window, self.pairs_per_image = window, pairs_per_image
        self.fc7 = nn.Sequential(nn.Linear(2 * fc6, check_positive("fc7", fc7)), nn.ReLU())
        self.classifier = nn.Linear(fc7, 8)

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs of patches (B · pairs_per_image, 2, 3, h, w), the middle one first, and where the second was, 0 … 7.

        Neighbours are counted row by row: 0 above and left, 1 above, … 3 left, 4 right, … 7 below and right. All pairs
        of one image stand in turn. Raises ValueError for NaN and for images smaller than the window.
        """
        tiles = cut_tiles(random_windows(images, self.window, generator), 3, size=self.patch, generator=generator)
        if self.pairs_per_image == 8:
            rows, labels = torch.arange(len(images)).repeat_interleave(8), torch.arange(8).repeat(len(images))
        else:
            rows, labels = torch.arange(len(images)), spread_labels(len(images), 8, generator)
        other = labels + (labels >= CENTRE)
        pairs = torch.stack([tiles[rows, CENTRE], tiles[rows, other]], 1)
        return self.finish(pairs, generator), labels.to(images.device)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs of patches (N, 2, 3, h, w) → logits (N, 8)."""
        return self.classifier(self.fc7(self.embed(pairs).flatten(1)))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "which neighbour?"."""
        pairs, labels = self.pretext(images, generator)
        return scores(self(pairs), labels)


def random_windows(images: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """A square of ``size`` pixels at a random place of every image: (B, C, H, W) → (B, C, size, size)."""
    check_images("images", images)
    height, width = images.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"images are {height}×{width} pixels; a window of {size} takes at least as many")
    top = torch.randint(height - size + 1, (len(images), 1), generator=generator)
    left = torch.randint(width - size + 1, (len(images), 1), generator=generator)
    rows, columns = ((start + torch.arange(size)).to(images.device) for start in (top, left))
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    return images.movedim(1, -1)[sample, rows[:, :, None], columns[:, None]].movedim(-1, 1)
