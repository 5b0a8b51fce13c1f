"""How well something marked in the first frame of a video is followed: masks (J, the Jaccard index) and key-points.

The measures of 000 §3.2.2's correspondence tasks (V. colourisation, cycle consistency), after DAVIS and JHMDB. What
every method must beat is doing nothing: `copy_first`.
"""

from dataclasses import dataclass

import torch

from ..checks import check_positive


@dataclass(frozen=True)
class MaskScore:
    """``mean``: J, first over the frames of a video, then over its objects, then over videos. ``frames``: J of each
    frame but the first, (B, T − 1), NaN where no object is in truth or prediction. ``videos``: (B,)."""

    mean: float
    frames: torch.Tensor
    videos: torch.Tensor


def copy_first(labels: torch.Tensor, frames: int) -> torch.Tensor:
    """The labels of the first frame (B, ...) in all ``frames``, (B, T, ...): the floor of every propagation."""
    check_positive("frames", frames)
    return labels[:, None].expand(-1, frames, *labels.shape[1:]).clone()


def mask_iou(predicted: torch.Tensor, truth: torch.Tensor) -> MaskScore:
    """Region similarity J = |P ∩ G| / |P ∪ G| of masks (B, T, H, W), integers, 0 background, over the frames after the
    first, which was given.

    An object that is neither seen nor predicted in a frame does not count there. Raises ValueError if shapes differ,
    for fewer than two frames, and where the first frames show no object at all.
    """
    for name, masks in (("predicted", predicted), ("truth", truth)):
        if masks.ndim != 4 or masks.is_floating_point() or masks.shape != truth.shape:
            raise ValueError(f"{name} is {tuple(masks.shape)} {masks.dtype}; both take equal integers (B, T, H, W)")
    if truth.shape[1] < 2:
        raise ValueError(f"truth has {truth.shape[1]} frame; propagation takes at least two")
    objects = torch.arange(1, max(int(truth.max()), 1) + 1, device=truth.device)[:, None, None, None, None]
    p, g = predicted[None, :, 1:] == objects, truth[None, :, 1:] == objects
    union = (p | g).sum((3, 4)).float()
    ratio = (p & g).sum((3, 4)) / union  # (O, B, T − 1), 0 / 0 is NaN
    marked = (truth[None, :, 0] == objects[:, 0]).flatten(2).any(2)  # only what was marked can be followed
    ratio = torch.where(marked[..., None], ratio, float("nan")).cpu()
    videos = ratio.nanmean(2).nanmean(0)
    if videos.isnan().all():
        raise ValueError("truth has no object in the first frame of any video")
    return MaskScore(float(videos.nanmean()), ratio.nanmean(0), videos)


def pck(predicted: torch.Tensor, truth: torch.Tensor, size: torch.Tensor | float, alpha: float = 0.1) -> float:
    """PCK@α: the share of key-points (..., J, 2) nearer to the truth than ``alpha`` times ``size``, the scale of the
    body or the picture in pixels: a number or (...,). Key-points whose truth is NaN do not count.

    Raises ValueError if shapes differ or nothing is labelled.
    """
    check_positive("alpha", alpha, integer=False)
    if predicted.shape != truth.shape or truth.shape[-1] != 2:
        raise ValueError(f"predicted is {tuple(predicted.shape)}, truth {tuple(truth.shape)}; both take (..., J, 2)")
    labelled = truth.isfinite().all(-1)
    if not labelled.any():
        raise ValueError("truth has no labelled key-point")
    limit = alpha * torch.as_tensor(size, dtype=torch.float32)
    near = (predicted - truth).norm(dim=-1) < (limit[..., None] if limit.ndim else limit)
    return float(near[labelled].float().mean())


def point_maps(points: torch.Tensor, size: tuple[int, int], sigma: float) -> torch.Tensor:
    """Key-points (..., J, 2) in pixels, x then y → soft labels (..., J, H, W), a Gaussian of width ``sigma`` at each
    that sums to at most one; all zero for points that are NaN. Made to be propagated; `map_points` reads them back."""
    check_positive("sigma", sigma, integer=False)
    rows, columns = (torch.arange(n, dtype=torch.float32, device=points.device) for n in size)
    x, y = points.unbind(-1)
    across = (-((columns - x[..., None]) ** 2) / (2 * sigma**2)).exp()
    down = (-((rows - y[..., None]) ** 2) / (2 * sigma**2)).exp()
    maps = (down[..., :, None] * across[..., None, :]).nan_to_num(0)
    return maps / maps.sum((-1, -2), keepdim=True).clamp(min=1)


def map_points(maps: torch.Tensor) -> torch.Tensor:
    """The highest place of every map (..., J, H, W), x then y, (..., J, 2) in pixels."""
    best = maps.flatten(-2).argmax(-1)
    return torch.stack([best % maps.shape[-1], best // maps.shape[-1]], -1).float()
