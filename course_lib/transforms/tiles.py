"""Cutting images into a grid of tiles and shuffling them: the spatial side of ordering tasks (000 §3.4.1)."""

import torch
import torch.nn.functional as F

from ..checks import check_images, check_positive


def cut_tiles(
    images: torch.Tensor, grid: int = 3, *, size: int | None = None, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Cut images (B, C, H, W) into ``grid``² non-overlapping tiles, (B, grid², C, size, size), row by row.

    Each cell of the grid gives one tile at a random place within it (at its centre without a generator), so that
    tiles that touch in the image need not touch in the batch: matching edges would solve the puzzle without
    looking at the content. ``size`` defaults to 7/8 of the cell. Raises ValueError if a tile is larger than a cell.
    """
    check_images("images", images)
    batch, channels, height, width = images.shape
    cell = min(height, width) // check_positive("grid", grid)
    size = size if size is not None else max(1, cell * 7 // 8)
    if not 0 < size <= cell:
        raise ValueError(f"size is {size}; a cell of a {grid}×{grid} grid over {height}×{width} pixels has {cell}")
    if generator is None:
        offset = torch.full((batch, grid * grid, 2), (cell - size) // 2)
    else:
        offset = torch.randint(cell - size + 1, (batch, grid * grid, 2), generator=generator)
    corner = torch.arange(grid) * cell
    top = corner.repeat_interleave(grid) + offset[..., 0]
    left = corner.repeat(grid) + offset[..., 1]
    steps = torch.arange(size)
    rows = (top[..., None] + steps)[:, :, None, :, None].to(images.device)
    columns = (left[..., None] + steps)[:, :, None, None, :].to(images.device)
    sample = torch.arange(batch, device=images.device)[:, None, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, None, :, None, None]
    return images[sample, channel, rows, columns]


def join_tiles(tiles: torch.Tensor) -> torch.Tensor:
    """Lay tiles (B, N², C, h, w) out as one picture per sample, (B, C, N·h, N·w): for looking at them."""
    batch, count, channels, height, width = tiles.shape
    grid = round(count**0.5)
    if grid * grid != count:
        raise ValueError(f"tiles has {count} tiles; a square picture takes a square number")
    rows = tiles.reshape(batch, grid, grid, channels, height, width).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(batch, channels, grid * height, grid * width)


def resize(images: torch.Tensor, size: int) -> torch.Tensor:
    """Images (B, C, H, W) resized to ``size`` × ``size``, bilinear with anti-aliasing."""
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
