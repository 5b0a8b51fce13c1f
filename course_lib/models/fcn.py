"""Fully convolutional networks: a classifier turned into one that scores every place of an image of any size.

Long, Shelhamer and Darrell 2015; 000 §2.1.4. A fully connected layer on a map is a convolution whose kernel is as large
as the map; nothing is trained, weights are only reshaped.
"""

import copy

import torch
from torch import nn
from torch.nn.utils import skip_init

from ..checks import check_positive


def convolutionalise(layer: nn.Linear, map_shape: tuple[int, int, int]) -> nn.Conv2d:
    """The convolution that equals ``layer`` on flattened maps (C, H, W), and slides over larger ones.

    Its kernel is (H, W). Weights are copied. Raises ValueError if ``layer`` does not take C·H·W inputs.
    """
    channels, height, width = map_shape
    if layer.in_features != channels * height * width:
        raise ValueError(
            f"map_shape is {tuple(map_shape)}, {channels * height * width} numbers; the layer takes {layer.in_features}"
        )
    like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    options = like | {"bias": layer.bias is not None}
    kernel = skip_init(nn.Conv2d, channels, layer.out_features, (height, width), **options)  # draws no random weights
    with torch.no_grad():
        kernel.weight.copy_(layer.weight.view_as(kernel.weight))
        if layer.bias is not None:
            kernel.bias.copy_(layer.bias)
    return kernel.train(layer.training)


def fully_convolutional(classifier: nn.Sequential, map_shape: tuple[int, int, int]) -> nn.Sequential:
    """A copy of ``classifier`` that gives a map of scores (B, classes, h, w) for images of any size.

    classifier: an `nn.Sequential` (others may be nested in it) of convolutions, `nn.Flatten`, and then linear layers,
    `nn.BatchNorm1d`, dropout and activations; each stays in training or eval mode, as it is. map_shape: (C, H, W) of
    what is flattened. At the size the classifier was trained for the map has one place and holds its scores. Raises
    ValueError unless there is exactly one `nn.Flatten`.
    """
    layers = list(_chain(classifier))
    flat = [number for number, layer in enumerate(layers) if isinstance(layer, nn.Flatten)]
    if len(flat) != 1:
        raise ValueError(f"classifier has {len(flat)} nn.Flatten; it takes a chain of layers with exactly one")
    converted, shape = [copy.deepcopy(layer) for layer in layers[: flat[0]]], tuple(map_shape)
    for layer in layers[flat[0] + 1 :]:
        if isinstance(layer, nn.Linear):
            layer = convolutionalise(layer, shape)
            shape = (layer.out_channels, 1, 1)
        elif isinstance(layer, nn.BatchNorm1d):
            layer = _batch_norm_of_maps(layer)
        else:
            layer = copy.deepcopy(layer)
        converted.append(layer)
    scores = nn.Sequential(*converted)
    scores.training = any(layer.training for layer in layers)  # each layer keeps its own mode
    return scores


def bilinear_upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution ("deconvolution") that enlarges maps ``factor`` times, with the weights of bilinear
    interpolation: the start of the learned upsampling of Long et al. 2015. Each channel by itself.

    Equals ``F.interpolate(mode="bilinear", align_corners=False)`` but at the border, where it fades to zero.
    """
    check_positive("channels", channels)
    check_positive("factor", factor)
    size = 2 * factor - factor % 2
    padding, options = (size - factor) // 2, {"groups": channels, "bias": False}
    layer = skip_init(nn.ConvTranspose2d, channels, channels, size, factor, padding, **options)
    side = 1 - (torch.arange(size) - (size - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.copy_((side[:, None] * side[None]).expand_as(layer.weight))
    return layer


def _chain(module: nn.Module):
    if isinstance(module, nn.Sequential):
        for layer in module:
            yield from _chain(layer)
    else:
        yield module


def _batch_norm_of_maps(layer: nn.BatchNorm1d) -> nn.BatchNorm2d:
    like = {"eps": layer.eps, "momentum": layer.momentum, "affine": layer.affine}
    maps = nn.BatchNorm2d(layer.num_features, track_running_stats=layer.track_running_stats, **like)
    maps.load_state_dict(layer.state_dict())
    return maps.train(layer.training)
