"""Ops that put tensors together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.ir.types import Type
from flowc.ops.arguments import Axis
from flowc.ops.elementwise import where
from flowc.ops.kernel import Inside
from flowc.ops.shape import axis_of, unsqueeze
from flowc.ops.tensor import Array, Read, Tensor, assumed_equal, one_dtype


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
