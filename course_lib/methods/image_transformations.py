"""Recognising image transformations: was this image turned, warped, repainted, or left alone? (001 §4.2, Eq. 4.1)

The idea: textures alone solve many tasks. So change an image such that every small piece of it still looks as in any
image, and the whole does not, and ask what was done: rotations by 90°, 180° and 270°, a smooth warp (`RandomWarp`), a
patch repainted from its border (`LimitedContext`). Every image is shown under all classes, so none gives itself away:

    L_SSL = 1 / (6N) Σ_i Σ_y ℓ(C(T_y x_i), y),   T_0 the identity                                             (4.1)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_images, check_positive
from ..transforms import RandomWarp, thin_plate_warp
from .limited_context import LimitedContext, paste

TRANSFORMATIONS = ("rotation", "warp", "inpainting")
TURNS = ("90°", "180°", "270°")


class ImageTransformations(nn.Module):
    """The method as a module for `training.fit`; batches are square images (B, 3, S, S) in [0, 1].

    backbone: images (N, 3, S, S) → (N, D) with ``features`` = D. transformations: any of `TRANSFORMATIONS`; the classes
    are then ``names``, "none" first. inpainting: a `LimitedContext`, needed for that transformation only. It trains
    along, with optimisers of its own, unless ``frozen`` (ablation d of Table 4.1). feedback: weight of C's say in the
    inpainter's loss, 0 for ablation (e). warp: the warps. resample: move all images that are not warped by a part of a
    pixel, so that the blur of interpolation is in all classes. augment: called on the images first (the source crops
    and mirrors). Raises ValueError for transformations that are unknown, none, or lack their `LimitedContext`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        transformations: Sequence[str] = TRANSFORMATIONS,
        *,
        inpainting: LimitedContext | None = None,
        frozen: bool = False,
        feedback: float = 1.0,
        warp: RandomWarp | None = None,
        resample: bool = False,
        augment=None,
    ):
        super().__init__()
        if isinstance(transformations, str) or not transformations:
            raise ValueError(f"transformations is {transformations!r}; it takes a list of {', '.join(TRANSFORMATIONS)}")
        chosen = {check_choice("transformations", one, TRANSFORMATIONS) for one in transformations}
        if "inpainting" in chosen and inpainting is None:
            raise ValueError("inpainting is None; the transformation inpainting takes a LimitedContext")
        self.names = ("none", *TURNS * ("rotation" in chosen), *(one for one in TRANSFORMATIONS[1:] if one in chosen))
        self.backbone, self.augment, self.resample, self.frozen = backbone, augment, resample, frozen
        self.warp = (warp or RandomWarp()) if "warp" in chosen else None
        self.inpainting = inpainting if "inpainting" in chosen else None
        self.feedback = check_positive("feedback", feedback, integer=False, zero=True)
        self.classifier = nn.Linear(backbone.features, len(self.names))

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.names)

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """All images under every class, (K · B, 3, S, S), class by class, and the classes: indices of ``names``.

        Half of the untransformed images, and half of those that are turned, have a patch that the inpainter has copied
        (001 §4.2.4), if it is trained to copy. Rotations are counter-clockwise. Raises ValueError for NaN, and for
        images that are not square.
        """
        images = self._augmented(images, generator)
        with torch.no_grad():
            repainted = self.inpainting.transform(images, generator) if self.inpainting else None
            return self._versions(images, repainted, generator)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, S, S) → logits (B, K)."""
        return self.classifier(self.backbone(images))

    def training_loss(self, images: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of the classifier, Eq. 4.1; the inpainter learns nothing from it."""
        return self._scores(*self.pretext(images, generator))

    def optimisers(self, make) -> dict[str, torch.optim.Optimizer]:
        """One for the classifier (with the backbone), and one for each network of the inpainting if it trains along."""
        classifier = make([*self.backbone.parameters(), *self.classifier.parameters()])
        others = self.inpainting.optimisers(make) if self._together else {}
        return {"classifier": classifier, **others}

    def update(self, images: torch.Tensor, generator: torch.Generator, step) -> dict[str, torch.Tensor]:
        """One step of the classifier, then one of the patch discriminator and one of the inpainter."""
        if not self._together:
            parts = self.training_loss(images, generator)
            step("classifier", parts["loss"])
            return parts
        images = self._augmented(images, generator)
        patches, corners = self.inpainting.draw(images, generator)
        filled = self.inpainting.fill(patches, generator)
        # The classifier is asked once. What its loss says of each repainted pixel is handed on to the inpainter.
        shown = filled.detach().requires_grad_(self.feedback > 0)
        parts = self._scores(*self._versions(images, paste(images, shown, corners), generator))
        pressure = 0.0
        if self.feedback:
            (slope,) = torch.autograd.grad(parts["loss"], shown, retain_graph=True)
            pressure = -self.feedback * (slope * filled).sum()
        step("classifier", parts["loss"])
        return {**parts, **self.inpainting.play(patches, filled, step, pressure)}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, S, S) → features of the backbone (B, D)."""
        return self.backbone(images)

    @property
    def _together(self) -> bool:
        return self.inpainting is not None and not self.frozen

    def _scores(self, inputs, labels):
        logits = self(inputs)
        return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}

    def _augmented(self, images, generator):
        images = self.augment(images, generator) if self.augment else images
        if check_images("images", images).shape[2] != images.shape[3]:
            raise ValueError(f"images are {tuple(images.shape[2:])} pixels; rotations take square ones")
        return images

    def _versions(self, images, repainted, generator):
        """The images under every class, and the labels; ``repainted`` (B, 3, S, S) are those of the last class."""
        turns = 1 + len(TURNS) * (TURNS[0] in self.names)
        plain = self._with_copies(images.expand(turns, *images.shape), generator)
        versions = [plain[turn].rot90(turn, (-2, -1)) for turn in range(turns)]
        if repainted is not None:
            versions.append(repainted)
        if self.resample:
            versions = [_nudged(version, generator) for version in versions]
        if self.warp is not None:
            versions.insert(turns, self.warp(images, generator))
        labels = torch.arange(len(versions), device=images.device).repeat_interleave(len(images))
        return torch.cat(versions), labels

    def _with_copies(self, images, generator):
        """Images (T, B, 3, S, S); of every row half have a patch as the inpainter copies it."""
        turns, batch = images.shape[:2]
        if self.inpainting is None or not self.inpainting.autoencoding or batch < 2:
            return images
        first = torch.arange(turns)[:, None] * batch
        rows = (first + torch.rand(turns, batch, generator=generator).argsort(1)[:, : batch // 2]).flatten()
        copied = images.flatten(0, 1).clone()
        patches, corners = self.inpainting.draw(copied[rows], generator)
        with torch.no_grad():  # the classifier is to know F's fingerprints, not to change them
            copied[rows] = paste(copied[rows], self.inpainting.copy(patches), corners)
        return copied.unflatten(0, (turns, batch))


def _nudged(images, generator):
    """Images moved by up to half a pixel, interpolated as a warp does it."""
    shift = torch.rand(len(images), 1, 2, generator=generator) - 0.5
    return thin_plate_warp(images, shift.expand(-1, 4, -1))
