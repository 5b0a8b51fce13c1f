"""What a pretext task does to pixels: permutations, tiles, crops and colour. Batched, on the tensor's device."""

from .augment import Augmentation, standardise
from .flow import flow_to_colour, horn_schunck, opencv_flow, warp
from .permutations import all_permutations, hamming, invert, maximal_hamming_set, permute, random_permutations
from .tiles import cut_tiles, join_tiles, resize

__all__ = [
    "Augmentation",
    "all_permutations",
    "cut_tiles",
    "flow_to_colour",
    "hamming",
    "horn_schunck",
    "invert",
    "join_tiles",
    "maximal_hamming_set",
    "opencv_flow",
    "permute",
    "random_permutations",
    "resize",
    "standardise",
    "warp",
]
