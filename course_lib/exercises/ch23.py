"""Checks for the exercises of chapter 23, temporal transformations (seed 001, chapter 5)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..transforms import periodic_index, speed_index, turn_range
from .core import Attempt, CheckResult, Wrong, compare, run


def check_speed(function: Callable) -> CheckResult:
    """Warm-up: ``function(kappa) -> (B, 16)``, the frames that speed ``kappa`` (int64, (B,)) shows, from 0 on."""

    def judge(attempt: Attempt) -> str:
        for kappa in (torch.tensor([0, 1, 2, 3]), torch.tensor([3, 0, 2]), torch.tensor([2])):
            place = torch.arange(16)
            right = speed_index(kappa)
            mistakes = {
                "The step is kappa, or kappa + 1; it should be 2 to the power of kappa.": place * kappa[:, None],
                "The step is kappa + 1; it should be 2 to the power of kappa.": place * (kappa[:, None] + 1),
                "The step is 2 kappa; it should be 2 to the power of kappa.": place * 2 * kappa[:, None],
                "That is the number of skipped frames, 2^kappa - 1; the step to the next frame is one more.": place
                * ((1 << kappa[:, None]) - 1),
                "Time runs down the columns; a row is a clip: (B, 16).": right.T,
                "The clip begins at its second frame; it should begin at 0.": right + (1 << kappa[:, None]),
            }
            compare(attempt(kappa), right, f"the frames for kappa = {kappa.tolist()}", mistakes)
        return "every 2^kappa-th frame, for a whole batch at once"

    return run(function, "speed(kappa)", judge)


def check_periodic(function: Callable) -> CheckResult:
    """Core: ``function(s, kappa) -> list`` of 16 frames, forth to the turning point ``s`` and back (001 §5.2.1, τ = 2).

    s, kappa: Python integers. The smallest frame is 0 or more, as the formula's ρ makes it.
    """

    def judge(attempt: Attempt) -> str:
        for kappa in range(4):
            first, last = turn_range(kappa)
            for s in sorted({first, first + 1, (first + last) // 2, last}):
                answer = attempt(s, kappa)
                if isinstance(answer, torch.Tensor):
                    answer = answer.tolist()
                if not isinstance(answer, list | tuple) or len(answer) != 16:
                    size = len(answer) if isinstance(answer, list | tuple) else type(answer).__name__
                    raise Wrong(
                        f"for s = {s}, kappa = {kappa} the answer is {size}; it should be 16 numbers",
                        "s̄ + 1 frames on the way out (0 … s̄), and 15 - s̄ on the way back.",
                    )
                _judge_turn([int(number) for number in answer], s, kappa)
        return "forth and back at every speed, and never before the first frame"

    return run(function, "periodic(s, kappa)", judge)


def _judge_turn(answer: list[int], s: int, kappa: int) -> None:
    step = 2**kappa
    whole, rest = divmod(s, step)
    right = periodic_index(torch.tensor([s]), torch.tensor([kappa]))[0].tolist()
    if answer == right:
        return
    out, back = range(whole + 1), range(whole - 1, 2 * whole - 16, -1)
    plain = [i * step for i in out] + [i * step for i in back]
    shift = max(0, -min(plain))
    named = {
        "The turn is right, but some frames are before the start: add rho = max(0, (15 - 2s̄)·2^kappa - δ).": [
            number - min(0, right[0]) - max(0, (15 - 2 * whole) * step - rest) for number in right
        ],
        "δ is missing on the way back: those frames are (s̄ - 1)·2^kappa + δ, and so on.": [n + shift for n in plain],
        "The way back lacks the + δ, though rho has its - δ.": [
            n + max(0, (15 - 2 * whole) * step - rest) for n in plain
        ],
        "The frame at the turn is shown twice; the way back begins at s̄ - 1.": None,
    }
    twice = [i * step for i in out] + [i * step + rest for i in range(whole, 2 * whole - 15, -1)]
    named["The frame at the turn is shown twice; the way back begins at s̄ - 1."] = [
        number + max(0, -min(twice)) for number in twice
    ]
    hint = next((told for told, wrong in named.items() if wrong == answer), "")
    if not hint and min(answer) < 0:
        hint = "Some frames are before the start of the video: add rho."
    raise Wrong(
        f"for s = {s}, kappa = {kappa} the answer is {answer}; it should be {right}",
        hint or "Print s̄ = s // 2**kappa and δ = s % 2**kappa, and write the 16 terms of the formula down by hand.",
    )


def check_loss(function: Callable) -> CheckResult:
    """Core: ``function(motion_logits, speed_logits, motion, speed) -> scalar``, Eq. 5.1 of seed 001.

    motion_logits (N, K), speed_logits (N, 4); motion int64 (N,); speed int64 (N,), −1 for clips that are not asked.
    Clips of one video follow each other, N = videos · K, so the first expectation is K times a mean over the N clips.
    """

    def judge(attempt: Attempt) -> str:
        generator = torch.Generator().manual_seed(0)
        for videos, kinds in ((5, 4), (3, 2), (4, 3)):
            motion = torch.arange(kinds).repeat(videos)
            kappa = torch.randint(4, (videos * kinds,), generator=generator)
            speed = torch.where(motion == 0, kappa, -1)
            first, second = (3 * torch.randn(videos * kinds, n, generator=generator) for n in (kinds, 4))
            answer = attempt(first, second, motion, speed)
            asked = speed >= 0
            one, two = F.cross_entropy(first, motion), F.cross_entropy(second[asked], speed[asked])
            everyone = F.cross_entropy(second, speed.clamp(min=0))
            mistakes = {
                "Clips that were not at constant speed count as well; only those with speed >= 0 are asked.": kinds
                * one
                + everyone,
                "The speed term is missing.": kinds * one,
                "The motion term is a mean over all clips; in Eq. 5.1 the K transformations of a video are summed.": one
                + two,
                "The speed term is divided by all clips; its expectation is over those that are asked.": kinds * one
                + two * asked.float().mean(),
                "The sign is turned round: the loss is minus the log-probability.": -(kinds * one + two),
            }
            compare(answer, kinds * one + two, f"the loss of {videos} videos, {kinds} transformations", mistakes)
        return "two heads, and each asks only those clips that have an answer"

    return run(function, "loss(motion_logits, speed_logits, motion, speed)", judge)
