"""Elements by truth value: where a mask is true, into a size known only during the run."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, dim, product
from flowc.ir.types import DType, Type
from flowc.ops.accumulate import accumulate, fetch, filled, i64
from flowc.ops.control import DynamicSize
from flowc.ops.define import define
from flowc.ops.division import FloorDivide, Remainder
from flowc.ops.elementwise import cast, not_equal, where
from flowc.ops.kernel import fold
from flowc.ops.shape import reshape
from flowc.ops.tensor import Function, Read, constant, like


class Nonzero(Function, name="nonzero"):
    """The positions of the elements that are not 0, in order: an i64 tensor for each axis, of a size known only during the run."""

    @classmethod
    def make(cls, x: Value) -> tuple[Value, ...]:
        if not x.type.rank:
            raise OpError(f"nonzero of {x.type}: a scalar has no axes")
        return positions(x if x.type.dtype is DType.bool else not_equal(x, like(x, 0)))


def positions(mask: Value) -> tuple[Value, ...]:
    """Where the mask is true, in row-major order: an i64 tensor for each axis."""
    shape = mask.type.shape
    found = chosen(reshape(mask, (product(shape),)))
    by_axis: list[Value] = []
    for extent in shape[:0:-1]:
        by_axis.append(Remainder(found, i64(extent)).result)
        found = FloorDivide(found, i64(extent)).result
    return (found, *by_axis[::-1])


def chosen(mask: Value) -> Value:
    """The positions of the true elements of a vector: each true one is put where as many come before it."""
    (n,) = mask.type.shape

    def truth(p: Dim) -> Value:
        return Read(mask, (p,)).result

    def one(p: Dim) -> Value:
        return cast(truth(p), DType.i64)

    def counted(p: Dim) -> tuple[Value, Sequence[Dim]]:
        return one(p), ()

    total = define((), fold("sum", (n,), one))
    before = fetch(constant(0, DType.i64), "sum", (n,), counted)
    named = (f"{mask.hint}.count",) if mask.hint else ()
    size = dim(DynamicSize(total, (n + 1,), hints=named).results[0])

    def put(p: Dim) -> tuple[Value, Sequence[Value]]:
        return i64(p), (where(truth(p), Read(before, (p,)).result, constant(-1, DType.i64)),)

    return accumulate(filled(Type(DType.i64, (size,)), 0), "set", (n,), put)
