"""The bits of integers: logic bit by bit, shifts, counts."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.numerics import shifted_left, shifted_right
from flowc.ops.pointwise import Elementwise, integers
from flowc.ops.tensor import Array, like


class BitAnd(Elementwise, name="bitwise_and"):
    """The bits set in both."""

    x: Value
    y: Value
    accepts = "iub"
    exact = True
    numpy = np.bitwise_and
    llvm = {k: ("and {t} {x}, {y}",) for k in "iub"}


class BitOr(Elementwise, name="bitwise_or"):
    """The bits set in either."""

    x: Value
    y: Value
    accepts = "iub"
    exact = True
    numpy = np.bitwise_or
    llvm = {k: ("or {t} {x}, {y}",) for k in "iub"}


class BitXor(Elementwise, name="bitwise_xor"):
    """The bits set in one of the two."""

    x: Value
    y: Value
    accepts = "iub"
    exact = True
    numpy = np.bitwise_xor
    llvm = {k: ("xor {t} {x}, {y}",) for k in "iub"}


class ShiftLeft(Elementwise, name="bitwise_left_shift"):
    """x shifted left by y modulo the width."""

    x: Value
    y: Value
    accepts = "iu"
    exact = True
    numpy = shifted_left
    llvm = integers("and {t} {y}, {i:-1w}", "shl {t} {x}, {r0}")


class ShiftRight(Elementwise, name="bitwise_right_shift"):
    """x shifted right by y modulo the width; signed integers keep their sign."""

    x: Value
    y: Value
    accepts = "iu"
    exact = True
    numpy = shifted_right
    llvm = {"i": ("and {t} {y}, {i:-1w}", "ashr {t} {x}, {r0}"), "u": ("and {t} {y}, {i:-1w}", "lshr {t} {x}, {r0}")}


class ShiftRightLogical(Elementwise, name="shift_right_logical"):
    """x shifted right by y modulo the width, zeros coming in."""

    x: Value
    y: Value
    public = False
    accepts = "iu"
    exact = True
    llvm = integers("and {t} {y}, {i:-1w}", "lshr {t} {x}, {r0}")

    def evaluate(self, *args: Array) -> Array:
        x, y = args
        unsigned = np.asarray(x).view(f"u{np.asarray(x).dtype.itemsize}")
        return np.right_shift(unsigned, (y & (unsigned.dtype.itemsize * 8 - 1)).astype(unsigned.dtype)).view(np.asarray(x).dtype)


class BitNot(Elementwise, name="bitwise_not"):
    """Every bit the other way."""

    x: Value
    accepts = "iub"
    exact = True
    numpy = np.bitwise_not

    def expand(self) -> Value:
        dtype = self.x.type.dtype
        every = True if dtype is DType.bool else -1 if dtype.is_signed else dtype.limits()[1]
        return bit_xor(self.x, like(self.x, every))


class Popcount(Elementwise, name="popcount"):
    """How many bits of x are set, in the dtype of x."""

    x: Value
    accepts = "iu"
    exact = True
    llvm = integers("call {t} @llvm.ctpop.{s}({t} {x})")

    @staticmethod
    def numpy(x: Array) -> Array:
        octets = x.copy()[..., None].view(np.uint8)
        return np.unpackbits(octets, axis=-1).sum(axis=-1).astype(x.dtype)


def bit_and(x: Value, y: Value) -> Value:
    return BitAnd(x, y).result


def bit_or(x: Value, y: Value) -> Value:
    return BitOr(x, y).result


def bit_xor(x: Value, y: Value) -> Value:
    return BitXor(x, y).result


def shift_left(x: Value, y: Value) -> Value:
    return ShiftLeft(x, y).result


def shift_right(x: Value, y: Value) -> Value:
    return ShiftRight(x, y).result


def shift_right_logical(x: Value, y: Value) -> Value:
    return ShiftRightLogical(x, y).result
