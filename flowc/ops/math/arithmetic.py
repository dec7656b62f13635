"""What the functions share: polynomials, limits, signs, products and sums that keep what rounding lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce, wraps

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import add, bitcast, cast, fma, less, mul, neg, sub, where
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


def two_product(x: Value, y: Value) -> tuple[Value, Value]:
    """x * y and what its rounding lost."""
    product = mul(x, y)
    return product, fma(x, y, neg(product))


def product_plus(x: Value, y: Value, z: Value) -> tuple[Value, Value]:
    """x * y + z and nearly all that its rounding lost, where |z| >= |x * y| or z = 0."""
    total = fma(x, y, z)
    return total, fma(x, y, sub(z, total))
