"""The surveyed pretext tasks on images: one file each, one skeleton (`ImageTask` for images, `PatchTask` for pieces).

Jigsaw is `methods.SpatialPermutation`, Exemplar-CNN is `baselines.ExemplarCNN`; shortcuts are planted with
`transforms.shortcuts`.
"""

from ..pretext.video_colourisation import colour_clusters
from .cluster_transfer import ClusterTransfer
from .clustering import cluster_labels, fill_empty, whiten
from .colourisation import Colourisation, colour_weights
from .context_encoder import AdversarialContextEncoder, ContextEncoder, missing
from .counting import Counting
from .deep_cluster import ClusterTask, DeepCluster, all_features
from .relative_position import RelativePosition
from .rotation import ImageRotation
from .skeleton import ImageTask, PatchTask
from .split_brain import SplitBrain, SplitBrainBackbone

__all__ = [
    "AdversarialContextEncoder",
    "ClusterTask",
    "ClusterTransfer",
    "Colourisation",
    "ContextEncoder",
    "Counting",
    "DeepCluster",
    "ImageRotation",
    "ImageTask",
    "PatchTask",
    "RelativePosition",
    "SplitBrain",
    "SplitBrainBackbone",
    "all_features",
    "cluster_labels",
    "colour_clusters",
    "colour_weights",
    "fill_empty",
    "missing",
    "whiten",
]
