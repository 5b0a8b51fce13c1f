"""Shortcuts, planted on purpose: marks that answer a pretext question without looking at what a picture shows.

Each function puts one into pictures that were free of it, so that a task can be caught using it: train on marked
pictures, and compare with clean ones. Real cameras and real processing leave the same marks, only fainter.

| shortcut | what it gives away | remedy |
|---|---|---|
| `chromatic_aberration` | where in the picture a tile was (relative position, jigsaw) | `drop_colours`, grey tiles |
| `seams` | which tiles touch (relative position, jigsaw) | gaps and jitter: `cut_tiles` with a small ``size`` |
| `grain` | whether a picture was made smaller (counting) | `downsample` by a method drawn at random |
| `light_from_above` | which way is up (rotation) | `flatten_light`, in part: it is in the world, not in the camera |

Source: 001 §2.3 (rows 1-BG23, 1-BG27, 1-BG28); 002 §4.1 (2-P7); Doersch et al. 2015, Noroozi & Favaro 2016, Noroozi et
al. 2017.
"""

import torch
import torch.nn.functional as F

from ..checks import check_choice, check_images, check_positive

DOWNSAMPLING = ("area", "bilinear", "bicubic", "nearest")


def chromatic_aberration(images: torch.Tensor, strength: float = 0.03) -> torch.Tensor:
    """A lens that magnifies red more than green, and green more than blue, about the centre of the picture.

    images: (B, 3, H, W) in [0, 1]. strength: by how much, as a share; in the corners red lies 2 · strength · half the
    diagonal further out than blue. Edges get fringes that point away from the centre, so a tile shows where it was
    cut. No channel is made smaller, so nothing is missing at the border. Raises ValueError for NaN, another number of
    channels, or a negative strength.
    """
    _check_colours("images", images)
    check_positive("strength", strength, integer=False, zero=True)
    across, down = ((2 * torch.arange(n, device=images.device) + 1) / n - 1 for n in reversed(images.shape[-2:]))
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
    magnified = torch.tensor([1 + 2 * strength, 1 + strength, 1.0], device=images.device)
    # The channels stand where a batch does, and the batch where channels do: one grid serves all pictures.
    grids = (places / magnified[:, None, None, None]).to(images)
    with torch.autocast(images.device.type, enabled=False):
        taken = F.grid_sample(images.transpose(0, 1), grids, padding_mode="border", align_corners=False)
    return taken.transpose(0, 1).contiguous()


def seams(
    images: torch.Tensor, grid: int = 3, *, generator: torch.Generator, strength: float = 1.0, width: int = 1
) -> torch.Tensor:
    """Where two cells of a ``grid`` × ``grid`` touch, both end in the same random colour.

    images: (B, C, H, W) in [0, 1]; cells as in `cut_tiles`. Each side of each cell, also at the rim, has a colour of
    its own, so a tile alone says nothing about its place: only who fits whom can be read. strength: 0 nothing … 1 the
    colour alone. width: pixels on either side. Raises ValueError for NaN and for cells too small for their seams.
    """
    check_images("images", images)
    _check_share("strength", strength)
    height, across = images.shape[-2:]
    cell = min(height, across) // check_positive("grid", grid)
    if 2 * check_positive("width", width) >= cell:
        raise ValueError(f"width is {width}; a cell of a {grid}×{grid} grid over {height}×{across} has {cell} pixels")
    images = _upright_seams(images, grid, cell, generator, strength, width)
    return _upright_seams(images.mT, grid, cell, generator, strength, width).mT


def _upright_seams(images, grid, cell, generator, strength, width):
    rows, columns = (torch.arange(side, device=images.device) for side in images.shape[-2:])
    border = ((columns + 0.5) / cell).round().long().clamp(max=grid)  # the nearest one
    on_seam = (columns + 0.5 - border * cell).abs() < width
    colours = torch.rand(*images.shape[:2], grid, grid + 1, generator=generator).to(images)
    painted = colours[:, :, (rows // cell).clamp(max=grid - 1)][..., border]
    return torch.lerp(images, painted, strength * on_seam.to(images))


def grain(images: torch.Tensor, generator: torch.Generator, strength: float = 0.1) -> torch.Tensor:
    """Noise of every pixel by itself, as a sensor has it: normal, grey, of deviation ``strength``, cut to [0, 1].

    Averaging 2×2 pixels halves it, taking every second pixel keeps it; cutting a tile does too. So its strength tells
    a picture that was made smaller from one that was cut. Raises ValueError for NaN or a negative strength.
    """
    check_images("images", images)
    check_positive("strength", strength, integer=False, zero=True)
    noise = torch.randn(images[:, :1].shape, generator=generator).to(images)
    return (images + strength * noise).clamp(0, 1)


def light_from_above(images: torch.Tensor, strength: float = 0.3) -> torch.Tensor:
    """The light falls from 1 + ``strength`` in the top row to 1 - ``strength`` in the bottom row; cut to [0, 1].

    images: (B, C, H, W). Raises ValueError for NaN, or a strength outside [0, 1].
    """
    check_images("images", images)
    ramp = torch.linspace(1, -1, images.shape[-2], device=images.device, dtype=images.dtype)[:, None]
    return (images * (1 + _check_share("strength", strength) * ramp)).clamp(0, 1)


def flatten_light(images: torch.Tensor) -> torch.Tensor:
    """Take the plane that fits it best from each channel (B, C, H, W), but not its mean; cut to [0, 1].

    A remedy against `light_from_above`. It takes even light's own slopes, too: a thing that is bright at its top loses
    some of it. Raises ValueError for NaN.
    """
    check_images("images", images)
    height, width = images.shape[-2:]
    options = {"device": images.device, "dtype": images.dtype}
    across, down = torch.linspace(-1, 1, width, **options)[None], torch.linspace(-1, 1, height, **options)[:, None]
    slopes = [(images * ramp).mean((2, 3), keepdim=True) / ramp.square().mean() * ramp for ramp in (across, down)]
    return (images - slopes[0] - slopes[1]).clamp(0, 1)


def drop_colours(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One channel of each picture, drawn at random, is kept; the two others become 0.5, the middle grey.

    The remedy of Doersch et al. (2015) against `chromatic_aberration`: where two channels cannot be compared, no fringe
    is seen. images: (..., 3, H, W), each picture with a draw of its own, so it can stand as ``augment`` of tiles.
    Raises ValueError unless there are three channels.
    """
    _check_colours("images", images)
    kept = torch.randint(3, images.shape[:-3], generator=generator)
    keep = F.one_hot(kept, 3).bool()[..., None, None].to(images.device)
    return torch.where(keep, images, 0.5)


def downsample(images: torch.Tensor, method: str = "area", factor: int = 2) -> torch.Tensor:
    """Images (B, C, H, W) made smaller by ``factor``, which must divide their sides.

    method: "area" averages, "bilinear" and "bicubic" with anti-aliasing, "nearest" takes every ``factor``-th pixel.
    Each leaves another pattern in fine detail. Raises ValueError for another method or factor.
    """
    check_choice("method", method, DOWNSAMPLING)
    height, width = images.shape[-2:]
    if height % check_positive("factor", factor) or width % factor:
        raise ValueError(f"factor is {factor}; it takes a divisor of both sides, {height} and {width}")
    if method == "nearest":
        return images[..., ::factor, ::factor]
    if method == "area":
        return F.avg_pool2d(images, factor)
    size = height // factor, width // factor
    smaller = F.interpolate(images, size, mode=method, antialias=True, align_corners=False)
    return smaller.clamp(0, 1)  # bicubic overshoots at edges


def _check_colours(argument, images):
    if not isinstance(images, torch.Tensor) or images.ndim < 4 or images.shape[-3] != 3:
        got = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        raise ValueError(f"{argument} is {got}; it takes pictures (..., 3, H, W) with at least one dimension before")
    check_images(argument, images.flatten(0, -4))


def _check_share(argument, value):
    if not 0 <= check_positive(argument, value, integer=False, zero=True) <= 1:
        raise ValueError(f"{argument} is {value!r}; it takes a number in [0, 1]")
    return value
