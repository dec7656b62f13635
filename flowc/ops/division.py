"""Quotients rounded down and their remainders, of integers and of floats."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Value
from flowc.ops.elementwise import add, div, equal, greater, less, logical_and, mul, neg, not_equal, sub, where
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.signs import copysign, rounded_down, rounded_evenly
from flowc.ops.tensor import like

# Where y is 0 or -1 the machine's division may trap: 1 stands in for it, and the result is chosen afterwards.
_GUARD = (
    "icmp eq {t} {y}, {t:0}",
    "icmp eq {t} {y}, {t:-1}",
    "or {b} {r0}, {r1}",
    "select {b} {r2}, {t} {t:1}, {t} {y}",
    "srem {t} {x}, {r3}",
    "xor {t} {r4}, {r3}",
    "icmp slt {t} {r5}, {t:0}",
    "icmp ne {t} {r4}, {t:0}",
    "and {b} {r6}, {r7}",  # the remainder is not 0 and has not the sign of y
)


class FloorDivide(Elementwise, name="floor_divide"):
    """x / y rounded down; of integers x // 0 is 0, and the least integer by -1 wraps; floats follow NumPy."""

    x: Value
    y: Value
    steps = True
    infix = "//"
    exact = True
    numpy = np.floor_divide
    llvm = {
        "i": (
            *_GUARD,
            "sdiv {t} {x}, {r3}",
            "sext {b} {r8} to {t}",
            "add {t} {r9}, {r10}",
            "sub {t} {t:0}, {x}",
            "select {b} {r1}, {t} {r12}, {t} {r11}",
            "select {b} {r0}, {t} {t:0}, {t} {r13}",
        ),
        "u": (
            "icmp eq {t} {y}, {t:0}",
            "select {b} {r0}, {t} {t:1}, {t} {y}",
            "udiv {t} {x}, {r1}",
            "select {b} {r0}, {t} {t:0}, {t} {r2}",
        ),
    }

    def scalar(self) -> Value | None:
        if not self.x.type.dtype.is_float:
            return None
        x, y = self.x, self.y
        rest, zero = Fmod(x, y).result, like(x, 0)
        quotient = div(sub(x, rest), y)
        quotient = where(_opposed(rest, y), sub(quotient, like(x, 1)), quotient)
        down = rounded_down(quotient)
        down = where(greater(sub(quotient, down), like(x, 0.5)), add(down, like(x, 1)), down)
        down = where(equal(quotient, zero), copysign(zero, div(x, y)), down)
        return where(equal(y, zero), div(x, y), down)


class Remainder(Elementwise, name="remainder"):
    """x - y * (x // y), with the sign of y; of integers x % 0 is 0; floats follow NumPy."""

    x: Value
    y: Value
    aliases = ("mod",)
    infix = "%"
    exact = True
    numpy = np.remainder
    llvm = {
        "i": (
            *_GUARD,
            "select {b} {r8}, {t} {y}, {t} {t:0}",
            "add {t} {r4}, {r9}",
            "select {b} {r0}, {t} {t:0}, {t} {r10}",
        ),
        "u": (
            "icmp eq {t} {y}, {t:0}",
            "select {b} {r0}, {t} {t:1}, {t} {y}",
            "urem {t} {x}, {r1}",
        ),
    }

    def scalar(self) -> Value | None:
        if not self.x.type.dtype.is_float:
            return None
        x, y = self.x, self.y
        rest, zero = Fmod(x, y).result, like(x, 0)
        signed = where(_opposed(rest, y), add(rest, y), where(equal(rest, zero), copysign(zero, y), rest))
        return where(equal(y, zero), rest, signed)

    def gradient(self, g: Value) -> Cotangents:
        return g, neg(mul(g, FloorDivide(self.x, self.y).result))


def _opposed(rest: Value, y: Value) -> Value:
    """Whether the remainder is not 0 and has not the sign of y."""
    zero = like(y, 0)
    return logical_and(not_equal(rest, zero), not_equal(less(y, zero), less(rest, zero)))


class Fmod(Elementwise, name="fmod"):
    """x - y * trunc(x / y), exactly, with the sign of x; NaN where x is infinite or y is 0."""

    x: Value
    y: Value
    public = False
    accepts = "f"
    exact = True
    numpy = np.fmod
    # Mantissas as integers: the remainder of x's, moved up step by step to x's exponent; r < y fits the mantissa always.
    function = """define internal $t $name($t %x, $t %y) #0 {
entry:
  %xb = bitcast $t %x to $i
  %yb = bitcast $t %y to $i
  %top = shl $i 1, $last
  %most = sub $i %top, 1
  %sign = and $i %xb, %top
  %xa = and $i %xb, %most
  %ya = and $i %yb, %most
  %infinity = shl $i $exponents, $mantissa
  %zero.y = icmp eq $i %ya, 0
  %nan.y = icmp ugt $i %ya, %infinity
  %bad.x = icmp uge $i %xa, %infinity
  %bad.y = or i1 %zero.y, %nan.y
  %bad = or i1 %bad.x, %bad.y
  br i1 %bad, label %invalid, label %valid
invalid:
  %product = fmul $t %x, %y
  %undefined = fdiv $t %product, %product
  ret $t %undefined
valid:
  %below = icmp ult $i %xa, %ya
  br i1 %below, label %itself, label %start
itself:
  ret $t %x
start:
  %implicit = shl $i 1, $mantissa
  %fraction = sub $i %implicit, 1
  %xe.0 = lshr $i %xa, $mantissa
  %ye.0 = lshr $i %ya, $mantissa
  %xm.0 = and $i %xa, %fraction
  %ym.0 = and $i %ya, %fraction
  %xm.1 = or $i %xm.0, %implicit
  %ym.1 = or $i %ym.0, %implicit
  %x.small = icmp eq $i %xe.0, 0
  %y.small = icmp eq $i %ye.0, 0
  %xe = select i1 %x.small, $i 1, $i %xe.0
  %ye = select i1 %y.small, $i 1, $i %ye.0
  %xm = select i1 %x.small, $i %xm.0, $i %xm.1
  %ym = select i1 %y.small, $i %ym.0, $i %ym.1
  %first = urem $i %xm, %ym
  %spare = sub $i $last, $mantissa
  %steps.0 = sub $i %xe, %ye
  br label %next
next:
  %r = phi $i [ %first, %start ], [ %r.next, %again ]
  %steps = phi $i [ %steps.0, %start ], [ %steps.next, %again ]
  %done = icmp eq $i %steps, 0
  br i1 %done, label %finish, label %again
again:
  %few = icmp ult $i %steps, %spare
  %by = select i1 %few, $i %steps, $i %spare
  %moved = shl $i %r, %by
  %r.next = urem $i %moved, %ym
  %steps.next = sub $i %steps, %by
  br label %next
finish:
  %none = icmp eq $i %r, 0
  br i1 %none, label %nothing, label %pack
nothing:
  %signed.zero = bitcast $i %sign to $t
  ret $t %signed.zero
pack:
  %lead = call $i @llvm.ctlz.$i($i %r, i1 true)
  %up.0 = sub $i %lead, %spare
  %room = sub $i %ye, 1
  %tight = icmp ult $i %room, %up.0
  %up = select i1 %tight, $i %room, $i %up.0
  %mantissa = shl $i %r, %up
  %e = sub $i %room, %up
  %exponent = shl $i %e, $mantissa
  %magnitude = add $i %mantissa, %exponent
  %bits = or $i %magnitude, %sign
  %result = bitcast $i %bits to $t
  ret $t %result
}
"""

    def gradient(self, g: Value) -> Cotangents:
        whole = rounded_evenly(div(sub(self.x, self.result), self.y))
        return g, neg(mul(g, whole))
