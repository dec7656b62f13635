"""Fair timing on a shared machine: contenders take turns, several rounds, medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROUNDS = 9
SAMPLE = 0.02  # seconds a sample lasts at least


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds per call of each contender; they take turns, so that what disturbs one disturbs all."""
    repeats = {name: _repeats(run) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            count = repeats[name]
            begin = time.perf_counter()
            for _ in range(count):
                run()
            samples[name].append((time.perf_counter() - begin) / count)
    return {name: statistics.median(times) for name, times in samples.items()}


def _repeats(run: Callable[[], object]) -> int:
    run()
    begin = time.perf_counter()
    run()
    once = time.perf_counter() - begin
    return max(1, round(SAMPLE / max(once, 1e-7)))


def process_seconds(program: str, rounds: int = 5, **environment: str) -> float:
    """Median wall seconds of a Python program in a process of its own."""
    times: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | environment, cwd=Path(__file__).parent.parent)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def pin(cores: int = 1) -> None:
    """Keeps this process on the last cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
