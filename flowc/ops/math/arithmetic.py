"""What the functions share: polynomials, limits, signs, products and sums that keep what rounding lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce, wraps

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import add, bitcast, cast, div, fma, less, mul, neg, sqrt, sub, where
from flowc.ops.integers import bit_and, bit_or, shift_left
from flowc.ops.tensor import like

BITS = {DType.f32: DType.i32, DType.f64: DType.i64}  # the integers as wide
MANTISSA = {DType.f32: 23, DType.f64: 52}  # stored bits


def narrow_in_f32(function: Callable[..., Value]) -> Callable[..., Value]:
    """The function with f16 and bf16 computed in f32, and the result rounded."""

    @wraps(function)
    def widened(*operands: Value) -> Value:
        dtype = operands[0].type.dtype
        if dtype in BITS:
            return function(*operands)
        return cast(function(*(cast(x, DType.f32) for x in operands)), dtype)

    return widened


def in_f64(function: Callable[..., Value]) -> Callable[..., Value]:
    """The function computed in f64, and its result rounded to the dtype of its operands."""

    @wraps(function)
    def widened(*operands: Value) -> Value:
        dtype = operands[0].type.dtype
        return cast(function(*(cast(x, DType.f64) for x in operands)), dtype)

    return widened


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule."""
    *rest, last = (like(x, c) for c in coefficients)
    return reduce(lambda p, c: fma(p, x, c), reversed(rest), last)


def at_most(x: Value, limit: float) -> Value:
    """The smaller of x and the limit; NaN stays."""
    return where(less(like(x, limit), x), like(x, limit), x)


def at_least(x: Value, limit: float) -> Value:
    """The larger of x and the limit; NaN stays."""
    return where(less(x, like(x, limit)), like(x, limit), x)


def bits(x: Value) -> Value:
    """The bits of a float as a signed integer."""
    return bitcast(x, BITS[x.type.dtype])


def power_of_two(n: Value) -> Value:
    """The float whose exponent field is what the low bits of `n` hold."""
    return bitcast(shift_left(bits(n), like(bits(n), MANTISSA[n.type.dtype])), n.type.dtype)


def with_sign(x: Value, sign: Value) -> Value:
    """`x`, which is not negative, with the sign of `sign`."""
    dtype = x.type.dtype
    top = like(bits(x), -(1 << (dtype.bits - 1)))
    return bitcast(bit_or(bits(x), bit_and(bits(sign), top)), dtype)


def fast_two_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """x + y and what its rounding lost, where |x| >= |y| or x = 0 (Dekker 1971)."""
    total = add(x, y)
    return total, sub(y, sub(total, x))


def two_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """x + y and what its rounding lost (Knuth 1969)."""
    total = add(x, y)
    second = sub(total, x)
    return total, add(sub(x, sub(total, second)), sub(y, second))


def two_product(x: Value, y: Value) -> tuple[Value, Value]:
    """x * y and what its rounding lost."""
    product = mul(x, y)
    return product, fma(x, y, neg(product))


def product_plus(x: Value, y: Value, z: Value) -> tuple[Value, Value]:
    """x * y + z and nearly all that its rounding lost, where |z| >= |x * y| or z = 0."""
    total = fma(x, y, z)
    return total, fma(x, y, sub(z, total))


def quotient(x: Value, x_rest: Value, y: Value, y_rest: Value) -> tuple[Value, Value]:
    """(x + x_rest) / (y + y_rest) in two parts, for rests of a few ulps at most."""
    inverse = div(like(y, 1), y)
    ratio = mul(x, inverse)
    missing = fma(neg(ratio), y_rest, add(fma(neg(ratio), y, x), x_rest))
    return ratio, mul(missing, inverse)


def root(x: Value, x_rest: Value) -> tuple[Value, Value]:
    """The square root of x + x_rest in two parts, for a rest of a few ulps at most; NaN for x = 0, in the second part only."""
    first = sqrt(x)
    return first, div(add(fma(neg(first), first, x), x_rest), add(first, first))
