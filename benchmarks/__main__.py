"""`python -m benchmarks [training]`: one table, medians of interleaved rounds; on one core, then training on two."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from types import ModuleType

from benchmarks import training, workloads
from benchmarks.timing import pin


def main(threads: int) -> None:
    pin(threads)
    torch, jax = peer("torch"), peer("jax")
    if torch is not None:
        torch.set_num_threads(threads)
    if threads == 1:
        print(f"{'workload':56} {'flowc':>12} {'peer':>12} {'':14} {'ratio':>7}  wanted", flush=True)
    if threads == 1 and "training" not in sys.argv:
        for row in workloads.rows(torch):
            print(row, flush=True)
    for row in training.rows(torch, jax, threads):
        print(row, flush=True)
    missing = [name for name, there in (("torch", torch), ("jax", jax)) if there is None]
    if missing and threads == 1:
        print(f"peers that are not there: {', '.join(missing)}; pip install 'flowc[peers]'")


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


if __name__ == "__main__":
    if "--threads=2" in sys.argv:
        main(2)
    else:
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
        main(1)
        if cores:
            os.sched_setaffinity(0, cores)
        if len(cores) > 1:
            subprocess.run([sys.executable, "-m", "benchmarks", "training", "--threads=2"], check=True)
