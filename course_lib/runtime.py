"""What a chapter's first cell calls: parameters checked, preset chosen, device found, results recorded.

run = runtime.start(chapter="21", preset="laptop", seed=0, device="auto", dataset="sport_poses")
run.steps                       # a setting of the preset (course_lib/presets/21.toml), or its override
run.generator("training")       # one torch.Generator per purpose, all from the one seed
run.record("pose_auc", {...})   # a result that `course sweep` and `course claims run` collect
run.test("C3.2", {...})         # a claim of the seeds against what this run measured
run.finish()                    # wall time and peak memory
"""

import hashlib
import json
import os
import sys
import time
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

import psutil
import torch

from .checks import check_choice
from .notebooks import PRESETS, RECORD_MIME, root


def settings_for(chapter: str, preset: str, overrides: dict | None = None) -> dict:
    """The settings of a chapter under a preset: [laptop] is complete, the others and ``overrides`` replace.

    Raises ValueError for an unknown chapter, preset or setting, or for a value of another type.
    """
    check_choice("preset", preset, PRESETS)
    folder = resources.files(__package__) / "presets"
    known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
    check_choice("chapter", chapter, known)
    tables = tomllib.loads((folder / f"{chapter}.toml").read_text(encoding="utf-8"))
    settings = dict(tables["laptop"])
    for source, changes in ((f"preset {preset}", tables.get(preset, {})), ("overrides", overrides or {})):
        if not isinstance(changes, dict):
            raise ValueError(f"overrides is {changes!r}; it takes a dictionary of settings, e.g. {{'steps': 100}}")
        for key, value in changes.items():
            check_choice(f"setting in {source}", key, settings)
            settings[key] = _like(key, value, settings[key])
    return settings


def _like(key, value, default):
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise ValueError(
            f"setting {key} is {value!r} ({type(value).__name__}); it takes {type(default).__name__}, e.g. {default!r}"
        )
    return value


def choose_device(device: str = "auto") -> torch.device:
    """CUDA before MPS before CPU for "auto"; else the device named. ValueError if it is not there."""
    if not isinstance(device, str):
        raise ValueError(f"device is {device!r}; it takes 'auto', 'cpu', 'cuda', 'cuda:1', 'mps'")
    available = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    if device == "auto":
        return torch.device(max(available, key=["cpu", "mps", "cuda"].index))
    check_choice("device", device.split(":")[0], ["auto", *available])
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}; {error}") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device is {device!r}; this machine has {torch.cuda.device_count()} CUDA device(s)")
    return chosen


def choose_precision(device: torch.device) -> str:
    """bf16 autocast on CUDA and on CPUs that compute in it natively (AMX, AVX-512 BF16), else fp32."""
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # Private names, so absence means fp32; they tell native instructions from slow emulation.
        names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        native = any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return "bf16-mixed" if native else "32-true"


@dataclass
class Run:
    """One execution of a chapter. Settings of the preset are attributes: ``run.steps``."""

    chapter: str
    preset: str
    seed: int
    device: torch.device
    precision: str
    dataset: str
    compare: str
    settings: dict
    began: float = field(default_factory=time.perf_counter)

    def __getattr__(self, name):
        settings = self.__dict__.get("settings", {})
        if name in settings:
            return settings[name]
        raise AttributeError(f"run has no {name!r}; settings of this chapter: {', '.join(settings)}")

    @property
    def everything(self) -> bool:
        """Whether every baseline, ablation and protocol is to be run (``compare = "all"``)."""
        return self.compare == "all"

    def generator(self, purpose: str) -> torch.Generator:
        """A generator of its own for ``purpose``: adding a draw in one place changes no other."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def checkpoint(self, name: str) -> Path | None:
        """Where training saves itself so that it can be interrupted: only for the gpu preset, which takes hours."""
        if self.preset != "gpu":
            return None
        key = hashlib.sha256(json.dumps([self.settings, self.dataset], sort_keys=True).encode()).hexdigest()[:8]
        return root() / "runs" / f"{self.chapter}-{self.preset}-{self.seed}-{key}" / f"{name}.safetensors"

    def record(self, name: str, value) -> None:
        """Record a JSON-able result under ``name``; it is kept, unseen, in the outputs of the executed notebook."""
        if not name.isidentifier():
            raise ValueError(f"name is {name!r}; a recorded result takes a plain name")
        _display({RECORD_MIME: {"name": name, "value": _plain(value)}})

    @cached_property
    def ledger(self):
        """The claims of the seeds (`claims.Ledger`)."""
        from .claims import Ledger

        return Ledger(root() / "notebooks" / "claims.toml")

    def test(self, claim: str, values: dict[str, float]):
        """Hold measured ``values`` against a claim of the seeds; recorded, and returned to be shown."""
        outcome = self.ledger.test(claim, values, partial=not self.everything)
        _display({RECORD_MIME: {"name": f"claim:{claim}", "value": _plain(values)}})
        return outcome

    def recorded(self, name: str) -> list:
        """What earlier full runs (laptop, all comparisons; one per seed) recorded under ``name``; [] if none."""
        from .claims import recorded

        return recorded(self.chapter, name, root=root())

    def finish(self) -> None:
        """Record and show wall time since `start` and the peak memory of this process."""
        cost = {"seconds": time.perf_counter() - self.began, "peak_mb": peak_memory_mb()}
        _display({RECORD_MIME: {"name": "cost", "value": cost}})
        print(f"{cost['seconds']:.0f} s, {cost['peak_mb']:.0f} MB at most, on {self.device} ({self.precision})")


def start(
    chapter: str,
    preset: str = "laptop",
    seed: int = 0,
    device: str = "auto",
    dataset: str = "",
    compare: str = "core",
    overrides: dict | None = None,
) -> Run:
    """Check the parameters of a chapter and return its `Run`. Raises ValueError naming what is wrong.

    The environment variable COURSE_PRESET, when set, replaces ``preset`` (for validating all notebooks as they are).
    """
    preset = os.environ.get("COURSE_PRESET") or preset
    check_choice("compare", compare, ("core", "all"))
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it takes an integer >= 0")
    if not isinstance(dataset, str):
        raise ValueError(f"dataset is {dataset!r}; it takes the name of a dataset or a path")
    settings = settings_for(chapter, preset, overrides)
    chosen = choose_device(device)
    torch.manual_seed(seed)
    return Run(chapter, preset, seed, chosen, choose_precision(chosen), dataset, compare, settings)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    try:
        import resource
    except ImportError:  # Windows keeps the peak in the process's own counters
        return psutil.Process().memory_info().peak_wset / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _plain(value):
    """Tensors, arrays and numpy numbers as plain JSON values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _display(bundle):
    from IPython.display import display

    display(bundle, raw=True)
