"""The whole batch, where several processes train on shares of it: "loss gathered across ranks".

`training.fit` gives every rank its share of a batch. A loss that compares pictures with each other needs all of them,
or w processes would find w times fewer negatives than one.
"""

import torch
from torch import distributed


def processes() -> int:
    """How many processes train together: 1 without ``torchrun``."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather(rows: torch.Tensor, training: bool = True) -> tuple[torch.Tensor, int]:
    """Rows (N, …) of all ranks, one rank below the other (w N, …), and where those of this rank begin.

    The gradient goes back to the rank that a row came from, as the sum over what all ranks did with it. If each
    computes the loss of the whole batch, the mean of their gradients, which `fit` takes, is the gradient of that loss.
    training: False gives ``rows`` back, so that a rank may evaluate alone. Raises ValueError where ranks have different
    numbers of rows.
    """
    if not training or processes() == 1:
        return rows, 0
    counts = torch.zeros(processes(), dtype=torch.int64, device=rows.device)
    counts[distributed.get_rank()] = len(rows)
    distributed.all_reduce(counts)
    if (counts != len(rows)).any():
        raise ValueError(
            f"images has {counts.tolist()} pictures in the {processes()} processes; a contrastive loss takes equal "
            f"shares, a batch that {processes()} divides"
        )
    return _Gather.apply(rows), distributed.get_rank() * len(rows)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows):
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(processes())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient.chunk(processes())[distributed.get_rank()]
