"""A run that fails or is cancelled leaves every byte of state as it was, wherever the check stands and however states are written."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

from flowc.codegen.sites import Kind
from tests.codegen.program import Program

STATES = """
param w: f32[24, 6] = glorot_uniform(seed=1)
param b: f32[6] = ones()
state a: f32[600] = full([600], 1.0)
state c: f32[600] = full([600], 2.0)
state n: i64 = 3

fn summed(v: f32[600], ids: i64[2]) -> f32 {
  return sum(v[ids])
}

fn counted(m: i64) -> i64 {
  n := n + m
  return m
}
"""
UPDATES = {
    "over the old values": "  a := a * 2.0\n  c := c + a\n  n := n + 1",
    "swapped": "  a := c\n  c := a\n  n := n + 1",
    "in a function": "  m = counted(2)",
    "in a branch": "  y = if k > 0 {\n    a := c + 1.0\n    yield 1.0\n  } else {\n    a := c\n    yield 2.0\n  }",
    "trained": "  loss = mean(cross_entropy(x @ w + b, y))\n  gw, gb = grad(loss, wrt=[w, b])\n  w := w - 0.1 * gw\n  b := b - 0.1 * gb",
}
FAILURES = {
    "index": ("  q = sum(a[ids])", Kind.INDEX),
    "assert": ('  assert k < 5, "k is small"\n  q = 0.0', Kind.ASSERT),
    "limit": ("  q, t = loop (q = 1.0, t: i64 = 0) while t < k limit 5 { yield q + 1.0, t + 1 }", Kind.LIMIT),
    "in a function": ("  q = summed(c, ids)", Kind.INDEX),
    "in a branch": ("  q = if k > 0 { yield sum(c[ids]) } else { yield 0.0 }", Kind.INDEX),
    "in a scan": ("  q, seen = scan (i in 0..3; q = 0.0) { yield q + sum(a[ids]) emit q }", Kind.INDEX),
    "a size": ("  q = sum(a[a > 0.5] * c[c > (k as f32)])", Kind.SIZE),
}
CASES = {
    f"g{n}": (update, failure, after) for n, (update, failure, after) in enumerate(product(UPDATES, FAILURES, (False, True)))
}  # by the name of the graph


def graph(name: str) -> str:
    update, failure, after = CASES[name]
    parts = [UPDATES[update], FAILURES[failure][0]]
    taken = "x: f32[8, 24], y: i64[8], " if update == "trained" else ""
    head = f"graph {name}({taken}ids: i64[2], k: i64) -> (r: f32) {{"
    return "\n".join([head, *(parts if after else parts[::-1]), "  r = q + sum(a)", "}"])


@cache
def program() -> Program:
    return Program("\n".join([STATES, *map(graph, CASES)]))


def given(name: str, fails: bool) -> list[Any]:
    random = np.random.default_rng(0)
    images = [random.standard_normal((8, 24)), random.integers(0, 6, 8)] if CASES[name][0] == "trained" else []
    return [*images, [0, 999] if fails else [0, 599], 9 if fails else 1]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_fails_leaves_every_byte_of_state(threads: int) -> None:
    made = program()
    before = made.state.bytes.copy()
    for name, (update, failure, after) in CASES.items():
        run = made(name, *given(name, fails=True), threads=threads)
        assert run.code == FAILURES[failure][1], (update, failure, after)
        assert made.state.bytes.tobytes() == before.tobytes(), (update, failure, after)


def test_a_run_that_is_cancelled_at_any_launch_writes_all_or_nothing() -> None:
    made = program()
    before = made.state.bytes.copy()
    for name in (n for n, (_, failure, after) in CASES.items() if failure in ("index", "in a scan") and after):
        whole = made(name, *given(name, fails=False))
        assert whole.code == Kind.DONE
        done = made.state.bytes.copy()
        assert done.tobytes() != before.tobytes()
        for at in range(len(whole.events)):
            made.state.bytes[:] = before
            flag, left = np.zeros(1, np.int32), [at]

            def cancel(event: Any, flag: Any = flag, left: list[int] = left) -> None:
                left[0] -= 1
                flag[0] = left[0] < 0

            run = made(name, *given(name, fails=False), cancel=flag, on_event=cancel)
            wanted = done if run.code == Kind.DONE else before
            assert made.state.bytes.tobytes() == wanted.tobytes(), (CASES[name], at)
        made.state.bytes[:] = before
