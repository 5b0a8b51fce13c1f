"""BYOL and SimSiam: two views attract and nothing repels (Grill et al. 2020; Chen & He 2021; 001 §2.4).

A constant network would be a perfect answer. What keeps these two from it is that the sides differ: one passes a
predictor, and the other is a target, with no gradient (SimSiam) or the output of a slowly moving copy (BYOL). Both have
switches that take these away, to see the collapse: the loss reaches its minimum, "spread" goes to 0.
"""

import torch
from torch import nn

from .losses import negative_cosine
from .skeleton import Momentum, TwoViewMethod, mlp, watch


class SimSiam(TwoViewMethod):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1], B >= 2.

    backbone, views: see `TwoViewMethod`. dim: of the projection; hidden: units of the predictor, a bottleneck (dim / 4
    by default). predictor: False leaves it out. stop_gradient: False lets the gradient into the targets. norm: batch
    norm at the end of the projection, as in the paper. It holds the spread of every coordinate up: a few hundred steps
    are not enough without it, and with it a collapse takes longer to show.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views,
        *,
        dim: int = 128,
        hidden: int | None = None,
        predictor: bool = True,
        stop_gradient: bool = True,
        norm: bool = True,
    ):
        projector = mlp(backbone.features, dim, dim, norm=True)
        super().__init__(backbone, views, projector.append(nn.BatchNorm1d(dim)) if norm else projector)
        self.predictor = mlp(dim, hidden or max(1, dim // 4), dim, norm=True) if predictor else nn.Identity()
        self.stop_gradient = stop_gradient

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """−cos(p₁, z₂)/2 − cos(p₂, z₁)/2 with z without gradient; accuracy and spread: see `skeleton.watch`."""
        views, _ = self.pretext(images, generator)
        first, second = (self.embed(view) for view in views[:2])
        targets = (first.detach(), second.detach()) if self.stop_gradient else (first, second)
        loss = negative_cosine(self.predictor(first), targets[1]) + negative_cosine(self.predictor(second), targets[0])
        return {"loss": loss / 2, **watch(first, second)}


class BYOL(TwoViewMethod):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1], B >= 2.

    backbone, views: see `TwoViewMethod`. dim, hidden: of projection and predictor (hidden: twice dim by default).
    momentum: of the target network (0.996 rising to 1 in the paper; 0.99 for short runs); 0 makes it the network
    itself, without gradient. predictor: False leaves it out.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views,
        *,
        dim: int = 64,
        hidden: int | None = None,
        momentum: float = 0.99,
        predictor: bool = True,
    ):
        hidden = hidden or 2 * dim
        super().__init__(backbone, views, mlp(backbone.features, hidden, dim, norm=True))
        self.predictor = mlp(dim, hidden, dim, norm=True) if predictor else nn.Identity()
        self.target = Momentum(nn.Sequential(self.backbone, self.projector), momentum)

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """‖p̄ − z̄′‖² = 2 − 2 cos(p, z′), mean of both directions, z′ the target network's; accuracy and spread: see
        `skeleton.watch`. In training mode the target network moves on first.
        """
        views, _ = self.pretext(images, generator)
        if self.training:
            self.target.follow(nn.Sequential(self.backbone, self.projector))
        first, second = (self.embed(view) for view in views[:2])
        targets = [self.target(view) for view in views[:2]]
        cosines = negative_cosine(self.predictor(first), targets[1]) + negative_cosine(
            self.predictor(second), targets[0]
        )
        return {"loss": 2 + cosines, **watch(first, second)}
