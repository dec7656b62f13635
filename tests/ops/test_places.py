"""Values folded in at computed places: scatters, counts, selections, orders; as graphs, as plans and as native code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.codegen.cost import cost
from flowc.derivatives.reverse import pullback
from flowc.errors import CompileError, OpError, RunError
from flowc.ir.core import Func, Module, Value, body, func, walk
from flowc.ir.dims import Dim, Polynomial, Size, dim
from flowc.ir.narrow import rounded
from flowc.ir.types import DType, Type, below
from flowc.ops.accumulate import FOLDS, Accumulate, Fetch, accumulate, fetch, i64
from flowc.ops.call import built_ins, call
from flowc.ops.elementwise import mul
from flowc.ops.index import index
from flowc.ops.interpret import run
from flowc.ops.kernel import Reduce
from flowc.ops.reduce import Sum
from flowc.ops.tensor import Read
from flowc.source import Source
from flowc.stages import STAGES, elaborated
from flowc.target import host
from flowc.transforms.verify import verify
from tests.codegen.program import Program

Array = np.ndarray[Any, Any]
Holds = Callable[[Func, Sequence[Array]], None]
N, M = dim(Size("N", 0)), dim(Size("M", 0))
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda _, y: y, "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


def value(hint: str, dtype: DType, *shape: Dim) -> Value:
    return Value(Type(dtype, shape), None, hint)


def op(name: str, *given: Any, **named: Any) -> Any:
    return call(built_ins()[name], given, named)


def one_by_one(x: Array, fold: str, values: Array, at: Array) -> tuple[Array, Array]:
    """The result in Python, in row-major order, and what each place held before; `at[..., :]` is a place."""
    made, before = x.copy(), np.zeros_like(values)
    for n in np.ndindex(values.shape):
        place = tuple(at[n])
        if all(0 <= p < size for p, size in zip(place, x.shape, strict=True)):
            before[n] = made[place]
            made[place] = STEPS[fold](made[place], values[n])
    return made, before


@pytest.mark.parametrize("fold", FOLDS)
def test_values_are_folded_in_one_after_the_other_and_those_outside_left_out(fold: str, holds_natively: Holds) -> None:
    x, u, ids = value("x", DType.f32, N, 70), value("u", DType.f32, M, 70), value("ids", DType.i32, M)

    def rows(i: Dim, j: Dim) -> tuple[Value, list[Dim | Value]]:
        return Read(u, (i, j)).result, [Read(ids, (i,)).result, j]

    def elements(i: Dim, j: Dim) -> tuple[Value, list[Dim | Value]]:
        return Read(u, (i, j)).result, [Read(ids, (i,)).result, Read(ids, (i,)).result]

    random = np.random.default_rng(1)
    for n, m in ((4, 9), (1, 3), (0, 3), (3, 0)):
        arrays = [random.standard_normal((n, 70)).astype(np.float32), random.standard_normal((m, 70)).astype(np.float32)]
        places = random.integers(-2, 6, m).astype(np.int32)
        for made, column in ((rows, np.arange(70)[None]), (elements, places[:, None])):
            fn = func("f", (x, u, ids), (accumulate(x, fold, (M, 70), made),))
            at = np.stack(np.broadcast_arrays(places[:, None], column, np.zeros((m, 70), np.int64))[:2], -1)
            np.testing.assert_array_equal(run(fn, [*arrays, places])[0], one_by_one(arrays[0], fold, arrays[1], at)[0])
            holds_natively(fn, [*arrays, places])


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fetch_gives_what_was_there_before(fold: str, holds_natively: Holds) -> None:
    x, u, ids = value("x", DType.i32, 5), value("u", DType.i32, N), value("ids", DType.i64, N)
    fn = func("f", (x, u, ids), (fetch(x, fold, (N,), lambda i: (Read(u, (i,)).result, [Read(ids, (i,)).result])),))
    random = np.random.default_rng(2)
    arrays = [random.integers(-9, 9, 5).astype(np.int32), random.integers(-9, 9, 30).astype(np.int32), random.integers(-1, 6, 30)]
    np.testing.assert_array_equal(run(fn, arrays)[0], one_by_one(arrays[0], fold, arrays[1], arrays[2][:, None])[1])
    holds_natively(fn, arrays)


def test_an_index_may_end_where_another_says(holds_natively: Holds) -> None:
    x = value("x", DType.f32, N, N)
    rows = Value(below(N), None, "i")
    columns = Value(below(dim(rows) + 1), None, "j")
    element = Read(x, (dim(rows), dim(columns))).result
    region = body((rows, columns), (mul(element, element), i64(dim(columns))), (), (x,))
    fn = func("f", (x,), (Accumulate(op("zeros", [N]), "sum", region).result,))
    array = np.arange(16, dtype=np.float32).reshape(4, 4)
    wanted = np.zeros(4, np.float32)
    for i in range(4):
        for j in range(i + 1):
            wanted[j] += array[i, j] ** 2
    np.testing.assert_array_equal(run(fn, [array])[0], wanted)
    holds_natively(fn, [array])


SCATTER = """graph f(x: f32[N, 130], ids: i64[M], u: f32[M, 130]) -> (y: f32[N, 130]) {
  y = scatter(x, ids, u, reduce="sum")
}
state table: f32[4, 2] = ones()
graph learn(ids: i64[M], u: f32[M, 2]) -> (y: f32[4, 2]) {
  table := scatter(table, ids, u, reduce="sum")
  y = table
}
"""


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(SCATTER)


def test_sums_at_one_place_have_the_same_bits_for_any_number_of_threads(program: Program) -> None:
    random = np.random.default_rng(3)
    x, u = (random.standard_normal((n, 130)).astype(np.float32) for n in (3, 2000))
    ids = random.integers(-3, 3, 2000)
    wanted = x.copy()
    np.add.at(wanted, ids, u)
    tasks: set[int] = set()
    for threads in (0, 1, 2, 3):
        result = program("f", x, ids, u, threads=threads, order=reversed)
        np.testing.assert_array_equal(result.outputs[0], wanted)
        tasks |= {*result.tasks}
    assert max(tasks) > 1


def test_an_index_out_of_range_ends_the_run_with_its_place_and_leaves_the_state(program: Program) -> None:
    before = program.states()
    result = program("learn", [1, 4], np.ones((2, 2)))
    assert (result.code, result.error[2:]) == (2, (4, 4))
    assert result.site == "m.flow:6:12: ids indexes table"
    np.testing.assert_array_equal(program.states()["table"], before["table"])
    assert program("learn", [1, -1, 1], np.ones((3, 2))).code == 0
    np.testing.assert_array_equal(program.states()["table"], [[1, 1], [3, 3], [1, 1], [2, 2]])


def test_nothing_is_written_to_a_tensor_without_elements() -> None:
    text = "dim N in 0..\ngraph f(x: f32[N, 70], ids: i64[M], u: f32[N], v: f32[M]) -> (y: f32[N, 70], z: f32[N]) {\n"
    made = Program(text + "  y = scatter(x, ids, 1.0)\n  z = scatter(u, ids, v)\n}\n")
    result = made("f", np.zeros((0, 70)), [0], np.zeros(0), [1.0])
    assert (result.code, result.error[2:]) == (2, (0, 0))


def test_the_interpreter_tells_the_index_in_the_words_of_the_program() -> None:
    fn = elaborated(Source("m.flow", SCATTER)).func("f")
    with pytest.raises(RunError) as told:
        run(fn, [np.zeros((2, 130)), np.array([0, -3]), np.zeros((2, 130))])
    assert str(told.value) == (
        "m.flow:2:7: error: index out of range: ids indexes x: -3 of 2\n"
        '    y = scatter(x, ids, u, reduce="sum")\n'
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
    )


def test_a_scatter_in_a_scan_changes_what_it_carries_where_it_is() -> None:
    text = """graph f(ids: i64[T], u: f32[T]) -> (y: f32[5]) {
  y = scan (i in ids along 0, v in u along 0; h = zeros([5])) { yield scatter(h, i, v * max(h, axis=0), reduce="sum") + 1.0 }
}
"""
    ids, u = np.array([0, 3, -1, 3, 0]), np.arange(5, dtype=np.float32)
    h = np.zeros(5, np.float32)
    for i, v in zip(ids, u, strict=True):
        h[i] += v * h.max()
        h += 1
    np.testing.assert_array_equal(Program(text)("f", ids, u).outputs[0], h)


def test_the_derivative_of_what_is_set_belongs_to_the_last_that_is_set() -> None:
    x, u, ids = value("x", DType.f64, 3), value("u", DType.f64, 4), value("ids", DType.i64, 4)
    y = op("scatter", x, ids, u)
    dx, du = pullback({y: op("arange", 1, 4, 1, DType.f64)}, [x, u])
    found = run(func("f", (x, u, ids), (dx, du)), [np.zeros(3), np.zeros(4), np.array([2, 0, 2, 0])])
    np.testing.assert_array_equal(found[0], [0, 2, 0])
    np.testing.assert_array_equal(found[1], [0, 0, 3, 1])


def test_the_largest_that_are_equal_share_their_derivative() -> None:
    x, u, ids = value("x", DType.f64, 2), value("u", DType.f64, 3), value("ids", DType.i64, 3)
    y = op("scatter", x, ids, u, reduce="max")
    dx, du = pullback({Sum(y, (0,)).result: op("ones", [], DType.f64)}, [x, u])
    found = run(func("f", (x, u, ids), (dx, du)), [np.array([5.0, 9]), np.array([5.0, 5, 3]), np.array([0, 0, 1])])
    np.testing.assert_allclose(found[0], [1 / 3, 1])
    np.testing.assert_allclose(found[1], [1 / 3, 1 / 3, 0])


def test_a_product_at_places_has_no_derivative_yet() -> None:
    x, ids = value("x", DType.f64, 2), value("ids", DType.i64, 3)
    with pytest.raises(OpError) as told:
        pullback({Sum(op("scatter", x, ids, 2.0, reduce="prod"), (0,)).result: op("ones", [], DType.f64)}, [x])
    assert str(told.value) == "a product of values at places has no derivative yet"


def work(module: Module) -> list[Dim]:
    """What the kernels of a module do, as sizes."""
    for stage in STAGES:
        module = verify(stage.run(module, host()))
    return [cost(fn).work for fn in module.funcs if fn.level == "loops"]


def degree(d: Dim) -> int:
    return max((sum(power for _, power in m) for m in d.terms), default=0) if isinstance(d, Polynomial) else 0


@pytest.mark.parametrize("name", ["nonzero", "argsort", "unique", "take"])
def test_work_grows_as_the_elements_do(name: str) -> None:
    x = value("x", DType.f32, N)
    if name == "take":
        ids = value("ids", DType.i64, N)
        (made,) = pullback({op("take", x, ids): x}, [x])
        params, made = (x, ids), (made,)
    else:
        found = op(name, x)
        params, made = (x,), found if isinstance(found, tuple) else (found,)
    works = work(Module("m", (func("f", params, made),)))
    assert all(degree(w) <= 1 for w in works) and any(degree(w) == 1 for w in works)


@pytest.mark.parametrize("descending", [False, True])
def test_a_sort_of_any_length_is_that_of_numpy(descending: bool) -> None:
    made = Program(
        f"dim N in 0..\ngraph f(x: f32[3, N], y: i64[N]) -> (a: f32[3, N], b: i64[N]) {{\n"
        f"  a = sort(x, descending={str(descending).lower()})\n  b = argsort(y, descending={str(descending).lower()})\n}}\n"
    )
    random = np.random.default_rng(4)
    for n in (0, 1, 2, 63, 64, 65, 257, 5000):
        x, y = random.standard_normal((3, n)).astype(np.float32), random.integers(-9, 9, n) << random.integers(0, 60, n)
        if n > 1:
            x[1, n // 2], x[2, 0] = np.nan, -np.inf
        a, b = made("f", x, y, threads=2).outputs
        numbers = np.sort(np.where(np.isnan(x), -np.inf if descending else np.inf, x))
        wanted = numbers[:, ::-1] if descending else numbers
        np.testing.assert_array_equal(np.isnan(a).sum(1), np.isnan(x).sum(1))
        np.testing.assert_array_equal(np.where(np.isnan(a), wanted, a), wanted)
        np.testing.assert_array_equal(b, np.argsort(~y if descending else y, kind="stable"))


def test_zeros_and_nans_have_their_places_in_the_order() -> None:
    x = value("x", DType.f32, 6)
    fn = func("f", (x,), (op("argsort", x), op("argsort", x, descending=True)))
    up, down = run(fn, [np.array([np.nan, 0.0, -0.0, np.inf, -np.nan, -1])], bits=True)
    np.testing.assert_array_equal(up, [5, 2, 1, 3, 0, 4])
    np.testing.assert_array_equal(down, [3, 1, 2, 5, 0, 4])


def test_few_elements_are_ranked_and_many_counted_by_digits() -> None:
    few, many = (func("f", (x,), (op("argsort", x).op.expand(),)) for x in (value("x", DType.f32, 64), value("x", DType.f32, 65)))
    assert any(isinstance(o, Reduce) for o in walk(few.body)) and not any(isinstance(o, Fetch) for o in walk(few.body))
    assert any(isinstance(o, Fetch) for o in walk(many.body)) and not any(isinstance(o, Reduce) for o in walk(many.body))


def test_what_is_taken_of_the_top_is_checked_where_a_size_is_open() -> None:
    made = Program("graph f(x: f32[N]) -> (a: f32[3], b: i64[3]) {\n  a, b = top_k(x, 3)\n}\n")
    a, b = made("f", [1, 5, 2, 5]).outputs
    np.testing.assert_array_equal(a, [5, 5, 2])
    np.testing.assert_array_equal(b, [1, 3, 2])
    assert made("f", [1, 2]).code == 1


def test_a_running_total_begins_where_a_fold_does() -> None:
    x = value("x", DType.f32, 2)
    fn = func("f", (x,), (op("cumsum", x, 0), op("cummax", x, 0, exclusive=True), op("cumprod", x, 0, exclusive=True, reverse=True)))
    total, largest, rest = run(fn, [np.array([-0.0, 2.0])])
    np.testing.assert_array_equal(np.signbit(total), [False, False])
    np.testing.assert_array_equal(largest, [-np.inf, -0.0])
    np.testing.assert_array_equal(rest, [2, 1])


def test_the_derivative_of_a_running_product_is_right_with_zeros() -> None:
    x = value("x", DType.f64, 4)
    (dx,) = pullback({op("cumprod", x, 0): op("ones", [4], DType.f64)}, [x])
    (found,) = run(func("f", (x,), (dx,)), [np.array([2.0, 0, 3, 5])])
    np.testing.assert_allclose(found, [1, 2 + 6 + 30, 0, 0])


WRONG = [
    ('scatter(x, i, x, reduce="mean")', 'scatter has no reduce "mean": there are set, sum, prod, max, min'),
    ('scatter(x > 0.0, i, true, reduce="sum")', 'scatter with reduce "sum" takes numbers, not bool[N]'),
    ("scatter(x, x, 1.0)", "an index of f32[N] is an integer, not f32[N]"),
    ("scatter(ones([4, 3]), [0, 1], ones([2, 4]))", "updates of scatter are f32[2, 3] here, or repeat to it, not f32[2, 4]"),
    ("scatter(x, i, ones([3, N]))", "updates of scatter are f32[N] here, or repeat to it, not f32[3, N]"),
    ("scatter_nd(x, [[0, 1]], 1.0)", "scatter_nd into f32[N]: 1 axis and 2 ids for each element, in i32[1, 2]"),
    ("scatter_nd(x, i, 1.0)", "ids of scatter_nd have a last axis of known size, unlike i64[N]"),
    ("bincount(x, 3)", "bincount counts integers, not f32[N]"),
    ("histogram(x, N, 0, 1)", "bins of histogram is a number known when the program is compiled, not the size N"),
    ("histogram(x, 0, 0, 1)", "histogram has 1 interval at least, not 0"),
    ("histogram(x, 3, 1, 1)", "histogram goes from a number up to a larger one, not from 1 to 1"),
    ("histogram(x > 0.0, 3, 0, 1)", "histogram takes numbers, not bool[N]"),
    ("cumsum(x, 1)", "f32[N] has no axis 1"),
    ("top_k(ones([3]), 5)[0]", "top_k of f32[3] takes 5 of 3 along axis 0"),
    ("searchsorted(ones([2, 2]), 1.0)", "searchsorted looks in a vector, not in f32[2, 2]"),
    ('searchsorted(x, 1.0, side="middle")', 'side of searchsorted is "left" or "right", not "middle"'),
    ("sort(1.0)", "f32 has no axis -1"),
]


@pytest.mark.parametrize(("made", "message"), WRONG, ids=[made for made, _ in WRONG])
def test_a_wrong_argument_is_told_at_its_call(made: str, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        elaborated(Source("t.flow", f"graph f(x: f32[N], i: i64[N]) -> (y: f32) {{\n  y = sum({made}) as f32\n}}\n"))
    (found,) = refused.value.diagnostics
    assert found.message == message



@pytest.mark.parametrize("bits", [False, True])
def test_a_selection_is_sorted_though_only_the_run_knows_its_size(bits: bool, holds_natively: Holds) -> None:
    x = value("x", DType.i32, N)
    fn = func("f", (x,), (op("sort", index(x, [op("greater", x, 2)])),))
    array = np.random.default_rng(5).integers(-9, 9, 100).astype(np.int32)
    np.testing.assert_array_equal(run(fn, [array], bits=bits)[0], np.sort(array[array > 2]))
    holds_natively(fn, [array])


EVERYWHERE = """graph f(x: f32[N], ids: i64[M], c: bool) -> (y: f32[N], z: f32[N], s: f32[N]) {
  y = if c { yield scatter(x, ids, 1.0, reduce="sum") } else { yield sort(x) }
  z, _ = loop (v = x, n: i32 = 0) while n < 3 limit 10 { yield scatter(sort(v), ids, cumsum(v, 0)[:1], reduce="sum"), n + 1 }
  s = scatter(scatter(x, ids, 2.0), ids, x[:1], reduce="max")
}
graph g(x: f64[N, 4], ids: i64[M]) -> (d: f64[N, 4]) {
  y = take(sort(x, axis=0), ids)
  d = grad(sum(cumprod(y, 0) * y), wrt=[x])
}
graph h(x: bf16[N], ids: i64[M], u: bf16[M]) -> (y: bf16[N], z: bf16[N], s: bf16[N], c: i64[4]) {
  y = scatter(x, ids, u, reduce="sum")
  z = sort(x, descending=true)
  s = cumsum(x, 0)
  c = histogram(x, 4, -1, 1)
}
"""


def test_branches_loops_derivatives_and_narrow_floats_have_the_bits_of_their_graph() -> None:
    made, module, random = Program(EVERYWHERE), elaborated(Source("m.flow", EVERYWHERE)), np.random.default_rng(6)
    bf16 = [rounded(random.standard_normal(n).astype(np.float32), DType.bf16) for n in (80, 5)]
    ids = random.integers(-80, 80, 5)
    given = [("f", random.standard_normal(80).astype(np.float32), ids, np.asarray(c)) for c in (True, False)]
    for name, *arrays in (*given, ("g", random.standard_normal((9, 4)), ids % 9), ("h", bf16[0], ids, bf16[1])):
        for found, wanted in zip(made(name, *arrays, threads=2).outputs, run(module.func(name), arrays, bits=True), strict=True):
            np.testing.assert_array_equal(found, wanted)
