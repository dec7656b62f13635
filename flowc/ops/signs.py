"""Signs of floats, and floats rounded to integers, which depend on the sign where the result is 0."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ops.elementwise import absolute, add, equal, greater, less, neg, sub, where
from flowc.ops.pointwise import MANTISSA, Cotangents, Elementwise
from flowc.ops.tensor import Array, like


class Copysign(Elementwise, name="copysign"):
    """|x| with the sign of y."""

    x: Value
    y: Value
    accepts = "f"
    exact = True
    numpy = np.copysign
    llvm = {"f": ("call {t} @llvm.copysign.{s}({t} {x}, {t} {y})",)}

    def gradient(self, g: Value) -> Cotangents:
        """0 at 0, as that of |x|; y has none."""
        kept = where(equal(self.result, self.x), g, neg(g))
        return where(equal(self.x, like(g, 0)), like(g, 0), kept), None


def copysign(x: Value, y: Value) -> Value:
    return Copysign(x, y).result


class Sign(Elementwise, name="sign"):
    """-1, 0 or 1; NaN and zeros stay."""

    x: Value
    steps = True
    exact = True

    @staticmethod
    def numpy(x: Array) -> Array:
        return np.where(np.isnan(x) | (x == 0), x, np.sign(x)) if x.dtype.kind == "f" else np.asarray(np.sign(x))

    def expand(self) -> Value:
        x, zero, one = self.x, like(self.x, 0), like(self.x, 1)
        positive = where(greater(x, zero), one, x)
        signed = x.type.dtype.is_float or x.type.dtype.is_signed
        return where(less(x, zero), like(x, -1), positive) if signed else positive


class Floor(Elementwise, name="floor"):
    """The greatest integer not above x, as a float."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.floor

    def scalar(self) -> Value:
        return rounded_down(self.x)


class Ceil(Elementwise, name="ceil"):
    """The least integer not below x, as a float; -0 between -1 and 0."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.ceil

    def scalar(self) -> Value:
        x, near = self.x, rounded_evenly(self.x)
        return copysign(where(less(near, x), add(near, like(x, 1)), near), x)


class Trunc(Elementwise, name="trunc"):
    """The integer part of x, as a float."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.trunc

    def scalar(self) -> Value:
        return copysign(rounded_down(absolute(self.x)), self.x)


class Round(Elementwise, name="round"):
    """The integer nearest to x, as a float; the even one of two as near."""

    x: Value
    steps = True
    accepts = "f"
    exact = True
    numpy = np.rint

    def scalar(self) -> Value:
        return rounded_evenly(self.x)


def rounded_evenly(x: Value) -> Value:
    """The integer nearest to x: adding 2^mantissa leaves no bits for a fraction."""
    whole = like(x, float(1 << MANTISSA[x.type.dtype]))
    magnitude = absolute(x)
    near = copysign(sub(add(magnitude, whole), whole), x)
    return where(less(magnitude, whole), near, x)


def rounded_down(x: Value) -> Value:
    """The greatest integer not above x."""
    near = rounded_evenly(x)
    return copysign(where(greater(near, x), sub(near, like(x, 1)), near), x)
