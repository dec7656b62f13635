"""Programs mean what the language says: each construct is run by the interpreter and compared with numpy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from flowc.errors import RunError
from flowc.ir.core import Module
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.ops.interpret import initial_state, run
from flowc.source import Source
from flowc.transforms.verify import verify

Array = np.ndarray[Any, Any]
X = np.array([0.5, -1.0, 2.0, 0.0, -3.5, 4.25, 1.0], np.float32)
M = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
IDS = np.array([2, 0, -1, 3])


def module(text: str) -> Module:
    source = Source("m.flow", text)
    return verify(elaborate(parse(source), source))


def results(text: str, *arrays: Any) -> list[Array]:
    """The results of the program's graph f."""
    return run(module(text).func("f"), arrays, {})


def value(signature: str, expression: str, *arrays: Any, result: str) -> Array:
    """An expression of a graph's inputs."""
    (found,) = results(f"graph f({signature}) -> (y: {result}) {{\n  y = {expression}\n}}\n", *arrays)
    return found


def defined(signature: str, left: str, right: str, *arrays: Any, result: str) -> Array:
    """A definition by index of a graph's inputs."""
    (found,) = results(f"dim Z in 0..9\ngraph f({signature}) -> (r: {result}) {{\n  {left} = {right}\n  r = y\n}}\n", *arrays)
    return found


EXPRESSIONS: Mapping[str, tuple[str, str, str, tuple[Array, ...], Callable[..., Any]]] = {
    "precedence": ("x: f32[N]", "-x ** 2.0 * 2.0 + 1.0", "f32[N]", (X,), lambda x: -(x**2) * 2 + 1),
    "logic": ("x: f32[N]", "x > 0.0 && !(x >= 2.0) || x == -1.0", "bool[N]", (X,), lambda x: ((x > 0) & ~(x >= 2)) | (x == -1)),
    "matrix times vector": ("m: f32[3, 4], v: f32[4]", "m @ v", "f32[3]", (M, X[:4]), lambda m, v: m @ v),
    "cast binds tightest": ("i: u8[3]", "i as f32 / 2.0", "f32[3]", (np.array([1, 2, 255], np.uint8),), lambda i: i.astype("f") / 2),
    "float to integer": ("x: f32[N]", "x as i32", "i32[N]", (X,), lambda x: x.astype(np.int32)),
    "negative index": ("m: f32[3, 4]", "m[-1]", "f32[4]", (M,), lambda m: m[-1]),
    "slices with steps": ("m: f32[3, 4]", "m[::-1, 1:4:2]", "f32[3, 2]", (M,), lambda m: m[::-1, 1:4:2]),
    "slice cut to a size": ("x: f32[N]", "x[:4]", "f32[min(N, 4)]", (X,), lambda x: x[:4]),
    "new axis": ("x: f32[N]", "x[:, new] - x", "f32[N, N]", (X,), lambda x: x[:, None] - x),
    "ellipsis": ("m: f32[3, 4]", "m[..., 2]", "f32[3]", (M,), lambda m: m[..., 2]),
    "integer tensor": ("x: f32[N], i: i64[4]", "x[i]", "f32[4]", (X, IDS), lambda x, i: x[i]),
    "mask": ("x: f32[N]", "x[x > 0.0]", "f32[?..N]", (X,), lambda x: x[x > 0]),
    "nonzero": ("x: f32[N]", "nonzero(x)", "i64[?..N]", (X,), lambda x: np.nonzero(x)[0]),
    "reduction by keyword": ("m: f32[3, 4]", "max(m, axis=1, keepdims=true)", "f32[3, 1]", (M,), lambda m: m.max(1, keepdims=True)),
    "count of bool": ("x: f32[N]", "sum(x > 0.0)", "i64", (X,), lambda x: (x > 0).sum()),
    "size beside floats": ("x: f32[N]", "sum(x) / N", "f32", (X,), lambda x: np.float32(x.sum() / 7)),
    "size alone": ("x: f32[N]", "(N + 1) // 2 * size(x, 0) - rank(x)", "i64", (X,), lambda x: 4 * 7 - 1),
    "min of sizes": ("x: f32[N]", "x * min(N, 3)", "f32[N]", (X,), lambda x: x * 3),
    "list of values": ("x: f32[N]", "[x[0], 2.0, x[1]]", "f32[3]", (X,), lambda x: np.array([x[0], 2, x[1]])),
    "list beside a tensor": ("i: i64[4]", "i == [2, 0, 5, 3]", "bool[4]", (IDS,), lambda i: i == [2, 0, 5, 3]),
    "hexadecimal and digits": ("i: i64[4]", "i + 0xff - 1_000", "i64[4]", (IDS,), lambda i: i + 255 - 1000),
    "pi": ("x: f64[2]", "x * pi", "f64[2]", (np.array([1.0, 2.0]),), lambda x: x * np.pi),
    "exact product of literals": ("x: f64[2]", "x + 1_000_003 * 1_000_003", "f64[2]", (np.zeros(2),), lambda x: x + 1000003**2),
    "floor and remainder of literals": ("i: i64[4]", "i * (-7 // 2) + -7 % 3", "i64[4]", (IDS,), lambda i: i * -4 + 2),
    "nothing divided": ("i: i64[4]", "i // 0 + i % 0 + 5 // 0", "i64[4]", (IDS,), lambda i: i * 0),
}


@pytest.mark.parametrize("case", EXPRESSIONS)
def test_expression_is_what_numpy_says(case: str) -> None:
    signature, expression, result, arrays, expected = EXPRESSIONS[case]
    found = value(signature, expression, *arrays, result=result)
    np.testing.assert_allclose(found, expected(*arrays), rtol=1e-6)
    assert np.shape(found) == np.shape(expected(*arrays))


DEFINITIONS: Mapping[str, tuple[str, str, str, str, tuple[Array, ...], Callable[..., Any]]] = {
    "transposed": ("m: f32[3, 4]", "y[i, j]", "m[j, i]", "f32[4, 3]", (M,), lambda m: m.T),
    "matmul": ("a: f32[3, K], b: f32[K, 3]", "y[i, j]", "reduce sum k: a[i, k] * b[k, j]", "f32[3, 3]", (M, M.T), lambda a, b: a @ b),
    "correlation": (
       "x: f32[N], k: f32[4]", "y[i]", "reduce sum u: x[i + u] * k[u]", "f32[N - 3]", (X, X[:4]), lambda x, k: np.correlate(x, k),
    ),
    "every second": ("x: f32[N]", "y[i]", "x[2 * i]", "f32[(N + 1) / 2]", (X,), lambda x: x[::2]),
    "reversed": ("x: f32[N]", "y[i]", "x[N - 1 - i]", "f32[N]", (X,), lambda x: x[::-1]),
    "prefix sums": ("x: f32[N]", "y[i in 0..N]", "reduce sum k in 0..i + 1: x[k]", "f32[N]", (X,), np.cumsum),
    "suffix maxima": (
        "x: f32[N]", "y[i in 0..N]", "reduce max k in i..N: x[k]", "f32[N]", (X,), lambda x: np.maximum.accumulate(x[::-1])[::-1],
    ),
    "shifted by a condition": (
        "x: f32[N]", "y[i in 0..N]", "if i > 2 { yield x[i - 3] } else { yield 0.0 }", "f32[N]", (X,), lambda x: np.r_[0, 0, 0, x[:4]],
    ),
    "two conditions": (
        "x: f32[N]", "y[i in 0..N]", "if i > 0 && i < N - 1 { yield x[i - 1] + x[i + 1] } else { yield x[i] }", "f32[N]", (X,),
        lambda x: np.r_[x[0], x[:-2] + x[2:], x[-1]],
    ),
    "other side of a condition": (
        "x: f32[N]", "y[i in 0..N]", "if i == N - 1 || i < 1 { yield 0.0 } else { yield x[i - 1] }", "f32[N]", (X,),
        lambda x: np.r_[0, x[:5], 0],
    ),
    "else if": (
        "x: f32[N]", "y[i in 0..N]", "if i < 2 { yield 1.0 } else if x[i] > 0.0 { yield 2.0 } else { yield x[i - 2] }", "f32[N]", (X,),
        lambda x: np.where(np.arange(7) < 2, 1, np.where(x > 0, 2, np.roll(x, 2))),
    ),
    "zero beyond": ("x: f32[N]", "y[i in 0..N]", "at(x, i - 2, outside=0.0)", "f32[N]", (X,), lambda x: np.r_[0, 0, x[:5]]),
    "value beyond": ("x: f32[N]", "y[i in 0..N]", "at(x, i + 3, outside=-1.0)", "f32[N]", (X,), lambda x: np.r_[x[3:], -1, -1, -1]),
    "clamp": ("x: f32[N]", "y[i in 0..N + 4]", 'at(x, i - 2, outside="clamp")', "f32[N + 4]", (X,), lambda x: np.pad(x, 2, mode="edge")),
    "wrap": ("x: f32[N]", "y[i in 0..N + 20]", 'at(x, i - 10, outside="wrap")', "f32[N + 20]", (X,), lambda x: np.pad(x, 10, mode="wrap")),
    "reflect": (
        "x: f32[N]", "y[i in 0..N + 40]", 'at(x, i - 20, outside="reflect")', "f32[N + 40]", (X,), lambda x: np.pad(x, 20, mode="reflect"),
    ),
    "gather": ("x: f32[N], t: i64[4]", "y[i]", "x[t[i]] * 2.0", "f32[4]", (X, IDS), lambda x, t: x[t] * 2),
    "gather under a condition": (
        "x: f32[N], t: i64[4]", "y[i]", "if t[i] < 100 { yield x[t[i]] } else { yield -1.0 }", "f32[4]", (X, np.array([2, 100, -1, 500])),
        lambda x, t: np.array([x[2], -1, x[-1], -1]),
    ),
    "gather from an axis that may be empty": (
        "x: f32[Z], t: i64[4]", "y[i]", "if t[i] < 100 { yield x[t[i]] } else { yield -1.0 }", "f32[4]",
        (np.zeros(0, np.float32), np.array([200, 100, 300, 500])), lambda x, t: np.full(4, -1.0),
    ),
    "value beyond, where computed": (
        "x: f32[N], t: i64[4]", "y[i]", "at(x, t[i], outside=-1.0)", "f32[4]", (X, np.array([-1, 0, 6, 7])),
        lambda x, t: np.array([-1, x[0], x[6], -1]),
    ),
    "value beyond an empty axis": (
        "x: f32[Z], t: i32[4]", "y[i]", "at(x, t[i], outside=5.0)", "f32[4]", (np.zeros(0, np.float32), np.arange(4, dtype=np.int32)),
        lambda x, t: np.full(4, 5.0),
    ),
    "zero beyond, computed beside an index": (
        "m: f32[3, 4], t: i64[3]", "y[i, j in 0..6]", "at(m, t[i], j - 1, outside=0.0)", "f32[3, 6]", (M, np.array([2, 3, 0])),
        lambda m, t: np.pad(np.stack([m[2], 0 * m[2], m[0]]), ((0, 0), (1, 1))),
    ),
    "clamp, where computed": (
        "x: f32[N], t: i32[5]", "y[i]", 'at(x, t[i] + 1, outside="clamp")', "f32[5]", (X, np.array([-9, -1, 3, 5, 90], np.int32)),
        lambda x, t: x[np.clip(t + 1, 0, 6)],
    ),
    "wrap, where computed": (
        "x: f32[N], t: i64[5]", "y[i]", 'at(x, t[i], outside="wrap")', "f32[5]", (X, np.array([-9, -1, 3, 7, 90])), lambda x, t: x[t % 7],
    ),
    "reflect, where computed": (
        "x: f32[N], t: i64[50]", "y[i]", 'at(x, t[i], outside="reflect")', "f32[50]", (X, np.arange(50) - 20),
        lambda x, t: np.pad(x, (20, 30), mode="reflect")[:50],
    ),
    "reflect one, where computed": (
        "x: f32[1], t: i64[3]", "y[i]", 'at(x, t[i], outside="reflect")', "f32[3]", (X[:1], np.array([-4, 0, 3])),
        lambda x, t: x[[0, 0, 0]],
    ),
    "two reducers": (
        "m: f32[3, 4]", "y[i]", "(reduce max j: m[i, j]) - (reduce min j, k in 1..3: m[i, j] * m[k, j])", "f32[3]", (M,),
        lambda m: m.max(1) - np.array([min((m[i] * m[1]).min(), (m[i] * m[2]).min()) for i in range(3)]),
    ),
    "product and all": (
        "m: f32[3, 4]", "y[j]",
        "if (reduce all i: m[i, j] < 5.0) { yield reduce prod i in 1..3: m[i, j] } else { yield 0.0 }", "f32[4]", (M,),
        lambda m: np.where((m < 5).all(0), m[1] * m[2], 0),
    ),
    "index as a number": ("x: f32[N]", "y[i]", "x[i] + (i * i % 3) as f32", "f32[N]", (X,), lambda x: x + np.arange(7) ** 2 % 3),
    "rows and a scalar": (
        "m: f32[3, 4], s: f32", "y[i, j]", "m[i, j] / s + sum(m)", "f32[3, 4]", (M, np.float32(2)), lambda m, s: m / s + m.sum(),
    ),
    "count": ("m: f32[3, 4]", "y[i]", "reduce sum j: m[i, j] > 0.0", "i64[3]", (M,), lambda m: (m > 0).sum(1)),
    "any of a box": (
        "m: f32[3, 4]", "y[i in 0..1]", "reduce any a, b: m[a, b] > 5.5", "bool[1]", (M,), lambda m: np.array([(m > 5.5).any()]),
    ),
    "sum of sums": ("m: f32[3, 4]", "y[i]", "reduce sum j: (reduce sum k: m[i, k] * m[j, k])", "f32[3]", (M,), lambda m: (m @ m.T).sum(1)),
    "later start": ("x: f32[N]", "y[i in 0..1]", "reduce sum k in 1..N: x[k]", "f32[1]", (X,), lambda x: np.array([x[1:].sum()])),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFINITIONS)
def test_definition_by_index_is_what_numpy_says(case: str) -> None:
    signature, left, right, result, arrays, expected = DEFINITIONS[case]
    found = defined(signature, left, right, *arrays, result=result)
    np.testing.assert_allclose(found, expected(*arrays), rtol=1e-5)
    assert np.shape(found) == np.shape(expected(*arrays))


def test_contraction_by_index_has_the_bits_of_matmul() -> None:
    body = "  a[i, j] = reduce sum k: x[i, k] * w[k, j]\n  b = x @ w\n"
    text = f"graph f(x: f32[N, K], w: f32[K, M]) -> (a: f32[N, M], b: f32[N, M]) {{\n{body}}}\n"
    draw = np.random.default_rng(1)
    arrays = [draw.normal(size=(3, 70)).astype("f"), draw.normal(size=(70, 5)).astype("f")]
    a, b = run(module(text).func("f"), arrays, {}, bits=True)
    assert a.tobytes() == b.tobytes()


def test_only_the_side_of_an_if_that_holds_runs() -> None:
    text = "graph f(x: f32[3], i: i64, c: bool) -> (y: f32) {\n  y = if c { yield x[i] } else { yield 0.0 }\n}\n"
    x = X[:3]
    assert results(text, x, 7, False) == [0]
    assert results(text, x, -1, True) == [x[2]]
    with pytest.raises(RunError, match="i indexes x"):
        results(text, x, 7, True)


def test_loop_gives_its_last_carries_and_ends_at_its_limit() -> None:
    text = "graph f(n: i64) -> (a: i64, b: i64) {\n  a, b = loop (a = 0 as i64, b = 1 as i64) while b < n limit 10 { yield b, a + b }\n}\n"
    assert results(text, 50) == [34, 55]
    with pytest.raises(RunError) as ended:
        results(text, 1000)
    assert "limit" in str(ended.value)


def test_loops_and_ifs_nest() -> None:
    text = """graph f(x: f32[N], n: i64) -> (y: f32[N]) {
  y, i = loop (v = x, i: i64 = 0) while i < n {
    t, j = loop (q = v, j: i64 = 0) while j < i { yield q + 1.0, j + 1 }
    r = if i % 2 == 0 { yield t } else { yield t * 2.0 }
    yield r, i + 1
  }
}
"""
    expected = X.copy()
    for i in range(5):
        expected = (expected + i) * (1 if i % 2 == 0 else 2)
    np.testing.assert_array_equal(results(text, X, 5)[0], expected)


STATE = """param w: f32[2] = ones()
state n: i64[] = 3
state left: f32[2]

fn bump(by: i64) -> i64 {
  n := n + by
  return n
}

graph step(g: f32[2], c: bool) -> (before: i64) {
  before = if c {
    w := w - g
    yield bump(10)
  } else { yield -1 }
}

graph checked(g: f32[2]) -> (y: f32[2]) {
  w := g
  assert all(g > 0.0), "positive"
  y = w
}
"""


def test_writes_see_the_values_from_before_the_run_and_only_the_side_that_runs_writes() -> None:
    made = module(STATE)
    state = initial_state(made)
    assert sorted(state) == ["n", "w"] and state["n"] == 3
    g = np.array([0.25, 0.5], np.float32)
    assert run(made.func("step"), [g, True], state) == [3]
    np.testing.assert_array_equal(state["w"], [0.75, 0.5])
    assert state["n"] == 13
    assert run(made.func("step"), [g, False], state) == [-1]
    np.testing.assert_array_equal(state["w"], [0.75, 0.5])


def test_run_that_fails_a_check_leaves_the_state() -> None:
    made = module(STATE)
    state = initial_state(made)
    with pytest.raises(RunError, match="positive"):
        run(made.func("checked"), [np.array([1.0, -1.0], np.float32)], state)
    np.testing.assert_array_equal(state["w"], [1, 1])
    (y,) = run(made.func("checked"), [np.array([5.0, 6.0], np.float32)], state)
    np.testing.assert_array_equal(y, [1, 1])
    np.testing.assert_array_equal(state["w"], [5, 6])


def test_sizes_that_need_not_be_equal_are_checked_at_entry() -> None:
    text = "graph f(x: f32[N], y: f32[M]) -> (z: f32[N]) { z = x + y }\n"
    np.testing.assert_array_equal(results(text, X, X)[0], X + X)
    with pytest.raises(RunError):
        results(text, X, X[:3])


def test_function_defaults_keywords_and_parameters_are_found_by_unification() -> None:
    text = """fn take_every(x: T[..., A], step: i64 = 1, scale: T = 2) -> T[..., (A + step - 1) / step] { return x[..., ::step] * scale }
fn tail(x: f32[K + 2]) -> f32[K] { return x[2:] }
graph f(m: f32[3, 4], i: i64[4], x: f32[N + 2], y: f32[N]) -> (a: f32[3, 2], b: i64[4], c: f32[N]) {
  a = take_every(m, step=2)
  b = take_every(i, scale=-1)
  c = tail(x) + y
}
"""
    a, b, c = results(text, M, IDS, X, X[:5])
    np.testing.assert_array_equal(a, M[:, ::2] * 2)
    np.testing.assert_array_equal(b, -IDS)
    np.testing.assert_array_equal(c, X[2:] + X[:5])


def test_long_expressions_and_long_programs_need_no_deep_stack() -> None:
    chain = " + ".join(["x"] * 150)
    lines = "".join(f"  v{n} = v{n - 1} + 1.0\n" for n in range(1, 3_000))
    made = module(f"graph f(x: f32) -> (y: f32, z: f32) {{\n  v0 = {chain}\n{lines}  y = v0\n  z = v2999\n}}\n")
    y, z = run(made.func("f"), [np.float32(1)], {})
    assert (y, z) == (150, 3_149)


def test_expressions_may_nest_as_deep_as_the_parser_reads_them() -> None:
    nested = "relu(" * 90 + "x" + ")" * 90
    assert run(module(f"graph f(x: f32) -> (y: f32) {{ y = {nested} }}\n").func("f"), [np.float32(1)], {}) == [1]


def test_calls_may_nest_as_deep_as_the_quota_allows() -> None:
    layers = "".join(
        f"fn f{n}(x: f32) -> f32 {{ return (if x > 0.0 {{ yield f{n - 1}(x) + 1.0 }} else {{ yield x }}) }}\n" for n in range(1, 60)
    )
    made = module("fn f0(x: f32) -> f32 { return x }\n" + layers + "graph f(x: f32) -> (y: f32) { y = f59(x) }\n")
    assert run(made.func("f"), [np.float32(1)], {}) == [60]


def test_same_program_gives_the_same_text() -> None:
    from flowc.ir.printer import print_module

    assert print_module(module(STATE), locations=True) == print_module(module(STATE), locations=True)


def test_index_asked_for_in_an_empty_axis_ends_the_run_whatever_it_is() -> None:
    body = "  a[i] = if t[i] < 100 { yield x[t[i]] } else { yield -1.0 }\n  g = grad(sum(a * a), wrt=[x])\n"
    text = f"dim Z in 0..9\ngraph f(x: f32[Z], t: i64[N]) -> (a: f32[N], g: f32[Z]) {{\n{body}}}\n"
    a, g = results(text, X[:3], np.array([2, 200, -3]))
    np.testing.assert_array_equal(a, [X[2], -1, X[0]])
    np.testing.assert_array_equal(g, [2 * X[0], 0, 2 * X[2]])
    with pytest.raises(RunError, match=r"t\[i\] indexes x: 0 of 0"):
        results(text, X[:0], np.array([200, 0]))
