"""Folds within folds whose lengths vary: the bits of the definition, by way of one length for all."""

from __future__ import annotations

import numpy as np
import pytest

import flowc as fc
from flowc.ops.interpret import run

PROGRAM = """
graph most(x: f32[N]) -> f32 { return (reduce sum i in 0..N: x[i] * (reduce max k in 0..i + 1: x[k] * x[i])) }
graph rest(x: f32[N]) -> f32 { return (reduce sum i in 0..N: (reduce sum k in i..N: x[k])) }
graph half(x: f32[N]) -> f32 {
  return (reduce sum i in 0..N: (reduce prod k in 0..i // 2 + 1: x[k]) * (reduce sum k in i // 2..N: x[k] * x[i]))
}
fn heights(x: f32[N]) -> f32 {
  y[i] = reduce max k in 0..i + 1: x[k] * x[i]
  return sum(y)
}
graph slope(x: f32[N]) -> f32[N] { return grad(heights(x), wrt=[x]) }
"""


@pytest.mark.parametrize("n", [1, 2, 17, 130])
def test_folds_of_lengths_that_vary_have_the_bits_of_their_definition(n: int) -> None:
    model = fc.loads(PROGRAM, fc.Options(cache=False, threads=1))
    x = np.random.default_rng(n).uniform(-1.2, 1.2, n).astype(np.float32)
    for graph in ("most", "rest", "half", "slope"):
        (wanted,) = run(model.module.func(graph), [x], bits=True)
        assert np.asarray(model[graph](x)).tobytes() == np.asarray(wanted).tobytes()
