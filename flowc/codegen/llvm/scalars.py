"""How LLVM spells element types, constants, and the words of an op's code."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from flowc.ir.data import Number, Scalar
from flowc.ir.types import DType

_INTEGERS = {d: f"i{d.bits}" for d in DType if d.is_integer} | {DType.index: "i64"}
_FLOATS = {DType.f32: "float", DType.f64: "double"}
_BITS_OF = {DType.f16: "i16", DType.bf16: "i16"}  # they are computed in f32, and carried as bits
SCALARS = {**_INTEGERS, **_FLOATS, **_BITS_OF, DType.bool: "i1"}
PASSED = {**SCALARS, DType.bool: "i8"}  # how C functions take an element by value


def scalar_type(dtype: DType) -> str:
    """The type of an element in a register; a bool is one bit there."""
    return SCALARS[dtype]


def stored_type(dtype: DType) -> str:
    """The type of an element in memory."""
    return "i8" if dtype is DType.bool else scalar_type(dtype)


def vector_type(scalar: str, lanes: int) -> str:
    return f"<{lanes} x {scalar}>" if lanes else scalar


def suffix(dtype: DType, lanes: int = 0) -> str:
    """How an intrinsic's name says the type."""
    scalar = dtype.value if dtype.is_float else scalar_type(dtype)
    return f"v{lanes}{scalar}" if lanes else scalar


def literal(value: Number, dtype: DType, lanes: int = 0) -> str:
    """A constant of `dtype`, in every lane."""
    scalar = scalar_type(dtype)
    match dtype:
        case DType.bool:
            text = "true" if value else "false"
        case DType.f32 | DType.f64:
            text = _float(value, dtype)
        case DType.f16 | DType.bf16:
            text = str(Scalar.of(value, dtype).element.view(np.int16))
        case _:
            text = str(int(value) - (1 << dtype.bits) if int(value) >> (dtype.bits - 1) == 1 else int(value))
    return f"splat ({scalar} {text})" if lanes else text


def _float(value: float, dtype: DType) -> str:
    """In hexadecimal, as a double that holds the value exactly."""
    rounded = struct.unpack("f", struct.pack("f", value))[0] if dtype is DType.f32 else value
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"


@dataclass(frozen=True)
class Word:
    """A type in an op's code: `{t}` itself, `{t:0}` one of its constants, `{i:-1w}` its width less one."""

    dtype: DType
    lanes: int = 0

    def __str__(self) -> str:
        return vector_type(scalar_type(self.dtype), self.lanes)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if spec.endswith("w"):
            return literal(self.dtype.bits + int(spec[:-1] or 0), self.dtype, self.lanes)
        return literal(float(spec) if self.dtype.is_float else int(spec), self.dtype, self.lanes)


_BITS = {8: DType.i8, 16: DType.i16, 32: DType.i32, 64: DType.i64}


def words(operand: DType, result: DType, lanes: int) -> dict[str, str | Word]:
    """What the braces in an op's code stand for, but its operands."""
    return {
        "t": Word(operand, lanes), "r": Word(result, lanes), "b": Word(DType.bool, lanes), "i": Word(_BITS[operand.bits], lanes),
        "s": suffix(operand, lanes), "rs": suffix(result, lanes),
    }  # fmt: skip


def steps(count: int, scalar: str = "i64", first: int = 0, by: int = 1) -> str:
    """The constant vector first, first + by, ..."""
    return "<" + ", ".join(f"{scalar} {first + n * by}" for n in range(count)) + ">"


def rotation(lanes: int, by: int) -> str:
    """The shuffle mask that moves lane n + by to lane n."""
    return f"<{lanes} x i32> <" + ", ".join(f"i32 {(n + by) % lanes}" for n in range(lanes)) + ">"
