"""What all exercise checks share: run a student's function safely, compare, and explain.

A check never raises because of the student's code. It calls the function on random inputs, recognises the
mistakes that are often made, and answers with a `CheckResult` that shows itself in the notebook.
"""

import copy
import html
import linecache
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

_BLUE, _RED = "#0072B2", "#D55E00"  # Okabe-Ito; a sign and a word say the same


@dataclass(frozen=True)
class CheckResult:
    """The answer of a check: whether all was right, what was found, and hints from mild to plain."""

    passed: bool
    message: str
    hints: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        lines = [f"{'✔ Right' if self.passed else '✘ Not yet'}: {self.message}"]
        return "\n".join(lines + [f"  Hint: {hint}" for hint in self.hints])

    def _repr_html_(self) -> str:
        dye, word = (_BLUE, "✔ Right") if self.passed else (_RED, "✘ Not yet")
        hints = "".join(
            f"<details><summary>Hint {number}</summary>{html.escape(hint)}</details>"
            for number, hint in enumerate(self.hints, 1)
        )
        return (
            f'<div role="status" style="border-left: 6px solid {dye}; padding: 4px 12px; margin: 4px 0">'
            f"<b>{word}.</b> {html.escape(self.message)}{hints}</div>"
        )


class Wrong(Exception):
    """Raised inside a check, never to the student: the answer is wrong, and why."""

    def __init__(self, message: str, *hints: str):
        super().__init__(message)
        self.message, self.hints = message, hints


class _TooSlow(BaseException):  # not an Exception, so that a student's ``except Exception`` does not swallow it
    pass


@contextmanager
def _limit(seconds: float):
    """Interrupt what runs longer than ``seconds``: in the main thread of Linux and macOS; elsewhere there is
    no limit.
    """
    able = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not able:
        yield
        return

    def stop(*_):
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _own_line(error: BaseException) -> str:
    """The last line of the student's own code that took part in ``error``, or nothing."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    if not frames:
        return ""
    text = linecache.getline(frames[0].filename, frames[0].lineno).strip()
    return f" (line {frames[0].lineno}{f': {text}' if text else ''})"


class Attempt:
    """A student's function, called safely: ``attempt(*arguments)`` gives its result or raises `Wrong`.

    Arguments are copied, so that a function that changes them in place cannot spoil the comparison.
    """

    def __init__(self, function: Callable, signature: str, seconds: float):
        self.function, self.signature, self.seconds = function, signature, seconds

    def __call__(self, *arguments):
        given = [_copy(argument) for argument in arguments]
        try:
            with _limit(self.seconds):
                answer = self.function(*given)
        except NotImplementedError:
            answer = None
        except _TooSlow:
            raise Wrong(
                f"{self.signature} ran for more than {self.seconds:g} s and was stopped",
                "Is there a loop that cannot end, or one over single elements that a tensor operation replaces?",
            ) from None
        except (Exception, SystemExit) as error:
            raise Wrong(f"{self.signature} raised {type(error).__name__}: {error}{_own_line(error)}") from None
        if answer is None or answer is Ellipsis:
            raise Wrong(
                f"{self.signature} gives nothing back yet",
                "Replace the three dots by your code, and end with a return statement.",
            )
        for number, (before, after) in enumerate(zip(arguments, given, strict=True), 1):
            if isinstance(before, torch.Tensor) and not torch.equal(before, after):
                raise Wrong(
                    f"{self.signature} changed its argument number {number}",
                    "The caller still needs it: work on a copy (clone), or use indexing, which makes one.",
                )
        return answer


def _copy(argument):
    if isinstance(argument, torch.Generator):
        return argument  # its state is the point: two calls with one generator go on, they do not repeat
    return copy.deepcopy(argument)


def tensor(answer, what: str, shape: tuple[int, ...], *, kind: str = "any") -> torch.Tensor:
    """``answer`` if it is a tensor of this shape and kind ("float", "integer", "any"); otherwise raises
    `Wrong`.
    """
    if not isinstance(answer, torch.Tensor):
        raise Wrong(f"{what} is of type {type(answer).__name__}; it should be a torch.Tensor")
    if tuple(answer.shape) != shape:
        raise Wrong(f"{what} has shape {tuple(answer.shape)}; it should be {shape}")
    whole = not answer.is_floating_point() and not answer.is_complex() and answer.dtype != torch.bool
    if kind == "float" and not answer.is_floating_point() or kind == "integer" and not whole:
        raise Wrong(f"{what} is {answer.dtype}; it should be {'float32' if kind == 'float' else 'int64'}")
    return answer.detach().cpu()


def same(one, two) -> bool:
    """Whether two tensors have one shape and close values, of whatever number type."""
    fits = isinstance(one, torch.Tensor) and one.shape == two.shape
    return fits and torch.allclose(one.detach().cpu().double(), two.double(), atol=1e-5)


def as_scalar(answer):
    """A number, or a tensor of one value, as a tensor without dimensions; all else stays, for `compare` to judge."""
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return torch.tensor(answer)
    one = isinstance(answer, torch.Tensor) and answer.numel() == 1
    return answer.reshape(()) if one else answer


def compare(answer, expected: torch.Tensor, what: str, mistakes: Mapping[str, torch.Tensor] | None = None) -> None:
    """Raise `Wrong` unless ``answer`` has the expected values; with a hint when it is one of the known
    mistakes.

    mistakes: hint → what that mistake gives instead. They are tried before the shape is looked at.
    """
    for hint, wrong in (mistakes or {}).items():
        if same(answer, wrong) and not same(wrong, expected):
            raise Wrong(f"{what} is not what it should be, but close to it", hint)
    answer = tensor(answer, what, tuple(expected.shape))
    if not same(answer, expected):
        off = ~torch.isclose(answer.double(), expected.double(), atol=1e-5)
        first = tuple(off.nonzero()[0].tolist())
        raise Wrong(
            f"{what} differs in {int(off.sum())} of {off.numel()} values; the first is at {list(first)}: "
            f"{answer[first].item():.4g} instead of {expected[first].item():.4g}"
        )


def run(function: Callable, signature: str, judge: Callable[[Attempt], str], *, seconds: float = 10.0) -> CheckResult:
    """Run a check. judge: calls the attempt, raises `Wrong`, or returns praise. seconds: limit for one call."""
    if not callable(function):
        got = type(function).__name__
        return CheckResult(False, f"the check takes the function itself, {signature}; it got a {got}", ())
    try:
        return CheckResult(True, judge(Attempt(function, signature, seconds)))
    except Wrong as wrong:
        return CheckResult(False, wrong.message, wrong.hints)
