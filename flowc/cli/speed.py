"""What a graph computes and moves, counted in its kernels, and what this machine can do at most, measured."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flowc.codegen import native
from flowc.ir.core import Block, Func, Op, Value, indices, walk
from flowc.ir.dims import Dim, evaluate, most, product, substitute
from flowc.ir.printer import sizes
from flowc.ops.control import Cond, Loop, Scan
from flowc.ops.elementwise import Elementwise
from flowc.ops.kernel import PAIRS, Kernel, Recurrence, Reduce
from flowc.ops.tensor import Read
from flowc.target import host

CHAINS = 12  # multiply-adds on their way at once
ROUNDS = 200_000
COPIED = 32 << 20  # bytes, more than caches hold
REPEATS = 3


@dataclass(frozen=True)
class Work:
    """Operations on floats and bytes of a run; not `known` where a loop runs until data say so."""

    flops: int
    bytes: int
    known: bool = True


def work(graph: Func, known: Mapping[str, int]) -> Work:
    """Of a graph of level kernel with these sizes; an extent that an index bounds counts at its longest."""
    at = {size: known[size.name] for size in sizes(graph)}

    def number(d: Dim) -> int:
        d = most(d)
        while inner := list(indices((d,))):
            d = substitute(d, {v: (v.type.below or 1) - 1 for v in inner})
        return max(evaluate(d, at), 0)

    def held(value: Value) -> int:
        size = value.type.dtype.bytes(number(product(value.type.shape)))
        assert isinstance(size, int)
        return size

    kernels = list(_run(graph.body, number))
    moved = sum(times * _held(op, held, number) for op, times in kernels)
    flops = sum(times * _flops(op, number) for op, times in kernels)
    return Work(flops, moved, not any(isinstance(op, Loop | Cond) for op in walk(graph.body)))


def _run(block: Block, number: Callable[[Dim], int]) -> Iterator[tuple[Kernel | Recurrence, int]]:
    """The kernels of a block, with how often they run."""
    stack = [(block, 1)]
    while stack:
        block, times = stack.pop()
        for op in block.ops:
            if isinstance(op, Kernel | Recurrence):
                yield op, times
            else:
                inner = times * number(op.steps[0]) if isinstance(op, Scan) else times
                stack.extend((region, inner) for region in op.regions)


def _held(op: Kernel | Recurrence, held: Callable[[Value], int], number: Callable[[Dim], int]) -> int:
    """Bytes of what a kernel reads and writes: all of it, or where a step of a scan says which, that slice."""
    whole = {v: held(v) for v in dict.fromkeys((*op.uses, *op.results)) if v.type.below is None}
    own = {p for region in op.regions for p in region.params}
    for read in (inner for region in op.regions for inner in walk(region) if isinstance(inner, Read)):
        for d, n in zip(read.at, read.tensor.type.shape, strict=True):
            if read.tensor in whole and any(v.op is None and v not in own and v in op.uses for v in indices((d,))):
                whole[read.tensor] = min(whole[read.tensor], held(read.tensor) // max(number(n), 1))
    return sum(whole.values())


def _flops(kernel: Kernel | Recurrence, number: Callable[[Dim], int]) -> int:
    """Of one kernel; blocks wait on a stack with how often they run."""
    total, stack = 0, [(region, _times(region, number)) for region in kernel.regions]
    while stack:
        block, times = stack.pop()
        for op in block.ops:
            if isinstance(op, Elementwise) and op.result.type.dtype.is_float:
                total += times
            for region in op.regions:
                inner = times * _times(region, number)
                total += inner * _of_a_term(op)
                stack.append((region, inner))
    return total


def _times(block: Block, number: Callable[[Dim], int]) -> int:
    return int(np.prod([number(p.type.below) for p in block.params if p.type.below is not None], dtype=object))


def _of_a_term(op: Op) -> int:
    """Operations that folding a term takes."""
    if not isinstance(op, Reduce) or not op.body.results[0].type.dtype.is_float:
        return 0
    return 2 if op.fold in PAIRS else 1


def peaks(threads: int) -> tuple[float, float]:
    """Operations on f32 and bytes copied a second that so many threads reach."""
    lanes = host().lanes(32)
    library = native.load(_multiply_adds(lanes), host())
    run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(library.address("peak"))
    computed = _seconds([lambda: run(ROUNDS)] * threads)
    pairs = [(np.ones(COPIED // threads, np.uint8), np.empty(COPIED // threads, np.uint8)) for _ in range(threads)]
    copied = _seconds([lambda a=a, b=b: np.copyto(b, a) for a, b in pairs])
    return 2 * CHAINS * lanes * ROUNDS * threads / computed, 2 * (COPIED // threads) * threads / copied


def _seconds(tasks: Sequence[Callable[[], object]]) -> float:
    """The least time in which the tasks, a thread each, are done."""
    found: list[float] = []
    for _ in range(REPEATS):
        workers = [threading.Thread(target=task) for task in tasks[1:]]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        tasks[0]()
        for worker in workers:
            worker.join()
        found.append(time.perf_counter() - begin)
    return min(found)


def _multiply_adds(lanes: int) -> str:
    """`float peak(int64_t rounds)`: independent chains of multiply-adds, in LLVM's text."""
    vector = f"<{lanes} x float>"
    half = f"{vector} splat (float 0.5)"
    step = f"call {vector} @llvm.fma.v{lanes}f32" if host().fma else f"call {vector} @llvm.fmuladd.v{lanes}f32"
    phis = "\n".join(f"  %x{n} = phi {vector} [ splat (float {n}.0), %entry ], [ %y{n}, %loop ]" for n in range(CHAINS))
    steps = "\n".join(f"  %y{n} = {step}({vector} %x{n}, {half}, {half})" for n in range(CHAINS))
    sums = "\n".join(f"  %s{n} = fadd {vector} %{f's{n - 1}' if n > 1 else 'y0'}, %y{n}" for n in range(1, CHAINS))
    name = "fma" if host().fma else "fmuladd"
    return f"""declare {vector} @llvm.{name}.v{lanes}f32({vector}, {vector}, {vector})
define float @peak(i64 %rounds) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
{phis}
{steps}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %rounds
  br i1 %more, label %loop, label %end
end:
{sums}
  %result = extractelement {vector} %s{CHAINS - 1}, i64 0
  ret float %result
}}
"""
