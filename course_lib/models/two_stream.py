"""Two streams: one sees colours, the other optical flow (Simonyan and Zisserman 2014; Feichtenhofer et al. 2016).

002 §3.1.1 and §3.1.5 (Fig. 3.6), 004 §2.2.1.
"""

from collections.abc import Callable

import torch
from torch import nn

from ..checks import check_choice, check_positive

FUSIONS = ("late", "pool2d", "pool3d", "conv3d")


class TwoStream(nn.Module):
    """A 2-D network on frames and one on stacks of flow, fused late or at the last convolution.

    spatial: images (N, 3, H, W) → (N, D). temporal: images (N, 2 · stack, H, W) → (N, D'), the x and y flow of
    ``stack`` pairs of frames as channels. fusion "late": the features of both streams side by side, averaged over the
    snippets; a linear classifier on them adds up the scores of the streams. The others need ``conv`` maps of one size
    from both networks, and put them side by side at the same *place* (002 Fig. 3.6): "pool2d" takes the maximum over
    space and the mean over the snippets; "pool3d" the maximum over space and time; "conv3d" has a 3 x 3 x 3 fusion
    kernel first.

    flow: function (B, T, 3, H, W) → (B, T - 1, 2, H, W), pixels, from each frame to the next; not needed for clips that
    bring their flow as channels 3 and 4 (the last frame's is not read). limit: pixels of flow that count as white.
    """

    def __init__(
        self,
        spatial: nn.Module,
        temporal: nn.Module,
        stack: int,
        *,
        fusion: str = "late",
        flow: Callable[[torch.Tensor], torch.Tensor] | None = None,
        limit: float = 4.0,
    ):
        super().__init__()
        self.fusion, self.stack = check_choice("fusion", fusion, FUSIONS), check_positive("stack", stack)
        self.limit = check_positive("limit", limit, integer=False)
        self.spatial, self.temporal, self.flow = spatial, temporal, flow
        self.features = spatial.features + temporal.features
        if fusion != "late":
            shapes = spatial.map_shape, temporal.map_shape
            if shapes[0][1:] != shapes[1][1:]:
                raise ValueError(f"the maps of the streams are {shapes[0]} and {shapes[1]}; fusion takes one size")
            self.features = shapes[0][0] + shapes[1][0]
        if fusion == "conv3d":
            joined, self.features = self.features, spatial.map_shape[0]
            self.fuse = nn.Sequential(
                nn.Conv3d(joined, self.features, 3, padding=1, bias=False), nn.BatchNorm3d(self.features), nn.ReLU()
            )

    def streams(self, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the two networks see: frames (B, K, 3, H, W) and stacks of flow (B, K, 2 · stack, H, W) in [0, 1].

        A clip of T frames has K = (T - 1) // stack snippets; the frame of a snippet is in the middle of its stack.
        """
        if clips.shape[2] == 5:
            clips, flow = clips[:, :, :3], clips[:, :-1, 3:]
        elif self.flow is not None:
            flow = self.flow(clips)
        else:
            raise ValueError(f"clips has {clips.shape[2]} channels; it takes 5 (with flow), or a flow function for 3")
        count = flow.shape[1] // self.stack
        if not count:
            raise ValueError(f"clips has {clips.shape[1]} frames; a stack takes {self.stack + 1}")
        motion = flow[:, : count * self.stack].unflatten(1, (count, self.stack)).flatten(2, 3)
        middle = torch.arange(count, device=clips.device) * self.stack + self.stack // 2
        return clips[:, middle], encode_flow(motion, self.limit)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3 or 5, H, W) → (B, features)."""
        frames, motion = self.streams(clips)
        shape = frames.shape[:2]
        seen = frames.flatten(0, 1), motion.flatten(0, 1)
        if self.fusion == "late":
            both = torch.cat([self.spatial(seen[0]), self.temporal(seen[1])], 1)
            return both.unflatten(0, shape).mean(1)
        # The networks' own forward maps [0, 1] to [-1, 1] before their convolutions; so does this.
        maps = torch.cat([self.spatial.conv(seen[0] * 2 - 1), self.temporal.conv(seen[1] * 2 - 1)], 1)
        volume = maps.unflatten(0, shape).transpose(1, 2)  # (B, C + C', K, h, w)
        if self.fusion == "pool2d":
            return volume.amax((3, 4)).mean(2)
        if self.fusion == "conv3d":
            volume = self.fuse(volume)
        return volume.amax((2, 3, 4))


class TemporalStream(nn.Module):
    """The temporal stream alone: all flow fields of a clip as channels of one image.

    backbone: images (N, 2 · (T - 1), H, W) → (N, D). limit: as for `TwoStream`.
    """

    def __init__(self, backbone: nn.Module, *, limit: float = 4.0):
        super().__init__()
        self.backbone, self.features = backbone, backbone.features
        self.limit = check_positive("limit", limit, integer=False)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips with their flow as channels 3 and 4, (B, T, 5, H, W) → (B, features)."""
        if clips.shape[2] != 5:
            raise ValueError(f"clips has {clips.shape[2]} channels; it takes 5, with the flow")
        return self.backbone(encode_flow(clips[:, :-1, 3:], self.limit).flatten(1, 2))


def encode_flow(flow: torch.Tensor, limit: float) -> torch.Tensor:
    """Flow in pixels as grey in [0, 1]: -limit is black, 0 grey, limit white; more is cut off."""
    return (0.5 + flow / (2 * limit)).clamp(0, 1)
