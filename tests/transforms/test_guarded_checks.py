"""An index is checked where it is asked for, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

import flowc as fc
from flowc.ops.interpret import run

TEXT = """
dim R, K in 0..

graph joined(x: f32[5]) -> f32[?..10] {
  y = x[x > 0.0]
  return concat([y, y * 2.0], axis=0)
}

graph stacked(x: f32[5]) -> f32[2, ?..5] {
  y = x[x > 0.0]
  return stack([y, y * 2.0], axis=0)
}

graph beside(table: f32[R], ids: i64[K], other: f32[3]) -> f32[K + 3] {
  return concat([take(table, ids), other], axis=0)
}
"""
X = np.array([1, -1, 2, 3, -4], np.float32)
Y = X[X > 0]


@pytest.fixture(scope="module")
def model() -> fc.Model:
    return fc.loads(TEXT, options=fc.Options(cache=False))


def test_parts_of_a_size_found_in_the_run_are_joined(model: fc.Model) -> None:
    np.testing.assert_array_equal(model.joined(X), np.concatenate([Y, Y * 2]))


def test_a_size_found_in_the_run_may_be_any_axis_of_a_result(model: fc.Model) -> None:
    np.testing.assert_array_equal(model.stacked(X), np.stack([Y, Y * 2]))


@pytest.mark.parametrize("name", ["joined", "stacked"])
def test_interpreter_asks_for_the_same_indices(model: fc.Model, name: str) -> None:
    np.testing.assert_array_equal(run(model.module.func(name), [X])[0], getattr(model, name)(X))


def test_no_index_is_looked_up_for_the_part_beside(model: fc.Model) -> None:
    other = np.arange(3, dtype=np.float32)
    empty = np.empty(0, np.float32)
    np.testing.assert_array_equal(model.beside(empty, np.empty(0, np.int64), other), other)
    np.testing.assert_array_equal(model.beside(other, np.array([2, -1]), other), [2, 2, 0, 1, 2])
    with pytest.raises(fc.RunError, match="index 3 is out of range for size 3"):
        model.beside(other, np.array([0, 3]), other)
