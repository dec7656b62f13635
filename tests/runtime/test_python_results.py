"""Arrays given for the results, and results of a size that only the run knows, in the native call and in the Python call beside it."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc
from flowc.codegen.python_entry import python_entry
from flowc.codegen.signature import Found, Port, Signature, described
from flowc.codegen.sites import Kind
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType
from flowc_runtime.call import Graph
from flowc_runtime.errors import Error
from flowc_runtime.fast import fast_call
from flowc_runtime.signature import signature as read_signature

Address = Callable[[str], int]
Compiler = Callable[[str], Address]
Call = Callable[..., Any]
N = Size("N", 0)
n = dim(N)
X = np.array([4, 7, 2, 2, 9])


def ways(native: Compiler, signature: Signature, code: str) -> dict[str, Call]:
    """The native call and the Python call of a graph that takes no workspace."""
    sizes = "".join("i64 %N, " for _ in signature.sizes)
    workspace = f"define i64 @{signature.symbol}_workspace({sizes}i32 %threads) {{\n  ret i64 0\n}}\n"
    address = native(code + workspace + python_entry(signature))
    graph = Graph(read_signature(described(signature)), address)
    function = fast_call(graph, address(f"{signature.symbol}_python"))
    assert type(function) is type(len)
    return {"native": function, "python": graph}


@pytest.fixture
def no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python call fails the test."""
    monkeypatch.setattr(Graph, "_run", lambda *given: pytest.fail("the Python call was used"))


# y = x, total = a; a = -1 fails.
KEEP = Signature(
    "keep",
    "t_keep",
    (N,),
    (Port("x", DType.i64, (n,)), Port("a", DType.i64, ())),
    (Port("y", DType.i64, (n,)), Port("total", DType.i64, ())),
)
KEEP_CODE = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define i32 @t_keep(i64 %N, ptr %x, i64 %a, ptr %y, ptr %total, ptr %workspace, ptr %context) {
  %bytes = mul i64 %N, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %y, ptr %x, i64 %bytes, i1 false)
  store i64 %a, ptr %total
  %bad = icmp eq i64 %a, -1
  %code = select i1 %bad, i32 4, i32 0
  ret i32 %code
}
"""


@pytest.fixture(scope="module")
def keep(native: Compiler) -> dict[str, Call]:
    return ways(native, KEEP, KEEP_CODE)


@pytest.fixture(params=["native", "python"])
def call(request: pytest.FixtureRequest, keep: dict[str, Call]) -> Call:
    return keep[request.param]


def arrays(size: int = 5) -> tuple[Any, Any]:
    return np.zeros(size, np.int64), np.zeros((), np.int64)


def test_arrays_given_for_results_are_written_and_returned(call: Call) -> None:
    y, total = arrays()
    result = call(X, 3, out=(y, total))
    assert type(result).__name__ == "keep" and result.y is y and result.total is total
    np.testing.assert_array_equal(y, X)
    assert total == 3


def test_out_follows_inputs_given_in_any_way(call: Call) -> None:
    out = arrays()
    given: list[Callable[[int], Any]] = [
        lambda a: call(X, a=a, out=out),
        lambda a: call(x=X, a=a, out=out),
        lambda a: call(out=out, a=a, x=X),
        lambda a: call(X, a, out=[*out]),
        lambda a: call([*X.tolist()], a, out=out),
    ]
    for a, made in enumerate(given):
        out[0][:] = 0
        result = made(a)
        assert result.y is out[0] and result.total is out[1] and result.total == a
        np.testing.assert_array_equal(result.y, X)


def test_the_result_of_either_call_serves_as_out_of_the_other(keep: dict[str, Call]) -> None:
    for first, second in ((keep["native"], keep["python"]), (keep["python"], keep["native"])):
        result = first(X, 1, out=arrays())
        again = second(X, 2, out=result)
        assert type(again) is type(result) and again.y is result.y and result.total == 2


def test_no_out_makes_new_results(call: Call) -> None:
    for result in (call(X, 3, out=None), call(X, 3)):
        assert result.y.flags.owndata and type(result.total) is np.int64
        np.testing.assert_array_equal(result.y, X)


@pytest.mark.usefixtures("no_python")
def test_plain_arrays_given_for_results_stay_native(keep: dict[str, Call]) -> None:
    call, out = keep["native"], arrays()
    for result in (call(X, 3, out=out), call(X, a=3, out=out), call(x=X, a=3, out=out), call(X, 3, out=call(X, 3, out=out))):
        assert result.y is out[0] and result.total is out[1]
    assert call(X, 3, out=None).total == 3


def misaligned() -> Any:
    return np.zeros(41, np.uint8)[1:].view(np.int64)


def frozen() -> Any:
    y = np.zeros(5, np.int64)
    y.flags.writeable = False
    return y


ERRORS = {
    "shape": ((np.zeros(4, np.int64), np.zeros((), np.int64)), "out for y must be i64[5], given i64[4]"),
    "rank": ((np.zeros((5, 1), np.int64), np.zeros((), np.int64)), "out for y must be i64[5], given i64[5, 1]"),
    "scalar": ((np.zeros(5, np.int64), np.zeros(1, np.int64)), "out for total must be i64, given i64[1]"),
    "number": ((np.zeros(5, np.int64), np.int64(3)), "out for total must be i64, given a int64"),
    "dtype": ((np.zeros(5, np.float64), np.zeros((), np.int64)), "out for y must be i64[5], given f64[5]"),
    "count": (np.zeros((2, 5), np.int64), "out has 1 array for 2 results"),
    "too many": ((*arrays(), *arrays()), "out has 4 arrays for 2 results"),
    "none": ((), "out has 0 arrays for 2 results"),
    "strides": ((np.zeros(10, np.int64)[::2], np.zeros((), np.int64)), "out for y must be i64[5], contiguous, aligned and writeable"),
    "misaligned": ((misaligned(), np.zeros((), np.int64)), "out for y must be i64[5], contiguous, aligned and writeable"),
    "read only": ((frozen(), np.zeros((), np.int64)), "out for y must be i64[5], contiguous, aligned and writeable"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", ERRORS)
def test_what_cannot_be_written_is_refused_by_name(call: Call, wrong: str) -> None:
    out, said = ERRORS[wrong]
    with pytest.raises(Error) as caught:
        call(X, 3, out=out)
    assert str(caught.value) == f"keep: {said}"


def test_out_is_given_by_name_only(call: Call) -> None:
    with pytest.raises(Error) as caught:
        call(X, 3, arrays())
    assert str(caught.value) == "keep: takes 2 inputs (x, a), given 3"
    with pytest.raises(Error) as caught:
        call(X, out=arrays())
    assert str(caught.value) == "keep: missing input a: i64"
    with pytest.raises(Error) as caught:
        call(X, 3, outs=arrays())
    assert str(caught.value) == "keep: there is no input outs; inputs: x, a"


def test_a_run_that_fails_raises_with_out(call: Call) -> None:
    with pytest.raises(Error) as caught:
        call(X, -1, out=arrays())
    assert str(caught.value) == "keep: assert failed"


def test_arrays_given_for_results_keep_their_references(keep: dict[str, Call]) -> None:
    call, out, short = keep["native"], arrays(), np.zeros(1, np.int64)
    held = (*out, out, short, X, call)
    before = [sys.getrefcount(thing) for thing in held]
    for _ in range(50):
        call(X, 3, out=out)
        with pytest.raises(Error):
            call(X, -1, out=out)
        with pytest.raises(Error):
            call(X, 3, out=(out[0], short))
    assert [sys.getrefcount(thing) for thing in held] == before


def test_an_input_by_the_name_of_out_is_the_input(native: Compiler) -> None:
    signature = Signature("id", "t_id", (), (Port("out", DType.i64, ()),), (Port("y", DType.i64, ()),))
    code = "define i32 @t_id(i64 %out, ptr %y, ptr %workspace, ptr %context) {\n  store i64 %out, ptr %y\n  ret i32 0\n}\n"
    for call in ways(native, signature, code).values():
        assert call(out=7) == call(7) == 7
        with pytest.raises(Error) as caught:
            call(7, out=np.zeros((), np.int64))
        assert str(caught.value) == "id: input out is given twice"


def test_a_graph_without_results_takes_an_empty_out(native: Compiler) -> None:
    signature = Signature("none", "t_none", (), (Port("x", DType.i64, ()),), ())
    code = "define i32 @t_none(i64 %x, ptr %workspace, ptr %context) {\n  ret i32 0\n}\n"
    for call in ways(native, signature, code).values():
        assert call(7, out=()) is None and call(7) is None
        with pytest.raises(Error) as caught:
            call(7, out=X)
        assert str(caught.value) == "none: out has 1 array for 0 results"


def test_results_that_no_memory_holds_are_an_error_that_tells_the_sizes(native: Compiler) -> None:
    huge = Signature("huge", "t_huge", (N,), (Port("x", DType.i8, (n, 0)),), (Port("y", DType.i64, (n, n)), Port("z", DType.i64, (n,))))
    code = "define i32 @t_huge(i64 %N, ptr %x, ptr %y, ptr %z, ptr %workspace, ptr %context) {\n  ret i32 0\n}\n"
    for call in ways(native, huge, code).values():
        with pytest.raises(Error) as caught:
            call(np.zeros((1 << 28, 0), np.int8))
        assert str(caught.value) == "huge: there is no memory for a run with N = 268435456"


# The even elements of x, as many as there are, each with its double; and x.
FOUND = Size("k", 0)
EVEN = Signature(
    "even",
    "t_even",
    (N,),
    (Port("x", DType.i64, (n,)),),
    (Port("y", DType.i64, (dim(FOUND), 2)), Port("same", DType.i64, (n,))),
    found=(Found(FOUND, 0, n),),
)
EVEN_CODE = """
define i32 @t_even(i64 %N, ptr %x, ptr %y, ptr %count, ptr %same, ptr %workspace, ptr %context) {
entry:
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %i1, %inside ]
  %k = phi i64 [ 0, %entry ], [ %k1, %inside ]
  %more = icmp slt i64 %i, %N
  br i1 %more, label %inside, label %done
inside:
  %x.at = getelementptr i64, ptr %x, i64 %i
  %e = load i64, ptr %x.at
  %same.at = getelementptr i64, ptr %same, i64 %i
  store i64 %e, ptr %same.at
  %y.at = getelementptr [2 x i64], ptr %y, i64 %k
  store i64 %e, ptr %y.at
  %twice = add i64 %e, %e
  %twice.at = getelementptr i64, ptr %y.at, i64 1
  store i64 %twice, ptr %twice.at
  %odd = and i64 %e, 1
  %even = sub i64 1, %odd
  %k1 = add i64 %k, %even
  %i1 = add i64 %i, 1
  br label %each
done:
  store i64 %k, ptr %count
  ret i32 0
}
"""


@pytest.fixture(scope="module")
def even(native: Compiler) -> dict[str, Call]:
    return ways(native, EVEN, EVEN_CODE)


@pytest.mark.parametrize("way", ["native", "python"])
@pytest.mark.parametrize("x", [X, X[:0], X[4:], X[2:4], np.arange(100_000)], ids=["some", "no elements", "none", "all", "many"])
def test_results_of_a_size_found_in_the_run_have_that_size_and_no_more(even: dict[str, Call], way: str, x: Any) -> None:
    result, wanted = even[way](x), x[x % 2 == 0]
    np.testing.assert_array_equal(result.y, np.stack([wanted, 2 * wanted], axis=1))
    np.testing.assert_array_equal(result.same, x)
    assert result.y.flags.owndata and result.y.flags.c_contiguous and result.y.base is None


@pytest.mark.parametrize("way", ["native", "python"])
def test_arrays_given_for_a_size_found_in_the_run_have_its_bound_and_are_sliced(even: dict[str, Call], way: str) -> None:
    y, same = np.zeros((5, 2), np.int64), np.zeros(5, np.int64)
    for x in (X, 2 * X):
        result, wanted = even[way](x, out=(y, same)), x[x % 2 == 0]
        assert result.y.base is y and result.same is same and y.shape == (5, 2)
        np.testing.assert_array_equal(result.y, np.stack([wanted, 2 * wanted], axis=1))
    with pytest.raises(Error) as caught:
        even[way](X, out=(y[:3], same))
    assert str(caught.value) == "even: out for y must be i64[5, 2], given i64[3, 2]"


@pytest.mark.usefixtures("no_python")
def test_a_size_found_in_the_run_stays_native(even: dict[str, Call]) -> None:
    out = np.zeros((5, 2), np.int64), np.zeros(5, np.int64)
    for result in (even["native"](X), even["native"](X, out=out)):
        assert result.y.shape == (3, 2)


def test_results_of_a_size_found_in_the_run_keep_no_references(even: dict[str, Call]) -> None:
    out = np.zeros((5, 2), np.int64), np.zeros(5, np.int64)
    held = (*out, X, np.dtype(np.int64))
    before = [sys.getrefcount(thing) for thing in held]
    for _ in range(50):
        even["native"](X)
        even["native"](X, out=out)
    assert [sys.getrefcount(thing) for thing in held] == before


def test_elements_of_a_result_lie_together_whatever_axis_has_the_size_found(native: Compiler) -> None:
    signature = Signature("wide", "t_wide", (), (), (Port("y", DType.i8, (2, dim(FOUND))),), found=(Found(FOUND, 0, 4),))
    code = """
define i32 @t_wide(ptr %y, ptr %count, ptr %workspace, ptr %context) {
  store i64 578437695752307201, ptr %y
  store i64 3, ptr %count
  ret i32 0
}
"""
    out = np.zeros((2, 4), np.int8)
    for call in ways(native, signature, code).values():
        result = call()
        np.testing.assert_array_equal(result, [[1, 2, 3], [4, 5, 6]])
        assert result.flags.owndata and call(out=out).base is out


SOFT = """flow 1.0
dim N in 1..100

graph soft(x: f32[N, 10]) -> (p: f32[N, 10], label: i64[N]) {
  p = softmax(x, axis=1)
  label = argmax(x, axis=1)
}

graph positive(x: f32[N]) -> f32[?..N] {
  return x[x > 0.0]
}
"""


@pytest.fixture(scope="module")
def model() -> Any:
    return flowc.loads(SOFT, options=flowc.Options(cache=False, threads=1))


def test_a_model_writes_what_it_gives_into_arrays(model: Any) -> None:
    x = np.random.default_rng(1).standard_normal((7, 10), np.float32)
    out = np.empty((7, 10), np.float32), np.empty(7, np.int64)
    wanted, result = model.soft(x), model.soft(x=x, out=out)
    assert result.p is out[0] and result.label is out[1]
    np.testing.assert_array_equal(out[0], wanted.p)
    np.testing.assert_array_equal(out[1], np.argmax(x, axis=1))


def test_a_model_gives_results_of_a_size_found_in_the_run(model: Any) -> None:
    x, y = np.array([1, -2, 3, 0], np.float32), np.empty(4, np.float32)
    np.testing.assert_array_equal(model.positive(x), [1, 3])
    np.testing.assert_array_equal(model.positive(x, out=y), [1, 3])


def test_a_model_does_not_write_over_what_it_reads(model: Any) -> None:
    x, label = np.zeros((7, 10), np.float32), np.empty(7, np.int64)
    told: list[str] = []
    for out in ((x, label), [x, label]):  # natively, and by way of Python
        with pytest.raises(flowc.RunError) as caught:
            model.soft(x, out=out)
        assert caught.value.code == Kind.OVERLAP
        told.append(str(caught.value))
    assert told[0] == told[1] and "soft's p and soft's x overlap" in told[0]
