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

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as torchvision's rgb_to_grayscale


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
        theta = torch.zeros(batch * draws, 2, 3)
        theta[:, 0, 0] = torch.where(mirrored, -side, side)
        theta[:, 1, 1] = side
        theta[:, :, 2] = shift
        # With one draw per clip the frames ride along as channels, so one grid serves all of them.
        packed = clips.reshape(batch * draws, -1, height, width)
        grid = F.affine_grid(theta.to(clips.device), [batch * draws, 1, *size], align_corners=False)
        taken = F.grid_sample(packed, grid.to(packed.dtype), padding_mode="border", align_corners=False)
        return taken.reshape(*clips.shape[:3], *size)

    def _colour(self, clips, batch, draws, generator):
        def factors(strength, channels=1):
            drawn = 1 + strength * (2 * torch.rand(batch, draws, channels, 1, 1, generator=generator) - 1)
            return drawn.to(clips.device)

        channels = clips.shape[2]
        gains = factors(self.brightness) * factors(self.gain, channels)
        contrast, saturation = factors(self.contrast), factors(self.saturation)
        grey = torch.rand(batch, draws, 1, 1, 1, generator=generator) < self.grey
        if self.saturation or self.grey:
            if channels != 3:
                raise ValueError(f"saturation and grey take 3 colour channels; clips have {channels}")
            saturation = torch.where(grey.to(clips.device), 0.0, saturation)
            luma = (clips * torch.tensor(_LUMA, device=clips.device)[:, None, None]).sum(2, keepdim=True)
            clips = torch.lerp(luma.expand_as(clips), clips, saturation.expand_as(clips))
        if self.contrast:
            mean = clips.mean((2, 3, 4), keepdim=True)
            clips = mean + (clips - mean) * contrast
        if self.brightness or self.gain:
            clips = clips * gains
        return clips.clamp(0, 1)


def standardise(images: torch.Tensor) -> torch.Tensor:
    """Each image (…, C, H, W) to zero mean and unit variance per channel (000 §3.5, per-frame normalisation)."""
    mean = images.mean((-2, -1), keepdim=True)
    # A constant image has no variance; the floor keeps it at zero instead of dividing by it.
    return (images - mean) / images.std((-2, -1), keepdim=True).clamp_min(1e-3)
