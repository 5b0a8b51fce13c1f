"""Every exercise: a right answer passes, the stub fails politely, and each typical mistake gets a hint of its own."""

import signal
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import exercise_cases
import pytest
import torch
from exercise_cases.ch21 import interleave, pairs

from course_lib import exercises
from course_lib.exercises import ch00, ch21
from course_lib.exercises.core import CheckResult, Wrong, as_scalar, compare, run, tensor

CHAPTERS = [import_module(f"exercise_cases.{found.name}") for found in iter_modules(exercise_cases.__path__)]
RIGHT = [case for chapter in CHAPTERS for case in chapter.RIGHT]
MISTAKES = [case for chapter in CHAPTERS for case in chapter.MISTAKES]
CHECKS = list(dict.fromkeys(check for check, _ in RIGHT))


def test_every_check_of_a_chapter_has_a_right_answer_and_two_mistakes():
    for path in Path(exercises.__path__[0]).glob("ch*.py"):
        module = import_module(f"course_lib.exercises.{path.stem}")
        for name in (name for name in vars(module) if name.startswith("check_")):
            check = getattr(module, name)
            assert check in CHECKS, f"{path.stem}.{name} has no right answer in exercise_cases"
            hints = {hint for found, _, hint in MISTAKES if found is check}
            assert len(hints) >= 2, f"{path.stem}.{name} has fewer than two typical mistakes with hints of their own"


@pytest.mark.parametrize(("check", "function"), RIGHT)
def test_right_answer_passes(check, function):
    result = check(function)
    assert result.passed, result
    assert "✔ Right" in repr(result)
    assert "✔ Right" in result._repr_html_()


@pytest.mark.parametrize(("check", "function", "hint"), MISTAKES)
def test_typical_mistake_gets_its_own_hint(check, function, hint):
    result = check(function)
    assert not result.passed
    assert hint in " ".join(result.hints), result
    others = {text for c, _, text in MISTAKES if c is check} - {hint}
    assert not [text for text in others if text in " ".join(result.hints)], result


def test_some_right_permutations_drawn_row_by_row_pass():
    def by_row(n, length, generator):
        rows = []
        while len(rows) < n:
            order = torch.randperm(length, generator=generator)
            if order.tolist() != list(range(length)):
                rows.append(order)
        return torch.stack(rows)

    assert ch21.check_permutations(by_row).passed


def stub(*arguments): ...


def three_dots(*arguments):
    return ...


def not_implemented(*arguments):
    raise NotImplementedError("Exercise")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("function", [stub, three_dots, not_implemented])
def test_stub_fails_politely(check, function):
    result = check(function)
    assert not result.passed
    assert "nothing back yet" in result.message


def leaves(*arguments):
    raise SystemExit(1)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "answer",
    [
        "text",
        3,
        [],
        (None, None),
        {"a": 1},
        torch.zeros(()),
        torch.full((2, 3), torch.nan),
        torch.zeros(0),
        object(),
        True,
    ],
    ids=lambda value: value.__name__ if callable(value) else "object" if type(value) is object else repr(value),
)
def test_any_answer_is_judged_never_raised(check, answer):
    assert not check(lambda *arguments: answer).passed
    assert not check(lambda *arguments: (answer, answer)).passed


@pytest.mark.parametrize("check", CHECKS)
def test_errors_of_the_student_are_told_never_raised(check):
    assert "ZeroDivisionError" in check(lambda *arguments: 1 / 0).message
    assert "SystemExit" in check(leaves).message
    assert "TypeError" in check(lambda: None).message  # wrong number of arguments
    assert "takes the function itself" in check(torch.zeros(3)).message


def test_error_message_points_to_the_students_line():
    def function(video):
        return video.no_such_method()

    assert "video.no_such_method()" in ch00.check_clip_shape(function).message


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timer on this system")
def test_endless_loop_is_stopped_even_where_it_catches_everything():
    def endless(x):
        while True:
            try:
                x += 1
            except Exception:
                continue

    result = run(endless, "endless(x)", lambda attempt: attempt(1), seconds=0.2)
    assert not result.passed
    assert "stopped" in result.message
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_checks_work_outside_the_main_thread_too():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ch21.check_interleave, interleave).result().passed
        assert not pool.submit(ch21.check_interleave, stub).result().passed


def test_checks_leave_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for check, function in RIGHT:
        check(function)
    assert torch.equal(before, torch.get_rng_state())


def test_result_escapes_what_the_student_wrote_and_is_true_only_when_passed():
    result = CheckResult(False, "<b>bad</b>", ("<i>",))
    assert "<b>bad" not in result._repr_html_()
    assert "<i>" not in result._repr_html_()
    assert not result
    assert CheckResult(True, "fine")


def test_a_number_may_be_a_float_or_a_tensor_of_one_value():
    for answer in (0.5, torch.tensor(0.5), torch.tensor([[0.5]])):
        compare(as_scalar(answer), torch.tensor(0.5), "the share")
    for answer in (True, "0.5", torch.zeros(2), 0.4):
        with pytest.raises(Wrong):
            compare(as_scalar(answer), torch.tensor(0.5), "the share")


def test_tensor_names_the_kind_it_takes():
    with pytest.raises(Wrong, match="should be int64"):
        tensor(torch.zeros(2), "the order", (2,), kind="integer")
    with pytest.raises(Wrong, match="should be float32"):
        tensor(torch.zeros(2, dtype=torch.bool), "the clip", (2,), kind="float")


def test_what_the_checks_ask_for_is_what_the_library_does():
    from course_lib.transforms.permutations import permute, random_permutations

    def interleave_with_the_library(clips, orders):
        return pairs(clips, permute(clips, orders)), torch.tensor([1, 0] * len(clips))

    assert ch21.check_permutations(random_permutations).passed
    assert ch21.check_interleave(interleave_with_the_library).passed
