"""Angles from their sine, cosine or tangent: all are the angle of a point, in f64, that of f32 rounded."""

from __future__ import annotations

from math import inf

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import absolute, add, equal, fma, less, mul, neg, not_equal, sub, where
from flowc.ops.math.arithmetic import at_most, bits, fast_two_sum, in_f64, polynomial, quotient, root, two_product, with_sign
from flowc.ops.tensor import constant, like

QUARTER_PI, QUARTER_PI_REST = 0.7853981633974483, 3.061616997868383e-17  # the first has 50 bits, so four times it are exact
TAN_EIGHTH_PI = 0.41421356237309503
# (atan(z) - z) / z^3 in z^2 for |z| <= 0.415, relative error of atan 2^-59.4
CURVE = (
    -0.3333333333333319, 0.19999999999952012, -0.14285714280026293, 0.11111110774545702, -0.09090897492622924, 0.07692055373060555,
    -0.06663047795978319, 0.05847472235644882, -0.05037394161571831, 0.03801529806409902, -0.017852536833688225,
)  # fmt: skip


@in_f64
def atan(x: Value) -> Value:
    """The arc tangent within 0.77 ulp; the sign of 0 stays."""
    zero = like(x, 0)
    return with_sign(_angle(at_most(absolute(x), 2.0**100), zero, like(x, 1), zero, constant(False, DType.bool)), x)


@in_f64
def asin(x: Value) -> Value:
    """The arc sine within 0.83 ulp, from the tangent x / sqrt(1 - x^2); NaN outside -1 to 1; the sign of 0 stays."""
    return with_sign(_angle(absolute(x), like(x, 0), *_other_side(x), constant(False, DType.bool)), x)


@in_f64
def acos(x: Value) -> Value:
    """The arc cosine within 0.86 ulp, from the tangent sqrt(1 - x^2) / x; NaN outside -1 to 1."""
    return _angle(*_other_side(x), absolute(x), like(x, 0), less(x, like(x, 0)))


@in_f64
def atan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y) within 0.8 ulp, 1.14 where y is denormal, from -pi to pi, with the special values of C.

    Both are scaled where their sum could be infinite or a remainder of their quotient denormal.
    """
    high, wide = absolute(y), absolute(x)
    most = where(less(high, wide), wide, high)
    one, zero = like(x, 1), like(x, 0)
    scale = where(less(like(x, 2.0**900), most), like(x, 2.0**-200), where(less(most, like(x, 2.0**-800)), like(x, 2.0**200), one))
    endless = equal(most, like(x, inf))
    high, wide = (where(endless, where(equal(v, like(x, inf)), one, zero), mul(v, scale)) for v in (high, wide))
    wide = where(equal(most, zero), one, wide)
    angle = with_sign(_angle(high, zero, wide, zero, less(bits(x), like(bits(x), 0))), y)
    return where(not_equal(x, x), x, where(not_equal(y, y), y, angle))


def _other_side(x: Value) -> tuple[Value, Value]:
    """sqrt(1 - x^2) in two parts."""
    square, rest = two_product(x, x)
    first, lost = fast_two_sum(like(x, 1), neg(square))
    side, more = root(*fast_two_sum(first, sub(lost, rest)))
    return side, where(equal(side, like(x, 0)), side, more)


def _angle(y: Value, y_rest: Value, x: Value, x_rest: Value, backwards: Value) -> Value:
    """The angle of the point (x, y) above and right of the origin, each in two parts; that of (-x, y) where `backwards`.

    Mirrored at the diagonal the tangent is at most 1; where it is above tan(pi / 8), that of the
    angle less pi / 4 is (y - x) / (y + x).  So the angle is a multiple of pi / 4 and a small one.
    """
    steep = less(x, y)
    low, low_rest = where(steep, x, y), where(steep, x_rest, y_rest)
    far, far_rest = where(steep, y, x), where(steep, y_rest, x_rest)
    middle = less(mul(far, like(x, TAN_EIGHTH_PI)), low)
    difference, under = fast_two_sum(neg(far), low)
    total, over = fast_two_sum(far, low)
    low, low_rest = where(middle, difference, low), where(middle, add(under, sub(low_rest, far_rest)), low_rest)
    far, far_rest = where(middle, total, far), where(middle, add(over, add(y_rest, x_rest)), far_rest)
    z, z_rest = quotient(low, low_rest, far, far_rest)
    square = mul(z, z)
    curve = fma(mul(z, square), polynomial(square, CURVE), z_rest)
    zero, one, two, four = (like(x, n) for n in (0.0, 1.0, 2.0, 4.0))
    eighths = where(middle, one, where(steep, two, zero))
    eighths = where(backwards, sub(four, eighths), eighths)
    mirrored = not_equal(steep, backwards)
    z, curve = where(mirrored, neg(z), z), where(mirrored, neg(curve), curve)
    first, lost = fast_two_sum(mul(eighths, like(x, QUARTER_PI)), z)
    return add(first, add(lost, fma(eighths, like(x, QUARTER_PI_REST), curve)))
