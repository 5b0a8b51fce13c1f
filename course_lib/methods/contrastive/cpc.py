"""CPC on images: read a picture's patches from top to bottom and predict the ones below (002 §4.1.3; spec 2-P12).

The idea (van den Oord et al. 2018): an image is cut into a grid of overlapping patches (256² pixels into 7 × 7 of
64², half of a patch apart), a network encodes each by itself, and a recurrent one gathers rows 1 … i into a context c.
From c the embeddings of patches further down the column are predicted, well enough to find them among all patches of
all images of the batch. Predicting pixels would spend the network on texture.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_images, check_positive
from ..precision import full_precision
from ..pretext.contrast import contrast_accuracy
from ..pretext.dense_prediction import ConvGRU
from .losses import products
from .ranks import gather, processes


def cut_patches(images: torch.Tensor, patch: int, stride: int) -> torch.Tensor:
    """Overlapping patches of images (B, C, H, W): (B, rows, columns, C, patch, patch); (256 − 64)/32 + 1 = 7 of each.

    Raises ValueError for images smaller than a patch.
    """
    check_images("images", images)
    check_positive("stride", stride)
    if check_positive("patch", patch) > min(images.shape[-2:]):
        raise ValueError(f"images is {tuple(images.shape)}; it takes pictures of at least {patch} pixels, a patch")
    return images.unfold(2, patch, stride).unfold(3, patch, stride).permute(0, 2, 3, 1, 4, 5)


class CPC(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: patches (N, 3, patch, patch) → (N, D). patch, stride: pixels. ahead: how many rows further down the
    patches are that are predicted, each with weights of its own; the next row (1) is left out by default, for half of
    it has been seen already. hidden: channels of the context (D by default). augment: called on patches
    (B, rows · columns, 3, patch, patch); with ``mode="frame"`` each is changed by itself, so that colours and edges do
    not tell which patches belong together. None for none.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        patch: int = 8,
        stride: int = 4,
        ahead: tuple[int, ...] = (2, 3, 4),
        hidden: int | None = None,
        augment=None,
    ):
        super().__init__()
        self.patch, self.stride = check_positive("patch", patch), check_positive("stride", stride)
        if not ahead:
            raise ValueError("ahead is empty; it takes distances in rows, e.g. (2, 3)")
        self.ahead = tuple(check_positive("ahead", rows) for rows in ahead)
        self.backbone, self.augment = backbone, augment
        hidden = hidden or backbone.features
        self.aggregator = ConvGRU(backbone.features, hidden, 3)  # 3: c also hears from the columns beside it
        self.predictors = nn.ModuleList(nn.Linear(hidden, backbone.features, bias=False) for _ in self.ahead)
        self.chance = float("nan")  # set by `pretext`: it depends on the batch

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches (B, rows, columns, 3, patch, patch); their numbers, among which the predicted ones are to be found,
        int64 (B, rows, columns). Raises ValueError for NaN and for images with too few rows of patches.
        """
        patches = cut_patches(images, self.patch, self.stride)
        if patches.shape[1] <= max(self.ahead):
            needed = max(self.ahead) + 1
            raise ValueError(f"images has {patches.shape[1]} rows of patches; ahead {self.ahead} takes {needed}")
        if self.augment:
            patches = self.augment(patches.flatten(1, 2), generator).unflatten(1, patches.shape[1:3])
        count = patches.shape[:3].numel()
        self.chance = 1 / (count * (processes() if self.training else 1))
        return patches, torch.arange(count, device=images.device).view(patches.shape[:3])

    def encode(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches (B, rows, columns, 3, h, w) → their embeddings z (B, rows, columns, D), each by itself."""
        return self.backbone(patches.flatten(0, 2)).unflatten(0, patches.shape[:3])

    def context(self, embeddings: torch.Tensor) -> torch.Tensor:
        """z (B, rows, columns, D) → c (B, rows, columns, hidden); c of row i knows rows 0 … i and no others."""
        state, contexts = None, []
        for row in embeddings.movedim(-1, 2).unbind(1):  # (B, D, columns)
            state = self.aggregator(row[:, :, None], state)
            contexts.append(state[:, :, 0].mT)
        return torch.stack(contexts, 1)

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Patches → z (B, rows, columns, D) and, for each k of ``ahead``, the predictions W_k c for rows k, k + 1, …"""
        embeddings = self.encode(patches)
        contexts = self.context(embeddings)
        predicted = [
            predictor(contexts[:, :-rows]) for predictor, rows in zip(self.predictors, self.ahead, strict=True)
        ]
        return full_precision(embeddings), predicted

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """InfoNCE, −log exp(zᵀ W_k c) / Σ_j exp(z_jᵀ W_k c), j over all patches of the batch, mean over all
        predictions; and how often the right patch beats all others. In training, the batch is that of all processes.
        """
        patches, numbers = self.pretext(images, generator)
        embeddings, predicted = self(patches)
        everywhere, start = gather(embeddings.flatten(0, 2), self.training)
        logits = products(torch.cat([one.flatten(0, 2) for one in predicted]), everywhere)
        targets = start + torch.cat([numbers[:, rows:].flatten() for rows in self.ahead])
        return {"loss": F.cross_entropy(logits, targets), "accuracy": contrast_accuracy(logits.detach(), targets)}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → the mean of the features of all patches (B, D)."""
        return self.encode(cut_patches(images, self.patch, self.stride)).mean((1, 2))
