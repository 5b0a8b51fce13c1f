"""1-E11: do features see the whole, or textures only? Images against the same with shuffled tiles (001, Fig. 4.1)."""

import torch

from .arrays import as_features
from .probes import ProbeResult, linear_probe


def texture_probe(train, train_shuffled, test, test_shuffled, **options) -> ProbeResult:
    """A linear classifier that tells natural images (label 0) from images with shuffled tiles (label 1).

    Features (N, D) of train images and of their shuffled versions, row by row the same image, e.g. of
    ``transforms.shuffle_tiles``; and of test images. Features of textures alone, wherever they are, cannot tell the
    two apart: accuracy 0.5. The source finds 78 % for features learned from ImageNet's labels, 85 % for its own, of
    which neither has seen such images before. options: of `linear_probe`; both versions of an image are held out
    together. Raises ValueError if an image lacks its other version, and what `linear_probe` raises.
    """
    pairs = {"train": (train, train_shuffled), "test": (test, test_shuffled)}
    rows, labels = {}, {}
    for name, (natural, shuffled) in pairs.items():
        natural = as_features(name, natural)
        shuffled = as_features(f"{name}_shuffled", shuffled, rows=len(natural))
        rows[name] = torch.cat([natural, shuffled])
        labels[name] = torch.arange(2).repeat_interleave(len(natural))
    groups = torch.arange(len(rows["train"]) // 2).repeat(2)
    return linear_probe(rows["train"], labels["train"], rows["test"], labels["test"], groups=groups, **options)
