"""Signals: windows."""

from __future__ import annotations

import math

from flowc.ir.core import Value
from flowc.ir.dims import dim
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Size
from flowc.ops.define import define
from flowc.ops.elementwise import div, mul, sub
from flowc.ops.functions import Cos
from flowc.ops.kernel import axes
from flowc.ops.tensor import Function, SizeValue, constant


class HannWindow(Function, name="hann_window"):
    """0.5 - 0.5 * cos(2 pi k / n) for each k below n, in f32: the window that repeats after n elements."""

    @classmethod
    def make(cls, n: Size) -> Value:
        (k,) = axes((n,))
        f32 = Type(DType.f32)
        turn = div(mul(constant(2 * math.pi, DType.f32), SizeValue((dim(k),), f32).result), SizeValue((n,), f32).result)
        return define((k,), sub(constant(0.5, DType.f32), mul(constant(0.5, DType.f32), Cos(turn).result)))
