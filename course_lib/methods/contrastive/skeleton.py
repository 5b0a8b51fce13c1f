"""What the methods of this folder share: two views of every image, a network and a head, a moving copy of both."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_images, check_positive
from ..precision import full_precision
from ..pretext.contrast import contrast_accuracy
from .losses import products


class TwoViewMethod(nn.Module):
    """A method that compares two views of an image, as a module for `training.fit`; batches are images (B, 3, H, W).

    backbone: images → (B, D), with ``features`` = D; it is what is kept. views: called as ``views(images, generator)``
    → (V, B, 3, h, w), V >= 2, e.g. a `transforms.Views`. projector: features → the space in which views are compared;
    thrown away after training.
    """

    def __init__(self, backbone: nn.Module, views, projector: nn.Module):
        super().__init__()
        self.backbone, self.views, self.projector = backbone, views, projector
        self.chance = float("nan")  # of "accuracy"; set by `pretext`: it depends on the batch

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Views (V, B, 3, h, w), and for row i of one view the row of the other that shows the same image: i, (B,).

        Raises ValueError for NaN and for fewer than two images.
        """
        check_images("images", images)
        if len(images) < 2:
            raise ValueError(f"images has {len(images)} picture; telling pictures apart takes at least 2")
        self.chance = 1 / self.candidates(len(images))
        return self.views(images, generator), torch.arange(len(images), device=images.device)

    def candidates(self, batch: int) -> int:
        """Among how many embeddings that of the other view is to be found."""
        return batch

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → projections z (B, dim), float32."""
        return full_precision(self.projector(self.backbone(images)))

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Views (V, B, 3, h, w) → their projections (V, B, dim), all in one pass: batch norm sees V B images."""
        return self.embed(views.flatten(0, 1)).unflatten(0, views.shape[:2])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(images)


class Momentum(nn.Module):
    """A copy of a module that follows it slowly and gets no gradient: θ_copy ← m θ_copy + (1 − m) θ (002 §4.1.3).

    network: what is followed; not a part of this module, so its weights are not here twice. momentum: m in [0, 1]; 0
    makes the copy equal to the network at every `follow`, 1 never moves it. Running means of batch norm are the copy's
    own, as it sees images of its own.
    """

    def __init__(self, network: nn.Module, momentum: float):
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is {momentum!r}; it takes a number in [0, 1]")
        self.momentum, self.copy = momentum, copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """One step towards ``network``."""
        for mine, other in zip(self.copy.parameters(), network.parameters(), strict=True):
            mine.lerp_(other, 1 - self.momentum)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the copy makes of images, without gradient, float32."""
        return full_precision(self.copy(images))


def mlp(inputs: int, hidden: int, outputs: int, *, layers: int = 2, norm: bool = False) -> nn.Sequential:
    """A head: ``layers`` linear layers with ReLU between them; norm: batch norm before each ReLU."""
    made = []
    for _ in range(check_positive("layers", layers) - 1):
        made += [nn.Linear(inputs, check_positive("hidden", hidden), bias=not norm)]
        made += [nn.BatchNorm1d(hidden), nn.ReLU()] if norm else [nn.ReLU()]
        inputs = hidden
    return nn.Sequential(*made, nn.Linear(inputs, check_positive("outputs", outputs)))


@torch.no_grad()
def watch(first: torch.Tensor, second: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the loss of a method without negatives does not tell, from the embeddings (B, D) of two views.

    accuracy: how often the other view of an image is the nearest of all B. spread: √D times the mean standard deviation
    of a coordinate of the normalised embeddings: about 1 where they fill the sphere, 0 where all are one point.
    """
    first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    found = contrast_accuracy(products(first, second), torch.arange(len(first), device=first.device))
    return {"accuracy": found, "spread": first.std(0, correction=0).mean() * first.shape[1] ** 0.5}
