"""What the correspondence tasks share: maps of embeddings, the pointer from one frame into others, propagation.

Source: VideoColorization and CycleConsistency (000 §3.2.2; 002 §4.2.1); label propagation as in 002_004's 4-D6.
"""

import torch
import torch.nn.functional as F
from torch import nn

from ...checks import check_clips, check_positive


def frame_maps(backbone: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1] → the last convolutional maps of a backbone, (B, C, h, w).

    backbone: has ``conv``, as `SmallResNet`, `SmallAlexNet` and `AlexNet` have; its stride is the size of a cell.
    """
    return backbone.conv(images * 2 - 1)


def map_channels(backbone: nn.Module) -> int:
    """Channels of `frame_maps`."""
    return backbone.map_shape[0] if hasattr(backbone, "map_shape") else backbone.features


def pointer(source: torch.Tensor, target: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """How much every place of the target looks at every place of the source: softmax over the source of f_i·f_j / τ.

    source: (B, D, n); target: (B, D, m). Returns (B, m, n) in float32, rows sum to one (002 §4.2.1: A_ij).
    """
    with torch.autocast(source.device.type, enabled=False):
        similarity = target.float().transpose(1, 2) @ source.float()
        return (similarity / temperature).softmax(2)


def propagate_maps(
    maps: torch.Tensor, labels: torch.Tensor, *, memory: int = 3, temperature: float = 1.0, topk: int | None = 5
) -> torch.Tensor:
    """Carry the labels of the first frame through a video: each frame copies those that its memory points at.

    maps: embeddings (B, T, D, h, w). labels: (B, C, h, w), of frame 0. memory: the previous frames that are looked at,
    besides the first, which cannot drift. topk: only so many places of the memory are averaged; None for all. Returns
    (B, T, C, h, w); frame 0 is ``labels``.
    """
    flat, kept = maps.flatten(3), [labels.flatten(2).float()]
    for t in range(1, maps.shape[1]):
        past = [0, *range(max(1, t - memory), t)]
        source = flat[:, past].transpose(1, 2).flatten(2)  # (B, D, n)
        known = torch.cat([kept[p] for p in past], 2).transpose(1, 2)  # (B, n, C)
        weight = pointer(source, flat[:, t], temperature)
        if topk is not None and topk < weight.shape[2]:
            least = weight.topk(topk, dim=2).values[..., -1:]
            weight = weight * (weight >= least)
            weight = weight / weight.sum(2, keepdim=True)
        kept.append((weight @ known).transpose(1, 2))
    return torch.stack(kept, 1).unflatten(3, maps.shape[-2:])


class Correspondence(nn.Module):
    """Base of the methods that learn a map of embeddings per frame: they can carry labels through a video.

    A subclass has ``backbone``, ``temperature`` and ``embed(images (B, 3, H, W)) -> (B, D, h, w)``.
    """

    def propagate(
        self, frames: torch.Tensor, labels: torch.Tensor, *, memory: int = 3, topk: int | None = 5
    ) -> torch.Tensor:
        """Carry the labels of the first frame through a video, as `propagate_maps`, in eval mode and without gradient.

        frames: (B, T, 3, H, W) in [0, 1]. labels: soft, (B, C, h, w) of any size, returned as (B, T, C, h, w); or a
        mask of integers >= 0, (B, H, W), returned as (B, T, H, W). In between they live on the grid of the embeddings;
        frame 0 is returned as given. Raises ValueError if the shapes do not fit.
        """
        check_clips("frames", frames)
        check_positive("memory", memory, zero=True)
        soft = labels.is_floating_point()
        size = tuple(labels.shape[-2:])
        if labels.ndim != (4 if soft else 3) or len(labels) != len(frames) or (not soft and int(labels.min()) < 0):
            raise ValueError(
                f"labels is {tuple(labels.shape)} {labels.dtype}; it takes float (B, C, h, w) or integers >= 0 "
                f"(B, H, W), for the {len(frames)} clips"
            )
        start = labels.float() if soft else F.one_hot(labels.long()).movedim(-1, 1).float()
        was_training = self.training
        self.eval()
        with torch.inference_mode():
            maps = self.embed(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
            grid = F.interpolate(start.to(maps.device), maps.shape[-2:], mode="area")
            carried = propagate_maps(maps, grid, memory=memory, temperature=self.temperature, topk=topk)
            carried = F.interpolate(carried.flatten(0, 1), size, mode="bilinear", align_corners=False)
            carried = carried.unflatten(0, frames.shape[:2])
            out = carried if soft else carried.argmax(2).to(labels.dtype)
            out[:, 0] = labels
        self.train(was_training)
        return out

    def features(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → the mean of their frames' features, (B, D)."""
        return self.backbone(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)
