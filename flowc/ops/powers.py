"""Powers: of floats, of integers, and the squares that an exponent of 2 means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowc.ir.core import Value
from flowc.ops import math as scalars
from flowc.ops.elementwise import Not, absolute, div, equal, less, logical_and, mul, sub, where
from flowc.ops.functions import log
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.tensor import Array, is_constant, like, number


class Power(Elementwise, name="power"):
    """x to the power y; an exponent that is the constant 2 means x * x.

    Of integers it wraps, and a negative exponent gives 0, but 1 and -1 for the bases 1 and -1.
    """

    x: Value
    y: Value
    aliases = ("pow",)
    infix = "**"

    @classmethod
    def make(cls, x: Value, y: Value) -> Value:
        return mul(x, x) if is_constant(y, 2) and not y.type.rank else cls(x, y).result

    def evaluate(self, *args: Any) -> Array:
        x, y = args
        with np.errstate(all="ignore"):
            if x.dtype.kind != "f":
                return integer_power(x, y)
            return np.power(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype)

    def scalar(self) -> Value:
        if self.x.type.dtype.is_float:
            return scalars.pow(self.x, self.y)
        return IntegerPower(self.x, self.y).result

    def gradient(self, g: Value) -> Cotangents:
        """y x^(y - 1) and x^y log x; the first is 0 for y = 0 and the second 0 for x = 0, whatever the other."""
        return mul(g, self._by_base()), mul(g, self._by_exponent())

    def _by_base(self) -> Value:
        x, y, one = self.x, self.y, like(self.x, 1)
        match number(y):
            case None:
                singular = logical_and(equal(y, like(y, 0)), Not(less(absolute(div(one, x)), like(x, math.inf))).result)
                return mul(y, power(where(singular, one, x), sub(y, one)))
            case 0 | 1:
                return y
            case 2:
                return mul(y, x)
            case known:
                return mul(y, power(x, like(x, known - 1)))

    def _by_exponent(self) -> Value:
        nothing = equal(self.x, like(self.x, 0))
        return where(nothing, like(self.x, 0), mul(self.result, log(where(nothing, like(self.x, 1), self.x))))


class IntegerPower(Elementwise, name="integer_power"):
    """x to the power y by squaring, wrapping; a negative exponent gives 0, but 1 and -1 for the bases 1 and -1."""

    x: Value
    y: Value
    public = False
    accepts = "iu"
    exact = True
    function = """define internal $i $name($i %x, $i %y) #0 {
entry:
  %below = icmp slt $i %y, 0
  %negative = and i1 %below, $signed
  br i1 %negative, label %inverse, label %next
inverse:
  %one = icmp eq $i %x, 1
  %minus = icmp eq $i %x, -1
  %odd.y = and $i %y, 1
  %even = icmp eq $i %odd.y, 0
  %alternating = select i1 %even, $i 1, $i -1
  %of.minus = select i1 %minus, $i %alternating, $i 0
  %of.one = select i1 %one, $i 1, $i %of.minus
  ret $i %of.one
next:
  %total = phi $i [ 1, %entry ], [ %total.next, %again ]
  %base = phi $i [ %x, %entry ], [ %base.next, %again ]
  %rest = phi $i [ %y, %entry ], [ %rest.next, %again ]
  %done = icmp eq $i %rest, 0
  br i1 %done, label %finish, label %again
again:
  %low = and $i %rest, 1
  %taken = icmp ne $i %low, 0
  %product = mul $i %total, %base
  %total.next = select i1 %taken, $i %product, $i %total
  %base.next = mul $i %base, %base
  %rest.next = lshr $i %rest, 1
  br label %next
finish:
  ret $i %total
}
"""

    def evaluate(self, *args: Any) -> Array:
        return integer_power(*args)


def integer_power(x: Array, y: Array) -> Array:
    """Squaring for as many bits as the exponent has, in the arrays' own wrapping arithmetic."""
    x, y = np.broadcast_arrays(x, y)
    total, base, rest = np.ones_like(x), x.copy(), np.where(y < 0, 0, y).astype(y.dtype)
    with np.errstate(all="ignore"):
        while rest.any():
            total = np.where(rest & 1 != 0, total * base, total)
            base, rest = base * base, rest >> 1
    one = np.asarray(1, x.dtype)
    inverse = np.where(x == 1, one, np.where(x == -1, np.where(y & 1 == 0, one, -one), 0)) if x.dtype.kind == "i" else one
    return np.where(y < 0, inverse, total).astype(x.dtype)


def power(x: Value, y: Value) -> Value:
    return Power.make(x, y)
