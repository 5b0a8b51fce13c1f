"""A buffer of earlier fakes, so that a discriminator does not forget them (Shrivastava et al. 2017; 001 §3.4.1 f)."""

import torch
from torch import nn

from ...checks import check_positive


class History(nn.Module):
    """``capacity`` fakes (3, S, S) with their masks (1, M, M); a part of the checkpoint.

    size: S; map_size: M. The seed does not give a capacity.
    """

    def __init__(self, capacity: int, size: int, map_size: int):
        super().__init__()
        self.register_buffer("images", torch.zeros(check_positive("capacity", capacity), 3, size, size))
        self.register_buffer("masks", torch.zeros(capacity, 1, map_size, map_size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def exchange(
        self, images: torch.Tensor, masks: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Fakes (B, 3, S, S) and masks → the same, with the second half from the buffer, which takes theirs instead.

        The half that comes out is drawn without repetition. The half that goes in fills free places first, then takes
        those of random others. As long as the buffer holds less than half a batch the fakes stay as they are.
        Raises ValueError for more than twice ``capacity`` fakes.
        """
        half, count, capacity = len(images) // 2, int(self.count), len(self.images)
        if half > capacity:
            raise ValueError(f"images holds {len(images)} fakes; a buffer of {capacity} takes at most {2 * capacity}")
        new = images[len(images) - half :].detach(), masks[len(images) - half :]
        order = torch.randperm(count, generator=generator)
        if count >= half:
            taken = order[:half].to(images.device)
            images = torch.cat([images[: len(images) - half], self.images[taken]])
            masks = torch.cat([masks[: len(masks) - half], self.masks[taken]])
        slots = torch.cat([torch.arange(count, capacity), torch.randperm(count, generator=generator)])[:half]
        for kept, fresh in zip((self.images, self.masks), new, strict=True):
            kept[slots.to(kept.device)] = fresh.to(kept)
        self.count.fill_(min(capacity, count + half))
        return images, masks
