"""Kernels as native code: against numpy, and bit for bit against the loop interpreter, at any width and number of tasks."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flowc.codegen.llvm.kernel import emit
from flowc.codegen.native import assembly, load, optimise_and_emit
from flowc.codegen.symbols import undefined_symbols
from flowc.errors import OpError
from flowc.ir.core import Block, Func, Module, Value, func, walk
from flowc.ir.dims import Dim, Size, dim, evaluate
from flowc.ir.printer import sizes
from flowc.ir.types import DType, Type
from flowc.ops.define import define, guarded
from flowc.ops.division import Fmod
from flowc.ops.elementwise import Fma, add, bitcast, cast, div, less, mul, neg, sqrt, sub, where
from flowc.ops.kernel import Checked, axes, fold
from flowc.ops.linalg import MatMul
from flowc.ops.loops import Alloc, For, Load, Store
from flowc.ops.powers import IntegerPower
from flowc.ops.reduce import Max, Sum
from flowc.ops.rounding import exact_fma
from flowc.ops.tensor import Read, SizeValue, like, read
from flowc.target import AVX2, AVX512, SSE2, Target, host, named
from flowc.transforms.fuse import fuse
from flowc.transforms.interpret_loops import Failure, run_kernel
from flowc.transforms.schedule import schedule
from flowc.transforms.simplify import simplify

Array = np.ndarray[Any, Any]
N, K, M = (dim(Size(name, 0)) for name in "NKM")
TARGETS = [AVX512, AVX2, SSE2] if host().vector == 64 else [AVX2, SSE2] if host().vector == 32 else [SSE2]
LENGTHS = (0, 1, 7, 64, 65, 1000)
DTYPES = [DType.bool, DType.i8, DType.u8, DType.i16, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64, DType.f32, DType.f64]
NUMBERS = [d for d in DTYPES if d is not DType.bool]
FLOATS = [DType.f32, DType.f64]


@pytest.fixture(params=TARGETS, ids=lambda t: t.cpu)
def target(request: pytest.FixtureRequest) -> Target:
    return request.param


class Native:
    """The one kernel of a graph as machine code."""

    def __init__(self, inputs: Sequence[Value], result: Value, target: Target) -> None:
        self.kernels = self.scheduled(inputs, result, target)
        self.inputs = {v.hint: v for v in inputs}
        self.checks = [op for k in self.kernels for op in walk(k.body) if isinstance(op, Checked)]
        self.library = load(emit(self.kernels, target, {op: n + 1 for n, op in enumerate(self.checks)}, "dso_local"), target)

    @staticmethod
    def scheduled(inputs: Sequence[Value], result: Value, target: Target) -> list[Func]:
        module = schedule(fuse(simplify(Module("m", (func("f", tuple(inputs), (result,)),)))), target)
        return [f for f in module.funcs if any(isinstance(op, For) for op in f.body.ops)]

    def __call__(self, named: Mapping[str, int], tasks: int = 1, iteration: int = 0, **arrays: Array) -> tuple[Array, tuple[int, ...]]:
        """The result, and the error record: code, site, index, bound, iteration, element."""
        record = ctypes.create_string_buffer(64)
        made = dict(arrays)
        out = np.zeros(0)
        for kernel, operands in self.calls(made, named):
            out = operands[-1]
            slots = [tasks, ctypes.addressof(record), iteration, *(named[s.name] for s in sizes(kernel))]
            slots += [a.ctypes.data for a in operands]
            arguments = (ctypes.c_int64 * len(slots))(*slots)
            run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.library.address(kernel.name))
            for task in reversed(range(tasks)):
                run(arguments, task)
        return out, struct.unpack_from("<iiqqqq", record.raw)

    def interpreted(self, named: Mapping[str, int], **arrays: Array) -> tuple[Array, list[Failure]]:
        made = dict(arrays)
        out, failures = np.zeros(0), list[Failure]()
        for kernel, operands in self.calls(made, named):
            out = operands[-1]
            flat = [a.reshape(-1) for a in operands]
            failures += run_kernel(kernel, flat, {s: named[s.name] for s in sizes(kernel)})
        return out, failures

    def calls(self, made: dict[str, Array], named: Mapping[str, int]) -> Any:
        """Each kernel with its arrays; what one makes the next ones take, by name and type."""
        for kernel in self.kernels:
            *params, out = kernel.body.params
            given = [made[p.hint] if p.hint in self.inputs else made[f"{p.hint}: {p.type}"] for p in params]
            shape = tuple(evaluate(d, {Size(n, 0): v for n, v in named.items()}) for d in out.type.shape)
            result = np.full(shape, 3, out.type.dtype.numpy)
            made.update({f"{kernel.name.rpartition('_')[0]}: {out.type}": result})
            yield kernel, (*given, result)


def tensor(name: str, *shape: Dim, dtype: DType = DType.f32) -> Value:
    return Value(Type(dtype, shape), None, name)


def elements(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, special: bool = True) -> Array:
    """Random elements, among floats some NaNs, infinities, zeros of both signs and denormals, among integers the ends."""
    count = int(np.prod(shape))
    if dtype is DType.bool:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.is_float:
        made = rng.standard_normal(count).astype(dtype.numpy)
        odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype.numpy).tiny / 8], dtype.numpy)
    else:
        low, high = dtype.limits()
        made = rng.integers(low, high, count, dtype.numpy, endpoint=True)
        odd = np.array([low, high, 0, 1], dtype.numpy)
    if special:
        spots = rng.random(count) < 0.2
        made[spots] = rng.choice(odd, int(spots.sum()))
    return made.reshape(shape)


def same(a: Array, b: Array) -> None:
    """Equal bits; any NaN is any other."""
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        a, b = (np.where(np.isnan(v), np.zeros((), v.dtype), v) for v in (a, b))
    assert a.tobytes() == b.tobytes()


def agrees(native: Native, named: Mapping[str, int], **arrays: Array) -> Array:
    """The result of native code, which for 1 and 3 tasks has the bits of the interpreter."""
    found, _ = native(named, **arrays)
    shared, _ = native(named, tasks=3, **arrays)
    assert found.tobytes() == shared.tobytes()
    same(found, native.interpreted(named, **arrays)[0])
    return found


UNARY: dict[str, Callable[[Value], Value]] = {
    "neg": neg,
    "square plus one": lambda x: add(mul(x, x), like(x, 1)),
    "choice": lambda x: where(less(x, like(x, 1)), sub(x, like(x, 1)), x),
}


@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: d.value)
def test_elements_of_every_dtype_have_the_bits_of_the_interpreter(dtype: DType, target: Target) -> None:
    rng = np.random.default_rng(1)
    for element in UNARY.values():
        x = tensor("x", N, dtype=dtype)
        native = Native([x], element(x), target)
        for n in LENGTHS:
            agrees(native, {"N": n}, x=elements(rng, (n,), dtype))


@pytest.mark.parametrize("source", DTYPES, ids=lambda d: d.value)
def test_casts_saturate_wrap_and_truncate_as_in_numpy_semantics(source: DType, target: Target) -> None:
    rng = np.random.default_rng(2)
    x = tensor("x", N, dtype=source)
    for wanted in DTYPES:
        if wanted is source:
            continue
        native = Native([x], cast(x, wanted), target)
        for n in (7, 65):
            values = elements(rng, (n,), source)
            if source.is_float:
                values[:5] = [1e30, -1e30, 300.7, -1.5, 2.0**31]
            same(agrees(native, {"N": n}, x=values), cast(tensor("c", n, dtype=source), wanted).op.evaluate(values))


@pytest.mark.parametrize("source", [DType.i64, DType.i32, DType.u16], ids=lambda d: d.value)
def test_a_narrowed_tail_of_one_lane_writes_one_element(source: DType, target: Target) -> None:
    for count in (1, 17, 33, 49, 65):
        for wanted in (d for d in (DType.u8, DType.i16, DType.i32) if d.bits < source.bits):
            x = tensor("x", count, dtype=source)
            native = Native([x], cast(x, wanted), target)
            (kernel,) = native.kernels
            values = np.arange(count).astype(source.numpy)
            guarded = np.full(count + 64, 77, wanted.numpy)
            record = ctypes.create_string_buffer(64)
            slots = [1, ctypes.addressof(record), 0, values.ctypes.data, guarded.ctypes.data]
            run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(native.library.address(kernel.name))
            run((ctypes.c_int64 * len(slots))(*slots), 0)
            np.testing.assert_array_equal(guarded[:count], values.astype(wanted.numpy))
            assert (guarded[count:] == 77).all()


@pytest.mark.parametrize("dtype", [DType.i32, DType.u8, DType.f32, DType.f64], ids=lambda d: d.value)
def test_functions_of_ops_are_called_for_each_lane(dtype: DType, target: Target) -> None:
    x, y = tensor("x", N, dtype=dtype), tensor("y", N, dtype=dtype)
    op = Fmod if dtype.is_float else IntegerPower
    rng = np.random.default_rng(16)
    native = Native([x, y], op(x, y).result, target)
    for n in LENGTHS:
        agrees(native, {"N": n}, x=elements(rng, (n,), dtype), y=elements(rng, (n,), dtype))


def test_bits_pass_between_floats_and_integers(target: Target) -> None:
    x = tensor("x", N, dtype=DType.f64)
    values = elements(np.random.default_rng(3), (65,), DType.f64)
    found = agrees(Native([x], bitcast(x, DType.i64), target), {"N": 65}, x=values)
    same(found, values.view(np.int64))


TERMS = (DType.f32, DType.f64, DType.i32, DType.u8, DType.i64)
FOLDS = [(by, d) for by in ("sum", "prod", "max", "min", "argmax", "argmin") for d in TERMS]


@pytest.mark.parametrize(("by", "dtype"), [*FOLDS, ("any", DType.bool), ("all", DType.bool), ("max", DType.bool), ("argmax", DType.bool)])
@pytest.mark.parametrize("along", [0, 1], ids=["columns", "rows"])
def test_folds_have_the_bits_of_the_interpreter(by: str, dtype: DType, along: int, target: Target) -> None:
    rng = np.random.default_rng(4)
    x = tensor("x", N, K, dtype=dtype)
    (i,) = axes((N if along else K,))
    y = define((i,), fold(by, (K if along else N,), lambda k: read(x, *((dim(i), k) if along else (k, dim(i))))))
    native = Native([x], y, target)
    for n, k in ((3, 0), (0, 3), (1, 1), (7, 65), (65, 7), (2, 1000)):
        shape = (n, k) if along else (k, n)
        for special in (True, False):
            agrees(native, {"N": shape[0], "K": shape[1]}, x=elements(rng, shape, dtype, special))


@pytest.mark.parametrize(("by", "numpy"), [("sum", np.sum), ("max", np.max), ("min", np.min), ("argmax", np.argmax), ("argmin", np.argmin)])
def test_folds_of_integers_are_those_of_numpy(by: str, numpy: Callable[..., Any], target: Target) -> None:
    x = tensor("x", N, K, dtype=DType.i32)
    (i,) = axes((N,))
    native = Native([x], define((i,), fold(by, (K,), lambda k: read(x, dim(i), k))), target)
    values = np.random.default_rng(5).integers(-50, 50, (9, 333)).astype(np.int32)
    found, _ = native({"N": 9, "K": 333}, x=values)
    np.testing.assert_array_equal(found, numpy(values, axis=1).astype(found.dtype))


def test_long_folds_join_blocks_in_order(target: Target) -> None:
    rng = np.random.default_rng(6)
    x = tensor("x", K)
    for by in ("sum", "max", "argmax"):
        native = Native([x], define((), fold(by, (K,), lambda k: read(x, k))), target)
        for k in (65_536, 65_537, 150_000):
            agrees(native, {"K": k}, x=elements(rng, (k,), DType.f32, special=by == "argmax"))


def test_sum_of_negative_zeros_is_zero_as_in_numpy(target: Target) -> None:
    x = tensor("x", N, K)
    native = Native([x], Sum.make(x, axis=1), target)
    for k in (0, 1, 64, 65):
        values = np.full((2, k), -0.0, np.float32)
        same(agrees(native, {"N": 2, "K": k}, x=values), values.sum(axis=1))


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64, DType.i32, DType.u8], ids=lambda d: d.value)
def test_products_of_matrices_are_chains_in_increasing_order(dtype: DType, target: Target) -> None:
    rng = np.random.default_rng(7)
    x, w = tensor("x", N, K, dtype=dtype), tensor("w", K, M, dtype=dtype)
    native = Native([x, w], MatMul.make(x, w), target)
    for n, k, m in ((0, 3, 4), (3, 0, 5), (1, 1, 1), (5, 7, 9), (6, 64, 64), (13, 10, 130), (7, 3, 65)):
        agrees(native, {"N": n, "K": k, "M": m}, x=elements(rng, (n, k), dtype), w=elements(rng, (k, m), dtype))


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64, DType.i32], ids=lambda d: d.value)
def test_a_long_epilogue_follows_a_tile(dtype: DType, target: Target) -> None:
    rng = np.random.default_rng(15)
    x, w, b = tensor("x", N, K, dtype=dtype), tensor("w", K, M, dtype=dtype), tensor("b", M, dtype=dtype)
    product = MatMul.make(x, w)
    y = add(product, b)
    for n in range(5):
        y = sub(mul(y, product), like(y, n))
    native = Native([x, w, b], where(less(y, like(y, 0)), neg(y), y), target)
    for n, k, m in ((0, 3, 4), (3, 0, 5), (1, 1, 1), (5, 7, 9), (6, 64, 64), (13, 10, 130), (7, 3, 65)):
        arrays = {"x": elements(rng, (n, k), dtype), "w": elements(rng, (k, m), dtype), "b": elements(rng, (m,), dtype)}
        agrees(native, {"N": n, "K": k, "M": m}, **arrays)


def test_a_dot_without_free_axis_goes_in_lanes(target: Target) -> None:
    rng = np.random.default_rng(8)
    x, y = tensor("x", K), tensor("y", K)
    native = Native([x, y], MatMul.make(x, y), target)
    for k in (*LENGTHS, 70_000):
        agrees(native, {"K": k}, x=elements(rng, (k,), DType.f32, False), y=elements(rng, (k,), DType.f32, False))


def test_reductions_read_by_reductions_share_a_row(target: Target) -> None:
    rng = np.random.default_rng(9)
    x = tensor("x", N, K, dtype=DType.f64)
    shifted = sub(x, Max.make(x, axis=1, keepdims=True))
    y = div(shifted, sqrt(Sum.make(mul(shifted, shifted), axis=1, keepdims=True)))
    native = Native([x], y, target)
    assert len(native.kernels) == 1
    for n, k in ((0, 3), (1, 1), (7, 64), (3, 1000)):
        values = elements(rng, (n, k), DType.f64, False)
        found = agrees(native, {"N": n, "K": k}, x=values)
        with np.errstate(all="ignore"):
            centred = values - values.max(axis=1, keepdims=True)
            np.testing.assert_allclose(found, centred / np.sqrt((centred**2).sum(axis=1, keepdims=True)), rtol=1e-12)


def test_guards_read_nothing_outside(target: Target) -> None:
    x = tensor("x", N)
    (i,) = axes((N + 4,))
    y = define((i,), guarded(read(x, dim(i) - 2), (dim(i) - 2, N + 1 - dim(i))))
    native = Native([x], y, target)
    for n in LENGTHS:
        values = elements(np.random.default_rng(10), (n,), DType.f32)
        same(agrees(native, {"N": n}, x=values), np.pad(values, 2))


def test_steps_other_than_one_are_gathered(target: Target) -> None:
    x = tensor("x", 3 * N, dtype=DType.i16)
    (i,) = axes((N,))
    native = Native([x], define((i,), read(x, 3 * dim(i))), target)
    for n in LENGTHS:
        values = elements(np.random.default_rng(11), (3 * n,), DType.i16)
        same(agrees(native, {"N": n}, x=values), np.ascontiguousarray(values[::3]))


def test_indices_are_values_of_any_dtype(target: Target) -> None:
    for dtype in NUMBERS:
        (i,) = axes((N,))
        y = define((i,), SizeValue((3 * dim(i) + N,), Type(dtype)).result)
        native = Native([tensor("x", N)], y, target)
        found = agrees(native, {"N": 70}, x=np.zeros(70, np.float32))
        same(found, (3 * np.arange(70) + 70).astype(dtype.numpy))


def taken(ids: DType, columns: Dim | None = None) -> tuple[list[Value], Value]:
    """Rows of a table, or its elements, at checked indices."""
    index = tensor("ids", N, dtype=ids)
    table = tensor("table", K) if columns is None else tensor("table", K, columns)
    at = axes((N,) if columns is None else (N, columns))
    where_ = dim(Checked(Read(index, (dim(at[0]),)).result, (K,), "ids indexes table").result)
    return [table, index], define(at, Read(table, (where_, *map(dim, at[1:]))).result)


@pytest.mark.parametrize("ids", [DType.i64, DType.i32, DType.i8, DType.u8], ids=lambda d: d.value)
@pytest.mark.parametrize("columns", [None, 40], ids=["elements", "rows"])
def test_checked_indices_count_from_the_end_where_negative(ids: DType, columns: int | None, target: Target) -> None:
    rng = np.random.default_rng(12)
    inputs, y = taken(ids, columns)
    native = Native(inputs, y, target)
    table = rng.standard_normal((9,) if columns is None else (9, columns)).astype(np.float32)
    for n in LENGTHS:
        where_ = rng.integers(-9 if ids.is_signed else 0, 9, n).astype(ids.numpy)
        found, record = native({"N": n, "K": 9}, tasks=2, table=table, ids=where_)
        assert record == (0,) * 6
        same(found, table[where_])


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("columns", [None, 40], ids=["elements", "rows"])
def test_the_lowest_failing_element_is_told(columns: int | None, tasks: int, target: Target) -> None:
    inputs, y = taken(DType.i32, columns)
    native = Native(inputs, y, target)
    table = np.ones((9,) if columns is None else (9, columns), np.float32)
    ids = np.zeros(10_000, np.int32)
    ids[[4321, 5000, 9999]] = [-10, 9, 77]
    found, record = native({"N": 10_000, "K": 9}, tasks, iteration=5, table=table, ids=ids)
    assert record == (2, 1, -10, 9, 5, 4321 * (columns or 1))
    assert (found == 1).all()


def test_an_index_into_an_empty_axis_fails_and_reads_nothing(target: Target) -> None:
    inputs, y = taken(DType.i64)
    native = Native(inputs, y, target)
    found, record = native({"N": 3, "K": 0}, table=np.zeros(0, np.float32), ids=np.zeros(3, np.int64))
    assert record == (2, 1, 0, 0, 0, 0)
    same(found, np.zeros(3, np.float32))


def test_targets_give_equal_bits() -> None:
    rng = np.random.default_rng(13)
    x, w = tensor("x", N, K), tensor("w", K, M)
    largest = Max.make(x, axis=1, keepdims=True)
    results = (MatMul.make(x, w), Sum.make(mul(x, x), axis=1), Sum.make(x, axis=0), div(x, add(largest, like(x, 1))))
    for result in results:
        inputs = [x, w] if result is results[0] else [x]
        natives = [Native(inputs, result, t) for t in TARGETS]
        for n, k, m in ((1, 1, 1), (7, 64, 65), (65, 7, 1), (3, 1000, 7)):
            arrays = {"x": elements(rng, (n, k), DType.f32), "w": elements(rng, (k, m), DType.f32)}
            first, *others = (native({"N": n, "K": k, "M": m}, **arrays)[0] for native in natives)
            for other in others:
                same(first, other)


def test_the_k_loop_of_a_tile_keeps_everything_in_registers() -> None:
    for dtype in FLOATS:
        x, w = tensor("x", N, K, dtype=dtype), tensor("w", K, M, dtype=dtype)
        product = Native([x, w], MatMul.make(x, w), AVX512).kernels[-1] if AVX512 in TARGETS else None
        if product is None:
            pytest.skip("this machine has no AVX-512")
        listing = assembly(emit([product], AVX512, {}, "dso_local"), AVX512)
        loops = [block for block in re.split(r"^\.LBB\w+:.*$", listing, flags=re.M) if block.count("vfmadd") == 24]
        assert loops
        assert all("%rsp" not in loop.partition("\tjl\t")[0] for loop in loops)


def test_one_text_comes_of_one_kernel() -> None:
    x, w = tensor("x", N, K), tensor("w", K, M)
    texts = {emit(Native([x, w], MatMul.make(x, w), SSE2).kernels, SSE2, {}) for _ in range(2)}
    assert len(texts) == 1


TRIPLES = ("x86_64-linux-gnu", "x86_64-windows-msvc", "x86_64-apple-macos", "aarch64-linux-gnu", "arm64-apple-ios", "riscv64-linux-gnu",
           "wasm32-unknown-unknown")  # fmt: skip


@pytest.mark.parametrize("triple", TRIPLES)
def test_objects_call_nothing_outside(triple: str) -> None:
    machine = named(triple)
    for dtype in FLOATS:
        x, y = tensor("x", N, K, dtype=dtype), tensor("y", K, dtype=dtype)
        rows = Native.scheduled([x, y], Sum.make(mul(x, x), axis=1), machine)
        columns = Native.scheduled([x, y], Max.make(x, axis=0), machine)
        chain = Native.scheduled([x, y], MatMul.make(x, y), machine)
        kernels = [replace(k, name=f"k{n}") for n, k in enumerate((*rows, *columns, *chain))]
        assert undefined_symbols(optimise_and_emit(emit(kernels, machine, {}, ""), machine)) == ()


@pytest.mark.parametrize("triple", TRIPLES)
def test_symbols_of_others_are_found_in_every_format(triple: str) -> None:
    text = "declare void @outside()\ndefine void @inside_of_it() {\n  call void @outside()\n  ret void\n}\n"
    assert undefined_symbols(optimise_and_emit(text, named(triple))) in (("outside",), ("_outside",))


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.value)
def test_fma_in_software_is_rounded_once(dtype: DType) -> None:
    rng = np.random.default_rng(14)
    inputs = [tensor(name, N, dtype=dtype) for name in "xyz"]
    native = Native(inputs, Fma(*inputs).result, SSE2)
    wide, count = (np.uint32, 4000) if dtype is DType.f32 else (np.uint64, 1500)
    for low, high in ((0, 1), (0.45, 0.55), (0.2, 0.3), (0.0, 0.01), (0.99, 1.0)):  # part of the range of exponents
        x, y, z = (float_bits(rng, count, wide, low, high).view(dtype.numpy) for _ in range(3))
        with np.errstate(all="ignore"):
            near = rng.random(count) < 0.5
            z[near] = -(x * y)[near] * (1 + rng.integers(-2, 3, int(near.sum())) * np.finfo(dtype.numpy).eps)
            expected = exact_fma(x, y, z)
        same(native({"N": count}, x=x, y=y, z=z)[0], expected)


def float_bits(rng: np.random.Generator, count: int, wide: Any, low: float, high: float) -> Array:
    """Bits of floats whose exponents are in a part of their range, with many runs of zeros and ones."""
    mantissa, exponents = (23, 255) if wide is np.uint32 else (52, 2047)
    exponent = rng.integers(int(low * exponents), int(high * exponents), count, dtype=wide, endpoint=True)
    fraction = rng.integers(0, 1 << mantissa, count, dtype=wide)
    cut = rng.random(count) < 0.4
    fraction[cut] &= wide((1 << mantissa) - (1 << (mantissa // 2)))
    fraction[rng.random(count) < 0.1] = 0
    fraction[rng.random(count) < 0.1] = (1 << mantissa) - 1
    return (rng.integers(0, 2, count, dtype=wide) << wide(wide().itemsize * 8 - 1)) | (exponent << wide(mantissa)) | fraction


def test_arithmetic_on_bf16_that_was_not_put_into_f32_is_refused() -> None:
    x = tensor("x", N, dtype=DType.bf16)
    for result, name in ((neg(x), "negative"), (MatMul.make(x, x), "reduce")):
        planned = schedule(fuse(Module("m", (func("f", (x,), (result,)),))), SSE2)
        with pytest.raises(OpError) as refused:
            emit([f for f in planned.funcs if any(isinstance(op, For) for op in f.body.ops)], SSE2, {})
        assert (str(refused.value), refused.value.help) == (
            f"{name} of bf16 stands in a kernel, where it has no code", "convert to f32 and back",
        )  # fmt: skip


def test_buffers_too_large_for_a_stack_are_refused() -> None:
    space, i = Alloc(Type(DType.f64, (40_000,), "local")), axes((1,))[0]
    out = Value(Type(DType.f64, (1,), "host"), None, "out")
    load = Load(space.result, (0,))
    nest = For((), "parallel", Block((i,), (space, load, Store(load.result, out, (0,))), ()))
    with pytest.raises(ValueError) as refused:
        emit([Func("big", Block((out,), (nest,), ()), (), "loops")], SSE2, {})
    assert str(refused.value) == "the local buffers of kernel big take 320000 bytes, which may be more than 262144"


def test_one_text_gives_one_object() -> None:
    x, w = tensor("x", N, K), tensor("w", K, M)
    text = emit(Native.scheduled([x, w], MatMul.make(x, w), AVX2), AVX2, {}, "")
    assert optimise_and_emit(text, AVX2) == optimise_and_emit(text, AVX2)
