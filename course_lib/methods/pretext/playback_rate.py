"""Playback rate: how fast is this clip played? (001 Tables 5.2 and 5.4: SpeedNet, PRP)

The idea (SpeedNet, Benaim et al. 2020; PRP, Yao et al. 2020): a clip of every second frame looks like the film at
double speed. Who can tell whether a movement is as fast as it should be knows the movement. SpeedNet asks "normal or
twice as fast?", PRP for one of several rates. (PRP also learns to fill in the frames left out; this does not.)
"""

import torch
from torch import nn

from ...checks import check_clips, check_positive
from .skeleton import ClipTask, take_frames


class PlaybackRate(ClipTask):
    """The method as a module for `training.fit`; batches are long clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: clips (N, ``length``, 3, H, W) → (N, D). rates: steps between the frames shown, each a class; (1, 2) is
    SpeedNet's question. length: frames of every clip shown, whatever its rate. augment: called on the clips shown.
    """

    def __init__(self, backbone: nn.Module, *, rates: tuple[int, ...] = (1, 2, 4, 8), length: int = 16, augment=None):
        if len(set(rates)) != len(rates) or len(rates) < 2:
            raise ValueError(f"rates is {rates}; it takes at least two different steps")
        if check_positive("length", length) < 2:
            raise ValueError(f"length is {length}; a rate shows in at least 2 frames")
        super().__init__(backbone, len(rates), length=length, augment=augment)
        self.rates = tuple(check_positive("rates", rate) for rate in rates)

    @property
    def frames_needed(self) -> int:
        """Frames of the shortest clip that can be shown at every rate."""
        return (self.length - 1) * max(self.rates) + 1

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Every clip at every rate, one after the other, (B · rates, length, 3, H, W), and the index of the rate.

        Where a clip begins is drawn evenly from what its rate allows, so that all rates are centred alike. Raises
        ValueError for NaN and for clips that are too short.
        """
        check_clips("clips", clips)
        if clips.shape[1] < self.frames_needed:
            raise ValueError(
                f"clips have {clips.shape[1]} frames; {self.length} frames at rate {max(self.rates)} take at least "
                f"{self.frames_needed}"
            )
        rates = torch.tensor(self.rates)
        room = clips.shape[1] - (self.length - 1) * rates
        starts = (torch.rand(len(clips), len(rates), generator=generator) * room).long()
        index = starts[..., None] + rates[:, None] * torch.arange(self.length)
        shown = take_frames(clips, index).flatten(0, 1)
        labels = torch.arange(len(rates), device=clips.device).repeat(len(clips))
        return (self.augment(shown, generator) if self.augment else shown), labels
