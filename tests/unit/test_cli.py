"""The command `course`, on a toy course: what it refuses, what it writes, and that nothing half-written stays."""

import json
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from course_lib import notebooks, records
from course_lib.cli import app
from course_lib.cli.sweep import draw, values_of

PARAMETERS = "preset = 'laptop'\nseed = 0\ncompare = 'core'\ndataset = 'toy'\nrate = 0.5\noverrides = {}"
WORK = """\
import os, pathlib
from IPython.display import display
def record(name, value):
    mime = "application/vnd.course.record+json"
    display({mime: {"name": name, "value": value}, "text/plain": name}, raw=True)
steps = overrides.get("steps", 100)
if steps == 13:
    raise RuntimeError("thirteen steps")
record("score", {"ours": seed + rate, "random": 0.25})
record("preset", os.environ.get("COURSE_PRESET", "") or preset)
record("claim:T1", {"ours": seed + rate, "random": 0.25})
print("steps", steps)
"""


def notebook_of(*cells):
    notebook = new_notebook(cells=list(cells))
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return notebook


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    monkeypatch.delenv("COURSE_PRESET", raising=False)
    presets = tmp_path / "course_lib" / "presets"
    presets.mkdir(parents=True)
    (presets / "21.toml").write_text("[laptop]\nsteps = 100\nlr = 0.1\n[smoke]\nsteps = 1\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "claims.toml").write_text(
        '[[claim]]\nid="T1"\nchapter="21"\nsource="toy"\nstatement="It learns."\nrelation="ours > random"\n'
    )
    notebooks.write(
        notebook_of(
            new_markdown_cell("# A toy chapter"),
            new_markdown_cell("not measured", metadata={"tags": ["budget"]}),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            new_code_cell(WORK),
            new_code_cell("1 + 1"),
            new_markdown_cell("<details>the answer</details>", metadata={"tags": ["solution"]}),
            new_code_cell("answer = 42", metadata={"tags": ["solution"]}),
        ),
        tmp_path / "notebooks" / "1_toys" / "21_toy.ipynb",
    )
    return tmp_path


def course_command(*arguments, status=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def files(course):
    return sorted(str(p.relative_to(course)) for p in course.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "99"], "chapter is '99'; allowed: 21"),
        (
            ["run", "21", "-p", "sead", "1"],
            "parameter 'sead' is not one of chapter 21. Allowed parameters: preset",
        ),
        (["run", "21", "-p", "stebs", "1"], "settings: steps, lr"),
        (["run", "21", "--preset", "smok"], "Did you mean 'smoke'?"),
        (["run", "21", "--compare", "most"], "allowed: core, all"),
        (["run", "21", "-p", "seed", "one"], "seed is 'one' (str); it takes int, such as 0"),
        (["run", "21", "-p", "seed", "1.5"], "seed is 1.5 (float); it takes int"),
        (["run", "21", "-p", "seed", "-1"], "it takes an integer >= 0"),
        (["run", "21", "-p", "seed", "true"], "seed is True (bool)"),
        (["run", "21", "-p", "rate", "fast"], "rate is 'fast' (str); it takes float, such as 0.5"),
        (["run", "21", "-p", "steps", "1.5"], "steps is 1.5 (float); it takes int, such as 100"),
        (["run", "21", "-p", "overrides", "{'widht': 1}"], "overrides has 'widht'"),
        (["run", "21", "-p", "overrides", "5"], "overrides is 5"),
        (["run", "21", "-p", "seed"], "-p seed has no value"),
        (["run", "21", "-p", "seed", "1", "-p", "seed", "2"], "given twice"),
        (["run", "21", "99"], "chapter is '99'"),
        (["sweep", "21", "-p", "seed", "4..0"], "runs backwards"),
        (["sweep", "21", "-p", "seed", "3"], "several values"),
        (["sweep", "21", "-p", "seed", "0,x"], "seed is 'x'"),
        (["sweep", "21", "-p", "seed", "0..1", "--workers", "0"], "workers is 0"),
        (["claims", "run", "99"], "chapter is '99'"),
        (["claims", "run", "21", "--seeds", "0"], "seeds is 0"),
        (["claims", "run", "21", "--preset", "big"], "preset is 'big'"),
        (["render"], "render takes chapters, or --stale"),
        (["handout", "99", "--out", "somewhere"], "chapter is '99'"),
        (["budget", "99"], "chapter is '99'"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(course, arguments, complaint):
    before = files(course)
    output = course_command(*arguments, status=2)
    assert complaint in output
    assert files(course) == before


def test_outside_of_a_course_it_says_so(course, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path / "nowhere"))
    assert "holds no notebooks/claims.toml" in course_command("list", status=2)


def test_run_keeps_the_executed_notebook_and_prints_its_results(course):
    source = (course / "notebooks" / "1_toys" / "21_toy.ipynb").read_bytes()
    output = course_command("run", "21", "--preset", "smoke", "-p", "seed", "3", "-p", "rate", "1", "-p", "steps", "7")
    assert "score.ours" in output
    assert "4" in output
    assert "holds in this run" in output
    (path,) = (course / "runs").glob("*.ipynb")
    assert path.stem == "21_toy-seed_3-rate_1.0-preset_smoke-steps_7"
    assert str(path) in output
    done = notebooks.read(path)
    assert notebooks.records(done)["score"] == {"ours": 4.0, "random": 0.25}
    assert any("steps 7" in o.get("text", "") for cell in done.cells for o in cell.get("outputs", []))
    assert "A toy chapter" in path.with_suffix(".html").read_text(encoding="utf-8")
    assert (course / "notebooks" / "1_toys" / "21_toy.ipynb").read_bytes() == source


def test_a_failing_cell_is_shown_and_nothing_is_written(course):
    before = files(course)
    output = course_command("run", "21", "-p", "steps", "13", status=2)
    assert "RuntimeError: thirteen steps" in output
    assert files(course) == before


def slow_chapter(course):
    """Adds chapter 22, which writes the number of its kernel's process into the file returned and sleeps a minute."""
    started = course / "started"
    path = course / "notebooks" / "1_toys" / "22_slow.ipynb"
    cell = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebooks.write(notebook_of(new_markdown_cell("# Slow"), parameters, new_code_cell(cell)), path)
    return started


def ends(process_id, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(process_id) or psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
def test_ctrl_c_leaves_no_half_written_output(course):
    started = slow_chapter(course)
    command = [sys.executable, "-c", "from course_lib.cli import main; main()", "run", "22", "--no-html"]
    before = files(course)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (started.exists() and started.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; nothing half-written is left" in message
    kernel = int(started.read_text())
    started.unlink()
    assert files(course) == before
    assert ends(kernel), "the kernel outlived the command"


def test_workers_and_their_kernels_end_with_a_killed_command(course):
    started = slow_chapter(course)
    command = [sys.executable, "-c", "from course_lib.cli import main; main()"]
    command += ["claims", "run", "22", "--seeds", "2", "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (started.exists() and started.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    assert int(started.read_text()) in [child.pid for child in family]
    process.kill()
    process.wait()
    assert all(ends(child.pid) for child in family)


def test_sweep_gives_one_table_and_one_figure(course):
    import pandas as pd

    output = course_command("sweep", "21", "-p", "seed", "0..1", "-p", "steps", "5,13", "--workers", "2", status=2)
    assert "2 of 4 runs failed" in output
    assert "thirteen steps" in output
    folder = course / "runs" / "sweep-21-seed-steps"
    frame = pd.read_csv(folder / "table.csv")
    assert frame[["seed", "steps", "score.ours"]].to_numpy().tolist() == [[0, 5, 0.5], [1, 5, 1.5]]
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(folder.glob("*.ipynb"))) == 2
    assert [p.name for p in (course / "runs").iterdir()] == [folder.name]  # no scratch left


def test_values_of_a_sweep():
    assert values_of("0..3") == [0, 1, 2, 3]
    assert values_of("1,2.5,x") == [1, 2.5, "x"]
    assert values_of("7") == [7]
    assert values_of("{'a': 1}") == [{"a": 1}]


def test_the_figure_of_a_sweep_has_a_panel_per_result_and_tells_groups_apart():
    import pandas as pd

    frame = pd.DataFrame({"seed": [0, 1, 0, 1], "steps": [1, 1, 9, 9], "auc.ours": 0.2, "auc.random": 0.1, "loss": 1.0})
    figure = draw(frame, ["seed", "steps"], "Toy")
    first, second = figure.axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("auc", "loss")
    labels = [text.get_text() for text in first.get_legend().get_texts()]
    assert labels == ["ours, steps 1", "ours, steps 9", "random, steps 1", "random, steps 9"]
    assert [text.get_text() for text in second.get_legend().get_texts()] == ["steps 1", "steps 9"]
    (only,) = draw(frame[["seed", "loss"]], ["seed"], "Toy").axes
    assert only.get_legend() is None


def test_render_stores_the_code_hash_the_budget_and_clean_counts(course):
    path = course / "notebooks" / "1_toys" / "21_toy.ipynb"
    assert "stale" in course_command("list")
    course_command("render", "21")
    rendered = notebooks.read(path)
    nbformat.validate(rendered)
    assert notebooks.faults(rendered) == []
    assert [cell.execution_count for cell in notebooks.code_cells(rendered)] == [1, 2, 3, 4]
    assert rendered.metadata.course.preset == "laptop"
    assert set(rendered.metadata) == {"kernelspec", "language_info", "course"}
    assert "on " in rendered.cells[1].source
    assert "CPU cores" in rendered.cells[1].source
    cost = json.loads((course / "notebooks" / "records" / "budget.json").read_text())["21"]["laptop"]
    assert cost["seconds"] > 0
    assert cost["peak_mb"] > 20
    assert "up to date" in course_command("list")
    assert "nothing to do" in course_command("render", "--stale")
    rendered.cells[4].source = "2 + 2"
    notebooks.write(rendered, path)
    assert "stale" in course_command("list")


def test_render_refuses_what_must_not_be_committed(course):
    path = course / "notebooks" / "1_toys" / "23_bad.ipynb"
    cell = "import warnings\nwarnings.warn('old')\nprint('/home/someone/file')"
    notebooks.write(notebook_of(new_markdown_cell("# Bad"), new_code_cell(cell)), path)
    before = path.read_bytes()
    output = course_command("render", "23", status=2)
    assert "warns" in output
    assert "path of the machine" in output
    assert path.read_bytes() == before


def test_handout_withholds_the_solutions(course):
    course_command("handout", "21", "--out", course / "class")
    text = (course / "class" / "21_toy.ipynb").read_text()
    assert "answer" not in text
    assert text.count("withheld in this copy") == 2
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_claims_are_recorded_once_per_seed_and_reported(course):
    course_command("claims", "run", "21", "--seeds", "2", "--preset", "smoke", "-p", "rate", "2")
    lines = records.read("21")
    assert sorted(line["seed"] for line in lines) == [1, 2]  # settings are chosen on seed 0
    line = lines[0]
    assert line["claims"]["T1"] == {"ours": line["seed"] + 2, "random": 0.25}
    assert (line["preset"], line["compare"], line["dataset"]) == ("smoke", "all", "toy")
    assert line["results"]["preset"] == "smoke"
    assert line["seconds"] > 0
    assert line["machine"]["cores"] >= 1
    assert "torch" in line["versions"]
    output = course_command("claims", "run", "21", "--seeds", "2", "--preset", "smoke", "-p", "rate", "2")
    assert "2 of 2 seeds are recorded already" in output
    assert len(records.read("21")) == 2
    assert "reproduced" in course_command("claims", "report", "--preset", "smoke")
    report = (course / "notebooks" / "records" / "report.md").read_text(encoding="utf-8")
    assert "**reproduced**" in report
    assert "`ours > random`" in report
    assert "has changed" not in report
    assert "too few runs" in course_command("claims", "report")
    (course / "course_lib" / "presets" / "21.toml").write_text("[laptop]\nsteps = 200\nlr = 0.1\n")
    assert "its code has changed since" in course_command("claims", "report", "--preset", "smoke")


def test_budget_measures_and_compares_with_the_limits(course):
    output = course_command("budget", "21")
    assert output.count("within") == 2
    assert set(json.loads((course / "notebooks" / "records" / "budget.json").read_text())["21"]) == {"smoke", "laptop"}


def test_budget_measures_one_preset_when_asked(course):
    course_command("budget", "21", "--only", "smoke")
    assert set(json.loads((course / "notebooks" / "records" / "budget.json").read_text())["21"]) == {"smoke"}


def test_doctor_recommends_a_preset(course):
    output = course_command("doctor")
    assert "torch" in output
    assert "Recommended: --preset" in output


def test_cleaning_numbers_the_widgets_that_are_shown_and_drops_the_others():
    def view(model):
        data = {notebooks.VIEW_MIME: {"model_id": model, "version_major": 2, "version_minor": 0}}
        return nbformat.v4.new_output("display_data", data)

    def model(**state):
        return {"model_name": "M", "model_module": "m", "model_module_version": "1", "state": state}

    state = {"f0": model(), "e1": model(layout="IPY_MODEL_f0"), "d2": model(), "c3": model(target="IPY_MODEL_e1")}
    cell = new_code_cell("w", outputs=[view("e1")], execution_count=7)
    cell.metadata["papermill"] = {"start_time": "now"}
    notebook = notebook_of(cell)
    notebook.metadata["widgets"] = {notebooks.WIDGET_MIME: {"state": state, "version_major": 2, "version_minor": 0}}
    cleaned = notebooks.clean(notebook)
    kept = cleaned.metadata.widgets[notebooks.WIDGET_MIME]["state"]
    first, second, third = (f"{number:032x}" for number in range(3))
    assert set(kept) == {first, second, third}
    assert cleaned.cells[0].outputs[0].data[notebooks.VIEW_MIME]["model_id"] == first
    assert kept[first]["state"]["layout"] == f"IPY_MODEL_{second}"
    assert kept[third]["state"]["target"] == f"IPY_MODEL_{first}"
    assert cleaned.cells[0].execution_count == 1
    assert "papermill" not in cleaned.cells[0].metadata
    assert notebooks.faults(cleaned) == []
    assert notebooks.clean(cleaned) == cleaned
    assert notebook.cells[0].execution_count == 7  # a copy
    cleaned.cells[0].outputs = [view("unknown")]
    assert "its state is not stored" in notebooks.faults(cleaned)[0]
    cleaned.metadata["widgets"] = {notebooks.WIDGET_MIME: {}}
    assert "metadata.widgets has no state" in notebooks.faults(cleaned)[0]


def test_progress_bars_are_kept_as_they_ended():
    output = nbformat.v4.new_output("stream", name="stderr", text="10%\r50%\r100%\nnext\r\n")
    cleaned = notebooks.clean(notebook_of(new_code_cell("x", outputs=[output])))
    assert cleaned.cells[0].outputs[0].text == "100%\nnext\n"


def test_data_lists_what_there_is_and_fetches_nothing_unasked(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    output = course_command("data", "list")
    assert "sport_poses" in output
    assert "generated" in output
    assert "there are no files to fetch" in course_command("data", "fetch", "sport_poses", status=2)
    assert "read from an installed package" in course_command("data", "fetch", "digits", status=2)
    assert "photographs" in course_command("data", "check", "photographs")
    assert "name is 'nothing'; allowed: sport_poses" in course_command("data", "fetch", "nothing", status=2)
    assert "not on this machine: mirror_mouse" in course_command("data", "check", "mirror_mouse", status=2)
    assert not (tmp_path / "cache").exists()


def test_data_check_opens_a_folder_of_ones_own(monkeypatch, tmp_path):
    from course_lib.cli import data
    from course_lib.data.catalogue import Entry

    entry = Entry("toys", "path", "Toys", "cards/toys.md", "MIT", source={"folders": ["toys"]})
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data.state(entry) == "yours: see datasets/cards/toys.md"
    (tmp_path / "toys").mkdir()
    assert data.state(entry) == "here"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("saved in /home/ann/x.png", True),
        ("File '/tmp/ipykernel_1/2.py', line 3", True),
        (r"C:\Users\ann\x", True),
        ("see https://example.org/home/page", False),
        ("a/tmp/b and ../work/x", False),
        ("/usr/lib is everywhere", False),
    ],
)
def test_paths_of_a_machine_are_found_in_text_but_not_in_pictures(text, refused):
    shown = nbformat.v4.new_output("stream", text=text)
    picture = nbformat.v4.new_output("display_data", {"image/png": "abc /home/ann/ def"})
    notebook = notebook_of(new_code_cell("x", outputs=[shown, picture], execution_count=1))
    assert bool(notebooks.faults(notebook)) == refused
