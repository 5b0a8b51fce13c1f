"""The losses of contrastive and siamese learning, as functions of embeddings (002 eqs. 1 and 2; spec 002 §5).

Similarities come from one matrix product of normalised rows. The other way to write a cosine, broadcasting (N, 1, D)
against (1, N, D), makes a tensor with D times as many numbers as the matrix that is wanted.
"""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from ...checks import check_positive
from ..precision import full_precision


def products(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Dot products of rows (N, D) with rows (M, D) → (N, M), in float32 also where autocast would take fewer bits.

    A softmax at a temperature of 0.07 makes a similarity that is wrong by 0.4 % (bfloat16) wrong by 6 %.
    """
    with torch.autocast(rows.device.type, enabled=False):
        return full_precision(rows) @ full_precision(columns).T


def partners(count: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """The row of the other view of each of 2 ``count`` rows, first views before second ones: int64 (2 count,)."""
    return torch.arange(2 * count, device=device).roll(count)


def nt_xent_logits(
    first: torch.Tensor, second: torch.Tensor, temperature: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines over τ of all 2N views with each other (2N, 2N), −∞ on the diagonal, and those of the positives (2N,).

    first, second: embeddings (N, D) of two views of the same N images, of any length. The positive of row i stands in
    column ``partners(N)[i]``. Raises ValueError for other shapes or a temperature that is not positive.
    """
    _check_pair(first, second)
    check_positive("temperature", temperature, integer=False)
    first, second = (F.normalize(full_precision(one), dim=1) for one in (first, second))
    rows = torch.cat([first, second])
    # A view is no negative of itself. In place: nothing needs the products for the gradient.
    logits = products(rows / temperature, rows).fill_diagonal_(float("-inf"))
    return logits, ((first * second).sum(1) / temperature).repeat(2)


def nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float = 0.5) -> torch.Tensor:
    """NT-Xent, the normalised and temperature-scaled cross-entropy of SimCLR (002 eq. 1), averaged over all 2N views.

    −log exp(cos(z_i, z_j)/τ) / Σ_{k≠i} exp(cos(z_i, z_k)/τ), j the other view of i, k over the 2N views of the batch
    (the sum of eq. 1 begins at 0, one too early). log(2N − 1) where all are alike. Arguments as `nt_xent_logits`.
    """
    logits, positive = nt_xent_logits(first, second, temperature)
    # Not cross-entropy: picking the positives out of the matrix would fill a second one with zeros for the gradient.
    return row_logsumexp(logits).mean() - positive.mean()


def row_logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """log Σ_k exp(logits_ik) of each row of (N, M) → (N,): `torch.logsumexp` in half the memory and passes.

    A batch of 4096 pairs has a matrix of 256 MB. torch holds three more of that size at a time, for it keeps the logits
    and exponentiates them again for the gradient. Here the exponentials are kept: the gradient is their share of the
    sum. Every row takes at least one finite number.
    """
    return _RowLogSumExp.apply(logits)


class _RowLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        largest = logits.amax(1, keepdim=True)
        exponentials = (logits - largest).exp_()
        sums = exponentials.sum(1, keepdim=True)
        ctx.save_for_backward(exponentials, sums)
        return (sums.log() + largest)[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        exponentials, sums = ctx.saved_tensors
        return exponentials * (gradient[:, None] / sums)


def info_nce_logits(
    queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float = 0.07
) -> torch.Tensor:
    """Cosines over τ of each query with its key, column 0, and with all of the queue: (N, 1 + K).

    queries, keys: embeddings (N, D), row i of both of the same image. queue: (K, D), the negatives of every query.
    Raises ValueError for other shapes or a temperature that is not positive.
    """
    _check_pair(queries, keys, "queries", "keys")
    check_positive("temperature", temperature, integer=False)
    if queue.ndim != 2 or queue.shape[1] != queries.shape[1]:
        raise ValueError(f"queue is {tuple(queue.shape)}; it takes (K, {queries.shape[1]})")
    queries, keys, queue = (F.normalize(full_precision(one), dim=1) for one in (queries, keys, queue))
    positive = (queries * keys).sum(1, keepdim=True)
    return torch.cat([positive, products(queries, queue)], 1) / temperature


def info_nce(queries: torch.Tensor, keys: torch.Tensor, queue: torch.Tensor, temperature: float = 0.07) -> torch.Tensor:
    """InfoNCE with a queue, the loss of MoCo (002 eq. 2): cross-entropy of "which of 1 + K is my key?".

    −log exp(q·k₊/τ) / (exp(q·k₊/τ) + Σ_{i=1}^{K} exp(q·k_i/τ)); log(K + 1) where all are alike. Arguments as
    `info_nce_logits`.
    """
    logits = info_nce_logits(queries, keys, queue, temperature)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))


def negative_cosine(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean of −cos(p, z) over rows (N, D), in [−1, 1]: SimSiam's loss; BYOL's ‖p̄ − z̄‖² is 2 + 2 times it.

    Whether the gradient may reach ``targets`` is the caller's choice: see `SimSiam`.
    """
    _check_pair(predictions, targets, "predictions", "targets")
    return -F.cosine_similarity(full_precision(predictions), full_precision(targets), dim=1).mean()


def _check_pair(one, other, name="first", other_name="second"):
    if one.ndim != 2 or one.shape != other.shape or one.numel() == 0:
        raise ValueError(
            f"{name} is {tuple(one.shape)}, {other_name} {tuple(other.shape)}; they take embeddings of one shape (N, D)"
        )
