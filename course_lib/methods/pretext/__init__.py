"""The surveyed pretext tasks on video: one file each, one skeleton (`ClipTask`) for those that classify clips."""

from .arrow_of_time import ArrowOfTime, TemporalCam
from .clip_order import ClipOrder, PairHead
from .clip_rotation import ClipRotation
from .cubic_puzzles import CubicPuzzles
from .cycle_tracking import CycleTracking
from .dense_prediction import ConvGRU, DensePredictiveCoding
from .odd_one_out import OddOneOut
from .playback_rate import PlaybackRate
from .skeleton import ClipTask, PuzzleTask
from .temporal_coherence import TemporalCoherence
from .video_colourisation import VideoColourisation, colour_clusters

__all__ = [
    "ArrowOfTime",
    "ClipOrder",
    "ClipRotation",
    "ClipTask",
    "ConvGRU",
    "CubicPuzzles",
    "CycleTracking",
    "DensePredictiveCoding",
    "OddOneOut",
    "PairHead",
    "PlaybackRate",
    "PuzzleTask",
    "TemporalCam",
    "TemporalCoherence",
    "VideoColourisation",
    "colour_clusters",
]
