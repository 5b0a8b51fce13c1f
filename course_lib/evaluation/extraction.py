"""From images to features: the only place of `evaluation` that runs a network forwards."""

from collections.abc import Callable
from itertools import chain

import torch
from torch import nn

from ..checks import check_choice, check_positive

AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def extract(
    module: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    batch: int = 64,
    device: torch.device | str | None = None,
    precision: str = "32-true",
    progress: bool = False,
) -> torch.Tensor:
    """Features of ``images``, one row each, float32 (N, D) on the CPU.

    module: an `nn.Module` or a plain function, inputs (B, ...) → outputs (B, ...); maps are flattened.
    images: float in [0, 1], or uint8 that becomes float in [0, 1] batch by batch on the device; images
    (N, C, H, W) or clips (N, T, C, H, W).
    batch: rows at a time; the default suits a CPU's cache, a GPU takes more.
    device: where to compute; by default where the module's weights already are.
    precision: "32-true", "bf16-mixed" or "16-mixed" (autocast).

    A module runs in eval mode; the mode of each of its parts and its device are put back afterwards. Raises
    ValueError for images of another kind, or for features that are not finite.
    """
    check_positive("batch", batch)
    low_precision = AUTOCAST[check_choice("precision", precision, AUTOCAST)]
    if images.ndim not in (4, 5) or len(images) == 0 or not (images.dtype == torch.uint8 or images.is_floating_point()):
        raise ValueError(
            f"images is {tuple(images.shape)} {images.dtype}; it takes float or uint8, (N, C, H, W) or (N, T, C, H, W)"
        )
    parts = list(module.modules()) if isinstance(module, nn.Module) else []
    modes = [part.training for part in parts]
    # Convolutions run two to three times as fast on images in this layout, and on batches that fit the cache.
    convolves = images.ndim == 4 and any(isinstance(part, nn.Conv2d) for part in parts)
    layout = torch.channels_last if convolves else torch.preserve_format
    weight = next(chain(module.parameters(), module.buffers()), None) if parts else None
    home = weight.device if weight is not None else torch.device("cpu")
    device = torch.device(device or home)
    rows = []
    try:
        if parts:
            # Outside of inference mode: weights moved inside it could never be trained again.
            module.eval().to(device)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, low_precision, enabled=low_precision is not None),
        ):
            for piece in _with_progress(images.split(batch), progress):
                pixels = piece.to(device, non_blocking=True)
                pixels = pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels.float()
                pixels = pixels.to(memory_format=layout)
                rows.append(module(pixels).flatten(1).float().cpu())
    finally:
        if parts:
            module.to(home)
            for part, mode in zip(parts, modes, strict=True):
                part.training = mode
    features = torch.cat(rows)  # likewise outside: a plain tensor, on which a head can be trained
    if not torch.isfinite(features).all():
        raise ValueError("module gives NaN or infinite features for these images; did its training diverge?")
    return features


def _with_progress(pieces, progress):
    if not progress:
        return pieces
    from tqdm.auto import tqdm

    return tqdm(pieces, desc="features", leave=False)
