"""Plans in numpy: one arena, launches of loop nests, checks, branches and loops, as the native driver runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.ir.core import Block, Func, Module, Op, Value, renamed
from flowc.ir.dims import Dim, Polynomial, Size, evaluate, substitute
from flowc.ir.printer import sizes
from flowc.ops.plan import CheckRange, CheckTrue, Commit, If, Launch, Repeat, SizeOf, StoreSize, View, WeightData, While
from flowc.transforms.interpret_loops import Failure, run_kernel

Array = np.ndarray[Any, Any]
JUNK = 0x5A  # what memory holds before it is written


class Stopped(Exception):
    """A run that a check ended: the op, and what it found where it wanted what."""

    def __init__(self, op: Op, index: int = 0, bound: int = 0, element: int = 0) -> None:
        super().__init__(f"{op.location or ''} {op.name}: {getattr(op, 'what', '')} {index} {bound}")
        self.op, self.index, self.bound, self.element = op, index, bound, element


@dataclass(frozen=True)
class Memory:
    """Bytes, and where in them a buffer begins."""

    data: Array
    start: int = 0


Run = Callable[[Func, Sequence[Array | int], Mapping[Size, int]], list[Failure]]


def run_plan(
    module: Module, graph: str, arrays: Sequence[Array], named: Mapping[str, int], state: Array | None = None, kernel: Run = run_kernel
) -> tuple[list[Array], int]:
    """The results of a planned graph on its inputs, and how many bytes of its workspace were touched; raises `Stopped`.

    `state` is the block of all states as bytes, which the run writes; `kernel` runs a launched kernel.
    """
    fn = module.func(graph)
    known = {s: named[s.name] for s in sizes(fn)}
    machine = _Driver(module, known, kernel)
    *params, workspace = fn.body.params
    if module.states:
        block, *params = params
        assert state is not None
        machine.buffers[block] = Memory(state)
    outs: list[Array] = []
    for n, p in enumerate(params):
        shape = tuple(machine.number(d) for d in p.type.shape)
        array = np.array(arrays[n], p.type.dtype.numpy, order="C") if n < len(arrays) else np.full(shape, 0, p.type.dtype.numpy)
        if n >= len(arrays):
            outs.append(array)
        machine.buffers[p] = Memory(array.reshape(-1).view(np.uint8))
    arena = np.full(machine.number(workspace.type.shape[0]), JUNK, np.uint8)
    machine.buffers[workspace] = Memory(arena)
    machine.block(fn.body)
    touched = np.flatnonzero(arena != JUNK)
    return outs, int(touched[-1]) + 1 if touched.size else 0


class _Driver:
    def __init__(self, module: Module, named: Mapping[Size, int], run: Run) -> None:
        self.module, self.named, self.run = module, named, run
        self.kernels = {f.name: f for f in module.funcs}
        self.buffers: dict[Value, Memory] = {}
        self.indices: dict[Value, int] = {}

    def number(self, d: Dim) -> int:
        return evaluate(d, {**self.named, **self.indices}) if isinstance(d, Polynomial) else d

    def block(self, block: Block) -> list[Memory]:
        for op in block.ops:
            self.op(op)
        return [self.buffers[r] for r in block.results]

    def op(self, op: Op) -> None:
        match op:
            case View(buffer, (offset,)):
                source = self.buffers[buffer]
                width = int(evaluate(buffer.type.dtype.bytes(1), {}))
                self.buffers[op.result] = Memory(source.data, source.start + self.number(offset) * width)
            case WeightData(_, blob):
                self.buffers[op.result] = Memory(np.ascontiguousarray(blob.array).reshape(-1).view(np.uint8))
            case StoreSize((size,), _, buffer):
                memory = self.buffers[buffer]
                memory.data[memory.start : memory.start + 8].view(np.int64)[0] = self.number(size)
            case Commit():
                pass
            case Launch(buffers, kernel):
                self.launch(op, self.kernels[kernel], buffers)
            case CheckRange((low, value, *high)):
                found, bounds = self.number(value), [self.number(low), *map(self.number, high)]
                if found < bounds[0] or found > (bounds[1] if high else found):
                    raise Stopped(op, found, bounds[0] if found < bounds[0] else bounds[-1])
            case CheckTrue(buffer):
                if not self.scalar(buffer):
                    raise Stopped(op)
            case SizeOf(buffer):
                self.indices[op.results[0]] = self.scalar(buffer)
            case While():
                self.loop(op)
            case Repeat():
                self.repeat(op)
            case If(which, then, orelse):
                self.block(then if self.scalar(which) else orelse)
            case _:
                raise NotImplementedError(f"{op.name} in a plan")

    def scalar(self, buffer: Value) -> int:
        memory, dtype = self.buffers[buffer], buffer.type.dtype.numpy
        return int(memory.data[memory.start : memory.start + dtype.itemsize].view(dtype)[0])

    def loop(self, op: While) -> None:
        carried = [self.buffers[v] for v in op.carried]
        limit, rounds = [self.number(d) for d in op.limit], 0
        while True:
            self.buffers.update(zip(op.condition.params, carried, strict=True))
            self.block(op.condition)
            if not self.scalar(op.condition.results[0]):
                break
            if limit and rounds >= limit[0]:
                raise Stopped(op, rounds, limit[0])
            self.buffers.update(zip(op.body.params, carried, strict=True))
            carried = self.block(op.body)
            rounds += 1
        self.buffers.update(zip(op.results, carried, strict=True))

    def repeat(self, op: Repeat) -> None:
        carried = [self.buffers[v] for v in op.carried]
        step, *params = op.body.params
        rounds = range(self.number(op.extent[0]))
        for n in reversed(rounds) if op.backwards else rounds:
            self.indices[step] = n
            self.buffers.update(zip(params, carried, strict=True))
            carried = self.block(op.body)
        self.buffers.update(zip(op.results, carried, strict=True))

    def launch(self, op: Launch, kernel: Func, given: Sequence[Value]) -> None:
        arguments: list[Array | int] = []
        for value, param in zip(given, kernel.body.params, strict=True):
            if param.type.below is not None:
                arguments.append(self.indices[value])
                continue
            memory, dtype = self.buffers[value], param.type.dtype.numpy
            count = self.elements(param, dict(zip(kernel.body.params, given, strict=True)))
            arguments.append(memory.data[memory.start : memory.start + count * dtype.itemsize].view(dtype))
        failures = self.run(kernel, arguments, self.named)
        if failures:
            first = failures[0]
            raise Stopped(first.op, first.index, first.bound, first.element)

    def elements(self, param: Value, passed: Mapping[Value, Value]) -> int:
        count = 1
        follow = renamed(lambda v: passed.get(v, v))
        for d in param.type.shape:
            count *= self.number(substitute(follow(d), {}))
        return count
