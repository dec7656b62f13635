"""scan in the language: what the interpreter makes of it is what a loop of Python does."""

import numpy as np
import pytest

from flowc.errors import RunError
from tests.lang.programs import module, results

DRAW = np.random.default_rng(5)
X, M = DRAW.normal(size=(4, 3)).astype("f"), DRAW.normal(size=(3, 4)).astype("f")


def test_carries_come_first_then_what_is_emitted() -> None:
    text = """graph f(x: f32[T, N], m: f32[N, T], h0: f32[N]) -> (h: f32[N], ys: f32[T, N], squares: i64[T]) {
  h, ys, squares = scan (a in x along 0, b in m along -1, i in 2..T + 2; h = h0) {
    h1 = h * 0.5 + a * b
    yield h1 emit h1 + h, i * i
  }
}
"""
    h, ys, squares = results(text, X, M, np.ones(3, "f"))
    state, expected = np.ones(3, "f"), []
    for t in range(4):
        following = state * np.float32(0.5) + X[t] * M[:, t]
        expected.append(following + state)
        state = following
    np.testing.assert_array_equal(h, state)
    np.testing.assert_array_equal(ys, expected)
    np.testing.assert_array_equal(squares, [4, 9, 16, 25])


def test_scan_over_nothing_gives_back_its_carries() -> None:
    text = (
        "dim T in 0..8\ngraph f(x: f32[T], h0: f32) -> (h: f32, ys: f32[T]) {\n  h, ys = scan (a in x; h = h0) { yield h + a emit h }\n}\n"
    )
    h, ys = results(text, np.zeros(0, "f"), np.float32(7))
    assert h == 7 and ys.shape == (0,)


def test_count_is_an_index_of_reads_and_slices_and_a_number_elsewhere() -> None:
    text = """graph f(x: f32[T, N]) -> (a: f32[T, N], b: f32[T], c: f32[T], d: i64[T]) {
  a, b, c, d = scan (i in 0..T) {
    row[j] = x[i, j] * x[T - 1 - i, j]
    part = sum(x[i:i + 1])
    kind = if i % 2 == 0 { yield 1.0 } else { yield -1.0 }
    emit row, part, kind * (i as f32), min(i, 2) + sum([i, 1])
  }
}
"""
    a, b, c, d = results(text, X)
    np.testing.assert_array_equal(a, X * X[::-1])
    np.testing.assert_allclose(b, X.sum(1), rtol=1e-6)
    np.testing.assert_array_equal(c, [0, -1, 2, -3])
    np.testing.assert_array_equal(d, [1, 3, 5, 6])


def test_scans_loops_and_branches_nest() -> None:
    text = """graph f(x: f32[T, N], n: i64) -> (y: f32, ys: f32[T, N]) {
  y, ys = scan (row in x; total = 0.0) {
    inner, seen = scan (v in row; s = total) {
      s1, k = loop (s1 = s, k: i64 = 0) while k < n limit 9 { yield s1 + v, k + 1 }
      t = if s1 > 0.0 { yield s1 } else { yield 0.0 }
      yield t emit s1
    }
    yield inner emit seen
  }
}
"""
    y, ys = results(text, X, 2)
    total, seen = np.float32(0), np.zeros_like(X)
    for t in range(4):
        for n in range(3):
            moved = total + X[t, n] + X[t, n]
            seen[t, n] = moved
            total = max(moved, np.float32(0))
    np.testing.assert_allclose(ys, seen, rtol=1e-5)
    np.testing.assert_allclose(y, total, rtol=1e-5)


def test_lengths_that_need_not_be_equal_are_checked_at_entry() -> None:
    text = "graph f(x: f32[T], y: f32[S]) -> (z: f32[T]) { z = scan (a in x, b in y) { emit a * b } }\n"
    np.testing.assert_array_equal(results(text, X[:, 0], X[:, 1])[0], X[:, 0] * X[:, 1])
    with pytest.raises(RunError):
        results(text, X[:, 0], X[:3, 1])


def test_range_that_could_end_before_it_begins_is_checked_at_entry() -> None:
    text = "graph f(x: f32[N]) -> (z: i64[N - 2]) { z = scan (i in 2..N) { emit i } }\n"
    np.testing.assert_array_equal(results(text, X[:, 0])[0], [2, 3])
    with pytest.raises(RunError):
        results(text, X[:1, 0])


def test_dump_names_a_scan_by_its_targets_carries_and_values() -> None:
    text = """graph f(x: f32[T, N], h0: f32[N]) -> (y: f32[T, N]) {
  y = relu(last(x, h0))
}
fn last(x: f32[T, N], h0: f32[N]) -> f32[T, N] {
  h, ys = scan (a in x; h = h0) {
    moved = h + a
    yield moved emit moved
  }
  return ys
}
"""
    assert (
        str(module(text).func("f"))
        == """func @f[T in 1.., N in 1..](%x: f32[T, N], %h0: f32[N]) -> (%y: f32[T, N]) {
  %y.h, %y.ys = scan [%x], [%h0], [T] : f32[N], f32[T, N] (%step: index[T], %a: f32[N], %h: f32[N]) {
    %y.moved = add %h, %a : f32[N]
    yield %y.moved, %y.moved
  }
  %y = relu %y.ys : f32[T, N]
  return %y
}
"""
    )
