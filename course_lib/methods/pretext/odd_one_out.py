"""Odd-one-out network (O3N): which of these sub-clips of one video has its frames in a wrong order? (002, 004)

The idea (Fernando et al. 2017): to find the odd one among six one must compare all of them. N sub-clips keep the order
of the film, one is shuffled; a branch of the network sees *differences* of frames, which hold motion and little else.
"""

import torch
from torch import nn

from ...checks import check_choice, check_clips, check_positive
from ...transforms import permute, random_permutations
from .skeleton import ClipTask, check_frames, spread_labels, take_frames


class OddOneOut(ClipTask):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: what ``inputs`` makes of a sub-clip → (N, D). clips: N + 1 sub-clips of a question (6 in the paper, which
    is 6 classes). frames: of a sub-clip, drawn at random from the clip and sorted. hidden: units of the layer over the
    concatenated branches. augment: called on the sub-clips, each by itself.

    inputs: "differences" are those of neighbouring frames, a clip (N, frames - 1, 3, H, W) for a 3-D network, or for
    ``EarlyFusion(net, frames - 1)``, the paper's stack of differences. "sum" adds the differences of all *pairs* of
    frames to one image (N, 1, 3, H, W), for ``SingleFrame(net)``: frame t of W has the weight 2 t - W - 1. (The
    differences of neighbours would add up to the last frame less the first.) Either is moved to [0, 1], no motion is ½.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        clips: int = 6,
        frames: int = 6,
        inputs: str = "differences",
        hidden: int = 128,
        augment=None,
    ):
        for name, value, least in (("clips", clips, 2), ("frames", frames, 3)):
            if check_positive(name, value) < least:
                raise ValueError(f"{name} is {value}; odd-one-out takes at least {least}")
        head = nn.Sequential(
            nn.Flatten(), nn.Linear(clips * backbone.features, check_positive("hidden", hidden)), nn.ReLU(),
            nn.Linear(hidden, clips),
        )  # fmt: skip
        super().__init__(backbone, clips, head=head, length=frames, augment=augment)
        self.frames = frames
        self.inputs = check_choice("inputs", inputs, ("differences", "sum"))

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Questions (B, N + 1, …), as the backbone sees the sub-clips, and the place of the odd one (B,).

        All places are equally frequent in a batch (give or take one). Raises ValueError for NaN and for clips that are
        too short.
        """
        check_clips("clips", clips)
        check_frames(clips, self.frames, "a sub-clip")
        batch, length = clips.shape[:2]
        drawn = torch.rand(batch, self.classes, length, generator=generator).argsort(2)[..., : self.frames]
        index, place = drawn.sort(2).values, spread_labels(batch, self.classes, generator)
        rows = torch.arange(batch)
        index[rows, place] = permute(index[rows, place], random_permutations(batch, self.frames, generator))
        parts = take_frames(clips, index).flatten(0, 1)
        parts = self.prepare(self.augment(parts, generator) if self.augment else parts)
        return parts.unflatten(0, (batch, self.classes)), place.to(clips.device)

    def prepare(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (N, W, 3, H, W) → differences of their frames in [0, 1], (N, W - 1, 3, H, W) or (N, 1, 3, H, W)."""
        if self.inputs == "differences":
            return (1 + clips[:, 1:] - clips[:, :-1]) / 2
        length = clips.shape[1]
        weights = 2 * torch.arange(1, length + 1, device=clips.device) - length - 1.0
        # The positive weights add up to a quarter of W² (of W² - 1, when odd), so this stays in [0, 1].
        total = (clips * weights[:, None, None, None]).sum(1, keepdim=True)
        return (1 + total / weights.clamp(min=0).sum()) / 2

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → features (B, D), of ``frames`` frames spread evenly over each."""
        check_clips("clips", clips)
        check_frames(clips, self.frames, "a sub-clip")
        spread = torch.linspace(0, clips.shape[1] - 1, self.frames).round().long()
        return self.backbone(self.prepare(clips[:, spread.to(clips.device)]))

    def forward(self, questions: torch.Tensor) -> torch.Tensor:
        """Questions (B, N + 1, …) → logits (B, N + 1)."""
        return self.head(self.branches(questions))
