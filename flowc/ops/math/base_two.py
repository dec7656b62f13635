"""The logarithms to base 2 and 10."""

from __future__ import annotations

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import add, cast, div, fma, mul, neg
from flowc.ops.math.arithmetic import fast_two_sum, narrow_in_f32, polynomial, two_product
from flowc.ops.math.logarithm import at_the_ends, reduced
from flowc.ops.tensor import constant, like

# log2((1 + s) / (1 - s)) = s (FIRST + s^2 (SECOND + s^2 p(s^2))), the constants in two parts
FIRST, FIRST_REST = 2.8853900817779268, 4.0710547481862066e-17
SECOND, SECOND_REST = 0.9617966939259756, 5.0577616648125907e-17
# for f32, with SECOND in front: relative error 2^-37.6
CURVE_F32 = (0.9617966791242958, 0.5770828693619112, 0.4117051498394204, 0.3402425740080696)
# for f64: relative error 2^-66.2
CURVE_F64 = (
    0.5770780163556182, 0.41219858309182916, 0.3205989022941583, 0.26230769925303515, 0.2219840871612133, 0.19125300855348454,
    0.19040603231011796,
)  # fmt: skip
LOG10_2, LOG10_2_REST = 0.30102999566398120, -2.8037281277851704e-18


@narrow_in_f32
def log2(x: Value) -> Value:
    """The logarithm to base 2 within 0.51 ulp; exact for powers of 2; at the ends as that to base e."""
    high, low = _log2(x)
    y = high if low is None else add(high, low)
    return at_the_ends(x, cast(y, x.type.dtype))


@narrow_in_f32
def log10(x: Value) -> Value:
    """The logarithm to base 10 within 0.51 ulp; exact for powers of 10; at the ends as that to base e."""
    high, low = _log2(x)
    factor = like(high, LOG10_2)
    if low is None:
        return at_the_ends(x, cast(mul(high, factor), x.type.dtype))
    product, rounding = two_product(high, factor)
    return at_the_ends(x, add(product, fma(low, factor, fma(high, like(high, LOG10_2_REST), rounding))))


def _log2(x: Value) -> tuple[Value, Value | None]:
    """In f64: as well as an f32 takes it, or of an f64 in two parts."""
    f, k, unit = reduced(x)
    whole = mul(cast(k, DType.f64), constant(unit, DType.f64))
    return log2_in_two_parts(f, whole) if x.type.dtype is DType.f64 else (log2_for_f32(cast(f, DType.f64), whole), None)


def log2_for_f32(f: Value, k: Value) -> Value:
    """k + log2(1 + f) in f64, with a relative error of 2^-37."""
    s = div(f, add(f, like(f, 2)))
    square = mul(s, s)
    return fma(s, fma(square, polynomial(square, CURVE_F32), like(s, FIRST)), k)


def log2_in_two_parts(f: Value, k: Value) -> tuple[Value, Value]:
    """k + log2(1 + f) in two parts, with an error of 2^-64 of it."""
    below, below_rest = fast_two_sum(like(f, 2), f)
    inverse = div(like(f, 1), below)
    s = mul(f, inverse)
    s_rest = mul(fma(neg(s), below_rest, fma(neg(s), below, f)), inverse)
    square, rounding = two_product(s, s)
    square_rest = fma(add(s, s), s_rest, rounding)
    curve, curve_rest = fast_two_sum(like(s, SECOND), mul(square, polynomial(square, CURVE_F64)))
    curve_rest = add(curve_rest, like(s, SECOND_REST))
    scaled, rounding = two_product(square, curve)
    scaled_rest = fma(square, curve_rest, fma(square_rest, curve, rounding))
    slope, lost = fast_two_sum(like(s, FIRST), scaled)
    slope_rest = add(add(lost, like(s, FIRST_REST)), scaled_rest)
    high, rounding = two_product(s, slope)
    low = fma(s, slope_rest, fma(s_rest, slope, rounding))
    total, lost = fast_two_sum(k, high)
    return fast_two_sum(total, add(lost, low))
