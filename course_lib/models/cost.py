"""What a network costs: parameters, and operations for one clip or image, counted without computing anything."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def cost(build: Callable[[], nn.Module], *shape: int) -> tuple[int, int]:
    """Parameters, and multiply-adds of one forward pass for an input of (1, *shape), of the network ``build()`` makes.

    Runs on torch's meta device, where tensors have shapes but no numbers: no time, no memory, at any size. A multiply
    with its add counts as one operation, as in most papers; normalisation, activations and pooling are not counted.
    """
    with torch.device("meta"):
        network = build().eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, *shape))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2
