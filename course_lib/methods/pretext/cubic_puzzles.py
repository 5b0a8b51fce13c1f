"""Space-time cubic puzzles: in which order do four cuboids of a clip belong? (002 §4.2.2, Fig. 4.11)

The idea (Kim et al. 2019): a jigsaw puzzle of a clip. The four pieces lie beside one another in space (2×2×1) or follow
one another in time (1×1×4). What lies where and what follows what must be learned to solve both; crops that jitter, and
one colour channel in place of three, keep edges and lens errors from solving it.
"""

import torch
from torch import nn

from ...checks import check_choice, check_positive
from .skeleton import PuzzleTask, check_frames, spread_labels

KINDS = ("space", "time", "both")


class CubicPuzzles(PuzzleTask):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: pieces (N, ``frames``, 3, ``size``, ``size``) → (N, D), a 3-D network. kind: "space", "time", or "both",
    drawn for each clip. frames, size: of a piece. jitter: pixels that a piece may be off its place, each by itself.
    Pieces in space share their moment, at random within the clip; pieces in time are drawn from a quarter of the clip
    each, and share their place but for the jitter. channel_replication: one random colour channel of each piece stands
    for all three. hidden: units of the layer over the concatenated pieces. orders_per_clip, augment: see `PuzzleTask`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        kind: str = "both",
        frames: int = 4,
        size: int = 14,
        jitter: int = 2,
        channel_replication: bool = True,
        hidden: int = 128,
        orders_per_clip: int | None = None,
        augment=None,
    ):
        head = nn.Sequential(
            nn.Flatten(), nn.Linear(4 * backbone.features, check_positive("hidden", hidden)), nn.ReLU(),
            nn.Linear(hidden, 24),
        )  # fmt: skip
        super().__init__(
            backbone, 4, head=head, length=check_positive("frames", frames), orders_per_clip=orders_per_clip,
            augment=augment,
        )  # fmt: skip
        self.kind, self.frames = check_choice("kind", kind, KINDS), frames
        self.size, self.jitter = check_positive("size", size), check_positive("jitter", jitter, zero=True)
        self.channel_replication = channel_replication

    def pieces(self, clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → cuboids (B, 4, ``frames``, 3, ``size``, ``size``); in space, row by row."""
        batch, channels = len(clips), clips.shape[2]
        start, top, left = self._corners(clips, generator)
        times = start[..., None] + torch.arange(self.frames)
        rows, columns = (corner[..., None] + torch.arange(self.size) for corner in (top, left))
        colours = torch.arange(channels).expand(batch, 4, -1)
        if self.channel_replication:
            colours = torch.randint(channels, (batch, 4, 1), generator=generator).expand(-1, -1, channels)
        index = (
            torch.arange(batch)[:, None, None, None, None, None], times[:, :, :, None, None, None],
            colours[:, :, None, :, None, None], rows[:, :, None, None, :, None], columns[:, :, None, None, None, :],
        )  # fmt: skip
        return clips[tuple(part.to(clips.device) for part in index)]

    def _corners(self, clips, generator):
        """First frame, row and column of every piece, int64 (B, 4) each."""
        batch, length, _, height, width = clips.shape
        reach, quarter = self.size + self.jitter, length // 4
        if self.kind != "time" and 2 * reach > min(height, width):
            raise ValueError(f"clips have {height}×{width} pixels; 2×2 pieces of {self.size} + {self.jitter} take more")
        if reach > min(height, width):
            raise ValueError(f"clips have {height}×{width} pixels; pieces of {self.size} + {self.jitter} take more")
        check_frames(clips, self.frames if self.kind == "space" else 4 * self.frames, "a puzzle")

        def draw(most, *shape):
            return torch.randint(most + 1, (batch, *shape), generator=generator)

        piece = torch.arange(4)
        space = (
            draw(length - self.frames, 1).expand(-1, 4),
            (piece // 2 * (height // 2) + (height // 2 - reach) // 2).expand(batch, -1),
            (piece % 2 * (width // 2) + (width // 2 - reach) // 2).expand(batch, -1),
        )
        time = space
        if self.kind != "space":
            time = (
                piece * quarter + draw(quarter - self.frames, 4),
                draw(height - reach, 1).expand(-1, 4),
                draw(width - reach, 1).expand(-1, 4),
            )
        beside = torch.full((batch,), int(self.kind == "space"))
        if self.kind == "both":
            beside = spread_labels(batch, 2, generator)
        start, top, left = (torch.where(beside[:, None] == 1, *both) for both in zip(space, time, strict=True))
        return start, top + draw(self.jitter, 4), left + draw(self.jitter, 4)
