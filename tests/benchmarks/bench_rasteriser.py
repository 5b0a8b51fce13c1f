"""Frames a second of the procedural worlds at 64 pixels: ``python tests/benchmarks/bench_rasteriser.py``.

Everything is counted: scenes, poses, drawing, noise. Two threads, the median of several runs after one to warm up.
"""

import statistics
import time

import torch

from course_lib.data import worlds

AIM = 5000.0
RUNS = 5
THREADS = 2


def frames_per_second(world, runs: int = RUNS, **arguments) -> float:
    """Median frames a second of ``world(**arguments)``."""
    world(**arguments)
    rates = []
    for _ in range(runs):
        begin = time.perf_counter()
        videos = world(**arguments)
        rates.append(len(videos.frames) / (time.perf_counter() - begin))
    return statistics.median(rates)


def main(runs: int = RUNS) -> list[dict]:
    """Rows {"name", "value", "unit", "aim"}, one per world."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        cases = {
            "sport_poses": {"videos": 208, "length": 40},
            "actions": {"videos": 240, "length": 32},
            "gait": {"videos": 126, "length": 48},
            "grasp": {"videos": 288, "length": 16},
            "scenes": {"videos": 2000, "size": 64},
        }
        return [
            {
                "name": f"{name}, 64 px, {THREADS} threads",
                "value": round(frames_per_second(getattr(worlds, name), runs, **case)),
                "unit": "frames/s",
                "aim": AIM if name == "sport_poses" else None,
            }
            for name, case in cases.items()
        ]
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    for row in main():
        aim = f"  (aim {row['aim']:.0f})" if row["aim"] else ""
        print(f"{row['name']:32s} {row['value']:8d} {row['unit']}{aim}")
