"""Our own functions: their error against exact values, special values, and the same bits at every width and in numpy."""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops import math as own
from flowc.ops.activations import Gelu
from flowc.target import host
from tests.ops.scalar_code import Function, compiled, evaluated

Array = np.ndarray[Any, Any]
FUNCTIONS: dict[str, Function] = {name: getattr(own, name) for name in ("exp", "sigmoid", "tanh", "log", "erf", "sin", "cos")}
inf, nan = math.inf, math.nan
SPECIAL = [0.0, -0.0, inf, -inf, nan, 1.0, -1.0, 0.5, -2.5, 1e-40, -1e-40, 1e-45, 2.0**-126, 3.4e38, -3.4e38, 88.72284, -103.97, math.pi]
BITS = {DType.f32: np.dtype(np.uint32), DType.f64: np.dtype(np.uint64)}


@functools.cache
def native(name: str, dtype: DType, lanes: int) -> Callable[..., Array]:
    return compiled(FUNCTIONS[name] if name != "pow" else own.pow, dtype, lanes, 2 if name == "pow" else 1)


def any_number(dtype: DType, count: int, seed: int = 0) -> Array:
    """Numbers of every size, sign and kind: random bits."""
    width = BITS[dtype]
    return np.random.default_rng(seed).integers(0, np.iinfo(width).max, count, width, endpoint=True).view(dtype.numpy)


def everyday(dtype: DType, count: int, reach: float = 8, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-reach, reach, count).astype(dtype.numpy)


def sample(dtype: DType, count: int) -> Array:
    special = np.array(SPECIAL, dtype.numpy)
    usual = [everyday(dtype, count, reach) for reach in (1, 8, 100)]
    return np.concatenate([special, any_number(dtype, count), *usual])


def same_bits(x: Array, y: Array) -> None:
    """Equal bits, but that one NaN is as good as any other."""
    np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
    bits = x.dtype.str.replace("f", "u")
    np.testing.assert_array_equal(np.where(np.isnan(x), 0, x).view(bits), np.where(np.isnan(y), 0, y).view(bits))


def ulps(found: Array, wanted: Array) -> Array:
    """The error of numbers of f32 in units of the last place of what is wanted, which is in f64; infinite where one is of another kind."""
    with np.errstate(all="ignore"):
        rounded = wanted.astype(np.float32)
        exponent = np.frexp(wanted)[1] - 1
        unit = np.ldexp(1.0, np.maximum(np.where(np.isfinite(rounded), exponent, 0), -126) - 23)
        error = np.nan_to_num(np.abs(found - wanted) / unit, nan=inf)
        alike = (rounded == found) | (np.isnan(wanted) & np.isnan(found))
        return np.where(alike & ~np.isfinite(rounded), 0, error)


def ulps_of(found: float, wanted: Decimal) -> float:
    """The error of an f64 in units of the last place of the exact value."""
    if abs(wanted) > Decimal("1.7976931348623158e308"):
        return 0.0 if math.isinf(found) and (found > 0) == (wanted > 0) else inf
    if not math.isfinite(found):
        return inf
    return float(abs(Decimal(found) - wanted) / Decimal(math.ulp(float(wanted) or 5e-324)))


# Exact values, in decimal arithmetic


def exact(name: str, x: float) -> Decimal:
    with decimal.localcontext(prec=60, Emin=-(10**6), Emax=10**6):
        return EXACT[name](Decimal(x))


def _exact_tanh(x: Decimal) -> Decimal:
    if abs(x) < Decimal("1e-12"):
        return x - x**3 / 3
    if abs(x) > 60:
        return Decimal(1).copy_sign(x)
    return ((2 * x).exp() - 1) / ((2 * x).exp() + 1)


def _exact_erf(x: Decimal) -> Decimal:
    if abs(x) > 7:
        return Decimal(1).copy_sign(x)
    term, total = x, x
    for n in range(1, 250):
        term *= -x * x / n
        total += term / (2 * n + 1)
    return 2 * total / _pi().sqrt()


@functools.cache
def _pi() -> Decimal:
    """Machin's formula."""
    with decimal.localcontext(prec=460):

        def artan_inverse(n: int) -> Decimal:
            return sum((Decimal((-1) ** k) / ((2 * k + 1) * Decimal(n) ** (2 * k + 1)) for k in range(340)), Decimal(0))

        return 4 * (4 * artan_inverse(5) - artan_inverse(239))


def _exact_sin(x: Decimal, quarters: int = 0) -> Decimal:
    with decimal.localcontext(prec=450):
        turns = (2 * x / _pi()).to_integral_value()
        r = x - turns * _pi() / 2
    quarters = (int(turns) + quarters) % 4
    term = total = Decimal(1) if quarters % 2 else r
    for n in range(1 if quarters % 2 else 2, 60, 2):
        term *= -r * r / (n * (n + 1))
        total += term
    return -total if quarters >= 2 else +total


EXACT: dict[str, Callable[[Decimal], Decimal]] = {
    "exp": Decimal.exp,
    "log": Decimal.ln,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": _exact_tanh,
    "erf": _exact_erf,
    "sin": _exact_sin,
    "cos": lambda x: _exact_sin(x, 1),
}
IN_F64: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sin": np.sin,
    "cos": np.cos,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_f32_is_within_one_ulp(name: str) -> None:
    x = sample(DType.f32, 60_000)
    with np.errstate(all="ignore"):
        wanted = IN_F64[name](x.astype(np.float64))
    assert np.max(ulps(native(name, DType.f32, 16)(x), wanted)) <= 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_f64_is_within_one_ulp(name: str) -> None:
    x = sample(DType.f64, 250)
    x = x[np.isfinite(x) & ((x > 0) | (name != "log")) & ((np.abs(x) < 1e5) | (name not in ("exp", "sigmoid")))]
    found = native(name, DType.f64, 8)(x)
    assert max(ulps_of(y, exact(name, float(v))) for v, y in zip(x, found.tolist(), strict=True)) <= 1


# The f64 nearest to a multiple of pi / 2, the same for f32, multiples rounded to f64, and numbers of every size.
HARD_ANGLES = [6381956970095103 * 2.0**797, 16367173 * 2.0**72, 11.0, 22.0, 355.0, *(math.pi / 2 * n for n in range(1, 9)), 1e22, 1.7e308]


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_next_to_quarter_turns_keep_their_digits(name: str) -> None:
    x = np.array(HARD_ANGLES)
    assert max(ulps_of(y, exact(name, float(v))) for v, y in zip(x, native(name, DType.f64, 8)(x).tolist(), strict=True)) <= 1
    with np.errstate(all="ignore"):
        single = x[x < 3e38].astype(np.float32)
    wanted = np.array([float(exact(name, float(v))) for v in single])
    assert np.max(ulps(native(name, DType.f32, 16)(single), wanted)) <= 1


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64])
@pytest.mark.parametrize(
    ("name", "operands", "results"),
    [
        ("exp", [0.0, -0.0, inf, -inf, 800.0, -800.0, nan], [1, 1, inf, 0, inf, 0, nan]),
        ("sigmoid", [0.0, -0.0, inf, -inf, 800.0, -800.0, nan], [0.5, 0.5, 1, 0, 1, 0, nan]),
        ("tanh", [0.0, -0.0, inf, -inf, 30.0, -30.0, nan], [0.0, -0.0, 1, -1, 1, -1, nan]),
        ("log", [0.0, -0.0, 1.0, inf, -inf, -1.0, -1e-40, nan], [-inf, -inf, 0.0, inf, nan, nan, nan, nan]),
        ("erf", [0.0, -0.0, inf, -inf, 7.0, -7.0, nan], [0.0, -0.0, 1, -1, 1, -1, nan]),
        ("sin", [0.0, -0.0, inf, -inf, nan], [0.0, -0.0, nan, nan, nan]),
        ("cos", [0.0, -0.0, inf, -inf, nan], [1, 1, nan, nan, nan]),
    ],
)
def test_special_values(name: str, operands: list[float], results: list[float], dtype: DType) -> None:
    found = native(name, dtype, 512 // dtype.bits)(np.array(operands, dtype.numpy))
    same_bits(found, np.array(results, dtype.numpy))


def test_denormals_stay() -> None:
    least = np.array([1e-45, -1e-45, 1e-40, -1e-40], np.float32)
    for name in ("tanh", "sin"):
        same_bits(native(name, DType.f32, 16)(least), least)
    low, few = np.float32([-103.0, -100.0]), least[[0, 2]]
    np.testing.assert_array_equal(native("exp", DType.f32, 16)(low), np.exp(low.astype(np.float64)).astype(np.float32))
    np.testing.assert_array_equal(native("log", DType.f32, 16)(few), np.log(few.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize("name", [*FUNCTIONS, "pow"])
@pytest.mark.parametrize("dtype", [DType.f32, DType.f64])
def test_bits_are_the_same_at_every_width_and_in_numpy(name: str, dtype: DType) -> None:
    operands = 2 if name == "pow" else 1
    function = own.pow if name == "pow" else FUNCTIONS[name]
    x = [sample(dtype, 2000)[n::operands][:6000] for n in range(operands)]
    wanted = native(name, dtype, 512 // dtype.bits)(*x)
    for lanes in (0, 4):
        same_bits(native(name, dtype, lanes)(*x), wanted)
    few = [a[:60] for a in x]
    same_bits(evaluated(function, dtype, *few), wanted[:60])


@pytest.mark.parametrize("name", ["exp", "tanh", "erf", "log"])
def test_bits_are_the_same_without_a_fused_multiply_add(name: str) -> None:
    x = sample(DType.f32, 5000)
    same_bits(compiled(FUNCTIONS[name], DType.f32, 4, target=replace(host(), fma=False))(x), native(name, DType.f32, 16)(x))


def test_pow_f32_is_within_two_ulps() -> None:
    rng = np.random.default_rng(2)
    drawn = [np.exp(rng.uniform(-20, 20, 60_000)), rng.uniform(0.7, 1.42, 60_000)]
    x = np.concatenate([*(d.astype(np.float32) for d in drawn), any_number(DType.f32, 60_000)])
    with np.errstate(all="ignore"):
        y = (rng.uniform(-105, 90, x.size) / np.log(np.abs(x.astype(np.float64)))).astype(np.float32)
        wanted = x.astype(np.float64) ** y.astype(np.float64)
    assert np.max(ulps(native("pow", DType.f32, 16)(x, y), wanted)) <= 2


def test_pow_f64_is_within_two_ulps() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([np.exp(rng.uniform(-300, 300, 250)), rng.uniform(0.7, 1.42, 250), np.abs(any_number(DType.f64, 250))])
    x = x[np.isfinite(x) & (x > 0) & (x != 1)]
    y = rng.uniform(-745, 709, x.size) / np.log(x)
    found = native("pow", DType.f64, 8)(x, y)
    with decimal.localcontext(prec=50, Emin=-(10**6), Emax=10**6):
        wanted = [Decimal(a) ** Decimal(b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert max(ulps_of(p, w) for p, w in zip(found.tolist(), wanted, strict=True)) <= 2


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64])
def test_pow_has_the_special_cases_of_c(dtype: DType) -> None:
    whole = 2.0 ** (23 if dtype is DType.f32 else 52)
    limits = np.finfo(dtype.numpy)
    ends = [limits.max, limits.tiny, limits.smallest_subnormal]
    numbers = [0, 1, 2, 3, 0.5, 1.5, 2.5, inf, nan, whole, whole + 1, 2 * whole - 1, 2 * whole, *ends]
    grid = np.array([s * n for n in numbers for s in (1.0, -1.0)], dtype.numpy)
    x, y = (a.reshape(-1) for a in np.meshgrid(grid, grid))
    with np.errstate(all="ignore"):
        wanted = x.astype(np.float64) ** y.astype(np.float64)
        wanted = wanted.astype(dtype.numpy)
    found = native("pow", dtype, 512 // dtype.bits)(x, y)
    exactly = ~np.isfinite(wanted) | (wanted == 0) | (np.abs(wanted) == 1)
    same_bits(found[exactly], wanted[exactly])
    np.testing.assert_allclose(found[~exactly], wanted[~exactly], rtol=2 * float(limits.eps), atol=float(limits.smallest_subnormal))


def test_gelu_errs_by_less_than_half_a_millionth() -> None:
    x = np.concatenate([everyday(DType.f32, 50_000), everyday(DType.f32, 50_000, 1), np.float32([0.0, -0.0, 1e-40, 20.0, -20.0])])

    def gelu(v: Value) -> Value:
        expanded = Gelu(v).expand()
        assert expanded is not None
        return expanded

    wide = x.astype(np.float64)
    wanted = wide / 2 * (1 + IN_F64["erf"](wide / math.sqrt(2)))
    found = compiled(lambda v: _scalars(gelu(v)), DType.f32, 16)(x)
    assert np.max(np.abs(found - wanted)) <= 5e-7


def _scalars(value: Value) -> Value:
    """The value with every op that has a scalar form replaced by it."""
    op = value.op
    if op is None:
        return value
    made = op.rebuild(_scalars)
    own_form = getattr(made, "scalar", lambda: None)()
    return made.result if own_form is None else own_form


@pytest.mark.parametrize("name", ["exp", "log"])
def test_f16_is_computed_in_f32_and_rounded(name: str) -> None:
    x = np.arange(1, 31744, 7, dtype=np.uint16).view(np.float16)
    with np.errstate(all="ignore"):
        wanted = evaluated(FUNCTIONS[name], DType.f32, x.astype(np.float32)).astype(np.float16)
    same_bits(evaluated(FUNCTIONS[name], DType.f16, x), wanted)
