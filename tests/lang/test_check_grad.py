"""check_grad: derivatives beside difference quotients in f64, which functions in f64 give."""

import numpy as np
import pytest

from flowc.errors import render
from flowc.ir.core import walk
from flowc.ir.types import DType
from flowc.lang.elaborate import elaborate_tests, failures
from flowc.lang.parse import parse
from flowc.lang.widen import widened
from flowc.ops.interpret import initial_state, run
from flowc.source import Source
from tests.lang.programs import module, results


def judged(text: str) -> str:
    """The rendered failures of the one test of a program that the interpreter runs."""
    source = Source("m.flow", text)
    (test,) = elaborate_tests(parse(source), source)
    state = initial_state(test.module)
    return render(failures(test.checks, run(test.module.func("test"), (), state), state))


RIGHT = {
    "a param, numbers drawn at random, a keyword": """param w: f32[3, 2] = glorot_uniform(seed=1)
fn f(x: f32[N, 3], rate: f32 = 0.5) -> f32[N, 2] { return softmax(dropout(tanh(x @ w), rate=0.25, seed=3)) * rate }
test "t" { check_grad(f, uniform(f32, [4, 3], seed=2), rate=0.25, within=1e-4) }
""",
    "a scan, several results, a large argument": """fn f(x: f32[T, N], h0: f32[N]) -> (f32[N], f32, i64) {
  h, hs = scan (a in x; h = h0) {
    h1 = tanh(h * a + 0.5)
    yield h1 emit h
  }
  y[i] = reduce sum t: hs[t, i] * hs[t, i]
  return y, sum(h), 3
}
test "t" { check_grad(f, uniform(f32, [6, 7], seed=2), uniform(f32, [7], seed=3)) }
""",
    "a loop, a branch, an argument given twice, one of no floats": """fn f(x: f32[N], y: f32[N], n: i64) -> f32[N] {
  z, k = loop (z = x, k: i64 = 0) while k < n limit 5 { yield sin(z) * y + x, k + 1 }
  return (if n > 2 { yield z } else { yield x })
}
test "t" {
  x = uniform(f32, [4], seed=2)
  check_grad(f, x, x, 3)
}
""",
    "a graph that gathers": """graph f(x: f64[N], ids: i64[M]) -> f64[M] { return x[ids] ** 2.0 }
test "t" { check_grad(f, [1.0, 2.0, 3.0] as f64, randint(i64, [5], 0, 3, seed=1), within=1e-8) }
""",
    "halves": """fn f(x: f16[N]) -> f16[N] { return exp(x) * (0.1 as f16) }
test "t" { check_grad(f, uniform(f32, [3], seed=1) as f16, within=1e-2) }
""",
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_derivative_passes(case: str) -> None:
    assert judged(RIGHT[case]) == ""


def test_failure_tells_both_values_the_index_and_the_place() -> None:
    text = """fn f(x: f64[N], y: f64) -> f64 {
  return sum(x * x) * y
} derivative (dy: f64) -> (f64[N], f64) {
  return dy * x * y, dy * sum(x * x)
}
test "t" {
  check_grad(f, [1.5, 0.0, -2.0] as f64, 3.0 as f64)
}
"""
    assert judged(text) == (
        "m.flow:7:3: error: check_grad failed: the derivative of f by x at [0] is 4.5, not within 0.001 of the difference quotient 9\n"
        "      check_grad(f, [1.5, 0.0, -2.0] as f64, 3.0 as f64)\n"
        "      ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "note: and at 1 more of 3"
    ).replace("      ", "    ")


def test_wrong_derivative_by_a_large_argument_is_found_along_directions() -> None:
    text = """fn f(x: f32[N]) -> f32 { return sum(x * x) } derivative (dy: f32) -> f32[N] { return dy * x }
test "t" { check_grad(f, uniform(f32, [50], seed=3, low=3.0, high=4.0)) }
"""
    assert judged(text).startswith("m.flow:2:12: error: check_grad failed: the derivative of f by x along direction 1 of 8 is ")


def test_function_in_f64_has_no_other_floats_and_the_same_numbers_drawn() -> None:
    text = """graph f(x: f32[N], h: f16[N]) -> (f32[N], f32) {
  y[i in 0..N] = reduce max j in 0..i + 1: x[j] * 0.1
  s, z = scan (a in x; s = 0.0) { yield s + a * (h[0] as f32) emit a }
  return y * uniform(f32, [N], seed=1) + (z as f16) as f32, s
}
"""
    wide = widened(module(text).func("f"))
    computed = [op for op in walk(wide.body) if any(v.type.dtype.is_float for v in op.operands)]
    floats = {v.type.dtype for op in computed for v in op.results if v.type.dtype.is_float}
    assert floats == {DType.f64}
    x, h = np.array([0.3, 2.7, -1.1], np.float32), np.array([0.7, 1, 2], np.float16)
    for exact, rounded in zip(run(wide, [x.astype(float), h.astype(float)]), results(text, x, h), strict=True):
        assert exact.dtype == np.float64
        np.testing.assert_allclose(exact, rounded, rtol=2e-3)


def test_a_number_written_out_is_differentiated_by_where_nothing_else_is() -> None:
    text = """fn f(ids: i64[N], x: f64) -> f64 { return sum(ids) as f64 * x * x }
test "t" { check_grad(f, [1, 2], 3, within=1e-6) }
"""
    assert judged(text) == ""
