"""1-V2: what does a unit answer to? The patches of pictures that activate it most (001, Fig. 3.7; Zeiler & Fergus)."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import interpolate

from ..checks import check_images, check_positive


@torch.no_grad()
def favourite_patches(
    layers: nn.Module, field, images: torch.Tensor, units: Sequence[int], count: int = 8, *, side: int = 24
) -> torch.Tensor:
    """Patches (len(units), count, 3, side, side), each unit's strongest first, at most one of a picture.

    layers: convolutions up to the one whose units are shown, in eval mode; they are given pixels in [-1, 1], as in the
    backbones. field: their `models.receptive_field`. images: (N, 3, H, W) in [0, 1]. units: channels of the maps.
    A patch is the unit's receptive field where it lies inside the picture, resized to ``side`` pixels.
    Raises ValueError for units that are not there, or fewer than ``count`` images.
    """
    check_positive("side", side)
    if len(check_images("images", images)) < check_positive("count", count):
        raise ValueError(f"images holds {len(images)} pictures; {count} patches take as many")
    maps = layers(images * 2 - 1)
    if not all(0 <= unit < maps.shape[1] for unit in units):
        raise ValueError(f"units is {list(units)}; the layer has units 0 to {maps.shape[1] - 1}")
    strength, place = maps[:, list(units)].flatten(2).max(2)
    patches = []
    for unit in range(len(units)):
        for number in strength[:, unit].topk(count).indices.tolist():
            corners = [field.pixels(at) for at in divmod(int(place[number, unit]), maps.shape[-1])]
            inside = [slice(max(0, first), last + 1) for first, last in corners]
            patches.append(interpolate(images[number, :, inside[0], inside[1]][None], size=(side, side)))
    return torch.cat(patches).unflatten(0, (len(units), count))
