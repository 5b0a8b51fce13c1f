"""Clips of which only the frames that are asked for are read: for tasks that use a few frames of a long clip.

001's chapter 5 shows 16 of 121 frames. Of the 847 frames of seven such clips, four transformations use 448 at most;
the others need not be turned into floats and moved to the device.
"""

import torch

from .videos import ClipSampler, VideoSet


class LazyClips:
    """Stands in for clips (B, T, C, H, W) where they are only indexed: ``clips[rows, frames]`` reads those frames.

    videos: the frames. index: int64 (B, T), rows of ``videos.frames``. device: where the pixels go.
    """

    def __init__(self, videos: VideoSet, index: torch.Tensor, device: torch.device | str = "cpu"):
        if index.ndim != 2:
            raise ValueError(f"index is {tuple(index.shape)}; it takes frames of clips (B, T)")
        self.videos, self.index, self.device = videos, index, torch.device(device)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> torch.Size:
        """(B, T, C, H, W)"""
        return torch.Size([*self.index.shape, *self.videos.frames.shape[1:]])

    def __getitem__(self, places) -> torch.Tensor:
        """As for a tensor, but ``places`` may reach into the first two dimensions only: float32 in [0, 1]."""
        index = self.index[tuple(p.cpu() if isinstance(p, torch.Tensor) else p for p in places)]
        frames = self.videos.frames
        # Copies whole frames; indexing by a tensor goes from pixel to pixel, which takes five to ten times as long.
        taken = frames.index_select(0, index.flatten().to(frames.device)).view(*index.shape, *frames.shape[1:])
        return taken.to(self.device, non_blocking=True).float().div_(255)


class LazyClipSampler(ClipSampler):
    """A `ClipSampler`, with the same draws, whose batches are `LazyClips`."""

    def __call__(self, generator: torch.Generator) -> LazyClips:
        return LazyClips(self.videos, self.draw(generator), self.device)
