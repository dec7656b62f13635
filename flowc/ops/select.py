"""Elements by truth value: where a mask is true, into a size known only during the run.

Blocks of 256 elements are counted and the counts summed up; the j-th true
element's block is the number of blocks that end before it, its place there the
number of elements up to which too few are true.
"""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, ceil, dim, product
from flowc.ir.types import DType, Type
from flowc.ops.control import DynamicSize
from flowc.ops.define import define
from flowc.ops.division import FloorDivide, Remainder
from flowc.ops.elementwise import cast, less_equal, logical_and, not_equal, sub
from flowc.ops.kernel import Checked, Inside, axes, fold
from flowc.ops.shape import reshape
from flowc.ops.tensor import Function, Read, SizeValue, constant, like

BLOCK = 256


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
    n = product(shape)
    flat = reshape(mask, (n,))
    found = _row_major(flat, n)
    by_axis: list[Value] = []
    for extent in shape[:0:-1]:
        by_axis.append(Remainder(found, _i64(extent)).result)
        found = FloorDivide(found, _i64(extent)).result
    return (found, *by_axis[::-1])


def _row_major(flat: Value, n: Dim) -> Value:
    """The position of each true element."""
    blocks = ceil(n, BLOCK)
    within = _counts_within(flat, n)
    upto = _counts_upto(flat, n, blocks)

    def truth(k: Dim) -> Value:
        return _one(Read(flat, (k,)).result)

    total = define((), fold("sum", (n,), truth))
    (j,) = axes((dim(DynamicSize(total, (n + 1,)).results[0]),))
    return define((j,), _i64(_place(dim(j), within, upto, n, blocks)))


def _counts_within(flat: Value, n: Dim) -> Value:
    """How many are true up to each element, from the beginning of its block."""
    (p,) = axes((n,))
    begin = dim(p) // BLOCK * BLOCK

    def truth(k: Dim) -> Value:
        return _one(Read(flat, (begin + k,)).result)

    return define((p,), fold("sum", (dim(p) - begin + 1,), truth))


def _counts_upto(flat: Value, n: Dim, blocks: Dim) -> Value:
    """How many are true up to the end of each block."""
    (m,) = axes((blocks,))
    (b,) = axes((blocks,))

    def truth(k: Dim) -> Value:
        at = dim(m) * BLOCK + k
        return _one(Read(flat, (at,), (n - 1 - at,)).result)

    counts = define((m,), fold("sum", (BLOCK,), truth))

    def count(k: Dim) -> Value:
        return Read(counts, (k,)).result

    return define((b,), fold("sum", (dim(b) + 1,), count))


def _place(j: Dim, within: Value, upto: Value, n: Dim, blocks: Dim) -> Dim:
    """The position of the j-th true element."""

    def ended(m: Dim) -> Value:
        return _one(less_equal(Read(upto, (m,)).result, _i64(j)))

    block = dim(Checked(fold("sum", (blocks,), ended), (blocks,), "a block of a mask").results[0])
    rank = sub(_i64(j), Read(upto, (block - 1,), (block - 1,)).result)

    def before(k: Dim) -> Value:
        at = block * BLOCK + k
        few = less_equal(Read(within, (at,), (n - 1 - at,)).result, rank)
        return _one(logical_and(Inside((n - 1 - at,)).result, few))

    return block * BLOCK + dim(Checked(fold("sum", (BLOCK,), before), (BLOCK,), "a place in a mask").results[0])


def _one(truth: Value) -> Value:
    return cast(truth, DType.i64)


def _i64(d: Dim) -> Value:
    return constant(d, DType.i64) if isinstance(d, int) else SizeValue((d,), Type(DType.i64)).result
