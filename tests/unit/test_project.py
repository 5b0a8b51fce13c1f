"""The project's own files: environments in step, imports one way, nothing of a machine in the repository."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]

# conda-forge's name of a package where it is another one.
CONDA_NAMES = {"pytorch": "torch"}

# importer → rooms that it must not import (the arrows of CONTRIBUTING.md).
NEVER = {
    "data": {"methods", "baselines", "models", "transforms", "training", "evaluation", "show", "exercises"},
    "transforms": {"methods", "baselines", "models", "data", "training", "evaluation", "show", "exercises"},
    "models": {"methods", "baselines", "transforms", "data", "training", "evaluation", "show", "exercises"},
    "training": {"methods", "baselines", "models", "transforms", "data", "evaluation", "show", "exercises"},
    "methods": {"baselines", "data", "evaluation", "training", "show", "exercises"},
    "baselines": {"training", "show", "exercises"},
    "evaluation": {"methods", "baselines", "models", "transforms", "data", "show", "exercises"},
    "show": {"exercises", "cli"},
}
TOOLS = {"cli", "doctor", "kernel", "records", "provenance", "notebooks"}

ROOMS = {"data", "transforms", "models", "training", "methods", "baselines", "evaluation", "show", "exercises"}
# The same for what surrounds the rooms: cli → runtime → claims → records → notebooks → kernel, checks.
SURROUNDINGS = {
    "runtime": ROOMS | {"cli", "doctor", "provenance", "kernel"},
    "claims": ROOMS | {"cli", "doctor", "provenance", "kernel", "runtime"},
    "records": ROOMS | {"cli", "doctor", "provenance", "kernel", "runtime", "claims"},
    "notebooks": ROOMS | {"cli", "doctor", "provenance", "runtime", "claims", "records"},
    "kernel": ROOMS | TOOLS | {"runtime", "claims", "checks"},
    "checks": ROOMS | TOOLS | {"runtime", "claims"},
    "cli": {"show", "exercises", "kernel"},
}


def ranges(requirements):
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(one.name): str(one.specifier) for one in parsed}


def test_environment_yml_is_in_step_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"][0] == "conda-forge"
    listed = [each for each in environment["dependencies"] if isinstance(each, str) and each != "pip"]
    (pip,) = (each["pip"] for each in environment["dependencies"] if isinstance(each, dict))
    found = ranges([*listed, *pip])
    assert found.pop("python") == PROJECT["requires-python"]
    assert {CONDA_NAMES.get(name, name): span for name, span in found.items()} == ranges(WANTED)


def test_the_lock_has_one_exact_version_of_everything_wanted_within_its_range():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert list(pins) == sorted(pins)
    for text in WANTED:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not in requirements.lock"
        assert Version(pins[name]) in wanted.specifier, f"{name} {pins[name]} is not {wanted.specifier}"
    # Such packages exist on one platform only; torch brings those that it needs.
    assert not [name for name in pins if re.match(r"nvidia|cuda|triton", name)]


def imports_of(path):
    """Absolute names of all modules that a file imports, with the names taken from them."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports_into(place, forbidden):
    """Imports of ``course_lib/<place>`` (a module or a folder) from the forbidden parts of the library."""
    folder = ROOT / "course_lib" / place
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    assert files
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if name.startswith("course_lib.") and name.split(".")[1] in forbidden
    ]


@pytest.mark.parametrize("room", NEVER)
def test_imports_go_one_way(room):
    assert not imports_into(room, NEVER[room] | TOOLS)


@pytest.mark.parametrize("part", SURROUNDINGS)
def test_imports_around_the_rooms_go_one_way(part):
    assert not imports_into(part, SURROUNDINGS[part])


def test_an_import_against_the_arrows_would_be_found():
    """Also one inside a function, and a relative one."""
    assert any("cli/rendering.py imports course_lib.notebooks" in found for found in imports_into("cli", {"notebooks"}))
    assert imports_into("notebooks", {"kernel"}) == ["course_lib/notebooks.py imports course_lib.kernel"]


def test_nothing_but_notebooks_and_exercises_imports_show():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / "course_lib").rglob("*.py"))
        if path.relative_to(ROOT).parts[1] not in ("show", "exercises")
        for name in imports_of(path)
        if f"{name}.".startswith("course_lib.show.")
    ]
    assert not wrong


def test_importing_the_library_is_cheap():
    heavy = ["sklearn", "skimage", "cv2", "matplotlib", "pandas", "lightning_fabric", "papermill", "IPython"]
    modules = "course_lib, course_lib.claims, course_lib.models, course_lib.transforms, course_lib.data.videos"
    script = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


def test_the_command_line_does_not_wait_for_torch():
    heavy = ["torch", "sklearn", "pandas", "papermill", "matplotlib", "IPython"]
    script = f"import sys, course_lib.cli; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "exec make test" in script
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_commands_that_exist():
    from typer.main import get_command

    from course_lib.cli import app

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    known = get_command(app).commands
    named = set(re.findall(r"\bcourse ([a-z]+)\b", text)) & {*known, *re.findall(r"`course ([a-z]+)", text)}
    assert named == set(known)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


def test_every_preset_file_is_complete_in_its_laptop_section():
    for path in sorted((ROOT / "course_lib" / "presets").glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        for preset in set(tables) - {"laptop"}:
            for name, value in tables[preset].items():
                assert type(value) is type(tables["laptop"][name]), f"{path.name}, [{preset}] {name}"


def test_no_file_names_a_place_on_one_machine():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a git checkout")
    # Built from parts, so that this file is none of what it looks for.
    place = re.compile("|".join(f"(?<![\\w.])/{folder}/" for folder in ("work", "root", "home", "Users")))
    allowed = {"tests/unit/test_cli.py", "course_lib/notebooks.py"}  # they name such a place to refuse it
    for name in names.stdout.splitlines():
        path = ROOT / name
        if name in allowed or not path.is_file() or path.suffix in (".png", ".mp4", ".npz", ".safetensors"):
            continue
        found = place.search(path.read_text(encoding="utf-8"))
        assert not found, f"{name} contains {found[0]}"


def test_workflows_cover_three_systems_two_pythons_and_the_newest_versions():
    folder = ROOT / ".github" / "workflows"
    tests, newest = (yaml.safe_load((folder / name).read_text("utf-8")) for name in ("tests.yml", "newest.yml"))
    matrix = tests["jobs"]["test"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    lowest = Version(PROJECT["requires-python"].removeprefix(">="))
    assert Version(matrix["python"][0]) == lowest < Version(matrix["python"][1])
    commands = "\n".join(step.get("run", "") for step in tests["jobs"]["test"]["steps"])
    assert "-c requirements.lock" in commands
    assert "python -m pytest" in commands
    # YAML 1.1 reads the key `on` as True.
    assert newest[True]["schedule"]
    assert "requirements.lock" not in (folder / "newest.yml").read_text("utf-8")
