"""The inverses of the hyperbolic functions: logarithms of sums kept in two parts, in f64, that of f32 rounded."""

from __future__ import annotations

from math import inf, nan

from flowc.ir.core import Value
from flowc.ops.elementwise import absolute, add, div, equal, less, mul, neg, sqrt, where
from flowc.ops.math.arithmetic import fast_two_sum, in_f64, quotient, root, two_product, two_sum, with_sign
from flowc.ops.math.logarithm import log_of_sum
from flowc.ops.tensor import like

LN2 = 0.6931471805599453
LARGE = 2.0**30  # from here on x + sqrt(x^2 + 1) and x + sqrt(x^2 - 1) are 2 x
TINY = 2.0**-28  # up to here the functions that are odd are x


@in_f64
def asinh(x: Value) -> Value:
    """log(1 + x + x^2 / (1 + sqrt(x^2 + 1))) within 1.2 ulp; the sign of 0 stays."""
    size, one = absolute(x), like(x, 1)
    square = mul(size, size)
    above, lost = fast_two_sum(size, div(square, add(one, sqrt(add(square, one)))))
    total, rest = two_sum(one, above)
    y = _log_or_of_twice(size, total, add(rest, lost))
    return where(less(size, like(x, TINY)), x, with_sign(y, x))


@in_f64
def acosh(x: Value) -> Value:
    """log(x + sqrt(x^2 - 1)) within 1 ulp; 0 for 1, NaN below."""
    one = like(x, 1)
    square, rest = two_product(x, x)
    first, lost = fast_two_sum(square, neg(one))
    side, side_rest = root(*fast_two_sum(first, add(lost, rest)))
    total, rest = fast_two_sum(x, side)
    y = _log_or_of_twice(x, total, add(rest, side_rest))
    return where(less(x, one), like(x, nan), where(equal(x, one), like(x, 0), y))


@in_f64
def atanh(x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2 within 0.81 ulp; infinite for 1 and -1, NaN outside; the sign of 0 stays."""
    size, one = absolute(x), like(x, 1)
    ratio, ratio_rest = quotient(add(size, size), like(x, 0), *fast_two_sum(one, neg(size)))
    total, rest = two_sum(one, ratio)
    y = mul(log_of_sum(total, add(rest, ratio_rest)), like(x, 0.5))
    y = where(less(size, one), y, where(equal(size, one), like(x, inf), like(x, nan)))
    return where(less(size, like(x, TINY)), x, with_sign(y, x))


def _log_or_of_twice(x: Value, total: Value, rest: Value) -> Value:
    """log(total + rest), or log(2 x) where x is large; x itself where it is no finite number."""
    large = less(like(x, LARGE), x)
    y = log_of_sum(where(large, x, total), where(large, like(x, 0), rest))
    y = where(large, add(y, like(x, LN2)), y)
    return where(less(x, like(x, inf)), y, x)
