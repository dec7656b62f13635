"""Random orders and directions: permutations, orthogonal matrices; and windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowc.errors import OpError
from flowc.ir.core import Value, func
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType
from flowc.ops.call import built_ins, call
from flowc.ops.interpret import run
from flowc.ops.tensor import constant
from flowc.ops.threefry import threefry_of, words_of

Array = np.ndarray[Any, Any]


def made(name: str, *arguments: Any, seed: int = 1) -> Array:
    value = call(built_ins()[name], arguments, {"seed": constant(seed, DType.i64)})
    assert isinstance(value, Value)
    return run(func("f", (), (value,)), ())[0]


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_a_permutation_is_the_order_of_the_words(n: int) -> None:
    high, low = threefry_of(words_of(np.int64(7)), words_of(np.arange(n)))
    keys = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    assert made("permutation", n, seed=7).tolist() == np.argsort(keys, kind="stable").tolist()


@pytest.mark.parametrize(("dtype", "error"), [(DType.f32, 1e-6), (DType.f64, 1e-14)])
@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (6, 2, 2), (1, 4)])
def test_an_orthogonal_matrix_is_the_q_of_normal_numbers(shape: tuple[int, ...], dtype: DType, error: float) -> None:
    q = made("orthogonal", dtype, shape)
    flat = q.reshape(shape[0], -1)
    few = flat if flat.shape[0] <= flat.shape[1] else flat.T
    np.testing.assert_allclose(few @ few.T, np.eye(len(few)), atol=20 * error)
    drawn = made("normal", dtype, few.shape).astype(np.float64)
    q64, r = np.linalg.qr(drawn.T)
    np.testing.assert_allclose(few, (q64 * np.sign(np.diag(r))).T, atol=200 * error)


def test_what_orthogonal_does_not_fill_is_told() -> None:
    n = dim(Size("N"))
    for arguments, message in (
        ((DType.f32, (3,)), "orthogonal fills a tensor of two sizes or more, not [3]"),
        ((DType.f32, (n, 3)), "orthogonal fills a tensor of known sizes, not [N, 3]"),
        ((DType.f16, (3, 3)), "orthogonal gives f32 or f64, not f16"),
    ):
        with pytest.raises(OpError) as told:
            made("orthogonal", *arguments)
        assert str(told.value) == message
