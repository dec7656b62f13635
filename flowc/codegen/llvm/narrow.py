"""f16 and bf16 to f32 and back as functions on scalars or vectors: elements are carried as their bits, in i16."""

from __future__ import annotations

from flowc.codegen.llvm.scalars import suffix, vector_type
from flowc.codegen.text import Text
from flowc.ir.types import DType


def narrow(what: str, dtype: DType, lanes: int, half: bool) -> str:
    """`@flow.in_f32.<dtype>` or `@flow.rounded.<dtype>`; of f16 by instructions where the target has them (`half`).

    Rounding is to the nearest, to even between two.  NaN stays NaN, is quiet then, and keeps its sign and what its bits have room for.
    """
    words = _Words(lanes)
    of, to = (words.narrow, words.single) if what == "in_f32" else (words.single, words.narrow)
    t = Text(f"define internal {to} @flow.{what}.{suffix(dtype, lanes)}({of} %x) alwaysinline #0")
    emit = {
        ("in_f32", DType.bf16): _f32_of_bf16,
        ("rounded", DType.bf16): _bf16_of_f32,
        ("in_f32", DType.f16): _f32_of_half if half else _f32_of_f16,
        ("rounded", DType.f16): _half_of_f32 if half else _f16_of_f32,
    }[what, dtype]
    t.do(f"ret {to} {emit(t, words)}")
    return str(t)


class _Words:
    """Types and constants of one width."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.narrow, self.wide, self.single, self.half, self.truth = (vector_type(s, lanes) for s in ("i16", "i32", "float", "half", "i1"))

    def number(self, value: int) -> str:
        """A constant of 32 bits."""
        return f"splat (i32 {value})" if self.lanes else str(value)


def _f32_of_bf16(t: Text, w: _Words) -> str:
    wide = t.value(f"zext {w.narrow} %x to {w.wide}")
    high = t.value(f"shl {w.wide} {wide}, {w.number(16)}")
    return t.value(f"bitcast {w.wide} {high} to {w.single}")


def _bf16_of_f32(t: Text, w: _Words) -> str:
    bits = t.value(f"bitcast {w.single} %x to {w.wide}")
    high = t.value(f"lshr {w.wide} {bits}, {w.number(16)}")
    even = t.value(f"and {w.wide} {high}, {w.number(1)}")
    half = t.value(f"add {w.wide} {even}, {w.number(0x7FFF)}")
    near = t.value(f"lshr {w.wide} {t.value(f'add {w.wide} {bits}, {half}')}, {w.number(16)}")
    quiet = t.value(f"or {w.wide} {high}, {w.number(0x40)}")
    nan = t.value(f"fcmp uno {w.single} %x, %x")
    return t.value(f"trunc {w.wide} {t.value(f'select {w.truth} {nan}, {w.wide} {quiet}, {w.wide} {near}')} to {w.narrow}")


def _f32_of_half(t: Text, w: _Words) -> str:
    half = t.value(f"bitcast {w.narrow} %x to {w.half}")
    return t.value(f"fpext {w.half} {half} to {w.single}")


def _half_of_f32(t: Text, w: _Words) -> str:
    half = t.value(f"fptrunc {w.single} %x to {w.half}")
    return t.value(f"bitcast {w.half} {half} to {w.narrow}")


def _f32_of_f16(t: Text, w: _Words) -> str:
    """The exponent moved by 112; a denormal is put beside 2^-14, which is taken away in floats; beyond 30 it is infinity or NaN."""
    wide = t.value(f"zext {w.narrow} %x to {w.wide}")
    sign = t.value(f"shl {w.wide} {t.value(f'and {w.wide} {wide}, {w.number(0x8000)}')}, {w.number(16)}")
    size = t.value(f"shl {w.wide} {t.value(f'and {w.wide} {wide}, {w.number(0x7FFF)}')}, {w.number(13)}")
    normal = t.value(f"add {w.wide} {size}, {w.number(112 << 23)}")
    beside = t.value(f"bitcast {w.wide} {t.value(f'add {w.wide} {size}, {w.number(113 << 23)}')} to {w.single}")
    least = t.value(f"bitcast {w.wide} {w.number(113 << 23)} to {w.single}")
    small = t.value(f"bitcast {w.single} {t.value(f'fsub {w.single} {beside}, {least}')} to {w.wide}")
    above = t.value(f"add {w.wide} {size}, {w.number(224 << 23)}")
    nan = t.value(f"icmp ugt {w.wide} {size}, {w.number(0x7C00 << 13)}")
    quiet = t.value(f"select {w.truth} {nan}, {w.wide} {w.number(1 << 22)}, {w.wide} {w.number(0)}")
    above = t.value(f"or {w.wide} {above}, {quiet}")
    denormal = t.value(f"icmp ult {w.wide} {size}, {w.number(0x0400 << 13)}")
    special = t.value(f"icmp uge {w.wide} {size}, {w.number(0x7C00 << 13)}")
    found = t.value(f"select {w.truth} {denormal}, {w.wide} {small}, {w.wide} {normal}")
    found = t.value(f"select {w.truth} {special}, {w.wide} {above}, {w.wide} {found}")
    return t.value(f"bitcast {w.wide} {t.value(f'or {w.wide} {found}, {sign}')} to {w.single}")


def _f16_of_f32(t: Text, w: _Words) -> str:
    """Below 2^-14 the sum with 0.5 rounds, whose last bit is that of a denormal; else half a last bit is added, less where even."""
    bits = t.value(f"bitcast {w.single} %x to {w.wide}")
    size = t.value(f"and {w.wide} {bits}, {w.number(0x7FFFFFFF)}")
    sign = t.value(f"lshr {w.wide} {t.value(f'xor {w.wide} {bits}, {size}')}, {w.number(16)}")
    odd = t.value(f"and {w.wide} {t.value(f'lshr {w.wide} {size}, {w.number(13)}')}, {w.number(1)}")
    raised = t.value(f"add {w.wide} {t.value(f'add {w.wide} {size}, {odd}')}, {w.number(0xFFF - (112 << 23))}")
    normal = t.value(f"lshr {w.wide} {raised}, {w.number(13)}")
    half = t.value(f"bitcast {w.wide} {w.number(0x3F000000)} to {w.single}")
    beside = t.value(f"fadd {w.single} {t.value(f'bitcast {w.wide} {size} to {w.single}')}, {half}")
    small = t.value(f"sub {w.wide} {t.value(f'bitcast {w.single} {beside} to {w.wide}')}, {w.number(0x3F000000)}")
    payload = t.value(f"and {w.wide} {t.value(f'lshr {w.wide} {size}, {w.number(13)}')}, {w.number(0x3FF)}")
    quiet = t.value(f"or {w.wide} {payload}, {w.number(0x7E00)}")
    denormal = t.value(f"icmp ult {w.wide} {size}, {w.number(113 << 23)}")
    infinite = t.value(f"icmp uge {w.wide} {size}, {w.number(143 << 23)}")
    nan = t.value(f"icmp ugt {w.wide} {size}, {w.number(255 << 23)}")
    found = t.value(f"select {w.truth} {denormal}, {w.wide} {small}, {w.wide} {normal}")
    found = t.value(f"select {w.truth} {infinite}, {w.wide} {w.number(0x7C00)}, {w.wide} {found}")
    found = t.value(f"select {w.truth} {nan}, {w.wide} {quiet}, {w.wide} {found}")
    return t.value(f"trunc {w.wide} {t.value(f'or {w.wide} {found}, {sign}')} to {w.narrow}")
