"""Every public op has one meaning to the bit: for any threads, rows around a row, vectors, known sizes, readers."""

from __future__ import annotations

from functools import cache

import pytest

from flowc.ir.narrow import in_f32
from flowc.ir.types import DType
from flowc.ops.call import built_ins
from flowc.target import SSE2, Target, host
from tests.codegen.program import Program
from tests.promises.bits import TARGETS, Array, native, same
from tests.promises.every_op import DTYPES, calls, inputs, module, read

SIZES = (0, 1, 7, 64)
FLOATS = (DType.f32, DType.f64)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.value)


@cache
def program(dtype: DType, target: Target) -> Program:
    return native(module(dtype), target)


@cache
def results(dtype: DType, which: str, n: int) -> list[Array]:
    return outputs(program(dtype, host()), dtype, which, n)


def outputs(made: Program, dtype: DType, which: str, n: int, threads: int = 0) -> list[Array]:
    run = made(which, *inputs(dtype, n), threads=threads, order=reversed)
    assert run.code == 0
    return numbers(made, which, run.outputs)


def numbers(made: Program, which: str, arrays: list[Array]) -> list[Array]:
    """The results, those of f16 and bf16 in f32, where NaN is one."""
    ports = made.signature(which).outputs
    return [in_f32(a, port.dtype) if port.dtype.is_narrow else a for a, port in zip(arrays, ports, strict=True)]


def names(dtype: DType, which: str) -> list[str]:
    return [name for name, _ in calls(dtype, which)]


def test_every_public_op_is_called() -> None:
    called = {name for dtype in DTYPES for which in ("rows", "whole") for name in names(dtype, which)}
    assert sorted({cls.name for cls in built_ins().values()} - called) == []


@dtypes
def test_threads_change_no_bit(dtype: DType) -> None:
    tasks: set[int] = set()
    for which in ("rows", "whole"):
        for threads in (1, 2, 3):
            run = program(dtype, host())(which, *inputs(dtype, 300), threads=threads, order=reversed)
            same(numbers(program(dtype, host()), which, run.outputs), results(dtype, which, 300), names(dtype, which))
            tasks |= {*run.tasks}
    assert {2, 3} <= tasks or dtype is DType.bool  # whose launches are all small


OTHERS = [(t, d) for t in TARGETS if t.vector != host().vector for d in DTYPES if (d in FLOATS) == (t is not SSE2) or d is DType.f32]


@pytest.mark.parametrize(("target", "dtype"), [pytest.param(t, d, id=f"{t.cpu}-{d.value}") for t, d in OTHERS])
def test_vectors_of_any_width_change_no_bit(target: Target, dtype: DType) -> None:
    for which in ("rows", "whole"):
        for n in SIZES:
            same(outputs(program(dtype, target), dtype, which, n), results(dtype, which, n), names(dtype, which))


def test_doubles_have_the_same_bits_without_instructions_for_fma() -> None:
    only = ("exp", "log", "sigmoid", "sin", "sum", "matmul", "layer_norm")
    made = native(module(DType.f64, only=only), SSE2)
    for which in ("rows", "whole"):
        wanted = [v for v, name in zip(results(DType.f64, which, 7), names(DType.f64, which), strict=True) if name in only]
        same(outputs(made, DType.f64, which, 7), wanted)


NARROW = ("add", "divide", "exp", "where", "sum", "max", "argmax", "mean", "softmax", "matmul", "take", "concat", "uniform", "normal")


@pytest.mark.parametrize("dtype", [DType.f16, DType.bf16], ids=lambda d: d.value)
def test_narrow_floats_have_the_same_bits_with_and_without_instructions_for_them_and_at_any_threads(dtype: DType) -> None:
    here, other = (native(module(dtype, only=NARROW), target) for target in (host(), SSE2))
    for which in ("rows", "whole"):
        for n in (1, 64):
            wanted = outputs(here, dtype, which, n)
            same(outputs(other, dtype, which, n), wanted)
            same(outputs(here, dtype, which, n, threads=3), wanted)


@dtypes
def test_a_row_does_not_depend_on_the_rows_around_it(dtype: DType) -> None:
    x, y, w, r, c, ids = inputs(dtype, 64)
    whole = results(dtype, "rows", 64)
    for rows in (slice(0, 1), slice(5, 12), slice(63, 64)):
        run = program(dtype, host())("rows", x[rows], y[rows], w, r, c[rows], ids[rows])
        same(numbers(program(dtype, host()), "rows", run.outputs), [v[rows] for v in whole], names(dtype, "rows"))


@pytest.mark.parametrize("dtype", [DType.f32, DType.i32], ids=lambda d: d.value)
def test_a_size_known_at_compile_time_changes_no_bit(dtype: DType) -> None:
    made = native(module(dtype), N=7)
    for which in ("rows", "whole"):
        same(outputs(made, dtype, which, 7), results(dtype, which, 7), names(dtype, which))


@pytest.mark.parametrize("dtype", [DType.f32, DType.i32, DType.bool], ids=lambda d: d.value)
def test_a_value_fused_into_its_reader_has_the_bits_of_one_that_is_fetched(dtype: DType) -> None:
    made = native(module(dtype, reads=True))
    for which in ("rows", "whole"):
        for n in (1, 64):
            wanted = [read(v) for v in results(dtype, which, n)]
            same(outputs(made, dtype, which, n), wanted, names(dtype, which))
