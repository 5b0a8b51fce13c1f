"""Temporal permutation with a CNN-LSTM: is this sequence in its real order? (003 §3.2; 000 §3.3, §3.4.1, §4.4.1)

The idea: a sequence and its shuffled copy hold the very same frames, so background, subject and lighting say
nothing about which is which; only how posture changes over time does. A network that tells them apart must
describe posture in every frame and movement in the sequence, although nobody labelled either.

Two forms. *Binary* (S01): real or shuffled, on batches D = [x¹, ρ(x¹), x², ρ(x²), …] with labels
y_k = k mod 2, k from 1 (000 Eq. 3.1). *Multi-class* (S02): which permutation of a fixed set was applied.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_clips, check_positive
from ..models import CnnLstm
from ..transforms import permute, random_permutations, standardise


class TemporalPermutation(nn.Module):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: images → fc6 (the posture representation, kept after training).
    hidden: LSTM units; the last state is the behaviour representation.
    permutations: None for the binary task, or int64 (P, T) for the task "which of these P?".
    augment: called as ``augment(clips, generator)``, e.g. `transforms.Augmentation`; None for none.
    normalise: standardise each frame's colours, as 000 §3.5 does per frame.
    exclude_identity: leave the identity out when shuffling for the binary task.

    ``share_frames``: in the binary task x and ρ(x) hold the same frames, so the CNN looks at them once and the
    *features* are permuted. With one augmentation for both copies, this gives the same loss and gradient for half
    the work; False runs the published form, each copy through the CNN with an augmentation of its own.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        hidden: int = 64,
        permutations: torch.Tensor | None = None,
        augment=None,
        normalise: bool = False,
        exclude_identity: bool = True,
        share_frames: bool = True,
    ):
        super().__init__()
        if permutations is not None and (permutations.ndim != 2 or len(permutations.unique(dim=0)) < 2):
            raise ValueError(f"permutations is {tuple(permutations.shape)}; it takes (P, T) with P >= 2 different rows")
        classes = 2 if permutations is None else len(permutations)
        self.network = CnnLstm(backbone, check_positive("hidden", hidden), classes)
        self.augment, self.normalise = augment, normalise
        self.exclude_identity, self.share_frames = exclude_identity, share_frames
        self.register_buffer("permutations", permutations)

    @property
    def backbone(self) -> nn.Module:
        """Images (B, 3, H, W) → posture features (B, D)."""
        return self.network.backbone

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.network.classifier.out_features

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network is shown and what it is to answer.

        Binary: clips (2B, T, 3, H, W), real and shuffled in turn, and labels (2B,): 1 real, 0 shuffled.
        Multi-class: every clip shuffled by one of the P permutations (B, T, 3, H, W), and its index (B,).
        Raises ValueError for clips with NaN, of a wrong shape, or of another length than the permutations.
        """
        check_clips("clips", clips)
        if self.permutations is None:
            orders, labels = self._binary_orders(len(clips), clips.shape[1], generator)
            clips = clips.repeat_interleave(2, dim=0)
        else:
            orders, labels = self._drawn_orders(len(clips), clips.shape[1], generator)
        return self._prepare(permute(clips, orders), generator), labels.to(clips.device)

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of the pretext task on clips (B, T, 3, H, W)."""
        if self.permutations is None and self.share_frames:
            logits, labels = self._shared_forward(clips, generator)
        else:
            inputs, labels = self.pretext(clips, generator)
            logits = self.network(inputs)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return {"loss": F.cross_entropy(logits, labels), "accuracy": accuracy}

    @torch.inference_mode()
    def probability_real(self, clips: torch.Tensor) -> torch.Tensor:
        """P(real order) of clips (B, T, 3, H, W), (B,). Only the binary task has one (ValueError otherwise)."""
        if self.permutations is not None:
            raise ValueError("probability_real takes the binary task; this method classifies permutations")
        clips = standardise(clips) if self.normalise else clips
        return self.network(clips).float().softmax(1)[:, 1]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Posture features: images (B, 3, H, W) → fc6 (B, D)."""
        return self.backbone(standardise(images) if self.normalise else images)

    def sequence_features(self, clips: torch.Tensor) -> torch.Tensor:
        """Behaviour features: clips (B, T, 3, H, W) → last LSTM state (B, hidden)."""
        return self.network.sequence(standardise(clips) if self.normalise else clips)

    def _binary_orders(self, count, length, generator):
        shuffled = random_permutations(count, length, generator, exclude_identity=self.exclude_identity)
        real = torch.arange(length).expand(count, length)
        orders = torch.stack([real, shuffled], dim=1).flatten(0, 1)
        return orders, torch.tensor([1, 0]).repeat(count)

    def _drawn_orders(self, count, length, generator):
        if length != self.permutations.shape[1]:
            raise ValueError(f"clips have {length} frames; the permutations take {self.permutations.shape[1]}")
        index = torch.randint(len(self.permutations), (count,), generator=generator)
        return self.permutations.cpu()[index], index

    def _prepare(self, clips, generator):
        clips = self.augment(clips, generator) if self.augment else clips
        return standardise(clips) if self.normalise else clips

    def _shared_forward(self, clips, generator):
        check_clips("clips", clips)
        orders, labels = self._binary_orders(len(clips), clips.shape[1], generator)
        frames = self.network.frames(self._prepare(clips, generator))
        both = permute(frames.repeat_interleave(2, dim=0), orders)
        return self.network.classifier(self.network.summarise(both)), labels.to(clips.device)
