"""Checks for the exercises of chapter 12, spotting artifacts (seed 001, §3.3)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, compare, run


def check_damage(function: Callable) -> CheckResult:
    """Warm-up: ``function(code, mask) -> damaged``, the formula of 001, §3.3.1.

    code: (B, L, M, N). mask: (B, 1, M, N), 1 where an entry is kept. Dropped entries become the mean of the 3×3
    entries round them, themselves included, and of those only that are there at the border.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for shape in ((3, 4, 5, 6), (1, 2, 3, 3)):
            code = torch.randn(shape, generator=generator)
            mask = (torch.rand(shape[0], 1, *shape[2:], generator=generator) < 0.5).float()
            mask[..., 0, 0], mask[..., 1, 1] = 0, 1  # a corner is dropped, not all are
            compare(attempt(code, mask), *_damages(code, mask))
        return "kept entries are as they were, and at the border the mean is over what is there."

    return run(function, "damage_code(code, mask)", judge)


def _damages(code, mask):
    """The right answer, its name, and what typical mistakes give."""
    around = F.avg_pool2d(code, 3, stride=1, padding=1, count_include_pad=False)
    padded = F.avg_pool2d(code, 3, stride=1, padding=1)
    neighbours = 9 * padded - code
    there = 9 * F.avg_pool2d(torch.ones_like(code), 3, stride=1, padding=1)
    mistakes = {
        "The mask is the wrong way round: 1 means kept.": (1 - mask) * code + mask * around,
        "At the border zeros from outside are counted: count_include_pad=False.": mask * code + (1 - mask) * padded,
        "Dropped entries are zero here; they should be the mean of their surroundings.": mask * code,
        "All entries are averaged here; those that are kept should stay as they were.": around,
        "The mean leaves the entry itself out; a 3×3 mean filter has it in.": mask * code
        + (1 - mask) * neighbours / (there - 1),
        "The mean is over the whole map of a channel; it should be over the 3×3 entries round each.": mask * code
        + (1 - mask) * code.mean((2, 3), keepdim=True),
        "What was dropped is counted as zero in the mean; the filter runs over the undamaged code.": mask * code
        + (1 - mask) * F.avg_pool2d(mask * code, 3, stride=1, padding=1, count_include_pad=False),
    }
    return mask * code + (1 - mask) * around, "the damaged code", mistakes


def check_repair(function: Callable) -> CheckResult:
    """Core: ``function(maps, mask, block) -> maps``, Eq. 3.2 of 001.

    maps: (B, C, h, w). mask: Ω (B, 1, M, M), M a divisor of h and w. block: (B, C + 1, h, w) → (B, C, h, w); its last
    input channel is the enlarged 1 − Ω, which also gates its output.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(1)
        for side, size in ((2, 8), (3, 6), (4, 4)):
            maps = torch.randn(2, 3, size, size, generator=generator)
            mask = (torch.rand(2, 1, side, side, generator=generator) < 0.5).float()
            mask[:, :, 0, 0], mask[:, :, 0, 1] = 0, 1
            weight = torch.randn(3, 4, 3, 3, generator=generator)
            block = _Block(weight)
            answer = attempt(maps, mask, block)
            compare(answer, *_repairs(maps, mask, block))
        return "the block sees the mask, and what was kept is kept bit for bit."

    return run(function, "repair_maps(maps, mask, block)", judge)


class _Block:
    """A repair block without parameters of its own; it says so when it gets the wrong number of channels."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, inputs):
        if inputs.ndim != 4 or inputs.shape[1] != self.weight.shape[1]:
            raise Wrong(
                f"block was given {tuple(inputs.shape)}; it takes {self.weight.shape[1]} channels",
                "Put the enlarged mask behind the maps: torch.cat([maps, dropped], dim=1).",
            )
        return torch.tanh(F.conv2d(inputs, self.weight, padding=1))


def _repairs(maps, mask, block):
    size = maps.shape[2:]
    dropped = F.interpolate(1 - mask, size=size)
    change = block(torch.cat([maps, dropped], 1))
    smooth = F.interpolate(1 - mask, size=size, mode="bilinear")
    mistakes = {
        "The gate is the wrong way round: it should be open where an entry was dropped, 1 − Ω.": maps
        + (1 - dropped) * change,
        "Nothing gates the change here: multiply it by the enlarged 1 − Ω.": maps + change,
        "The block is residual: its gated change is added to the maps.": dropped * change,
        "The change replaces the maps where they were dropped; it should be added to them.": (1 - dropped) * maps
        + dropped * change,
        "The block got Ω; it should get 1 − Ω, which is 1 where something was dropped.": maps
        + dropped * block(torch.cat([maps, 1 - dropped], 1)),
        "The mask is the first channel that the block gets; it should be the last.": maps
        + dropped * block(torch.cat([dropped, maps], 1)),
        "The mask was enlarged smoothly, so it leaks into what was kept: enlarge it by repetition.": maps
        + smooth * block(torch.cat([maps, smooth], 1)),
    }
    return maps + dropped * change, "the result", mistakes


def check_critic_loss(function: Callable) -> CheckResult:
    """Core: ``function(real, fake, kept, mask) -> loss``, what the discriminator minimises (001, Eq. 3.4 and §3.3.3).

    real, fake: logits (B,). kept: logits (B, 1, M, M) of the damaged pictures. mask: Ω (B, 1, M, M). Class terms are
    means over the batch, the mask's term is a sum over entries and a mean over the batch.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(2)
        for count, side in ((5, 3), (2, 4)):
            real, fake = 2 * torch.randn(2, count, generator=generator)
            kept = 2 * torch.randn(count, 1, side, side, generator=generator)
            mask = (torch.rand(kept.shape, generator=generator) < 0.6).float()
            compare(attempt(real, fake, kept, mask), *_losses(real, fake, kept, mask))
        far = torch.full((count,), 100.0)
        sure = attempt(far, far, 50 * kept, mask)
        if not torch.isfinite(torch.as_tensor(sure)).all():
            raise Wrong("the loss is not finite for a logit of 100", "Use F.logsigmoid(−a) for log(1 − σ(a)).")
        return "both signs are right, the sums too, and large logits do no harm."

    return run(function, "critic_loss(real, fake, kept, mask)", judge)


def _losses(real, fake, kept, mask):
    told = -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()
    entries = F.binary_cross_entropy_with_logits(kept, mask, reduction="sum")
    located = entries / len(kept)
    flipped = F.binary_cross_entropy_with_logits(kept, 1 - mask, reduction="sum") / len(kept)
    mistakes = {
        "The mask's term has the wrong sign: as printed in 001, without the minus.": told - located,
        "The class terms have the wrong sign: C maximises Eq. 3.4, so it minimises the negative.": located - told,
        "Real and damaged are exchanged: C should be sure of `real`.": located
        - F.logsigmoid(-real).mean()
        - F.logsigmoid(fake).mean(),
        "The mask's term is a mean over the entries; it should be their sum.": told + entries / kept.numel(),
        "The mask's term is a sum over the pictures as well; take the mean over them.": told + entries,
        "The mask is the wrong way round: the logits are of `kept`, which is Ω itself.": told + flipped,
        "The class terms are halved; Eq. 3.4 adds the two means.": told / 2 + located,
        "The mask's term is missing.": told,
        "The class terms are missing.": located,
    }
    return told + located, "the loss", mistakes
