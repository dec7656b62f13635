"""e to the power x, and what is made of it: 2 to the power x, e^x - 1, sigmoid and the hyperbolic functions.

All reduce as Cody and Waite (1980): x = k ln 2 + r with |r| <= ln 2 / 2, so that
e^x = 2^k (1 + r + r^2 h(r)).  Adding 1.5 * 2^(stored bits) + b to x / ln 2 rounds it to k
and leaves k + b in the low bits, which a shift makes an exponent field.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.elementwise import absolute, add, div, fma, less, mul, neg, sub, where
from flowc.ops.math.arithmetic import (
    MANTISSA,
    at_least,
    at_most,
    fast_two_sum,
    narrow_in_f32,
    polynomial,
    power_of_two,
    product_plus,
    two_product,
    with_sign,
)
from flowc.ops.tensor import like

LOG2_E = 1.4426950408889634
LN2, LN2_REST = 0.6931471805599453, 2.3190468138462996e-17


@dataclass(frozen=True)
class Exponential:
    """What e^x takes for one element type."""

    bias: int  # of the exponent field
    step: int  # 2^k is reached in two factors, one of them 2 to plus or minus this, so that both are normal
    ln2: tuple[float, float]  # the first part times k, taken from x, leaves no rounding error
    h: tuple[float, ...]  # (e^r - 1 - r) / r^2
    zero: float  # e to this power rounds to 0
    infinite: float  # and to this to infinity
    beyond: float  # the hyperbolic sine of this is infinite, a quarter of e to this power is not


F32 = Exponential(
    bias=127,
    step=64,
    ln2=(0.6931472, -1.9046542e-09),
    h=(0.5, 0.16666666, 0.041666463, 0.008333571, 0.0013935091, 0.00019739478),  # |r| <= 0.3467: error of e^r 2^-33.2
    zero=-104.0,
    infinite=89.0,
    beyond=89.7,
)
F64 = Exponential(
    bias=1023,
    step=512,
    ln2=(LN2, LN2_REST),
    h=(
        0.5, 0.16666666666666685, 0.041666666666666664, 0.00833333333331583, 0.0013888888888888013, 0.00019841269899106316,
        2.4801587316162834e-05, 2.755723235767516e-06, 2.75572816847638e-07, 2.5112847070694947e-08, 2.0912297278762777e-09,
    ),  # |r| <= 0.3467: error of e^r 2^-63.8
    zero=-746.0,
    infinite=710.0,
    beyond=710.6,
)  # fmt: skip

# (tanh(x) - x) / x^3 in x^2 for |x| <= 1, relative error of tanh 2^-27.6
TANH = (-0.33333296, 0.13332346, -0.05387985, 0.0214867, -0.007946063, 0.00230127, -0.0003584095)


@narrow_in_f32
def exp(x: Value) -> Value:
    """e^x within 0.98 ulp, denormal results included (f64: 0.98 in the sample).

    0 below ln of half the least denormal, infinity above ln of the greatest number, NaN for NaN.
    """
    f = _format(x)
    below = less(x, like(x, 0))
    rounder = where(below, _rounder(x, f.bias + f.step), _rounder(x, f.bias - f.step))
    n, r = _reduced(at_most(at_least(x, f.zero), f.infinite), rounder)
    return _in_two_steps(_expm1(r), n, below)


@narrow_in_f32
def exp2(x: Value) -> Value:
    """2^x within 0.98 ulp, denormal results included; exact for integers."""
    f = _format(x)
    below = less(x, like(x, 0))
    rounder = where(below, _rounder(x, f.bias + f.step), _rounder(x, f.bias - f.step))
    t = at_most(at_least(x, -f.bias - MANTISSA[x.type.dtype] - 2.0), f.bias + 1.0)
    n = add(t, rounder)
    left = sub(t, sub(n, rounder))
    return _in_two_steps(_expm1(fma(left, like(x, f.ln2[0]), mul(left, like(x, f.ln2[1])))), n, below)


@narrow_in_f32
def expm1(x: Value) -> Value:
    """e^x - 1 within 1.04 ulp; -1 at -infinity, the sign of 0 stays.

    2^(k-1) (e^r - 1) + (2^(k-1) - 1/2), and twice that: 2^(k-1) is finite where the result is.
    """
    f, bits = _format(x), MANTISSA[x.type.dtype]
    n, _, expm1, rest = _expm1_in_two_parts(at_most(at_least(x, -bits), f.infinite), _rounder(x, f.bias - 1))
    half = power_of_two(n)
    total, lost = product_plus(half, expm1, sub(half, like(x, 0.5)))
    y = add(total, fma(half, rest, lost))
    return where(less(absolute(x), like(x, 2.0 ** (-bits - 2))), x, add(y, y))


def exp2_of_sum(t: Value, rest: Value) -> Value:
    """2^(t + rest) in f64 for |t| <= 1100 and a rest of a few ulps of t, within 1 ulp."""
    below = less(t, like(t, 0))
    rounder = where(below, _rounder(t, F64.bias + F64.step), _rounder(t, F64.bias - F64.step))
    n = add(t, rounder)
    left = sub(t, sub(n, rounder))
    return _in_two_steps(_expm1(fma(rest, like(t, LN2), mul(left, like(t, LN2)))), n, below)


def exp2_for_f32(t: Value) -> Value:
    """2^t in f64 for |t| <= 1000, with a relative error of 2^-33."""
    rounder = _rounder(t, F64.bias)
    n = add(t, rounder)
    r, scale = mul(sub(t, sub(n, rounder)), like(t, LN2)), power_of_two(n)
    return fma(fma(mul(r, r), polynomial(r, F32.h), r), scale, scale)


def one_minus_exp(x: Value) -> Value:
    """1 - e^-x for x from 1 to 80."""
    n, r = _reduced(neg(x), _rounder(x, _format(x).bias))
    scale = power_of_two(n)
    return fma(neg(scale), _expm1(r), sub(like(x, 1), scale))


def bell(x: Value, factor: Value, factor_rest: Value) -> Value:
    """e^(-x^2) (factor + factor_rest) in f64 for x from 0 to 28; what the square lost by rounding is taken from r."""
    square, lost = two_product(x, x)
    n, r = _reduced(neg(square), _rounder(x, F64.bias + F64.step))
    expm1, scale = _expm1(sub(r, lost)), power_of_two(n)
    return mul(mul(add(factor, fma(factor, expm1, factor_rest)), scale), like(x, 2.0**-F64.step))


@narrow_in_f32
def sigmoid(x: Value) -> Value:
    """1 / (1 + e^-x) within 0.94 ulp, denormal results included (f64: 0.95 in the sample).

    The denominator is kept in two parts and scaled by 2^-step, so that it stays finite where the
    result is denormal; one step of Newton's corrects the quotient.
    """
    f = _format(x)
    unit = like(x, 2.0**-f.step)
    n, r = _reduced(neg(at_least(at_most(x, 40.0), f.zero)), _rounder(x, f.bias - f.step))
    scale = power_of_two(n)
    whole, lost = fast_two_sum(scale, unit)
    denominator, rest = product_plus(scale, _expm1(r), whole)
    one = like(x, 1)
    y = div(one, denominator)
    error = fma(neg(add(rest, lost)), y, fma(neg(denominator), y, one))
    return mul(fma(error, y, y), unit)


@narrow_in_f32
def tanh(x: Value) -> Value:
    """The hyperbolic tangent within 0.95 ulp (f64: 0.82 in the sample); the sign of 0 stays."""
    return _tanh_f32(x) if x.type.dtype is DType.f32 else _tanh_f64(x)


@narrow_in_f32
def sinh(x: Value) -> Value:
    """The hyperbolic sine within 1.1 ulp; the sign of 0 stays."""
    y = _sum_of_powers(x, -1)
    small = less(absolute(x), like(x, 2.0 ** (-MANTISSA[x.type.dtype] // 2 - 1)))
    return where(small, x, with_sign(y, x))


@narrow_in_f32
def cosh(x: Value) -> Value:
    """The hyperbolic cosine within 0.81 ulp."""
    return _sum_of_powers(x, 1)


def _sum_of_powers(x: Value, sign: int) -> Value:
    """(e^|x| + sign e^-|x|) / 2, made as a quarter of each: 2^(k-2) is finite where the result is."""
    f = _format(x)
    size, rounder = at_most(absolute(x), f.beyond), _rounder(x, f.bias - 2)
    n, r, expm1, rest = _expm1_in_two_parts(size, rounder)
    up, down = power_of_two(n), power_of_two(sub(rounder, sub(n, rounder)))
    down = mul(where(less(size, like(x, 60)), down, like(x, 0)), like(x, sign))  # too little to count from there on
    whole, lost = fast_two_sum(up, down)
    y = add(whole, fma(up, expm1, fma(up, rest, fma(down, _expm1(neg(r)), lost))))
    return add(y, y)


def _tanh_f32(x: Value) -> Value:
    """An odd polynomial below 1; from there 1 - 2 / (e^2x + 1), whose errors shrink as the quotient does."""
    size, half = absolute(x), like(x, 0.5)
    square = mul(x, x)
    near = fma(mul(size, square), polynomial(square, TANH), size)
    _, half_expm1, scale = _half_expm1_of_twice(at_most(size, 10.0))
    far = sub(like(x, 1), div(like(x, 1), fma(scale, half_expm1, fma(scale, half, half))))
    return with_sign(where(less(size, like(x, 1)), near, far), x)


def _tanh_f64(x: Value) -> Value:
    """(e^2x - 1) / (e^2x + 1), each halved and in two parts, the quotient corrected by one step of Newton's."""
    half, one = like(x, 0.5), like(x, 1)
    rest, half_expm1, scale = _half_expm1_of_twice(at_most(absolute(x), 20.0))
    middle = fma(scale, half, half)
    numerator, above = product_plus(scale, half_expm1, sub(middle, one))
    denominator, under = product_plus(scale, half_expm1, middle)
    inverse = div(one, denominator)
    y = mul(numerator, inverse)
    error = fma(neg(y), under, add(fma(neg(y), denominator, numerator), above))
    common = mul(scale, rest)
    error = add(error, fma(neg(y), common, common))
    return with_sign(fma(error, inverse, y), x)


def _expm1_in_two_parts(x: Value, rounder: Value) -> tuple[Value, Value, Value, Value]:
    """k and a bias in the low bits, r, e^r - 1, and what rounding lost of that."""
    f = _format(x)
    n = fma(x, like(x, LOG2_E), rounder)
    k = sub(n, rounder)
    exact = fma(k, like(x, -f.ln2[0]), x)
    r = fma(k, like(x, -f.ln2[1]), exact)
    missing = fma(k, like(x, -f.ln2[1]), sub(exact, r))
    expm1, lost = product_plus(mul(r, r), polynomial(r, f.h), r)
    return n, r, expm1, add(lost, fma(missing, expm1, missing))


def _half_expm1_of_twice(x: Value) -> tuple[Value, Value, Value]:
    """For 2x = k ln 2 + 2r: what rounding lost of (e^2r - 1) / 2, that itself, and 2^k."""
    f = _format(x)
    rounder = _rounder(x, f.bias)
    n = fma(x, like(x, 2 * LOG2_E), rounder)
    k = sub(n, rounder)
    exact = fma(k, like(x, -f.ln2[0] / 2), x)
    r = fma(k, like(x, -f.ln2[1] / 2), exact)
    missing = fma(k, like(x, -f.ln2[1] / 2), sub(exact, r))
    h = polynomial(r, [c * 2.0 ** (power + 1) for power, c in enumerate(f.h)])
    half_expm1, lost = product_plus(mul(r, r), h, r)
    return add(lost, missing), half_expm1, power_of_two(n)


def _in_two_steps(expm1: Value, n: Value, below: Value) -> Value:
    """2^k (1 + expm1), where `n` holds k + step below 0 and k - step from there on."""
    step, scale = float(_format(n).step), power_of_two(n)
    return mul(fma(expm1, scale, scale), where(below, like(n, 2.0**-step), like(n, 2.0**step)))


def _reduced(x: Value, rounder: Value) -> tuple[Value, Value]:
    """k and a bias in the low bits, and r."""
    f = _format(x)
    n = fma(x, like(x, LOG2_E), rounder)
    k = sub(n, rounder)
    return n, fma(k, like(x, -f.ln2[1]), fma(k, like(x, -f.ln2[0]), x))


def _rounder(x: Value, bias: int) -> Value:
    return like(x, 1.5 * 2.0 ** MANTISSA[x.type.dtype] + bias)


def _expm1(r: Value) -> Value:
    return fma(mul(r, r), polynomial(r, _format(r).h), r)


def _format(x: Value) -> Exponential:
    return F32 if x.type.dtype is DType.f32 else F64
