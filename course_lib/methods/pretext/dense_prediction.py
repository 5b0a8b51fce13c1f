"""Dense predictive coding (DPC): predict how the next moments of a video will be represented, place by place.

The idea (Han et al. 2019; 002 §4.2.4 and Fig. 4.15): blocks of a few frames become maps of features, a recurrent
network gathers the past, and a predictor rolls out the maps to come. Pixels are never predicted, and the prediction
need only be nearer to the truth than to distractors: the same moment elsewhere in the picture, other moments, other
videos.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_clips, check_positive
from .contrast import contrast_accuracy

KINDS = ("positive", "easy", "spatial", "temporal")  # of a pair in the contrast; see `pair_kinds`


class ConvGRU(nn.Module):
    """A gated recurrent unit whose matrices are convolutions, so that every place keeps its own state.

    kernel: odd; 1 (as in DPC's code) lets a place hear only of its own past.
    """

    def __init__(self, inputs: int, hidden: int, kernel: int = 1):
        super().__init__()
        if check_positive("kernel", kernel) % 2 == 0:
            raise ValueError(f"kernel is {kernel!r}; it takes odd numbers")
        self.hidden = check_positive("hidden", hidden)
        self.gates = nn.Conv2d(inputs + hidden, 2 * hidden, kernel, padding=kernel // 2)
        self.candidate = nn.Conv2d(inputs + hidden, hidden, kernel, padding=kernel // 2)

    def forward(self, maps: torch.Tensor, state: torch.Tensor | None = None) -> torch.Tensor:
        """One step: maps (B, inputs, h, w) and the state (B, hidden, h, w), zero by default → the next state."""
        if state is None:
            state = maps.new_zeros(len(maps), self.hidden, *maps.shape[2:])
        update, reset = self.gates(torch.cat([maps, state], 1)).sigmoid().chunk(2, 1)
        candidate = self.candidate(torch.cat([maps, reset * state], 1)).tanh()
        return (1 - update) * state + update * candidate


def dense_logits(predicted: torch.Tensor, actual: torch.Tensor) -> torch.Tensor:
    """Dot products of every predicted with every actual vector, float32 (N, N), N = B P h w: one matrix product.

    predicted, actual: (B, P, D, h, w). Cross-entropy with the diagonal as targets is the loss of 002,
    −Σ log exp(ẑ_ik·z_ik) / Σ_jm exp(ẑ_ik·z_jm): the only positive is the same clip, moment and place.
    """
    a, b = (maps.float().movedim(2, -1).flatten(0, 3) for maps in (predicted, actual))
    with torch.autocast(a.device.type, enabled=False):  # a softmax over thousands needs more than eight bits
        return a @ b.T


def pair_kinds(clips: int, steps: int, places: int) -> torch.Tensor:
    """What each pair of `dense_logits` is, int8 (N, N), indices into `KINDS`.

    easy: another clip. spatial: the same clip and moment, another place. temporal: the same clip, another moment.
    """
    row = torch.arange(clips * steps * places)
    clip, moment = row // (steps * places), row // places
    kinds = torch.where(clip[:, None] != clip, 1, torch.where(moment[:, None] != moment, 3, 2))
    return kinds.fill_diagonal_(0).to(torch.int8)


class DensePredictiveCoding(nn.Module):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1], T = blocks x frames.

    backbone: a 3-D network with ``maps(clips) -> (B, D, T', H', W')``, as `R3D` and `C3D` (with ``clip_length`` =
    ``frames``); its maps are averaged over what is left of time. blocks, frames: a clip is cut into so many blocks of
    so many frames (the paper: 8 of 5). predict: the last blocks, which are predicted from the others (3). hidden:
    channels of the state, by default those of the maps. kernel: of the `ConvGRU`. augment: called as
    ``augment(clips, generator)``; None for none.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        blocks: int = 8,
        frames: int = 5,
        predict: int = 3,
        hidden: int | None = None,
        kernel: int = 1,
        augment=None,
    ):
        super().__init__()
        if not 0 < check_positive("predict", predict) < check_positive("blocks", blocks):
            raise ValueError(f"predict is {predict} of {blocks} blocks; it takes at least 1, and leaves 1 to see")
        self.backbone, self.augment = backbone, augment
        self.blocks, self.frames, self.predict = blocks, check_positive("frames", frames), predict
        channels = backbone.map_shape[0] if hasattr(backbone, "map_shape") else backbone.features
        hidden = hidden or channels
        self.aggregator = ConvGRU(channels, hidden, kernel)
        self.predictor = nn.Sequential(nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))
        self.chance = float("nan")  # set by `training_loss`: it depends on the batch

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs: the blocks (B, N, frames, 3, H, W); targets: the last ``predict``, whose maps are to be found.

        Raises ValueError for NaN and for clips of another length.
        """
        check_clips("clips", clips)
        if clips.shape[1] != self.blocks * self.frames:
            raise ValueError(
                f"clips have {clips.shape[1]} frames; {self.blocks} blocks of {self.frames} take "
                f"{self.blocks * self.frames}"
            )
        clips = self.augment(clips, generator) if self.augment else clips
        blocks = clips.unflatten(1, (self.blocks, self.frames))
        return blocks, blocks[:, -self.predict :]

    def encode(self, blocks: torch.Tensor) -> torch.Tensor:
        """Blocks (B, N, frames, 3, H, W) → their maps z (B, N, D, h, w)."""
        return self.backbone.maps(blocks.flatten(0, 1)).mean(2).unflatten(0, blocks.shape[:2])

    def roll_out(self, maps: torch.Tensor, steps: int) -> torch.Tensor:
        """Maps of the past (B, N, D, h, w) → those of the next ``steps`` blocks, (B, steps, D, h, w).

        ẑ_t+1 = φ(c_t), and each prediction is taken in as if it had been seen: c_t+1 = g(ẑ_t+1, c_t).
        """
        state, predicted = None, []
        for seen in maps.unbind(1):
            state = self.aggregator(seen, state)
        for step in range(steps):
            if step:
                state = self.aggregator(predicted[-1], state)
            predicted.append(self.predictor(state))
        return torch.stack(predicted, 1)

    def forward(self, blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Blocks (B, N, frames, 3, H, W) → predicted and actual maps of the last ones, each (B, predict, D, h, w)."""
        maps = self.encode(blocks)
        return self.roll_out(maps[:, : -self.predict], self.predict), maps[:, -self.predict :]

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The contrastive loss; accuracy: the positive beats all others; and its chance, 1 / N.

        easy, spatial, temporal: the share of predictions whose positive beats all negatives of that kind.
        """
        blocks, _ = self.pretext(clips, generator)
        predicted, actual = self(blocks)
        logits = dense_logits(predicted, actual)
        targets = torch.arange(len(logits), device=logits.device)
        self.chance = 1 / len(logits)
        parts = {
            "loss": F.cross_entropy(logits, targets),
            "accuracy": contrast_accuracy(logits, targets),
            "chance": torch.tensor(self.chance, device=logits.device),
        }
        places = actual.shape[-2] * actual.shape[-1]
        kinds = pair_kinds(len(clips), self.predict, places).to(logits.device)
        for number, kind in enumerate(KINDS[1:], 1):
            others = logits.detach().masked_fill((kinds != number) & (kinds != 0), float("-inf"))
            parts[kind] = contrast_accuracy(others, targets)
        return parts

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W), T a multiple of ``frames`` → the mean of the maps over blocks and places, (B, D)."""
        return self.encode(clips.unflatten(1, (-1, self.frames))).mean((1, 3, 4))
