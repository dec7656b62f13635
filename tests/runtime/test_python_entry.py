"""The native call from Python and the Python call beside it give the same, whatever they are given."""

import gc
import sys
import threading
import timeit
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flowc.codegen.python_entry import passed, python_entry
from flowc.codegen.signature import Port, Signature, described, reads
from flowc.ir.dims import Size, dim, floor
from flowc.ir.types import DType
from flowc_runtime.call import Graph
from flowc_runtime.errors import Error
from flowc_runtime.fast import fast_call
from flowc_runtime.locks import State
from flowc_runtime.signature import signature as read_signature

Address = Callable[[str], int]
Compiler = Callable[[str], Address]
N, M = Size("N", 1, 4096), Size("M", 0)
n, m = dim(N), dim(M)

# y = a * x by way of the workspace; a = -1 fails at site 0 with index 7 and bound 5.
SCALE = Signature("scale", "t_scale", (N,), (Port("x", DType.f32, (n,)), Port("a", DType.f32, ())), (Port("y", DType.f32, (n,)),))
SCALE_CODE = """
define i64 @t_scale_workspace(i64 %N, i32 %threads) {
  %bytes = mul i64 %N, 4
  ret i64 %bytes
}
define i32 @t_scale(i64 %N, ptr %x, float %a, ptr %y, ptr %workspace, ptr %context) {
entry:
  %bad = fcmp oeq float %a, -1.0
  br i1 %bad, label %fail, label %first
fail:
  %error.at = getelementptr i64, ptr %context, i64 3
  %error = load ptr, ptr %error.at
  store i64 2, ptr %error
  %index.at = getelementptr i64, ptr %error, i64 1
  store i64 7, ptr %index.at
  %bound.at = getelementptr i64, ptr %error, i64 2
  store i64 5, ptr %bound.at
  ret i32 2
first:
  %i = phi i64 [ 0, %entry ], [ %i1, %first ]
  %x.at = getelementptr float, ptr %x, i64 %i
  %w.at = getelementptr float, ptr %workspace, i64 %i
  %e = load float, ptr %x.at
  %product = fmul float %e, %a
  store float %product, ptr %w.at, align 4
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %N
  br i1 %more, label %first, label %second
second:
  %j = phi i64 [ 0, %first ], [ %j1, %second ]
  %v.at = getelementptr float, ptr %workspace, i64 %j
  %y.at = getelementptr float, ptr %y, i64 %j
  %v = load float, ptr %v.at
  store float %v, ptr %y.at
  %j1 = add i64 %j, 1
  %again = icmp slt i64 %j1, %N
  br i1 %again, label %second, label %done
done:
  ret i32 0
}
"""
X = np.arange(4, dtype=np.float32)


@pytest.fixture(scope="module")
def scale(native: Compiler) -> Graph:
    return Graph(read_signature(described(SCALE)), native(SCALE_CODE + python_entry(SCALE)), sites=("m.flow:3:5: x indexes y",))


@pytest.fixture(params=["native", "python"])
def call(request: pytest.FixtureRequest, scale: Graph) -> Callable[..., Any]:
    return bound(scale) if request.param == "native" else scale


def bound(graph: Graph) -> Callable[..., Any]:
    """The graph as a built-in function."""
    function = fast_call(graph, graph.address(graph.signature.symbol + "_python"))
    assert type(function) is type(len)
    return function


@pytest.mark.parametrize("a", [2.0, np.float32(2), np.array(2, np.float32), 2], ids=["float", "scalar", "array", "int"])
def test_arrays_and_numbers_give_an_array(call: Callable[..., Any], a: object) -> None:
    y = call(X, a)
    assert type(y) is np.ndarray and y.dtype == np.float32 and y.flags.c_contiguous and y.flags.owndata
    np.testing.assert_array_equal(y, X * 2)


@pytest.mark.parametrize("size", [1, 100, 4096, 3])
def test_every_size_of_the_range_runs(call: Callable[..., Any], size: int) -> None:
    x = np.linspace(0, 1, size, dtype=np.float32)
    np.testing.assert_array_equal(call(x, 0.5), x / 2)


def test_inputs_may_be_named_lists_and_strided(call: Callable[..., Any]) -> None:
    named = (call(a=3.0, x=X), call(x=X, a=3.0), call(X, a=3))
    for y in (*named, call([0, 1, 2, 3], 3), call(np.repeat(X, 2)[::2], 3.0), call(X.astype(">f4"), 3.0)):
        np.testing.assert_array_equal(y, X * 3)


def test_plain_arguments_given_by_name_in_order_stay_native(scale: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    call = bound(scale)
    monkeypatch.setattr(Graph, "_run", lambda *given: pytest.fail("the Python call was used"))
    for y in (call(X, 2), call(X, a=2.0), call(x=X, a=np.float32(2))):
        np.testing.assert_array_equal(y, X * 2)


ERRORS = {
    "missing": (lambda f: f(X), "scale: missing input a: f32"),
    "all missing": (lambda f: f(), "scale: missing inputs x: f32[N], a: f32"),
    "too many": (lambda f: f(X, 1.0, 2.0), "scale: takes 2 inputs (x, a), given 3"),
    "twice": (lambda f: f(X, 1.0, x=X), "scale: input x is given twice"),
    "unknown": (lambda f: f(X, 1.0, xs=X), "scale: there is no input xs, did you mean x?; inputs: x, a"),
    "dtype": (
        lambda f: f(X.astype(np.float64), 1.0),
        "scale: input x: f32[N]: given f64[4]: convert it with .astype(numpy.float32)",
    ),
    "rank": (lambda f: f(X.reshape(2, 2), 1.0), "scale: input x: f32[N]: given f32[2, 2]: 2 axes, 1 wanted"),
    "scalar rank": (lambda f: f(X, X), "scale: input a: f32: given f32[4]: 1 axis, 0 wanted"),
    "range": (lambda f: f(X[:0], 1.0), "scale: N is 0, outside 1..4096: input x: f32[N] given f32[0]"),
    "run": (lambda f: f(X, -1.0), "scale: m.flow:3:5: x indexes y: index out of range: 7, the bound is 5"),
}


@pytest.mark.parametrize("wrong", ERRORS)
def test_errors_name_both_sides(call: Callable[..., Any], wrong: str) -> None:
    attempt, said = ERRORS[wrong]
    with pytest.raises(Error) as caught:
        attempt(call)
    assert str(caught.value) == said


# Sizes by formulas; two results and one of rank 0.
PAIR = Signature(
    "pair",
    "t_pair",
    (N, M),
    (Port("x", DType.i64, (2 * n + m, n)), Port("y", DType.u8, (m, floor(n, 2)))),
    (Port("sizes", DType.i64, (2,)), Port("h.total", DType.i64, ())),
)
PAIR_CODE = """
define i64 @t_pair_workspace(i64 %N, i64 %M, i32 %threads) {
  ret i64 0
}
define i32 @t_pair(i64 %N, i64 %M, ptr %x, ptr %y, ptr %sizes, ptr %total, ptr %workspace, ptr %context) {
  store i64 %N, ptr %sizes
  %second = getelementptr i64, ptr %sizes, i64 1
  store i64 %M, ptr %second
  %sum = add i64 %N, %M
  store i64 %sum, ptr %total
  ret i32 0
}
"""


@pytest.mark.parametrize("way", ["native", "python"])
def test_sizes_follow_from_formulas_and_results_are_named(native: Compiler, way: str) -> None:
    graph = Graph(read_signature(described(PAIR)), native("declare i64 @llvm.smin.i64(i64, i64)\n" + PAIR_CODE + python_entry(PAIR)))
    call = bound(graph) if way == "native" else graph
    result = call(np.zeros((13, 5), np.int64), np.zeros((3, 2), np.uint8))
    assert type(result).__name__ == "pair" and result._fields == ("sizes", "h_total")
    np.testing.assert_array_equal(result.sizes, [5, 3])
    assert type(result.h_total) is np.int64 and result.h_total == 8
    with pytest.raises(Error) as caught:
        call(np.zeros((13, 5), np.int64), np.zeros((3, 3), np.uint8))
    assert str(caught.value) == "pair: input y: u8[M, (N // 2)]: given u8[3, 3]: axis 1 is 3, (N // 2) is 2: N is 5 by input x"


def test_a_size_that_no_input_gives_is_an_error_of_the_signature() -> None:
    with pytest.raises(ValueError) as caught:
        reads(replace(PAIR, inputs=(Port("x", DType.i64, (n * m, n)), Port("y", DType.u8, (floor(m, 2),)))))
    assert str(caught.value) == "pair: the shapes of the inputs do not give M: x: i64[M*N, N], y: u8[(M // 2)]"


def identity(dtype: DType) -> tuple[Signature, str]:
    """A graph that gives back its input of rank 0."""
    symbol, stored = f"t_same_{dtype.value}", passed(dtype).split()[0]
    text = f"""
define i64 @{symbol}_workspace(i32 %threads) {{
  ret i64 0
}}
define i32 @{symbol}({passed(dtype)} %x, ptr %y, ptr %workspace, ptr %context) {{
  store {stored} %x, ptr %y
  ret i32 0
}}
"""
    return Signature("same", symbol, (), (Port("x", dtype, ()),), (Port("y", dtype, ()),), work=1), text


VALUES: dict[DType, tuple[object, ...]] = {
    DType.bool: (True, False, np.True_),
    DType.i8: (-128, 127, np.int8(-3)),
    DType.u8: (0, 255, np.uint8(200)),
    DType.i16: (-32768, 32767, np.int16(-3)),
    DType.u16: (65535, np.uint16(40000)),
    DType.i32: (-(2**31), 2**31 - 1, np.int32(-3)),
    DType.u32: (2**32 - 1, np.uint32(7)),
    DType.i64: (-(2**63), 2**63 - 1, np.int64(-3)),
    DType.u64: (2**64 - 1, 5, np.uint64(2**63)),
    DType.f16: (1.5, np.float16(-0.0), 3),
    DType.bf16: (1.5, ml_dtypes.bfloat16(2.5), 3),
    DType.f32: (0.1, np.float32(0.1), np.inf, 3, -(2**24) - 1, 2**53),
    DType.f64: (0.1, np.float64(0.1), -0.0, 3, 2**53 + 2),
}


@pytest.mark.parametrize("dtype", VALUES, ids=lambda dtype: dtype.value)
def test_scalars_of_every_type_go_in_and_out(native: Compiler, dtype: DType) -> None:
    signature, text = identity(dtype)
    graph = Graph(read_signature(described(signature)), native(text + python_entry(signature)))
    for call in (bound(graph), graph):
        for value in VALUES[dtype]:
            for given in (value, np.array(value, np.dtype(ml_dtypes.bfloat16) if dtype is DType.bf16 else dtype.numpy)):
                result = call(given)
                assert isinstance(result, np.generic) and result.dtype == np.asarray(result).dtype
                assert result.tobytes() == np.array(value, result.dtype).tobytes(), (call, value, result)


@pytest.mark.parametrize(("dtype", "value"), [(DType.i8, 128), (DType.u8, -1), (DType.u64, -1), (DType.u32, 2**32), (DType.i64, 2**63)])
def test_integers_that_do_not_fit_are_refused(native: Compiler, dtype: DType, value: int) -> None:
    signature, text = identity(dtype)
    graph = Graph(read_signature(described(signature)), native(text + python_entry(signature)))
    low, high = dtype.limits()
    for call in (bound(graph), graph):
        with pytest.raises(Error) as caught:
            call(value)
        assert str(caught.value) == f"same: input x: {dtype.value}: given {value}, which does not fit: {dtype.value} holds {low}..{high}"


# A count in the state; each run adds x, with a moment in which another could come between.
COUNT = Signature("count", "t_count", (), (Port("x", DType.i64, ()),), (), stateful=True)
COUNT_CODE = """
define i64 @t_count_workspace(i32 %threads) {
  ret i64 64
}
define i32 @t_count(ptr %state, i64 %x, ptr %workspace, ptr %context) {
entry:
  %old = load volatile i64, ptr %state
  store i64 %old, ptr %workspace
  br label %wait
wait:
  %i = phi i64 [ 0, %entry ], [ %i1, %wait ]
  %i1 = add i64 %i, 1
  %kept = load volatile i64, ptr %workspace
  %more = icmp slt i64 %i1, 2000
  br i1 %more, label %wait, label %done
done:
  %sum = add i64 %kept, %x
  store volatile i64 %sum, ptr %state
  ret i32 0
}
"""


def test_runs_with_state_take_turns_on_both_ways(native: Compiler) -> None:
    state = State(8)
    graph = Graph(read_signature(described(COUNT)), native(COUNT_CODE + python_entry(COUNT)), state=state)
    calls = (bound(graph), graph, bound(graph))
    assert [call(1) for call in calls] == [None, None, None]
    threads = [threading.Thread(target=lambda call=call: [call(1) for _ in range(300)]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.memory.bytes.view(np.int64)[0] == 903


def test_a_graph_with_state_needs_one(native: Compiler) -> None:
    with pytest.raises(ValueError, match=r"^count has state: pass one$"):
        Graph(read_signature(described(COUNT)), native(COUNT_CODE + python_entry(COUNT)))


def test_calls_from_several_threads_do_not_share_a_workspace(scale: Graph) -> None:
    native_call, wrong = bound(scale), list[int]()

    def repeat(factor: int, call: Callable[..., Any]) -> None:
        x = np.arange(4096, dtype=np.float32)
        for _ in range(200):
            if not np.array_equal(call(x, float(factor)), x * factor):
                wrong.append(factor)

    threads = [threading.Thread(target=repeat, args=(k, scale if k == 3 else native_call)) for k in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_call_leaves_no_references_behind(scale: Graph) -> None:
    call = bound(scale)
    held = (X, np.dtype(np.float32), call)
    call(X, 2.0)
    gc.collect()
    before = [sys.getrefcount(thing) for thing in held]
    for _ in range(50):
        call(X, 2.0)
        with pytest.raises(Error):
            call(X, -1.0)
        with pytest.raises(Error):
            call(X[:0], 1.0)
    gc.collect()
    assert [sys.getrefcount(thing) for thing in held] == before


def test_a_graph_and_its_native_call_are_freed_together(native: Compiler) -> None:
    graph = Graph(read_signature(described(SCALE)), native(SCALE_CODE + python_entry(SCALE)))
    graph.native = call = bound(graph)  # pyright: ignore[reportAttributeAccessIssue]
    call(X, 2.0)
    gone = weakref.ref(graph)
    del graph, call
    gc.collect()
    assert gone() is None


def test_the_native_call_costs_less_than_a_microsecond_more_than_two_additions_of_numpy(scale: Graph) -> None:
    call = bound(scale)
    native = min(timeit.repeat(lambda: call(X, 2.0), number=2000, repeat=7)) / 2000
    numpy = min(timeit.repeat(lambda: np.add(X, X), number=2000, repeat=7)) / 2000
    assert native < 2 * numpy + 1e-6
