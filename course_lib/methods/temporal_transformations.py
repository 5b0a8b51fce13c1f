"""Temporal transformations: what was done to the time of this clip, and how fast is it played? (001 chapter 5)

The idea (Jenni et al. 2020): keep the frames and change only *when* they are shown. To tell a video at another speed, a
shuffled one, one that turns back, and one whose speed wavers from each other, a network must know how things move, over
many frames. All transformed versions of a video are in the same batch, so what the video shows says nothing about the
answer. A second head names the speed κ of the clip at constant speed.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ..checks import check_choice, check_clips, check_positive
from ..transforms import time


class TemporalTransformations(nn.Module):
    """The method as a module for `training.fit`; batches are long clips (B, T, 3, H, W) in [0, 1], T >= ``length``.

    backbone: clips (N, ``length``, 3, H, W) → (N, ``features``). transformations: some of "speed", "random",
    "periodic", "warp"; their order is that of the motion classes. speed_head: also ask for κ of the "speed" clips;
    ("speed",) alone has only this head (001 Table 5.1, first row). max_kappa: κ is drawn from 0 … max_kappa; where T
    frames are too few, from 0 to the largest that fits (001 §5.2.3), which bounds the steps of warp, too. 001's
    largest speed, 3, takes T = 121. literal_warp: see `transforms.time.warp_index`. augment: called as
    ``augment(clips, generator)`` on the transformed clips; None for none.

    Raises ValueError for unknown or repeated transformations, and for those that leave nothing to ask.
    """

    def __init__(
        self,
        backbone: nn.Module,
        transformations: tuple[str, ...] = time.TRANSFORMATIONS,
        *,
        speed_head: bool = True,
        length: int = 16,
        max_kappa: int = 3,
        literal_warp: bool = False,
        augment=None,
    ):
        super().__init__()
        self.transformations = tuple(check_choice("transformations", t, time.TRANSFORMATIONS) for t in transformations)
        if len(set(self.transformations)) != len(self.transformations):
            raise ValueError(f"transformations is {self.transformations}; it takes each name once")
        if speed_head and "speed" not in self.transformations:
            raise ValueError(f"speed_head asks for the speed of 'speed' clips; transformations is {transformations}")
        if len(self.transformations) < 2 and not speed_head:
            raise ValueError(f"transformations is {transformations} without speed_head; it takes at least two to tell")
        self.backbone, self.augment, self.literal_warp = backbone, augment, literal_warp
        self.length = check_positive("length", length)
        self.max_kappa = check_positive("max_kappa", max_kappa, zero=not speed_head)
        heads = {}
        if len(self.transformations) > 1:
            heads["motion"] = nn.Linear(backbone.features, len(self.transformations))
        if speed_head:
            heads["speed"] = nn.Linear(backbone.features, max_kappa + 1)
        self.heads = nn.ModuleDict(heads)

    @property
    def chance(self) -> float:
        """Accuracy of guessing the motion type, or the speed where that is all there is to guess."""
        return 1 / len(self.transformations) if "motion" in self.heads else self.speed_chance

    @property
    def speed_chance(self) -> float:
        """Accuracy of guessing the speed of clips long enough for all of them."""
        return 1 / (self.max_kappa + 1)

    def draw(
        self, videos: int, frames: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Which frames to show: K transformed versions of each of B videos of T frames.

        Returns the index of frames, int64 (B, K, length), in 0 … T − 1, and the targets {"motion": (B, K), number of
        the transformation; "speed": (B, K), κ of the "speed" clips, −1 for all others}. κ is drawn for each video,
        and its "periodic" clip has the same; the first frame is drawn for each clip from those that leave it room.
        Raises ValueError when the videos are too short.
        """
        fastest = time.largest_speed(frames, self.length, self.max_kappa)
        if "warp" in self.transformations and fastest == 0:
            raise ValueError(
                f"clips have {frames} frames and max_kappa is {self.max_kappa}: warp cannot skip any frame; it takes "
                f"at least {time.frames_needed('warp', 1, self.length)} frames and max_kappa >= 1"
            )
        kappa = torch.randint(fastest + 1, (videos,), generator=generator)
        found = torch.stack([self._index(name, kappa, fastest, generator) for name in self.transformations], 1)
        room = frames - found.amax(2)  # how many first frames are possible
        start = (torch.rand(room.shape, generator=generator) * room).long()
        motion = torch.arange(len(self.transformations)).expand(videos, -1)
        is_speed = torch.tensor([name == "speed" for name in self.transformations])
        return found + start[..., None], {"motion": motion, "speed": torch.where(is_speed, kappa[:, None], -1)}

    def _index(self, name, kappa, fastest, generator):
        if name == "speed":
            return time.speed_index(kappa, self.length)
        if name == "random":
            return time.random_index(len(kappa), self.length, generator)
        if name == "warp":
            skips = torch.randint(1 << fastest, (len(kappa), self.length - 1), generator=generator)
            return time.warp_index(skips, literal=self.literal_warp)
        return time.periodic_index(time.random_turns(kappa, generator, self.length), kappa, self.length)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Transformed clips (B·K, length, 3, H, W), the K of a video one after the other, and targets (B·K,) as `draw`.

        One gather by an index tensor makes the batch. Raises ValueError for NaN and for clips too short. Batches of
        `data.lazy.LazyClipSampler` are taken, too: then frames that no clip shows are never read.
        """
        if isinstance(clips, torch.Tensor):
            check_clips("clips", clips)
        index, targets = self.draw(*clips.shape[:2], generator)
        rows = torch.arange(len(clips), device=clips.device)[:, None, None]
        shown = clips[rows, index.to(clips.device)].flatten(0, 1)
        targets = {name: values.flatten().to(clips.device) for name, values in targets.items()}
        return (self.augment(shown, generator) if self.augment else shown), targets

    def forward(self, clips: torch.Tensor) -> dict[str, torch.Tensor]:
        """Clips (N, length, 3, H, W) → logits, one of each head: {"motion": (N, K), "speed": (N, max_kappa + 1)}."""
        features = self.backbone(clips)
        return {name: head(features) for name, head in self.heads.items()}

    def training_loss(self, clips: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Eq. 5.1 of 001: both expectations are means over videos, so the first is a *sum* over the K transformations.

        Parts: "loss"; "accuracy", that of the motion type (of the speed where that is the only head);
        "motion_accuracy", "speed_accuracy", as far as there are heads; "recall_<name>", the share of each
        transformation's clips that were recognised.
        """
        shown, targets = self.pretext(clips, generator)
        return self.evaluate(self(shown), targets)

    def evaluate(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Loss and accuracies of `training_loss` from the logits of `forward` and the targets of `pretext`."""
        parts, loss = {}, 0
        if "motion" in logits:
            motion = targets["motion"]
            loss = len(self.transformations) * F.cross_entropy(logits["motion"], motion)
            right = (logits["motion"].argmax(1) == motion).float()
            parts["motion_accuracy"] = right.mean()
            for name, share in zip(
                self.transformations, right.view(-1, len(self.transformations)).mean(0), strict=True
            ):
                parts[f"recall_{name}"] = share
        if "speed" in logits:
            asked = targets["speed"] >= 0
            speed, logit = targets["speed"][asked], logits["speed"][asked]
            loss = loss + F.cross_entropy(logit, speed)
            parts["speed_accuracy"] = (logit.argmax(1) == speed).float().mean()
        accuracy = parts.get("motion_accuracy", parts.get("speed_accuracy"))
        return {"loss": loss, "accuracy": accuracy, **parts}

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, length, 3, H, W) → features of the backbone (B, D)."""
        return self.backbone(clips)
