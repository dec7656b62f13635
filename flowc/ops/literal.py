"""Numbers without a dtype, and lists of them: the dtype they take, and what they are in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.data import Scalar
from flowc.ir.dims import Polynomial, lower, show, upper
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Weak
from flowc.ops.join import stack
from flowc.ops.shape import reshape
from flowc.ops.tensor import SizeValue, constant, constant_array

List: TypeAlias = "Sequence[Value | Weak | List]"


def weak_dtype(numbers: Sequence[Weak]) -> DType | None:
    """What numbers become that meet no tensor: bool, i64 where one is a size, i32, or f32; None where there are none."""
    if not numbers:
        return None
    if any(isinstance(x, float) for x in numbers):
        return DType.f32
    if any(isinstance(x, Polynomial) for x in numbers):
        return DType.i64
    return DType.bool if all(isinstance(x, bool) for x in numbers) else DType.i32


def settled(x: Weak) -> Value:
    """A number that meets no tensor."""
    return literal(x, weak_dtype([x]) or DType.f32)


def literal(x: Weak, dtype: DType) -> Value:
    """The number in `dtype`, rounded once; raises `OpError` where `dtype` has no such number."""
    if isinstance(x, Polynomial):
        return _size(x, dtype)
    _check(x, dtype)
    return constant(_odd(x) if dtype.is_float and dtype is not DType.f64 and isinstance(x, int) else x, dtype)


def _odd(x: int) -> float:
    """An integer in f64 with what is lost as the last bit, so that rounding it further rounds once (Boldo & Melquiond 2008)."""
    lost = max(abs(x).bit_length() - 53, 0)
    kept = abs(x) >> lost
    return math.copysign(math.ldexp(kept | (kept << lost != abs(x)), lost), x)


def _check(x: bool | int | float, dtype: DType) -> None:
    if dtype is DType.bool and not isinstance(x, bool):
        raise OpError(f"{weak_text(x)} is not a bool", help="compare it: `... != 0`")
    if dtype is not DType.bool and isinstance(x, bool):
        raise OpError(f"{weak_text(x)} is not {_article(dtype)}", help=f"convert it: `... as {dtype.value}`")
    if dtype.is_integer:
        if isinstance(x, float):
            raise OpError(f"{weak_text(x)} is not an integer", help="convert the other side: `... as f32`")
        low, high = dtype.limits()
        if not low <= x <= high:
            raise OpError(f"{weak_text(x)} does not fit {dtype.value}, which holds {low} to {high}")
    if dtype.is_float and _overflows(x, dtype):
        raise OpError(f"{weak_text(x)} does not fit {dtype.value}", help="write `inf` for infinity")


def _article(dtype: DType) -> str:
    return f"an {dtype.value}" if dtype.value.startswith(("i", "f")) else f"a {dtype.value}"


def _overflows(x: int | float, dtype: DType) -> bool:
    try:
        return math.isfinite(x) and math.isinf(Scalar.of(x, dtype).number)
    except OverflowError:
        return True


def _size(x: Polynomial, dtype: DType) -> Value:
    if dtype is DType.bool:
        raise OpError(f"the size {show(x)} is not a bool", help="compare it: `... != 0`")
    if dtype.is_integer:
        low, high = dtype.limits()
        least, most = lower(x), upper(x)
        if least is not None and least > high or most is not None and most < low:
            raise OpError(f"the size {show(x)} does not fit {dtype.value}, which holds {low} to {high}")
    return SizeValue((x,), Type(dtype)).result


def listed(items: List, dtype: DType | None) -> Value:
    """The tensor a list is, in `dtype` or else that of its numbers; raises `OpError` where its rows differ."""
    shape = _extents(items)
    leaves = list(_leaves(items))
    own = dtype or next((x.type.dtype for x in leaves if isinstance(x, Value)), None)
    own = own or weak_dtype([x for x in leaves if not isinstance(x, Value)]) or DType.f32
    if any(isinstance(x, Value | Polynomial) for x in leaves):
        parts = [x if isinstance(x, Value) else literal(x, own) for x in leaves]
        joined = stack(parts, 0)
        return reshape(joined, (*shape, *joined.type.shape[1:]))
    for x in leaves:
        assert not isinstance(x, Value | Polynomial)
        _check(x, own)
    scalars = b"".join(Scalar.of(x, own).data for x in leaves)  # type: ignore[arg-type]
    return constant_array(np.frombuffer(scalars, own.numpy).reshape(shape), own)


def _extents(items: Any) -> tuple[int, ...]:
    """The lengths of nested lists, outermost first."""
    if not isinstance(items, Sequence):
        return ()
    rows: list[tuple[int, ...]] = [_extents(item) for item in items]  # type: ignore[reportUnknownVariableType]
    for n, row in enumerate(rows):
        if row != rows[0]:
            raise OpError(f"rows of a list differ: row 0 has {_counted(rows[0])}, row {n} has {_counted(row)}")
    return (len(rows), *(rows[0] if rows else ()))


def _counted(row: tuple[int, ...]) -> str:
    if not row:
        return "no list"
    return counted(row[0], "element") if len(row) == 1 else f"{' by '.join(map(str, row))} elements"


def _leaves(items: Any) -> Iterator[Value | Weak]:
    if not isinstance(items, Sequence):
        yield items
        return
    for item in items:  # type: ignore[reportUnknownVariableType]
        yield from _leaves(item)


def weak_text(x: Weak) -> str:
    """The number as the language writes it."""
    match x:
        case bool():
            return "true" if x else "false"
        case Polynomial():
            return show(x)
        case _:
            return str(x)
