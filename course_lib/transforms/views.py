"""Views: several random versions of every picture of a batch, as contrastive learning compares them.

The pipeline of SimCLR (002 §3.2.2; spec 002 §6.3): crop and resize, flip, colour jitter, loss of colour, blur, in this
order. One call changes a whole batch on its own device; draws are made on the CPU from the generator, so that every
device sees the same views.
"""

import math
from dataclasses import dataclass, field

import torch

from ..checks import check_images, check_positive
from .augment import Augmentation

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# RGB → YIQ: lightness and two axes of colour. Turning the plane of I and Q changes the hue and keeps the lightness.
_YIQ = (_LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


@dataclass(frozen=True)
class Views:
    """``views(images, generator)``: images (B, 3, H, W) in [0, 1] → ``count`` views of each, (count, B, 3, h, w).

    area: range of the share of the picture that a crop covers (its side is drawn evenly). flip: probability of a
    left-right flip. jitter: probability of the colour jitter; brightness, contrast, saturation: its factors are drawn
    from [1 − value, 1 + value]; hue: the largest turn, in whole turns. grey, blur: probabilities of losing colour
    and of a blur, with a deviation in ``sigma`` pixels and a window of a tenth of the picture's side. size: side of the
    views (None: that of the pictures). Raises ValueError for numbers out of range.

    The defaults are SimCLR's as 002 has them. Two things differ from torchvision's transforms, which draw one picture
    at a time: crops are square, and hue turns in YIQ, where it is linear, instead of HSV.
    """

    area: tuple[float, float] = (0.08, 1.0)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)
    size: int | None = None
    count: int = 2
    _crop: Augmentation = field(init=False, repr=False, compare=False)
    _colour: Augmentation = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        check_positive("count", self.count)
        for name in ("jitter", "hue", "grey", "blur"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it takes a number in [0, 1]")
        for name, most in (("area", 1), ("sigma", math.inf)):
            low, high = getattr(self, name)
            if not 0 < low <= high <= most:
                raise ValueError(f"{name} is {(low, high)}; it takes 0 < smallest <= largest <= {most}")
        scale = math.sqrt(self.area[0]), math.sqrt(self.area[1])
        factors = {name: getattr(self, name) for name in ("brightness", "contrast", "saturation")}
        object.__setattr__(self, "_crop", Augmentation(scale, flip=self.flip, size=self.size))
        object.__setattr__(self, "_colour", Augmentation((1, 1), **factors))

    @torch.no_grad()
    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The views, float32 in [0, 1]. Raises ValueError for NaN, other shapes or channels."""
        check_images("images", images)
        if images.shape[1] != 3:
            raise ValueError(f"images is {tuple(images.shape)}; it takes 3 colour channels")
        views = self._crop(images.repeat(self.count, 1, 1, 1), generator)
        with torch.autocast(views.device.type, enabled=False):
            views = self._blurred(self._recoloured(views, generator), generator)
        return views.unflatten(0, (self.count, len(images)))

    def _recoloured(self, views, generator):
        jittered, greyed = (torch.rand(len(views), generator=generator) < p for p in (self.jitter, self.grey))
        turns = self.hue * (2 * torch.rand(len(views), generator=generator) - 1) * jittered
        rows = jittered.nonzero()[:, 0].to(views.device)
        if len(rows) and (self.brightness or self.contrast or self.saturation):
            views.index_copy_(0, rows, self._colour(views[rows], generator))
        if not (self.hue or self.grey):
            return views
        matrix = torch.where(greyed[:, None, None], torch.tensor(_LUMA).expand(3, 3), hue_matrix(turns))
        return torch.bmm(matrix.to(views), views.flatten(2)).clamp_(0, 1).view_as(views)

    def _blurred(self, views, generator):
        blurred = torch.rand(len(views), generator=generator) < self.blur
        low, high = self.sigma
        sigma = low + (high - low) * torch.rand(len(views), generator=generator)
        rows = blurred.nonzero()[:, 0]
        if not len(rows):
            return views
        sharp, sigma, rows = views[rows.to(views.device)], sigma[rows], rows.to(views.device)
        return views.index_copy_(0, rows, gaussian_blur(sharp, sigma))


def hue_matrix(turns: torch.Tensor) -> torch.Tensor:
    """Matrices (N, 3, 3) that turn the hue of RGB pixels by ``turns`` (N,), in whole turns, at equal lightness."""
    to_yiq = torch.tensor(_YIQ, dtype=torch.float64)
    angle = 2 * math.pi * turns.double()
    turn = torch.eye(3, dtype=torch.float64).repeat(len(turns), 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    return (torch.linalg.inv(to_yiq) @ turn @ to_yiq).float()


def gaussian_blur(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W), each blurred with a deviation of its own, ``sigma`` (N,) in pixels.

    The window is the smallest odd number of pixels that is at least a tenth of the shorter side, and 3 or more (002:
    7 at 56 pixels, 23 at 224); borders are mirrored. A blur along one axis is a matrix, so that a batch with many
    deviations takes two batched matrix products.
    """
    window = max(3, 2 * math.ceil((min(images.shape[-2:]) / 10 - 1) / 2) + 1)
    height, width = (_blur_matrix(side, window, sigma).to(images) for side in images.shape[-2:])
    along_rows = images.flatten(1, 2) @ width.mT
    down = height.repeat_interleave(images.shape[1], 0)
    return torch.bmm(down, along_rows.view(-1, *images.shape[-2:])).view_as(images)


def _blur_matrix(side, window, sigma):
    offsets = torch.arange(window) - window // 2
    weights = (-(offsets**2) / (2 * sigma.cpu()[:, None] ** 2)).softmax(1)
    # Pixels beyond the border are read from inside it, mirrored at the outermost pixel.
    source = (torch.arange(side)[:, None] + offsets).abs()
    source = side - 1 - (side - 1 - source).abs()
    matrix = torch.zeros(len(sigma), side, side)
    return matrix.scatter_add_(2, source.expand(len(sigma), -1, -1), weights[:, None].expand(-1, side, -1))


# What the two versions of MoCo take their views with (002 §3.3; spec 002 §6.6): ``Views(**MOCO_V1)``.
MOCO_V1 = {"area": (0.2, 1.0), "jitter": 1.0, "hue": 0.4, "blur": 0.0}
MOCO_V2 = {"area": (0.2, 1.0)}
