"""Clip order prediction (COP): in which order do these snippets of a video belong? (000 §3.2.2, also used in §6.3)

The idea (Xu et al. 2019): a single frame may not show which comes first, but a snippet shows a movement, and movements
follow one another. Three snippets without common frames are shuffled; a 3-D network sees each, and pairs are compared,
as one does when sorting.
"""

import itertools

import torch
from torch import nn

from ...checks import check_positive
from .skeleton import PuzzleTask, check_frames, take_frames


class ClipOrder(PuzzleTask):
    """The method as a module for `training.fit`; batches are long clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: snippets (N, ``frames``, 3, H, W) → (N, D), a 3-D network. snippets: how many (3: 6 classes). frames: of
    a snippet. gap: frames left out between two snippets, at least. jitter: frames that a clip has to spare are left
    out at random before, between and after the snippets; without, they are left out at the end. hidden: units of the
    layer over a pair of snippets (512 in the authors' code). dropout: before the classifier. orders_per_clip, augment:
    see `PuzzleTask`; the augmentation draws anew for every snippet.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        snippets: int = 3,
        frames: int = 16,
        gap: int = 8,
        jitter: bool = True,
        hidden: int = 128,
        dropout: float = 0.5,
        orders_per_clip: int | None = None,
        augment=None,
    ):
        if not 2 <= check_positive("snippets", snippets) <= 5:
            raise ValueError(f"snippets is {snippets}; clip order prediction takes 2 to 5")
        check_positive("frames", frames)
        head = PairHead(backbone.features, snippets, hidden, dropout)
        super().__init__(backbone, snippets, head=head, length=frames, orders_per_clip=orders_per_clip, augment=augment)
        self.snippets, self.frames, self.jitter = snippets, frames, jitter
        self.gap = check_positive("gap", gap, zero=True)

    @property
    def frames_needed(self) -> int:
        """Frames of the shortest clip that can be cut."""
        return self.snippets * self.frames + (self.snippets - 1) * self.gap

    def pieces(self, clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → snippets in true order (B, n, ``frames``, 3, H, W)."""
        check_frames(clips, self.frames_needed, "clip order prediction")
        starts = (torch.arange(self.snippets) * (self.frames + self.gap)).repeat(len(clips), 1)
        if self.jitter:
            spare = clips.shape[1] - self.frames_needed
            # Sorted shifts keep the order and the gaps.
            starts += torch.randint(spare + 1, starts.shape, generator=generator).sort(1).values
        return take_frames(clips, starts[..., None] + torch.arange(self.frames))


class PairHead(nn.Module):
    """Features of n pieces (B, n, D) → logits (B, n!): one layer for all pairs i < j, then a classifier over pairs."""

    def __init__(self, features: int, count: int, hidden: int, dropout: float):
        super().__init__()
        pairs = torch.tensor(list(itertools.combinations(range(count), 2)))
        self.register_buffer("pairs", pairs, persistent=False)
        self.pair = nn.Sequential(nn.Linear(2 * features, check_positive("hidden", hidden)), nn.ReLU())
        classes = len(list(itertools.permutations(range(count))))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(len(pairs) * hidden, classes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, n, D) → (B, n!)."""
        return self.classifier(self.pair(features[:, self.pairs].flatten(2)).flatten(1))
