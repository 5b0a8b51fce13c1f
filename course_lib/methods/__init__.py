"""One file per method; each can be read alone: the source and the idea, the pretext construction, the loss."""

from .joint_permutation import JointPermutation
from .order_prediction import OrderPrediction
from .spatial_permutation import SpatialPermutation
from .temporal_permutation import TemporalPermutation

__all__ = ["JointPermutation", "OrderPrediction", "SpatialPermutation", "TemporalPermutation"]
