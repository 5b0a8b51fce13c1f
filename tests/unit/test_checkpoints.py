"""Checkpoints: everything comes back, and a file that is not ours is refused and left alone."""

import pytest
import torch
from safetensors.torch import save_file
from tiny_run import make, train

from course_lib.checkpoints import load_checkpoint, save_checkpoint


def state(method, optimiser=torch.optim.AdamW, seed=3):
    """A method after one update, with its optimiser and a generator that has been used."""
    made = optimiser(method.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(seed)
    method.training_loss(torch.rand(8, 1, 4, 4, generator=generator), generator)["loss"].backward()
    made.step()
    return {"module": method, "optimiser": made, "generator": generator}


@pytest.mark.parametrize(
    "optimiser",
    [torch.optim.AdamW, torch.optim.SGD, lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)],
    ids=["AdamW", "SGD", "momentum"],
)
def test_round_trip(tmp_path, optimiser):
    file = tmp_path / "deep" / "er" / "run.safetensors"
    saved, numbers = state(make(), optimiser), {"step": 7, "rows": [{"loss": 0.25}]}
    save_checkpoint(file, **saved, numbers=numbers)
    loaded = state(make(seed=1), optimiser, seed=4)
    assert load_checkpoint(file, **loaded) == numbers
    for key, value in saved["module"].state_dict().items():
        assert torch.equal(loaded["module"].state_dict()[key], value)
    assert torch.equal(torch.rand(5, generator=loaded["generator"]), torch.rand(5, generator=saved["generator"]))
    for old, new in zip(saved["optimiser"].state.values(), loaded["optimiser"].state.values(), strict=True):
        assert old.keys() == new.keys()
        for key in old:
            if old[key] is not None:
                assert torch.equal(torch.as_tensor(old[key]), torch.as_tensor(new[key]))


def test_channels_last_weights_and_shared_tensors_are_saved(tmp_path):
    method = make().to(memory_format=torch.channels_last)
    method.again = method.backbone
    file = tmp_path / "run.safetensors"
    save_checkpoint(file, **state(method), numbers={})
    other = make(seed=1)
    other.again = other.backbone
    load_checkpoint(file, **state(other))
    assert torch.equal(other.backbone[0].weight, method.backbone[0].weight)


def damaged(file):
    content = bytearray(file.read_bytes())
    file.write_bytes(content[: len(content) // 2])


def garbage(file):
    file.write_bytes(b"not a checkpoint")


def empty(file):
    file.write_bytes(b"")


def only_weights(file):
    save_file({"weight": torch.zeros(3)}, file)


@pytest.mark.parametrize("spoil", [damaged, garbage, empty, only_weights])
def test_a_file_that_cannot_be_read_is_named_and_kept(tmp_path, spoil):
    file = tmp_path / "run.safetensors"
    save_checkpoint(file, **state(make()), numbers={})
    spoil(file)
    content = file.read_bytes()
    with pytest.raises(ValueError, match=r"run\.safetensors cannot be read"):
        train(make(), file)
    assert file.read_bytes() == content


def test_a_foreign_checkpoint_is_named_and_kept(tmp_path):
    file = tmp_path / "run.safetensors"
    save_checkpoint(file, **state(make(hidden=6)), numbers={})
    content = file.read_bytes()
    with pytest.raises(ValueError, match=r"run\.safetensors belongs to another network"):
        train(make(), file)
    assert file.read_bytes() == content


def test_another_optimiser_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    save_checkpoint(file, **state(make()), numbers={})
    with pytest.raises(ValueError, match=r"run\.safetensors belongs to a run with AdamW, not SGD"):
        train(make(), file, optimiser=torch.optim.SGD)
