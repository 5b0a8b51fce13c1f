"""1-V5: which pixels of which frames does a video network look at? Guided back-propagation on clips (001 Fig. 5.4)."""

import torch
from torch import nn

from .saliency import guided_backpropagation, input_gradient


def video_saliency(model: nn.Module, clips: torch.Tensor, target=None) -> torch.Tensor:
    """Guided back-propagation as 001 §5.3 shows it: |gradient − its median in the frame|, float32 (B, T, H, W), >= 0.

    The median is that of each frame and colour; of the colours the largest value counts. It takes away what lies over
    the whole frame and says nothing about places. model: clips (B, T, C, H, W) → scores (B, K), with `nn.ReLU` modules;
    features of a network without a head are scores, too. target, errors: see `input_gradient`.
    """
    with guided_backpropagation(model):
        gradient = input_gradient(model, clips, target, signed=True)
    if gradient.ndim != 5:
        raise ValueError(f"clips is {tuple(clips.shape)}; it takes float clips (B, T, C, H, W)")
    median = gradient.flatten(-2).median(-1).values
    return (gradient - median[..., None, None]).abs().amax(-3)
