"""Values put, added or counted at computed places of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, dim, show
from flowc.ir.types import DType, Type
from flowc.ops.accumulate import FOLDS, accumulate, filled
from flowc.ops.arguments import Axis, Number, Size, fixed
from flowc.ops.elementwise import add, cast, greater_equal, less, less_equal, logical_and, minimum, mul, sub, where
from flowc.ops.index import told
from flowc.ops.kernel import Checked
from flowc.ops.shape import axis_of, broadcast_to
from flowc.ops.signs import Floor
from flowc.ops.tensor import Function, Read, constant, read


class Scatter(Function, name="scatter"):
    """x with `updates` folded in at `ids` along an axis, the inverse of `take`: updates have the axes of ids in place of `axis`.

    reduce: "set", "sum", "prod", "max" or "min". Updates repeat to their shape, as in NumPy. What meets at one place is folded in
    row-major order of updates, so of several that are set the last one stays. Negative ids count from the end; one out of range
    ends the run.
    """

    same = ("x", "updates")

    @classmethod
    def make(cls, x: Value, ids: Value, updates: Value, axis: Axis = 0, reduce: str = "set") -> Value:
        a = axis_of(axis, x.type)
        _fits(cls.name, x, ids, reduce)
        n, rank, what = x.type.shape[a], ids.type.rank, told(ids, x)
        updates = _repeated(cls.name, updates, (*x.type.shape[:a], *ids.type.shape, *x.type.shape[a + 1 :]))

        def element(*i: Dim) -> tuple[Value, Sequence[Dim]]:
            place = dim(Checked(Read(ids, i[a : a + rank]).result, (n,), what).results[0])
            return read(updates, *i), (*i[:a], place, *i[a + rank :])

        return accumulate(x, reduce, updates.type.shape, element)


class ScatterNd(Function, name="scatter_nd"):
    """x with `updates[..., :]` folded in at `x[ids[..., 0], ids[..., 1], ..., :]`, the inverse of `gather_nd`; as `scatter` otherwise."""

    same = ("x", "updates")

    @classmethod
    def make(cls, x: Value, ids: Value, updates: Value, reduce: str = "set") -> Value:
        depth = ids.type.shape[-1] if ids.type.rank else None
        if not isinstance(depth, int):
            raise OpError(f"ids of scatter_nd have a last axis of known size, unlike {ids.type}")
        if depth > x.type.rank:
            raise OpError(f"scatter_nd into {x.type}: {counted(x.type.rank, 'axis')} and {depth} ids for each element, in {ids.type}")
        _fits(cls.name, x, ids, reduce)
        outer, what = ids.type.shape[:-1], told(ids, x)
        updates = _repeated(cls.name, updates, (*outer, *x.type.shape[depth:]))

        def element(*i: Dim) -> tuple[Value, Sequence[Dim]]:
            at = i[: len(outer)]
            own = [Checked(Read(ids, (*at, k)).result, (x.type.shape[k],), what).results[0] for k in range(depth)]
            return read(updates, *i), (*map(dim, own), *i[len(outer) :])

        return accumulate(x, reduce, updates.type.shape, element)


def _fits(name: str, x: Value, ids: Value, reduce: str) -> None:
    if not ids.type.dtype.is_integer:
        raise OpError(f"an index of {x.type} is an integer, not {ids.type}")
    if reduce not in FOLDS:
        raise OpError(f'{name} has no reduce "{reduce}": there are {", ".join(FOLDS)}')
    if reduce in ("sum", "prod") and x.type.dtype is DType.bool:
        raise OpError(f'{name} with reduce "{reduce}" takes numbers, not {x.type}')


def _repeated(name: str, updates: Value, shape: tuple[Dim, ...]) -> Value:
    try:
        return broadcast_to(updates, shape)
    except OpError:
        raise OpError(f"updates of {name} are {Type(updates.type.dtype, shape)} here, or repeat to it, not {updates.type}") from None


class BinCount(Function, name="bincount"):
    """How many elements of x are k, for each k below n: i64. Integers outside of that are not counted."""

    @classmethod
    def make(cls, x: Value, n: Size) -> Value:
        if not x.type.dtype.is_integer:
            raise OpError(f"bincount counts integers, not {x.type}")

        def element(*i: Dim) -> tuple[Value, Sequence[Value]]:
            return constant(1, DType.i64), (Read(x, i).result,)

        return accumulate(filled(Type(DType.i64, (n,)), 0), "sum", x.type.shape, element)


class Histogram(Function, name="histogram"):
    """How many elements of x are in each of `bins` intervals of one width from low to high: i64.

    An interval has its lower edge, the last one both; interval k begins at low + k * ((high - low) / bins), computed in f64 and
    rounded to the dtype of x where that is a float. What is outside, and NaN, is not counted.
    """

    same = ("x",)

    @classmethod
    def make(cls, x: Value, bins: Size, low: Number, high: Number) -> Value:
        a, b = fixed(low, "histogram"), fixed(high, "histogram")
        if not isinstance(bins, int):
            raise OpError(f"bins of histogram is a number known when the program is compiled, not the size {show(bins)}")
        if bins < 1:
            raise OpError(f"histogram has 1 interval at least, not {bins}")
        if not (math.isfinite(a) and math.isfinite(b) and a < b):
            raise OpError(f"histogram goes from a number up to a larger one, not from {low} to {high}")
        if x.type.dtype is DType.bool:
            raise OpError(f"histogram takes numbers, not {x.type}")

        intervals = _intervals(x, a, b, bins)

        def element(*i: Dim) -> tuple[Value, Sequence[Value]]:
            return constant(1, DType.i64), (Read(intervals, i).result,)

        return accumulate(filled(Type(DType.i64, (bins,)), 0), "sum", x.type.shape, element)


def _intervals(x: Value, low: float, high: float, bins: int) -> Value:
    """The number of the interval of each element; -1 where it has none."""
    kept = x.type.dtype if x.type.dtype.is_float else DType.f64
    x = cast(x, DType.f64)

    def number(value: float) -> Value:
        return constant(value, DType.f64)

    def edge(k: Value) -> Value:
        return cast(cast(add(number(low), mul(k, number((high - low) / bins))), kept), DType.f64)

    last, one = number(bins - 1), number(1)
    near = minimum(Floor(mul(sub(x, number(low)), number(bins / (high - low)))).result, last)
    down = where(less(x, edge(near)), sub(near, one), near)
    up = add(down, one)
    k = where(logical_and(less_equal(up, last), greater_equal(x, edge(up))), up, down)
    there = logical_and(less_equal(edge(number(0)), x), less_equal(x, cast(constant(high, kept), DType.f64)))
    return where(there, cast(k, DType.i64), constant(-1, DType.i64))
