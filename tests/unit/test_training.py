"""The training loop: what it records, its schedules, and that a run goes on where it was killed or interrupted."""

import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_run import STEPS, assert_identical, make, train, weights
from torch import nn

from course_lib import checkpoints, training


@pytest.fixture(scope="module")
def uninterrupted():
    method = make()
    history = train(method)
    return weights(method), history


def test_history_has_one_row_per_step(uninterrupted):
    _, history = uninterrupted
    frame = history.frame
    assert frame.index.tolist() == list(range(STEPS))
    assert set(frame.columns) == {"loss", "accuracy", "lr"}
    assert np.isfinite(frame.to_numpy()).all()
    assert history.samples == STEPS * 8
    assert history.throughput == pytest.approx(history.samples / history.seconds)
    smooth = history.smooth("loss", window=3)
    assert smooth.iloc[0] == frame["loss"].iloc[0]
    assert smooth.iloc[-1] == pytest.approx(frame["loss"].iloc[-3:].mean())


def test_same_seed_same_weights_bit_for_bit(uninterrupted):
    expected, _ = uninterrupted
    method = make()
    torch.manual_seed(123)  # the global generator must not matter (dropout draws from it)
    train(method)
    assert_identical(weights(method), expected)
    train(other := make(), seed=6)
    assert any(not torch.equal(v, expected[k]) for k, v in other.state_dict().items())


def test_schedules_have_the_documented_values():
    assert [training.learning_rate(s, 10, 2.0) for s in (0, 9)] == [2.0, 2.0]
    cosine = [training.learning_rate(s, 100, 1.0, "cosine") for s in (0, 25, 50, 100)]
    assert cosine == pytest.approx([1.0, 0.5 * (1 + math.sqrt(0.5)), 0.5, 0.0])
    step = [training.learning_rate(s, 350_000, 1e-3, "step") for s in (0, 199_999, 200_000, 349_999)]
    assert step == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert [training.learning_rate(s, 10, 1.0, "cosine", warmup=4) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_the_schedule_is_what_the_optimiser_gets():
    history = train(make(), steps=7, schedule="step", warmup=2)
    expected = [training.learning_rate(s, 7, 1e-2, "step", 2) for s in range(7)]
    assert history.frame["lr"].tolist() == pytest.approx(expected)


class Pull(nn.Module):
    """One weight, loss ``slope * weight``: the gradient is known."""

    def __init__(self, slope):
        super().__init__()
        self.weight, self.slope = nn.Parameter(torch.zeros(1)), slope

    def training_loss(self, batch, generator):
        return {"loss": self.slope * self.weight.sum()}


@pytest.mark.parametrize(("clip_norm", "expected"), [(None, -10.0), (0.5, -0.5), (20.0, -10.0)])
def test_the_gradient_norm_is_clipped(clip_norm, expected, generator):
    method = Pull(slope=10.0)
    options = {"lr": 1.0, "schedule": "constant", "optimiser": torch.optim.SGD, "progress": False}
    training.fit(method, lambda g: torch.zeros(1), steps=1, generator=generator, clip_norm=clip_norm, **options)
    assert float(method.weight.detach()) == pytest.approx(expected, rel=1e-4)


def test_bf16_computes_in_bf16_and_keeps_fp32_weights(generator):
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def training_loss(self, batch, generator):
            out = self.layer(batch)
            seen.append(out.dtype)
            return {"loss": F.cross_entropy(out, torch.zeros(len(batch), dtype=torch.int64))}

    method = Watch()
    training.fit(
        method, lambda g: torch.rand(3, 4), steps=2, generator=generator, precision="bf16-mixed", progress=False
    )
    assert set(seen) == {torch.bfloat16}
    assert method.layer.weight.dtype == torch.float32


def test_callbacks_see_every_step_after_its_update():
    calls, before = [], weights(method := make())

    def callback(step, module, parts):
        moved = not torch.equal(module.head.weight, before["head.weight"])
        calls.append((step, module is method, sorted(parts), moved))

    train(method, steps=3, callbacks=[callback])
    assert calls == [(step, True, ["accuracy", "loss"], True) for step in range(3)]


class Volume(nn.Module):
    """Two layers of 3-D kernels, the second on two frames: deeper in time than what it sees."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv3d(1, 4, 3, stride=(2, 1, 1), padding=1), nn.ReLU(), nn.Conv3d(4, 2, 3, padding=1)
        )
        self.seen = []

    def training_loss(self, batch, generator):
        maps = self.conv(batch)
        self.seen.append(maps.dtype)
        return {"loss": maps.float().square().mean()}


def volume(precision, generator):
    torch.manual_seed(0)
    method, clips = Volume(), torch.rand(2, 1, 4, 6, 6, generator=generator.manual_seed(0))
    options = {"steps": 3, "generator": generator, "precision": precision, "progress": False}
    before = weights(method)
    training.fit(method, lambda g: clips, **options)
    assert all(not torch.equal(value, before[key]) for key, value in weights(method).items())
    return method


def test_three_dimensional_kernels_are_trained_in_fp32_and_channels_last(generator):
    """In bf16 the gradient of the second layer would be memory that nobody wrote."""
    asked, full = volume("bf16-mixed", generator), volume("32-true", generator)
    assert asked.seen == [torch.float32] * 3
    assert_identical(weights(asked), weights(full))
    for layer in (asked.conv[0], asked.conv[2]):
        assert layer.weight.is_contiguous(memory_format=torch.channels_last_3d)
    for device, precision in (("cpu", "32-true"), ("cuda", "bf16-mixed"), (torch.device("cuda:1"), "bf16-mixed")):
        assert training.safe_precision(asked, device, "bf16-mixed") == precision
    assert training.safe_precision(make(), "cpu", "bf16-mixed") == "bf16-mixed"


def test_it_ends_in_eval_mode():
    train(method := make(), steps=1)
    assert not any(m.training for m in method.modules())


def test_a_diverging_loss_is_an_error(generator):
    class Diverges(Pull):
        def training_loss(self, batch, generator):
            return {"loss": super().training_loss(batch, generator)["loss"] / float(batch)}

    values = iter([1.0, 1.0, math.nan] + [1.0] * 30)
    with pytest.raises(FloatingPointError, match="vicious: the loss is nan at step 2; try a lower lr than 0.3"):
        training.fit(
            Diverges(1.0),
            lambda g: torch.tensor([next(values)]),
            steps=30,
            generator=generator,
            lr=0.3,
            progress=False,
            name="vicious",
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [({"steps": 0}, "steps is 0"), ({"schedule": "cosin"}, "Did you mean 'cosine'"), ({"steps": 2.5}, "steps is 2.5")],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        train(make(), **options)


def test_a_killed_run_ends_with_the_same_weights(uninterrupted, tmp_path):
    """SIGKILL in a process of its own: nothing can be tidied up."""
    expected, history = uninterrupted
    file = tmp_path / "run.safetensors"
    process = subprocess.Popen([sys.executable, Path(__file__).with_name("tiny_run.py"), file])
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
        assert file.exists(), "no checkpoint within a minute"
    finally:
        process.kill()
        process.wait()
    resumed = train(method := make(seed=99), file)
    assert_identical(weights(method), expected)
    assert resumed.frame.index.tolist() == list(range(STEPS))
    assert resumed.frame["loss"].tolist() == history.frame["loss"].tolist()
    assert list(tmp_path.iterdir()) == []  # a finished run leaves no checkpoint behind


def test_ctrl_c_in_the_middle_of_a_step_saves_a_whole_one(uninterrupted, tmp_path):
    expected, _ = uninterrupted
    file, asked = tmp_path / "run.safetensors", []

    def batches(generator):
        asked.append(1)
        if len(asked) == 13:
            signal.raise_signal(signal.SIGINT)
        return torch.rand(8, 1, 4, 4, generator=generator)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(make(), file, batches=batches)
    assert signal.getsignal(signal.SIGINT) is handler
    method = make(seed=99)
    started = []
    train(method, file, callbacks=[lambda step, *_: started.append(step)])
    assert started[0] == 13
    assert_identical(weights(method), expected)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def batches(generator):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        train(make(), tmp_path / "run.safetensors", batches=batches)


def test_without_a_checkpoint_ctrl_c_is_immediate():
    def batches(generator):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        train(make(), batches=batches)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch, uninterrupted):
    expected, _ = uninterrupted
    file, written = tmp_path / "run.safetensors", []
    save = checkpoints.save_file

    def fill_up(tensors, path, **options):
        if len(written) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        written.append(path)
        save(tensors, path, **options)

    monkeypatch.setattr(checkpoints, "save_file", fill_up)
    with pytest.raises(OSError, match="No space left"):
        train(make(), file)
    monkeypatch.undo()
    assert [f.name for f in tmp_path.iterdir()] == [file.name]
    started = []
    train(method := make(seed=99), file, callbacks=[lambda step, *_: started.append(step)])
    assert started[0] == 10
    assert_identical(weights(method), expected)
