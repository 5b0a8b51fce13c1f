"""Several processes train as one: the same batch, shared out; gradients and losses averaged (``torchrun``, gloo)."""

import pytest
import several_processes
import torch
from launching import one_and_two, what_was_seen
from safetensors.torch import load_file
from several_processes import STEPS

RUNS = ["one", "two", "one resumed", "two resumed"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return one_and_two(several_processes, tmp_path_factory)


@pytest.fixture(scope="module")
def seen(folders):
    return what_was_seen(folders)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_does(name, folders, seen):
    """No norm and no draws: the same losses and the same weights, with one optimiser and with several."""
    alone, *ranks = (one[name] for one in seen)
    for other in ranks:
        assert other["loss"] == pytest.approx(alone["loss"], abs=1e-5)
        assert (other["samples"], len(other["loss"])) == (alone["samples"], STEPS) == (8 * STEPS, STEPS)
    assert alone["loss"][-1] < alone["loss"][0]
    expected = load_file(folders[1] / f"{name}.0.safetensors")
    for rank in range(2):
        got = load_file(folders[2] / f"{name}.{rank}.safetensors")
        for key, value in expected.items():
            torch.testing.assert_close(got[key], value, atol=1e-5, rtol=0, msg=key)


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_run_that_died_goes_on_to_the_same_weights(name, folders, seen):
    for one in seen:
        assert (one[f"{name} died"], one[f"{name} resumed"]["first"]) == ("died", 5)
        assert one[f"{name} resumed"]["loss"] == one[name]["loss"]
    for processes, folder in folders.items():
        for rank in range(processes):
            whole, resumed = (load_file(folder / f"{kind}.{rank}.safetensors") for kind in (name, f"{name} resumed"))
            assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        assert not (folder / f"{name}.checkpoint").exists()


def test_each_rank_draws_for_itself_and_all_learn(folders, seen):
    _, first, second = seen
    draws = [torch.tensor(one["drawn"][:-1]) for one in (first, second)]  # without those of the test at the end
    assert draws[0].shape == draws[1].shape == (40, 8)
    agree = (draws[0] == draws[1]).float().mean()
    assert 0.35 < agree < 0.65, "two ranks draw alike more or less often than by chance"
    assert first["shared state"] == second["shared state"]
    assert first["pretext"]["loss"] == second["pretext"]["loss"]
    assert [one["pretext"]["unseen"] > 0.9 for one in seen] == [True] * 3, [one["pretext"]["unseen"] for one in seen]
    weights = [load_file(folders[2] / f"pretext.{rank}.safetensors") for rank in range(2)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])  # means of batch norm, too


def test_what_has_other_rows_than_the_batch_goes_whole_to_each(seen):
    assert [one["shares"] for one in seen] == [
        [[0, 1, 2, 3, 4], [0, 2, 4, 6, 8], [0, 1, 2], 7],
        [[0, 2, 4], [0, 4, 8], [0, 1, 2], 7],
        [[1, 3], [2, 6], [0, 1, 2], 7],
    ]


def test_a_batch_too_small_to_share_is_an_error(seen):
    alone, *ranks = seen
    assert "small" not in alone
    for one in ranks:
        assert one["small"] == "batches gave a batch of 1; 2 processes take one of at least 2"
