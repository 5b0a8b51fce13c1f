"""CNN-LSTM: a backbone applied to every frame, an LSTM over the frame features, a linear classifier."""

import torch
from torch import nn

from ..checks import check_positive


class CnnLstm(nn.Module):
    """The network of 000 Fig. 3.13 and 003 §3.2: shared-weight CNN per frame → LSTM → classifier.

    backbone: images (N, 3, H, W) → (N, ``backbone.features``). hidden: LSTM units (256 in 000 §3.5, 1024 in §4.7,
    512 in 003). classes: outputs of the classifier, which is needed for training only.
    """

    def __init__(self, backbone: nn.Module, hidden: int = 64, classes: int = 2):
        super().__init__()
        self.backbone = backbone
        self.lstm = nn.LSTM(backbone.features, check_positive("hidden", hidden), batch_first=True)
        self.classifier = nn.Linear(hidden, check_positive("classes", classes))

    def frames(self, clips: torch.Tensor) -> torch.Tensor:
        """Posture features: clips (B, T, 3, H, W) → fc6 of every frame (B, T, features)."""
        return self.backbone(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])

    def summarise(self, frames: torch.Tensor) -> torch.Tensor:
        """Behaviour feature: frame features (B, T, features) → last LSTM state (B, hidden)."""
        return self.lstm(frames)[1][0][-1]

    def sequence(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) → behaviour features (B, hidden)."""
        return self.summarise(self.frames(clips))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips (B, T, 3, H, W) in [0, 1] → logits (B, classes)."""
        return self.classifier(self.sequence(clips))
