"""Damage: entries of a code are dropped. Repair: residual blocks in the decoder hide the seams (001 §3.3.1, Fig. 3.5).

The idea: the damage takes away what a part of the object was; the repair may only make it look plausible from near,
so that no local trace is left and whoever wants to find the damage has to know the object.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice

FILLS = ("average", "noise")
REPAIRS = ("distributed", "local", "none")


def draw_mask(count: int, size: tuple[int, int], drop: float, generator: torch.Generator) -> torch.Tensor:
    """Ω: ``count`` masks (count, 1, M, N) of 1 (kept) and 0 (dropped, with probability ``drop``, each by itself).

    Raises ValueError for a ``drop`` outside (0, 1).
    """
    if not 0 < drop < 1:
        raise ValueError(f"drop is {drop!r}; it takes a probability in (0, 1)")
    return (torch.rand(count, 1, *size, generator=generator) >= drop).float()


def drop_features(
    code: torch.Tensor, mask: torch.Tensor, fill: str = "average", generator: torch.Generator | None = None
) -> torch.Tensor:
    """φ̂ = Ω ⊙ φ + (1 − Ω) ⊙ (u ∗ φ), all channels of an entry together; code (B, L, M, N), mask (B, 1, M, N).

    fill: "average", u the 3×3 mean of 001 §3.3.4 (the seed does not say what is beyond the border: here nothing, the
    mean is over what is there); or "noise" from ``generator``, normal with mean and deviation of each channel in this
    batch (the seed says only "random noise"). Raises ValueError for another fill, noise without a generator, or a mask
    that does not fit.
    """
    check_choice("fill", fill, FILLS)
    _check_mask(mask, (len(code), 1, *code.shape[2:]))
    if fill == "average":
        other = F.avg_pool2d(code, 3, stride=1, padding=1, count_include_pad=False)
    elif generator is None:
        raise ValueError('generator is None; fill "noise" takes a torch.Generator')
    else:
        deviation, mean = torch.std_mean(code, (0, 2, 3), keepdim=True)
        other = mean + deviation * torch.randn(code.shape, generator=generator).to(code)
    return torch.where(mask.bool(), code, other)


class RepairBlock(nn.Module):
    """x + (1 − Ω) ⊙ R(x, Ω): a residual block that sees the mask and changes only what was dropped (Fig. 3.5).

    The figure gives the inputs and the gate; that R is two 3×3 convolutions of the width of x with a leaky ReLU between
    them is chosen here. Two more choices keep the game stable. The last convolution starts at 0, so training starts
    from the damage as it is and not from random strokes. And there is no batch norm: the running means of a network
    that keeps moving lag behind it, so its pictures would look wilder in use than in training.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels + 1, channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.residual[-1].weight)
        nn.init.zeros_(self.residual[-1].bias)

    def forward(self, maps: torch.Tensor, dropped: torch.Tensor, gated: bool = True) -> torch.Tensor:
        """maps (B, C, h, w), dropped = 1 − Ω (B, 1, h, w); gated: whether the residual is multiplied by it."""
        change = self.residual(torch.cat([maps, dropped.to(maps)], 1))
        return maps + (dropped.to(change) * change if gated else change)


class Repair(nn.Module):
    """R₁ … Rₙ, for a decoder whose layers take maps of ``channels``; pass `before` of a mask to its ``decode``.

    where: "distributed", a block before each layer (Eq. 3.1 for the first, 3.2 for all others: the seed writes 3.2 for
    i = 2, 3, 4 only, but lists an R₅); "local", all of them before the first (Table 3.1 c); "none": no repair.
    gated: Eq. 3.1 and 3.2; False: the blocks may change all places (Table 3.1 e).
    """

    def __init__(self, channels: Sequence[int], where: str = "distributed", *, gated: bool = True):
        super().__init__()
        check_choice("where", where, REPAIRS)
        self.gated = gated
        rows = {
            "distributed": [[width] for width in channels],
            "local": [[channels[0]] * len(channels), *[[]] * (len(channels) - 1)],
            "none": [[]] * len(channels),
        }[where]
        self.blocks = nn.ModuleList(nn.ModuleList(RepairBlock(width) for width in row) for row in rows)

    def before(self, mask: torch.Tensor, gated: bool | None = None):
        """What is done to the input of decoder layer ``number``: the function ``(number, maps) → maps``.

        mask: Ω (B, 1, M, N), brought to the size of the maps by nearest neighbour. gated: instead of the block's own.
        """
        dropped = 1 - mask
        gated = self.gated if gated is None else gated

        def repair(number, maps):
            here = F.interpolate(dropped, size=maps.shape[2:])
            for block in self.blocks[number]:
                maps = block(maps, here, gated)
            return maps

        return repair


def _check_mask(mask, shape):
    if tuple(mask.shape) != tuple(shape):
        raise ValueError(f"mask is {tuple(mask.shape)}; it takes {tuple(shape)}, an entry for each of the code")
