"""The natural logarithm, of x and of 1 + x: x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2), so that log x = k ln 2 + log(1 + f)."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import absolute, add, bitcast, cast, div, equal, fma, less, less_equal, mul, sub, where
from flowc.ops.integers import bit_and
from flowc.ops.math.arithmetic import MANTISSA, bits, narrow_in_f32, polynomial, two_sum
from flowc.ops.tensor import like

LEAST_NORMAL = {DType.f32: 2.0**-126, DType.f64: 2.0**-1022}
SQRT_HALF = {DType.f32: int(np.float32(sqrt(0.5)).view(np.int32)), DType.f64: int(np.float64(sqrt(0.5)).view(np.int64))}
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17

# (log(1 + f) - f) / f^2, relative error of log(1 + f) 2^-27.3
CURVE = (-0.5, 0.3333333, -0.25000823, 0.20001248, -0.16623321, 0.14201373, -0.13160187, 0.12763926, -0.07637154)
# (2 artanh(s) - 2 s) / s^3 in s^2, error relative to the logarithm 2^-59.5
ARTANH = (
    0.6666666666666735, 0.3999999999940961, 0.28571428743578964, 0.22222198444106103, 0.1818357139331084, 0.15313860640947452,
    0.1479793924601818,
)  # fmt: skip


@narrow_in_f32
def log(x: Value) -> Value:
    """The natural logarithm within 0.94 ulp (f64: 0.83 in the sample), of denormals too.

    -inf for 0 and -0, NaN below, infinity for infinity.
    """
    f, k, unit = reduced(x)
    y = _log_f32(f, k, unit) if x.type.dtype is DType.f32 else _log_f64(f, k, unit)
    return at_the_ends(x, y)


@narrow_in_f32
def log1p(x: Value) -> Value:
    """The natural logarithm of 1 + x within 1 ulp; -inf for -1, NaN below, the sign of 0 stays."""
    one = like(x, 1)
    y = log_of_sum(*two_sum(x, one))
    tiny = less(absolute(x), like(x, 2.0 ** (-MANTISSA[x.type.dtype] - 2)))
    return where(tiny, x, at_the_ends(x, y, -1))


def log_of_sum(x: Value, rest: Value) -> Value:
    """log(x + rest) for finite normal x above 0 and a rest of a few ulps of it at most."""
    f, k, unit = reduced(x)
    log = _log_f32 if x.type.dtype is DType.f32 else _log_f64
    return log(f, k, unit, div(rest, x))


def at_the_ends(x: Value, y: Value, start: float = 0) -> Value:
    """y, but -inf where x is `start`, NaN below, infinity for infinity and NaN for NaN."""
    y = where(less(x, like(x, inf)), y, x)
    outside = where(equal(x, like(x, start)), like(x, -inf), like(x, nan))
    return where(less_equal(x, like(x, start)), outside, y)


def reduced(x: Value) -> tuple[Value, Value, float]:
    """f, and k as a multiple of a unit, for finite x above 0; a denormal is made normal first."""
    dtype, mantissa = x.type.dtype, MANTISSA[x.type.dtype]
    small = less(x, like(x, LEAST_NORMAL[dtype]))
    i = bits(where(small, mul(x, like(x, 2.0**mantissa)), x))
    exponent = bit_and(sub(i, like(i, SQRT_HALF[dtype])), like(i, -(1 << mantissa)))
    f = sub(bitcast(sub(i, exponent), dtype), like(x, 1))
    k = cast(exponent, dtype)
    return f, where(small, sub(k, like(x, mantissa * 2.0**mantissa)), k), 2.0**-mantissa


def _log_f32(f: Value, k: Value, unit: float, more: Value | None = None) -> Value:
    """k ln 2 + f + (f^2 p(f) + more); what ln 2 lost by rounding is 2^-25 of it and is left out."""
    curve = polynomial(f, CURVE)
    y = fma(mul(f, f), curve, f) if more is None else add(f, fma(mul(f, f), curve, more))
    return fma(k, like(k, LN2 * unit), y)


def _log_f64(f: Value, k: Value, unit: float, more: Value | None = None) -> Value:
    """With s = f / (2 + f), log(1 + f) = 2 artanh(s) = f - f^2 / 2 + s (f^2 / 2 + s^2 p(s^2)), as Ng for fdlibm; plus `more`."""
    s = div(f, add(f, like(f, 2)))
    square, half_square = mul(s, s), mul(mul(f, f), like(f, 0.5))
    rest = fma(square, polynomial(square, ARTANH), half_square)
    below = mul(k, like(k, LN2_REST * unit))
    lower = fma(s, rest, below if more is None else add(below, more))
    return fma(k, like(k, LN2 * unit), sub(f, sub(half_square, lower)))
