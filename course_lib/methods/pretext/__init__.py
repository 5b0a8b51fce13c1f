"""The surveyed pretext tasks on video: one file each, one skeleton (`ClipTask`) for those that classify clips."""

from .arrow_of_time import ArrowOfTime, TemporalCam
from .clip_order import ClipOrder, PairHead
from .clip_rotation import ClipRotation
from .cubic_puzzles import CubicPuzzles
from .odd_one_out import OddOneOut
from .playback_rate import PlaybackRate
from .skeleton import ClipTask, PuzzleTask

__all__ = [
    "ArrowOfTime",
    "ClipOrder",
    "ClipRotation",
    "ClipTask",
    "CubicPuzzles",
    "OddOneOut",
    "PairHead",
    "PlaybackRate",
    "PuzzleTask",
    "TemporalCam",
]
