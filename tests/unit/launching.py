"""A script as one process and as two (``torchrun``, gloo)."""

import json
import os
import subprocess
import sys


def one_and_two(script, tmp_path_factory):
    """Number of processes → where each rank of ``script.main(folder)`` wrote what it saw. One process is this one."""
    found = {number: tmp_path_factory.mktemp(f"processes{number}") for number in (1, 2)}
    script.main(found[1])
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, script.__file__, str(found[2])], capture_output=True, text=True, timeout=120, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return found


def what_was_seen(folders):
    """What one process saw, and what each of two did."""
    files = [folders[1] / "seen.0.json", folders[2] / "seen.0.json", folders[2] / "seen.1.json"]
    return [json.loads(file.read_text()) for file in files]
