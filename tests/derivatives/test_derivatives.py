"""Derivatives against difference quotients in f64: reverse, forward, and one of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import pullback
from flowc.ir.core import Value, func
from flowc.ir.dims import Size, atoms, evaluate
from flowc.ir.types import DType
from flowc.ops.elementwise import mul
from flowc.ops.interpret import run
from flowc.ops.reduce import Mean
from flowc.ops.tensor import constant
from tests.derivatives.cases import AT, CASES
from tests.derivatives.quotients import Array, leaves, quotient, tensor


def weighted(y: Value) -> Value:
    """A scalar that weighs every element of y differently."""
    weights = tensor("weights", *y.type.shape)
    return Mean(mul(y, weights), tuple(range(y.type.rank))).result


def arrays(params: Sequence[Value]) -> list[Array]:
    random = np.random.default_rng(0)
    sizes = {a: AT[a.name] for p in params for d in p.type.shape for a in atoms(d) if isinstance(a, Size)}
    shapes = [[evaluate(d, sizes) for d in p.type.shape] for p in params]
    ids = [p.type.dtype is DType.i64 for p in params]
    return [random.integers(-3, 3, s) if whole else random.uniform(0.5, 2, s) for whole, s in zip(ids, shapes, strict=True)]


def gradients(loss: Value, wrt: Sequence[Value]) -> tuple[Value, ...]:
    return pullback({loss: constant(1.0, DType.f64)}, wrt)


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_is_the_difference_quotient_and_agrees_with_the_tangent(name: str) -> None:
    loss = weighted(CASES[name]())
    params = leaves(loss)
    wrt = [p for p in params if p.type.dtype is DType.f64]
    along = [tensor("t" + p.hint, *p.type.shape) for p in wrt]
    tangents = pushforward([loss], dict(zip(wrt, along, strict=True)))
    fn = func("f", (*params, *along), (loss, *tangents, *gradients(loss, wrt)))
    given = arrays((*params, *along))
    _, tangent, *found = run(fn, given)
    for p, g in zip(wrt, found, strict=True):
        np.testing.assert_allclose(g, quotient(fn, given, params.index(p)), rtol=1e-5, atol=1e-8, err_msg=p.hint)
    np.testing.assert_allclose(tangent, sum(np.sum(a * b) for a, b in zip(found, given[len(params) :], strict=True)), rtol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_has_a_gradient(name: str) -> None:
    loss = weighted(CASES[name]())
    params = leaves(loss)
    x = next(p for p in params if p.type.dtype is DType.f64 and p.hint != "weights")
    (first,) = gradients(loss, [x])
    again = Mean(mul(first, first), tuple(range(first.type.rank))).result
    fn = func("f", params, (again, *gradients(again, [x])))
    given = arrays(params)
    _, found = run(fn, given)
    np.testing.assert_allclose(found, quotient(fn, given, params.index(x)), rtol=1e-4, atol=1e-7)
