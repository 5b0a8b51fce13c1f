"""Random crops, flips and colour changes of whole batches of clips, on the tensor's own device.

One draw per clip (``mode="clip"``: a moving camera must not appear where there was none) or one draw per
frame (``mode="frame"``: colour and position can no longer give the order of frames away). torchvision's
transforms draw once per call, so the second mode would need a loop over frames, and either needs one over
clips. Draws are made on the CPU from the generator, so every device sees the same augmentation.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..checks import check_choice, check_clips

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, which sums to 1; torchvision rounds red to 0.2989


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of clips (B, T, C, H, W) or images (B, C, H, W) in [0, 1]: ``augment(clips, generator)``.

    scale: range of the side of the random square crop, as a share of the frame side, resized to ``size``
    (``None``: the frame size). flip: probability of a left-right flip. brightness, contrast, saturation: factors
    drawn from [1 - value, 1 + value]. gain: the same per colour channel. grey: probability of losing colour.
    mode: one draw per ``"clip"`` or per ``"frame"``. For an image the two are the same.
    """

    scale: tuple[float, float] = (0.8, 1.0)
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    gain: float = 0.0
    grey: float = 0.0
    mode: str = "clip"
    size: int | None = None

    def __post_init__(self):
        check_choice("mode", self.mode, ("clip", "frame"))
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale is {self.scale}; it takes 0 < smallest <= largest <= 1")
        for name in ("flip", "brightness", "contrast", "saturation", "gain", "grey"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it takes a number in [0, 1]")

    def __call__(self, clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Returns the augmented batch, same layout, float32 in [0, 1]. Raises ValueError for NaN or wrong shapes."""
        if clips.ndim == 4:
            return self(clips[:, None], generator)[:, 0]
        check_clips("clips", clips)
        batch, frames = clips.shape[:2]
        draws = frames if self.mode == "frame" else 1
        # Positions and colours need more than the eight bits of bf16, whatever the training around this uses.
        with torch.autocast(clips.device.type, enabled=False):
            clips = self._crop(clips, batch, draws, generator)
            return self._colour(clips, batch, draws, generator)

    def _crop(self, clips, batch, draws, generator):
        height, width = clips.shape[-2:]
        size = (self.size, self.size) if self.size else (height, width)
        low, high = self.scale
        side = low + (high - low) * torch.rand(batch * draws, generator=generator)
        shift = (1 - side)[:, None] * (2 * torch.rand(batch * draws, 2, generator=generator) - 1)
        mirrored = torch.rand(batch * draws, generator=generator) < self.flip
        if low == high == 1 and self.flip == 0 and size == (height, width):
            return clips
        # Where each column and row is taken from, -1 … 1; a mirrored crop runs from right to left.
        across, down = ((2 * torch.arange(n) + 1) / n - 1 for n in reversed(size))
        columns = (torch.where(mirrored, -side, side)[:, None] * across + shift[:, :1]).to(clips)
        rows = (side[:, None] * down + shift[:, 1:]).to(clips)
        places = columns[:, None, :].expand(-1, size[0], -1), rows[:, :, None].expand(-1, -1, size[1])
        # With one draw per clip the frames ride along as channels, so one grid serves all of them.
        packed = clips.reshape(batch * draws, -1, height, width)
        taken = F.grid_sample(packed, torch.stack(places, dim=-1), padding_mode="border", align_corners=False)
        return taken.reshape(*clips.shape[:3], *size)

    def _colour(self, clips, batch, draws, generator):
        def factors(strength, channels=1):
            return 1 + strength * (2 * torch.rand(batch, draws, channels, generator=generator) - 1)

        channels = clips.shape[2]
        gains = factors(self.brightness) * factors(self.gain, channels)
        contrast, saturation = factors(self.contrast), factors(self.saturation)
        saturation[torch.rand(batch, draws, 1, generator=generator) < self.grey] = 0
        if (self.saturation or self.grey) and channels != 3:
            raise ValueError(f"saturation and grey take 3 colour channels; clips have {channels}")
        if not (self.brightness or self.gain or self.contrast or self.saturation or self.grey):
            return clips
        # Saturation mixes a pixel with its grey, contrast with the mean grey of its frame (as torchvision does), gains
        # multiply. All are linear, so together they are one small matrix and one offset per frame, and one pass.
        weights = torch.tensor(_LUMA) if channels == 3 else torch.full((channels,), 1 / channels)
        saturation = saturation[..., None]
        mixing = saturation * torch.eye(channels) + (1 - saturation) * weights
        matrix = (gains * contrast)[..., None] * mixing
        grey = (clips.mean((3, 4)) * weights.to(clips)).sum(2, keepdim=True)
        offset = (gains * (1 - contrast)).to(clips) * grey
        matrix = matrix.to(clips).expand(-1, clips.shape[1], -1, -1).flatten(0, 1)
        mixed = matrix @ clips.flatten(3).flatten(0, 1)
        return mixed.add_(offset.flatten(0, 1)[..., None]).clamp_(0, 1).view(clips.shape)


def standardise(images: torch.Tensor) -> torch.Tensor:
    """Each image (…, C, H, W) to zero mean and unit variance per channel (000 §3.5, per-frame normalisation)."""
    mean = images.mean((-2, -1), keepdim=True)
    # A constant image has no variance; the floor keeps it at zero instead of dividing by it.
    return (images - mean) / images.std((-2, -1), keepdim=True).clamp_min(1e-3)
