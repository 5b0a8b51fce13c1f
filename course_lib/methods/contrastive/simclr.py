"""SimCLR: two views of an image attract, all other views in the batch repel (002 §4.1.3, eq. 1; 001 §2.3, 1-BG45).

The idea (Chen et al. 2020): what two random crops in other colours have in common is what the picture shows. What
makes it work is strong augmentation, a head on which the loss is taken (the features below it are kept, for the head
throws away what the augmentation changed, such as colour), and many negatives: 2(N − 1) for every view.
"""

import torch
from torch import nn

from ...checks import check_positive
from ..pretext.contrast import contrast_accuracy
from .losses import nt_xent_logits, partners, row_logsumexp
from .ranks import gather, processes
from .skeleton import TwoViewMethod, mlp


class SimCLR(TwoViewMethod):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1], B >= 2.

    backbone, views: see `TwoViewMethod`. dim, hidden: units of the projection head (hidden: as many as the backbone's
    features by default; 0: no head, the loss is taken on the features). temperature: τ of NT-Xent.
    """

    def __init__(
        self, backbone: nn.Module, views, *, dim: int = 64, hidden: int | None = None, temperature: float = 0.5
    ):
        hidden = backbone.features if hidden is None else check_positive("hidden", hidden, zero=True)
        super().__init__(backbone, views, mlp(backbone.features, hidden, dim) if hidden else nn.Identity())
        self.temperature = check_positive("temperature", temperature, integer=False)

    def candidates(self, batch: int) -> int:
        """All other views of the batch, in training those of all processes."""
        return 2 * batch * (processes() if self.training else 1) - 1

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """NT-Xent, and how often the other view is nearer than each of the 2(B − 1) negatives.

        In training with several processes B is the whole batch: see `ranks.gather`.
        """
        views, _ = self.pretext(images, generator)
        first, second = (gather(one, self.training)[0] for one in self(views[:2]))
        logits, positive = nt_xent_logits(first, second, self.temperature)
        return {
            "loss": row_logsumexp(logits).mean() - positive.mean(),
            "accuracy": contrast_accuracy(logits.detach(), partners(len(first), logits.device)),
        }
