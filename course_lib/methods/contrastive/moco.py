"""MoCo, versions 1 and 2: negatives from a queue, encoded by a copy of the network that moves slowly.

The idea (He et al. 2020, Chen et al. 2020; 002 §4.1.3, eq. 2 and §3.3): SimCLR needs large batches because its
negatives are in the batch. Keep the embeddings of earlier batches instead, in a queue. They only agree with today's if
the network that made them has hardly changed, hence the momentum encoder. Version 2 adds SimCLR's head and views.

Batch norm can give the answer away: a query and its key are normalised with the statistics of the same batch, the
queue's keys were not. The original shuffles the keys between GPUs, so that a key is normalised among other images
than its query. ``groups`` does the same in one process.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_choice, check_positive
from ..precision import full_precision
from ..pretext.contrast import contrast_accuracy
from .losses import info_nce_logits
from .ranks import gather
from .skeleton import Momentum, TwoViewMethod, mlp


class MoCo(TwoViewMethod):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1], B a divisor of ``queue``.

    backbone, views: see `TwoViewMethod`. version: 1 projects with one linear layer, 2 with two; the views differ too
    (`transforms.MOCO_V1`, `transforms.MOCO_V2`). queue: K, keys that are kept; in a small data set a large queue holds
    earlier keys of the same image, which are then wrongly repelled. momentum: of the key encoder; 0.999 in the paper,
    with which it hardly leaves its initial weights in fewer than a thousand steps. groups: parts of the batch with
    batch statistics of their own, and keys shuffled between them; 1: no shuffling. temperature: τ.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views,
        *,
        version: int = 2,
        dim: int = 64,
        queue: int = 1024,
        momentum: float = 0.99,
        temperature: float = 0.07,
        groups: int = 1,
    ):
        check_choice("version", version, (1, 2))
        super().__init__(backbone, views, mlp(backbone.features, backbone.features, dim, layers=version))
        self.temperature = check_positive("temperature", temperature, integer=False)
        self.groups = check_positive("groups", groups)
        self.key_encoder = Momentum(nn.Sequential(self.backbone, self.projector), momentum)
        self.register_buffer("queue", F.normalize(torch.randn(check_positive("queue", queue), dim), dim=1))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

    def candidates(self, batch: int) -> int:
        """The key and the queue."""
        return 1 + len(self.queue)

    @torch.no_grad()
    def enqueue(self, keys: torch.Tensor) -> None:
        """Put keys (B, dim), in training with several processes those of all, in the place of the oldest ones.

        So every process has the same queue. Raises ValueError unless the queue is a multiple of them.
        """
        keys, _ = gather(keys, self.training)
        if len(self.queue) % len(keys):
            raise ValueError(f"images has {len(keys)} pictures; it takes a divisor of the queue's {len(self.queue)}")
        place = (self.oldest + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        # A new tensor: the gradient of the loss still needs the old one.
        self.queue = self.queue.index_copy(0, place, keys.to(self.queue))
        self.oldest = (self.oldest + len(keys)) % len(self.queue)

    def encode(self, network, images: torch.Tensor, order: torch.Tensor | None = None) -> torch.Tensor:
        """Embeddings (B, dim) of unit length, batch norm in ``groups`` parts of the batch as it is, or in ``order``."""
        order = torch.arange(len(images)) if order is None else order
        parts = [network(images[part]) for part in order.to(images.device).chunk(self.groups)]
        return F.normalize(full_precision(torch.cat(parts))[order.argsort().to(images.device)], dim=1)

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """InfoNCE, and how often the key is nearer than all of the queue. In training mode the key encoder moves on
        first, and the keys are put into the queue at last.
        """
        (first, second, *_), _ = self.pretext(images, generator)
        if self.training:
            self.key_encoder.follow(nn.Sequential(self.backbone, self.projector))
        order = torch.randperm(len(images), generator=generator) if self.groups > 1 else None
        queries, keys = self.encode(self.embed, first), self.encode(self.key_encoder, second, order)
        logits = info_nce_logits(queries, keys, self.queue, self.temperature)
        if self.training:
            self.enqueue(keys)
        targets = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
        return {"loss": F.cross_entropy(logits, targets), "accuracy": contrast_accuracy(logits.detach(), targets)}
