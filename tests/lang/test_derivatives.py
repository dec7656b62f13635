"""Derivatives in the language: grad, vjp, jvp, derivatives by hand and @remat, by the interpreter against exact derivatives."""

import numpy as np
import pytest

from flowc.errors import RunError
from flowc.ir.core import walk
from flowc.ops.control import Scan
from flowc.ops.interpret import initial_state, run
from tests.lang.programs import module, results

X, T = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -2.0])
DENSE = """param w: f64[3] = ones()
fn dense(x: f64[N], k: f64[N]) -> f64[N] {
  y = x * k
  return tanh(y)
}
"""


def found(text: str, *arrays: object) -> list[np.ndarray]:
    made = module(text)
    return run(made.func("f"), arrays, initial_state(made))


def test_grad_is_by_params_inputs_and_values_inside_calls() -> None:
    text = f"""{DENSE}
graph f(x: f64[3]) -> (f64[3], f64[3], f64[3], f64[3], f64[3]) {{
  h = dense(x, w)
  loss = sum(h * h * 0.5)
  dw, dx, dh, dy, none = grad(loss, wrt=[w, x, h, h.y, dense(x, x)])
  return dw, dx, dh, dy, none
}}
"""
    h = np.tanh(X)
    dy = h * (1 - h * h)
    for got, expected in zip(found(text, X), (dy * X, dy, h, dy, 0 * X), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_values_inside_calls_have_the_names_of_dumps_in_functions_and_under_given_names() -> None:
    text = f"""{DENSE}
fn inner(x: f64[N], k: f64[N]) -> f64[N] {{
  @name("head")
  h = dense(x, k) + dense(k, x)
  return grad(sum(h), wrt=[h.dense.y])
}}
graph f(x: f64[3]) -> (f64[3], f64[3]) {{
  @name("given")
  g = dense(x, w)
  return inner(x, w), grad(sum(g), wrt=[g.y])
}}
"""
    exact = 1 - np.tanh(X) ** 2
    for got in found(text, X):
        np.testing.assert_allclose(got, exact, rtol=1e-12)


def test_function_of_the_file_hides_one_of_the_language() -> None:
    text = "fn grad(x: f64[N]) -> f64[N] { return x * 2.0 }\ngraph f(x: f64[N]) -> f64[N] { return grad(x) }\n"
    np.testing.assert_array_equal(found(text, X)[0], X * 2)


def test_derivatives_nest() -> None:
    text = """graph f(x: f64[3], t: f64[3]) -> f64[3] {
  return grad(sum(grad(sum(x ** 3.0), wrt=[x]) * t), wrt=[x])
}
"""
    np.testing.assert_allclose(found(text, X, T)[0], 6 * X * T, rtol=1e-12)


def test_vjp_and_jvp_take_lists_or_one_value() -> None:
    text = """graph f(x: f64[3], t: f64[3]) -> (f64[3], f64[3], f64[3], f64) {
  a = x * x
  b = sum(x)
  dx = vjp([a, b], wrt=[x], seed=[t, 2.0])
  da = vjp(a, wrt=x, seed=[[1.0, 2.0, 3.0]])
  ta, tb = jvp([a, b], wrt=[x], tangent=[t])
  return dx, da, ta, tb
}
"""
    expected = (2 * X * T + 2, 2 * X * [1, 2, 3], 2 * X * T, T.sum())
    for got, exact in zip(found(text, X, T), expected, strict=True):
        np.testing.assert_allclose(got, exact, rtol=1e-12)


def test_seed_of_a_size_that_need_not_be_equal_is_checked() -> None:
    text = "graph f(x: f64[N], t: f64[M]) -> f64[N] { return vjp(x * x, wrt=[x], seed=[t]) }\n"
    np.testing.assert_allclose(found(text, X, T)[0], 2 * X * T)
    with pytest.raises(RunError):
        found(text, X, T[:2])


def test_training_inside_a_scan_and_a_loop_reaches_the_exact_minimum() -> None:
    text = """graph f(x: f64[3], a: f64[3]) -> (p: f64[3], losses: f64[60], q: f64[3]) {
  p, losses = scan (i in 0..60; p = x) {
    loss = sum((p - a) ** 2.0)
    yield p - 0.25 * grad(loss, wrt=[p]) emit loss
  }
  q, n = loop (q = x, n: i32 = 0) while n < 60 limit 60 { yield q - 0.25 * grad(sum((q - a) ** 2.0), wrt=[q]), n + 1 }
}
"""
    p, losses, q = found(text, X, T)
    np.testing.assert_allclose(p, T, atol=1e-12)
    np.testing.assert_allclose(losses, [np.sum((X - T) ** 2) * 0.25**n for n in range(60)], atol=1e-12)
    np.testing.assert_array_equal(p, q)


def test_derivatives_go_through_scans_loops_and_branches() -> None:
    text = """graph f(x: f64[3], s: f64) -> (f64[3], f64, f64) {
  h, hs = scan (a in x; h = s) { yield h * a emit h }
  k, n = loop (k = s, n: i32 = 0) while n < 3 limit 5 { yield k * k, n + 1 }
  r = if s > 0.0 { yield k * 3.0 } else { yield h }
  dx, ds = grad(h + sum(hs) + r, wrt=[x, s])
  return dx, ds, jvp(r, wrt=[s], tangent=[1.0])
}
"""
    s = 1.25
    a, b, _ = X
    dx = s * np.array([b * X[2] + 1 + b, a * X[2] + a, a * b])
    ds = a * b * X[2] + 1 + a + a * b + 24 * s**7
    for got, exact in zip(found(text, X, s), (dx, ds, 24 * s**7), strict=True):
        np.testing.assert_allclose(got, exact, rtol=1e-12)


BY_HAND = """fn clip_ste(x: f64[...]) -> f64[...] {
  return minimum(maximum(x, -1.0), 1.0)
} derivative (dy: f64[...]) -> f64[...] {
  return dy * 7.0
}
fn two(x: f64[N], n: i32, s: f64) -> (a: f64[N], b: f64) {
  u = exp(x)
  a = u * s
  b = sum(u)
} derivative (da: f64[N], db: f64) -> (dx: f64[N], f64) {
  v = (da * s + db) * u
  return v, sum(da * u)
}
"""


def test_derivative_by_hand_stands_for_that_of_the_body() -> None:
    text = f"""{BY_HAND}
graph f(x: f64[3], t: f64[3], s: f64) -> (f64[3], f64[3], f64, f64) {{
  y = clip_ste(x * t)
  a, b = two(x, 3, s)
  dx, ds = vjp([a, b], wrt=[x, s], seed=[t, 2.0])
  return grad(sum(y), wrt=[x]), dx, ds, jvp(b, wrt=[x], tangent=[t])
}}
"""
    got = found(text, X, T, 3.0)
    u = np.exp(X)
    for value, exact in zip(got, (7 * T, (T * 3 + 2) * u, np.sum(T * u), np.sum(T * u)), strict=True):
        np.testing.assert_allclose(value, exact, rtol=1e-12)


def test_dump_names_derivatives_after_their_values() -> None:
    text = f"{BY_HAND}graph f(x: f64[3], s: f64) -> f64[3] {{\n  h, b = two(x, 1, s)\n  return grad(sum(h), wrt=[x])\n}}\n"
    names = [op.hint for op in walk(module(text).func("f").body)]
    assert {"h.u", "d.h.v"} <= set(names)


REMAT = """param n: i64 = 0
fn layer(x: f64[N], k: f64[N]) -> f64[N] {
  n := n + 1
  assert all(k > 0.0), "positive"
  return tanh(x * k)
}
graph f(x: f64[3], k: f64[3], m: f64[T, 3]) -> (f64[3], f64[3], f64) {
  @remat
  h = layer(x, k)
  @remat y[i] = h[i] * h[i]
  @remat
  z, zs = scan (a in m; z = y) {
    assert all(z < 1000.0), "bounded"
    yield z * 0.5 + a emit z
  }
  dx, dk = grad(sum(zs) + sum(z), wrt=[x, k])
  return dx, dk, sum(z)
}
"""


def test_values_computed_again_have_the_same_derivative_writes_and_checks() -> None:
    m = np.arange(21.0).reshape(7, 3)
    k = np.abs(T)
    for made in (module(REMAT.replace("@remat", "")), module(REMAT)):
        state = initial_state(made)
        dx, dk, z = run(made.func("f"), (X, k, m), state)
        h = np.tanh(X * k)
        dz = np.sum(0.5 ** np.arange(8))
        np.testing.assert_allclose(dx, dz * 2 * h * (1 - h * h) * k, rtol=1e-12)
        np.testing.assert_allclose(dk, dz * 2 * h * (1 - h * h) * X, rtol=1e-12)
        np.testing.assert_allclose(z, np.sum(h * h * 0.5**7 + 0.5 ** np.arange(6, -1, -1) @ m), rtol=1e-12)
        assert state["n"] == 1
        with pytest.raises(RunError, match="positive"):
            run(made.func("f"), (X, -k, m), state)
        with pytest.raises(RunError, match="bounded"):
            run(made.func("f"), (X, k, m * 1000), state)


def test_scan_computed_again_keeps_carries_of_chunks_only() -> None:
    text = "graph f(x: f64[100], s: f64) -> f64 {\n  @remat h = scan (a in x; h = s) { yield sin(h) * a }\n  return grad(h, wrt=[s])\n}\n"
    stacks = [op for op in walk(module(text).func("f").body) if isinstance(op, Scan) and op.stacked]
    assert [op.steps for op in stacks] == [(10,), (10,)]
    x = np.linspace(0.5, 1.5, 100)
    exact, s = 1.0, 0.75
    for a in x:
        exact, s = exact * np.cos(s) * a, np.sin(s) * a
    np.testing.assert_allclose(results(text, x, 0.75)[0], exact, rtol=1e-10)
