"""Order: sorting by counting digits, the first of an order, distinct elements, places in what is sorted.

The order is total, so results are the same bits everywhere: numbers by value, -0 before +0, NaN behind all others
and among themselves equal; what is equal stays in the order it was in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value, body
from flowc.ir.dims import Dim, at_least, at_most, dim, product, show, upper
from flowc.ir.narrow import in_f32
from flowc.ir.types import DType, Type, below
from flowc.ops.accumulate import Slot, accumulate, fetch, filled, i64
from flowc.ops.arguments import Axis, Size
from flowc.ops.control import Scan
from flowc.ops.define import define
from flowc.ops.elementwise import Not, add, bitcast, cast, equal, less, logical_and, logical_or, not_equal, sub, where
from flowc.ops.integers import bit_and, bit_or, bit_xor, shift_left, shift_right
from flowc.ops.kernel import Inside, axes, fold
from flowc.ops.make import iota
from flowc.ops.select import chosen
from flowc.ops.shape import axis_of, broadcast_to, moved, reshape
from flowc.ops.slicing import sliced
from flowc.ops.tensor import Array, Function, Read, SizeValue, Tensor, constant, like

DIGIT = 8  # bits that one pass sorts by
FEW = 64  # elements whose ranks are counted by comparing each with each
MOST = 1 << 47  # elements of a tensor, which memory bounds


class ArgSort(Tensor, name="argsort"):
    """The positions along an axis of its elements in ascending order, or descending, as i64.

    Numbers by value, -0 before +0 (after it where descending), NaN last in both; equal ones in the order of their positions.
    """

    x: Value
    axis: int = -1
    descending: bool = False
    narrow = True
    indexed = False

    @classmethod
    def make(cls, x: Value, axis: Axis = -1, descending: bool = False, stable: bool = True) -> Value:
        return cls(x, axis_of(axis, x.type), descending).result

    def infer(self) -> tuple[Type, ...]:
        return (Type(DType.i64, self.x.type.shape),)

    def evaluate(self, x: Array) -> Array:
        dtype = self.x.type.dtype
        if not dtype.is_float:
            return np.argsort(~x if self.descending else x, self.axis, kind="stable")
        numbers = in_f32(x, dtype) if dtype.is_narrow else x
        nan = np.isnan(numbers)
        plus = np.where(numbers == 0, ~np.signbit(numbers), False)
        value, plus = (-numbers, ~plus) if self.descending else (numbers, plus)
        return np.lexsort((plus, np.where(nan, 0, value), nan), self.axis)

    def expand(self) -> Value:
        x = moved(self.x, self.axis, self.x.type.rank - 1)
        order = keys(x, self.descending)
        found = by_ranks(order) if at_most(x.type.shape[-1], FEW) else by_digits(order)
        return moved(found, self.x.type.rank - 1, self.axis)


def keys(x: Value, descending: bool) -> Value:
    """Unsigned integers in the order of the elements."""
    dtype = x.type.dtype
    if dtype is DType.bool:
        made = cast(x, DType.u8)
    elif dtype.is_float or dtype.is_signed:
        bits = bitcast(x, DType(f"u{dtype.bits}"))
        sign = like(bits, 1 << (dtype.bits - 1))
        made = bit_xor(bits, sign)
        if dtype.is_float:
            made = where(less(bits, sign), bit_or(bits, sign), sub(like(bits, (1 << dtype.bits) - 1), bits))
    else:
        made = x
    last = like(made, (1 << made.type.dtype.bits) - 1)
    made = sub(last, made) if descending else made
    return where(not_equal(x, x), last, made) if dtype.is_float else made


def by_ranks(order: Value) -> Value:
    """The positions in order along the last axis: each is put where as many stand before it, counted by comparing each with each."""
    *rows, n = order.type.shape
    own = axes(order.type.shape)
    *row, i = map(dim, own)
    key = Read(order, (*row, i)).result

    def before(k: Dim) -> Value:
        other = Read(order, (*row, k)).result
        earlier = logical_and(equal(other, key), less(i64(k), i64(i)))
        return cast(logical_or(less(other, key), earlier), DType.i64)

    rank = define(own, fold("sum", (n,), before))

    def put(*at: Dim) -> tuple[Value, Sequence[Dim | Value]]:
        return i64(at[-1]), (*at[:-1], Read(rank, at).result)

    return accumulate(filled(Type(DType.i64, (*rows, n)), 0), "set", (*rows, n), put)


def by_digits(order: Value) -> Value:
    """The positions in order along the last axis, by one digit after the other from the lowest on.

    Each pass counts the digits, adds up the counts of lower ones, and puts each element behind those with its digit
    that came before it (Knuth, The Art of Computer Programming 3, 5.2.5).
    """
    type = Type(DType.i64, order.type.shape)
    rows = type.shape[:-1]
    passes = -(-order.type.dtype.bits // DIGIT)
    t, found = Value(below(passes), None, "digit"), Value(type, None, "order")

    def digit(key: Value) -> Value:
        shift = SizeValue((dim(t) * DIGIT,), Type(key.type.dtype)).result
        return cast(bit_and(shift_right(key, shift), like(key, (1 << DIGIT) - 1)), DType.i64)

    def counted(*i: Dim) -> tuple[Value, Sequence[Dim | Value]]:
        return constant(1, DType.i64), (*i[:-1], digit(Read(order, i).result))

    def upto(*i: Dim) -> tuple[Value, Sequence[Dim | Value]]:
        return Read(counts, i).result, i[:-1]

    def behind(*i: Dim) -> tuple[Value, Sequence[Dim | Value]]:
        return constant(1, DType.i64), (*i[:-1], digit(element(order, i[:-1], Read(found, i).result)))

    def put(*i: Dim) -> tuple[Value, Sequence[Dim | Value]]:
        return Read(found, i).result, (*i[:-1], Read(places, i).result)

    counts = accumulate(filled(Type(DType.i64, (*rows, 1 << DIGIT)), 0), "sum", type.shape, counted)
    begins = fetch(filled(Type(DType.i64, tuple(rows)), 0), "sum", (*rows, 1 << DIGIT), upto)
    places = fetch(begins, "sum", type.shape, behind)
    following = accumulate(filled(type, 0), "set", type.shape, put)
    region = body((t, found), (following,), (), (order,))
    return Scan((), (iota(type.shape, len(rows)),), (passes,), region).results[0]


def element(x: Value, row: Sequence[Dim], at: Value) -> Value:
    """The element of x at an i64 along its last axis, which is in range."""
    place = dim(Slot(at, (x.type.shape[-1],)).results[0]) - 1
    return Read(x, (*row, place), (place,)).result


def arranged(x: Value, order: Value, axis: int) -> Value:
    """The elements of x at the positions `order` along an axis."""
    own = axes(order.type.shape)
    at = tuple(map(dim, own))
    place = dim(Slot(Read(order, at).result, (x.type.shape[axis],)).results[0]) - 1
    return define(own, Read(x, (*at[:axis], place, *at[axis + 1 :]), (place,)).result)


class Sort(Function, name="sort"):
    """The elements of x along an axis in ascending order, or descending: those at the positions that `argsort` gives.

    It is stable, whatever `stable` says.
    """

    @classmethod
    def make(cls, x: Value, axis: Axis = -1, descending: bool = False, stable: bool = True) -> Value:
        a = axis_of(axis, x.type)
        return arranged(x, ArgSort(x, a, descending).result, a)


class TopK(Function, name="top_k"):
    """The k largest elements along an axis, or smallest, in order, and their positions: the first k that `argsort` gives."""

    @classmethod
    def make(cls, x: Value, k: Size, axis: Axis = -1, largest: bool = True) -> tuple[Value, Value]:
        a = axis_of(axis, x.type)
        n = x.type.shape[a]
        if at_least(k - n, 1):
            raise OpError(f"top_k of {x.type} takes {show(k)} of {show(n)} along axis {a}")
        order = ArgSort(x, a, largest).result
        first = sliced(order, [slice(k) if b == a else slice(None) for b in range(x.type.rank)])
        ids = broadcast_to(first, tuple(k if b == a else d for b, d in enumerate(x.type.shape)))
        return arranged(x, ids, a), ids


class Unique(Function, name="unique"):
    """The distinct elements of x in ascending order, of a number known only during the run; zeros are one, and NaNs are."""

    @classmethod
    def make(cls, x: Value) -> Value:
        n = product(x.type.shape)
        flat: Value = Sort.make(reshape(x, (n,)))
        (i,) = axes((n,))
        own, before = Read(flat, (dim(i),)).result, Read(flat, (dim(i) - 1,), (dim(i) - 1,)).result
        differs = not_equal(own, before)
        if x.type.dtype.is_float:
            differs = logical_and(differs, logical_or(equal(own, own), equal(before, before)))
        first = equal(i64(dim(i)), constant(0, DType.i64))
        return arranged(flat, chosen(define((i,), logical_or(first, differs))), 0)


class SearchSorted(Tensor, name="searchsorted"):
    """For each of `values` how many elements of the vector `sorted`, in ascending order, are less than it; side="right": or equal to it.

    A NaN is greater than all numbers. Found by halving.
    """

    x: Value
    y: Value
    side: str

    @classmethod
    def make(cls, sorted: Value, values: Value, side: str = "left") -> Value:
        if sorted.type.dtype is DType.bool:
            sorted, values = cast(sorted, DType.u8), cast(values, DType.u8)
        return cls(sorted, values, side).result

    def infer(self) -> tuple[Type, ...]:
        if self.x.type.rank != 1:
            raise OpError(f"searchsorted looks in a vector, not in {self.x.type}")
        if self.side not in ("left", "right"):
            raise OpError(f'side of searchsorted is "left" or "right", not "{self.side}"')
        return (Type(DType.i64, self.y.type.shape),)

    def evaluate(self, x: Array, y: Array) -> Array:
        return np.searchsorted(x, y, "right" if self.side == "right" else "left")

    def expand(self) -> Value:
        """A scan over the bits of the number, from the highest on: a bit is set where the element before that many passes."""
        (n,) = self.x.type.shape
        bits = (MOST if (most := upper(n)) is None else most).bit_length()
        type = Type(DType.i64, self.y.type.shape)
        t, found = Value(below(bits), None, "bit"), Value(type, None, "found")
        own = axes(type.shape)
        at = tuple(map(dim, own))
        count = Read(found, at).result
        further = add(count, shift_left(constant(1, DType.i64), i64(dim(t))))
        last = dim(Slot(sub(further, constant(1, DType.i64)), (n,)).results[0]) - 1
        other, wanted = Read(self.x, (last,), (last,)).result, Read(self.y, at).result
        passes = Not(_less(wanted, other)).result if self.side == "right" else _less(other, wanted)
        following = define(own, where(logical_and(Inside((last,)).result, passes), further, count))
        region = body((t, found), (following,), (), (self.x, self.y))
        return Scan((), (filled(type, 0),), (bits,), region, backwards=True).results[0]


def _less(x: Value, y: Value) -> Value:
    """x < y, NaN above all numbers."""
    if not x.type.dtype.is_float:
        return less(x, y)
    return logical_or(less(x, y), logical_and(not_equal(y, y), equal(x, x)))
