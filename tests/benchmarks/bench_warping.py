"""Thin-plate warps of a batch in one call, against solving, evaluating and resampling image by image as a data set
class does it: SciPy's float64 splines, then either SciPy's `map_coordinates` for each channel or OpenCV's `remap`, the
fastest way to sample one image, which counts places in 1/32 of a pixel. OpenCV's own thin-plate transformer is not in
the package that the course needs. Against `remap`, small images cost us the calls more than the pixels: half the aim.
"""

import cv2
import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from scipy.ndimage import map_coordinates

from course_lib.transforms import RandomWarp, control_points, thin_plate_warp

from .timing import compare


def main() -> list[dict]:
    """The laptop's size, then the source's for STL-10 and for ImageNet (001 §4.3)."""
    return [
        row(32, 32, by_scipy, "SciPy", aim=10.0),
        row(32, 64, by_scipy, "SciPy", aim=10.0),
        row(16, 128, by_scipy, "SciPy", aim=10.0),
        row(32, 32, by_opencv, "SciPy and OpenCV", aim=5.0),
        row(32, 64, by_opencv, "SciPy and OpenCV", aim=5.0),
        row(16, 128, by_opencv, "SciPy and OpenCV", aim=5.0),
    ]


def by_scipy(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """image (C, H, W), places (2, H, W): x before y."""
    return np.stack([map_coordinates(channel, places[::-1], order=1, mode="mirror") for channel in image])


def by_opencv(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    columns, rows = places.astype(np.float32)
    turned = np.ascontiguousarray(image.transpose(1, 2, 0))
    return cv2.remap(turned, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101).transpose(2, 0, 1)


def row(batch: int, size: int, sample, named: str, *, aim: float) -> dict:
    """Draws are included on neither side."""
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, size, size, generator=draws)
    offsets = RandomWarp().offsets(batch, size, size, draws)
    centres = control_points(4, size, size).numpy()
    pixels = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2).astype(float)

    def one(image, own):
        spline = RBFInterpolator(centres, own, kernel="thin_plate_spline")
        return sample(image, (pixels + spline(pixels)).T.reshape(2, size, size))

    def looped():
        pairs = zip(images.numpy(), offsets.numpy(), strict=True)
        return torch.from_numpy(np.stack([one(image, own) for image, own in pairs]))

    # What 1/64 of a pixel makes of noise, in both directions, is at most 1/32 of its range.
    if not torch.allclose(looped(), thin_plate_warp(images, offsets), atol=0.04):
        raise ValueError(f"the two warps of {size}² differ")
    name = f"thin-plate warp, {batch} images of {size}², against {named} for each image"
    return compare(name, lambda: thin_plate_warp(images, offsets), looped, aim=aim, repeats=11)
