"""Checks for the exercises of chapter 03, convolutional networks (seeds 000 §2.1.3 and §2.1.4, 002 §2.3)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .core import Attempt, CheckResult, Wrong, compare, run, same


def check_size_and_field(function: Callable) -> CheckResult:
    """Warm-up: ``function(size, chain) -> (side, field)``, two integers.

    size: pixels of the picture. chain: list of (kernel, stride, padding, dilation). side: of the last map. field:
    receptive field of one of its units, pixels (002 §2.3.1; 000 §2.1.3).
    """
    cases = [
        (32, [(3, 1, 0, 1)]),  # one thing at a time, so that a slip can be named
        (20, [(3, 2, 0, 1)]),
        (20, [(3, 1, 2, 1)]),
        (20, [(3, 1, 0, 2)]),
        (33, [(3, 2, 1, 1), (3, 1, 1, 1)]),
        (40, [(5, 2, 0, 1), (3, 1, 0, 2), (2, 2, 0, 1)]),
        (97, [(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 2, 2), (3, 2, 1, 1)]),
        (19, [(1, 1, 0, 1), (4, 3, 1, 1), (2, 1, 0, 2)]),
        (28, []),
    ]

    def judge(attempt: Attempt) -> str:
        for size, chain in cases:
            answer = attempt(size, chain)
            if not isinstance(answer, tuple | list) or len(answer) != 2 or not all(_whole(part) for part in answer):
                raise Wrong(
                    f"the answer for {chain} is {answer!r}; it should be two integers",
                    "End with: return size, field. Whole numbers come from // and *, not from /.",
                )
            _judge_size(int(answer[0]), size, chain)
            _judge_field(int(answer[1]), chain)
        return "sizes and receptive fields of all chains are right, with stride, padding and dilation."

    return run(function, "size_and_field(size, chain)", judge)


def _whole(part) -> bool:
    return isinstance(part, int) and not isinstance(part, bool)


def _follow(size: int, chain, step: Callable) -> int:
    for window in chain:
        size = step(size, *window)
    return size


def _judge_size(answer: int, size: int, chain) -> None:
    right = _follow(size, chain, lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s + 1)
    if answer == right:
        return
    slips = {
        "The + 1 is missing: the first position needs no step.": lambda n, k, s, p, d: (
            (n + 2 * p - d * (k - 1) - 1) // s
        ),
        "Padding is added on both sides: 2 · padding.": lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1,
        "The kernel's dilation is missing: it spans dilation · (kernel − 1) + 1 pixels.": lambda n, k, s, p, d: (
            (n + 2 * p - k) // s + 1
        ),
        "A last step that does not fit is dropped, so round down: //.": lambda n, k, s, p, d: (
            -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1
        ),
    }
    hints = [hint for hint, step in slips.items() if _follow(size, chain, step) == answer]
    raise Wrong(f"the map of {size} pixels after {chain} has {answer} pixels; it should have {right}", *hints[:1])


def _judge_field(answer: int, chain) -> None:
    def field(grow, late=False):
        seen, apart = 1, 1
        for k, s, _, d in chain:
            apart *= s if late else 1
            seen += grow(k, d) * apart
            apart *= 1 if late else s
        return seen

    right = field(lambda k, d: d * (k - 1))
    if answer == right:
        return
    slips = {
        "The field grows by the span − 1, not by the span: a 1 × 1 kernel sees nothing new.": field(
            lambda k, d: d * (k - 1) + 1
        ),
        "Multiply by the stride after the field has grown: a layer's own stride does not widen what its units see.": (
            field(lambda k, d: d * (k - 1), late=True)
        ),
        "Steps of later layers count more: multiply by the product of all earlier strides.": 1
        + sum(d * (k - 1) for k, _, _, d in chain),
        "Dilation widens the field: use dilation · (kernel − 1).": field(lambda k, d: k - 1),
    }
    hints = [hint for hint, wrong in slips.items() if wrong == answer]
    raise Wrong(f"the receptive field of {chain} is {answer}; it should be {right}", *hints[:1])


def check_convolve(function: Callable) -> CheckResult:
    """Core: ``function(images, kernels, bias, stride, padding)`` equals ``F.conv2d`` (002 Eq. 2.4), gradients too.

    images (B, C, H, W), kernels (D, C, h, w), bias (D,).
    """

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(0)
        for shape, kernel, stride, padding in (
            ((2, 3, 7, 9), (4, 3, 3, 2), 1, 0),
            ((3, 2, 8, 6), (5, 2, 3, 3), 2, 1),
            ((1, 1, 5, 6), (2, 1, 2, 3), 3, 2),
        ):
            images, kernels = (torch.randn(size, generator=draw) for size in (shape, kernel))
            bias = torch.randn(kernel[0], generator=draw)
            _judge_convolution(attempt(images, kernels, bias, stride, padding), images, kernels, bias, stride, padding)
        leaves = [torch.randn(size, generator=draw, requires_grad=True) for size in ((2, 2, 6, 6), (3, 2, 3, 3), (3,))]
        answer = attempt(*leaves, 1, 1)
        if not answer.requires_grad:
            raise Wrong("no gradient flows through the result", "Work with tensors only: no .detach(), no .numpy().")
        return "the same as F.conv2d, with stride, padding and bias, and it can be trained."

    return run(function, "convolve(images, kernels, bias, stride, padding)", judge)


def _judge_convolution(answer, images, kernels, bias, stride, padding) -> None:
    right = F.conv2d(images, kernels, bias, stride, padding)
    rows, columns = right.shape[2:]
    mistakes = {
        "The bias is missing: add bias[:, None] to the maps.": F.conv2d(images, kernels, None, stride, padding),
        "The kernel is turned upside down. What networks call convolution does not turn it (Eq. 2.4).": F.conv2d(
            images, kernels.flip(2, 3), bias, stride, padding
        ),
        "The places run row by row: unflatten them to (rows, columns), not (columns, rows).": right.flatten(
            2
        ).unflatten(2, (columns, rows)),
        "The places are still in one row: unflatten the last axis to (rows, columns).": right.flatten(2),
        "The stride is not used.": F.conv2d(images, kernels, bias, 1, padding),
        "The padding is not used.": F.conv2d(F.pad(images, [0] * 4), kernels, bias, stride, 0)
        if min(images.shape[2:]) >= max(kernels.shape[2:])
        else right,
    }
    compare(answer, right, "the result", mistakes)


def check_batch_norm(function: Callable) -> CheckResult:
    """Core: ``function(x, gamma, beta, mean, variance, training) -> (y, mean, variance)`` (000 Eq. 2.4 and 2.5).

    x (B, C, H, W); the others (C,). Momentum 0.1, epsilon 1e-5, running averages with the unbiased variance.
    """

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(0)
        for training in (True, False):
            x = 3 * torch.randn(3, 4, 2, 3, generator=draw) + torch.randn(4, 1, 1, generator=draw)
            gamma, beta, mean = (torch.randn(4, generator=draw) for _ in range(3))
            variance = torch.rand(4, generator=draw) + 0.5
            answer = attempt(x, gamma, beta, mean, variance, training)
            if not isinstance(answer, tuple | list) or len(answer) != 3:
                raise Wrong(
                    f"batch_norm gave {type(answer).__name__}; it should give three things",
                    "End with: return y, mean, variance, the output and the new running averages.",
                )
            judge_part = _judge_training if training else _judge_use
            judge_part(answer, x, gamma, beta, mean, variance)
        return "in training the batch normalises and the averages move; in use the averages normalise and stay."

    return run(function, "batch_norm(x, gamma, beta, mean, variance, training)", judge)


def _normalise(x, gamma, beta, mean, divisor):
    gamma, beta, mean, divisor = (v.view(1, -1, 1, 1) if v.ndim == 1 else v for v in (gamma, beta, mean, divisor))
    return gamma * (x - mean) / divisor + beta


def _judge_training(answer, x, gamma, beta, old_mean, old_variance) -> None:
    axes, eps = (0, 2, 3), 1e-5
    mean, variance, unbiased = x.mean(axes), x.var(axes, correction=0), x.var(axes, correction=1)
    place_mean, place_variance = x.mean(0, keepdim=True), x.var(0, correction=0, keepdim=True)
    right = _normalise(x, gamma, beta, mean, (variance + eps).sqrt())
    mistakes = {
        "Divide by the standard deviation, not by the variance (000 says variance; its formula is right).": (
            _normalise(x, gamma, beta, mean, variance + eps)
        ),
        "In training, normalise with the variance divided by m: correction=0.": _normalise(
            x, gamma, beta, mean, (unbiased + eps).sqrt()
        ),
        "Average over all places of the map too: axes (0, 2, 3), not only the batch.": _normalise(
            x, gamma, beta, place_mean, (place_variance + eps).sqrt()
        ),
        "In training, the batch's own mean and variance normalise, not the running averages.": _normalise(
            x, gamma, beta, old_mean, (old_variance + eps).sqrt()
        ),
        "gamma and beta are missing: y = gamma · x̂ + beta.": _normalise(
            x, torch.ones(4), torch.zeros(4), mean, (variance + eps).sqrt()
        ),
    }
    compare(answer[0], right, "the output in training", mistakes)
    swapped = "Momentum is the other way round: new average = 0.9 · old + 0.1 · batch."
    compare(answer[1], 0.9 * old_mean + 0.1 * mean, "the running mean", {swapped: 0.1 * old_mean + 0.9 * mean})
    if same(answer[2], 0.9 * old_variance + 0.1 * variance):
        raise Wrong(
            "the running variance is not what it should be, but close to it",
            "The running variance keeps the unbiased one, divided by m − 1: correction=1.",
        )
    compare(answer[2], 0.9 * old_variance + 0.1 * unbiased, "the running variance")


def _judge_use(answer, x, gamma, beta, mean, variance) -> None:
    batch = x.mean((0, 2, 3)), (x.var((0, 2, 3), correction=0) + 1e-5).sqrt()
    mistakes = {
        "In use (training=False) the running averages normalise, not the batch.": _normalise(x, gamma, beta, *batch)
    }
    right = _normalise(x, gamma, beta, mean, (variance + 1e-5).sqrt())
    compare(answer[0], right, "the output in use", mistakes)
    for new, old, name in ((answer[1], mean, "mean"), (answer[2], variance, "variance")):
        if isinstance(new, torch.Tensor) and new.shape == old.shape and not same(new, old):
            raise Wrong(
                f"the running {name} changed in use",
                "Nothing is learned in use (training=False): return the running averages as they came.",
            )
        compare(new, old, f"the running {name} in use")


def check_dense_scores(function: Callable) -> CheckResult:
    """Core: ``function(maps, weight, bias, side)`` scores every window of maps by a fully connected layer (000 §2.1.4).

    maps (B, C, H, W), weight (K, C·side·side), bias (K,) → (B, K, H − side + 1, W − side + 1).
    """

    def judge(attempt: Attempt) -> str:
        draw = torch.Generator().manual_seed(0)
        for channels, side, height, width in ((3, 2, 5, 6), (2, 3, 3, 3), (4, 2, 2, 7)):
            maps = torch.randn(2, channels, height, width, generator=draw)
            weight, bias = torch.randn(5, channels * side**2, generator=draw), torch.randn(5, generator=draw)
            answer = attempt(maps, weight, bias, side)
            _judge_scores(answer, maps, weight, bias, side)
        return "at the training size it is the classifier, on larger maps one score for every window."

    return run(function, "dense_scores(maps, weight, bias, side)", judge)


def _judge_scores(answer, maps, weight, bias, side) -> None:
    channels = maps.shape[1]
    kernel = weight.view(len(weight), channels, side, side)
    right = F.conv2d(maps, kernel, bias)
    last = weight.view(len(weight), side, side, channels).permute(0, 3, 1, 2)
    first = F.linear(maps[:, :, :side, :side].flatten(1), weight, bias)
    mistakes = {
        "The weights are reshaped in another order than maps are flattened: (K, C, side, side), channels first.": (
            F.conv2d(maps, last, bias)
        ),
        "Rows and columns of the kernel are exchanged.": F.conv2d(maps, kernel.transpose(2, 3), bias),
        "The bias is missing.": F.conv2d(maps, kernel),
        "The kernel is turned upside down; F.conv2d expects it as it is.": F.conv2d(maps, kernel.flip(2, 3), bias),
        "Windows overlap: the kernel moves by one place (stride 1), not by its own size.": F.conv2d(
            maps, kernel, bias, stride=side
        ),
        "Only the first window is scored; the kernel should slide over all of them.": first[:, :, None, None],
    }
    compare(answer, right, "the scores", mistakes)
