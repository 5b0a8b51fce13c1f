"""Optical flow: Horn and Schunck's from scratch, in batches; OpenCV's for use; colours, warping (002 §3.1.1)."""

import math

import torch
import torch.nn.functional as F

from ..checks import check_choice, check_images, check_positive

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as everyone who turns colours to grey


def horn_schunck(
    first: torch.Tensor, second: torch.Tensor, alpha: float = 0.05, iterations: int = 100, *, levels: int = 1
) -> torch.Tensor:
    """Dense optical flow from ``first`` to ``second`` after Horn and Schunck (1981).

    Minimises the sum of (Ix u + Iy v + It)² + alpha² (|∇u|² + |∇v|²) by Jacobi steps
    u ← ū - Ix (Ix ū + Iy v̄ + It) / (alpha² + Ix² + Iy²), and v alike, where ū is the mean of the neighbours.

    first, second: (B, C, H, W), C = 1 or 3, in [0, 1]; colours are turned to grey. alpha: smoothness, in grey levels
    per pixel (of a picture in [0, 1]). levels: halve the pictures levels - 1 times, solve there first, warp, and
    refine: for motions of more than a pixel. Returns (B, 2, H, W), pixels, x (right) before y (down), on the
    pictures' device: ``second(x + u, y + v) ≈ first(x, y)``.
    Raises ValueError for pictures that do not fit or bad numbers.
    """
    first, second = _grey("first", first), _grey("second", second)
    if first.shape != second.shape:
        raise ValueError(f"second is {tuple(second.shape)}; it takes the shape of first, {tuple(first.shape)}")
    check_positive("alpha", alpha, integer=False)
    check_positive("iterations", iterations)
    if min(first.shape[-2:]) < 2 ** (check_positive("levels", levels) + 1):
        raise ValueError(f"levels is {levels!r}; pictures of {tuple(first.shape[-2:])} are too small for it")
    pyramid = [(first, second)]
    for _ in range(levels - 1):
        pyramid.append(tuple(F.avg_pool2d(picture, 2, ceil_mode=True) for picture in pyramid[-1]))
    flow = first.new_zeros(len(first), 2, *pyramid[-1][0].shape[-2:])
    for one, two in reversed(pyramid):
        if flow.shape[-2:] != one.shape[-2:]:
            flow = 2 * F.interpolate(flow, one.shape[-2:], mode="bilinear", align_corners=False)
        flow = _refine(one, warp(two, flow) if levels > 1 else two, flow, alpha, iterations)
    return flow


def _refine(first, second, start, alpha, iterations):
    """Horn and Schunck's iterations for what ``start`` has not explained; the smoothness is that of the whole flow."""
    both = F.pad(torch.stack([first, second], 2).squeeze(1), (0, 1, 0, 1), mode="replicate")  # (B, 2, H + 1, W + 1)
    down = both[:, :, 1:] - both[:, :, :-1]
    right = both[..., 1:] - both[..., :-1]
    change = both[:, 1:] - both[:, :1]
    # Each derivative is the mean of four differences in a cube of 2 x 2 x 2 pixels, so all three are at its middle.
    ix = (right[:, :, 1:] + right[:, :, :-1]).mean(1, keepdim=True) / 2
    iy = (down[..., 1:] + down[..., :-1]).mean(1, keepdim=True) / 2
    it = F.avg_pool2d(change, 2, stride=1)
    # The equation is linearised at ``start``: its part of the motion is already in the warped picture.
    it = it - ix * start[:, :1] - iy * start[:, 1:]
    denominator = alpha**2 + ix.square() + iy.square()
    gradient = torch.cat([ix, iy], 1)
    flow = start
    for _ in range(iterations):
        mean = _neighbour_mean(flow)
        residual = (gradient * mean).sum(1, keepdim=True) + it
        flow = mean - gradient * (residual / denominator)
    return flow


def _neighbour_mean(flow):
    """ū: a sixth of the four neighbours beside, a twelfth of the four across (Horn and Schunck 1981, §8).

    Written as sums of shifted maps (1-2-1 along each axis, less the middle): on CPUs much faster than a convolution.
    """
    padded = F.pad(flow, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return (rows[..., :-2, :] + 2 * rows[..., 1:-1, :] + rows[..., 2:, :] - 4 * flow) / 12


def opencv_flow(first: torch.Tensor, second: torch.Tensor, method: str = "farneback") -> torch.Tensor:
    """Dense flow as practitioners compute it: OpenCV's "farneback" or "dis". Arguments and result as `horn_schunck`.

    OpenCV takes one pair at a time, on the CPU. Pictures need 12 pixels a side ("dis") or more.
    """
    import cv2

    check_choice("method", method, ("farneback", "dis"))
    one, two = _grey("first", first), _grey("second", second)
    if one.shape != two.shape:
        raise ValueError(f"second is {tuple(two.shape)}; it takes the shape of first, {tuple(one.shape)}")
    if min(one.shape[-2:]) < 12:
        raise ValueError(f"first is {tuple(one.shape)}; OpenCV's flow takes pictures of at least 12 pixels a side")
    pairs = [(p.mul(255).round().byte().cpu().squeeze(1).numpy()) for p in (one, two)]
    solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM) if method == "dis" else None
    # pyramid of 3 levels, each half the size, windows of 9 pixels, 5 iterations, polynomials over 5 pixels
    farneback = dict(pyr_scale=0.5, levels=3, winsize=9, iterations=5, poly_n=5, poly_sigma=1.1, flags=0)
    flows = [
        solver.calc(a, b, None) if solver else cv2.calcOpticalFlowFarneback(a, b, None, **farneback)
        for a, b in zip(*pairs, strict=True)
    ]
    return torch.stack([torch.from_numpy(flow) for flow in flows]).permute(0, 3, 1, 2).contiguous().to(first.device)


def flow_to_colour(flow: torch.Tensor, limit: float | None = None) -> torch.Tensor:
    """Flow (B, 2, H, W) as pictures (B, 3, H, W) in [0, 1]: the hue is the direction, white is no motion.

    Right is red, down yellow-green, left cyan, up violet. limit: pixels at which colours are full; by default the
    greatest length of the batch. Raises ValueError for another shape or numbers that are not finite.
    """
    if not isinstance(flow, torch.Tensor) or flow.ndim != 4 or flow.shape[1] != 2 or not torch.isfinite(flow).all():
        got = tuple(flow.shape) if isinstance(flow, torch.Tensor) else type(flow).__name__
        raise ValueError(f"flow is {got}; it takes finite (B, 2, H, W)")
    length = flow.norm(dim=1)
    limit = float(length.max()) if limit is None else check_positive("limit", limit, integer=False)
    saturation = (length / max(limit, 1e-6)).clamp(max=1)[:, None]
    hue = torch.atan2(flow[:, 1], flow[:, 0])[:, None] / (2 * math.pi)
    k = (flow.new_tensor([5.0, 3.0, 1.0])[:, None, None] + 6 * hue) % 6
    return 1 - saturation * torch.minimum(k, 4 - k).clamp(0, 1)


def warp(images: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Take every pixel from where the flow points: out(x, y) = images(x + u, y + v), bilinear, edges repeated.

    images: (B, C, H, W). flow: (B, 2, H, W), pixels. With the flow from a first to a second picture, warping the second
    gives back the first, where nothing was hidden. Raises ValueError for shapes that do not fit.
    """
    if images.ndim != 4 or flow.shape != (len(images), 2, *images.shape[2:]):
        got = f"{tuple(images.shape)} and {tuple(flow.shape)}"
        raise ValueError(f"images and flow are {got}; they take (B, C, H, W) and (B, 2, H, W)")
    height, width = images.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    # grid_sample counts from -1 to 1 between the centres of the first and the last pixel
    across, along = (x + flow[:, 0]) / max(width - 1, 1), (y + flow[:, 1]) / max(height - 1, 1)
    grid = torch.stack([across, along], -1) * 2 - 1
    return F.grid_sample(images, grid.to(images.dtype), mode="bilinear", padding_mode="border", align_corners=True)


def _grey(argument, images):
    check_images(argument, images)
    if images.shape[1] not in (1, 3):
        raise ValueError(f"{argument} has {images.shape[1]} channels; it takes 1 or 3")
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor(LUMINANCE)[:, None, None]).sum(1, keepdim=True)
