"""Argument checks with one voice: every message names the argument, what it got and what it takes."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def check_choice(argument: str, value, allowed: Collection[str]):
    """Return ``value`` if it is one of ``allowed``, else raise ``ValueError`` with the nearest match."""
    if value in allowed:
        return value
    close = get_close_matches(str(value), [str(a) for a in allowed], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{argument} is {value!r}; allowed: {', '.join(map(str, allowed))}.{hint}")


def check_positive(argument: str, value, *, integer: bool = True, zero: bool = False):
    """Return ``value`` if it is a positive number (an integer by default; ``zero`` allows 0)."""
    kinds = (int,) if integer else (int, float)
    low_enough = isinstance(value, kinds) and not isinstance(value, bool) and (value > 0 or (zero and value == 0))
    if not low_enough:
        kind = "integer" if integer else "number"
        raise ValueError(f"{argument} is {value!r}; it takes a {kind} {'>= 0' if zero else '> 0'}")
    return value


def check_clips(argument: str, clips: "torch.Tensor") -> "torch.Tensor":
    """Return ``clips`` if it is a float tensor (B, T, C, H, W); NaN or infinite pixels raise ``ValueError``."""
    return _check_pixels(argument, clips, 5, "clips (B, T, C, H, W)")


def check_images(argument: str, images: "torch.Tensor") -> "torch.Tensor":
    """Return ``images`` if it is a float tensor (B, C, H, W); NaN or infinite pixels raise ``ValueError``."""
    return _check_pixels(argument, images, 4, "images (B, C, H, W)")


def _check_pixels(argument, pixels, dimensions, kind):
    import torch  # here, because the command line checks its arguments without waiting for torch

    if not isinstance(pixels, torch.Tensor) or pixels.ndim != dimensions or not pixels.is_floating_point():
        got = f"{tuple(pixels.shape)} {pixels.dtype}" if isinstance(pixels, torch.Tensor) else type(pixels).__name__
        raise ValueError(f"{argument} is {got}; it takes float {kind} with values in [0, 1]")
    if pixels.numel() == 0:
        raise ValueError(f"{argument} is empty, shape {tuple(pixels.shape)}; it takes at least one pixel")
    # Minimum and maximum carry NaN and infinity along, and are ten times as fast as asking every pixel.
    if not (pixels.amin().isfinite() and pixels.amax().isfinite()):
        raise ValueError(f"{argument} contains NaN or infinite pixels; {kind} must be finite")
    return pixels
