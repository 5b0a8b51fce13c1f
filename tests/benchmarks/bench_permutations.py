"""Maximal-Hamming sets: running distances against the published greedy loop, which measures anew at every step.

The loop is that of the published jigsaw code: ``cdist`` between all chosen and all remaining permutations, mean,
argmax, delete. It grows with the square of the number chosen; 200 of the 8! take it a few seconds.
"""

import numpy as np
import torch
from scipy.spatial.distance import cdist

from course_lib.transforms import all_permutations, hamming, maximal_hamming_set

from .timing import compare

COUNT, LENGTH = 200, 8


def published(count: int, length: int, seed: int = 0) -> np.ndarray:
    """The greedy loop as published: rows chosen, (count, length)."""
    remaining = all_permutations(length).numpy()
    pick = np.random.default_rng(seed).integers(len(remaining))
    chosen = remaining[[pick]]
    remaining = np.delete(remaining, pick, axis=0)
    while len(chosen) < count:
        distance = cdist(chosen, remaining, metric="hamming").mean(axis=0)
        pick = distance.argmax()
        chosen = np.concatenate([chosen, remaining[[pick]]])
        remaining = np.delete(remaining, pick, axis=0)
    return chosen


def main() -> list[dict]:
    def ours():
        return maximal_hamming_set(COUNT, LENGTH, torch.Generator().manual_seed(0))

    sets = [ours(), torch.from_numpy(published(COUNT, LENGTH))]
    quality = [hamming(rows, rows).double().sum() / (COUNT * (COUNT - 1)) for rows in sets]
    if abs(quality[0] - quality[1]) > 0.02:
        raise ValueError(f"the two sets differ in quality: mean distances {quality[0]:.3f} and {quality[1]:.3f}")
    name = f"{COUNT} permutations of {LENGTH}, as far apart as possible, against the published loop"
    return [compare(name, ours, lambda: published(COUNT, LENGTH), aim=50.0, repeats=3)]
