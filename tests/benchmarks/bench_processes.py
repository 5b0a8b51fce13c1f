"""Training in two processes of one thread each, against one process of one thread: `training.fit` under ``torchrun``.

The same method, the same whole batch, the same steps; where two cores are free two processes take about half the time
(where they are not, each step waits for the slower one). Also shows how to start a script,
``torchrun --nproc-per-node 2 train.py``, and how one ends.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from course_lib import training
from course_lib.methods import TemporalPermutation
from course_lib.models import SmallAlexNet

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 3
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def train(file: Path) -> None:
    """What every process does: train, and write the seconds of the measured steps. Nothing here knows how many."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    method = TemporalPermutation(SmallAlexNet(16, 128, image_size=48), hidden=64)
    clips = torch.rand(64, 8, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    options = {"generator": torch.Generator().manual_seed(1), "progress": False}
    training.fit(method, lambda _: clips, steps=2, **options)
    history = training.fit(method, lambda _: clips, steps=10, **options)
    if int(os.environ.get("RANK", 0)) == 0:
        file.write_text(str(history.seconds))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # its threads may otherwise abort a process that ends before them


def seconds(start: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seconds"
        command = [sys.executable, *start, "-m", "tests.benchmarks.bench_processes", str(file)]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return float(file.read_text())


def main() -> list[dict]:
    times = [(seconds(LAUNCH), seconds([])) for _ in range(REPEATS)]
    two, one = (statistics.median(column) for column in zip(*times, strict=True))
    name = "10 training steps in two processes, against one (a thread each)"
    return [{"name": name, "ours": two, "other": one, "ratio": one / two, "aim": 1.5, "unit": "s"}]


if __name__ == "__main__":
    train(Path(sys.argv[1]))
