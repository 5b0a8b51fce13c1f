"""Parameters of a chapter: presets, names and types checked, device, one generator per purpose, records."""

import json

import pytest
import torch

from course_lib import notebooks, runtime

PRESETS = """
[laptop]
steps = 100
lr = 0.5
world = "sport_poses"
flip = false
[smoke]
steps = 2
[gpu]
steps = 9000
lr = 1
"""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """A course of one chapter, "90"."""
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "90.toml").write_text(PRESETS)
    monkeypatch.setattr(runtime.resources, "files", lambda package: tmp_path)
    monkeypatch.delenv("COURSE_PRESET", raising=False)
    return "90"


def test_presets_and_overrides_replace_the_laptop_settings(chapter):
    assert runtime.start(chapter).settings == {"steps": 100, "lr": 0.5, "world": "sport_poses", "flip": False}
    smoke = runtime.start(chapter, preset="smoke")
    assert (smoke.steps, smoke.lr) == (2, 0.5)
    gpu = runtime.start(chapter, preset="gpu", overrides={"steps": 3})
    assert (gpu.steps, gpu.lr) == (3, 1.0)
    assert isinstance(gpu.lr, float)


def test_the_environment_replaces_the_preset(chapter, monkeypatch):
    monkeypatch.setenv("COURSE_PRESET", "smoke")
    run = runtime.start(chapter, preset="laptop")
    assert (run.preset, run.steps) == ("smoke", 2)
    monkeypatch.setenv("COURSE_PRESET", "smok")
    with pytest.raises(ValueError, match="preset is 'smok'"):
        runtime.start(chapter)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preset": "labtop"}, "preset is 'labtop'; allowed: smoke, laptop, gpu. Did you mean 'laptop'"),
        ({"preset": 3}, "preset is 3"),
        ({"compare": "everything"}, "compare is 'everything'; allowed: core, all"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": "0"}, "seed is '0'"),
        ({"seed": True}, "seed is True"),
        ({"dataset": None}, "dataset is None"),
        ({"overrides": {"step": 3}}, "setting in overrides is 'step'.*Did you mean 'steps'"),
        ({"overrides": {"steps": "3"}}, r"setting steps is '3' \(str\); it takes int"),
        ({"overrides": {"steps": True}}, r"setting steps is True \(bool\)"),
        ({"overrides": {"flip": 1}}, r"setting flip is 1 \(int\); it takes bool"),
        ({"overrides": [("steps", 3)]}, "overrides is .*dictionary"),
    ],
)
def test_wrong_parameters_are_named(chapter, parameters, message):
    with pytest.raises(ValueError, match=message):
        runtime.start(chapter, **parameters)


def test_unknown_chapters_are_named(chapter):
    for unknown in ("91", 90):
        with pytest.raises(ValueError, match=f"chapter is {unknown!r}; allowed: 90"):
            runtime.start(unknown)


def test_an_unknown_setting_is_an_attribute_error(chapter):
    with pytest.raises(AttributeError, match="run has no 'stepz'; settings of this chapter: steps, lr"):
        runtime.start(chapter).stepz  # noqa: B018


def test_every_preset_of_the_course_is_sound(monkeypatch):
    monkeypatch.delenv("COURSE_PRESET", raising=False)
    folder = runtime.resources.files("course_lib") / "presets"
    chapters = [p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")]
    assert chapters
    for chapter in chapters:
        laptop = runtime.settings_for(chapter, "laptop")
        for preset in ("smoke", "gpu"):
            assert runtime.settings_for(chapter, preset).keys() == laptop.keys()


def test_generators_are_independent_and_repeatable(chapter):
    run, again, other = runtime.start(chapter), runtime.start(chapter), runtime.start(chapter, seed=1)

    def draw(run, purpose):
        return torch.rand(4, generator=run.generator(purpose)).tolist()

    first = draw(run, "training")
    torch.rand(10, generator=run.generator("data"))  # draws of one purpose leave the others alone
    assert draw(run, "training") == first == draw(again, "training")
    assert draw(run, "data") != first
    assert draw(other, "training") != first


def test_start_seeds_the_weights_of_layers(chapter):
    runtime.start(chapter, seed=3)
    first = torch.nn.Linear(3, 3).weight
    runtime.start(chapter, seed=3)
    assert torch.equal(torch.nn.Linear(3, 3).weight, first)


def test_devices(monkeypatch):
    assert runtime.choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.choose_device("auto") == torch.device("cpu")
    for wrong in ("cuda", "gpu", "cpu:x", "auto:1", 0, None):
        with pytest.raises(ValueError, match="device is"):
            runtime.choose_device(wrong)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.choose_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert runtime.choose_device("auto") == torch.device("cuda")
    assert runtime.choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"device is 'cuda:2'; this machine has 2 CUDA device"):
        runtime.choose_device("cuda:2")


def test_precision_is_bf16_only_where_it_is_native(monkeypatch):
    for native, expected in ((True, "bf16-mixed"), (False, "32-true")):
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda native=native: native, raising=False)
        assert runtime.choose_precision(torch.device("cpu")) == expected
    assert runtime.choose_precision(torch.device("mps")) == "32-true"


def test_records_are_plain_json_under_the_course_mime_type(chapter, monkeypatch):
    shown = []
    monkeypatch.setattr(runtime, "_display", shown.append)
    run = runtime.start(chapter)
    run.record("auc", {"ours": torch.tensor(0.5), 2: (torch.arange(2), 1.5)})
    assert list(shown[0]) == ["application/vnd.course.record+json"]
    assert shown[0][notebooks.RECORD_MIME] == {"name": "auc", "value": {"ours": 0.5, "2": [[0, 1], 1.5]}}
    json.dumps(shown)
    with pytest.raises(ValueError, match="name is 'pose auc'"):
        run.record("pose auc", 1)


def test_finish_records_the_cost(chapter, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(runtime, "_display", shown.append)
    runtime.start(chapter, device="cpu").finish()
    cost = shown[-1][notebooks.RECORD_MIME]
    assert cost["name"] == "cost"
    assert 0 <= cost["value"]["seconds"] < 60
    assert cost["value"]["peak_mb"] > 50
    assert "on cpu" in capsys.readouterr().out


def test_only_the_gpu_preset_keeps_checkpoints_and_settings_tell_them_apart(chapter, monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "claims.toml").touch()
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    assert runtime.start(chapter).checkpoint("ours") is None
    files = {
        runtime.start(chapter, preset="gpu", device="cpu", **change).checkpoint("ours")
        for change in ({}, {"seed": 1}, {"overrides": {"steps": 5}}, {"dataset": "other"})
    }
    assert len(files) == 4
    assert all(tmp_path in file.parents for file in files)


def test_the_course_is_found_from_below_or_named(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_ROOT", raising=False)
    (tmp_path / "notebooks" / "1_part").mkdir(parents=True)
    (tmp_path / "notebooks" / "claims.toml").touch()
    monkeypatch.chdir(tmp_path / "notebooks" / "1_part")
    assert notebooks.root().samefile(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path))
    assert notebooks.root() == tmp_path
    monkeypatch.setenv("COURSE_ROOT", str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match="COURSE_ROOT is .*elsewhere"):
        notebooks.root()
