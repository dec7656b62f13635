"""Running totals along an axis."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value, body
from flowc.ir.types import DType, Type, below
from flowc.ops.accumulate import filled, folded
from flowc.ops.arguments import Axis
from flowc.ops.control import Scan
from flowc.ops.folds import joined
from flowc.ops.kernel import start_of
from flowc.ops.pointwise import Cotangents
from flowc.ops.reduce import counted
from flowc.ops.shape import axis_of, moved
from flowc.ops.tensor import Array, Tensor


class Cumulative(Tensor):
    """Each element along an axis folded into those before it, one after the other."""

    x: Value
    axis: int
    exclusive: bool = False
    reverse: bool = False
    by: ClassVar[str]

    @classmethod
    def make(cls, x: Value, axis: Axis, exclusive: bool = False, reverse: bool = False) -> Value:
        return cls(x, axis_of(axis, x.type), exclusive, reverse).result

    def infer(self) -> tuple[Type, ...]:
        if self.x.type.dtype is DType.bool and self.by in ("sum", "prod"):
            raise OpError(f"{self.name} of {self.x.type}: bool counts as i64", help="convert first: `... as i64`")
        return (self.x.type,)

    def evaluate(self, x: Array) -> Array:
        steps = np.moveaxis(x, self.axis, 0)
        found = np.empty_like(steps)
        total = np.full(steps.shape[1:], start_of(self.by, self.x.type.dtype), x.dtype)
        for t in range(len(steps))[:: -1 if self.reverse else 1]:
            following = joined(self.by, total, steps[t])
            found[t] = total if self.exclusive else following
            total = following
        return np.moveaxis(found, 0, self.axis)

    def expand(self) -> Value:
        front = moved(self.x, self.axis, 0)
        n, *rest = front.type.shape
        init = filled(Type(self.x.type.dtype, tuple(rest)), start_of(self.by, self.x.type.dtype))
        t, step, total = Value(below(n), None, "t"), Value(init.type, None, "x"), Value(init.type, None, "total")
        following = folded(self.by, total, step)
        region = body((t, step, total), (following, total if self.exclusive else following))
        return moved(Scan((front,), (init,), (n,), region, self.reverse).results[1], 0, self.axis)


class CumSum(Cumulative, name="cumsum"):
    """The sum of each element and those before it along an axis, from 0 on, one added after the other; integers wrap, bool counts in i64.

    exclusive: of those before it alone. reverse: of those after it.
    """

    by = "sum"

    @classmethod
    def make(cls, x: Value, axis: Axis, exclusive: bool = False, reverse: bool = False) -> Value:
        return super().make(counted(x), axis, exclusive, reverse)

    def gradient(self, g: Value) -> Cotangents:
        return (CumSum(g, self.axis, self.exclusive, not self.reverse).result,)


class CumProd(Cumulative, name="cumprod"):
    """The product of each element and those before it along an axis, in the order of `cumsum`; integers wrap, bool counts in i64.

    exclusive: of those before it alone, 1 of none. reverse: of those after it.
    """

    by = "prod"

    @classmethod
    def make(cls, x: Value, axis: Axis, exclusive: bool = False, reverse: bool = False) -> Value:
        return super().make(counted(x), axis, exclusive, reverse)


class CumMax(Cumulative, name="cummax"):
    """The largest of each element and those before it along an axis; NaN once one is seen; +0 over -0.

    exclusive: of those before it alone, -inf or the least integer of none. reverse: of those after it.
    """

    by = "max"


class CumMin(Cumulative, name="cummin"):
    """The smallest of each element and those before it along an axis; NaN once one is seen; -0 under +0.

    exclusive: of those before it alone, inf or the greatest integer of none. reverse: of those after it.
    """

    by = "min"
