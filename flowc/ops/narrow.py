"""f16 and bf16: an op on them computes in f32 and rounds its result once; only its operands and its result are narrow."""

from __future__ import annotations

from dataclasses import replace

from flowc.ir.core import Op, Value, close
from flowc.ir.types import DType
from flowc.ops.elementwise import Cast, absolute, bitcast, cast, equal, less, logical_and, logical_or, not_equal, sub, where
from flowc.ops.integers import bit_and, bit_or, shift_right
from flowc.ops.kernel import Reduce
from flowc.ops.make import Iota, OneHot
from flowc.ops.tensor import SizeValue, Tensor, like

EXACT = (DType.bool, DType.i8, DType.u8, DType.i16, DType.u16)  # what f32 holds without rounding
LOST = 11  # bits of a 64-bit integer that f64 may lack


def widens(op: Op) -> bool:
    """Whether the op is on f16 or bf16, and is one in f32 whose results are rounded."""
    match op:
        case Cast(x, dtype):
            source = x.type.dtype
            return source is not dtype and (source.is_narrow or dtype.is_narrow) and DType.f32 not in (source, dtype)
        case SizeValue(type=type) | Iota(type=type):
            return type.dtype.is_narrow
        case OneHot(dtype=dtype):
            return dtype.is_narrow
        case Reduce():
            return op.body.results[0].type.dtype.is_narrow
        case Tensor():
            return not (op.moves or op.narrow) and any(v.type.dtype.is_narrow for v in op.operands)
        case _:
            return False


def widened(op: Op) -> Value:
    """What an op that `widens` is, in f32."""
    match op:
        case Cast():
            return _cast(op)
        case SizeValue(type=type) | Iota(type=type):
            return cast(replace(op, type=replace(type, dtype=DType.i64), hints=()).result, type.dtype)
        case OneHot():
            return cast(replace(op, dtype=DType.f32, hints=()).result, op.dtype)
        case Reduce():
            return _reduce(op)
        case _:
            made = replace(op.rebuild(_in_f32), hints=()).result
            return cast(made, op.result.type.dtype) if op.result.type.dtype.is_narrow else made


def _in_f32(x: Value) -> Value:
    return cast(x, DType.f32) if x.type.dtype.is_narrow else x


def _reduce(op: Reduce) -> Value:
    """The fold of terms in f32: exact for max and min, rounded at its end for the others."""
    terms = close(op.body.params, tuple(map(_in_f32, op.body.results)))
    folded = Reduce(op.fold, terms, tuple(map(_in_f32, op.start)), location=op.location).result
    return cast(folded, op.result.type.dtype) if op.result.type.dtype.is_narrow else folded


def _cast(op: Cast) -> Value:
    """By way of f32: what goes there is rounded to odd, so that rounding it further rounds once (Boldo & Melquiond 2008)."""
    x, source = op.x, op.x.type.dtype
    if source.is_narrow or source in EXACT:
        return cast(cast(x, DType.f32), op.dtype)
    if source.is_integer:
        x = cast(_without_lost_bits(x) if source.bits == 64 else x, DType.f64)
    return cast(_rounded_to_odd(x), op.dtype)


def _rounded_to_odd(x: Value) -> Value:
    """f64 in f32, what is lost as an odd last bit."""
    near = cast(x, DType.f32)
    back, bits = cast(near, DType.f64), bitcast(near, DType.i32)
    inward = less(absolute(x), absolute(back))
    inexact = logical_and(not_equal(back, x), equal(x, x))
    return bitcast(bit_or(sub(bits, cast(inward, DType.i32)), cast(inexact, DType.i32)), DType.f32)


def _without_lost_bits(x: Value) -> Value:
    """A 64-bit integer with at most 53 significant bits: of a large one the last bits are joined in the one before them."""
    low = (1 << LOST) - 1
    high = shift_right(x, like(x, 53))
    small = equal(high, like(x, 0))
    if x.type.dtype.is_signed:
        small = logical_or(small, equal(high, like(x, -1)))
    some = not_equal(bit_and(x, like(x, low)), like(x, 0))
    joined = bit_or(bit_and(x, like(x, ~low)), where(some, like(x, low + 1), like(x, 0)))
    return where(small, x, joined)
