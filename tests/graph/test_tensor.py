"""Operators, methods and indexing of tensors compute what NumPy computes."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc as fc

F = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
I = np.random.default_rng(2).integers(-9, 9, size=(3, 4), dtype=np.int32)
B = F > 0


def value(tensor: Any) -> Any:
    with fc.Session() as session:
        return session.run(tensor)


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod], ids=lambda o: o.__name__
)
def test_operator_of_floats_is_numpys_in_both_orders(operation: Callable[[Any, Any], Any]) -> None:
    x = fc.constant(F)
    row = F[0] + np.float32(3)
    np.testing.assert_array_equal(value(operation(x, row)), operation(F, row))
    np.testing.assert_array_equal(value(operation(row, x)), operation(row, F))
    np.testing.assert_array_equal(value(operation(x, 2.5)), operation(F, np.float32(2.5)))
    np.testing.assert_array_equal(value(operation(2.5, x)), operation(np.float32(2.5), F))


@pytest.mark.parametrize(
    "operation",
    [
        operator.add, operator.sub, operator.mul, operator.and_, operator.or_, operator.xor, operator.lt, operator.le, operator.gt,
        operator.ge, operator.eq, operator.ne,
    ],
    ids=lambda o: o.__name__,
)  # fmt: skip
def test_operator_of_integers_is_numpys(operation: Callable[[Any, Any], Any]) -> None:
    found = value(operation(fc.constant(I), 3))
    np.testing.assert_array_equal(found, operation(I, np.int32(3)))
    assert found.dtype == operation(I, np.int32(3)).dtype


def test_logical_operators_of_bool_are_numpys() -> None:
    p, q = fc.constant(B), fc.constant(I > 0)
    for found, wanted in [(p & q, B & (I > 0)), (p | q, B | (I > 0)), (~p, ~B)]:
        np.testing.assert_array_equal(value(found), wanted)


def test_unary_operators_shifts_and_powers_are_numpys() -> None:
    x, n = fc.constant(F), fc.constant(I)
    for found, wanted in [(-x, -F), (abs(x), abs(F)), (+x, F), (~n, ~I), (n << 2, I << 2), (n >> 1, I >> 1), (n**2, I**2)]:
        np.testing.assert_array_equal(value(found), wanted)


def test_matmul_takes_arrays_on_either_side() -> None:
    square = F.T @ F
    np.testing.assert_allclose(value(fc.constant(F) @ square), F @ square, rtol=1e-5)
    np.testing.assert_allclose(value(F.T @ fc.constant(F)), square, rtol=1e-5)


@pytest.mark.parametrize(
    "key",
    [
        1, -1, (slice(None), 2), slice(1, None), (..., slice(None, None, -1)), (None, 1), (slice(None), None, slice(1, 3)),
        (slice(None, None, 2), slice(3, 0, -1)), [2, 0], ([0, 1], [1, -1]), (slice(None), np.array([3, 0, 0])),
    ],
    ids=str,
)  # fmt: skip
def test_index_is_numpys(key: Any) -> None:
    np.testing.assert_array_equal(value(fc.constant(F)[key]), F[key])


def test_tensors_of_integers_and_of_bool_index() -> None:
    x = fc.constant(F)
    np.testing.assert_array_equal(value(x[fc.constant([2, -3])]), F[[2, -3]])
    np.testing.assert_array_equal(value(x[x > 0]), F[F > 0])
    np.testing.assert_array_equal(value(x[np.array([True, False, True])]), F[[0, 2]])


def test_methods_are_numpys() -> None:
    x = fc.constant(F)
    pairs = [
        (x.T, F.T), (x.max(), F.max()), (x.min(axis=0), F.min(axis=0)), (x.max(axis=1, keepdims=True), F.max(axis=1, keepdims=True)),
        (x.reshape(2, 6), F.reshape(2, 6)), (x.reshape((-1, 2)), F.reshape(-1, 2)), (x.transpose(1, 0), F.T),
        (x.astype("int32"), F.astype(np.int32)),
    ]  # fmt: skip
    for found, wanted in pairs:
        np.testing.assert_array_equal(value(found), wanted)
    np.testing.assert_allclose(value(x.sum(axis=0)), F.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(value(x.mean()), F.mean(), rtol=1e-5)


def test_rows_of_a_tensor_are_iterated() -> None:
    rows = list(fc.constant(F))
    assert len(rows) == len(fc.constant(F)) == 3
    np.testing.assert_array_equal(value(rows[2]), F[2])


def test_shapes_are_numbers_and_expressions_of_named_sizes() -> None:
    x = fc.placeholder(fc.f32, ["N", 4])
    n, four = x.shape
    assert four == 4 and str(n) == "N"
    assert [str(d) for d in fc.concat([x, x], axis=0).shape] == ["2*N", "4"]
    assert [str(d) for d in x.reshape(n * 2, 2).shape] == ["2*N", "2"]


@pytest.mark.parametrize(
    ("dtype", "spelling"), [(fc.f32, "float32"), (fc.f64, "float64"), (fc.i64, "int64"), (fc.u8, "uint8"), (fc.bool, "bool")], ids=str
)
def test_repr_spells_dtypes_as_tensorflow_and_dtype_as_flowc(dtype: Any, spelling: str) -> None:
    x = fc.placeholder(dtype, [3])
    assert repr(x) == f'Tensor("Placeholder:0", shape=(3,), dtype={spelling})'
    assert x.dtype is dtype and str(x.dtype) == dtype.name


def test_dtypes_are_taken_in_every_spelling() -> None:
    assert all(fc.placeholder(d).dtype is fc.f32 for d in (fc.f32, fc.float32, np.float32, np.dtype("f4"), "f32", "float32"))
    assert np.zeros(3, fc.f32).dtype == np.float32


def test_weak_numbers_take_the_dtype_of_the_other_side_and_arrays_keep_theirs() -> None:
    x = fc.placeholder(fc.f64, [3])
    assert (x * 2).dtype is fc.f64 and (1 - x).dtype is fc.f64
    assert (fc.constant([1, 2]).dtype, fc.constant([1.0]).dtype, fc.constant(np.ones(2)).dtype) == (fc.i32, fc.f32, fc.f64)
    assert fc.constant([1, 2], fc.f64).dtype is fc.f64


def test_old_names_mean_the_built_ins() -> None:
    x = fc.constant(F)
    np.testing.assert_array_equal(value(fc.reduce_max(x, axis=0)), F.max(axis=0))
    np.testing.assert_array_equal(value(fc.sub(fc.mul(x, 2.0), fc.neg(x))), F * 2 + F)
    np.testing.assert_array_equal(value(fc.to_int32(x)), F.astype(np.int32))
    np.testing.assert_array_equal(value(fc.cast(I, fc.float32)), I.astype(np.float32))
    np.testing.assert_array_equal(value(fc.concat([x, fc.zeros_like(x)], 1)), np.concatenate([F, np.zeros_like(F)], 1))


def test_every_old_name_stands_for_a_built_in_or_is_not_offered() -> None:
    from flowc.graph.built_ins import NAMES, functions
    from flowc.ops.call import built_ins

    assert all(name in built_ins() for name in functions() if name not in NAMES and not name.startswith("to_"))
    assert all(getattr(fc, name).__name__ == name for name in functions())


def test_constant_repeats_to_a_shape() -> None:
    np.testing.assert_array_equal(value(fc.constant(2.0, shape=[2, 3])), np.full((2, 3), 2, np.float32))
    np.testing.assert_array_equal(value(fc.constant([1, 2, 3, 4], shape=[2, 2])), [[1, 2], [3, 4]])


def test_arrays_are_constants_as_they_were_when_they_were_given() -> None:
    array = np.ones(3, np.float32)
    x = fc.constant(array) + array
    array[:] = 7
    np.testing.assert_array_equal(value(x), [2, 2, 2])
