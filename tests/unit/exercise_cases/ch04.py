"""Answers to the exercises of chapter 04."""

import math

import torch

from course_lib.exercises import ch04


def step(order=(0, 1, 2, 3), squash=torch.tanh, gate=torch.sigmoid, carry=1.0, shown=torch.tanh):
    def function(x, h, c, w_x, w_h, bias):
        parts = (x @ w_x.T + h @ w_h.T + bias).chunk(4, dim=1)
        i, f, g, o = (parts[k] for k in order)
        c = gate(f) * c * carry + gate(i) * squash(g)
        return gate(o) * shown(c), c

    return function


def by_library(x, h, c, w_x, w_h, bias):
    cell = torch.nn.utils.skip_init(torch.nn.LSTMCell, x.shape[1], h.shape[1])  # draws nothing at random
    with torch.no_grad():
        for weight, value in zip(cell.parameters(), (w_x, w_h, bias, 0 * bias), strict=True):
            weight.copy_(value)
    return cell(x, (h, c))


def total(gradients):
    return sum((g**2).sum() for g in gradients).sqrt()


def clip(gradients, limit):
    norm = total(gradients)
    factor = min(1.0, limit / float(norm)) if norm > 0 else 1.0
    return [g * factor for g in gradients]


def clip_in_torch(gradients, limit):
    copies = [torch.nn.Parameter(g.clone()) for g in gradients]
    for copy, g in zip(copies, gradients, strict=True):
        copy.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(copies, limit)
    return [copy.grad for copy in copies]


def clip_with(factor_of):
    """All tensors times ``factor_of(gradients, limit, this tensor)``."""
    return lambda gradients, limit: [g * factor_of(gradients, limit, g) for g in gradients]


def fold(cnn, clips):
    return cnn(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def turned(cnn, clips):
    return cnn(clips.flatten(0, 1)).unflatten(0, clips.shape[:2][::-1])


def logit(p):
    return math.log(p / (1 - p))


RIGHT = [
    (ch04.check_lstm_step, step()),
    (ch04.check_lstm_step, by_library),
    (ch04.check_clip, clip),
    (ch04.check_clip, clip_in_torch),
    (ch04.check_frame_features, fold),
    (ch04.check_frame_features, lambda cnn, clips: cnn(clips.reshape(-1, *clips.shape[2:])).view(*clips.shape[:2], -1)),
    (ch04.check_forget_bias, lambda steps, share: logit(share ** (1 / steps))),
    (ch04.check_forget_bias, lambda steps, share: torch.logit(torch.tensor(share).double() ** (1 / steps))),
]
MISTAKES = [
    (ch04.check_lstm_step, step((0, 1, 3, 2)), "the last two are exchanged"),
    (ch04.check_lstm_step, step((1, 0, 2, 3)), "the first two are exchanged"),
    (ch04.check_lstm_step, step(squash=torch.sigmoid), "it takes tanh"),
    (ch04.check_lstm_step, step(squash=torch.sigmoid, gate=torch.tanh), "take the sigmoid"),
    (ch04.check_lstm_step, step(carry=0.0), "not carried on"),
    (ch04.check_lstm_step, step(shown=lambda c: c), "not c itself"),
    (ch04.check_lstm_step, lambda *given: step()(*given)[::-1], "are exchanged: return h, c"),
    (ch04.check_lstm_step, lambda *given: step()(*given)[0], "Return two tensors"),
    (ch04.check_clip, clip_with(lambda gs, limit, g: limit / max(float(total(gs)), 1e-9)), "never larger than 1"),
    (ch04.check_clip, clip_with(lambda gs, limit, g: min(1, limit / max(float(g.norm()), 1e-9))), "all share one norm"),
    (ch04.check_clip, lambda gs, limit: [g.clamp(-limit, limit) for g in gs], "cut one by one"),
    (
        ch04.check_clip,
        clip_with(lambda gs, limit, g: min(1, limit / max(float(sum(each.norm() for each in gs)), 1e-9))),
        "were added",
    ),
    (ch04.check_clip, clip_with(lambda gs, limit, g: min(1, limit / max(float(total(gs)) ** 2, 1e-9))), "is missing"),
    (ch04.check_clip, lambda gs, limit: list(gs), "Nothing was scaled"),
    (
        ch04.check_clip,
        clip_with(lambda gs, limit, g: (limit / total(gs)).clamp(max=1) + 0 / total(gs)),
        "do not divide",
    ),
    (ch04.check_clip, lambda gs, limit: clip(gs, limit)[0], "a tensor for each"),
    (ch04.check_frame_features, lambda cnn, clips: cnn(clips.flatten(0, 1)), "part the first axis again"),
    (ch04.check_frame_features, turned, "not (T, B)"),
    (ch04.check_frame_features, lambda cnn, clips: fold(cnn, clips).transpose(0, 1), "Time stands first"),
    (
        ch04.check_frame_features,
        lambda cnn, clips: cnn(clips.transpose(0, 1).flatten(0, 1)).unflatten(0, clips.shape[:2]),
        "parted clip first",
    ),
    (ch04.check_frame_features, lambda cnn, clips: fold(cnn, clips).mean(1), "averaged over time"),
    (
        ch04.check_frame_features,
        lambda cnn, clips: torch.stack([cnn(frame) for frame in clips.unbind(1)], 1),
        "Call it once",
    ),
    (ch04.check_forget_bias, lambda steps, share: share ** (1 / steps), "the gate itself"),
    (ch04.check_forget_bias, lambda steps, share: logit(share), "a single step"),
    (ch04.check_forget_bias, lambda steps, share: -logit(share ** (1 / steps)), "turned round"),
    (ch04.check_forget_bias, lambda steps, share: math.log(share) / steps, "inverse of the exponential"),
    (ch04.check_forget_bias, lambda steps, share: logit(share / steps), "each step multiplies"),
]
