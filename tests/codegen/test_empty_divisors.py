"""A size that divides another may be 0 in a run: then nothing has that size, and nothing ends."""

from __future__ import annotations

import numpy as np
import pytest

import flowc as fc

PROGRAM = """
dim M in 0..100
graph pooled(x: f32[1, 1, 4, 6], m: f32[M]) -> f32[1, 1, M, M] { return adaptive_max_pool2d(x, [M, M]) }
"""


@pytest.mark.parametrize("m", [0, 1, 2])
def test_a_division_by_an_empty_axis_ends_nothing(m: int) -> None:
    model = fc.loads(PROGRAM, fc.Options(cache=False))
    assert model.pooled(np.ones((1, 1, 4, 6), np.float32), np.ones(m, np.float32)).shape == (1, 1, m, m)
