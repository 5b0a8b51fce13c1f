"""Answers to the exercises of chapter 12."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch12


def mean_around(code, **options):
    return F.avg_pool2d(code, 3, stride=1, padding=1, **options)


def damage(code, mask):
    return mask * code + (1 - mask) * mean_around(code, count_include_pad=False)


def damage_by_loops(code, mask):
    damaged = code.clone()
    for b, _, i, j in (mask == 0).nonzero().tolist():
        damaged[b, :, i, j] = code[b, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean((1, 2))
    return damaged


def enlarged(mask, maps, **options):
    return F.interpolate(1 - mask, size=maps.shape[2:], **options)


def repair(maps, mask, block):
    dropped = enlarged(mask, maps)
    return maps + dropped * block(torch.cat([maps, dropped], 1))


def repair_by_repetition(maps, mask, block):
    times = maps.shape[-1] // mask.shape[-1]
    dropped = (1 - mask).repeat_interleave(times, 2).repeat_interleave(times, 3)
    return torch.where(dropped.bool(), maps + block(torch.cat([maps, dropped], 1)), maps)


def repair_with(change):
    """``change(maps, dropped, block)`` on the enlarged 1 − Ω."""
    return lambda maps, mask, block: change(maps, enlarged(mask, maps), block)


def both(maps, dropped):
    return torch.cat([maps, dropped], 1)


def told(real, fake):
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()


def located(kept, mask):
    return F.binary_cross_entropy_with_logits(kept, mask, reduction="sum")


def critic_loss(real, fake, kept, mask):
    return told(real, fake) + located(kept, mask) / len(kept)


def critic_loss_by_softplus(real, fake, kept, mask):
    entries = F.softplus(torch.where(mask.bool(), -kept, kept))
    return F.softplus(-real).mean() + F.softplus(fake).mean() + entries.sum((1, 2, 3)).mean()


def overflowing(real, fake, kept, mask):
    return -F.logsigmoid(real).mean() - (1 - fake.sigmoid()).log().mean() + located(kept, mask) / len(kept)


def smooth_gate(maps, mask, block):
    smooth = enlarged(mask, maps, mode="bilinear")
    return maps + smooth * block(both(maps, smooth))


RIGHT = [
    (ch12.check_damage, damage),
    (ch12.check_damage, damage_by_loops),
    (ch12.check_repair, repair),
    (ch12.check_repair, repair_by_repetition),
    (ch12.check_critic_loss, critic_loss),
    (ch12.check_critic_loss, critic_loss_by_softplus),
]
MISTAKES = [
    (ch12.check_damage, lambda c, m: damage(c, 1 - m), "1 means kept"),
    (ch12.check_damage, lambda c, m: m * c + (1 - m) * mean_around(c), "count_include_pad"),
    (ch12.check_damage, lambda c, m: m * c, "Dropped entries are zero"),
    (ch12.check_damage, lambda c, m: mean_around(c, count_include_pad=False), "stay as they were"),
    (
        ch12.check_damage,
        lambda c, m: m * c + (1 - m) * c.mean((2, 3), keepdim=True),
        "whole map of a channel",
    ),
    (
        ch12.check_damage,
        lambda c, m: m * c + (1 - m) * mean_around(m * c, count_include_pad=False),
        "over the undamaged code",
    ),
    (ch12.check_repair, repair_with(lambda x, d, r: x + (1 - d) * r(both(x, d))), "open where an entry was dropped"),
    (ch12.check_repair, repair_with(lambda x, d, r: x + r(both(x, d))), "Nothing gates the change"),
    (ch12.check_repair, repair_with(lambda x, d, r: d * r(both(x, d))), "The block is residual"),
    (ch12.check_repair, repair_with(lambda x, d, r: (1 - d) * x + d * r(both(x, d))), "replaces the maps"),
    (ch12.check_repair, repair_with(lambda x, d, r: x + d * r(both(x, 1 - d))), "The block got Ω"),
    (ch12.check_repair, repair_with(lambda x, d, r: x + d * r(both(d, x))), "it should be the last"),
    (ch12.check_repair, smooth_gate, "enlarge it by repetition"),
    (ch12.check_critic_loss, lambda r, f, k, m: told(r, f) - located(k, m) / len(k), "without the minus"),
    (ch12.check_critic_loss, lambda r, f, k, m: located(k, m) / len(k) - told(r, f), "C maximises"),
    (ch12.check_critic_loss, lambda r, f, k, m: critic_loss(f, r, k, m), "exchanged"),
    (ch12.check_critic_loss, lambda r, f, k, m: told(r, f) + located(k, m) / k.numel(), "it should be their sum"),
    (ch12.check_critic_loss, lambda r, f, k, m: told(r, f) + located(k, m), "take the mean over them"),
    (ch12.check_critic_loss, lambda r, f, k, m: critic_loss(r, f, k, 1 - m), "which is Ω itself"),
    (ch12.check_critic_loss, lambda r, f, k, m: told(r, f) / 2 + located(k, m) / len(k), "are halved"),
    (ch12.check_critic_loss, overflowing, "logsigmoid"),
]
