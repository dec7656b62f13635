"""The cube root, and the root of a sum of two squares; in f64, that of f32 rounded."""

from __future__ import annotations

from math import inf

from flowc.ir.core import Value
from flowc.ops.elementwise import absolute, add, div, equal, fma, less, mul, neg, where
from flowc.ops.math.arithmetic import fast_two_sum, in_f64, root, two_product, with_sign
from flowc.ops.math.base_two import log2_for_f32
from flowc.ops.math.exponential import exp2_for_f32
from flowc.ops.math.logarithm import reduced
from flowc.ops.tensor import like


@in_f64
def cbrt(x: Value) -> Value:
    """The cube root within 0.51 ulp, so exact for cubes; zeros, infinities and NaN stay.

    2^(log2(x) / 3) with an error of 2^-29 and one step of Newton's; what is too small for its remainder is scaled by 2^300.
    """
    size = absolute(x)
    small = less(size, like(x, 2.0**-700))
    scaled = where(small, mul(size, like(x, 2.0**300)), size)
    f, k, unit = reduced(scaled)
    y = exp2_for_f32(mul(log2_for_f32(f, mul(k, like(k, unit))), like(x, 1 / 3)))
    square, rest = two_product(y, y)
    missing = fma(neg(rest), y, fma(neg(square), y, scaled))
    y = add(y, div(missing, mul(square, like(x, 3))))
    y = where(small, mul(y, like(x, 2.0**-100)), y)
    finite = less(size, like(x, inf))
    return where(equal(size, like(x, 0)), x, where(finite, with_sign(y, x), x))


@in_f64
def hypot(x: Value, y: Value) -> Value:
    """sqrt(x^2 + y^2) within 0.51 ulp, 0.75 where it is denormal; finite where the result is.

    Infinite where one of the two is, be the other NaN.
    """
    first, second = absolute(x), absolute(y)
    swapped = less(first, second)
    most, least = where(swapped, second, first), where(swapped, first, second)
    large, small = less(like(x, 2.0**500), most), less(most, like(x, 2.0**-400))
    down, up, one = like(x, 2.0**-600), like(x, 2.0**600), like(x, 1)
    scale, back = where(large, down, where(small, up, one)), where(large, up, where(small, down, one))
    most, least = mul(most, scale), mul(least, scale)
    square, lost = two_product(most, most)
    other, other_lost = two_product(least, least)
    total, rest = fast_two_sum(square, other)
    side, more = root(total, add(rest, add(lost, other_lost)))
    length = where(equal(total, like(x, 0)), total, mul(add(side, more), back))
    endless = like(x, inf)
    return where(equal(first, endless), first, where(equal(second, endless), second, length))
