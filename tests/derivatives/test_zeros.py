"""Derivatives where a formula divides by zero: products with zeros, norms and deviations that are 0, sums of nothing but -inf."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import pullback
from flowc.ir.core import Value, func
from flowc.ops.call import built_ins, call
from flowc.ops.interpret import run
from flowc.ops.tensor import like
from tests.derivatives.quotients import Array, tensor

X = tensor("x", 4)
PRODUCTS = ([2.0, 3.0, 0.5, 7.0], [2.0, 0.0, 0.5, 7.0], [0.0, 3.0, 0.5, 0.0], [0.0, 0.0, 0.0, 7.0], [-0.0, 0.0, 0.0, 0.0])


def made(name: str, *given: object) -> Value:
    y = call(built_ins()[name], (X, *given), {})  # type: ignore[arg-type]
    assert isinstance(y, Value)
    return y


def gradient(y: Value) -> Value:
    (found,) = pullback({y: like(y, 1)}, [X])
    return found


def others(x: Array, *taken: int) -> float:
    return float(np.prod(np.delete(x, taken)))


@pytest.mark.parametrize("numbers", PRODUCTS, ids=str)
def test_the_gradient_of_a_product_is_the_product_of_the_others(numbers: list[float]) -> None:
    x = np.array(numbers)
    (found,) = run(func("f", (X,), (gradient(made("prod")),)), [x])
    np.testing.assert_allclose(found, [others(x, k) for k in range(4)], rtol=1e-14)


@pytest.mark.parametrize("numbers", PRODUCTS, ids=str)
def test_the_gradient_of_that_is_the_product_of_the_rest(numbers: list[float]) -> None:
    x, d = np.array(numbers), gradient(made("prod"))
    weights = tensor("w", 4)
    (second,) = pullback({d: weights}, [X])
    for k in range(4):
        (found,) = run(func("f", (X, weights), (second,)), [x, np.eye(4)[k]])
        np.testing.assert_allclose(found, [0.0 if k == m else others(x, k, m) for m in range(4)], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3, 0.5, -1, np.inf, -np.inf])
def test_a_norm_that_is_zero_has_derivative_zero(order: float) -> None:
    y, t = made("norm", order), tensor("t", 4)
    (along,) = pushforward([y], {X: t})
    found, tangent = run(func("f", (X, t), (gradient(y), along)), [np.zeros(4), np.ones(4)])
    np.testing.assert_array_equal(found, np.zeros(4))
    assert tangent == 0


def test_a_norm_has_no_derivative_by_an_element_that_is_zero() -> None:
    for order in (1, 3, 0.5):
        (found,) = run(func("f", (X,), (gradient(made("norm", order)),)), [np.array([3.0, 0.0, -4.0, 0.0])])
        assert np.all(np.isfinite(found)) and np.all(found[[1, 3]] == 0) and np.all(found[[0, 2]] != 0)


def test_a_deviation_of_equal_numbers_has_derivative_zero() -> None:
    (found,) = run(func("f", (X,), (gradient(made("std")),)), [np.full(4, 0.1)])
    np.testing.assert_array_equal(found, np.zeros(4))


def test_logsumexp_shares_its_derivative_by_softmax_and_of_nothing_has_none() -> None:
    fn = func("f", (X,), (gradient(made("logsumexp")),))
    np.testing.assert_allclose(run(fn, [np.array([1000.0, 1000.0, -np.inf, 0.0])])[0], [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(run(fn, [np.array([np.inf, 0.0, 1.0, -np.inf])])[0][1:], np.zeros(3))
    np.testing.assert_array_equal(run(fn, [np.full(4, -np.inf)])[0], np.zeros(4))


def test_the_derivative_of_a_diagonal_matrix_is_the_diagonal() -> None:
    y = made("diag", 1)
    (d,) = pullback({y: tensor("g", 5, 5)}, [X])
    assert d.op is not None and (d.op.name, d.type.shape) == ("einsum", (4,))
