"""What the seeds compare their methods with. A learned baseline is a method as any other (see `training.fit`)."""

from .clique_cnn import CliqueCNN, clique_similarity, compact_cliques, distant_groups
from .cluster_lstm import ClusterLSTM, cluster_sequences
from .exemplar_cnn import STRONG, ExemplarCNN
from .ground_truth import JointSimilarity, nearest_by_joints
from .hog import ExemplarSVM, HogLda, fit_exemplars, hog
from .sequence_similarity import dtw_distance, frame_similarity, warp
from .shuffle_and_learn import ShuffleAndLearn, frame_differences, motion_starts
from .supervised import ImageSampler, SequenceSampler, Supervised

__all__ = [
    "STRONG",
    "CliqueCNN",
    "ClusterLSTM",
    "ExemplarCNN",
    "ExemplarSVM",
    "HogLda",
    "ImageSampler",
    "JointSimilarity",
    "SequenceSampler",
    "ShuffleAndLearn",
    "Supervised",
    "clique_similarity",
    "cluster_sequences",
    "compact_cliques",
    "distant_groups",
    "dtw_distance",
    "fit_exemplars",
    "frame_differences",
    "frame_similarity",
    "hog",
    "motion_starts",
    "nearest_by_joints",
    "warp",
]
