"""What the pretext tasks of this folder share: a backbone that sees clips, a head, a question with several answers.

A task is what its ``pretext`` does to a batch: it makes inputs whose right answer is known because the task itself
made them. `ClipTask` holds the rest, so that a task's own file tells only the task. `PuzzleTask` is for those that cut
a clip into pieces and shuffle them.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_clips, check_positive
from ...transforms import all_permutations, permute


class ClipTask(nn.Module):
    """A classification task on clips, as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1].

    backbone: clips (N, T', C, H', W') → (N, D), with the attribute ``features`` = D. A 2-D network enters as
    ``SingleFrame(net)`` (mean over frames) or ``EarlyFusion(net, frames)``. classes: answers to choose from. head:
    features → logits, linear by default. length: frames the backbone is made for (None: any). augment: called as
    ``augment(clips, generator)`` on what the task has made; None for none.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        *,
        head: nn.Module | None = None,
        length: int | None = None,
        augment=None,
    ):
        super().__init__()
        self.backbone, self.classes, self.length, self.augment = backbone, classes, length, augment
        self.head = nn.Linear(backbone.features, classes) if head is None else head

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.classes

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network is shown, and the right answers, int64; each task writes its own."""
        raise NotImplementedError

    def prepare(self, clips: torch.Tensor) -> torch.Tensor:
        """A clip as the backbone sees it: the clip itself, unless a task looks at something else, e.g. flow."""
        return clips

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of the pretext task → logits (N, classes)."""
        return self.head(self.backbone(inputs))

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of the pretext task."""
        inputs, labels = self.pretext(clips, generator)
        return scores(self(inputs), labels)

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → features of the backbone (B, D), what is kept after training.

        A clip longer than ``length`` is cut into windows of ``length`` frames, side by side from its first frame on,
        and their features are averaged. Raises ValueError for clips that are shorter.
        """
        check_clips("clips", clips)
        length = self.length or clips.shape[1]
        check_frames(clips, length, "the backbone")
        windows = clips[:, : clips.shape[1] // length * length].unflatten(1, (-1, length))
        return self.branches(self.prepare(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])).mean(1)

    def branches(self, pieces: torch.Tensor) -> torch.Tensor:
        """The backbone, with the same weights, on every piece: (B, N, T', C, H', W') → (B, N, D)."""
        return self.backbone(pieces.flatten(0, 1)).unflatten(0, pieces.shape[:2])


class PuzzleTask(ClipTask):
    """Pieces of a clip are shuffled; which of the n! orders is it? A task writes ``pieces``, which cuts them.

    count: n, pieces of a puzzle. orders_per_clip: how many different orders of each clip are in a batch; None for all
    n!, which makes every video equally frequent in every class. It costs little: a piece is the same piece at every
    place, so ``training_loss`` runs the backbone once per piece and shuffles *features*, which gives the same loss and
    gradient as shuffling pixels.
    """

    def __init__(
        self,
        backbone: nn.Module,
        count: int,
        *,
        head: nn.Module,
        length: int | None = None,
        orders_per_clip: int | None = None,
        augment=None,
    ):
        classes = math.factorial(count)
        super().__init__(backbone, classes, head=head, length=length, augment=augment)
        self.orders_per_clip = (
            classes if orders_per_clip is None else check_positive("orders_per_clip", orders_per_clip)
        )
        if self.orders_per_clip > classes:
            raise ValueError(f"orders_per_clip is {orders_per_clip}; {count} pieces have {classes} orders")
        self.register_buffer("orders", all_permutations(count).clone(), persistent=False)

    def pieces(self, clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → their pieces in true order (B, n, T', 3, H', W')."""
        raise NotImplementedError

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Shuffled pieces (B · orders_per_clip, n, T', 3, H', W'), all of one clip in turn, and the rows of ``orders``.

        At place i of the input stands piece ``orders[label, i]``. Raises ValueError for NaN and for clips too small.
        """
        pieces, labels = self._pieces(clips, generator), self._labels(len(clips), generator)
        return self._shuffled(pieces, labels), labels.to(clips.device)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Shuffled pieces (N, n, T', 3, H', W') → logits (N, n!)."""
        return self.head(self.branches(inputs))

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Cross-entropy and accuracy of "in which order are the pieces?"."""
        pieces, labels = self._pieces(clips, generator), self._labels(len(clips), generator)
        return scores(self.head(self._shuffled(self.branches(pieces), labels)), labels.to(clips.device))

    def _pieces(self, clips, generator):
        pieces = self.pieces(check_clips("clips", clips), generator)
        if self.augment is None:
            return pieces
        # Every piece has a draw of its own, or a crop that all share would show how they fit together.
        return self.augment(pieces.flatten(0, 1), generator).unflatten(0, pieces.shape[:2])

    def _labels(self, batch, generator):
        if self.orders_per_clip == 1:
            return spread_labels(batch, self.classes, generator)
        return torch.rand(batch, self.classes, generator=generator).argsort(1)[:, : self.orders_per_clip].flatten()

    def _shuffled(self, pieces, labels):
        return permute(pieces.repeat_interleave(self.orders_per_clip, 0), self.orders.cpu()[labels])


def scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """``loss`` (cross-entropy) and ``accuracy`` of logits (N, classes) for labels (N,)."""
    return {"loss": F.cross_entropy(logits, labels), "accuracy": (logits.argmax(1) == labels).float().mean()}


def spread_labels(count: int, classes: int, generator: torch.Generator) -> torch.Tensor:
    """Random labels, int64 (count,), in which no class is more than one ahead of another."""
    labels = torch.randperm(classes, generator=generator)[torch.arange(count) % classes]
    return labels[torch.randperm(count, generator=generator)]


def take_frames(clips: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Frames ``index`` (B, …) of each clip of (B, T, C, H, W) → (B, …, C, H, W)."""
    rows = torch.arange(len(clips), device=clips.device).view(-1, *[1] * (index.ndim - 1))
    return clips[rows, index.to(clips.device)]


def check_frames(clips: torch.Tensor, needed: int, who: str) -> None:
    """Raise ValueError if the clips (B, T, …) have fewer than ``needed`` frames."""
    if clips.shape[1] < needed:
        raise ValueError(f"clips have {clips.shape[1]} frames; {who} takes at least {needed}")
