"""Loop nests in numpy, with the bits of native code: the oracle of code generation.

Every index of the loops around an op is an axis of a grid, and an op is
evaluated for the whole grid at once; ragged loops are masks.  What makes bits
is written out a second time, here and in ops/folds.py: lanes and trees, chains, blocks, guards.
An access outside its buffer is an error of the interpreter, whatever native code would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.ir.core import Block, Func, Op, Value
from flowc.ir.dims import Dim, Floor, Least, Polynomial, Size
from flowc.ir.printer import sizes
from flowc.ir.types import DType, Type
from flowc.ops.accumulate import Slot
from flowc.ops.elementwise import Elementwise
from flowc.ops.folds import arg, blocks, product_sum
from flowc.ops.kernel import Checked, Inside, Reduce
from flowc.ops.loops import Alloc, For, Load, Store
from flowc.ops.tensor import Constant, SizeValue

Array = np.ndarray[Any, Any]


class OutOfBounds(Exception):
    """A loop nest reads or writes outside a buffer."""


@dataclass(frozen=True)
class Failure:
    """A check that failed: the lowest (site, element) of a launch is told."""

    op: Checked
    element: int
    index: int
    bound: int


@dataclass(frozen=True)
class Buffer:
    """Elements in row-major order, one row of them for each point of the grid that was there when it was made."""

    data: Array
    shape: tuple[int, ...]
    depth: int = 0


def run_kernel(fn: Func, arguments: Sequence[Array | int], named: Mapping[Size, int]) -> list[Failure]:
    """Runs `fn` on flat arrays and numbers, writing its outputs; what failed, in order of elements."""
    machine = _Machine(named)
    for p, a in zip(fn.body.params, arguments, strict=True):
        if p.type.below is not None:
            machine.values[p] = np.asarray(a)
        else:
            machine.buffers[p] = Buffer(np.asarray(a).reshape(-1), tuple(int(machine.dim(d)) for d in p.type.shape))
    machine.block(fn.body)
    return machine.failures


def sizes_of(fn: Func, values: Sequence[int]) -> dict[Size, int]:
    """The named sizes of a function, in order, with their values."""
    return dict(zip(sizes(fn), values, strict=True))


class _Machine:
    def __init__(self, named: Mapping[Size, int]) -> None:
        self.named = named
        self.values: dict[Value, Array] = {}
        self.buffers: dict[Value, Buffer] = {}
        self.grid: tuple[int, ...] = ()
        self.active: Array = np.asarray(True)
        self.failures: list[Failure] = []

    # The grid

    def wide(self, array: Array) -> Array:
        """The array with an axis for each index of the grid; those made further out repeat."""
        return array.reshape(array.shape + (1,) * (len(self.grid) - array.ndim))

    def within(self, params: Sequence[Value], limits: Sequence[Dim], body: Block) -> tuple[Array, ...]:
        """The body's results over the grid with one more axis for each of `params`."""
        outer = self.grid, self.active
        for n, p in enumerate(params):
            extent = self.dim(p.type.below or 0)
            bounds = [extent] + ([self.dim(limits[n])] if n < len(limits) else [])
            most = max(int(np.max(np.minimum.reduce(np.broadcast_arrays(*bounds)), initial=0)), 0)
            self.grid = (*self.grid, most)
            index = np.arange(most).reshape((1,) * (len(self.grid) - 1) + (most,))
            self.values[p] = index
            self.active = self.wide(self.active)
            for bound in bounds:
                self.active = self.active & (index < self.wide(bound))
        self.block(body)
        results = tuple(self.wide(self.value(r)) for r in body.results)
        self.inner_active = self.active
        self.grid, self.active = outer
        return results

    def dim(self, d: Dim) -> Array:
        if not isinstance(d, Polynomial):
            return np.asarray(d)
        total = np.asarray(0)
        for monomial, factor in d.terms.items():
            part = np.asarray(factor)
            for atom, power in monomial:
                match atom:
                    case Floor(of, by):
                        x = self.wide(self.dim(of)) // np.maximum(self.wide(self.dim(by)), 1)
                    case Least(of, by):
                        x = np.minimum(self.wide(self.dim(of)), self.wide(self.dim(by)))
                    case Size():
                        x = np.asarray(self.named[atom])
                    case _:
                        x = self.values[atom]
                part = self.wide(part) * self.wide(x) ** power
            total = self.wide(total) + self.wide(part)
        return total

    def value(self, value: Value) -> Array:
        return self.values[value]

    # Ops

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.op(op)

    def op(self, op: Op) -> None:
        match op:
            case For(limits, "serial", body):
                self.serial(body, limits)
            case For(limits, _, body):
                self.within(body.params, limits, body)
            case Alloc(type):
                self.buffers[op.result] = self.allocated(type)
            case Load(buffer, at, inside):
                self.values[op.result] = self.load(buffer, at, inside)
            case Store(value, buffer, at, inside):
                self.store(value, buffer, at, inside)
            case Reduce():
                self.values[op.result] = self.reduce(op)
            case Checked():
                self.values[op.results[0]] = self.checked(op)
            case Slot(value, (bound,)):
                index = self.wide(self.value(value)).astype(np.int64)
                self.values[op.results[0]] = np.where((index >= 0) & (index < self.wide(self.dim(bound))), index + 1, 0)
            case Constant(scalar):
                self.values[op.result] = np.frombuffer(scalar.data, scalar.dtype.numpy)[0].reshape(())
            case SizeValue((d,), type):
                self.values[op.result] = self.dim(d).astype(type.dtype.numpy)
            case Inside(dims):
                self.values[op.result] = self.holds(dims)
            case Elementwise():
                self.values[op.result] = op.evaluate(*(self.wide(self.value(v)) for v in op.operands))
            case _:
                raise NotImplementedError(f"{op.name} in a loop nest")

    def serial(self, body: Block, limits: Sequence[Dim]) -> None:
        (index,) = body.params
        bounds = [self.wide(self.dim(d)) for d in (index.type.below or 0, *limits)]
        extent = np.minimum.reduce(np.broadcast_arrays(*bounds))
        outer = self.active
        for i in range(int(np.max(extent, initial=0))):
            self.values[index] = np.asarray(i)
            self.active = self.wide(outer) & (i < extent)
            self.block(body)
        self.active = outer

    def allocated(self, type: Type) -> Buffer:
        shape = tuple(int(np.max(self.dim(d), initial=0)) for d in type.shape)
        junk = np.full((*self.grid, int(np.prod(shape, dtype=np.int64))), 0x5A, np.uint8)
        data = np.empty(junk.shape, type.dtype.numpy)
        data.reshape(-1).view(np.uint8)[:] = 0x5A  # what was never written shows
        return Buffer(data, shape, len(self.grid))

    def holds(self, dims: Sequence[Dim]) -> Array:
        every = np.asarray(True)
        for d in dims:
            every = self.wide(every) & (self.wide(self.dim(d)) >= 0)
        return every

    def place(self, buffer: Value, at: Sequence[Dim], used: Array) -> tuple[Array, ...]:
        """Where in the buffer's data each point of the grid is; those not `used` are at 0."""
        own = self.buffers[buffer]
        flat = np.asarray(0)
        for d, n in zip(at, own.shape, strict=True):
            i = self.wide(self.dim(d))
            if np.any(used & ((i < 0) | (i >= n))):
                bad = np.broadcast_to(i, np.broadcast_shapes(i.shape, used.shape))[
                    np.broadcast_to(used & ((i < 0) | (i >= n)), np.broadcast_shapes(i.shape, used.shape))
                ]
                raise OutOfBounds(f"index {bad.flat[0]} into an axis of {n} of {buffer}: {buffer.type}")
            flat = self.wide(flat) * n + i
        flat = np.where(used, flat, 0)
        axes = np.ogrid[tuple(slice(n) for n in self.grid[: own.depth])] if own.depth else ()
        return (*(self.wide(np.asarray(a).reshape(np.asarray(a).shape[: own.depth])) for a in axes), flat)

    def load(self, buffer: Value, at: Sequence[Dim], inside: Sequence[Dim]) -> Array:
        data = self.buffers[buffer].data
        used = self.wide(self.active) & self.wide(self.holds(inside))
        if not data.size:
            return np.zeros(used.shape, data.dtype)
        found = data[self.place(buffer, at, used)]
        return np.where(used, found, np.zeros((), data.dtype))

    def store(self, value: Value, buffer: Value, at: Sequence[Dim], inside: Sequence[Dim]) -> None:
        if not self.buffers[buffer].data.size:
            return  # a place in it was checked and is told
        used = np.broadcast_to(self.wide(self.active) & self.wide(self.holds(inside)), self.grid)
        place = tuple(np.broadcast_to(p, self.grid)[used] for p in self.place(buffer, at, used))
        self.buffers[buffer].data[place] = np.broadcast_to(self.wide(self.value(value)), self.grid)[used]

    def checked(self, op: Checked) -> Array:
        index, bound = self.wide(self.value(op.value)).astype(np.int64), self.wide(self.dim(op.bound[0]))
        wrapped = np.where(index < 0, index + bound, index)
        outside = (wrapped < 0) | (wrapped >= bound)
        bad = np.broadcast_to(self.wide(self.active) & self.wide(self.holds(op.inside)) & outside, self.grid)
        if bad.any():
            element = int(np.flatnonzero(bad)[0])
            told = (int(np.broadcast_to(a, self.grid).reshape(-1)[element]) for a in (index, bound))
            self.failures.append(Failure(op, element, *told))
        return np.where(outside, 0, wrapped)

    # Folds

    def reduce(self, op: Reduce) -> Array:
        depth = len(self.grid)
        terms = self.within(op.body.params, (), op.body)
        active = self.inner_active
        shape = np.broadcast_shapes(active.shape, *(t.shape for t in terms))
        box = (*shape[:depth], int(np.prod(shape[depth:], dtype=np.int64)))
        active, *terms = (np.broadcast_to(t, shape).reshape(box) for t in (active, *terms))
        dtype = op.body.results[0].type.dtype
        if op.fold == "dot":
            return self.chain(op, terms, active, dtype)
        if op.fold.startswith("arg"):
            return arg(op.fold, terms[0], active)
        return blocks(op.fold, terms, active, dtype)

    def chain(self, op: Reduce, terms: Sequence[Array], active: Array, dtype: DType) -> Array:
        total = self.wide(self.value(op.start[0])) if op.start else np.zeros((), dtype.numpy)
        total = np.broadcast_to(total, active.shape[:-1])
        for k in range(active.shape[-1]):
            total = np.where(active[..., k], product_sum(terms[0][..., k], terms[1][..., k], total), total)
        return total
