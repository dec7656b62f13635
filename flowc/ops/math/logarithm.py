"""The natural logarithm: x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2), so that log x = k ln 2 + log(1 + f)."""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import add, bitcast, cast, div, equal, fma, less, less_equal, mul, sub, where
from flowc.ops.integers import bit_and
from flowc.ops.math.arithmetic import MANTISSA, bits, narrow_in_f32, polynomial
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
    y = where(less(x, like(x, inf)), y, x)
    outside = where(equal(x, like(x, 0)), like(x, -inf), like(x, nan))
    return where(less_equal(x, like(x, 0)), outside, y)


def reduced(x: Value) -> tuple[Value, Value, float]:
    """f, and k as a multiple of a unit, for finite x above 0; a denormal is made normal first."""
    dtype, mantissa = x.type.dtype, MANTISSA[x.type.dtype]
    small = less(x, like(x, LEAST_NORMAL[dtype]))
    i = bits(where(small, mul(x, like(x, 2.0**mantissa)), x))
    exponent = bit_and(sub(i, like(i, SQRT_HALF[dtype])), like(i, -(1 << mantissa)))
    f = sub(bitcast(sub(i, exponent), dtype), like(x, 1))
    k = cast(exponent, dtype)
    return f, where(small, sub(k, like(x, mantissa * 2.0**mantissa)), k), 2.0**-mantissa


def _log_f32(f: Value, k: Value, unit: float) -> Value:
    """k ln 2 + f + f^2 p(f); what ln 2 lost by rounding is 2^-25 of it and is left out."""
    return fma(k, like(k, LN2 * unit), fma(mul(f, f), polynomial(f, CURVE), f))


def _log_f64(f: Value, k: Value, unit: float) -> Value:
    """With s = f / (2 + f), log(1 + f) = 2 artanh(s) = f - f^2 / 2 + s (f^2 / 2 + s^2 p(s^2)), as Ng for fdlibm."""
    s = div(f, add(f, like(f, 2)))
    square, half_square = mul(s, s), mul(mul(f, f), like(f, 0.5))
    rest = fma(square, polynomial(square, ARTANH), half_square)
    lower = fma(s, rest, mul(k, like(k, LN2_REST * unit)))
    return fma(k, like(k, LN2 * unit), sub(f, sub(half_square, lower)))
