"""Sine, cosine and tangent of any finite number of radians; NaN for infinities."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, nextafter

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import absolute, add, bitcast, cast, equal, fma, less, mul, neg, sub, where
from flowc.ops.integers import bit_and, bit_xor, shift_left
from flowc.ops.math.arithmetic import bits, fast_two_sum, in_f64, narrow_in_f32, polynomial, quotient, two_product
from flowc.ops.math.pi import INVERSE_PI, INVERSE_PI_BITS
from flowc.ops.math.reduction import reduced
from flowc.ops.tensor import like

PI = (3.141592653589793, 1.2246467991473532e-16)
ROUNDER = 1.5 * 2.0**52
WINDOWS = (0, 50, 76, 102)  # exponents from which an f32 meets other bits of 1 / pi

# sin(pi f) / f in f^2 for |f| <= 0.5625, relative error 2^-33.3
HALF_TURNS = (3.141592653302599, -5.167712719741597, 2.550161942659647, -0.5992374438318574, 0.08198590414292474, -0.006929752420565104)
# for |r| <= pi / 4: (sin(r) - r) / r^3 in r^2, error 2^-57.9 of r; (cos(r) - 1 + r^2 / 2) / r^4 in r^2, error 2^-64.1
SINE = (
    -0.16666666666666632, 0.008333333333322474, -0.00019841269829837046, 2.7557313697675e-06, -2.5050758515110602e-08,
    1.5896796222736413e-10,
)  # fmt: skip
COSINE = (
    0.0416666666666666, -0.0013888888888874459, 2.4801587289654752e-05, -2.7557314394463125e-07, 2.087572819072875e-09,
    -1.135986886378707e-11,
)  # fmt: skip


@narrow_in_f32
def sin(x: Value) -> Value:
    """The sine within 0.51 ulp in f32 and 0.82 ulp in the sample of f64; the sign of 0 stays."""
    if x.type.dtype is not DType.f32:
        return _of_quarters(x, 0)
    wide, high, low = _window(x)
    n = fma(wide, high, like(wide, ROUNDER))
    f = fma(wide, low, fma(wide, high, neg(sub(n, like(n, ROUNDER)))))
    return cast(_alternating(n, f, 1), DType.f32)


@narrow_in_f32
def cos(x: Value) -> Value:
    """The cosine within 0.65 ulp in f32 and 0.82 ulp in the sample of f64: the sine of half turns counted from a half one."""
    if x.type.dtype is not DType.f32:
        return _of_quarters(x, 1)
    wide, high, low = _window(x)
    half = like(wide, 0.5)
    n = add(fma(wide, high, neg(half)), like(wide, ROUNDER))
    f = fma(wide, low, fma(wide, high, neg(add(sub(n, like(n, ROUNDER)), half))))
    return cast(_alternating(n, f, -1), DType.f32)


@in_f64
def tan(x: Value) -> Value:
    """The tangent within 0.89 ulp; NaN for infinities, the sign of 0 stays: a quotient in two parts."""
    size = absolute(x)
    angle = reduced(size)
    odd = equal(bit_and(angle.quarters, like(angle.quarters, 1)), like(angle.quarters, 1))
    (sine, sine_rest), (cosine, cosine_rest) = _sine_and_cosine_in_two_parts(angle.r, angle.rest)
    over, over_rest = where(odd, neg(cosine), sine), where(odd, neg(cosine_rest), sine_rest)
    y = add(*quotient(over, over_rest, where(odd, sine, cosine), where(odd, sine_rest, cosine_rest)))
    y = bitcast(bit_xor(bits(y), bit_and(bits(x), like(bits(x), -(1 << 63)))), DType.f64)
    return where(less(size, like(x, inf)), y, like(x, nan))


def _window(x: Value) -> tuple[Value, Value, Value]:
    """An f32 in f64, and the part of 1 / pi that it meets, as a sum.

    Bits of 1 / pi that make even half turns of every x from 2^start on are left out, so x times
    the rest stays below 2^50 and rounds to an integer; the sum has 105 bits, which leaves an error of
    2^-55 half turns, and no f32 is nearer than 2^-31 to a zero of the two functions.
    """
    size, wide = absolute(x), cast(x, DType.f64)
    high, low = (like(wide, part) for part in _part_of_inverse_pi(WINDOWS[-1]))
    for start, end in zip(WINDOWS[-2::-1], WINDOWS[:0:-1], strict=True):
        inside, (upper, lower) = less(size, like(x, 2.0**end)), _part_of_inverse_pi(start)
        high, low = where(inside, like(wide, upper), high), where(inside, like(wide, lower), low)
    return wide, high, low


def _part_of_inverse_pi(start: int) -> tuple[float, float]:
    """1 / pi without what makes even multiples of the last bit of 2^start; the first window has no negative part, which keeps -0."""
    kept = INVERSE_PI % (1 << (INVERSE_PI_BITS + min(24 - start, 0)))
    part = Fraction(kept, 1 << INVERSE_PI_BITS)
    high = float(part)
    high = nextafter(high, 0.0) if high > part and start == 0 else high
    return high, float(part - Fraction(high))


def _alternating(n: Value, f: Value, sign: int) -> Value:
    """sign (-1)^n sin(pi f), where the low bit of `n` says whether it is odd."""
    odd = shift_left(bits(n), like(bits(n), 63))
    return mul(bitcast(bit_xor(bits(f), odd), DType.f64), polynomial(mul(f, f), [sign * c for c in HALF_TURNS]))


def _of_quarters(x: Value, ahead: int) -> Value:
    """The sine of x and `ahead` quarter turns, in f64."""
    size = absolute(x)
    angle = reduced(size)
    quarters = add(angle.quarters, like(angle.quarters, ahead))
    odd = equal(bit_and(quarters, like(quarters, 1)), like(quarters, 1))
    sine, cosine = sine_and_cosine(angle.r, angle.rest)
    sign = shift_left(bit_and(quarters, like(quarters, 2)), like(quarters, 62))
    if not ahead:
        sign = bit_xor(sign, bit_and(bits(x), like(sign, -(1 << 63))))
    y = bitcast(bit_xor(bits(where(odd, cosine, sine)), sign), DType.f64)
    return where(less(size, like(x, inf)), y, like(x, nan))


def sine_and_cosine(r: Value, rest: Value) -> tuple[Value, Value]:
    """Of r + rest from -pi / 4 to pi / 4, in f64."""
    (sine, _), (cosine, _) = _sine_and_cosine_in_two_parts(r, rest)
    return sine, cosine


def half_turns(x: Value) -> tuple[Value, Value, Value]:
    """f = x less the nearest integer, and the sine and cosine of pi |f|, of an f64 not below 0; 0, 0 and 1 from 2^52 on."""
    whole = like(x, 2.0**52)
    f = where(less(x, whole), sub(x, sub(add(x, whole), whole)), like(x, 0))
    size = absolute(f)
    swapped = less(like(x, 0.25), size)
    angle = where(swapped, sub(like(x, 0.5), size), size)
    r, lost = two_product(angle, like(x, PI[0]))
    sine, cosine = sine_and_cosine(r, fma(angle, like(x, PI[1]), lost))
    return f, where(swapped, cosine, sine), where(swapped, sine, cosine)


def _sine_and_cosine_in_two_parts(r: Value, rest: Value) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """Of r + rest; 1 - r^2 / 2 is made with what its rounding lost."""
    square, one = mul(r, r), like(r, 1)
    half = mul(square, like(r, 0.5))
    near_one = sub(one, half)
    lost = sub(sub(one, near_one), half)
    sine = fast_two_sum(r, fma(mul(r, square), polynomial(square, SINE), mul(rest, near_one)))
    cosine = fast_two_sum(near_one, add(fma(mul(square, square), polynomial(square, COSINE), neg(mul(r, rest))), lost))
    return sine, cosine
