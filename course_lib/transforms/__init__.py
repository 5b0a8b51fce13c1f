"""What a pretext task does to pixels: permutations, tiles, crops and colour. Batched, on the tensor's device."""

from .augment import Augmentation, standardise
from .colour import rgb_to_lab, to_grey
from .flow import flow_to_colour, horn_schunck, opencv_flow, warp
from .permutations import all_permutations, hamming, invert, maximal_hamming_set, permute, random_permutations
from .tiles import cut_tiles, join_tiles, resize
from .time import frames_needed, largest_speed, periodic_index, random_index, speed_index, turn_range, warp_index

__all__ = [
    "Augmentation",
    "all_permutations",
    "cut_tiles",
    "flow_to_colour",
    "frames_needed",
    "hamming",
    "horn_schunck",
    "invert",
    "join_tiles",
    "largest_speed",
    "maximal_hamming_set",
    "opencv_flow",
    "periodic_index",
    "permute",
    "random_index",
    "random_permutations",
    "resize",
    "rgb_to_lab",
    "speed_index",
    "standardise",
    "to_grey",
    "turn_range",
    "warp",
    "warp_index",
]
