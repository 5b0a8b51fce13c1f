"""How a 2-D network can look at a clip: the fusions of Karpathy et al. (2014), poolings of frame features, LRCN.

002 §3.1.1 and §3.1.2, 004 §2.2. Each takes clips (B, T, C, H, W) in [0, 1] and gives features (B, ``features``).
"""

import torch
from torch import nn

from ..checks import check_choice, check_positive
from .i3d import InflatedConv, inflate


class SingleFrame(nn.Module):
    """The same 2-D network on every frame, the features averaged: a bag of frames, which no shuffling changes.

    backbone: images (N, C, H, W) → (N, ``backbone.features``). only: look at this frame alone, e.g. the middle one.
    """

    def __init__(self, backbone: nn.Module, *, only: int | None = None):
        super().__init__()
        self.backbone, self.only, self.features = backbone, only, backbone.features

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, C, H, W) → (B, features)."""
        if self.only is not None:
            return self.backbone(clips[:, self.only])
        return frame_features(self.backbone, clips).mean(1)


class LateFusion(nn.Module):
    """Two frames far apart, through the same network; a fully connected layer sees both (15 apart in the paper).

    frames: which two frames of the clip, e.g. the first and the last.
    """

    def __init__(self, backbone: nn.Module, features: int = 128, *, frames: tuple[int, int] = (0, -1)):
        super().__init__()
        self.backbone, self.frames, self.features = backbone, list(frames), check_positive("features", features)
        self.merge = _dense(len(frames) * backbone.features, features)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, C, H, W) → (B, features)."""
        return self.merge(frame_features(self.backbone, clips[:, self.frames]).flatten(1))


class EarlyFusion(nn.Module):
    """All frames stacked as the channels of one image: time is gone after the first convolution.

    backbone: takes images of ``length`` · C channels, e.g. ``SmallAlexNet(in_channels=3 * length)``.
    """

    def __init__(self, backbone: nn.Module, length: int):
        super().__init__()
        self.backbone, self.length, self.features = backbone, check_positive("length", length), backbone.features

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, length, C, H, W) → (B, features). Raises ValueError for another length."""
        if clips.shape[1] != self.length:
            raise ValueError(f"clips has {clips.shape[1]} frames; this network was built for {self.length}")
        return self.backbone(clips.flatten(1, 2))


class SlowFusion(nn.Module):
    """Frames merge step by step in the first three convolutions, until one is left (Karpathy et al. 2014, Fig. 1).

    backbone: with ``conv`` and ``fc6``, as `AlexNet` and `SmallAlexNet`; its weights are drawn anew. merges: kernel and
    stride in time of conv1 and conv2; conv3 takes all that is left. The paper has ten frames and ((4, 2), (2, 2)).
    """

    def __init__(self, backbone: nn.Module, length: int, merges: tuple[tuple[int, int], ...] = ((2, 2), (2, 2))):
        super().__init__()
        self.length, self.features = check_positive("length", length), backbone.features
        volume, left = inflate(backbone.conv, 1), length
        convs = [(name, layer) for name, layer in volume.named_modules() if isinstance(layer, InflatedConv)]
        for number, (name, layer) in enumerate(convs[: len(merges) + 1]):
            kernel, stride = merges[number] if number < len(merges) else (left, 1)
            if kernel > left:
                raise ValueError(f"length is {length!r}; merges {merges} leave {left} frames for a kernel of {kernel}")
            left = (left - kernel) // stride + 1
            new = nn.Conv3d(
                layer.in_channels, layer.out_channels, (kernel, *layer.kernel_size[1:]), (stride, *layer.stride[1:]),
                (0, *layer.padding[1:]), groups=layer.groups, bias=layer.bias is not None,
            )  # fmt: skip
            volume[int(name)] = new
        self.conv, self.fc6 = volume, backbone.fc6

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, length, C, H, W) → (B, features). Raises ValueError for another length."""
        if clips.shape[1] != self.length:
            raise ValueError(f"clips has {clips.shape[1]} frames; this network was built for {self.length}")
        return self.fc6(self.conv(clips.transpose(1, 2) * 2 - 1).squeeze(2))


class TemporalPooling(nn.Module):
    """Frame features pooled over time by their maximum, as in "Beyond short snippets" (Ng et al. 2015; 004 §2.2.1).

    how: "conv" pools the features of the network and then has a dense layer; "late" has the dense layer on every frame
    and then pools; "slow" pools windows of ``window`` frames, has a dense layer on each, and pools these. Only "slow"
    depends on the order of the frames, and only through which frames share a window.
    """

    def __init__(self, backbone: nn.Module, features: int = 128, *, how: str = "conv", window: int = 2):
        super().__init__()
        self.how = check_choice("how", how, ("conv", "late", "slow"))
        self.window = check_positive("window", window)
        self.backbone, self.features = backbone, check_positive("features", features)
        self.dense = _dense(backbone.features, features)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, C, H, W) → (B, features); for "slow", T is a multiple of the window."""
        frames = frame_features(self.backbone, clips)
        if self.how == "conv":
            return self.dense(frames.amax(1))
        if self.how == "slow":
            if frames.shape[1] % self.window:
                raise ValueError(
                    f"clips has {frames.shape[1]} frames; it takes a multiple of the window, {self.window}"
                )
            frames = frames.unflatten(1, (-1, self.window)).amax(2)
        return self.dense(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).amax(1)


class LRCN(nn.Module):
    """A CNN on every frame, an LSTM over them, the answers of all steps averaged (Donahue et al. 2015; 002 §3.1.2).

    It differs from `CnnLstm` in the average, where that one takes the last state.
    """

    def __init__(self, backbone: nn.Module, hidden: int = 64):
        super().__init__()
        self.backbone, self.features = backbone, check_positive("hidden", hidden)
        self.lstm = nn.LSTM(backbone.features, hidden, batch_first=True)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, C, H, W), of any length → the mean LSTM state (B, features)."""
        return self.lstm(frame_features(self.backbone, clips))[0].mean(1)


def frame_features(backbone: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    """A 2-D network on every frame: clips (B, T, C, H, W) → (B, T, ``backbone.features``)."""
    return backbone(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def _dense(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())
