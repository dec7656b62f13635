"""`python -m benchmarks`: one table, medians of interleaved rounds on one core."""

from __future__ import annotations

import importlib
from types import ModuleType

from benchmarks.timing import pin
from benchmarks.workloads import rows


def main() -> None:
    pin()
    torch = peer("torch")
    if torch is not None:
        torch.set_num_threads(1)
    print(f"{'workload':44} {'flowc':>12} {'peer':>12} {'':14} {'ratio':>7}  wanted", flush=True)
    for row in rows(torch):
        print(row, flush=True)
    if torch is None:
        print("without torch, softmax has no peer: pip install 'flowc[peers]'")


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


if __name__ == "__main__":
    main()
