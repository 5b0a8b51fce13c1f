"""Saving and restoring a training run as one safetensors file: nothing is pickled, nothing half-written."""

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_NUMBERS, _OPTIMISER = "numbers", "optimiser"


def save_checkpoint(path, *, module, optimiser, generator: torch.Generator, numbers: dict) -> None:
    """Write weights, optimiser state, generator state and ``numbers`` (JSON) to ``path``, atomically.

    optimiser: one, or a dictionary name → optimiser.
    """
    path = Path(path)
    tensors = {f"module.{k}": v for k, v in module.state_dict().items()}
    for prefix, one in _by_prefix(optimiser).items():
        for index, entries in one.state_dict()["state"].items():
            for key, value in entries.items():
                if value is not None:
                    tensors[f"{prefix}{index}.{key}"] = torch.as_tensor(value)
    tensors["generator"] = generator.get_state()
    # Clones: weights in channels-last layout or sharing memory are not accepted as they are.
    tensors = {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        metadata = {_NUMBERS: json.dumps(numbers), _OPTIMISER: _kind(optimiser)}
        save_file(tensors, temporary, metadata=metadata)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path, *, module, optimiser, generator: torch.Generator) -> dict:
    """Restore what `save_checkpoint` wrote into the given objects and return its ``numbers``.

    Raises ValueError naming the file if it is damaged or belongs to another network or optimiser.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            numbers, kind = json.loads(file.metadata()[_NUMBERS]), file.metadata()[_OPTIMISER]
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except Exception as error:
        raise ValueError(f"checkpoint {path} cannot be read ({error}); delete it to start again") from error
    if kind != _kind(optimiser):
        raise ValueError(f"checkpoint {path} belongs to a run with {kind}, not {_kind(optimiser)}")
    weights = {k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"checkpoint {path} belongs to another network: {error}") from error
    for prefix, one in _by_prefix(optimiser).items():
        state = one.state_dict()
        state["state"] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, name = key.removeprefix(prefix).split(".", 1)
                state["state"].setdefault(int(index), {})[name] = value
        one.load_state_dict(state)
    generator.set_state(tensors["generator"])
    return numbers


def _by_prefix(optimiser) -> dict:
    """Prefix of its tensors' names in the file → optimiser."""
    if isinstance(optimiser, dict):
        return {f"optimiser.{name}.": one for name, one in optimiser.items()}
    return {"optimiser.": optimiser}


def _kind(optimiser) -> str:
    if isinstance(optimiser, dict):
        return ", ".join(f"{name}: {type(one).__name__}" for name, one in optimiser.items())
    return type(optimiser).__name__
