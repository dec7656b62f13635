"""Fair timing on a shared machine: contenders take turns, several rounds, medians."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROUNDS = 9
SAMPLE = 0.02  # seconds a sample lasts at least
REST = 0.02  # seconds before a sample, in which threads of the one before that wait by spinning fall asleep


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds per call of each contender; they take turns, so that what disturbs one disturbs all."""
    repeats = {name: _repeats(run) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            count = repeats[name]
            time.sleep(REST)
            run()
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


def spread(run: Callable[[], object], seconds: float = 0.3) -> None:
    """Keeps the threads that work for `run`, besides this one, on cores of their own, in turn after the first one, which is this one's."""
    run()
    if not hasattr(os, "sched_setaffinity"):
        return
    before, end = _used(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        run()
    used = {task: ticks - before.get(task, 0) for task, ticks in _used().items() if task != os.getpid()}
    cores = sorted(os.sched_getaffinity(0))
    busy = [task for task in sorted(used, key=lambda task: -used[task]) if used[task] > seconds * os.sysconf("SC_CLK_TCK") / 10]
    for n, task in enumerate(busy, 1):
        os.sched_setaffinity(task, {cores[n % len(cores)]})


def _used() -> dict[int, int]:
    """The processor time of each thread of this process, in ticks."""
    stats = {int(task.name): (task / "stat").read_text().rpartition(")")[2].split() for task in Path("/proc/self/task").iterdir()}
    return {task: int(fields[11]) + int(fields[12]) for task, fields in stats.items()}


@contextmanager
def alone() -> Generator[None]:
    """This thread stays on its first core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def pin(cores: int = 1) -> None:
    """Keeps this process on the last cores it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
