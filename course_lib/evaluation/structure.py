"""Numbers for what the seeds show as pictures: stripes, sharp neighbour means, a ring (V01, V02, C4.2)."""

import torch

from ..checks import check_images
from .arrays import as_features
from .similarity import phase_gap


def stripe_contrast(
    similarity, *, phase=None, period: float = 1.0, near: float = 0.1, far: float = 0.4, gap: int = 1
) -> float:
    """How clearly recurring postures stand out in a self-similarity matrix (N, N) (seed 000, Fig. 3.14).

    (mean similarity on the period − mean off the period) / deviation of all pairs used: a contrast, so that
    the general level of similarity of a representation does not count; 0 for none, larger is clearer. On the
    period: pairs whose phases are at most ``near`` cycles apart; off: at least ``far``. ``phase`` (N,) has
    cycle length ``period``; None means evenly sampled frames with ``period`` in frames. Pairs at most ``gap``
    rows apart are left out: neighbours in time are similar in any representation. Raises ValueError when no
    pair is on, or off, the period.
    """
    similarity = torch.as_tensor(similarity).detach().cpu().float()
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or not similarity.isfinite().all():
        raise ValueError(f"similarity has shape {tuple(similarity.shape)}; it takes finite (N, N)")
    rows = torch.arange(len(similarity))
    distance = phase_gap(rows if phase is None else phase, period, len(rows))
    apart = (rows[:, None] - rows).abs() > gap
    on, off = apart & (distance <= near), apart & (distance >= far)
    if not (on.any() and off.any()):
        raise ValueError(
            f"no pair of {len(rows)} frames (more than {gap} rows apart) is on, or off, the period {period}"
        )
    spread = similarity[on | off].std(correction=0)
    difference = similarity[on].mean() - similarity[off].mean()
    return (difference / spread.clamp(min=1e-12)).item()


def mean_images(images: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
    """Mean of each query's neighbours (Q, k), rows of ``images`` (N, C, H, W), as float32 (Q, C, H, W).

    uint8 images are brought to [0, 1].
    """
    neighbours = torch.as_tensor(neighbours).cpu()
    if neighbours.ndim != 2 or neighbours.numel() == 0:
        raise ValueError(f"neighbours has shape {tuple(neighbours.shape)}; it takes (Q, k)")
    scale = 255 if images.dtype == torch.uint8 else 1
    return torch.stack([images[row].float().mean(0) / scale for row in neighbours])


def gradient_energy(images: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of neighbouring pixels, (N, C, H, W) → (N,): how sharp an image is (V02)."""
    check_images("images", images)
    down, right = images.diff(dim=-2).square().mean((1, 2, 3)), images.diff(dim=-1).square().mean((1, 2, 3))
    return down + right


def embedding_angle(points) -> torch.Tensor:
    """Angle in (−π, π] of points (N, 2) around the centre of the circle that fits them best (least squares).

    For a two-dimensional embedding (t-SNE, PCA) that forms a ring (seed 000, Fig. 4.13). The fit is Kåsa's:
    linear in the centre and the squared radius, so it has one solution; it needs at least three points that
    are not on a line.
    """
    points = as_features("points", points).double()
    if points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"points has shape {tuple(points.shape)}; it takes (N, 2), N >= 3")
    points = points - points.mean(0)
    scale = points.abs().max().clamp(min=1e-300)
    points = points / scale
    design = torch.cat([2 * points, torch.ones(len(points), 1, dtype=torch.double)], dim=1)
    if torch.linalg.matrix_rank(design) < 3:
        raise ValueError("points lie on a line (or in one place); there is no circle to fit")
    centre = torch.linalg.lstsq(design, points.square().sum(1, keepdim=True)).solution[:2, 0]
    away = points - centre
    return torch.atan2(away[:, 1], away[:, 0]).float()


def circular_correlation(angle, phase) -> float:
    """Correlation of two angles in radians, (N,) each: 1 turning together, −1 in opposite directions.

    Fisher and Lee's (1983) coefficient: Σ sin(aᵢ − aⱼ) sin(bᵢ − bⱼ) over all pairs, normalised. It needs no
    mean direction, which phases spread evenly around the circle do not have, and does not change when either
    circle is rotated. An embedding may run either way round: C4.2 takes the absolute value. Computed from six
    sums, not from the N² pairs.
    """
    a, b = (torch.as_tensor(x).detach().cpu().double() for x in (angle, phase))
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2 or not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError(
            f"angle has shape {tuple(a.shape)}, phase {tuple(b.shape)}; they take finite radians (N,), N >= 2"
        )
    n = len(a)
    cc, ss = (a.cos() * b.cos()).sum(), (a.sin() * b.sin()).sum()
    cs, sc = (a.cos() * b.sin()).sum(), (a.sin() * b.cos()).sum()
    spread_a = n**2 - (2 * a).cos().sum() ** 2 - (2 * a).sin().sum() ** 2
    spread_b = n**2 - (2 * b).cos().sum() ** 2 - (2 * b).sin().sum() ** 2
    if min(spread_a, spread_b) < 1e-9 * n**2:
        raise ValueError("angle or phase is constant (up to half a turn); its correlation is not defined")
    return (4 * (cc * ss - cs * sc) / (spread_a * spread_b).sqrt()).item()
