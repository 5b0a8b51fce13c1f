"""Contrastive losses see the whole batch, however many processes share it (``torchrun``, gloo)."""

import contrastive_processes
import pytest
import torch
from contrastive_processes import METHODS, STEPS
from launching import one_and_two, what_was_seen
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return one_and_two(contrastive_processes, tmp_path_factory)


@pytest.fixture(scope="module")
def seen(folders):
    return what_was_seen(folders)


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_compare_as_many_pictures_as_one(name, folders, seen):
    """The same losses, weights, queue and bank: no negative is lost, no gradient counted twice or forgotten."""
    alone, *ranks = (one[name] for one in seen)
    assert len(alone["loss"]) == STEPS
    assert abs(alone["loss"][-1] - alone["loss"][0]) > 0.01
    for rank, other in enumerate(ranks):
        assert other["loss"] == pytest.approx(alone["loss"], abs=1e-4)
        expected, got = (load_file(folder / f"{name}.{r}.safetensors") for folder, r in
                         ((folders[1], 0), (folders[2], rank)))  # fmt: skip
        for key, value in expected.items():
            if key == "queue":  # the keys of a batch stand by ranks, which have rows 0, 2, … and 1, 3, …
                value = value.view(2, 4, 2, -1).transpose(1, 2).flatten(0, 2)
            torch.testing.assert_close(value, got[key], atol=1e-4, rtol=0, msg=f"{key}: {value} {got[key]}")


def test_chance_counts_the_negatives_of_all(seen):
    alone, first, second = seen
    assert first["simclr"]["chance"] == second["simclr"]["chance"] == alone["simclr"]["chance"] == 1 / 15
    assert first["cpc"]["chance"] == alone["cpc"]["chance"]
    assert [one["simclr"]["alone"] for one in seen] == [1 / 7, 1 / 7, 1 / 9]


def test_unequal_shares_are_an_error_and_no_deadlock(seen):
    alone, *ranks = seen
    assert "unequal" not in alone
    for one in ranks:
        assert one["unequal"].startswith("images has [4, 3] pictures in the 2 processes")
