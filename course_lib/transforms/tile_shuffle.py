"""Images whose tiles are shuffled: the same textures, another whole (001, Fig. 4.1 and its footnote)."""

import torch
import torch.nn.functional as F

from ..checks import check_images, check_positive
from .permutations import permute, random_permutations


def shuffle_tiles(
    images: torch.Tensor,
    grid: int = 4,
    *,
    generator: torch.Generator | None = None,
    permutations: torch.Tensor | None = None,
    blend: int = 0,
) -> torch.Tensor:
    """Images (B, C, H, W) cut into ``grid``² tiles and put together in another order, same shape.

    The order is drawn for each image (never the true one), or given: int64 (B, grid²), tiles row by row; at place i
    comes tile ``permutations[:, i]``. blend: pixels on either side of a seam over which one tile fades into the next;
    each tile brings what was around it in its image. The source paints over the seams with an inpainter trained for
    it; fading is a cheap stand-in, and leaves double contours in the band. Raises ValueError if the sides are no
    multiples of ``grid``, or ``blend`` is more than half a tile.
    """
    batch, channels, height, width = check_images("images", images).shape
    if height % check_positive("grid", grid) or width % grid:
        raise ValueError(f"images are {height}×{width} pixels; a {grid}×{grid} grid takes multiples of {grid}")
    cell = (height // grid, width // grid)
    if check_positive("blend", blend, zero=True) > min(cell) // 2:
        raise ValueError(f"blend is {blend}; tiles of {cell[0]}×{cell[1]} pixels take at most {min(cell) // 2}")
    if permutations is None:
        permutations = random_permutations(batch, grid**2, generator)
    size = tuple(side + 2 * blend for side in cell)
    padded = F.pad(images, (blend,) * 4, mode="reflect") if blend else images
    tiles = F.unfold(padded, size, stride=cell).transpose(1, 2)
    # Each tile comes with a margin and weights that fall off over it; where tiles overlap, the weights sum to one.
    fades = [_fade(side, blend).to(images) for side in cell]
    weights = (fades[0][:, None] * fades[1]).expand(channels, -1, -1).reshape(1, 1, -1)
    laid = (permute(tiles, permutations) * weights).transpose(1, 2)
    whole, share = (
        F.fold(each, padded.shape[2:], size, stride=cell) for each in (laid, weights.expand_as(tiles).transpose(1, 2))
    )
    return (whole / share)[..., blend : blend + height, blend : blend + width]


def _fade(side, blend):
    """1 within a tile, falling linearly over 2 ``blend`` pixels around its ends."""
    rise = (torch.arange(2 * blend) + 0.5) / max(2 * blend, 1)
    return torch.cat([rise, torch.ones(side - 2 * blend), rise.flip(0)])
