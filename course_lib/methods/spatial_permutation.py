"""Spatial permutation: the tiles of an image are shuffled; which permutation was it? (000 §3.4.1, branch "S", §3.5)

The idea (jigsaw puzzles, Noroozi & Favaro 2016): to put tiles back in place one must know which parts an object
has and how they lie. Each tile is cut at a random place of its cell, recoloured and standardised by itself, or
edges, colour gradients and lens errors would solve the puzzle.

Tiles are smaller than images, so what they share with the backbone is ``backbone.conv``, which is what 000 transfers;
the fully connected layers over tiles belong to the pretext task and are thrown away with it.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_images, check_positive
from ..models.alexnet import map_shape
from ..transforms import cut_tiles, permute, resize, standardise


class SpatialPermutation(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: an `AlexNet` or `SmallAlexNet` (its ``conv`` and ``image_size`` are used). permutations: int64 (P, m²),
    of the tiles of an m×m grid, e.g. ``maximal_hamming_set(60, 9, generator)``. tile: pixels of a tile as cut (7/8 of
    a cell by default); tile_size: pixels it is resized to (75 in 000 §3.5; None: not resized). fc6, fc7: units per
    tile, and over all tiles (1024 and 4096 in 000 §3.5). augment: called on tiles (B, m², 3, h, w); with
    ``mode="frame"`` each tile is changed by itself. normalise: standardise the colours of each tile.
    Raises ValueError for permutations that do not fit a square grid.
    """

    def __init__(
        self,
        backbone: nn.Module,
        permutations: torch.Tensor,
        *,
        tile: int | None = None,
        tile_size: int | None = None,
        fc6: int = 64,
        fc7: int = 128,
        augment=None,
        normalise: bool = True,
    ):
        super().__init__()
        if permutations.ndim != 2 or len(permutations.unique(dim=0)) < 2:
            raise ValueError(
                f"permutations is {tuple(permutations.shape)}; it takes (P, m²) with P >= 2 different rows"
            )
        tiles = permutations.shape[1]
        self.grid = round(tiles**0.5)
        if self.grid**2 != tiles:
            raise ValueError(f"permutations has {tiles} places; a square grid takes a square number, e.g. 4 or 9")
        tile = max(1, backbone.image_size // self.grid * 7 // 8) if tile is None else tile
        self.tile = check_positive("tile", tile)
        self.tile_size = tile_size
        self.backbone, self.augment, self.normalise = backbone, augment, normalise
        channels, height, width = map_shape(backbone.conv, 3, tile_size or self.tile)
        self.fc6 = nn.Sequential(nn.Linear(channels * height * width, check_positive("fc6", fc6)), nn.ReLU())
        self.fc7 = nn.Sequential(nn.Linear(tiles * fc6, check_positive("fc7", fc7)), nn.ReLU())
        self.classifier = nn.Linear(fc7, len(permutations))
        self.register_buffer("permutations", permutations)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.permutations)

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Shuffled tiles (B, m², 3, h, w) and the index of the permutation applied to each image (B,).

        Raises ValueError for NaN, or for images too small for the tiles.
        """
        check_images("images", images)
        tiles = cut_tiles(images, self.grid, size=self.tile, generator=generator)
        index = torch.randint(len(self.permutations), (len(images),), generator=generator)
        tiles = permute(tiles, self.permutations.cpu()[index])
        tiles = self.augment(tiles, generator) if self.augment else tiles
        if self.tile_size:
            tiles = resize(tiles.flatten(0, 1), self.tile_size).unflatten(0, tiles.shape[:2])
        return (standardise(tiles) if self.normalise else tiles), index.to(images.device)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Tiles (B, m², 3, h, w) → logits (B, P)."""
        maps = self.backbone.conv(tiles.flatten(0, 1) * 2 - 1)  # scaled as the backbone does
        per_tile = self.fc6(maps.flatten(1)).unflatten(0, tiles.shape[:2])
        return self.classifier(self.fc7(per_tile.flatten(1)))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "which permutation?"."""
        tiles, index = self.pretext(images, generator)
        logits = self(tiles)
        return {"loss": F.cross_entropy(logits, index), "accuracy": (logits.argmax(1) == index).float().mean()}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → the pool5 map, flattened (B, C·h·w): the last layer this task trains.

        ``backbone`` itself ends in an fc6 for whole images, which this task does not touch; to give it one, train
        another task on the same backbone (serial "S&T") or fine-tune it.
        """
        images = standardise(images) if self.normalise else images
        return self.backbone.conv(images * 2 - 1).flatten(1)
