"""AlexNet as the seeds use it, and a small sibling for 64-pixel frames on a laptop.

Both map images (B, 3, H, W) to the activations of fc6 (B, features). ``conv`` holds conv1 … conv5 with the last
pooling ("pool5"), the part that is transferred; ``fc6`` the first fully connected layer. Images in [0, 1] are
centred to [-1, 1] first, so every method feeds the same numbers.
"""

import torch
from torch import nn

from ..checks import check_choice, check_positive


class AlexNet(nn.Module):
    """AlexNet up to fc6 (Krizhevsky et al. 2012; 000 §3.3.1, §3.5; 003 §3.2).

    features: width of fc6; 4096 in the original, 512 in the temporal branch of 000 §3.5, 1024 per jigsaw tile.
    groups: 2 is the two-column original used for fine-tuning in 000 §3.4.2, 1 the ungrouped net (which has about
    60 % more weights in its convolutions). image_size: side of the input; 227 gives the original 6×6 pool5 map.
    stride: of conv1; 4 originally, 2 for frames of 75 pixels. norm: "lrn" (original), "batch" or "none".
    Raises ValueError if the image is too small to leave a pool5 map.
    """

    def __init__(self, features=4096, *, groups=1, image_size=227, stride=4, norm="none", in_channels=3):
        super().__init__()
        check_choice("norm", norm, ("none", "lrn", "batch"))
        check_positive("features", features)
        if groups not in (1, 2):
            raise ValueError(f"groups is {groups!r}; AlexNet takes 1 or 2")
        self.features, self.image_size = features, image_size
        self.conv = nn.Sequential(
            *_block(in_channels, 96, 11, stride=stride, norm=norm, pool=True),
            *_block(96, 256, 5, padding=2, groups=groups, norm=norm, pool=True),
            *_block(256, 384, 3, padding=1, norm="batch" if norm == "batch" else "none"),
            *_block(384, 384, 3, padding=1, groups=groups, norm="batch" if norm == "batch" else "none"),
            *_block(384, 256, 3, padding=1, groups=groups, norm="batch" if norm == "batch" else "none", pool=True),
        )
        self.map_shape = map_shape(self.conv, in_channels, image_size)
        self.fc6 = nn.Sequential(nn.Flatten(), nn.Linear(_numel(self.map_shape), features), nn.ReLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] → fc6 (B, features)."""
        return self.fc6(self.conv(images * 2 - 1))


class SmallAlexNet(nn.Module):
    """AlexNet's five convolutions and fc6 at a sixteenth of the size, for frames of 32 to 96 pixels.

    width: channels of conv1 (the others are 2, 4, 4 and 4 times as many). Batch norm makes it train in a few
    hundred steps, which the original does not (the seeds train for 350 000). ``conv`` ends in a pool5 map.
    """

    def __init__(self, width=16, features=128, *, image_size=64, in_channels=3):
        super().__init__()
        check_positive("width", width)
        check_positive("features", features)
        self.features, self.image_size = features, image_size
        self.conv = nn.Sequential(
            *_block(in_channels, width, 5, stride=2, padding=2, norm="batch", pool=True),
            *_block(width, 2 * width, 3, padding=1, norm="batch", pool=True),
            *_block(2 * width, 4 * width, 3, padding=1, norm="batch"),
            *_block(4 * width, 4 * width, 3, padding=1, norm="batch"),
            *_block(4 * width, 4 * width, 3, padding=1, norm="batch", pool=True),
        )
        self.map_shape = map_shape(self.conv, in_channels, image_size)
        inputs = _numel(self.map_shape)
        self.fc6 = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, features, bias=False), nn.BatchNorm1d(features), nn.ReLU()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] → fc6 (B, features)."""
        return self.fc6(self.conv(images * 2 - 1))


def alexnet_classifier(classes: int = 1000, **options) -> nn.Module:
    """The whole AlexNet classifier, fc6 – fc8 with dropout; ``options`` as for `AlexNet`. Logits (B, classes).

    With 1000 classes it has 60 965 224 parameters with ``groups=2`` and 62 378 344 with ``groups=1``.
    """
    backbone = AlexNet(**options)
    head = [
        nn.Dropout(0.5),
        nn.Linear(backbone.features, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, classes),
    ]
    return nn.Sequential(backbone, *head)


def _block(inputs, outputs, kernel, *, stride=1, padding=0, groups=1, norm="none", pool=False):
    yield nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=norm != "batch")
    if norm == "batch":
        yield nn.BatchNorm2d(outputs)
    yield nn.ReLU()
    if norm == "lrn":
        yield nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
    if pool:
        yield nn.MaxPool2d(3, 2, padding=1 if norm == "batch" else 0)


def map_shape(conv, in_channels, image_size):
    """Shape (C, H, W) that ``conv`` gives for a square image, found without touching batch statistics."""
    was_training = conv.training
    try:
        with torch.inference_mode():
            image = next(conv.parameters()).new_zeros(1, in_channels, image_size, image_size)
            return tuple(conv.eval()(image).shape[1:])
    except RuntimeError as error:
        raise ValueError(f"image_size is {image_size!r}; the convolutions leave no map for it") from error
    finally:
        conv.train(was_training)


def _numel(shape):
    channels, height, width = shape
    return channels * height * width
