"""What a pretext task does to pixels: permutations, tiles, crops and colour. Batched, on the tensor's device."""

from .augment import Augmentation, standardise
from .permutations import all_permutations, hamming, invert, maximal_hamming_set, permute, random_permutations
from .tiles import cut_tiles, join_tiles, resize

__all__ = [
    "Augmentation",
    "all_permutations",
    "cut_tiles",
    "hamming",
    "invert",
    "join_tiles",
    "maximal_hamming_set",
    "permute",
    "random_permutations",
    "resize",
    "standardise",
]
