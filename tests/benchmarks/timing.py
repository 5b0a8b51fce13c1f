"""Interleaved timing: A B A B …, so that what else the machine does meets both alike."""

import statistics
import time
from collections.abc import Callable


def compare(
    name: str, ours: Callable[[], object], other: Callable[[], object], *, aim: float, repeats: int = 7
) -> dict:
    """Row with the median seconds of both, each called once to warm up, and ``ratio`` = other / ours."""
    ours(), other()
    times = {ours: [], other: []}
    for _ in range(repeats):
        for call, seconds in times.items():
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    fast, slow = (statistics.median(seconds) for seconds in times.values())
    return {"name": name, "ours": fast, "other": slow, "ratio": slow / fast, "aim": aim, "unit": "s"}
