"""What a pretext task does to pixels: permutations, tiles, crops and colour. Batched, on the tensor's device."""

from .augment import Augmentation, standardise
from .colour import rgb_to_lab, to_grey
from .flow import flow_to_colour, horn_schunck, opencv_flow, warp
from .lab import lab_to_rgb
from .permutations import all_permutations, hamming, invert, maximal_hamming_set, permute, random_permutations
from .shortcuts import chromatic_aberration, downsample, drop_colours, flatten_light, grain, light_from_above, seams
from .tile_shuffle import shuffle_tiles
from .tiles import cut_tiles, join_tiles, resize
from .time import frames_needed, largest_speed, periodic_index, random_index, speed_index, turn_range, warp_index
from .views import MOCO_V1, MOCO_V2, Views, gaussian_blur, hue_matrix
from .warping import RandomWarp, control_points, spline_matrix, thin_plate_flow, thin_plate_warp

__all__ = [
    "Augmentation",
    "MOCO_V1",
    "MOCO_V2",
    "RandomWarp",
    "Views",
    "all_permutations",
    "chromatic_aberration",
    "control_points",
    "cut_tiles",
    "downsample",
    "drop_colours",
    "flatten_light",
    "flow_to_colour",
    "frames_needed",
    "gaussian_blur",
    "grain",
    "hamming",
    "horn_schunck",
    "hue_matrix",
    "invert",
    "join_tiles",
    "lab_to_rgb",
    "largest_speed",
    "light_from_above",
    "maximal_hamming_set",
    "opencv_flow",
    "periodic_index",
    "permute",
    "random_index",
    "random_permutations",
    "resize",
    "rgb_to_lab",
    "seams",
    "shuffle_tiles",
    "speed_index",
    "spline_matrix",
    "standardise",
    "thin_plate_flow",
    "thin_plate_warp",
    "to_grey",
    "turn_range",
    "warp",
    "warp_index",
]
