"""The derivative of every built-in, in f64: along a direction it is a difference quotient, in reverse and forward mode."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import pullback
from flowc.ir.core import Value, func, indices
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import add, mul
from flowc.ops.interpret import run
from flowc.ops.reduce import Sum
from flowc.ops.tensor import constant
from tests.derivatives.quotients import Array
from tests.ops.test_contract import CASES, Case, dtype_of

STEP = 1e-6
# Of no float, of none that is smooth, or with sizes that only the run knows.
SMOOTH = [c for c in CASES if any(a.dtype.kind == "f" and a.size for a in c.arrays)]


def given(case: Case, random: np.random.Generator) -> list[Array]:
    """Arrays of the shapes of the case, its floats anew, apart from each other and from 0."""
    apart = [(random.permutation(a.size) + 1.0).reshape(a.shape) * (0.6 / max(a.size, 1)) + 0.2 for a in case.arrays]
    return [x if a.dtype.kind == "f" else a for x, a in zip(apart, case.arrays, strict=True)]


def smooth_results(case: Case, params: list[Value]) -> list[Value]:
    made = case.made(params)
    found = [made] if isinstance(made, Value) else [v for v in made if isinstance(v, Value)] if isinstance(made, tuple) else []
    return [v for v in found if v.type.dtype.is_float and not any(indices(v.type.shape))]


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.name}-{n}") for n, c in enumerate(SMOOTH)])
def test_a_derivative_is_the_difference_quotient_along_a_direction(case: Case) -> None:
    random = np.random.default_rng(5)
    arrays = given(case, random)
    dtypes = [DType.f64 if a.dtype.kind == "f" else DType(dtype_of(a)) for a in case.arrays]
    params = [Value(Type(d, a.shape), None, f"x{n}") for n, (d, a) in enumerate(zip(dtypes, arrays, strict=True))]
    ys = smooth_results(case, params)
    if not ys:
        return
    weights = [Value(y.type, None, f"w{n}") for n, y in enumerate(ys)]
    loss = constant(0.0, DType.f64)
    for y, w in zip(ys, weights, strict=True):
        loss = add(loss, Sum(mul(y, w), tuple(range(y.type.rank))).result)
    wrt = [p for p in params if p.type.dtype is DType.f64]
    along = [Value(p.type, None, f"d{p.hint}") for p in wrt]
    (tangent,) = pushforward([loss], dict(zip(wrt, along, strict=True)))
    reverse = pullback({loss: constant(1.0, DType.f64)}, wrt)
    fn = func("f", (*params, *along, *weights), (loss, tangent, *reverse))
    direction = [random.standard_normal(a.shape) for a, p in zip(arrays, params, strict=True) if p in wrt]
    weighed = [random.uniform(0.5, 1.5, tuple(y.type.shape)) for y in ys]  # type: ignore[arg-type]
    with np.errstate(all="ignore"):
        _, forward, *found = run(fn, [*arrays, *direction, *weighed])
        ends: list[float] = []
        for sign in (1, -1):
            moved = iter(direction)
            at = [a + sign * STEP * next(moved) if p in wrt else a for a, p in zip(arrays, params, strict=True)]
            ends.append(float(run(func("f", fn.body.params, (loss,)), [*at, *direction, *weighed])[0]))
    quotient = (ends[0] - ends[1]) / (2 * STEP)
    assert float(forward) == pytest.approx(quotient, rel=1e-4, abs=1e-6)
    assert sum(float(np.sum(g * d)) for g, d in zip(found, direction, strict=True)) == pytest.approx(float(forward), rel=1e-8, abs=1e-10)
