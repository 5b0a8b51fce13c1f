"""Random smooth warps of whole batches, by thin-plate splines (001 §4.2.2).

Control points lie on a uniform grid over the image, its borders included, and each is moved by a random offset. The
offset of every pixel is interpolated from them by the polyharmonic spline with φ(r) = r² log r,

    f(p) = Σ_i w_i φ(|p − c_i|) + vᵀ(1, p),   f(c_i) = offset_i,   Σ_i w_i = 0,   Σ_i w_i c_i = 0,

which bends as little as is possible. What f says of all pixels is linear in the offsets, and all images have the same
control points. So the system is solved once for all images of a size, and a batch costs one product of matrices.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

from ..checks import check_images, check_positive


def control_points(points: int, height: int, width: int) -> torch.Tensor:
    """A uniform grid of ``points``² places (x, y), pixels, row by row, from corner to corner: float64 (points², 2)."""
    for name, value, least in (("points", points, 2), ("height", height, 2), ("width", width, 2)):
        if check_positive(name, value) < least:
            raise ValueError(f"{name} is {value}; a warp takes at least {least}")
    x, y = (torch.linspace(0, side - 1, points, dtype=torch.float64) for side in (width, height))
    return torch.cartesian_prod(y, x).flip(1)


def spline_matrix(centres: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """What takes values at ``centres`` (N, 2) to their thin-plate spline at ``places`` (M, 2): float64 (M, N).

    Raises ValueError for fewer than three centres, or centres on one line, through which no single spline goes.
    """
    centres, places = centres.double(), places.double()
    count = len(centres)
    if torch.linalg.matrix_rank(_affine(centres - centres.mean(0))) < 3:
        raise ValueError(f"centres are {count} places on one line; a thin-plate spline takes three that are not")
    system = centres.new_zeros(count + 3, count + 3)
    system[:count, :count] = _bend(centres, centres)
    system[:count, count:] = _affine(centres)
    system[count:, :count] = _affine(centres).T
    values = torch.eye(count + 3, count, dtype=torch.float64)  # one at each centre in turn, and the constraints' zeros
    return torch.cat([_bend(places, centres), _affine(places)], 1) @ torch.linalg.solve(system, values)


def thin_plate_flow(offsets: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Offsets of the control points (B, points², 2), in pixels, → offsets of all pixels (B, 2, H, W), x before y.

    Raises ValueError if the number of offsets is not that of a square grid.
    """
    points = round(offsets.shape[1] ** 0.5) if offsets.ndim == 3 else 0
    if offsets.ndim != 3 or offsets.shape[2] != 2 or points**2 != offsets.shape[1]:
        raise ValueError(f"offsets is {tuple(offsets.shape)}; it takes (B, points², 2), points = 2, 3 …")
    matrix = _pixel_matrix(points, height, width).to(offsets)
    with torch.autocast(offsets.device.type, enabled=False):  # places need more than the eight bits of bf16
        # One product with two rows for each image, ten times as fast as a product for each.
        rows = offsets.transpose(1, 2).flatten(0, 1) @ matrix.T
    return rows.view(len(offsets), 2, height, width)


def thin_plate_warp(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W), each pixel taken from where the spline through ``offsets`` (B, points², 2) points.

    Bilinear; what would come from outside is reflected at the border: lines of repeated pixels, as other fills leave
    them, would give a warped image away. Raises ValueError for NaN and for shapes that do not fit.
    """
    check_images("images", images)
    if offsets.shape[:1] != images.shape[:1]:
        raise ValueError(f"offsets is {tuple(offsets.shape)}; {len(images)} images take ({len(images)}, points², 2)")
    height, width = images.shape[2:]
    # grid_sample counts from -1 to 1 between the centres of the first and the last pixel. The flow is linear, so it is
    # enough to bring the offsets to this unit.
    unit = torch.tensor([2 / (width - 1), 2 / (height - 1)])
    flow = thin_plate_flow((offsets * unit.to(offsets)).to(images.device), height, width)
    x, y = (torch.linspace(-1, 1, side).to(flow) for side in (width, height))
    grid = flow + torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)])
    with torch.autocast(images.device.type, enabled=False):
        return F.grid_sample(images, grid.movedim(1, 3).to(images.dtype), padding_mode="reflection", align_corners=True)


@dataclass(frozen=True)
class RandomWarp:
    """The transformation of 001 §4.2.2: ``warp(images, generator)``, another warp for each image.

    strength: each offset is drawn uniformly from [-d, d] × [-d, d], d = ``strength`` times the side of the image, 1/10
    in the source. points: control points along a side, a number the source does not give.
    """

    strength: float = 0.1
    points: int = 4

    def __post_init__(self):
        check_positive("strength", self.strength, integer=False, zero=True)
        if check_positive("points", self.points) < 2:
            raise ValueError(f"points is {self.points}; a warp takes at least 2")

    def offsets(self, count: int, height: int, width: int, generator: torch.Generator) -> torch.Tensor:
        """Random offsets of the control points, pixels, float32 (count, points², 2)."""
        share = 2 * torch.rand(count, self.points**2, 2, generator=generator) - 1
        return share * self.strength * torch.tensor([width, height])

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Images (B, C, H, W) → warped images, same shape. Raises ValueError for NaN or another shape."""
        check_images("images", images)
        return thin_plate_warp(images, self.offsets(len(images), *images.shape[2:], generator))


@lru_cache(maxsize=16)
def _pixel_matrix(points: int, height: int, width: int) -> torch.Tensor:
    y, x = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    pixels = torch.cartesian_prod(y, x).flip(1)
    # The spline is the same in any unit; with the longer side as unit the system is well conditioned.
    unit = max(height, width)
    return spline_matrix(control_points(points, height, width) / unit, pixels / unit).float()


def _bend(places: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """φ of all distances (M, N): r² log r, zero at r = 0."""
    square = (places[:, None] - centres).square().sum(2)
    return 0.5 * torch.xlogy(square, square)


def _affine(places: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.ones_like(places[:, :1]), places], 1)
