"""SwAV: views are compared through what cluster they are put into, and each must predict the other's (001 1-BG48).

The idea (Caron et al. 2020): a view's code is its share in each of K prototypes, made while all samples of the batch
are spread evenly over the prototypes (optimal transport, by Sinkhorn and Knopp's iteration), or one prototype would
take all. The code of one view is predicted from the other view: no negatives, and no pair is ever compared.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_positive
from ..precision import full_precision
from .losses import products
from .ranks import gather
from .skeleton import TwoViewMethod, mlp, watch


@torch.no_grad()
def sinkhorn(scores: torch.Tensor, epsilon: float = 0.05, iterations: int = 3) -> torch.Tensor:
    """Codes (B, K) from scores (B, K), no gradient: exp(scores/ε) with rows and columns scaled in turn.

    Rows sum to 1 exactly; columns to B/K, the more closely the more iterations. The smaller ε, the nearer each code is
    to a single prototype. In logarithms, so that a small ε overflows nothing. Raises ValueError for other shapes.
    """
    if scores.ndim != 2 or scores.numel() == 0:
        raise ValueError(f"scores is {tuple(scores.shape)}; it takes (B, K)")
    check_positive("epsilon", epsilon, integer=False)
    logs = full_precision(scores) / epsilon
    for _ in range(check_positive("iterations", iterations)):
        logs = logs.log_softmax(0)  # equal share of every prototype: columns sum to the same number
        logs = logs.log_softmax(1)  # every sample once
    return logs.exp()


def swapped_prediction(codes: torch.Tensor, scores: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Mean of −Σ_k q_k log softmax(s/τ)_k: how badly scores (B, K) of one view predict the codes (B, K) of another."""
    return -(codes * (full_precision(scores) / temperature).log_softmax(1)).sum(1).mean()


class SwAV(TwoViewMethod):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1], B >= 2.

    backbone, views: see `TwoViewMethod`. small_views: multi-crop, further views of smaller crops and sizes, called as
    ``views`` is; they predict the codes of the two large views and have none themselves. The backbone must take their
    size (`SmallResNet` takes any). dim, hidden: of the projection head (hidden: the backbone's features by default).
    prototypes: K. temperature: τ of the prediction. epsilon, iterations: see `sinkhorn`; iterations 0 takes softmax
    codes without balance, to see what the balance is for.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views,
        *,
        small_views=None,
        dim: int = 64,
        hidden: int | None = None,
        prototypes: int = 64,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
    ):
        super().__init__(backbone, views, mlp(backbone.features, hidden or backbone.features, dim, norm=True))
        self.small_views = small_views
        self.temperature = check_positive("temperature", temperature, integer=False)
        self.epsilon = check_positive("epsilon", epsilon, integer=False)
        self.iterations = check_positive("iterations", iterations, zero=True)
        self.prototypes = nn.Parameter(F.normalize(torch.randn(check_positive("prototypes", prototypes), dim), dim=1))

    def scores(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Cosines of embeddings (B, dim) with the prototypes, (B, K)."""
        return products(F.normalize(embeddings, dim=1), F.normalize(self.prototypes, dim=1))

    @torch.no_grad()
    def codes(self, scores: torch.Tensor) -> torch.Tensor:
        """What a view's scores (B, K) are turned into, for the other views to predict.

        In training with several processes the balance is over the whole batch.
        """
        if self.iterations:
            everywhere, start = gather(scores, self.training)
            return sinkhorn(everywhere, self.epsilon, self.iterations)[start : start + len(scores)]
        return (scores / self.epsilon).softmax(1)

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Mean of `swapped_prediction` over all pairs of a large view and another view; accuracy, spread: see
        `skeleton.watch`; used: how many prototypes the batch makes use of, exp of the entropy of the mean prediction.
        """
        views, _ = self.pretext(images, generator)
        embeddings = list(self(views[:2]))
        if self.small_views is not None:
            embeddings += list(self(self.small_views(images, generator)))
        scores = [self.scores(one) for one in embeddings]
        losses = [
            swapped_prediction(self.codes(scores[target]), other, self.temperature)
            for target in (0, 1)
            for source, other in enumerate(scores)
            if source != target
        ]
        share = (scores[0].detach() / self.temperature).softmax(1).mean(0)
        used = torch.special.entr(share).sum().exp()
        return {"loss": torch.stack(losses).mean(), **watch(*embeddings[:2]), "used": used}
