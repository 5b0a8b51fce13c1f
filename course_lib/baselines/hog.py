"""Hand-made features and what the seeds train on them: HOG, HOG-LDA (B01), Exemplar-SVM (B02) (000, 3.3.2).

HOG: histograms of gradient orientations in cells, normalised in overlapping blocks (Dalal and Triggs 2005).
HOG-LDA: whiten with the covariance of all images, then one linear discriminant per cluster of postures
(Hariharan et al. 2012). Exemplar-SVM: one linear classifier per image (Malisiewicz et al. 2011).
"""

import torch
from torch import nn
from torch.nn.functional import normalize

from ..checks import check_images, check_positive
from ..evaluation.arrays import as_features, as_integers

CHUNK = 64


def hog(images: torch.Tensor, *, cell: int = 8, block: int = 2, orientations: int = 9) -> torch.Tensor:
    """Histograms of oriented gradients of float images (N, C, H, W): float32 (N, D), on the images' device.

    D = (rows − block + 1) (columns − block + 1) block² orientations, with H // cell rows and W // cell
    columns of cells. The definition is that of ``skimage.feature.hog`` with its defaults (hard bins over 180
    degrees, the channel with the strongest gradient, L2-Hys), batched. Raises ValueError for images smaller
    than one block.
    """
    check_images("images", images)
    for name, value in {"cell": cell, "block": block, "orientations": orientations}.items():
        check_positive(name, value)
    rows, columns = images.shape[2] // cell, images.shape[3] // cell
    if min(rows, columns) < block:
        raise ValueError(f"images are {tuple(images.shape[2:])} pixels; a block takes {block * cell} × {block * cell}")
    return torch.cat([_hog(piece, cell, block, orientations) for piece in images.split(CHUNK)])


def _hog(images, cell, block, orientations):
    down, right = torch.zeros_like(images), torch.zeros_like(images)
    down[:, :, 1:-1] = images[:, :, 2:] - images[:, :, :-2]
    right[..., 1:-1] = images[..., 2:] - images[..., :-2]
    # The channel with the strongest gradient, pixel by pixel (argmax over so few channels is far slower).
    size = down.square() + right.square()
    best = [size[:, 0], down[:, 0], right[:, 0]]
    for channel in range(1, images.shape[1]):
        stronger = size[:, channel] > best[0]
        best = [torch.where(stronger, new[:, channel], old) for new, old in zip((size, down, right), best, strict=True)]
    _, down, right = best
    angle = torch.rad2deg(torch.atan2(down, right)).remainder(180)
    bins = (angle * (orientations / 180)).long().clamp_(max=orientations - 1)
    rows, columns = images.shape[2] // cell, images.shape[3] // cell
    y = torch.arange(rows * cell, device=images.device).div(cell, rounding_mode="floor")
    x = torch.arange(columns * cell, device=images.device).div(cell, rounding_mode="floor")
    inside = (slice(None), slice(rows * cell), slice(columns * cell))
    place = (y[:, None] * columns + x) * orientations + bins[inside]
    cells = images.new_zeros(len(images), rows * columns * orientations)
    cells.scatter_add_(1, place.flatten(1), torch.hypot(down[inside], right[inside]).flatten(1))
    cells = cells.view(-1, rows, columns, orientations).permute(0, 3, 1, 2) / cell**2
    # (N, O, R', C', b, b) → (N, R', C', b, b, O), the order of scikit-image
    blocks = cells.unfold(2, block, 1).unfold(3, block, 1).permute(0, 2, 3, 4, 5, 1).flatten(3)
    blocks = _normalise(_normalise(blocks).clamp_(max=0.2))
    return blocks.flatten(1)


def _normalise(blocks, epsilon=1e-5):
    return blocks / (blocks.square().sum(-1, keepdim=True) + epsilon**2).sqrt()


class HogLda(nn.Module):
    """B01: HOG, whitened, and scored by one linear discriminant per cluster of postures (000:751).

    With mean μ₀ and covariance Σ of the HOG of all images, Σ shrunk towards a multiple of the identity, the
    discriminant of cluster c is w_c = Σ⁻¹(μ_c − μ₀). ``lda(images)``: the scores of all discriminants,
    float32 (N, clusters), each w_c of unit length in the whitened space; compared by cosine, they are the
    learned similarity. `whitened` gives the HOG before the discriminants.

    images: float (N, C, H, W), no labels. shrinkage: the weight of the identity, in (0, 1]. ``options`` go to
    `hog`. The seeds give neither number; few clusters and little shrinkage make this baseline weaker. The
    attribute ``clusters`` is the cluster of each image. Raises ValueError unless there are more images than
    clusters.
    """

    def __init__(
        self,
        images: torch.Tensor,
        generator: torch.Generator,
        *,
        clusters: int = 200,
        shrinkage: float = 0.3,
        **options,
    ):
        from sklearn.cluster import KMeans

        super().__init__()
        if not 0 < shrinkage <= 1:
            raise ValueError(f"shrinkage is {shrinkage!r}; it takes a number in (0, 1]")
        self.options = options
        features = hog(images, **options)
        if len(features) <= check_positive("clusters", clusters):
            raise ValueError(f"clusters is {clusters}; it takes fewer than the {len(features)} images")
        mean = features.mean(0)
        centred = features - mean
        covariance = centred.T @ centred / len(centred)
        values, vectors = torch.linalg.eigh(covariance)
        shrunk = (1 - shrinkage) * values.clamp(min=0) + shrinkage * covariance.diagonal().mean()
        whitening = vectors / shrunk.sqrt()  # (D, D); whitened features are in the basis of the eigenvectors
        # Clusters are sought in leading components of plain HOG: whitening makes noise as loud as posture.
        leading = (centred @ vectors[:, -128:]).cpu().numpy()
        seed = int(torch.randint(2**31, (1,), generator=generator))
        label = KMeans(clusters, n_init=1, max_iter=50, random_state=seed).fit_predict(leading)
        self.clusters = torch.as_tensor(label, dtype=torch.int64)
        total = features.new_zeros(clusters, len(whitening))
        total.index_add_(0, self.clusters.to(total.device), centred @ whitening)
        self.register_buffer("mean", mean)
        self.register_buffer("whitening", whitening)
        self.register_buffer("discriminants", normalize(total, dim=1).T.contiguous())

    def whitened(self, images: torch.Tensor) -> torch.Tensor:
        """Whitened HOG, float32 (N, D)."""
        return (hog(images, **self.options) - self.mean) @ self.whitening

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the discriminants, float32 (N, clusters)."""
        return self.whitened(images) @ self.discriminants


class ExemplarSVM:
    """B02: a linear SVM per exemplar, negatives from all categories but its own (000:752).

    For exemplar e with features x_e: min ½‖w‖² + C₊ h(w·x_e) + C₋ Σ h(−w·x_n) with squared hinge h(t) =
    max(0, 1 − t)² and the negatives n of all other categories, features centred and scaled to unit length
    with a constant added (so the bias is regularised too, as in LIBLINEAR). All exemplars of a category have
    the same negatives, so they are solved at once by accelerated gradient descent.

    features: (N, D), HOG as a rule. category int (N,). exemplars int (E,): rows that get a classifier.
    negatives: at most so many per category, drawn by ``generator``. Raises ValueError when there is only one
    category.
    """

    def __init__(
        self,
        features,
        category,
        exemplars,
        generator: torch.Generator,
        *,
        negatives: int = 1000,
        positive_weight: float = 1.0,
        negative_weight: float = 0.05,
        iterations: int = 80,
    ):
        features = as_features("features", features)
        category = as_integers("category", category, len(features))
        self.exemplars = as_integers("exemplars", exemplars)
        check_positive("negatives", negatives)
        check_positive("iterations", iterations)
        if len(self.exemplars) == 0 or self.exemplars.min() < 0 or self.exemplars.max() >= len(features):
            raise ValueError(f"exemplars takes rows 0 … {len(features) - 1}, at least one")
        if len(category.unique()) < 2:
            raise ValueError("category has one value; the negatives of an exemplar come from the other categories")
        unit = normalize(features - features.mean(0), dim=1)
        self.inputs = torch.cat([unit, torch.ones(len(unit), 1)], dim=1)
        self.weights = torch.empty(len(self.exemplars), self.inputs.shape[1])
        for value in category[self.exemplars].unique():
            mine = category[self.exemplars] == value
            others = (category != value).nonzero().squeeze(1)
            drawn = others[torch.randperm(len(others), generator=generator)[:negatives]]
            self.weights[mine] = fit_exemplars(
                self.inputs[self.exemplars[mine]],
                self.inputs[drawn],
                positive_weight=positive_weight,
                negative_weight=negative_weight,
                iterations=iterations,
            )
        self.row_of = {row: i for i, row in enumerate(self.exemplars.tolist())}

    def similarity(self, query, candidates) -> torch.Tensor:
        """Score of each query's own classifier on its candidates: rows (Q,), (Q, K) → (Q, K), for `pose_auc`.

        Raises ValueError for a query that is no exemplar.
        """
        missing = [row for row in query.tolist() if row not in self.row_of]
        if missing:
            raise ValueError(f"query has rows that are no exemplars: {missing[:5]}")
        own = self.weights[[self.row_of[row] for row in query.tolist()]]
        pieces = [
            torch.einsum("qd,qkd->qk", w, self.inputs[c])
            for w, c in zip(own.split(64), candidates.split(64), strict=True)
        ]
        return torch.cat(pieces)

    def scores(self) -> torch.Tensor:
        """The ensemble: scores of all classifiers on all rows, float32 (N, E), usable as features.

        Each classifier is standardised over the rows, so that none speaks louder than the others.
        """
        scores = self.inputs @ self.weights.T
        return (scores - scores.mean(0)) / scores.std(0, correction=0).clamp(min=1e-12)


def fit_exemplars(
    positives: torch.Tensor,
    negatives: torch.Tensor,
    *,
    positive_weight: float = 1.0,
    negative_weight: float = 0.05,
    iterations: int = 80,
) -> torch.Tensor:
    """Weights of one linear SVM per row of ``positives`` (E, D) against shared ``negatives`` (M, D): (E, D).

    The objective of `ExemplarSVM`; Nesterov's method with step 1/L and restarts, where L = 1 + 2 C₊ max
    ‖x_e‖² + 2 C₋ λ_max(XᵀX) bounds the curvature.
    """
    vector = negatives.sum(0)
    for _ in range(30):  # power iteration for the largest eigenvalue
        vector = normalize(negatives.T @ (negatives @ vector), dim=0)
    largest = (negatives @ vector).square().sum()
    step = 1 / (1 + 2 * positive_weight * positives.square().sum(1).max() + 2.1 * negative_weight * largest)
    weights = torch.zeros_like(positives)
    ahead, momentum = weights, torch.ones(len(positives), 1)
    for _ in range(iterations):
        missing = (1 - (ahead * positives).sum(1, keepdim=True)).clamp(min=0)
        violated = (1 + ahead @ negatives.T).clamp_(min=0)
        gradient = ahead - 2 * positive_weight * missing * positives + 2 * negative_weight * violated @ negatives
        stepped = ahead - step * gradient
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        # A problem whose momentum points uphill starts it again; otherwise it would oscillate.
        uphill = ((ahead - stepped) * (stepped - weights)).sum(1, keepdim=True) > 0
        following = torch.where(uphill, 1, following)
        ahead = stepped + torch.where(uphill, 0, (momentum - 1) / following) * (stepped - weights)
        weights, momentum = stepped, following
    return weights
