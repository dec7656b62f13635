"""More elementary functions, elementwise: hyperbolic ones, inverses, other bases, roots; what they are on scalars is in math/."""

from __future__ import annotations

import math

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops import math as scalars
from flowc.ops.elementwise import absolute, add, bitcast, cast, div, equal, less, maximum, mul, neg, not_equal, sqrt, sub, where
from flowc.ops.functions import Mathematical, Sigmoid, exp
from flowc.ops.integers import bit_and, bit_or
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.tensor import Array, like


class Sinh(Mathematical, name="sinh"):
    """The hyperbolic sine."""

    x: Value
    own = scalars.sinh
    numpy = np.sinh

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Cosh(self.x).result),)


class Cosh(Mathematical, name="cosh"):
    """The hyperbolic cosine."""

    x: Value
    own = scalars.cosh
    numpy = np.cosh

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Sinh(self.x).result),)


class Tan(Mathematical, name="tan"):
    """The tangent of x in radians; NaN of infinities."""

    x: Value
    own = scalars.tan
    numpy = np.tan

    def gradient(self, g: Value) -> Cotangents:
        square = mul(self.result, self.result)
        return (mul(g, add(square, like(g, 1))),)


class Asin(Mathematical, name="asin"):
    """The angle from -pi / 2 to pi / 2 whose sine is x; NaN outside -1 to 1."""

    x: Value
    own = scalars.asin
    numpy = np.arcsin

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, _other_side(self.x)),)


class Acos(Mathematical, name="acos"):
    """The angle from 0 to pi whose cosine is x; NaN outside -1 to 1."""

    x: Value
    own = scalars.acos
    numpy = np.arccos

    def gradient(self, g: Value) -> Cotangents:
        return (neg(div(g, _other_side(self.x))),)


class Atan(Mathematical, name="atan"):
    """The angle from -pi / 2 to pi / 2 whose tangent is x."""

    x: Value
    own = scalars.atan
    numpy = np.arctan

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, add(mul(self.x, self.x), like(g, 1))),)


class Atan2(Mathematical, name="atan2"):
    """The angle of the point (x, y), from -pi to pi; the signs of zeros count as in C; its derivative at (0, 0) is 0."""

    y: Value
    x: Value
    own = scalars.atan2
    numpy = np.arctan2

    def gradient(self, g: Value) -> Cotangents:
        length = Hypot(self.x, self.y).result
        length = where(equal(length, like(g, 0)), like(g, 1), length)
        part = div(g, length)
        return mul(part, div(self.x, length)), neg(mul(part, div(self.y, length)))


class Asinh(Mathematical, name="asinh"):
    """The number whose hyperbolic sine is x."""

    x: Value
    own = scalars.asinh
    numpy = np.arcsinh

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, Hypot(self.x, like(self.x, 1)).result),)


class Acosh(Mathematical, name="acosh"):
    """The number from 0 on whose hyperbolic cosine is x; NaN below 1."""

    x: Value
    own = scalars.acosh
    numpy = np.arccosh

    def gradient(self, g: Value) -> Cotangents:
        one = like(self.x, 1)
        return (div(g, mul(sqrt(sub(self.x, one)), sqrt(add(self.x, one)))),)


class Atanh(Mathematical, name="atanh"):
    """The number whose hyperbolic tangent is x; infinite at -1 and 1, NaN outside."""

    x: Value
    own = scalars.atanh
    numpy = np.arctanh

    def gradient(self, g: Value) -> Cotangents:
        one = like(self.x, 1)
        return (div(g, mul(sub(one, self.x), add(one, self.x))),)


class Expm1(Mathematical, name="expm1"):
    """e^x - 1, exact to the last places near 0 too."""

    x: Value
    own = scalars.expm1
    numpy = np.expm1

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, add(self.result, like(g, 1))),)


class Exp2(Mathematical, name="exp2"):
    """2 to the power x."""

    x: Value
    own = scalars.exp2
    numpy = np.exp2

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, mul(self.result, like(g, math.log(2)))),)


class Log1p(Mathematical, name="log1p"):
    """The natural logarithm of 1 + x, exact to the last places near 0 too; -inf at -1, NaN below."""

    x: Value
    own = scalars.log1p
    numpy = np.log1p

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, add(self.x, like(g, 1))),)


class Log2(Mathematical, name="log2"):
    """The logarithm to base 2; -inf at 0, NaN below."""

    x: Value
    own = scalars.log2
    numpy = np.log2

    def gradient(self, g: Value) -> Cotangents:
        return (div(mul(g, like(g, 1 / math.log(2))), self.x),)


class Log10(Mathematical, name="log10"):
    """The logarithm to base 10; -inf at 0, NaN below."""

    x: Value
    own = scalars.log10
    numpy = np.log10

    def gradient(self, g: Value) -> Cotangents:
        return (div(mul(g, like(g, 1 / math.log(10))), self.x),)


class Cbrt(Mathematical, name="cbrt"):
    """The cube root, of negative numbers too."""

    x: Value
    own = scalars.cbrt
    numpy = np.cbrt

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, mul(like(g, 3), mul(self.result, self.result))),)


class Hypot(Mathematical, name="hypot"):
    """sqrt(x^2 + y^2), finite where the result is; its derivative at (0, 0) is 0."""

    x: Value
    y: Value
    own = scalars.hypot
    numpy = np.hypot

    def gradient(self, g: Value) -> Cotangents:
        nothing = equal(self.result, like(g, 0))
        part = div(g, where(nothing, like(g, 1), self.result))
        return mul(part, self.x), mul(part, self.y)


class Logaddexp(Elementwise, name="logaddexp"):
    """log(e^x + e^y) = max(x, y) + log1p(e^-|x - y|)"""

    x: Value
    y: Value
    accepts = "f"

    @staticmethod
    def numpy(x: Array, y: Array) -> Array:
        return np.logaddexp(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)

    def expand(self) -> Value:
        return add(maximum(self.x, self.y), Log1p(exp(neg(absolute(self._difference())))).result)

    def gradient(self, g: Value) -> Cotangents:
        difference = self._difference()
        return mul(g, Sigmoid(difference).result), mul(g, Sigmoid(neg(difference)).result)

    def _difference(self) -> Value:
        """x - y, and 0 where both are one infinity."""
        return where(equal(self.x, self.y), like(self.x, 0), sub(self.x, self.y))


INTEGERS = {DType.f16: DType.i16, DType.bf16: DType.i16, DType.f32: DType.i32, DType.f64: DType.i64}


class Nextafter(Elementwise, name="nextafter"):
    """The number of the dtype next to x on the way to y; y where they are equal, NaN where one is."""

    x: Value
    y: Value
    accepts = "f"
    narrow = True

    def scalar(self) -> Value:
        i, j = (bitcast(v, INTEGERS[v.type.dtype]) for v in self.operands)
        x, y = (cast(v, DType.f32) if v.type.dtype.is_narrow else v for v in self.operands)
        outwards = equal(less(x, y), less(like(x, 0), x))
        moved = where(outwards, add(i, like(i, 1)), sub(i, like(i, 1)))
        least = bit_or(bit_and(j, like(j, i.type.dtype.limits()[0])), like(i, 1))
        moved = where(equal(x, y), j, where(equal(x, like(x, 0)), least, moved))
        moved = where(not_equal(x, x), i, where(not_equal(y, y), j, moved))
        return bitcast(moved, self.x.type.dtype)

    def gradient(self, g: Value) -> Cotangents:
        return g, None


def log1p(x: Value) -> Value:
    return Log1p(x).result


def expm1(x: Value) -> Value:
    return Expm1(x).result


def _other_side(x: Value) -> Value:
    """sqrt(1 - x^2)"""
    one = like(x, 1)
    return sqrt(mul(sub(one, x), add(one, x)))
