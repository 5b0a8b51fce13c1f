"""DeepCluster: cluster the features, predict the clusters, start again. (000 §3.2.1, P04; 001 §2.3, 1-BG36)

The idea (Caron et al. 2018): even a random network's features are better than chance, so their clusters are weak
labels; a network trained on them has better features, hence better clusters. Three things keep it from collapsing: no
cluster is left empty, a batch draws clusters evenly, however large they are, and the classifier starts anew with each
clustering, because clusters have no names that last.
"""

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import nn

from ...checks import check_images, check_positive
from .clustering import cluster_labels
from .skeleton import ImageTask, take_images


class ClusterTask(ImageTask):
    """Classification of clusters; batches are (images (B, 3, H, W), cluster of each (B,)), from `batches`.

    images: (N, 3, H, W), uint8 or float in [0, 1], that are clustered. clusters: how many; about ten times as many as
    there are true classes served best (000 §6.3). components: of the whitened features. augment: called on images.
    ``labels`` holds the cluster of each image, -1 until `assign` has been called; it is saved with the weights.
    """

    def __init__(
        self, backbone: nn.Module, images: torch.Tensor, clusters: int, *, components: int | None = 64, augment=None
    ):
        super().__init__(backbone, clusters, augment=augment)
        if images.ndim != 4 or not 2 <= clusters <= len(images):
            raise ValueError(f"clusters is {clusters}, images is {tuple(images.shape)}; it takes 2 … N of (N, 3, H, W)")
        self.images, self.components = images, components
        self.register_buffer("labels", torch.full((len(images),), -1))

    def assign(self, features: torch.Tensor, generator: torch.Generator) -> float:
        """Cluster the features (N, D) of ``images``, and start the classifier anew. Returns the normalised mutual
        information with the clusters before, 0 … 1 (NaN the first time): it rises as the clusters settle."""
        if len(features) != len(self.images):
            raise ValueError(f"features has {len(features)} rows; it takes one for each of {len(self.images)} images")
        before = self.labels.cpu().clone()  # it is written over below
        labels = cluster_labels(features, self.classes, generator, components=self.components)
        self.labels.copy_(labels)
        bound = self.backbone.features**-0.5
        with torch.no_grad():
            for weights in (self.head.weight, self.head.bias):
                weights.copy_((2 * torch.rand(weights.shape, generator=generator) - 1) * bound)
        return float("nan") if (before < 0).any() else float(normalized_mutual_info_score(before, labels))

    def batches(self, batch: int, device="cpu"):
        """A sampler of ``batch`` images with their clusters, every cluster with the same probability."""
        check_positive("batch", batch)

        def sample(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
            labels = self.labels.cpu()
            rows = torch.multinomial(1 / labels.bincount()[labels].float(), batch, True, generator=generator)
            return take_images(self.images, rows, device), labels[rows].to(device)

        return sample

    def pretext(self, batch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The (augmented) images and their clusters. Raises ValueError for NaN."""
        images, labels = batch
        check_images("images", images)
        return (self.augment(images, generator) if self.augment else images), labels


class DeepCluster(ClusterTask):
    """The method as a module for `training.fit`; see `ClusterTask` for arguments and batches.

    The clusters at the start are those of the untrained backbone. Call ``rebuild`` between two runs of `training.fit`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        images: torch.Tensor,
        clusters: int,
        *,
        generator: torch.Generator,
        components: int | None = 64,
        augment=None,
    ):
        super().__init__(backbone, images, clusters, components=components, augment=augment)
        self.rebuild(generator)

    def rebuild(self, generator: torch.Generator) -> float:
        """New clusters, of the features learned so far, and a new classifier; returns what `assign` does."""
        return self.assign(all_features(self, self.images), generator)


@torch.inference_mode()
def all_features(method: nn.Module, images: torch.Tensor, *, chunk: int = 256) -> torch.Tensor:
    """``method.features`` of images (N, 3, H, W), uint8 or float in [0, 1], in eval mode: float32 (N, D) on the CPU."""
    device, training = next(method.parameters()).device, method.training
    method.eval()
    parts = torch.arange(len(images)).split(chunk)
    found = torch.cat([method.features(take_images(images, rows, device)).float().cpu() for rows in parts])
    method.train(training)
    return found
