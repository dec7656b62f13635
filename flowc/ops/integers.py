"""Bits of integers, one operand at a time."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import bit_xor
from flowc.ops.pointwise import Elementwise, integers
from flowc.ops.tensor import Array, like


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
