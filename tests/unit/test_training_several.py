"""Methods with several optimisers: one step each, in turn, and all that `fit` promises for one optimiser."""

import itertools
import signal
from functools import partial

import pytest
import torch
from tiny_run import assert_identical, weights
from torch import nn

from course_lib import checkpoints, training

STEPS = 24


class Two(nn.Module):
    """Two networks that pull at each other through batch norm and dropout, so that all kinds of state take part."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
        self.right = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.scale = scale

    def optimisers(self, make):
        return {"right": make(self.right.parameters(), self.scale), "left": make(self.left.parameters())}

    def update(self, batch, generator, step):
        noise = torch.randn(batch.shape, generator=generator)
        told = (self.right(batch) - 1).square().mean() + self.right(self.left(noise).detach()).square().mean()
        step("right", told)
        fooled = (self.right(self.left(noise)) - 1).square().mean()
        step("left", fooled)
        return {"loss": told + fooled, "right": told, "left": fooled}


def make(seed=0, **options):
    torch.manual_seed(seed)
    return Two(**options)


def train(method, checkpoint=None, *, batches=None, steps=STEPS, seed=5, **options):
    return training.fit(
        method,
        batches or (lambda generator: torch.rand(8, 3, generator=generator)),
        steps=steps,
        generator=torch.Generator().manual_seed(seed),
        checkpoint=checkpoint,
        progress=False,
        **{"lr": 1e-2, "checkpoint_every": 5, **options},
    )


@pytest.fixture(scope="module")
def uninterrupted():
    history = train(method := make())
    return weights(method), history


def test_it_is_the_loop_one_would_write_by_hand(uninterrupted):
    """The same draws and steps, written out with plain PyTorch."""
    expected, history = uninterrupted
    method, generator = make().train(), torch.Generator().manual_seed(5)
    right, left = (torch.optim.AdamW(part.parameters(), lr=1e-2) for part in (method.right, method.left))
    losses = []
    for number in range(STEPS):
        for one in (right, left):
            one.param_groups[0]["lr"] = training.learning_rate(number, STEPS, 1e-2, "cosine")
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        batch = torch.rand(8, 3, generator=generator)
        noise = torch.randn(batch.shape, generator=generator)
        told = (method.right(batch) - 1).square().mean() + method.right(method.left(noise).detach()).square().mean()
        right.zero_grad()
        told.backward()
        right.step()
        fooled = (method.right(method.left(noise)) - 1).square().mean()
        left.zero_grad()
        fooled.backward()
        left.step()
        losses.append((told + fooled).item())
    assert_identical(weights(method), expected)
    assert history.frame["loss"].tolist() == losses
    assert set(history.frame.columns) == {"loss", "right", "left", "lr"}
    assert history.samples == STEPS * 8


def test_a_step_moves_its_own_parameters_only():
    class Watched(Two):
        def update(self, batch, generator, step):
            start = weights(self.left), weights(self.right)
            step("right", self.right(self.left(batch)).mean())
            between = weights(self.left), weights(self.right)
            assert all(
                torch.equal(start[0][k], between[0][k]) for k in start[0] if "running" not in k and "num" not in k
            )
            assert any(not torch.equal(start[1][k], between[1][k]) for k in start[1])
            assert all(p.grad is None for p in self.parameters())
            loss = self.right(self.left(batch)).mean()
            step("left", loss)
            assert_identical(weights(self.right), between[1])
            assert all(p.grad is None for p in self.parameters())
            return {"loss": loss}

    torch.manual_seed(0)
    train(Watched(), steps=2)


def test_each_optimiser_has_its_share_of_the_rate():
    seen = []

    class Watched(Two):
        def optimisers(self, make):
            self.made = super().optimisers(make)
            return self.made

        def update(self, batch, generator, step):
            seen.append([self.made[name].param_groups[0]["lr"] for name in ("right", "left")])
            return super().update(batch, generator, step)

    torch.manual_seed(0)
    history = train(Watched(scale=3.0), steps=4)
    rates = history.frame["lr"].tolist()
    assert rates == [training.learning_rate(s, 4, 1e-2, "cosine") for s in range(4)]
    assert [pair[1] for pair in seen] == rates
    assert [pair[0] for pair in seen] == pytest.approx([3 * rate for rate in rates])


def test_gradients_are_clipped_for_each_optimiser_by_itself():
    class Slopes(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

        def optimisers(self, make):
            return {"a": make([self.a]), "b": make([self.b])}

        def update(self, batch, generator, step):
            step("a", 10 * self.a.sum())
            step("b", 0.25 * self.b.sum())
            return {"loss": self.a.sum() + self.b.sum()}

    options = {"lr": 1.0, "schedule": "constant", "optimiser": torch.optim.SGD, "clip_norm": 0.5}
    train(method := Slopes(), steps=1, **options)
    assert [float(method.a.detach()), float(method.b.detach())] == pytest.approx([-0.5, -0.25], rel=1e-4)


def test_frozen_parameters_stay():
    method = make()
    method.left[0].weight.requires_grad_(False)
    before = method.left[0].weight.clone()
    train(method, steps=2)
    assert torch.equal(method.left[0].weight, before)


def test_ctrl_c_and_resuming_end_with_the_same_weights(uninterrupted, tmp_path):
    expected, history = uninterrupted
    file, asked = tmp_path / "run.safetensors", []

    def batches(generator):
        asked.append(1)
        if len(asked) == 13:
            signal.raise_signal(signal.SIGINT)
        return torch.rand(8, 3, generator=generator)

    with pytest.raises(KeyboardInterrupt):
        train(make(), file, batches=batches)
    assert file.exists()
    started = []
    resumed = train(method := make(seed=99), file, callbacks=[lambda step, *_: started.append(step)])
    assert started[0] == 13
    assert_identical(weights(method), expected)
    assert resumed.frame["loss"].tolist() == history.frame["loss"].tolist()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_died_goes_on_from_its_last_checkpoint(uninterrupted, tmp_path):
    """The state of both optimisers, momenta and counts, is in the file."""
    expected, _ = uninterrupted
    file, asked = tmp_path / "run.safetensors", itertools.count()

    def batches(generator):
        if next(asked) == 17:
            raise RuntimeError("died")
        return torch.rand(8, 3, generator=generator)

    with pytest.raises(RuntimeError, match="died"):
        train(make(), file, batches=batches)
    started = []
    train(method := make(seed=99), file, callbacks=[lambda step, *_: started.append(step)])
    assert started[0] == 15
    assert_identical(weights(method), expected)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path, generator):
    method, file = make(), tmp_path / "run.safetensors"
    several = method.optimisers(lambda parameters, scale=1.0: torch.optim.Adam(list(parameters)))
    one = torch.optim.Adam(method.parameters())
    checkpoints.save_checkpoint(file, module=method, optimiser=one, generator=generator, numbers={})
    with pytest.raises(ValueError, match="belongs to a run with Adam, not right: Adam, left: Adam"):
        checkpoints.load_checkpoint(file, module=method, optimiser=several, generator=generator)


def test_bf16_weights_are_fresh_after_every_step():
    """Autocast caches bf16 copies of weights; a stale one would make the second pass repeat the first."""
    seen = []

    class Watched(Two):
        def update(self, batch, generator, step):
            with torch.no_grad():
                self.left(batch)  # a copy made here would carry no gradient
            first = self.right(batch)
            step("right", first.float().mean())
            second = self.right(batch)
            before = self.left[0].weight.clone()
            step("left", self.right(self.left(batch)).float().mean())
            seen.append((first.dtype, torch.equal(first, second), torch.equal(before, self.left[0].weight)))
            return {"loss": second.float().mean()}

    torch.manual_seed(0)
    train(Watched(), steps=2, lr=0.1, precision="bf16-mixed")
    assert seen == [(torch.bfloat16, False, False)] * 2
    assert torch.is_autocast_cache_enabled()


def test_a_diverging_part_is_an_error():
    batches = (torch.full((8, 3), value) for value in itertools.chain([1.0, float("nan")], itertools.repeat(1.0)))
    with pytest.raises(FloatingPointError, match="the loss is nan at step 1"):
        train(make(), batches=lambda generator: next(batches))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimisers": lambda self, make: {}}, "takes optimisers"),
        ({"optimisers": lambda self, make: make(self.parameters())}, "takes optimisers"),
        ({"update": None}, "and update"),
        ({"update": lambda self, b, g, step: step("lift", self.left(b).mean())}, "name is 'lift'.*Did you mean 'left'"),
        ({"update": lambda self, b, g, step: {"right": self.left(b).mean()}}, "parts right; it takes one called loss"),
        ({"optimisers": lambda self, make: {"left": make(self.parameters(), 0)}}, "scale is 0"),
    ],
)
def test_a_method_that_breaks_the_contract_is_told(change, message):
    method = type("Broken", (Two,), change)()
    with pytest.raises(ValueError, match=message):
        train(method, steps=1)


def test_options_reach_every_optimiser():
    made = []

    class Watched(Two):
        def optimisers(self, make):
            made.append(super().optimisers(make))
            return made[-1]

    torch.manual_seed(0)
    train(Watched(), steps=1, optimiser=partial(torch.optim.Adam, betas=(0.5, 0.999)))
    assert all(type(one) is torch.optim.Adam and one.defaults["betas"] == (0.5, 0.999) for one in made[0].values())
