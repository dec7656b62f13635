"""The logarithm of the gamma function and its derivatives, the polygamma functions; in f64, that of f32 rounded.

All have three parts: a polynomial near 2, reached from below 10 by the recurrences; Stirling's
series from there on; and reflections for what is negative.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, inf, nan, pi

from flowc.ir.core import Value
from flowc.ops.elementwise import absolute, add, div, equal, fma, less, logical_and, mul, neg, sub, where
from flowc.ops.math.arithmetic import in_f64, polynomial, with_sign
from flowc.ops.math.logarithm import log
from flowc.ops.math.trigonometric import half_turns
from flowc.ops.tensor import like

BERNOULLI = tuple(
    Fraction(*b) for b in ((1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510), (43867, 798))
)  # the 2nd, 4th, ...
FAR = 10  # from here on series do
# lgamma(2 + t) / t for t from -0.753 to 0.503, relative error 2^-56.2
NEAR_TWO = (
    0.42278433509846713, 0.3224670334241132, -0.06735230105319555, 0.020580808427789386, -0.007385551028893718, 0.002890510330324573,
    -0.0011927539042341406, 0.0005096695403344513, -0.00022315488493079998, 9.94572102642404e-05, -4.4925077220237834e-05,
    2.0510542689515385e-05, -9.44508124417946e-06, 4.353354074525922e-06, -2.029176768707243e-06, 1.0353083520786594e-06,
    -4.2547983742885115e-07, 5.61625479531752e-08, -2.3595689176774841e-07, 1.5512969637397582e-07, 1.5590060533798413e-07,
    5.277991594808172e-08, -2.715618883149841e-08,
)  # fmt: skip
HALF_LOG_TWO_PI = 0.9189385332046728
# digamma(1.6 + t) / (1.6 + t - ZERO) for t from -0.653 to 0.503, relative error 2^-55.9
MIDDLE = 1.6
ZERO, ZERO_REST = 1.4616321449683622, 9.549995429965697e-17
NEAR_ZERO = (
    0.9109590717053151, -0.3796198081463712, 0.20115704762429232, -0.11587173031665511, 0.06930948272275075, -0.042259999821128304,
    0.026036479923660153, -0.016135637057817544, 0.010033887520155856, -0.006252086636173669, 0.0039003003347786343,
    -0.0024349817265455886, 0.0015212074217478783, -0.0009498705196231187, 0.0005909225379618658, -0.00037322088861035675,
    0.00024400037451365267, -0.00013240989599113147, 5.723298821851942e-05, -9.788432267092909e-05, 8.579185238307403e-05,
    5.35383803021372e-05, -1.5615074289145577e-05, -6.934089774494712e-05,
)  # fmt: skip


@in_f64
def lgamma(x: Value) -> Value:
    """log |gamma(x)| within 3 ulp from 0 on, within 1e-15 max(1, |lgamma(x)|) below; infinite for 0 and the negative integers."""
    size, zero = absolute(x), like(x, 0)
    above = _lgamma(size)
    _, sine, _ = half_turns(size)
    reflected = sub(log(div(like(x, pi), mul(size, sine))), above)
    y = where(less(x, like(x, -(2.0**-60))), reflected, above)
    return where(logical_and(less(x, zero), equal(sine, zero)), like(x, inf), y)


def _lgamma(x: Value) -> Value:
    """For x from 0 on: lgamma(x + 1) = lgamma(x) + log x leads to 1.25 to 2.5, and from below 0.5 there by two steps."""
    least, low, one = less(x, like(x, 0.5)), less(x, like(x, 1.25)), like(x, 1)
    z, product = x, one
    for _ in range(FAR - 2):
        high, below = less(like(x, 2.5), z), sub(z, one)
        product, z = where(high, mul(product, below), product), where(high, below, z)
    far = less(like(x, FAR), x)
    logarithm = log(where(far, x, where(least, mul(x, add(x, one)), where(low, x, product))))
    t = where(least, x, where(low, sub(x, one), sub(z, like(x, 2))))
    near = fma(t, polynomial(t, NEAR_TWO), where(low, neg(logarithm), logarithm))
    inverse = div(one, x)
    terms = [float(b / (2 * k * (2 * k - 1))) for k, b in enumerate(BERNOULLI[:8], 1)]
    rest = fma(inverse, polynomial(mul(inverse, inverse), terms), like(x, HALF_LOG_TWO_PI - 0.5))
    return where(far, fma(sub(x, like(x, 0.5)), sub(logarithm, one), rest), near)


@in_f64
def digamma(x: Value) -> Value:
    """The derivative of lgamma within 4 ulp from 0 on, within 1e-15 max(1, |digamma(x)|) below; NaN for the negative integers.

    -inf for 0 and inf for -0, as its limits.
    """
    size, zero = absolute(x), like(x, 0)
    above = _digamma(size)
    f, sine, cosine = half_turns(size)
    cotangent = with_sign(div(cosine, sine), f)
    reflected = add(fma(cotangent, like(x, pi), div(like(x, 1), size)), above)
    reflected = where(equal(sine, zero), like(x, nan), reflected)
    y = where(less(x, zero), reflected, above)
    return where(equal(x, zero), with_sign(like(x, inf), neg(x)), y)


def _digamma(x: Value) -> Value:
    """For x from 0 on: digamma(x + 1) = digamma(x) + 1 / x leads to 0.95 to 2.1; the sum of the inverses is one fraction."""
    one = like(x, 1)
    z, above, under = x, like(x, 0), one
    for _ in range(2):
        low = less(z, like(x, 0.95))
        above, under, z = where(low, fma(above, z, neg(under)), above), where(low, mul(under, z), under), where(low, add(z, one), z)
    for _ in range(FAR - 2):
        high, below = less(like(x, 2.1), z), sub(z, one)
        above, under, z = where(high, fma(above, below, under), above), where(high, mul(under, below), under), where(high, below, z)
    past_zero = sub(sub(z, like(x, ZERO)), like(x, ZERO_REST))
    near = fma(past_zero, polynomial(sub(z, like(x, MIDDLE)), NEAR_ZERO), div(above, under))
    inverse = div(one, x)
    square = mul(inverse, inverse)
    terms = [float(-b / (2 * k)) for k, b in enumerate(BERNOULLI[:8], 1)]
    far = fma(square, polynomial(square, terms), fma(inverse, like(x, -0.5), log(x)))
    return where(less(like(x, FAR), x), far, near)


def polygamma(order: int, x: Value) -> Value:
    """The derivative of digamma of this order, from 1 on: a sum of powers of 1 / x and Stirling's series."""

    @in_f64
    def function(x: Value) -> Value:
        negative, one = less(x, like(x, 0)), like(x, 1)
        above = _polygamma(order, where(negative, sub(one, x), x))
        f, sine, cosine = half_turns(absolute(x))
        cotangent = with_sign(div(cosine, sine), neg(f))
        slope = mul(polynomial(cotangent, _derivative_of_cotangent(order)), like(x, pi ** (order + 1)))
        return where(negative, sub(above if order % 2 == 0 else neg(above), slope), above)

    return function(x)


def _polygamma(order: int, x: Value) -> Value:
    """For x from 0 on, all terms of one sign."""
    one, total, z = like(x, 1), like(x, 0), x
    for _ in range(FAR + 2):
        low, inverse = less(z, like(x, FAR + 2)), div(one, z)
        total, z = where(low, add(total, _raised(inverse, order + 1)), total), where(low, add(z, one), z)
    inverse = div(one, z)
    square = mul(inverse, inverse)
    terms = [float(b * factorial(2 * k + order - 1) / factorial(2 * k)) for k, b in enumerate(BERNOULLI, 1)]
    first = fma(inverse, like(x, factorial(order) / 2), like(x, float(factorial(order - 1))))
    series = mul(_raised(inverse, order), fma(square, polynomial(square, terms), first))
    y = fma(total, like(x, float(factorial(order))), series)
    return y if order % 2 else neg(y)


def _raised(x: Value, power: int) -> Value:
    return x if power == 1 else mul(x, _raised(x, power - 1))


def _derivative_of_cotangent(order: int) -> list[float]:
    """The derivative of cot of this order as a polynomial in cot, whose own derivative is -(1 + cot^2)."""
    curve = [0, 1]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(curve)][1:]
        curve = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return [float(c) for c in curve]
