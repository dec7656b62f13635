"""Indexing means what it means in NumPy, for known and for named sizes."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from flowc.errors import OpError, RunError
from flowc.ir.core import Value, func
from flowc.ir.dims import Dim, Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.index import Subscript, index
from flowc.ops.interpret import run

Array = np.ndarray[Any, Any]
N, M = dim(Size("N", 0)), dim(Size("M", 0))
X = np.arange(4 * 5 * 3).reshape(4, 5, 3)


def tensor(array: Array, hint: str, *shape: Dim) -> Value:
    dtype = {"b": DType.bool, "i": DType.i64, "f": DType.f32}[array.dtype.kind]
    return Value(Type(dtype, shape or array.shape), None, hint)


def indexed(x: Array, subscripts: tuple[Any, ...], *shape: Dim) -> Array:
    """x[subscripts] by way of the IR; index arrays become parameters."""
    of = tensor(x, "x", *shape)
    arrays = [s for s in subscripts if isinstance(s, np.ndarray)]
    params = iter([tensor(a, f"ids{n}") for n, a in enumerate(arrays)])
    own: list[Subscript] = [next(params) if isinstance(s, np.ndarray) else s for s in subscripts]
    inputs = [of, *(s for s in own if isinstance(s, Value))]
    (found,) = run(func("f", tuple(inputs), (index(of, own),)), [x, *arrays])
    return found


bounds = st.none() | st.integers(-7, 7)
slices = st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, 3, -1, -2]))
ids = st.lists(st.integers(-3, 2), min_size=1, max_size=3).map(np.array)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(slices | st.integers(-3, 2) | st.none() | st.just(...) | ids, max_size=4), st.booleans())
def test_subscripts_give_what_numpy_gives(subscripts: list[Any], named: bool) -> None:
    taken = sum(s is not None and not isinstance(s, EllipsisType) for s in subscripts)
    if taken > X.ndim or sum(isinstance(s, EllipsisType) for s in subscripts) > 1:
        return
    try:
        wanted = X[tuple(subscripts)]
    except IndexError:  # index arrays of lengths that do not repeat to each other
        return
    found = indexed(X, tuple(subscripts), *((N, M, 3) if named else ()))
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("length", [0, 1, 2, 9, 300, 700])
def test_a_mask_selects_its_true_elements_in_order(length: int) -> None:
    x = np.arange(length, dtype=np.float32)
    for mask in (x % 3 == 1, x < 0, x >= 0):
        np.testing.assert_array_equal(indexed(x, (mask,)), x[mask])


def test_a_mask_of_some_axes_stands_beside_other_subscripts() -> None:
    mask = X[:, :, 0] % 2 == 0
    np.testing.assert_array_equal(indexed(X, (mask,)), X[mask])
    np.testing.assert_array_equal(indexed(X, (mask, slice(None, None, -1))), X[mask, ::-1])
    np.testing.assert_array_equal(indexed(X, (slice(None), mask[0], None)), X[:, mask[0], None])


def test_a_slice_may_be_bounded_by_sizes() -> None:
    x = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    columns = dim(Size("M"))
    of = tensor(x, "x", N, columns)
    view = index(of, [slice(N // 2, None), slice(None, columns - 1)])
    assert view.type.shape == (N - N // 2, columns - 1)
    (found,) = run(func("f", (of,), (view,)), [x])
    np.testing.assert_array_equal(found, x[2:, :2])


def test_an_index_out_of_range_ends_the_run_with_its_names() -> None:
    with pytest.raises(RunError) as told:
        indexed(X, (np.array([1, -5]),))
    assert str(told.value) == "error: index out of range: ids0 indexes x: -5 of 4"
    assert (told.value.code, told.value.index, told.value.bound) == (2, -5, 4)


@pytest.mark.parametrize(
    ("subscripts", "message"),
    [
        ((0, 0, 0, 0), "i64[4, 5, 3] has 3 axes, not 4"),
        ((..., ...), "one `...` stands among subscripts, not several"),
        ((4,), "index 4 is out of range: axis 0 of i64[4, 5, 3] has 4"),
        ((-5,), "index -5 is out of range: axis 0 of i64[4, 5, 3] has 4"),
        ((slice(None, None, 0),), "the step of a slice is 0"),
        ((slice(N - 3, None),), "the bound N - 3 of a slice may be negative or not"),
        ((np.array([True, False]),), "the mask bool[2] does not fit the axes 0 on of i64[4, 5, 3]"),
        ((np.array([0.5], np.float32),), "an index of i64[4, 5, 3] is an integer, not f32[1]"),
    ],
)
def test_wrong_subscripts_are_told(subscripts: tuple[Any, ...], message: str) -> None:
    with pytest.raises(OpError) as told:
        indexed(X, subscripts)
    assert str(told.value) == message
