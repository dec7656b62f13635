"""Mathematical functions, elementwise; what they are on scalars is in math/."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops import math as scalars
from flowc.ops.elementwise import (
    absolute,
    div,
    equal,
    greater,
    less,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    sqrt,
    sub,
    where,
)
from flowc.ops.numerics import ends, larger, smaller
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.tensor import Array, like


class Mathematical(Elementwise):
    """A function that `own` says of scalars in arithmetic; `numpy` is given at least f64, whatever the operands."""

    own: ClassVar[Callable[..., Value]]
    accepts = "f"
    costly = True

    def evaluate(self, *args: Any) -> Array:
        wide = np.longdouble if args[0].dtype == np.float64 else np.float64
        with np.errstate(all="ignore"):
            return np.asarray(type(self).numpy(*(x.astype(wide) for x in args))).astype(args[0].dtype)

    def scalar(self) -> Value:
        return type(self).own(*self.operands)


class Exp(Mathematical, name="exp"):
    """e to the power x."""

    x: Value
    own = scalars.exp
    numpy = np.exp

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, self.result),)


class Log(Mathematical, name="log"):
    """The natural logarithm; -inf at 0, NaN below."""

    x: Value
    own = scalars.log
    numpy = np.log

    def gradient(self, g: Value) -> Cotangents:
        return (div(g, self.x),)


class Tanh(Mathematical, name="tanh"):
    """The hyperbolic tangent."""

    x: Value
    own = scalars.tanh
    numpy = np.tanh

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, sub(like(g, 1), mul(self.result, self.result))),)


class Sin(Mathematical, name="sin"):
    """The sine of x in radians; NaN of infinities."""

    x: Value
    own = scalars.sin
    numpy = np.sin

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Cos(self.x).result),)


class Cos(Mathematical, name="cos"):
    """The cosine of x in radians; NaN of infinities."""

    x: Value
    own = scalars.cos
    numpy = np.cos

    def gradient(self, g: Value) -> Cotangents:
        return (neg(mul(g, Sin(self.x).result)),)


class Sigmoid(Mathematical, name="sigmoid"):
    """1 / (1 + e^-x)"""

    x: Value
    own = scalars.sigmoid

    @staticmethod
    def numpy(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, mul(self.result, sub(like(g, 1), self.result))),)


class Erf(Mathematical, name="erf"):
    """2 / sqrt(pi) times the integral of e^-t^2 for t from 0 to x."""

    x: Value
    own = scalars.erf
    numpy = np.vectorize(math.erf, otypes=[np.float64])

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, mul(like(g, 2 / math.sqrt(math.pi)), exp(neg(mul(self.x, self.x))))),)


class Clip(Elementwise, name="clip"):
    """min(max(x, low), high); NaN where one is; a bound may be left out."""

    x: Value
    low: Value
    high: Value
    accepts = "fiu"
    exact = True

    @classmethod
    def make(cls, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
        least, most = ends(x.type.dtype)
        return cls(x, like(x, least) if low is None else low, like(x, most) if high is None else high).result

    @staticmethod
    def numpy(x: Array, low: Array, high: Array) -> Array:
        return smaller(larger(x, low), high)

    def expand(self) -> Value:
        return minimum(maximum(self.x, self.low), self.high)

    def gradient(self, g: Value) -> Cotangents:
        """x has it from `low` to `high`, these included; a bound where it is the result."""
        zero, under = like(g, 0), less(self.x, self.low)
        above = greater(maximum(self.x, self.low), self.high)
        return (
            where(under, zero, where(greater(self.x, self.high), zero, g)),
            where(above, zero, where(under, g, zero)),
            where(above, g, zero),
        )


class Square(Elementwise, name="square"):
    """x * x"""

    x: Value
    exact = True
    numpy = np.square

    def expand(self) -> Value:
        return mul(self.x, self.x)

    def gradient(self, g: Value) -> Cotangents:
        return (mul(mul(g, like(g, 2)), self.x),)


class Rsqrt(Elementwise, name="rsqrt"):
    """1 / sqrt(x), rounded twice."""

    x: Value
    accepts = "f"
    exact = True

    @staticmethod
    def numpy(x: Array) -> Array:
        return np.ones_like(x) / np.sqrt(x)

    def expand(self) -> Value:
        return div(like(self.x, 1), sqrt(self.x))

    def gradient(self, g: Value) -> Cotangents:
        return (mul(mul(g, like(g, -0.5)), mul(self.result, mul(self.result, self.result))),)


class IsNan(Elementwise, name="isnan"):
    """Whether x is not a number."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.isnan

    def result_dtype(self) -> DType:
        super().result_dtype()
        return DType.bool

    def expand(self) -> Value:
        return not_equal(self.x, self.x)


class IsInf(Elementwise, name="isinf"):
    """Whether x is an infinity."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.isinf

    def result_dtype(self) -> DType:
        super().result_dtype()
        return DType.bool

    def expand(self) -> Value:
        return equal(absolute(self.x), like(self.x, math.inf))


class IsFinite(Elementwise, name="isfinite"):
    """Whether x is a number and no infinity."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.isfinite

    def result_dtype(self) -> DType:
        super().result_dtype()
        return DType.bool

    def expand(self) -> Value:
        return less(absolute(self.x), like(self.x, math.inf))


def exp(x: Value) -> Value:
    return Exp(x).result


def log(x: Value) -> Value:
    return Log(x).result


def finite(x: Value) -> Value:
    """x, or 0 where it is an infinity or NaN."""
    return where(IsFinite(x).result, x, like(x, 0))
