"""Answers to the exercises of chapter 03."""

import torch
import torch.nn.functional as F

from course_lib.exercises import ch03
from course_lib.models import Window, convolutionalise, output_size, receptive_field


def size_and_field(size, chain, plus=1, sides=2, spread=True, up=False, grow=0, late=False, weigh=True):
    field, apart = 1, 1
    for kernel, stride, padding, dilation in chain:
        span = (dilation if spread is True else 1) * (kernel - 1) + 1
        room = size + sides * padding - span
        size = (-(-room // stride) if up else room // stride) + plus
        wide = (dilation if spread in (True, "size") else 1) * (kernel - 1) + 1
        apart *= stride if late else 1
        field += (wide - 1 + grow) * (apart if weigh else 1)
        apart *= 1 if late else stride
    return size, field


def by_the_library(size, chain):
    windows = [Window(*window) for window in chain]
    return output_size(windows, size), receptive_field(windows).size


def convolve(images, kernels, bias, stride, padding):
    rows, columns = (
        (n + 2 * padding - k) // stride + 1 for n, k in zip(images.shape[2:], kernels.shape[2:], strict=True)
    )
    windows = F.unfold(images, kernels.shape[2:], padding=padding, stride=stride)
    return (kernels.flatten(1) @ windows + bias[:, None]).unflatten(2, (rows, columns))


def turned_places(images, kernels, bias, stride, padding):
    right = convolve(images, kernels, bias, stride, padding)
    return right.flatten(2).unflatten(2, right.shape[:1:-1])


def batch_norm(x, gamma, beta, mean, variance, training, eps=1e-5, keep=0.9, norm=0, run=1, root=True, axes=(0, 2, 3)):
    used = mean[:, None, None], variance[:, None, None]
    if training:
        used = x.mean(axes, keepdim=True), x.var(axes, correction=norm, keepdim=True)
        mean = keep * mean + (1 - keep) * x.mean((0, 2, 3))
        variance = keep * variance + (1 - keep) * x.var((0, 2, 3), correction=run)
    divisor = (used[1] + eps).sqrt() if root else used[1] + eps
    return gamma[:, None, None] * (x - used[0]) / divisor + beta[:, None, None], mean, variance


def with_torch(x, gamma, beta, mean, variance, training):
    mean, variance = mean.clone(), variance.clone()
    return F.batch_norm(x, mean, variance, gamma, beta, training), mean, variance


def always_the_batch(x, gamma, beta, mean, variance, training):
    output, new_mean, new_variance = batch_norm(x, gamma, beta, mean, variance, True)
    return (output, new_mean, new_variance) if training else (output, mean, variance)


def always_moving(x, gamma, beta, mean, variance, training):
    _, new_mean, new_variance = batch_norm(x, gamma, beta, mean, variance, True)
    return batch_norm(x, gamma, beta, mean, variance, training)[0], new_mean, new_variance


def never_the_batch(x, gamma, beta, mean, variance, training):
    return batch_norm(x, gamma, beta, mean, variance, False)


def plain(x, gamma, beta, mean, variance, training):
    return batch_norm(x, torch.ones_like(gamma), torch.zeros_like(beta), mean, variance, training)


def dense_scores(maps, weight, bias, side, order=(0, 1, 2, 3), **options):
    kernel = weight.view(len(weight), maps.shape[1], side, side).permute(order)
    return F.conv2d(maps, kernel, bias, **options)


def library_scores(maps, weight, bias, side):
    layer = torch.nn.utils.skip_init(torch.nn.Linear, weight.shape[1], len(weight))
    with torch.no_grad():
        layer.weight.copy_(weight), layer.bias.copy_(bias)
    return convolutionalise(layer, (maps.shape[1], side, side))(maps)


def channels_last(maps, weight, bias, side):
    kernel = weight.view(len(weight), side, side, maps.shape[1]).permute(0, 3, 1, 2)
    return F.conv2d(maps, kernel, bias)


RIGHT = [
    (ch03.check_size_and_field, size_and_field),
    (ch03.check_size_and_field, by_the_library),
    (ch03.check_convolve, convolve),
    (ch03.check_convolve, lambda x, k, b, s, p: F.conv2d(x, k, b, s, p)),
    (ch03.check_batch_norm, batch_norm),
    (ch03.check_batch_norm, with_torch),
    (ch03.check_dense_scores, dense_scores),
    (ch03.check_dense_scores, library_scores),
]
MISTAKES = [
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, plus=0), "The + 1 is missing"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, sides=1), "on both sides"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, spread="size"), "kernel's dilation is missing"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, up=True), "round down"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, grow=1), "span − 1, not by the span"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, late=True), "after the field has grown"),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c, weigh=False), "product of all earlier strides"),
    (
        ch03.check_size_and_field,
        lambda n, c: (size_and_field(n, c)[0], size_and_field(n, [(k, s, p, 1) for k, s, p, d in c])[1]),
        "Dilation widens the field",
    ),
    (ch03.check_size_and_field, lambda n, c: size_and_field(n, c)[0], "return size, field"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k, b * 0, s, p), "bias is missing"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k.flip(2, 3), b, s, p), "upside down"),
    (ch03.check_convolve, turned_places, "unflatten them to (rows"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k, b, s, p).flatten(2), "still in one row"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k, b, 1, p), "stride is not used"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k, b, s, 0), "padding is not used"),
    (ch03.check_convolve, lambda x, k, b, s, p: convolve(x, k, b, s, p).detach(), "no .detach()"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a, root=False), "not by the variance"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a, norm=1), "divided by m: correction=0"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a, run=0), "divided by m − 1"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a, axes=(0,)), "not only the batch"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a, keep=0.1), "the other way round"),
    (ch03.check_batch_norm, always_the_batch, "running averages normalise, not the batch"),
    (ch03.check_batch_norm, always_moving, "as they came"),
    (ch03.check_batch_norm, never_the_batch, "own mean and variance normalise"),
    (ch03.check_batch_norm, plain, "gamma and beta are missing"),
    (ch03.check_batch_norm, lambda *a: batch_norm(*a)[0], "return y, mean, variance"),
    (ch03.check_dense_scores, channels_last, "channels first"),
    (ch03.check_dense_scores, lambda *a: dense_scores(*a, order=(0, 1, 3, 2)), "exchanged"),
    (ch03.check_dense_scores, lambda m, w, b, s: dense_scores(m, w, b * 0, s), "bias is missing"),
    (ch03.check_dense_scores, lambda m, w, b, s: dense_scores(m, w, b, s, stride=s), "Windows overlap"),
    (
        ch03.check_dense_scores,
        lambda m, w, b, s: F.linear(m[:, :, :s, :s].flatten(1), w, b)[:, :, None, None],
        "Only the first window",
    ),
]
