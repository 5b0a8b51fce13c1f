"""Exercises of chapter 04: one LSTM step, clipping by the global norm, folding time, a forget bias."""

import math
from collections.abc import Callable

import torch

from .core import Attempt, CheckResult, Wrong, compare, run, same


def _normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def check_lstm_step(function: Callable) -> CheckResult:
    """Warm-up: ``function(x, h, c, w_x, w_h, bias)`` gives the next state and cell of an LSTM (seed 000, Eq. 2.9).

    x: (B, D). h, c: (B, H). w_x: (4H, D), w_h: (4H, H), bias: (4H,), the blocks in torch's order i, f, g, o.
    """

    def judge(attempt: Attempt) -> str:
        for seed, (batch, inputs, hidden) in enumerate(((3, 5, 4), (1, 2, 6))):
            shapes = ((batch, inputs), (batch, hidden), (batch, hidden), (4 * hidden, inputs), (4 * hidden, hidden))
            given = [_normal(10 * seed + k, *shape) for k, shape in enumerate((*shapes, (4 * hidden,)))]
            _judge_step(attempt(*given), *given)
        return "both states are those of Eq. 2.9."

    return run(function, "step(x, h, c, w_x, w_h, bias)", judge)


def _judge_step(answer, x, h, c, w_x, w_h, bias) -> None:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("the answer is not a pair", "Return two tensors: return h, c.")

    def step(blocks, old=c, squash=torch.tanh, gate=torch.sigmoid, shown=torch.tanh):
        i, f, g, o = blocks
        new = gate(f) * old + gate(i) * squash(g)
        return gate(o) * shown(new), new

    i, f, g, o = blocks = (x @ w_x.T + h @ w_h.T + bias).chunk(4, dim=1)
    right = step(blocks)
    mistakes = {
        "The new state and the new cell are exchanged: return h, c.": right[::-1],
        "The blocks stand in torch's order i, f, g, o; here the last two are exchanged.": step((i, f, o, g)),
        "The blocks stand in torch's order i, f, g, o; here the first two are exchanged.": step((f, i, g, o)),
        "The old cell is not carried on: c = f * c + i * g, with the c that was given.": step(blocks, 0 * c),
        "The candidate g went through a sigmoid; it takes tanh, since it may be negative.": step(
            blocks, squash=torch.sigmoid
        ),
        "A gate went through tanh; gates are shares between 0 and 1 and take the sigmoid.": step(
            blocks, gate=torch.tanh, squash=torch.sigmoid
        ),
        "The output gate shows tanh(c), not c itself: h = o * tanh(c).": step(blocks, shown=lambda cell: cell),
    }
    for hint, wrong in mistakes.items():
        if all(same(given, value) for given, value in zip(answer, wrong, strict=True)):
            raise Wrong("the new state and cell are not what they should be, but close to it", hint)
    for given, expected, name in zip(answer, right, ("the new state h", "the new cell c"), strict=True):
        compare(given, expected, name)


def check_clip(function: Callable) -> CheckResult:
    """Core: ``function(gradients, limit)`` scales a list of tensors so that their common norm is at most ``limit``."""

    def judge(attempt: Attempt) -> str:
        gradients = [3 * _normal(1, 4, 3), 2 * _normal(2, 5), _normal(3, 1)]
        for limit in (1.0, 4.0, 1000.0):
            _judge_clipped(attempt(gradients, limit), gradients, limit)
        still = [torch.zeros(2), torch.zeros(3)]
        _judge_clipped(attempt(still, 1.0), still, 1.0)
        return "one factor for all, only where the limit is exceeded, and zeros stay zeros."

    return run(function, "clip(gradients, limit)", judge)


def _judge_clipped(answer, gradients, limit) -> None:
    if not isinstance(answer, tuple | list) or len(answer) != len(gradients):
        raise Wrong(f"the answer is not a list of {len(gradients)} tensors", "Return a list with a tensor for each.")
    total = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    factor = min(1.0, limit / total) if total else 1.0

    def scaled(factor_of):
        return [g * factor_of(g) for g in gradients]

    if total == 0 and all(isinstance(a, torch.Tensor) and a.isnan().any() for a in answer):
        raise Wrong("gradients that are all zero became NaN", "Where the norm is 0, do not divide by it.")
    mistakes = {
        "Gradients below the limit stay as they are: the factor is never larger than 1.": scaled(
            lambda g: limit / max(total, 1e-12)
        ),
        "Each tensor was clipped by its own norm, which turns the direction; all share one norm.": scaled(
            lambda g: min(1.0, limit / max(float(g.norm()), 1e-12))
        ),
        "The numbers were cut one by one, which turns the direction; scale them all by one factor.": [
            g.clamp(-limit, limit) for g in gradients
        ],
        "The norms of the tensors were added; take the square root of the sum of all squares.": scaled(
            lambda g: min(1.0, limit / max(sum(float(each.norm()) for each in gradients), 1e-12))
        ),
        "The square root is missing: the sum of the squares is the square of the norm.": scaled(
            lambda g: min(1.0, limit / max(total**2, 1e-12))
        ),
        "Nothing was scaled, although the norm is above the limit.": scaled(lambda g: 1.0),
    }
    right = [g * factor for g in gradients]
    for hint, wrong in mistakes.items():
        differs = not all(same(a, b) for a, b in zip(wrong, right, strict=True))
        if differs and all(same(a, b) for a, b in zip(answer, wrong, strict=True)):
            raise Wrong(f"with limit {limit:g} the clipped gradients are not what they should be", hint)
    for number, (given, expected) in enumerate(zip(answer, right, strict=True)):
        compare(given, expected, f"with limit {limit:g}, gradient number {number}")


class _Cnn:
    """A stand-in for a CNN, images (N, C, H, W) → (N, D); counts its calls, also through the copy an attempt makes."""

    def __init__(self, calls: list):
        self.calls = calls

    def __deepcopy__(self, memo):
        return self

    def __call__(self, images):
        if not isinstance(images, torch.Tensor) or images.ndim != 4:
            got = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
            raise ValueError(f"the CNN takes images (N, C, H, W); it got {got}")
        self.calls.append(len(images))
        flat = images.flatten(1)
        return torch.stack([flat.mean(1), flat.amax(1), flat[:, 0] - flat[:, -1]], 1)


def check_frame_features(function: Callable) -> CheckResult:
    """Core: ``function(cnn, clips)`` folds time into the batch, calls the CNN once, and unfolds: (B, T, D)."""

    def judge(attempt: Attempt) -> str:
        for seed, shape in enumerate(((2, 5, 3, 4, 4), (3, 3, 1, 2, 6), (4, 1, 3, 2, 2))):
            clips, calls = _normal(seed, *shape), []
            answer = attempt(_Cnn(calls), clips)
            features = _Cnn([])(clips.flatten(0, 1))
            right = features.unflatten(0, shape[:2])
            mistakes = {
                "The features are still folded, (B·T, D); part the first axis again.": features,
                "The parts are in the wrong order: the T frames of the first clip come first, so the shape is "
                "(B, T), not (T, B).": features.unflatten(0, (shape[1], shape[0])),
                "Time stands first; the result is (B, T, D).": right.transpose(0, 1),
                "The frames were joined time first and parted clip first, so features went to other clips.": _Cnn([])(
                    clips.transpose(0, 1).flatten(0, 1)
                ).unflatten(0, shape[:2]),
                "The features were averaged over time; every frame keeps its own.": right.mean(1),
            }
            compare(answer, right, f"the result for clips {shape}", mistakes)
            if len(calls) != 1:
                raise Wrong(
                    f"the values are right, but the CNN was called {len(calls)} times",
                    "Call it once, on all B·T frames: that is faster, and with batch norm it is another result.",
                )
        return "every frame's features at its place, from one call."

    return run(function, "frame_features(cnn, clips)", judge)


def check_forget_bias(function: Callable) -> CheckResult:
    """Core: ``function(steps, share)`` is the bias b for which σ(b) ** steps = share."""

    def judge(attempt: Attempt) -> str:
        for steps, share in ((20, 0.5), (60, 0.1), (5, 0.9)):
            answer = attempt(steps, share)
            if isinstance(answer, torch.Tensor) and answer.numel() == 1:
                answer = float(answer)
            if isinstance(answer, bool) or not isinstance(answer, int | float) or not math.isfinite(answer):
                raise Wrong(f"the bias is {answer!r}; it should be a finite number")
            _judge_bias(float(answer), steps, share)
        return "the cell keeps exactly the share that was asked for."

    return run(function, "forget_bias(steps, share)", judge)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _judge_bias(answer: float, steps: int, share: float) -> None:
    gate = share ** (1 / steps)
    mistakes = {
        "That is the gate itself; the bias is the number whose sigmoid it is, log(f / (1 - f)).": gate,
        "That bias leaves the share after a single step; find the gate with f ** steps = share first.": _logit(share),
        "The sign is turned round: a gate near 1 needs a positive bias, log(f / (1 - f)).": -_logit(gate),
        "log f is the inverse of the exponential; the inverse of the sigmoid is log(f / (1 - f)).": math.log(gate),
        "share / steps would be right if every step subtracted; each step multiplies, so take the root.": _logit(
            share / steps
        ),
    }
    for hint, wrong in mistakes.items():
        if math.isclose(answer, wrong, rel_tol=1e-4, abs_tol=1e-6):
            raise Wrong(f"for {steps} steps and a share of {share:g} the bias is not {answer:.4g}", hint)
    if not math.isclose(answer, _logit(gate), rel_tol=1e-3, abs_tol=1e-4):
        left = (1 / (1 + math.exp(-max(-50.0, min(50.0, answer))))) ** steps
        raise Wrong(f"with a bias of {answer:.4g}, {left:.3g} is left after {steps} steps; it should be {share:g}")
