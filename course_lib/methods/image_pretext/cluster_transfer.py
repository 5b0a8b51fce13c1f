"""Cluster transfer: hand a pretext task's knowledge to another network, as class labels. (000 §3.2.1, P03, "Jigsaw++")

The idea (Noroozi et al. 2018): fine-tuning ties the network of the pretext task to that of the application. Clusters do
not: (1) a teacher is trained on any pretext task, with any network; (2) its features of all images are clustered; (3) a
target network is trained *from scratch* to predict the clusters; (4) it is fine-tuned or probed. What the teacher knew
only because its task asked for it (the place of a tile) does not become a class, and is left behind.
"""

import torch
from torch import nn

from .deep_cluster import ClusterTask, all_features


class ClusterTransfer(ClusterTask):
    """Step (3) as a module for `training.fit`; see `ClusterTask` for arguments and batches.

    backbone: the target network, fresh. teacher: any method with ``features(images)`` → (B, D), or an array of its
    features (N, D) of ``images``. It is asked once, and not kept.
    """

    def __init__(
        self,
        backbone: nn.Module,
        images: torch.Tensor,
        clusters: int,
        *,
        teacher: nn.Module | torch.Tensor,
        generator: torch.Generator,
        components: int | None = 64,
        augment=None,
    ):
        super().__init__(backbone, images, clusters, components=components, augment=augment)
        known = teacher if isinstance(teacher, torch.Tensor) else all_features(teacher, images)
        self.assign(known, generator)
