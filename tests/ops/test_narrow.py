"""f16 and bf16: converted exactly or rounded once, computed in f32, with the same bits on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from flowc.codegen.driver import emit
from flowc.codegen.native import assembly
from flowc.ir.core import Func, Module, Value, close, func, walk
from flowc.ir.data import Scalar
from flowc.ir.dims import Size, dim
from flowc.ir.narrow import as_stored, in_f32, rounded
from flowc.ir.types import DType, Type
from flowc.ops.define import define
from flowc.ops.elementwise import add, cast, div, mul, sub
from flowc.ops.functions import exp
from flowc.ops.interpret import run
from flowc.ops.kernel import Reduce, axes
from flowc.ops.linalg import matmul
from flowc.ops.reduce import Mean, Sum
from flowc.ops.tensor import read
from flowc.target import Target
from tests.promises.bits import TARGETS, native, same

Array = np.ndarray[Any, Any]
Holds = Callable[[Func, Sequence[Array]], None]
NARROW = [DType.f16, DType.bf16]
MANTISSA = {DType.f16: 10, DType.bf16: 7}
LEAST = {DType.f16: -24, DType.bf16: -133}  # exponents of the least denormal
ALL = np.arange(1 << 16, dtype=np.uint16)
N = dim(Size("N", 0))
narrow = pytest.mark.parametrize("dtype", NARROW, ids=lambda d: d.value)
targets = pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.cpu)


def every(dtype: DType) -> Array:
    """Every element there is."""
    return ALL.view(dtype.numpy)


def value(bits: int, dtype: DType) -> float:
    """The number an element is, by the definition of its format."""
    mantissa = MANTISSA[dtype]
    exponents = (1 << (15 - mantissa)) - 1
    sign, field, fraction = bits >> 15, bits >> mantissa & exponents, bits & ((1 << mantissa) - 1)
    if field == exponents:
        return math.nan if fraction else -math.inf if sign else math.inf
    size = math.ldexp(fraction + (field > 0) * (1 << mantissa), max(field, 1) - 1 + LEAST[dtype])
    return -size if sign else size


def nearest(x: Fraction, dtype: DType) -> float:
    """The number of the format nearest to x, the even one of two; of the results of this, only zeros have no sign."""
    mantissa = MANTISSA[dtype]
    size, exponent = abs(x), LEAST[dtype]
    while size >= Fraction(2) ** (exponent + mantissa + 1):
        exponent += 1
    whole = round(size / Fraction(2) ** exponent)  # Python rounds to even
    found = Fraction(whole) * Fraction(2) ** exponent
    most = Fraction(value((1 << 15) - (1 << mantissa) - 1, dtype))
    return math.copysign(math.inf if found > most else float(found), x)


def parameter(dtype: DType, *shape: Any, name: str = "x") -> Value:
    return Value(Type(dtype, shape or (N,)), None, name)


def outputs(fn: Func, target: Target, *arrays: Array) -> list[Array]:
    run = native(Module("m", (fn,)), target)("f", *arrays)
    assert run.code == 0
    return run.outputs


@narrow
def test_every_element_is_its_number_in_f32(dtype: DType) -> None:
    found = in_f32(every(dtype), dtype)
    wanted = np.array([value(int(bits), dtype) for bits in ALL], np.float32)
    same([found], [wanted])


@narrow
@targets
def test_every_element_goes_to_f32_and_back(dtype: DType, target: Target) -> None:
    x, wide = parameter(dtype), parameter(DType.f32, N, name="wide")
    fn = func("f", (x, wide), (cast(x, DType.f32), cast(wide, dtype)))
    exact = in_f32(every(dtype), dtype)
    single, back = outputs(fn, target, every(dtype), exact)
    same([single], [exact])
    nan = np.isnan(exact)
    np.testing.assert_array_equal(back.view(np.uint16)[~nan], ALL[~nan])
    assert np.isnan(in_f32(back, dtype)[nan]).all()


def hard(dtype: DType) -> list[Fraction]:
    """Numbers between two of the format, in the middle and just beside it, of each size."""
    found: list[Fraction] = []
    for bits in [*range(0, 1 << 15, 601), *range(6), (1 << 15) - (1 << MANTISSA[dtype]) - 2]:
        low, high = value(bits, dtype), value(bits + 1, dtype)
        if not math.isfinite(high):
            continue
        a, b = Fraction(low), Fraction(high)
        middle, little = (a + b) / 2, (b - a) / (1 << 40)
        found += [middle, middle + little, middle - little, a + (b - a) / 3]
    top = Fraction(value((1 << 15) - (1 << MANTISSA[dtype]) - 1, dtype))
    half = top - Fraction(value((1 << 15) - (1 << MANTISSA[dtype]) - 2, dtype))
    return [*found, top + half / 2, top + half / 2 - half / (1 << 40), *(-x for x in found)]


@narrow
@targets
def test_a_number_of_f64_is_rounded_once(dtype: DType, target: Target) -> None:
    numbers = hard(dtype)
    doubles = np.array([float(x) for x in numbers])
    wanted = as_bits([nearest(Fraction(float(x)), dtype) for x in doubles], dtype)
    x = parameter(DType.f64)
    fn = func("f", (x,), (cast(x, dtype),))
    for found in (*outputs(fn, target, doubles), *run(fn, [doubles], bits=True), rounded(doubles, dtype)):
        np.testing.assert_array_equal(found.view(np.uint16), wanted)


def as_bits(numbers: Sequence[float], dtype: DType) -> Array:
    """The elements that are these numbers of the format."""
    elements = np.array([value(bits, dtype) for bits in range(1 << 15)])
    order = {number: bits for bits, number in enumerate(elements.tolist()) if not math.isnan(number)}
    return np.array([order[abs(n)] | (math.copysign(1, n) < 0) << 15 for n in numbers], np.uint16)


@narrow
@pytest.mark.parametrize("source", [DType.i8, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64], ids=lambda d: d.value)
def test_an_integer_is_rounded_once(dtype: DType, source: DType, holds_natively: Holds) -> None:
    low, high = source.limits()
    near = [int(x) for x in hard(dtype) if low <= x <= high]
    numbers = dict.fromkeys(n for k in [low, high, 0, *near, *(2**e for e in range(64))] for n in (k - 1, k, k + 1) if low <= n <= high)
    array = np.array([*numbers], source.numpy)
    x = parameter(source)
    fn = func("f", (x,), (cast(x, dtype),))
    (found,) = run(fn, [array])
    np.testing.assert_array_equal(found.view(np.uint16), as_bits([nearest(Fraction(n), dtype) for n in numbers], dtype))
    holds_natively(fn, [array])


@narrow
def test_elements_become_integers_and_bools_as_their_numbers_do(dtype: DType, holds_natively: Holds) -> None:
    x, others = parameter(dtype), [DType.bool, DType.i8, DType.u8, DType.i16, DType.u32, DType.i64, DType.u64, DType.f64]
    fn = func("f", (x,), tuple(cast(x, other) for other in others))
    single = parameter(DType.f32)
    wide = func("f", (single,), tuple(cast(single, other) for other in others))
    same(run(fn, [every(dtype)]), run(wide, [in_f32(every(dtype), dtype)]))
    holds_natively(fn, [every(dtype)])


@narrow
@targets
def test_every_op_rounds_once_wherever_its_result_goes(dtype: DType, target: Target) -> None:
    rng = np.random.default_rng(0)
    x, y = (parameter(dtype, N, name=name) for name in "xy")
    a, b = (rounded((2.0 ** rng.integers(-9, 9, 1000) * rng.standard_normal(1000)).astype(np.float32), dtype) for _ in "ab")
    product = mul(x, y)
    fn = func("f", (x, y), (product, add(product, x), div(sub(x, y), y), exp(product)))
    wide_a, wide_b = in_f32(a, dtype), in_f32(b, dtype)
    with np.errstate(all="ignore"):
        kept = rounded(wide_a * wide_b, dtype)
        total = rounded(in_f32(kept, dtype) + wide_a, dtype)
        quotient = rounded(in_f32(rounded(wide_a - wide_b, dtype), dtype) / wide_b, dtype)
    found = outputs(fn, target, a, b)
    same(found[:3], [kept, total, quotient])
    same(found, run(fn, [a, b], bits=True))


@narrow
@targets
def test_sums_and_products_of_matrices_are_accumulated_in_f32(dtype: DType, target: Target) -> None:
    ones = as_stored(np.ones((3, 5000)), dtype)
    x, w = parameter(dtype, N, 5000), parameter(dtype, 5000, 2, name="w")
    fn = func("f", (x, w), (Sum(x, (1,)).result, Mean(x, (1,)).result, matmul(x, w)))
    total, mean, product = outputs(fn, target, ones, as_stored(np.ones((5000, 2)), dtype))
    one, many = (Scalar.of(n, dtype).number for n in (1, 5000))
    assert {*in_f32(total, dtype).flat, *in_f32(product, dtype).flat} == {many}
    assert {*in_f32(mean, dtype).flat} == {one}


@narrow
def test_a_product_said_by_index_has_the_bits_and_the_kernel_of_a_product_of_matrices(dtype: DType) -> None:
    x, w = parameter(dtype, N, 70), parameter(dtype, 70, 96, name="w")
    i, j, k = axes((N, 96, 70))
    by_index = Reduce("dot", close((k,), (read(x, dim(i), dim(k)), read(w, dim(k), dim(j))))).result
    program = native(Module("m", (func("f", (x, w), (matmul(x, w), define((i, j), by_index))),)))
    rng = np.random.default_rng(0)
    run = program("f", *(rounded(rng.standard_normal(shape).astype(np.float32), dtype) for shape in ((37, 70), (70, 96))))
    same(run.outputs[:1], run.outputs[1:])
    assert sum(isinstance(op, Reduce) for kernel in program.module.funcs for op in walk(kernel.body)) == 1


@targets
def test_code_calls_no_function_of_a_library(target: Target) -> None:
    x, y = (parameter(DType.f64, N, name=name) for name in "xy")
    fn = func("f", (x, y), tuple(cast(exp(mul(cast(x, dtype), cast(y, dtype))), DType.f64) for dtype in NARROW))
    listing = assembly(emit(native(Module("m", (fn,)), target).module, target), target)
    assert not [name for name in ("__extendhfsf2", "__truncsfhf2", "__truncdfhf2", "__truncsfbf2", "__truncdfbf2") if name in listing]


@narrow
def test_the_text_of_an_element_is_the_shortest_that_reads_back(dtype: DType) -> None:
    for bits in range(0, 1 << 16, 97):
        scalar = Scalar.stored(every(dtype)[bits], dtype)
        if not math.isnan(scalar.number):
            assert Scalar.of(float(str(scalar)), dtype) == scalar
    assert str(Scalar.of(0.1, dtype)) == "0.1"
