"""What does a network know about time? Synchronisation, before-or-after, still videos (001 §5.3, Fig. 5.3, Table 5.3).

Tasks for a network that is already trained: its convolutions, frozen or not, with three new fully connected layers.
Both are answered from the order of frames alone, so they measure what class labels need not ask for.
"""

import copy
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_clips, check_positive


class _Probe(nn.Module):
    """A copy of a backbone up to its last convolution, and three fully connected layers; the original stays as it is.

    size: side of the frames the backbone will see; its ``image_size`` by default.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, freeze, hidden, length, size, augment):
        super().__init__()
        self.length, self.freeze, self.augment = check_positive("length", length), freeze, augment
        size = getattr(backbone, "image_size", None) if size is None else check_positive("size", size)
        if size is None:
            raise ValueError(f"size is None; {type(backbone).__name__} has no image_size, so it takes the frames' side")
        self.backbone = copy.deepcopy(backbone).requires_grad_(not freeze).eval()
        weight = next(self.backbone.parameters())
        with torch.no_grad():
            inputs = self.backbone.maps(weight.new_zeros(1, length, 3, size, size)).numel()
        check_positive("hidden", hidden)
        layers = []
        for count in (inputs, hidden):
            layers += [nn.Linear(count, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        self.head = nn.Sequential(nn.Flatten(), *layers, nn.Linear(hidden, classes))

    def train(self, mode: bool = True):
        """As for every module, but frozen convolutions stay in eval mode: their batch norm learns nothing either."""
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self

    def maps(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (N, length, 3, H, W) → the last convolution's volume, ψ of 001 (N, C, T', H', W')."""
        with torch.no_grad() if self.freeze else nullcontext():
            return self.backbone.maps(clips)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, length, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(clips)


class Synchronisation(_Probe):
    """By how many frames is the second of two overlapping clips of one video late? (001 §5.3, Fig. 5.3 a)

    Batches are clips (B, T, 3, H, W) in [0, 1] with T >= ``length`` + 2 ``max_offset``. Offsets −6 … 6 make 13
    classes; the answer is read from the difference of the two clips' maps, ψ(v1) − ψ(v2).

    backbone: with a method ``maps``, e.g. `C3D`; it is copied. freeze: train the new layers only. hidden: units of
    the first two of the three. size: side of the frames, where the backbone does not say. augment: called as
    ``augment(clips, generator)``, with the same crop for both clips of a pair; None for none.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        freeze: bool = True,
        max_offset: int = 6,
        hidden: int = 64,
        length: int = 16,
        size: int | None = None,
        augment=None,
    ):
        if check_positive("max_offset", max_offset) >= check_positive("length", length):
            raise ValueError(f"max_offset is {max_offset}; clips of {length} frames overlap up to {length - 1}")
        classes = 2 * max_offset + 1
        super().__init__(backbone, classes, freeze=freeze, hidden=hidden, length=length, size=size, augment=augment)
        self.max_offset = max_offset

    @property
    def chance(self) -> float:
        """Accuracy of guessing (1/13)."""
        return 1 / (2 * self.max_offset + 1)

    @property
    def chance_error(self) -> float:
        """Mean absolute error, in frames, of always answering 0, the best of all constant answers (3.23)."""
        return self.max_offset * (self.max_offset + 1) / (2 * self.max_offset + 1)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pairs (B, 2, length, 3, H, W) and classes (B,), the offset + ``max_offset``.

        The second clip starts ``offset`` frames after the first, whose place does not depend on the offset. Raises
        ValueError for NaN and for clips too short.
        """
        spare = _spare("synchronisation", check_clips("clips", clips), self.length + 2 * self.max_offset)
        batch = len(clips)
        first = self.max_offset + torch.randint(spare + 1, (batch,), generator=generator)
        label = torch.randint(2 * self.max_offset + 1, (batch,), generator=generator)
        start = torch.stack([first, first + label - self.max_offset], 1)
        # Both clips of a pair in one row of frames: the augmentation then treats them alike.
        shown = _take(clips, (start[..., None] + torch.arange(self.length)).flatten(1))
        shown = self.augment(shown, generator) if self.augment else shown
        return shown.unflatten(1, (2, self.length)), label.to(clips.device)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Pairs (B, 2, length, 3, H, W) → logits (B, 13)."""
        first, second = self.maps(pairs.flatten(0, 1)).unflatten(0, (-1, 2)).unbind(1)
        return self.head(first - second)

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy, accuracy, and "error": the mean absolute difference to the true offset, in frames."""
        pairs, label = self.pretext(clips, generator)
        logits = self(pairs)
        answer = logits.argmax(1)
        return {
            "loss": F.cross_entropy(logits, label),
            "accuracy": (answer == label).float().mean(),
            "error": (answer - label).abs().float().mean(),
        }


class BeforeAfter(_Probe):
    """Were these two halves shown in the order in which they happened? (001 §5.3, Fig. 5.3 b)

    Batches are clips (B, T, 3, H, W) in [0, 1] with T >= ``length``. Two sub-clips of ``length / 2`` frames that do
    not overlap make one input, in the true order ("before", class 0) or the other ("after", class 1). Arguments as
    for `Synchronisation`; ``length`` is even.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        freeze: bool = True,
        hidden: int = 64,
        length: int = 16,
        size: int | None = None,
        augment=None,
    ):
        if check_positive("length", length) % 2:
            raise ValueError(f"length is {length}; it takes an even number, for two halves")
        super().__init__(backbone, 2, freeze=freeze, hidden=hidden, length=length, size=size, augment=augment)

    @property
    def chance(self) -> float:
        """Accuracy of guessing: both orders are equally frequent."""
        return 0.5

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Each clip in both orders in turn, (2B, length, 3, H, W), and classes 0, 1, 0, 1, … (2B,).

        All pairs of places that fit are equally likely; both orders have the same frames, so that only their order
        tells. Raises ValueError for NaN and for clips too short.
        """
        spare = _spare("before-or-after", check_clips("clips", clips), self.length)
        half = self.length // 2
        # Two different numbers out of spare + 2, the second less one, are all pairs u <= v of 0 … spare alike.
        places = torch.rand(len(clips), spare + 2, generator=generator).argsort(1)[:, :2].sort(1).values
        start = places + torch.tensor([0, half - 1])
        frames = (start[..., None] + torch.arange(half)).flatten(1)
        shown = _take(clips, torch.stack([frames, frames.roll(half, 1)], 1)).flatten(0, 1)
        label = torch.tensor([0, 1], device=clips.device).repeat(len(clips))
        return (self.augment(shown, generator) if self.augment else shown), label

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (N, length, 3, H, W) → logits (N, 2)."""
        return self.head(self.maps(clips))

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "before or after?"."""
        shown, label = self.pretext(clips, generator)
        logits = self(shown)
        return {"loss": F.cross_entropy(logits, label), "accuracy": (logits.argmax(1) == label).float().mean()}


def still(clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each clip (B, T, C, H, W), of any type, with one of its frames, drawn at random, at all times (001 §5.3).

    What a network can still tell then, it tells from how things look.
    """
    if clips.ndim != 5 or clips.numel() == 0:
        raise ValueError(f"clips is {tuple(clips.shape)}; it takes clips (B, T, C, H, W)")
    frame = torch.randint(clips.shape[1], (len(clips), 1), generator=generator)
    return _take(clips, frame.expand(-1, clips.shape[1]))


def _take(clips, index):
    rows = torch.arange(len(clips), device=clips.device).view(-1, *[1] * (index.ndim - 1))
    return clips[rows, index.to(clips.device)]


def _spare(task, clips, needed):
    if clips.shape[1] < needed:
        raise ValueError(f"clips have {clips.shape[1]} frames; {task} takes at least {needed}")
    return clips.shape[1] - needed
