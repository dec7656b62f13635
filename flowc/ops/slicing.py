"""Evenly spaced parts of tensors: slices with steps of either sign, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, ceil, floor, least, show
from flowc.ir.types import Type
from flowc.ops.arguments import Axes, Axis, Parts
from flowc.ops.shape import axes_of, axis_of
from flowc.ops.tensor import Array, Function, Read, Tensor, assumed_equal


class Slice(Tensor, name="slice"):
    """`result[i, ...] = x[start + step * i, ...]` on every axis, for `size` elements."""

    x: Value
    start: tuple[Dim, ...]
    size: tuple[Dim, ...]
    step: tuple[int, ...]
    public = False
    moves = True
    exact = True

    def infer(self) -> tuple[Type, ...]:
        for axis, (n, begin, size, step) in enumerate(zip(self.x.type.shape, self.start, self.size, self.step, strict=True)):
            last = begin + step * (size - 1)
            if at_least(size, 1) and any(at_least(-i, 1) or at_least(i - n, 0) for i in (begin, last)):
                raise OpError(f"a slice from {show(begin)} to {show(last)} leaves axis {axis} of {self.x.type}")
        return (Type(self.x.type.dtype, self.size),)

    def evaluate(self, x: Array) -> Array:
        each = [b + s * np.arange(n) for b, n, s in zip(self.start, self.size, self.step, strict=True)]  # type: ignore[type-var]
        return x[np.ix_(*each)] if each else x

    def at(self, *i: Dim) -> Value:
        each = zip(self.start, self.step, self.size, i, strict=True)
        return Read(self.x, tuple(begin if n == 1 else begin + step * k for begin, step, n, k in each)).result


def sliced(x: Value, parts: Sequence[slice]) -> Value:
    """x[parts], with a slice for each axis; bounds may be sizes, and are cut to the axis as in NumPy."""
    bounds = [bounds_of(part, n) for part, n in zip(parts, x.type.shape, strict=True)]
    if all(b == 0 and s == 1 and size == n for (b, size, s), n in zip(bounds, x.type.shape, strict=True)):
        return x
    return Slice(x, tuple(b for b, _, _ in bounds), tuple(n for _, n, _ in bounds), tuple(s for _, _, s in bounds)).result


def bounds_of(part: slice, n: Dim) -> tuple[Dim, Dim, int]:
    """Start, size and step of a slice along an axis of `n`."""
    step = 1 if part.step is None else part.step
    if not isinstance(step, int):
        raise OpError(f"the step of a slice is a number, not the size {show(step)}")
    if step == 0:
        raise OpError("the step of a slice is 0")
    if step > 0:
        begin = 0 if part.start is None else _cut(_from_front(part.start, n), 0, n)
        end = n if part.stop is None else _cut(_from_front(part.stop, n), 0, n)
        return begin, _cut(ceil(end - begin, step), 0, None), step
    begin = n - 1 if part.start is None else _cut(_from_front(part.start, n), -1, n - 1)
    end = -1 if part.stop is None else _cut(_from_front(part.stop, n), -1, n - 1)
    return begin, _cut(ceil(begin - end, -step), 0, None), step


def _from_front(bound: Dim, n: Dim) -> Dim:
    if at_least(bound, 0):
        return bound
    if at_least(-bound, 1):
        return n + bound
    raise OpError(f"the bound {show(bound)} of a slice may be negative or not", help="bounds count from the end when negative")


def _cut(d: Dim, low: Dim, high: Dim | None) -> Dim:
    """`d` brought between the two."""
    return greatest(d if high is None else least(d, high), low)


def greatest(a: Dim, b: Dim) -> Dim:
    return -least(-a, -b)


class Flip(Function, name="flip"):
    """x with the order of its axes' elements reversed, of all where `axis` is left out."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None) -> Value:
        axes = axes_of(axis, x.type)
        return sliced(x, [slice(None, None, -1 if a in axes else 1) for a in range(x.type.rank)])


class Split(Function, name="split"):
    """x in so many equal parts, or in parts of the sizes listed, along an axis."""

    @classmethod
    def make(cls, x: Value, parts: Parts, axis: Axis = 0) -> tuple[Value, ...]:
        a = axis_of(axis, x.type)
        n = x.type.shape[a]
        sizes = parts if isinstance(parts, tuple) else _equal_parts(x, n, parts)
        for size in sizes:
            if at_least(-size, 1):
                raise OpError(f"a part of {x.type} has no negative size {show(size)}")
        total: Dim = 0
        found: list[Value] = []
        for size in sizes:
            found.append(sliced(x, [slice(total, total + size) if k == a else slice(None) for k in range(x.type.rank)]))
            total = total + size
        if assumed_equal([(total, n)], f"the parts of {x.type} are {show(total)} together, its axis {a} has {show(n)}"):
            raise OpError(f"the parts of {x.type} are {show(total)} together, which need not be {show(n)}")
        return tuple(found)


def _equal_parts(x: Value, n: Dim, count: Dim) -> tuple[Dim, ...]:
    if not isinstance(count, int) or count < 1:
        raise OpError(f"split takes a number of parts, not {show(count)}")
    size = floor(n, count)
    if size * count != n:
        raise OpError(f"{x.type} has no {count} equal parts: its axis has {show(n)}", help="list their sizes: `split(x, [2, 3])`")
    return (size,) * count
