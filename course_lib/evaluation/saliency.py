"""V04: which pixels does a network's answer hang on? Gradients, guided back-propagation, Grad-CAM, and their scores.

Seeds: 000, Fig. 3.19 (class saliency of Simonyan et al. 2013); 001, Fig. 3.9 (Grad-CAM) and Fig. 5.4 (guided
back-propagation on clips). A model maps images (B, C, H, W) or clips (B, T, C, H, W) to class scores (B, K) or to
one score each, (B,) or (B, 1); a map has one number per pixel, (B, H, W) or (B, T, H, W).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d

from ..checks import check_positive


def input_gradient(model: nn.Module, images: torch.Tensor, target=None, *, signed: bool = False) -> torch.Tensor:
    """Class saliency M_ij = max_c |∂S/∂I_ijc| (000, Fig. 3.19): float32 (B, H, W), or (B, T, H, W) for clips.

    images: float (B, C, H, W) or (B, T, C, H, W). target: the class whose score S is explained, an integer for all
    or one each (B,); None takes each image's highest score. signed: give the gradient itself, shaped like ``images``.
    The model runs in eval mode; its modes and the ``grad`` of its weights are as before. Raises ValueError for
    images, scores or targets of another kind.
    """
    _check_pixels(images)
    with _evaluating(model):
        pixels = images.detach().clone().requires_grad_()
        score = _score(model(pixels), target, len(images))
        (gradient,) = torch.autograd.grad(score, pixels)
    gradient = gradient.float()
    return gradient if signed else gradient.abs().amax(-3)


@contextmanager
def guided_backpropagation(model: nn.Module) -> Iterator[nn.Module]:
    """Inside the ``with``, every `nn.ReLU` of ``model`` lets back only positive gradients (001, Fig. 5.4).

    A gradient passes a ReLU where the activation was positive (as always) *and* the gradient itself is (Springenberg
    et al. 2015). Use it around `input_gradient`; afterwards the hooks are gone, also after an error, and in-place
    ReLUs are in-place again. Raises ValueError for a model without `nn.ReLU` modules: calls of
    ``torch.nn.functional.relu`` cannot be reached.
    """
    rectifiers = [part for part in model.modules() if isinstance(part, nn.ReLU)]
    if not rectifiers:
        raise ValueError(f"model is {type(model).__name__}, which has no nn.ReLU modules; guided back-propagation does")
    inplace = [part.inplace for part in rectifiers]
    handles = []
    try:
        for part in rectifiers:
            part.inplace = False  # a backward hook and an in-place change exclude each other
            handles.append(part.register_full_backward_hook(lambda part, down, up: (down[0].clamp(min=0),)))
        yield model
    finally:
        for handle in handles:
            handle.remove()
        for part, was in zip(rectifiers, inplace, strict=True):
            part.inplace = was


def grad_cam(model: nn.Module, layer: nn.Module, images: torch.Tensor, target=None) -> torch.Tensor:
    """Grad-CAM of ``layer`` (001, Fig. 3.9; Selvaraju et al. 2016), resized to the pixels: (B, H, W) or (B, T, H, W).

    With the layer's maps A_k and the score S: weights α_k = mean over places of ∂S/∂A_k, map = ReLU(Σ_k α_k A_k),
    never negative. layer: a module inside ``model`` that gives (B, K, h, w); for clips also (B, K, t, h, w), or
    (B·T, K, h, w) from a net that sees frame by frame. Its last call counts. images, target, errors as for
    `input_gradient`; ValueError also when the layer is not used or its maps do not reach the score.
    """
    _check_pixels(images)
    kept = []
    handle = layer.register_forward_hook(lambda part, given, output: kept.append(output))
    try:
        with _evaluating(model), torch.enable_grad():
            # Pixels that ask for gradients: so the maps have one even where all weights are frozen.
            score = _score(model(images.detach().clone().requires_grad_()), target, len(images))
            if not kept or not isinstance(kept[-1], torch.Tensor):
                raise ValueError("layer was not called by model, or gives no tensor; it takes one of its own modules")
            (gradient,) = torch.autograd.grad(score, kept[-1], allow_unused=True)
    finally:
        handle.remove()
    if gradient is None:
        raise ValueError("layer gives maps that the score does not depend on; it takes a layer on the way to it")
    maps, time = kept[-1].detach().float(), images.shape[1:-3]  # time is (T,) for clips, () for images
    if maps.ndim not in (4, 5) or maps.shape[0] != len(images) * (time.numel() if maps.ndim == 4 else 1):
        raise ValueError(
            f"layer gives {tuple(maps.shape)} for images {tuple(images.shape)}; it takes maps (B, K, h, w)"
        )
    places = tuple(range(2, maps.ndim))
    weights = gradient.float().mean(places, keepdim=True)
    cam = (weights * maps).sum(1, keepdim=True).relu()
    size, mode = (images.shape[-2:], "bilinear") if maps.ndim == 4 else ((*time, *images.shape[-2:]), "trilinear")
    return interpolate(cam, size=size, mode=mode, align_corners=False).view(len(images), *time, *images.shape[-2:])


def energy_inside(maps, mask) -> torch.Tensor:
    """Share of each map's total that lies inside its mask: float32 (B,), in [0, 1].

    maps: numbers >= 0, (B, H, W) or (B, T, H, W). mask: bool, the same shape. A map that says nothing (all zero)
    counts as one that says the same everywhere: the share of the area. That share is also the chance level.
    """
    maps, mask = _check_maps(maps, mask)
    area = mask.float().mean(1)
    total = maps.sum(1)
    return torch.where(total > 0, (maps * mask).sum(1) / total.clamp(min=1e-30), area)


def pointing_game(maps, mask, *, tolerance: int = 0) -> torch.Tensor:
    """Does the strongest pixel lie in the mask (Zhang et al. 2016)? float32 (B,): 1 or 0, a share where pixels tie.

    maps, mask as for `energy_inside`. tolerance: a pixel this near (in rows and columns) counts as inside.
    """
    flat, _ = _check_maps(maps, mask)
    mask = torch.as_tensor(mask).cpu()
    if check_positive("tolerance", tolerance, zero=True):
        side = 2 * tolerance + 1
        grown = max_pool2d(mask.flatten(0, -3)[:, None].float(), side, stride=1, padding=tolerance)
        mask = grown[:, 0].view(mask.shape) > 0
    strongest = flat == flat.amax(1, keepdim=True)
    return (strongest & mask.flatten(1)).sum(1) / strongest.sum(1)


@contextmanager
def _evaluating(model):
    modes = [(part, part.training) for part in model.modules()]
    # cuDNN's LSTMs refuse a backward pass in eval mode; PyTorch's own do not.
    recurrent = any(isinstance(part, nn.RNNBase) for part, _ in modes)
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not recurrent), torch.enable_grad():
            yield model.eval()
    finally:
        for part, mode in modes:
            part.training = mode


def _score(output, target, count) -> torch.Tensor:
    """The sum over images of the score to explain; the images do not meet in eval mode, so gradients stay apart."""
    if not isinstance(output, torch.Tensor) or output.ndim not in (1, 2) or len(output) != count:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(f"model gives {got} for {count} images; it takes scores (B, K) or (B,)")
    scores = output[:, None] if output.ndim == 1 else output
    if target is None:
        return scores.amax(1).sum()
    chosen = torch.as_tensor(target, device=scores.device)
    chosen = chosen.expand(count) if chosen.ndim == 0 else chosen
    if chosen.shape != (count,) or chosen.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"target is {target!r}; it takes None, a class, or an integer class for each image ({count},)")
    if int(chosen.min()) < 0 or int(chosen.max()) >= scores.shape[1]:
        raise ValueError(f"target reaches {int(chosen.min())} … {int(chosen.max())}; classes 0 … {scores.shape[1] - 1}")
    return scores.gather(1, chosen.long()[:, None]).sum()


def _check_pixels(images):
    if not isinstance(images, torch.Tensor) or images.ndim not in (4, 5) or not images.is_floating_point():
        got = f"{tuple(images.shape)} {images.dtype}" if isinstance(images, torch.Tensor) else type(images).__name__
        raise ValueError(f"images is {got}; it takes float images (B, C, H, W) or clips (B, T, C, H, W)")
    if images.numel() == 0:
        raise ValueError(f"images is empty, shape {tuple(images.shape)}; it takes at least one")


def _check_maps(maps, mask):
    """Both flattened to (B, pixels)."""
    maps, mask = torch.as_tensor(maps).detach().cpu().float(), torch.as_tensor(mask).cpu()
    if maps.ndim not in (3, 4) or maps.numel() == 0 or not torch.isfinite(maps).all() or (maps < 0).any():
        raise ValueError(f"maps is {tuple(maps.shape)}; it takes finite numbers >= 0, (B, H, W) or (B, T, H, W)")
    if mask.shape != maps.shape or mask.dtype != torch.bool:
        raise ValueError(f"mask is {tuple(mask.shape)} {mask.dtype}; it takes bool {tuple(maps.shape)}, as maps")
    return maps.flatten(1), mask.flatten(1)
