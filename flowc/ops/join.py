"""Ops that put tensors together, take them apart, or set them in a border."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis, Pairs
from flowc.ops.elementwise import where
from flowc.ops.kernel import Inside
from flowc.ops.shape import axis_of, unsqueeze
from flowc.ops.tensor import Array, Read, Tensor, assumed_equal, like, one_dtype, read


class Concat(Tensor, name="concat"):
    """The tensors one after the other along an axis."""

    tensors: tuple[Value, ...]
    axis: int
    aliases = ("concatenate",)
    moves = True
    exact = True

    @classmethod
    def make(cls, tensors: tuple[Value, ...], axis: Axis = 0) -> Value:
        return concat(tensors, axis)

    def infer(self) -> tuple[Type, ...]:
        self.assumes()
        first = self.tensors[0].type
        one_dtype(self.name, *(x.type for x in self.tensors))
        total: Dim = 0
        for x in self.tensors:
            total = total + x.type.shape[self.axis]
        return (Type(first.dtype, (*first.shape[: self.axis], total, *first.shape[self.axis + 1 :])),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        first = self.tensors[0].type
        open_: tuple[tuple[Dim, Dim], ...] = ()
        for x in self.tensors[1:]:
            if x.type.rank != first.rank:
                raise OpError(f"concat of {first} and {x.type}: {counted(first.rank, 'axis')} and {x.type.rank}")
            pairs = [(a, b) for n, (a, b) in enumerate(zip(first.shape, x.type.shape, strict=True)) if n != self.axis]
            open_ += assumed_equal(pairs, f"concat of {first} and {x.type} along axis {self.axis}: the other sizes differ")
        return open_

    def evaluate(self, *tensors: Array) -> Array:
        return np.concatenate(tensors, axis=self.axis)

    def at(self, *i: Dim) -> Value:
        k = i[self.axis]
        end = self.result.type.shape[self.axis]
        result: Value | None = None
        for x in reversed(self.tensors):
            begin = end - x.type.shape[self.axis]
            own = tuple(k - begin if n == self.axis else 0 if x.type.shape[n] == 1 else d for n, d in enumerate(i))
            if result is None:
                inside = (k - begin,) if len(self.tensors) > 1 else ()
                result = Read(x, own, inside).result
            else:
                before = (end - 1 - k,)
                result = where(Inside(before).result, Read(x, own, (k - begin, *before)).result, result)
            end = begin
        assert result is not None
        return result


def concat(tensors: Sequence[Value], axis: int = 0) -> Value:
    """The tensors one after the other along an axis."""
    if not tensors:
        raise OpError("concat of no tensors")
    first = tensors[0].type
    if not first.rank:
        raise OpError(f"concat of scalars: {first} has no axis", help="write stack to give them one")
    return Concat(tuple(tensors), axis_of(axis, first)).result if len(tensors) > 1 else tensors[0]


class Stack(Tensor, name="stack"):
    """The tensors along a new axis."""

    tensors: tuple[Value, ...]
    axis: int
    moves = True
    exact = True

    @classmethod
    def make(cls, tensors: tuple[Value, ...], axis: Axis = 0) -> Value:
        return stack(tensors, axis)

    def infer(self) -> tuple[Type, ...]:
        self.assumes()
        first = self.tensors[0].type
        one_dtype(self.name, *(x.type for x in self.tensors))
        return (Type(first.dtype, (*first.shape[: self.axis], len(self.tensors), *first.shape[self.axis :])),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        first = self.tensors[0].type
        open_: tuple[tuple[Dim, Dim], ...] = ()
        for x in self.tensors[1:]:
            if x.type.rank != first.rank:
                raise OpError(f"stack of {first} and {x.type}: {counted(first.rank, 'axis')} and {x.type.rank}")
            pairs = list(zip(first.shape, x.type.shape, strict=True))
            open_ += assumed_equal(pairs, f"stack of {first} and {x.type}: their sizes differ")
        return open_

    def evaluate(self, *tensors: Array) -> Array:
        return np.stack(tensors, axis=self.axis)

    def expand(self) -> Value:
        return concat([unsqueeze(x, self.axis) for x in self.tensors], self.axis)


def stack(tensors: Sequence[Value], axis: int = 0) -> Value:
    """The tensors along a new axis."""
    if not tensors:
        raise OpError("stack of no tensors")
    first = tensors[0].type
    return Stack(tuple(tensors), axis_of(axis, Type(first.dtype, (*first.shape, 1)))).result


class Pad(Tensor, name="pad"):
    """x in a border of `value`: `before` and `after` elements on each axis."""

    x: Value
    value: Value
    before: tuple[Dim, ...]
    after: tuple[Dim, ...]
    same = ("x", "value")
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, pads: Pairs, mode: str = "constant", value: Value | None = None) -> Value:
        if mode != "constant":
            raise OpError(f'pad with mode "{mode}" is not there yet', help='the one mode is "constant"')
        if len(pads) != x.type.rank:
            raise OpError(f"pad of {x.type} takes {x.type.rank} pairs [before, after], not {len(pads)}")
        border = like(x, False if x.type.dtype is DType.bool else 0) if value is None else value
        if border.type.rank:
            raise OpError(f"the border of pad is a scalar, not {border.type}")
        return cls(x, border, tuple(a for a, _ in pads), tuple(b for _, b in pads)).result

    def infer(self) -> tuple[Type, ...]:
        for d in (*self.before, *self.after):
            if at_least(-d, 1):
                raise OpError(f"pad takes sizes that are not negative, not {show(d)}", help="a slice takes elements away")
        one_dtype(self.name, self.x.type, self.value.type)
        shape = zip(self.before, self.x.type.shape, self.after, strict=True)
        return (Type(self.x.type.dtype, tuple(a + n + b for a, n, b in shape)),)

    def evaluate(self, x: Array, value: Array) -> Array:
        widths = list(zip(self.before, self.after, strict=True))
        return np.pad(x, widths, constant_values=value.item()) if x.ndim else x  # type: ignore[call-overload]

    def at(self, *i: Dim) -> Value:
        each = list(zip(i, self.before, self.after, self.x.type.shape, strict=True))
        own = tuple(k - a for k, a, _, _ in each)
        inside = tuple(d for k, a, b, n in each for d in ((k - a,) if a != 0 else ()) + ((n - 1 - k + a,) if b != 0 else ()))
        found = Read(self.x, own, inside).result
        return where(Inside(inside).result, found, read(self.value, *i)) if inside else found
