"""Whether a machine can run the course, and which preset suits it."""

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from . import notebooks, records

NEEDED_PYTHON = (3, 11)
NEEDED = {"smoke": 2, "laptop": 4}  # GB of memory
GPU_MEMORY = 16  # GB below which the gpu preset's batches do not fit
DISK = 2  # GB for rendered worlds and executed notebooks
VERSIONS = ("torch", "torchvision", "lightning-fabric", "numpy", "scikit-learn", "av", "jupyterlab", "papermill")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``advice`` says what to do when it is not ``fine``. ``amount`` is its size in GB, if any."""

    name: str
    found: str
    fine: bool = True
    advice: str = ""
    amount: float = 0.0


def examine() -> list[Finding]:
    """All findings, in the order in which a reader should mend them."""
    import psutil

    root = notebooks.root()
    version = sys.version_info[:2]
    memory, disk = psutil.virtual_memory().available / 2**30, shutil.disk_usage(root).free / 2**30
    return [
        Finding("Python", platform.python_version(), version >= NEEDED_PYTHON, "the course needs Python 3.11 or newer"),
        Finding("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Finding("processor", f"{records.processor()}, {records.cores()} cores"),
        Finding("memory", f"{memory:.1f} GB free", memory >= NEEDED["laptop"], "close other programs", memory),
        Finding("disk", f"{disk:.1f} GB free", disk >= DISK, f"free {DISK} GB", disk),
        _device(),
        *(_version(name) for name in VERSIONS),
        _cache("data cache", root / "datasets" / "cache"),
        _cache("executed runs", root / "runs"),
    ]


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return Finding("device", f"CUDA, {gpu.name}", amount=gpu.total_memory / 2**30)
    if torch.backends.mps.is_available():
        return Finding("device", "MPS (Apple GPU)")
    return Finding("device", "CPU")


def _version(name: str) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "not installed", False, "run make setup, or pip install -e .")


def _cache(name: str, folder: Path) -> Finding:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
    return Finding(name, f"{size / 2**20:.0f} MB in {folder.name}/" if size else "empty", amount=size / 2**30)


def recommend(findings: list[Finding]) -> str:
    """The preset that suits the machine, in one sentence."""
    found = {finding.name: finding for finding in findings}
    device, memory = found["device"], found["memory"].amount
    if device.found.startswith("CUDA") and device.amount >= GPU_MEMORY:
        return "--preset laptop for reading (minutes); --preset gpu for the seeds' own sizes (hours)"
    if memory >= NEEDED["laptop"]:
        return "--preset laptop (the default)"
    return "--preset smoke: too little free memory for the laptop preset, which needs 4 GB"
