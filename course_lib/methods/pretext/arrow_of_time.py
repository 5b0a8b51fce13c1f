"""Arrow of time: does this clip run forwards or backwards? (002 §4.2.2, 004; the T-CAM network)

The idea (Wei et al. 2018): smoke spreads, things fall, eggs break, and never the other way round. Who can tell the
direction has learned what usually follows what. The published network looks at optical flow, not at colours, in
chunks; its average over the last maps makes visible *where* and *when* the direction shows.
"""

import torch
from torch import nn

from ...checks import check_choice, check_clips, check_positive
from ...models import R3D
from ...models.two_stream import encode_flow
from ...transforms import horn_schunck
from .skeleton import ClipTask, check_frames


class ArrowOfTime(ClipTask):
    """The method as a module for `training.fit`; batches are clips (B, T, 3, H, W) in [0, 1] in real order.

    backbone: clips (N, T, 3, H, W) → (N, D), or for ``inputs="flow"`` (N, T - 1, 2, H, W) → (N, D), e.g.
    ``R3D(8, (1, 1), in_channels=2)`` or `TemporalCam`. inputs: "rgb" or "flow", Horn and Schunck's with ``alpha``,
    ``iterations`` and ``levels``; ``limit``: pixels of flow that count as white. length: frames of a clip, for
    ``features``. augment: called on the clips, forwards and backwards, before their flow is computed.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        inputs: str = "rgb",
        alpha: float = 0.05,
        iterations: int = 30,
        levels: int = 1,
        limit: float = 2.0,
        length: int | None = None,
        augment=None,
    ):
        super().__init__(backbone, 2, length=length, augment=augment)
        self.inputs = check_choice("inputs", inputs, ("rgb", "flow"))
        self.flow = {"alpha": alpha, "iterations": iterations, "levels": levels}
        self.limit = check_positive("limit", limit, integer=False)

    def pretext(self, clips: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Every clip and its reversal in turn, as the backbone sees them, (2B, …), and labels (2B,): 1 forwards.

        The flow is computed after the reversal: its arrows turn round, so the flow of a film run backwards is not the
        film's flow run backwards. Raises ValueError for NaN and for clips of one frame.
        """
        check_clips("clips", clips)
        check_frames(clips, 2, "the arrow of time")
        both = torch.stack([clips, clips.flip(1)], 1).flatten(0, 1)
        both = self.augment(both, generator) if self.augment else both
        return self.prepare(both), torch.tensor([1, 0], device=clips.device).repeat(len(clips))

    @torch.no_grad()
    def prepare(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (N, T, 3, H, W) → themselves, or their flow as grey in [0, 1], x before y, (N, T - 1, 2, H, W)."""
        if self.inputs == "rgb":
            return clips
        flow = horn_schunck(clips[:, :-1].flatten(0, 1), clips[:, 1:].flatten(0, 1), **self.flow)
        return encode_flow(flow, self.limit).unflatten(0, (len(clips), clips.shape[1] - 1))

    @torch.inference_mode()
    def activation_map(self, clips: torch.Tensor) -> torch.Tensor:
        """Where and when the direction shows: the sum over channels of w_k F_k, (B, T', H', W').

        F are the backbone's last maps, w what the classifier weighs them with, "forwards" less "backwards". Its mean,
        plus the bias, *is* the logit of "forwards" less that of "backwards". Raises ValueError for a backbone that
        does not end in the average of its ``maps``.
        """
        if not isinstance(self.backbone, R3D | TemporalCam):
            raise ValueError(
                f"the backbone is {type(self.backbone).__name__}; activation_map takes R3D, R2Plus1D or TemporalCam"
            )
        weight = self.head.weight[1] - self.head.weight[0]
        return torch.einsum("k, bkthw -> bthw", weight, self.backbone.maps(self.prepare(clips)))


class TemporalCam(nn.Module):
    """The T-CAM network: a 2-D network on chunks of a clip, fused late by three convolutions, and averaged.

    network: an image network of ``in_channels = C · stack`` whose ``conv`` is used on the stacked frames (or flow
    fields) of each chunk, with the same weights. features: channels of the fusing convolutions, 3 x 3 x 3 over chunks
    and space. Clips (B, T, C, H, W) in [0, 1] → (B, ``features``), the mean of ``maps``.
    """

    def __init__(self, network: nn.Module, features: int = 64, *, stack: int = 5):
        super().__init__()
        self.conv, self.stack = network.conv, check_positive("stack", stack)
        self.features = check_positive("features", features)
        layers, channels = [], network.map_shape[0]
        for _ in range(3):
            layers += [nn.Conv3d(channels, features, 3, padding=1, bias=False), nn.BatchNorm3d(features), nn.ReLU()]
            channels = features
        self.fuse = nn.Sequential(*layers)

    def maps(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips → fused maps (B, features, chunks, H', W'); frames beyond the last whole chunk are not read."""
        check_frames(clips, self.stack, "a chunk")
        chunks = clips.shape[1] // self.stack
        stacked = clips[:, : chunks * self.stack].unflatten(1, (chunks, self.stack)).flatten(2, 3)
        maps = self.conv(stacked.flatten(0, 1) * 2 - 1).unflatten(0, stacked.shape[:2])
        return self.fuse(maps.transpose(1, 2))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, C, H, W) → (B, features)."""
        return self.maps(clips).mean((2, 3, 4))
