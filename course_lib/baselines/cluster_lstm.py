"""ClusterLSTM: a CNN-LSTM trained to tell clusters of sequences apart, the clusters found by DTW (000 §4.6.2, B27).

The idea: dynamic time warping on posture features says which sequences are alike. Its clusters serve as labels; what is
learned from them can be no better than the distance that made them, which is what the seed uses it to show.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_clips, check_positive
from ..data.videos import VideoSet
from ..models import CnnLstm
from .supervised import SequenceSampler


class ClusterLSTM(nn.Module):
    """Classification of clusters; batches are (clips (B, T, 3, H, W) in [0, 1], cluster of each (B,)).

    backbone: images → (B, D). clusters: how many. hidden: LSTM units. augment: called as ``augment(clips, generator)``.
    """

    def __init__(self, backbone: nn.Module, clusters: int, *, hidden: int = 64, augment=None):
        super().__init__()
        self.network = CnnLstm(backbone, hidden, check_positive("clusters", clusters))
        self.augment = augment

    @staticmethod
    def batches(videos: VideoSet, index: torch.Tensor, labels: torch.Tensor, *, batch: int, device="cpu"):
        """A sampler of sequences ``index`` (N, T), rows of ``videos.frames``, with their clusters ``labels`` (N,)."""
        return SequenceSampler(videos, index, labels, batch=batch, device=device)

    @property
    def backbone(self) -> nn.Module:
        """Images (B, 3, H, W) → posture features (B, D)."""
        return self.network.backbone

    @property
    def chance(self) -> float:
        """Accuracy of guessing among equally large clusters."""
        return 1 / self.network.classifier.out_features

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The (augmented) clips and their clusters. Raises ValueError for NaN."""
        clips, labels = batch
        check_clips("clips", clips)
        return (self.augment(clips, generator) if self.augment else clips), labels

    def training_loss(self, batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "which cluster?"."""
        clips, labels = self.pretext(batch, generator)
        logits = self.network(clips)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Posture features: images (B, 3, H, W) → (B, D)."""
        return self.backbone(images)

    def sequence_features(self, clips: torch.Tensor) -> torch.Tensor:
        """Behaviour features: clips (B, T, 3, H, W) → last LSTM state (B, hidden)."""
        return self.network.sequence(clips)


def cluster_sequences(distance: torch.Tensor, clusters: int, *, linkage: str = "complete") -> torch.Tensor:
    """Agglomerative clustering of a symmetric distance matrix (N, N), e.g. DTW: labels int64 (N,), 0 … clusters − 1.

    linkage: "complete" (balanced, compact clusters), "average" or "single". Clusters are numbered by size, the
    largest first. Raises ValueError for NaN, an asymmetric matrix, or more clusters than sequences.
    """
    from sklearn.cluster import AgglomerativeClustering

    check_choice("linkage", linkage, ("complete", "average", "single"))
    distance = torch.as_tensor(distance).double()
    square = distance.ndim == 2 and distance.shape[0] == distance.shape[1]
    if not square or not torch.isfinite(distance).all() or not torch.allclose(distance, distance.T):
        raise ValueError(f"distance is {tuple(distance.shape)}; it takes a symmetric matrix (N, N) of finite numbers")
    if check_positive("clusters", clusters) > len(distance):
        raise ValueError(f"clusters is {clusters}; there are {len(distance)} sequences")
    model = AgglomerativeClustering(clusters, metric="precomputed", linkage=linkage)
    labels = torch.from_numpy(model.fit_predict(distance.numpy())).long()
    by_size = labels.bincount(minlength=clusters).argsort(descending=True, stable=True)
    return by_size.argsort()[labels]
