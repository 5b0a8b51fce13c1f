"""Limited context inpainting: repaint a patch from a thin border alone, and put it back (001 §4.2.1, §4.2.4, Fig. 4.4).

The idea: from 2 to 4 pixels around it nobody can know what was in the patch. An inpainter F that paints something
realistic, and continues the border, makes an image that is right everywhere looked at closely and wrong as a whole:

    e = the patch,   m = 1 in its centre, 0 on the border,   z ~ N(0, I)
    r = F(e ⊙ (1 − m) + z ⊙ m)                                                                               (4.3)
    L = ℓ_GAN(r, e) + λ_border |(r − e) ⊙ (1 − m)|² + λ_AE |F(e) − e|²  − L_SSL

ℓ_GAN is the hinge loss against a discriminator D of patches. The last term, feedback of a classifier that looks for
repainted images, is added by `ImageTransformations`, and so is the use of F(e): patches that F has only copied are
put into images called untransformed, or the classifier would look for F's fingerprints instead of what is wrong.

The source's formula sums squares over pixels, and its code is not given: here they are means, over the border and over
the patch, so that the weights do not depend on the size of the patch.
"""

import torch
from torch import nn

from ..checks import check_images, check_positive
from ..models import Inpainter, PatchDiscriminator
from .gan import discriminator_loss, generator_loss
from .precision import full_precision


class LimitedContext(nn.Module):
    """Inpainter and patch discriminator, as a module for `training.fit`; batches are images (B, 3, H, W) in [0, 1].

    Trained by itself it is what ablation (d) of Table 4.1 freezes; within `ImageTransformations` it trains along with
    the classifier. It has no backbone: features are the classifier's.

    patch: side of the patches, a multiple of 8; 48 of 64 pixels in the source. border: pixels that F may see, 2 for
    STL-10 and CelebA, 4 for ImageNet. width: channels of both networks at the patch's resolution. border_weight,
    autoencoding: λ_border and λ_AE, 50 in the source; autoencoding 0 is its ablation (f). rate: learning rate of F and
    D as a multiple of the one `fit` is given. Raises ValueError for arguments out of range.
    """

    chance = 0.5  # accuracy of D in equilibrium

    def __init__(
        self,
        patch: int = 48,
        *,
        border: int = 2,
        width: int = 16,
        border_weight: float = 50.0,
        autoencoding: float = 50.0,
        rate: float = 1.0,
    ):
        super().__init__()
        self.patch, self.border, self.rate = patch, check_positive("border", border), rate
        self.border_weight = check_positive("border_weight", border_weight, integer=False, zero=True)
        self.autoencoding = check_positive("autoencoding", autoencoding, integer=False, zero=True)
        self.inpainter, self.discriminator = Inpainter(width), PatchDiscriminator(patch, width)
        if 2 * border >= patch:
            raise ValueError(f"border is {border}; a patch of {patch} pixels takes less than {patch / 2:g}")
        mask = torch.zeros(patch, patch)
        mask[border:-border, border:-border] = 1
        self.register_buffer("mask", mask, persistent=False)

    def draw(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """One patch of each image, at a place drawn uniformly: (B, 3, s, s), and its corners (top, left), int64 (B, 2).

        Patches lie within the image. Raises ValueError for NaN, or for images smaller than a patch.
        """
        height, width = check_images("images", images).shape[2:]
        if min(height, width) < self.patch:
            raise ValueError(f"images are {height}×{width} pixels; patches of {self.patch} take at least as many")
        free = torch.tensor([height, width]) - self.patch + 1
        corners = (torch.rand(len(images), 2, generator=generator, dtype=torch.float64) * free).long()
        return images[_window(images, corners, self.patch)], corners

    def fill(self, patches: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Eq. 4.3: patches (B, 3, s, s) in [0, 1], of which F sees the border, → repainted patches, float32 in [0, 1].

        F gets pixels centred to [-1, 1], to which noise of variance 1 is comparable.
        """
        return full_precision(self.inpainter(self._hidden(patches, generator)))

    def copy(self, patches: torch.Tensor) -> torch.Tensor:
        """F(e): the patches as F copies them when it sees all."""
        return full_precision(self.inpainter(patches * 2 - 1))

    def transform(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Eq. 4.4: one patch of each image repainted, (B, 3, H, W)."""
        patches, corners = self.draw(images, generator)
        return paste(images, self.fill(patches, generator), corners)

    def pretext(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What F sees, (B, 3, s, s) in about [-1, 1] with noise in the centre, and the true patches in [0, 1]."""
        patches, _ = self.draw(images, generator)
        return self._hidden(patches, generator), patches

    def optimisers(self, make) -> dict[str, torch.optim.Optimizer]:
        """One for each network."""
        parts = {"discriminator": self.discriminator, "inpainter": self.inpainter}
        return {name: make(part.parameters(), self.rate) for name, part in parts.items()}

    def update(self, images: torch.Tensor, generator: torch.Generator, step) -> dict[str, torch.Tensor]:
        """An update of D and one of F. "accuracy": how often D tells a patch from a repainted one."""
        patches, _ = self.draw(images, generator)
        parts = self.play(patches, self.fill(patches, generator), step)
        parts["accuracy"] = parts.pop("detected")
        return {"loss": parts["discriminator"] + parts["inpainter"], **parts}

    def play(self, patches: torch.Tensor, filled: torch.Tensor, step, pressure=0.0) -> dict[str, torch.Tensor]:
        """Given patches and what F made of them: a step of D, then one of F, against D as it is then.

        pressure: scalar added to F's loss (and not to the parts that are returned), with a gradient through ``filled``.
        """
        truth, lie = self._judge(torch.cat([patches, filled.detach()])).chunk(2)
        judged = discriminator_loss(truth, lie, "hinge")
        step("discriminator", judged)
        parts = self.losses(patches, filled)
        step("inpainter", parts["inpainter"] + pressure)
        detected = 0.5 * ((truth > 0).float().mean() + (lie < 0).float().mean())
        return {"discriminator": judged, **parts, "detected": detected}

    def losses(self, patches: torch.Tensor, filled: torch.Tensor) -> dict[str, torch.Tensor]:
        """Parts of F's loss, unweighted, and their weighted sum "inpainter"."""
        ring = 1 - self.mask
        square = (filled - patches).square() * ring
        parts = {
            "adversarial": generator_loss(self._judge(filled), "hinge"),
            "border": square.sum() / (ring.sum() * square[:, :, 0, 0].numel()),
        }
        total = parts["adversarial"] + self.border_weight * parts["border"]
        if self.autoencoding:
            parts["copy"] = (self.copy(patches) - patches).square().mean()
            total = total + self.autoencoding * parts["copy"]
        return {**parts, "inpainter": total}

    def _hidden(self, patches, generator):
        noise = torch.randn(patches.shape, generator=generator).to(patches)
        return torch.lerp(patches * 2 - 1, noise, self.mask)

    def _judge(self, patches):
        return full_precision(self.discriminator(patches))


def paste(images: torch.Tensor, patches: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """``images`` (B, C, H, W) with ``patches`` (B, C, s, s) laid over them at ``corners`` (B, 2); gradients pass."""
    pasted = images.clone()
    pasted[_window(images, corners, patches.shape[-1])] = patches.to(images.dtype)
    return pasted


def _window(images, corners, side):
    """Index of a square window of each image."""
    corners, steps = corners.to(images.device), torch.arange(side, device=images.device)
    rows, columns = (corners[:, axis, None] + steps for axis in (0, 1))
    sample = torch.arange(len(images), device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return sample, channel, rows[:, None, :, None], columns[:, None, None, :]
