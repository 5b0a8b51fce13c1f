"""Every notebook runs: as it is (nbval, smoke preset), with other parameters, and not with wrong ones (papermill)."""

import os
import subprocess
import sys
import time

import pytest

from course_lib import notebooks

CHAPTERS = list(notebooks.chapters().values())
NUMBERS = [chapter.number for chapter in CHAPTERS]

# The limit of the course is 20 s on two free cores; tests share theirs with others.
SMOKE_SECONDS = 90

WRONG = [
    ({"overrides": {"no_such_setting": 1}}, "no_such_setting"),
    ({"overrides": 3}, "overrides"),
    ({"preset": "big"}, "preset is 'big'"),
    ({"seed": "one"}, "seed is 'one'"),
    ({"seed": -1}, "seed is -1"),
    ({"compare": "some"}, "compare is 'some'"),
    ({"device": "abacus"}, "device is 'abacus'"),
]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NUMBERS)
def test_it_runs_and_marked_outputs_are_the_committed_ones(chapter, record_property):
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", str(chapter.path)]

    def validate():
        env = {**os.environ, "COURSE_PRESET": "smoke"}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)

    started = time.perf_counter()
    try:
        run = validate()
    except subprocess.TimeoutExpired:  # a message of the kernel was lost; a cell that fails is never tried again
        started = time.perf_counter()
        run = validate()
    seconds = time.perf_counter() - started
    record_property("seconds", round(seconds, 1))
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert seconds < SMOKE_SECONDS, f"{seconds:.0f} s"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=NUMBERS)
def test_papermill_runs_it_with_other_parameters(chapter):
    other = {"preset": "smoke", "seed": 1, "compare": "all"}
    given = {name: value for name, value in other.items() if name in chapter.parameters}
    done = notebooks.execute(chapter.path, given, progress=False, env={"COURSE_PRESET": None})
    notebook = notebooks.clean(done.notebook)
    assert notebooks.faults(notebook) == []
    injected = [cell.source for cell in done.notebook.cells if notebooks.has_tag(cell, "injected-parameters")]
    assert all(f"{name} = {value!r}".replace("'", '"') in injected[0] for name, value in given.items())
    if chapter.settings:
        assert notebooks.records(notebook), "a chapter with settings records results"


LESSONS = [chapter for chapter in CHAPTERS if chapter.settings]
# Every kernel costs seconds: one chapter refuses everything that is wrong, the others one thing each.
REFUSED = [(chapter, *wrong) for index, chapter in enumerate(LESSONS) for wrong in (WRONG[:1] if index else WRONG)]


@pytest.mark.parametrize(("chapter", "given", "complaint"), REFUSED)
def test_wrong_parameters_stop_the_run_with_a_clear_error(chapter, given, complaint):
    with pytest.raises(notebooks.CellError, match="ValueError") as stopped:
        notebooks.execute(chapter.path, given, progress=False, env={"COURSE_PRESET": None})
    assert complaint in str(stopped.value)
