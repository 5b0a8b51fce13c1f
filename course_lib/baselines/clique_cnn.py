"""CliqueCNN: classes made of small groups of samples that are all very similar to one another (000 §3.3.2, B05).

The idea (Bautista et al. 2016): weak similarities (HOG) are wrong for most pairs, but reliable for the very
similar and the very different ones. So take compact *cliques* of about 8 samples that are all close to one
another, put only mutually distant cliques into a batch, and classify the clique. Pairs that are neither are never
used. Then measure similarity with what was learned, and start again.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_images, check_positive
from .supervised import take_images


class CliqueCNN(nn.Module):
    """Clique classification; batches are (images (B, 3, H, W), position of each one's clique in the batch (B,),
    the cliques of the batch (K,)), from `batches`.

    The softmax runs over the cliques of the batch only: cliques that are near one another are never each other's
    negatives. images: (N, 3, H, W), uint8 or float in [0, 1], where cliques come from. similarity: (N, N), larger is
    more similar; None takes the cosine of HOG descriptors. cliques, size: how many, of how many samples; per_batch:
    cliques in a batch. augment: as `transforms.Augmentation`, or None.
    """

    def __init__(
        self,
        backbone: nn.Module,
        images: torch.Tensor,
        *,
        generator: torch.Generator,
        similarity: torch.Tensor | None = None,
        cliques: int = 64,
        size: int = 8,
        per_batch: int = 8,
        augment=None,
    ):
        super().__init__()
        self.backbone, self.images, self.augment = backbone, images, augment
        self.size, self.per_batch = check_positive("size", size), check_positive("per_batch", per_batch)
        if not 2 <= per_batch <= check_positive("cliques", cliques):
            raise ValueError(f"per_batch is {per_batch}; it takes 2 … cliques ({cliques})")
        self.classifier = nn.Linear(backbone.features, cliques)
        # Buffers, so that a checkpoint holds the classes its classifier was trained for.
        self.register_buffer("cliques", torch.zeros(cliques, size, dtype=torch.int64))
        self.register_buffer("groups", torch.zeros(cliques, per_batch, dtype=torch.int64))
        self.rebuild(generator, hog_similarity(images) if similarity is None else similarity)

    @property
    def chance(self) -> float:
        """Accuracy of guessing among the cliques of a batch."""
        return 1 / self.per_batch

    def rebuild(self, generator: torch.Generator, similarity: torch.Tensor | None = None) -> None:
        """New cliques and batches, and a new classifier for them: from ``similarity`` (N, N), or, when None, from the
        cosine of the features learned so far. Call it between two runs of `training.fit`."""
        if similarity is None:
            similarity = cosine_similarity(self._all_features())
        cliques = compact_cliques(similarity, self.classifier.out_features, self.size)
        self.cliques.copy_(cliques)
        self.groups.copy_(distant_groups(clique_similarity(similarity, cliques), self.per_batch, generator))
        bound = self.backbone.features**-0.5
        with torch.no_grad():
            for weights in (self.classifier.weight, self.classifier.bias):
                weights.copy_((2 * torch.rand(weights.shape, generator=generator) - 1) * bound)

    def batches(self, device="cpu"):
        """A sampler: all ``size`` members of ``per_batch`` mutually distant cliques, one group drawn at random."""

        def sample(generator: torch.Generator):
            group = self.groups[int(torch.randint(len(self.groups), (), generator=generator))]
            images = take_images(self.images, self.cliques[group].flatten(), device)
            positions = torch.arange(self.per_batch).repeat_interleave(self.size)
            return images, positions.to(device), group.to(device)

        return sample

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The (augmented) images and the position of their clique in the batch. Raises ValueError for NaN."""
        images, positions, _ = batch
        check_images("images", images)
        return (self.augment(images, generator) if self.augment else images), positions

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy over the cliques of the batch, and accuracy."""
        images, positions = self.pretext(batch, generator)
        logits = self.classifier(self.backbone(images))[:, batch[2]]
        accuracy = (logits.argmax(1) == positions).float().mean()
        return {"loss": F.cross_entropy(logits, positions), "accuracy": accuracy}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(images)

    @torch.inference_mode()
    def _all_features(self):
        device, training = self.classifier.weight.device, self.training
        self.eval()
        rows = torch.arange(len(self.images)).split(256)
        found = torch.cat([self.backbone(take_images(self.images, piece, device)).float().cpu() for piece in rows])
        self.train(training)
        return found


def cosine_similarity(features: torch.Tensor) -> torch.Tensor:
    """Cosine of all pairs of rows: (N, D) → (N, N)."""
    unit = F.normalize(features, dim=1)
    return unit @ unit.T


def hog_similarity(images: torch.Tensor) -> torch.Tensor:
    """Cosine of centred HOG descriptors of images (N, 3, H, W), uint8 or float in [0, 1]: float32 (N, N)."""
    from .hog import hog

    described = torch.as_tensor(hog(take_images(images, torch.arange(len(images))))).float()
    # HOG is positive everywhere; without the mean all cosines are close to 1.
    return cosine_similarity(described - described.mean(0))


def compact_cliques(similarity: torch.Tensor, count: int, size: int = 8) -> torch.Tensor:
    """``count`` disjoint cliques of ``size`` samples that are all similar to one another, int64 (count, size).

    1. A clique grows from every sample at once: the sample whose *smallest* similarity to those already in is largest
       joins next (complete linkage), so one odd pair keeps a sample out.
    2. Cliques are taken by their smallest inner similarity, most compact first; one that shares a sample with a
       taken one is dropped.
    3. If more are wanted, both steps are repeated with the samples that are left.

    similarity: (N, N), larger is more similar; −inf for pairs that must not meet (neighbours in time, say).
    Raises ValueError for NaN, or if fewer than ``count`` disjoint cliques are found.
    """
    samples = len(similarity)
    if similarity.ndim != 2 or similarity.shape[1] != samples or similarity.isnan().any():
        raise ValueError(f"similarity is {tuple(similarity.shape)}; it takes (N, N) without NaN")
    if check_positive("count", count) * check_positive("size", size) > samples:
        raise ValueError(f"count is {count}, size is {size}; {samples} samples hold {samples // size} such cliques")
    taken, left = [], torch.arange(samples)
    while len(taken) < count:
        found = _disjoint_cliques(similarity[left][:, left], count - len(taken), size) if len(left) >= size else []
        if not found:
            raise ValueError(f"count is {count}; only {len(taken)} disjoint cliques of {size} samples were found")
        chosen = left[torch.stack(found)]
        taken.extend(chosen)
        left = left[~torch.isin(left, chosen)]
    return torch.stack(taken)


def _disjoint_cliques(similarity, count, size):
    """Up to ``count`` disjoint cliques among those that grow from every sample, most compact first."""
    rows = torch.arange(len(similarity))
    members, closest = rows[:, None], similarity.clone()
    for _ in range(size - 1):
        closest[rows[:, None], members] = -torch.inf
        joining = closest.argmax(1)
        members = torch.cat([members, joining[:, None]], dim=1)
        closest = torch.minimum(closest, similarity[joining])
    inner = similarity[members[:, :, None], members[:, None, :]]
    inner.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    compactness = inner.flatten(1).min(1).values if size > 1 else torch.zeros(len(rows))
    contains = torch.zeros(len(rows), len(rows), dtype=torch.bool).scatter_(1, members, True)  # clique × sample
    taken = []
    while len(taken) < count:
        best = int(compactness.argmax())
        if compactness[best] == -torch.inf:
            break
        taken.append(members[best])
        compactness[contains[:, members[best]].any(1)] = -torch.inf
    return taken


def clique_similarity(similarity: torch.Tensor, cliques: torch.Tensor) -> torch.Tensor:
    """Mean similarity between the samples of any two cliques: (N, N) and int64 (K, size) → (K, K)."""
    # Forbidden pairs (−inf) say nothing about likeness; they count as neutral.
    known = similarity.masked_fill(similarity.isinf(), 0.0)
    return known[cliques[:, None, :, None], cliques[None, :, None, :]].flatten(2).mean(2)


def distant_groups(similarity: torch.Tensor, per_group: int, generator: torch.Generator) -> torch.Tensor:
    """Groups of mutually distant cliques, one starting from each clique, int64 (K, per_group).

    A group grows by the clique least similar to its most similar member, looked for among a random half of those left:
    without the choice at random the same few outliers would be in every group. similarity: (K, K).
    """
    cliques = len(similarity)
    if not 1 <= per_group <= cliques:
        raise ValueError(f"per_group is {per_group}; it takes 1 … {cliques}, the number of cliques")
    rows = torch.arange(cliques)
    members, nearest = rows[:, None], similarity.clone()
    for step in range(1, per_group):
        nearest[rows[:, None], members] = torch.inf
        chance = torch.rand(cliques, cliques, generator=generator).masked_fill(nearest.isinf(), 2.0)
        considered = chance.argsort(1)[:, : max(1, (cliques - step) // 2)]
        joining = considered.gather(1, nearest.gather(1, considered).argmin(1, keepdim=True))
        members = torch.cat([members, joining], dim=1)
        nearest = torch.maximum(nearest, similarity[joining.squeeze(1)])
    return members
