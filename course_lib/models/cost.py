"""What networks and losses cost: parameters and operations, counted without computing; the largest tensor made."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
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


def largest_tensor(compute: Callable[[], object]) -> int:
    """How many numbers the largest tensor has that any operation of ``compute()`` makes, forwards or backwards."""
    with _Largest() as seen:
        compute()
    return seen.numbers


class _Largest(TorchDispatchMode):
    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made
