"""Every exercise: a right answer passes, the stub fails politely, and each typical mistake gets a hint of its own."""

import signal

import pytest
import torch

from course_lib.exercises import ch00, ch21
from course_lib.exercises.core import CheckResult, Wrong, run, tensor


# --- right answers ---------------------------------------------------------------------------------------------
def clip_shape(video):
    return (video.float() / 255).permute(0, 3, 1, 2)[None]


def pairs(one, two):
    return torch.stack([one, two], 1).flatten(0, 1)


def interleave(clips, permutations):
    shuffled = clips[torch.arange(len(clips))[:, None], permutations]
    return pairs(clips, shuffled), torch.arange(1, 2 * len(clips) + 1) % 2


def permutations(n, length, generator):
    orders = torch.rand(n, length, generator=generator).argsort(1)
    while (real := (orders == torch.arange(length)).all(1)).any():
        orders[real] = torch.rand(int(real.sum()), length, generator=generator).argsort(1)
    return orders


def hamming_set(candidates, count, score="least", pick="far"):
    chosen = [0]
    while len(chosen) < count:
        apart = (candidates[:, None] != candidates[chosen][None]).sum(2).float()
        value = {"least": apart.amin(1), "mean": apart.mean(1), "last": apart[:, -1]}[score]
        value = value if pick == "far" else -value
        value[chosen] = -torch.inf
        chosen.append(int(value.argmax()))
    return candidates[chosen]


# --- typical mistakes -------------------------------------------------------------------------------------------
def interleave_with(batch=None, labels=None):
    """The right answer with another batch or other labels."""

    def function(clips, orders):
        shuffled = clips[torch.arange(len(clips))[:, None], orders]
        right = interleave(clips, orders)
        return batch(clips, shuffled, orders) if batch else right[0], labels(len(clips)) if labels else right[1]

    return function


def permutations_with(change):
    """The right answer, changed by ``change(orders, n, length, generator)``."""
    return lambda n, length, generator: change(permutations(n, length, generator), n, length, generator)


def swap_the_identity(n, length, generator):
    orders = torch.rand(n, length, generator=generator).argsort(1)
    real = (orders == torch.arange(length)).all(1)
    orders[real] = torch.tensor([1, 0, *range(2, length)])
    return orders


def rotations(orders, n, length, generator):
    turns = torch.randint(1, length, (n,), generator=generator)
    return (torch.arange(length) + turns[:, None]) % length


def changed_in_place(video):
    video[:] = 0
    return clip_shape(video)


MISTAKES = [
    (ch00.check_clip_shape, lambda v: v.float().permute(0, 3, 1, 2)[None], "divide by 255"),
    (ch00.check_clip_shape, lambda v: clip_shape(v)[0], "batch axis is missing"),
    (
        ch00.check_clip_shape,
        lambda v: (v / 255).reshape(1, len(v), 3, v.shape[1], v.shape[2]),
        "only cut them differently",
    ),
    (ch00.check_clip_shape, lambda v: clip_shape(v).transpose(1, 2), "Time and channels"),
    (ch00.check_clip_shape, lambda v: clip_shape(v).transpose(3, 4), "Height and width"),
    (ch00.check_clip_shape, lambda v: (v / 255)[None], "still last"),
    (ch00.check_clip_shape, lambda v: v.permute(0, 3, 1, 2)[None], "video.float()"),
    (ch00.check_clip_shape, changed_in_place, "work on a copy"),
    (
        ch21.check_interleave,
        interleave_with(lambda c, s, o: torch.cat([c, s])),
        "two blocks; they should alternate: x1",
    ),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(s, c)), "the real one should"),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(c, c[:, o[0]])), "clip i has its own"),
    (
        ch21.check_interleave,
        interleave_with(lambda c, s, o: pairs(c, c[torch.arange(len(c))[:, None], o.argsort(1)])),
        "inverse permutation",
    ),
    (ch21.check_interleave, interleave_with(lambda c, s, o: pairs(c, c.roll(1, 0))), "along the batch axis"),
    (ch21.check_interleave, interleave_with(lambda c, s, o: torch.cat([c, c])), "along the batch axis"),
    (ch21.check_interleave, interleave_with(labels=lambda n: torch.arange(2 * n) % 2), "k is counted from 1"),
    (
        ch21.check_interleave,
        interleave_with(labels=lambda n: torch.tensor([1] * n + [0] * n)),
        "as the clips do",
    ),
    (ch21.check_interleave, lambda c, o: interleave(c, o)[0], "return batch, labels"),
    (ch21.check_permutations, lambda n, t, g: torch.rand(n, t, generator=g).argsort(1), "draw those again"),
    (ch21.check_permutations, permutations_with(lambda o, n, t, g: o[:1].repeat(n, 1)), "once for each row"),
    (
        ch21.check_permutations,
        lambda n, t, g: permutations(n, t, torch.default_generator),
        "global generator",
    ),
    (
        ch21.check_permutations,
        lambda n, t, g: permutations(n, t, torch.Generator().manual_seed(0)),
        "seeded again",
    ),
    (ch21.check_permutations, swap_the_identity, "first two frames swapped"),
    (ch21.check_permutations, permutations_with(rotations), "too few"),
    (ch21.check_permutations, lambda n, t, g: torch.randint(t, (n, t), generator=g), "torch.randperm"),
    (ch21.check_hamming_set, lambda c, n: c[:n], "A random subset"),
    (
        ch21.check_hamming_set,
        lambda c, n: c[torch.randperm(len(c), generator=torch.Generator().manual_seed(0))[:n]],
        "A random subset",
    ),
    (ch21.check_hamming_set, lambda c, n: c[[0, 1] * (n // 2) + [0] * (n % 2)], "distance 0 to itself"),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "mean", "near"), "argmax, not argmin"),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "last"), "last one chosen"),
    (ch21.check_hamming_set, lambda c, n: torch.arange(n), "candidates[numbers]"),
    (
        ch21.check_hamming_set,
        lambda c, n: torch.zeros(n, c.shape[1], dtype=torch.int64),
        "do not make new ones",
    ),
]
CHECKS = [ch00.check_clip_shape, ch21.check_interleave, ch21.check_permutations, ch21.check_hamming_set]
RIGHT = [
    (ch00.check_clip_shape, clip_shape),
    (ch21.check_interleave, interleave),
    (ch21.check_interleave, lambda c, o: [interleave(c, o)[0], interleave(c, o)[1].float()]),
    (ch21.check_permutations, permutations),
    (ch21.check_hamming_set, hamming_set),
    (ch21.check_hamming_set, lambda c, n: hamming_set(c, n, "mean")),
]


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
