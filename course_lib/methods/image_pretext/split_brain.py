"""Split-brain autoencoder: each half of the network predicts what only the other half sees. (001 §2.3, 1-BG30; 002
§4.1, 2-P5)

The idea (Zhang et al. 2017): a colourisation network never sees colours, so its features know none. Here one half is
given lightness and asked for the colours, the other is given the colours and asked for lightness; neither can copy.
Put side by side their features have seen the whole picture.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_images, check_positive
from ...models import output_size
from ...transforms import rgb_to_lab
from ..precision import full_precision
from ..pretext.correspondence import frame_maps, map_channels
from .colourisation import AB, cell_histogram, histogram_scores


class SplitBrainBackbone(nn.Module):
    """Two image networks side by side: images (B, 3, H, W) → their features, concatenated (B, D_L + D_ab).

    lightness: a network for one channel (``in_channels=1``); colour: one for two channels, both with ``conv``. Wide
    half as much, the two together cost about half of the whole network. Raises ValueError for other channels.
    """

    def __init__(self, lightness: nn.Module, colour: nn.Module):
        super().__init__()
        for name, network, wanted in (("lightness", lightness, 1), ("colour", colour, 2)):
            if (got := next(network.conv.parameters()).shape[1]) != wanted:
                raise ValueError(f"{name} is a network for {got} channels; it takes one for {wanted}")
        self.lightness, self.colour = lightness, colour
        self.features = lightness.features + colour.features

    @staticmethod
    def split(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, 3, H, W) → L (B, 1, H, W) and ab (B, 2, H, W) of Lab, both scaled to [0, 1]."""
        lab = rgb_to_lab(images.float())
        return lab[:, :1] / 100, (lab[:, 1:] / AB + 1) / 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] → features (B, D_L + D_ab)."""
        light, colour = self.split(images)
        return torch.cat([self.lightness(light), self.colour(colour)], 1)


class SplitBrain(nn.Module):
    """The method as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    backbone: a `SplitBrainBackbone`. colours: None for regression of both halves, or (K, 2), centres in the a, b plane,
    from `colour_clusters`; then both halves answer with histograms. levels: of lightness, evenly spaced in [0, 100],
    for the second half. Raises ValueError for other colours, or a backbone of another kind.
    """

    def __init__(self, backbone: SplitBrainBackbone, *, colours: torch.Tensor | None = None, levels: int = 16):
        super().__init__()
        if not isinstance(backbone, SplitBrainBackbone):
            raise ValueError(f"backbone is {type(backbone).__name__}; it takes a SplitBrainBackbone")
        if colours is not None and (colours.ndim != 2 or colours.shape[1] != 2 or len(colours) < 2):
            raise ValueError(f"colours is {tuple(colours.shape)}; it takes at least two centres, (K, 2), or None")
        if check_positive("levels", levels) < 2:
            raise ValueError("levels is 1; it takes at least 2")
        self.backbone = backbone
        self.register_buffer("colours", None if colours is None else colours.float())
        self.register_buffer("levels", torch.linspace(0, 100, levels)[:, None])
        answers = (2, 1) if colours is None else (len(colours), levels)
        self.colour_head, self.lightness_head = (
            nn.Conv2d(map_channels(half), channels, 1)
            for half, channels in zip((backbone.lightness, backbone.colour), answers, strict=True)
        )

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing, mean of the two halves; None for regression."""
        return None if self.colours is None else (1 / len(self.colours) + 1 / len(self.levels)) / 2

    def pretext(self, images: torch.Tensor, generator: torch.Generator):
        """Inputs (L (B, 1, H, W), ab (B, 2, H, W)), in [0, 1], and targets (colours, lightness), (B, ·, h, w) each.

        Targets are means of the cells of the maps, scaled as the inputs and centred on 0, in [-1, 1], or histograms,
        as in `Colourisation`. Nothing is drawn. Raises ValueError for NaN.
        """
        check_images("images", images)
        light, colour = self.backbone.split(images)
        half = self.backbone.lightness, self.backbone.colour
        sizes = [tuple(output_size(net.conv, side) for side in images.shape[-2:]) for net in half]
        if self.colours is None:
            targets = [F.interpolate(x * 2 - 1, s, mode="area") for x, s in zip((colour, light), sizes, strict=True)]
        else:
            lab = rgb_to_lab(images.float())
            targets = [
                cell_histogram(lab[:, 1:], self.colours, sizes[0]),
                cell_histogram(lab[:, :1], self.levels, sizes[1]),
            ]
        return (light, colour), tuple(targets)

    def forward(self, inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """L and ab → what the first says of the colours and the second of the lightness, (B, ·, h, w) each."""
        light, colour = inputs
        colours = self.colour_head(frame_maps(self.backbone.lightness, light))
        return full_precision(colours), full_precision(self.lightness_head(frame_maps(self.backbone.colour, colour)))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The sum of the losses of both halves, "colour" and "lightness"; for histograms also the mean accuracy."""
        inputs, targets = self.pretext(images, generator)
        answers = self(inputs)
        if self.colours is None:
            colour, light = (F.mse_loss(x, y) for x, y in zip(answers, targets, strict=True))
            return {"loss": colour + light, "colour": colour, "lightness": light}
        colour, light = (histogram_scores(x, y, x.new_ones(x.shape[1])) for x, y in zip(answers, targets, strict=True))
        return {
            "loss": colour["loss"] + light["loss"],
            "colour": colour["loss"],
            "lightness": light["loss"],
            "accuracy": (colour["accuracy"] + light["accuracy"]) / 2,
        }

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → features of both halves, concatenated (B, D)."""
        return self.backbone(images)
