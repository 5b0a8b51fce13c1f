"""Colourisation: what colours does this grey picture have? (000 §3.2.1, P05; 001 §2.3, 1-BG29; 002 §4.1, 2-P6)

The idea (Zhang et al. 2016, Larsson et al. 2016): grass is green and the sky blue; who can colour a picture has
recognised what is in it. The picture is taken apart into lightness L, which is shown, and a, b, which are asked for.

A jumper may be red or blue. *Regression* then answers with the mean of both, a grey; a *histogram* over quantised
colours can say "red or blue". Its target is the histogram of the colours in a cell, and the loss is, up to a constant,
the KL divergence from it. Rare colours may weigh more, or the network calls everything dull.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_images, check_positive
from ...models import output_size
from ...transforms import lab_to_rgb, rgb_to_lab
from ..precision import full_precision
from ..pretext.correspondence import frame_maps, map_channels

AB = 110.0  # a and b lie within ± this


class Colourisation(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: a 2-D network with ``conv``; a small stride keeps the colours fine. It is fed lightness, three equal
    channels. colours: None for regression, or (K, 2), centres in the a, b plane: `colour_clusters` of some images.
    weights: (K,), of each colour in the histogram loss, from `colour_weights`; None for equal ones.
    Raises ValueError for other shapes.
    """

    def __init__(
        self, backbone: nn.Module, *, colours: torch.Tensor | None = None, weights: torch.Tensor | None = None
    ):
        super().__init__()
        if colours is not None and (colours.ndim != 2 or colours.shape[1] != 2 or len(colours) < 2):
            raise ValueError(f"colours is {tuple(colours.shape)}; it takes at least two centres, (K, 2), or None")
        if weights is not None and (colours is None or weights.shape != (len(colours),)):
            raise ValueError(f"weights is {tuple(weights.shape)}; it takes one for each of the colours, (K,)")
        self.backbone = backbone
        if colours is not None and weights is None:
            weights = torch.ones(len(colours))
        self.register_buffer("colours", None if colours is None else colours.float())
        self.register_buffer("weights", None if weights is None else weights.float())
        self.head = nn.Conv2d(map_channels(backbone), 2 if colours is None else len(colours), 1)

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing one of the K colours; None for regression. "commonest" and "grey" are harder to beat."""
        return None if self.colours is None else 1 / len(self.colours)

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Lightness in [0, 1] as three equal channels (B, 3, H, W), and the colours of each cell of the map.

        Those are for regression the mean a and b, in shares of `AB`, (B, 2, h, w); for a histogram the shares of the K
        colours among its pixels, (B, K, h, w). Nothing is drawn. Raises ValueError for NaN.
        """
        check_images("images", images)
        lab = rgb_to_lab(images.float())
        size = tuple(output_size(self.backbone.conv, side) for side in images.shape[-2:])
        if self.colours is None:
            targets = F.interpolate(lab[:, 1:], size, mode="area") / AB
        else:
            targets = cell_histogram(lab[:, 1:], self.colours, size)
        return lab[:, :1].expand(-1, 3, -1, -1) / 100, targets

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        """Lightness (B, 3, H, W) → a and b in shares of `AB` (B, 2, h, w), or logits of the colours (B, K, h, w)."""
        return full_precision(self.head(frame_maps(self.backbone, lightness)))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Regression: the squared error, and "grey", that of painting no colour. Histogram: the weighted cross-entropy,
        "accuracy" (is a cell's most frequent colour found?) and "commonest", that of always saying the same."""
        inputs, targets = self.pretext(images, generator)
        painted = self(inputs)
        if self.colours is None:
            return {"loss": F.mse_loss(painted, targets), "grey": targets.square().mean()}
        return histogram_scores(painted, targets, self.weights)

    @torch.inference_mode()
    def paint(self, images: torch.Tensor, temperature: float = 0.38) -> torch.Tensor:
        """Images (B, 3, H, W) → the same with the colours the network gives their lightness, in [0, 1].

        temperature: of the softmax whose mean colour is painted ("annealed mean", Zhang et al. 2016); 1 is the dull
        mean, near 0 the most probable colour. Regression does not use it.
        """
        check_images("images", images)
        lightness = rgb_to_lab(images.float())[:, :1]
        answer = self(lightness.expand(-1, 3, -1, -1) / 100)
        if self.colours is None:
            ab = answer * AB
        else:
            share = (answer / check_positive("temperature", temperature, integer=False)).softmax(1)
            ab = torch.einsum("bkhw, kc -> bchw", share, self.colours)
        ab = F.interpolate(ab, images.shape[-2:], mode="bilinear", align_corners=False)
        return lab_to_rgb(torch.cat([lightness, ab], 1))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features (B, D) of the backbone for their lightness."""
        return self.backbone(rgb_to_lab(images.float())[:, :1].expand(-1, 3, -1, -1) / 100)


def cell_histogram(values: torch.Tensor, centres: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Which share of a cell's pixels is nearest to each centre: (B, C, H, W) and (K, C) → (B, K, h, w), sums of 1."""
    with torch.autocast(values.device.type, enabled=False):
        nearest = torch.cdist(values.movedim(1, -1).flatten(1, 2), centres.expand(len(values), -1, -1)).argmin(2)
    chosen = F.one_hot(nearest, len(centres)).to(values).mT.unflatten(2, values.shape[-2:])
    return F.interpolate(chosen, size, mode="area")


def histogram_scores(logits: torch.Tensor, shares: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    """``loss``, ``accuracy`` and ``commonest`` of logits (B, K, h, w) for histograms (B, K, h, w).

    The loss is the mean over cells of −Σ_k shares_k log p_k, weighted by the ``weights`` (K,) of the most frequent
    value of each cell (Zhang et al. 2016, Eq. 2–3).
    """
    entropy = -(shares * logits.log_softmax(1)).sum(1)
    most = shares.argmax(1)
    weight = weights[most]
    return {
        "loss": (weight * entropy).sum() / weight.sum(),
        "accuracy": (logits.argmax(1) == most).float().mean(),
        "commonest": F.one_hot(most.flatten(), len(weights)).float().mean(0).amax(),
    }


def colour_weights(images: torch.Tensor, colours: torch.Tensor, *, mix: float = 0.5) -> torch.Tensor:
    """Weights (K,) that make rare colours count: 1 / ((1 − mix) p_k + mix / K), scaled so that Σ p_k w_k = 1.

    p_k: the share of colour k among the pixels of ``images`` (N, 3, H, W) in [0, 1] (Zhang et al. 2016, Eq. 4).
    mix: 1 gives equal weights, 0 the inverse of the share. Raises ValueError for NaN, a mix outside [0, 1], and for a
    mix of 0 where a colour does not occur.
    """
    check_images("images", images)
    if not 0 <= mix <= 1:
        raise ValueError(f"mix is {mix!r}; it takes a number in [0, 1]")
    share = cell_histogram(rgb_to_lab(images.float())[:, 1:], colours.to(images), (1, 1)).mean((0, 2, 3))
    if mix == 0 and (share == 0).any():
        raise ValueError("mix is 0; a colour that does not occur in images would weigh without limit")
    weight = 1 / ((1 - mix) * share + mix / len(colours))
    return weight / (share * weight).sum()
