"""Protocols: arrays in, numbers out. Features come from `extract`; all else takes (N, D) arrays and labels.

| protocol of the seeds | here |
|---|---|
| E01 pose similarity | `pose_benchmark`, `pose_auc` |
| E02 percentage of correct parts | `nearest_pose`, `pcp` |
| E03 fine-tuning on frames | `finetune` |
| E04 nearest-neighbour retrieval | `retrieval_topk` |
| E05 linear and two-layer probes | `linear_probe`, `mlp_probe` |
| E06 several labels at once | `finetune_multilabel`, `presence` |
| E07 detection | `finetune_detector`, `detection_map`, `proposals`, `windows` |
| E08 segmentation | `finetune_segmenter`, `mean_iou`, `class_iou`, `class_masks` |
| E09 ten similar, ten dissimilar | `similarity_benchmark`, `ten_ten_score` |
| V01, V02 | `self_similarity`, `stripe_contrast`; `mean_images`, `gradient_energy` |
| C4.2 | `embedding_angle`, `circular_correlation`, `cross_group_share` |
| V04, 1-V4, 1-V5 saliency | `input_gradient`, `grad_cam`, `guided_backpropagation`; `energy_inside`, `pointing_game` |
| 1-V2 patches that a unit answers to | `favourite_patches` |
| 1-V5 saliency of clips | `video_saliency` |
| 1-E1 each layer, conv1 … conv5 | `extract_layers` |
| 1-E9 k nearest neighbours, leaving one out | `knn_loocv` |
| 1-E11 texture bias | `texture_probe` |
| mean average precision | `average_precision` (labels), `mean_average_precision`, `precision_at_k` (retrieval) |
| correspondence: masks and key-points carried through a video | `mask_iou` (J), `pck`; floor `copy_first` |
| how a representation fills its space, collapse | `alignment`, `uniformity`, `effective_rank`, `feature_spread` |
| known factors, invariance | `factor_r2`, `relative_movement` |
| how sure | `bootstrap_interval`, `paired_bootstrap`, `wilson_interval` |
"""

from .boxes import decode_boxes, encode_boxes, paired_iou, proposals, windows
from .detection import DetectionResult, Detections, FastRCNN, detection_map, finetune_detector
from .extraction import extract
from .favourites import favourite_patches
from .finetuning import FinetuneResult, Supervised, finetune, reset_weights
from .layers import extract_layers
from .loocv import knn_loocv
from .multilabel import Multilabel, MultilabelResult, finetune_multilabel, presence
from .parts import limb_correct, nearest_pose, pcp
from .pose import (
    PoseBenchmark,
    joint_distance,
    normalise_joints,
    pose_auc,
    pose_benchmark,
    query_auc,
    rank_auc,
)
from .probes import ProbeResult, group_result, linear_probe, mlp_probe
from .propagation import MaskScore, copy_first, map_points, mask_iou, pck, point_maps
from .ranking import average_precision, mean_average_precision, precision_at_k
from .readout import factor_r2, relative_movement
from .retrieval import (
    candidate_similarity,
    cross_group_share,
    knn_classify,
    nearest,
    retrieval_topk,
    self_similarity,
)
from .saliency import energy_inside, grad_cam, guided_backpropagation, input_gradient, pointing_game
from .segmentation import FCN, SegmentationResult, class_iou, class_masks, finetune_segmenter, mean_iou
from .similarity import SimilarityBenchmark, phase_gap, similarity_benchmark, ten_ten_score
from .statistics import Interval, bootstrap_interval, paired_bootstrap, wilson_interval
from .structure import circular_correlation, embedding_angle, gradient_energy, mean_images, stripe_contrast
from .texture import texture_probe
from .uniformity import alignment, effective_rank, feature_spread, uniformity
from .video_saliency import video_saliency

__all__ = [
    "FCN",
    "DetectionResult",
    "Detections",
    "FastRCNN",
    "FinetuneResult",
    "Interval",
    "MaskScore",
    "Multilabel",
    "MultilabelResult",
    "PoseBenchmark",
    "ProbeResult",
    "SegmentationResult",
    "SimilarityBenchmark",
    "Supervised",
    "alignment",
    "average_precision",
    "bootstrap_interval",
    "candidate_similarity",
    "circular_correlation",
    "class_iou",
    "class_masks",
    "copy_first",
    "cross_group_share",
    "decode_boxes",
    "detection_map",
    "effective_rank",
    "embedding_angle",
    "encode_boxes",
    "energy_inside",
    "extract",
    "extract_layers",
    "factor_r2",
    "feature_spread",
    "favourite_patches",
    "finetune",
    "finetune_detector",
    "finetune_multilabel",
    "finetune_segmenter",
    "grad_cam",
    "gradient_energy",
    "group_result",
    "guided_backpropagation",
    "input_gradient",
    "joint_distance",
    "knn_classify",
    "knn_loocv",
    "limb_correct",
    "linear_probe",
    "map_points",
    "mask_iou",
    "mean_average_precision",
    "mean_images",
    "mean_iou",
    "mlp_probe",
    "nearest",
    "nearest_pose",
    "normalise_joints",
    "paired_bootstrap",
    "paired_iou",
    "pck",
    "pcp",
    "phase_gap",
    "point_maps",
    "pointing_game",
    "pose_auc",
    "pose_benchmark",
    "precision_at_k",
    "presence",
    "proposals",
    "query_auc",
    "rank_auc",
    "relative_movement",
    "reset_weights",
    "retrieval_topk",
    "self_similarity",
    "similarity_benchmark",
    "stripe_contrast",
    "ten_ten_score",
    "texture_probe",
    "uniformity",
    "video_saliency",
    "wilson_interval",
    "windows",
]
