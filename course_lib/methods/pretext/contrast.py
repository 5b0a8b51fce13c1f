"""What the contrastive tasks share."""

import torch


def contrast_accuracy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Share of rows of ``logits`` (N, M) whose target is more similar than *every* other entry.

    Ties count as wrong: a network that maps everything to one point finds nothing, whatever argmax says.
    """
    positive = logits.gather(1, targets[:, None])
    best_other = logits.scatter(1, targets[:, None], float("-inf")).amax(1, keepdim=True)
    return (positive > best_other).float().mean()
