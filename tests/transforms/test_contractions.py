"""Contractions that are no plain matrix product have the bits of their definition, whatever the schedule copies or tiles."""

from __future__ import annotations

import numpy as np
import pytest

import flowc as fc
from flowc.ir.core import Module, walk
from flowc.ir.types import DType
from flowc.ops.interpret import run
from flowc.ops.loops import For
from flowc.options import Options
from flowc.source import Source
from flowc.stages import STAGES, elaborated
from flowc.target import AVX2, AVX512, SSE2, Target, host

TARGETS = [t for t in (AVX512, AVX2, SSE2) if t.vector <= host().vector]
PROGRAM = """
graph border(x: f32[3, 12, 11], w: f32[5, 3, 3, 3]) -> f32[5, 12, 11] {
  y[o in 0..5, i in 0..12, j in 0..11] = reduce sum c, a, b: at(x, c, i + a - 1, j + b - 1, outside=0.0) * w[o, c, a, b]
  return y
}

graph border_that_begins_again(x: f32[3, 20], w: f32[5, 3, 3]) -> f32[5, 21] {
  y[o in 0..5, i in 0..21] = reduce sum c, a: at(x, c, i % 5 + a - 1, outside=0.0) * w[o, c, a]
  return y
}

graph border_read_backwards(x: f32[3, 20], w: f32[5, 3]) -> f32[5, 50] {
  y[o in 0..5, i in 0..50] = reduce sum c: at(x, c, 18 - i // 2, outside=0.0) * w[o, c]
  return y
}

graph border_of_seven_axes(x: f32[2, 1, 2, 1, 2, 1, 4], w: f32[4, 9]) -> f32[2, 1, 2, 1, 2, 1, 9] {
  y[a in 0..2, b in 0..1, c in 0..2, d in 0..1, f in 0..2, g in 0..1, o in 0..9] = reduce sum k:
    at(x, a, b, c, d, f, g, k - 1, outside=0.0) * w[k, o]
  return y
}

graph border_before_the_beginning(x: f32[20], w: f32[20, 9]) -> f32[20, 9] {
  y[i in 0..20, o in 0..9] = reduce sum k in 0..i + 1: at(x, i - k - 2, outside=0.0) * w[k, o]
  return y
}

graph repeated(x: f32[N, 3], w: f32[3, M]) -> f32[2*N - 1, M] {
  y[i in 0..2*N - 1, o in 0..M] = reduce sum c: x[i // 2, c] * w[c, o]
  return y
}

graph rows_of_growing_length(x: f32[20, 20], w: f32[20, 9]) -> f32[20, 9] {
  y[i in 0..20, o in 0..9] = reduce sum k in 0..i + 1: x[i, k] * w[k, o]
  return y
}

graph columns_of_growing_length(x: f32[7, 30], w: f32[30, 30]) -> f32[7, 30] {
  y[i in 0..7, o in 0..30] = reduce sum k in 0..o + 1: x[i, k] * w[k, o]
  return y
}

graph growing_over_a_transposed_operand(x: f32[20, 7], w: f32[70, 20]) -> f32[7, 20, 70] {
  y[b in 0..7, i in 0..20, o in 0..70] = reduce sum k in 0..i + 1: x[k, b] * w[o, k]
  return y
}

graph short_columns(g: f32[32, 6, 6], x: f32[33, 8, 8]) -> f32[32, 33, 3, 3] {
  y[o in 0..32, c in 0..33, u in 0..3, v in 0..3] = reduce sum i, j: g[o, i, j] * x[c, i + u, j + v]
  return y
}

graph short_columns_of_one_operand_in_order(g: f32[8, 8, 33], x: f32[10, 10, 9], b: f32[33, 9, 3, 3]) -> f32[33, 9, 3, 3] {
  y[o in 0..33, c in 0..9, u in 0..3, v in 0..3] = b[o, c, u, v] - (reduce sum i, j: g[i, j, o] * x[i + u, j + v, c])
  return y
}

graph divided_columns(g: f32[5, 7, 10], w: f32[5, 11, 2]) -> f32[11, 7, 19] {
  y[c in 0..11, i in 0..7, j in 0..19] = reduce sum o: g[o, i, (j + 1) // 2] * w[o, c, (j + 1) % 2]
  return y
}

graph divided_rows(g: f32[9, N, 5], w: f32[3, 5, 70], b: f32[25]) -> f32[25, N, 70] {
  y[i in 0..25, n in 0..N, c in 0..70] = b[i] * (reduce sum o: g[(i + 2) // 3, n, o] * w[(i + 2) % 3, o, c])
  return y
}

graph divided_rows_by_position(g: f32[5, 9], ids: i64[9], w: f32[3, 9, 70]) -> f32[14, 70] {
  y[i in 0..14, c in 0..70] = reduce sum o: g[(i + 1) // 3, ids[o]] * w[(i + 1) % 3, o, c]
  return y
}

graph divided_terms(x: f32[13, 21], g: f32[7, 11]) -> f32[13, 21] {
  y[i in 0..13, p in 0..21] = reduce sum a in 0..2, q in 0..2: abs(x[i, p] - at(g, i // 2 - a, (p + 1) // 2 - q, outside=0.0))
  return y
}

graph divided_terms_of_rows(x: f32[6, 8, 5]) -> f32[6, 8, 5] {
  return group_norm(x, 2)
}

graph beside_another_reduction(x: f32[9, 16], w: f32[16, 35]) -> f32[9, 35] {
  y[i in 0..9, j in 0..35] = (reduce max l: x[i, l]) + (reduce sum c: x[i, c] * w[c, j])
  return y
}

graph kept_as_a_row(x: f32[9, 16], w: f32[16, 35]) -> f32[9, 35] {
  y[i in 0..9, j in 0..35] = (reduce sum c: x[i, c] * w[c, j]) + (reduce max l: x[i, l])
  return softmax(y)
}
"""
NAMES = [line.split()[1].split("(")[0] for line in PROGRAM.splitlines() if line.startswith("graph ")]


@pytest.fixture(scope="module")
def module() -> Module:
    return elaborated(Source("contractions.flow", PROGRAM))


@pytest.fixture(scope="module", params=TARGETS, ids=lambda t: t.cpu)
def model(request: pytest.FixtureRequest) -> fc.Model:
    target: Target = request.param
    return fc.loads(PROGRAM, options=Options(cache=False, target=target))


@pytest.mark.parametrize("name", NAMES)
def test_a_contraction_has_the_bits_of_its_definition(name: str, module: Module, model: fc.Model) -> None:
    func = module.func(name)
    rng = np.random.default_rng(5)
    shapes = [[d if isinstance(d, int) else 17 for d in p.type.shape] for p in func.body.params]
    arrays = [
        rng.standard_normal(shape).astype(np.float32) if p.type.dtype is DType.f32 else rng.integers(0, shape[0], shape)
        for p, shape in zip(func.body.params, shapes, strict=True)
    ]
    (wanted,) = run(func, arrays, bits=True)
    np.testing.assert_array_equal(getattr(model, name)(*arrays).view(np.int32), wanted.view(np.int32))


@pytest.mark.parametrize("name", ["short_columns", "short_columns_of_one_operand_in_order", "divided_columns", "divided_rows"])
def test_columns_that_are_few_or_divided_give_way_to_others(name: str, module: Module) -> None:
    made = Module("m", (module.func(name),))
    for stage in STAGES:
        made = stage.run(made, AVX2)
    tiles = [op for f in made.funcs for op in walk(f.body) if isinstance(op, For) and op.kind == "tile"]
    assert tiles and all(not isinstance(op.limits[-1], int) or op.limits[-1] >= 8 for op in tiles)
