"""Order prediction network (OPN): in which order were these four frames? (000 §3.4.2 and Table 3.7, baseline B13)

The idea (Lee et al. 2017): classify the permutation of shuffled frames, comparing frames in pairs as one does when
sorting. Many actions look natural both ways round, so a permutation and its reversal are one class: 4!/2 = 12.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_clips, check_positive
from ..models.fusion import frame_features
from ..transforms import all_permutations, permute


class OrderPrediction(nn.Module):
    """The method as a module for `training.fit`; batches are clips (B, ``length``, 3, H, W) in [0, 1] in real order.

    backbone: images → fc6 (B, D). length: frames to order (4: 12 classes). hidden: units of the layer over a pair of
    frames, shared by all pairs. augment: called as ``augment(clips, generator)`` on shuffled clips; None for none.
    """

    def __init__(self, backbone: nn.Module, *, length: int = 4, hidden: int = 64, augment=None):
        super().__init__()
        if not 3 <= check_positive("length", length) <= 6:
            raise ValueError(f"length is {length}; order prediction takes 3 to 6 frames")
        self.backbone, self.augment = backbone, augment
        orders = all_permutations(length)
        # Of a permutation and its reversal the one that begins lower stands for both.
        self.register_buffer("orders", orders[orders[:, 0] < orders[:, -1]])
        self.register_buffer("pairs", torch.tensor(list(itertools.combinations(range(length), 2))))
        self.pair = nn.Sequential(nn.Linear(2 * backbone.features, check_positive("hidden", hidden)), nn.ReLU())
        self.classifier = nn.Linear(len(self.pairs) * hidden, len(self.orders))

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.orders)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Shuffled clips (B, T, 3, H, W) and the class of each one's order (B,).

        Every class is shown in its own order or, with probability one half, in the reverse. Raises ValueError for
        NaN and for clips of another length.
        """
        check_clips("clips", clips)
        batch, length = clips.shape[:2]
        if length != self.orders.shape[1]:
            raise ValueError(f"clips have {length} frames; this network orders {self.orders.shape[1]}")
        index = torch.randint(len(self.orders), (batch,), generator=generator)
        backwards = torch.rand(batch, generator=generator) < 0.5
        orders = self.orders.cpu()[index]
        clips = permute(clips, torch.where(backwards[:, None], orders.flip(1), orders))
        return (self.augment(clips, generator) if self.augment else clips), index.to(clips.device)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → logits (B, classes)."""
        frames = self.backbone(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return self.classifier(self.pair(frames[:, self.pairs].flatten(2)).flatten(1))

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "which order?"."""
        shuffled, index = self.pretext(clips, generator)
        logits = self(shuffled)
        return {"loss": F.cross_entropy(logits, index), "accuracy": (logits.argmax(1) == index).float().mean()}

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) → fc6 (B, D); of clips (B, T, 3, H, W) the mean over the frames."""
        return self.backbone(images) if images.ndim == 4 else frame_features(self.backbone, images).mean(1)
