"""The rest of our own functions: their error against arithmetic of 64 bits, special values, the same bits at every width and in numpy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from flowc.ir.types import DType
from flowc.ops import math as own
from tests.ops.scalar_code import compiled, evaluated
from tests.ops.test_math import any_number, everyday, same_bits

Array = np.ndarray[Any, Any]
Draw = Callable[[DType, int], Array]
inf, nan = math.inf, math.nan
FLOATS = pytest.mark.parametrize("dtype", [DType.f32, DType.f64], ids=lambda d: d.value)


def everywhere(dtype: DType, count: int) -> Array:
    parts = [everyday(dtype, count, reach, n) for n, reach in enumerate((1, 8, 100))]
    return np.concatenate([any_number(dtype, count), near_zero(dtype, count), *parts])


def near_zero(dtype: DType, count: int) -> Array:
    rng = np.random.default_rng(5)
    return (np.exp(rng.uniform(-40, 0, count)) * rng.choice([-1, 1], count)).astype(dtype.numpy)


def positive(dtype: DType, count: int) -> Array:
    return np.abs(everywhere(dtype, count))


def up_to_one(dtype: DType, count: int) -> Array:
    small = near_zero(dtype, count)
    return np.concatenate([everyday(dtype, count, 1), small, np.copysign(1, small) - small])


def from_one(dtype: DType, count: int) -> Array:
    return np.concatenate([1 + np.abs(near_zero(dtype, count)), 1 + np.abs(everyday(dtype, count)), np.abs(any_number(dtype, count)) + 1])


def at_a_tail(dtype: DType, count: int) -> Array:
    return np.concatenate([everyday(dtype, count, 3), np.abs(everyday(dtype, count, 27.4))])


def of_the_gamma_function(dtype: DType, count: int) -> Array:
    return np.concatenate([np.abs(everyday(dtype, count, 12)), np.abs(near_zero(dtype, count)), 1.5 + everyday(dtype, count, 0.7)])


def log_gamma(x: Array) -> Array:
    """Stirling's series from 30 on, and the recurrence downwards; near 1 and 2 its digits cancel."""
    y, product = x, np.ones_like(x)
    for _ in range(30):
        product, y = np.where(y < 30, product * y, product), np.where(y < 30, y + 1, y)
    z = y**-2
    series = (1 / np.longdouble(12) - z * (1 / np.longdouble(360) - z * (1 / np.longdouble(1260) - z / 1680))) / y
    return (y - 0.5) * np.log(y) - y + np.log(2 * np.longdouble(PI)) / 2 + series - np.log(product)


def digamma(x: Array) -> Array:
    y, total = x, np.zeros_like(x)
    for _ in range(30):
        total, y = np.where(y < 30, total - 1 / y, total), np.where(y < 30, y + 1, y)
    z = y**-2
    long = np.longdouble
    return total + np.log(y) - 0.5 / y - z * (1 / long(12) - z * (1 / long(120) - z * (1 / long(252) - z * (1 / long(240) - z / 132))))


PI = np.longdouble("3.14159265358979323846264338327950288")


@dataclass(frozen=True)
class Known:
    """A function with its like in numpy, where it is drawn, and its bounds of error for f32 and f64; of small results it is absolute."""

    like: Callable[..., Any]
    draw: Draw
    f32: float
    f64: float
    least: float = 0.0


KNOWN: dict[str, Known] = {
    "exp2": Known(np.exp2, everywhere, 1, 1),
    "expm1": Known(np.expm1, everywhere, 1.1, 1.1),
    "sinh": Known(np.sinh, everywhere, 1.1, 1.1),
    "cosh": Known(np.cosh, everywhere, 0.85, 0.85),
    "log1p": Known(np.log1p, lambda d, n: np.concatenate([positive(d, n), -np.abs(up_to_one(d, n))]), 0.95, 0.95),
    "log2": Known(np.log2, positive, 0.51, 0.51),
    "log10": Known(np.log10, positive, 0.51, 0.51),
    "tan": Known(np.tan, everywhere, 0.51, 0.9),
    "asin": Known(np.arcsin, up_to_one, 0.51, 0.85),
    "acos": Known(np.arccos, up_to_one, 0.51, 0.9),
    "atan": Known(np.arctan, everywhere, 0.51, 0.8),
    "asinh": Known(np.arcsinh, everywhere, 0.51, 1.25),
    "acosh": Known(np.arccosh, from_one, 0.51, 1.05),
    "atanh": Known(np.arctanh, up_to_one, 0.51, 0.85),
    "cbrt": Known(np.cbrt, everywhere, 0.51, 0.51),
    "lgamma": Known(log_gamma, of_the_gamma_function, 0.51, 3, least=1.0),
    "digamma": Known(digamma, of_the_gamma_function, 0.51, 4, least=1.0),
}
PAIRS: dict[str, Known] = {
    "hypot": Known(np.hypot, everywhere, 0.51, 0.8),
    "atan2": Known(np.arctan2, everywhere, 0.51, 1.2),
}


@functools.cache
def native(name: str, dtype: DType, lanes: int) -> Callable[..., Array]:
    return compiled(getattr(own, name), dtype, lanes, 2 if name in PAIRS else 1)


def ulps(found: Array, wanted: Array, least: float) -> Array:
    """The error in units of the last place of what is wanted, or of `least`; infinite where one is of another kind."""
    limits = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        rounded = wanted.astype(found.dtype)
        size = np.maximum(np.abs(np.where(np.isfinite(rounded), wanted, 1)), max(least, float(limits.tiny)))
        unit = np.ldexp(np.longdouble(1), np.frexp(size)[1] - 1 - limits.nmant)
        error = np.where(np.isnan(found - wanted), np.longdouble(inf), np.abs(found - wanted) / unit)
        alike = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
        return np.where(alike & ~np.isfinite(rounded), 0, error)


def drawn(name: str, dtype: DType, count: int) -> list[Array]:
    known = KNOWN.get(name) or PAIRS[name]
    x = known.draw(dtype, count)
    if name in KNOWN:
        return [x]
    order = np.random.default_rng(7).permutation(x.size)
    close = x * np.exp2(np.random.default_rng(8).uniform(-3, 3, x.size)).astype(dtype.numpy)
    return [np.concatenate([x, x]), np.concatenate([x[order], close])]


@FLOATS
@pytest.mark.parametrize("name", [*KNOWN, *PAIRS])
def test_the_error_is_within_its_bound(name: str, dtype: DType) -> None:
    known = KNOWN.get(name) or PAIRS[name]
    with np.errstate(all="ignore"):
        x = drawn(name, dtype, 4000)
        wanted = known.like(*(a.astype(np.longdouble) for a in x))
    assert np.max(ulps(native(name, dtype, 8)(*x), wanted, known.least)) <= (known.f32 if dtype is DType.f32 else known.f64)


@FLOATS
@pytest.mark.parametrize("name", [*KNOWN, *PAIRS, "erfc"])
def test_bits_are_the_same_at_every_width_and_in_numpy(name: str, dtype: DType) -> None:
    with np.errstate(all="ignore"):
        x = drawn(name, dtype, 250) if name != "erfc" else [at_a_tail(dtype, 250)]
    wanted = native(name, dtype, 8)(*x)
    same_bits(native(name, dtype, 0)(*x), wanted)
    few = np.random.default_rng(9).permutation(x[0].size)[:25]
    same_bits(evaluated(getattr(own, name), dtype, *(a[few] for a in x)), wanted[few])


@FLOATS
def test_erfc_keeps_its_digits_in_its_tail(dtype: DType) -> None:
    x = at_a_tail(dtype, 2000)
    wanted = np.vectorize(math.erfc, otypes=[np.float64])(x.astype(np.float64))
    found = native("erfc", dtype, 8)(x)
    assert np.max(ulps(found, wanted, 0)) <= (0.51 if dtype is DType.f32 else 3)  # the like is within one itself


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_the_gamma_function_is_reflected_below_0(name: str) -> None:
    """By the recurrence upwards, whose digits cancel where a zero is near."""
    x = np.random.default_rng(10).uniform(-9, 0, 2000)
    found, like = native(name, DType.f64, 8)(x), x.astype(np.longdouble)
    steps = [like + n for n in range(10)]
    with np.errstate(all="ignore"):
        above = KNOWN[name].like(like + 10)
        wanted = above - (np.log(np.abs(np.prod(steps, axis=0))) if name == "lgamma" else sum(1 / s for s in steps))
    assert np.max(np.abs(found - wanted) / np.maximum(np.abs(wanted), 4)) <= 8e-16




@FLOATS
@pytest.mark.parametrize(
    ("name", "operands", "results"),
    [
        ("exp2", [0.0, -0.0, inf, -inf, 3.0, -2.0, 2000.0, -2000.0, nan], [1, 1, inf, 0, 8, 0.25, inf, 0, nan]),
        ("expm1", [0.0, -0.0, inf, -inf, 1e-40, 800.0, -800.0, nan], [0.0, -0.0, inf, -1, 1e-40, inf, -1, nan]),
        ("sinh", [0.0, -0.0, inf, -inf, 1e-40, 800.0, -800.0, nan], [0.0, -0.0, inf, -inf, 1e-40, inf, -inf, nan]),
        ("cosh", [0.0, -0.0, inf, -inf, 800.0, -800.0, nan], [1, 1, inf, inf, inf, inf, nan]),
        ("log1p", [0.0, -0.0, inf, -inf, -1.0, -2.0, 1e-40, nan], [0.0, -0.0, inf, nan, -inf, nan, 1e-40, nan]),
        ("log2", [0.0, -0.0, inf, -1.0, 1.0, 0.125, 2.0**100, 2.0**-149, nan], [-inf, -inf, inf, nan, 0.0, -3, 100, -149, nan]),
        ("log10", [0.0, -0.0, inf, -1.0, 1.0, 1e3, 1e10, nan], [-inf, -inf, inf, nan, 0.0, 3, 10, nan]),
        ("tan", [0.0, -0.0, inf, -inf, 1e-40, nan], [0.0, -0.0, nan, nan, 1e-40, nan]),
        ("asin", [0.0, -0.0, 1.0, -1.0, 1.5, -inf, 1e-40, nan], [0.0, -0.0, math.pi / 2, -math.pi / 2, nan, nan, 1e-40, nan]),
        ("acos", [1.0, -1.0, 0.0, -0.0, 1.5, inf, nan], [0.0, math.pi, math.pi / 2, math.pi / 2, nan, nan, nan]),
        ("atan", [0.0, -0.0, inf, -inf, 1.0, 1e-40, nan], [0.0, -0.0, math.pi / 2, -math.pi / 2, math.pi / 4, 1e-40, nan]),
        ("asinh", [0.0, -0.0, inf, -inf, 1e-40, nan], [0.0, -0.0, inf, -inf, 1e-40, nan]),
        ("acosh", [1.0, 0.5, -1.0, inf, -inf, nan], [0.0, nan, nan, inf, nan, nan]),
        ("atanh", [0.0, -0.0, 1.0, -1.0, 1.5, -inf, 1e-40, nan], [0.0, -0.0, inf, -inf, nan, nan, 1e-40, nan]),
        ("cbrt", [0.0, -0.0, inf, -inf, 27.0, -8.0, 2.0**-144, nan], [0.0, -0.0, inf, -inf, 3, -2, 2.0**-48, nan]),
        ("erfc", [0.0, -0.0, inf, -inf, 30.0, -7.0, nan], [1, 1, 0, 2, 0, 2, nan]),
        ("lgamma", [0.0, -0.0, 1.0, 2.0, 3.0, -5.0, inf, -inf, -1e30, nan], [inf, inf, 0.0, 0.0, math.log(2), inf, inf, inf, inf, nan]),
        ("digamma", [0.0, -0.0, inf, -inf, -1.0, -3.0, -1e30, nan], [-inf, inf, inf, nan, nan, nan, nan, nan]),
    ],
)  # fmt: skip
def test_special_values(name: str, operands: Sequence[float], results: Sequence[float], dtype: DType) -> None:
    same_bits(native(name, dtype, 8)(np.array(operands, dtype.numpy)), np.array(results, dtype.numpy))


@FLOATS
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_have_the_special_cases_of_c(name: str, dtype: DType) -> None:
    limits = np.finfo(dtype.numpy)
    numbers = [0.0, 1.0, 2.5, inf, limits.max, limits.tiny, limits.smallest_subnormal, nan]
    grid = np.array([s * n for n in numbers for s in (1.0, -1.0)], dtype.numpy)
    y, x = (a.reshape(-1) for a in np.meshgrid(grid, grid))
    with np.errstate(all="ignore"):
        wanted = PAIRS[name].like(y.astype(np.longdouble), x.astype(np.longdouble)).astype(dtype.numpy)
    found = native(name, dtype, 8)(y, x)
    ends = ~np.isfinite(wanted) | (wanted == 0)
    same_bits(found[ends], wanted[ends])
    np.testing.assert_allclose(found[~ends], wanted[~ends], rtol=float(limits.eps), atol=0)


def test_the_polygamma_functions_are_the_derivatives_of_each_other() -> None:
    x = np.concatenate([np.random.default_rng(11).uniform(0.2, 15, 60), np.random.default_rng(12).uniform(-4.8, -4.2, 20)])
    step = 1e-5
    for order in (1, 2, 3):
        of = compiled(functools.partial(own.polygamma, order), DType.f64, 8)
        below = own.digamma if order == 1 else functools.partial(own.polygamma, order - 1)
        slope = (compiled(below, DType.f64, 8)(x + step) - compiled(below, DType.f64, 8)(x - step)) / (2 * step)
        np.testing.assert_allclose(of(x), slope, rtol=1e-5, atol=1e-5)


def test_trigamma_of_1_is_a_sixth_of_the_square_of_pi() -> None:
    found = compiled(functools.partial(own.polygamma, 1), DType.f64, 8)(np.array([1.0, 0.5, 0.0, -1.0, inf]))
    np.testing.assert_allclose(found, [math.pi**2 / 6, math.pi**2 / 2, inf, inf, 0], rtol=1e-15)
