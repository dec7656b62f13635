"""Reductions over axes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axes
from flowc.ops.elementwise import cast, div
from flowc.ops.kernel import fold
from flowc.ops.shape import axis_of, reshape
from flowc.ops.tensor import Array, SizeValue, Tensor, read


class Fold(Tensor):
    """A reduction over `axis`, whose axes leave the result."""

    x: Value
    axis: tuple[int, ...]
    by: ClassVar[str]

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.result_dtype(), tuple(n for a, n in enumerate(self.x.type.shape) if a not in self.axis)),)

    def result_dtype(self) -> DType:
        return self.x.type.dtype

    def at(self, *i: Dim) -> Value:
        extents = tuple(self.x.type.shape[a] for a in self.axis)

        def term(*ks: Dim) -> Value:
            outer, inner = iter(i), iter(ks)
            return read(self.x, *(next(inner) if a in self.axis else next(outer) for a in range(self.x.type.rank)))

        return fold(self.by, extents, term)


def axes_of(axis: Axes, type: Type) -> tuple[int, ...]:
    """The axes, from the front, in order, each once; all where `axis` is left out."""
    if axis is None:
        return tuple(range(type.rank))
    named = (axis,) if isinstance(axis, int) else axis
    found = tuple(sorted(axis_of(a, type) for a in named))
    if len(set(found)) != len(found):
        raise OpError(f"axis names an axis of {type} twice: {list(named)}")
    return found


def kept(result: Value, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    """The result with the reduced axes of x as length 1, where asked."""
    return reshape(result, tuple(1 if a in axes else n for a, n in enumerate(x.type.shape))) if keepdims else result


class Sum(Fold, name="sum"):
    """The sum over axes, all where left out; integers wrap, bool counts in i64.

    64 lanes (lane = row-major position modulo 64), each in order, then the tree 32, 16, 8, 4, 2, 1;
    above 65,536 elements in blocks of that size, combined in order.
    """

    by = "sum"

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        return super().make(cast(x, DType.i64) if x.type.dtype is DType.bool else x, axis, keepdims)

    def evaluate(self, x: Array) -> Array:
        return np.sum(x, axis=self.axis, dtype=x.dtype)


class Max(Fold, name="max"):
    """The largest over axes; NaN once one is seen; of nothing -inf, or the least integer."""

    by = "max"
    exact = True

    def evaluate(self, x: Array) -> Array:
        return np.max(x, axis=self.axis, initial=least_of(self.x.type.dtype))


def least_of(dtype: DType) -> Any:
    return False if dtype is DType.bool else -np.inf if dtype.is_float else dtype.limits()[0]


class Mean(Tensor, name="mean"):
    """The sum over axes divided by their size; NaN of nothing."""

    x: Value
    axis: tuple[int, ...]

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)

    def infer(self) -> tuple[Type, ...]:
        if not self.x.type.dtype.is_float:
            raise OpError(f"mean of {self.x.type}: not of floats", help="convert first: `mean(x as f32)`")
        return (Type(self.x.type.dtype, tuple(n for a, n in enumerate(self.x.type.shape) if a not in self.axis)),)

    def evaluate(self, x: Array) -> Array:
        return np.mean(x, axis=self.axis)

    def expand(self) -> Value:
        total = Sum(self.x, self.axis).result
        return div(total, size_value(self.x, self.axis))


def size_value(x: Value, axes: tuple[int, ...]) -> Value:
    """How many elements the axes have, as a scalar of x's dtype."""
    count: Dim = 1
    for a in axes:
        count = count * x.type.shape[a]
    return SizeValue((count,), x.type.element).result
