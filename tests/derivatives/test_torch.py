"""Built-ins, control flow and derivatives of derivatives are as PyTorch has them; make_torch.py writes those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.ir.core import Value, close, func
from flowc.ir.types import DType, below
from flowc.ops.call import built_ins
from flowc.ops.control import Cond, Loop, Scan
from flowc.ops.elementwise import add, div, less, mul, sub
from flowc.ops.functions import Tanh, exp
from flowc.ops.interpret import run
from flowc.ops.linalg import matmul
from flowc.ops.reduce import Sum
from flowc.ops.tensor import constant, like
from tests.derivatives.make_torch import CASES, FILE, FLOWS, SECOND
from tests.derivatives.quotients import Array, tensor
from tests.ops.make_torch import Case, seed_of
from tests.ops.test_torch import made, params_of


@pytest.fixture(scope="module")
def wanted() -> Mapping[str, Array]:
    with np.load(FILE) as file:
        return dict(file)


def compare(id: str, params: Sequence[Value], ys: Sequence[Value], arrays: Sequence[Array], wanted: Mapping[str, Array]) -> None:
    """Values and derivatives, with the sums in the order of native code."""
    seeds = {y: Value(y.type, None, "seed") for y in ys}
    weights = [seed_of(wanted[f"{id}/value{n}"], n) for n in range(len(ys))]
    by = [n for n in range(len(params)) if f"{id}/{n}" in wanted]
    assert by == [n for n, p in enumerate(params) if p.type.dtype.is_float] or not any(y.type.dtype.is_float for y in ys)
    floats = {y: s for y, s in seeds.items() if y.type.dtype.is_float}
    fn = func("f", (*params, *seeds.values()), (*ys, *pullback(floats, [params[n] for n in by])))
    given = [w if y.type.dtype.is_float else w.astype(np.int64) for w, y in zip(weights, ys, strict=True)]
    found = run(fn, [*arrays, *given], bits=True)
    names = [*(f"value{n}" for n in range(len(ys))), *map(str, by)]
    for name, array in zip(names, found, strict=True):
        assert array.shape == wanted[f"{id}/{name}"].shape
        np.testing.assert_allclose(array, wanted[f"{id}/{name}"], rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_built_in_and_its_derivative_are_those_of_torch(case: Case, wanted: Mapping[str, Array]) -> None:
    params = params_of(case)
    compare(case.id, params, made(case, params), case.tensors, wanted)


def built_in(name: str, *arguments: object) -> Value:
    return built_ins()[name].make(*arguments)  # type: ignore[return-value]


def total(x: Value, *axes: int) -> Value:
    return Sum(x, axes or tuple(range(x.type.rank))).result


def recurrence(xs: Value, h: Value, w: Value) -> Value:
    t, x, g, s = Value(below(xs.type.shape[0]), None, "t"), tensor("x", 4), tensor("g", 4), tensor("s", 4)
    new = Tanh(add(x, built_in("matmul", g, w))).result
    last, sums = Scan((xs,), (h, mul(h, like(h, 0))), xs.type.shape[:1], close((t, x, g, s), (new, add(s, new)))).results
    return mul(sums, last)


def repeated(x: Value, y: Value) -> Value:
    (v, n), (u, m) = ((tensor("v", 4), tensor("n", dtype=DType.i64)) for _ in range(2))
    far = less(constant(1e-3, DType.f64), total(built_in("abs", sub(mul(v, v), y))))
    go = built_in("logical_and", less(n, like(n, 5)), far)
    block = close((u, m), (mul(add(u, div(y, u)), like(u, 0.5)), add(m, like(m, 1))))
    return Loop((x, constant(0, DType.i64)), (9,), close((v, n), (go,)), block).results[0]


def chosen(x: Value, y: Value) -> Value:
    sides = close((), (mul(built_in("sin", x), y),)), close((), (mul(x, exp(y)),))
    return Cond(less(constant(0.0, DType.f64), total(x)), *sides).results[0]


def nested(xs: Value, h: Value, w: Value) -> Value:
    t, x, g = Value(below(xs.type.shape[0]), None, "t"), tensor("x", 4), tensor("g", 4)
    s, k = Value(below(3), None, "s"), tensor("k", 4)
    inner = Scan((), (g,), (3,), close((s, k), (built_in("sin", add(built_in("matmul", k, w), x)),))).results[0]
    sides = close((), (mul(inner, g),)), close((), (sub(inner, g),))
    new = Cond(less(constant(0.0, DType.f64), total(inner)), *sides).results[0]
    return Scan((xs,), (h,), xs.type.shape[:1], close((t, x, g), (new,))).results[0]


FLOW: dict[str, Callable[..., Value]] = {
    "scan": recurrence,
    "loop": repeated,
    "cond: true": chosen,
    "cond: false": chosen,
    "nested": nested,
}


def product(x: Value, y: Value) -> Value:
    diagonal = total(mul(x, y), 1)
    return total(mul(built_in("prod", x, 1), diagonal))


TWICE: dict[str, Callable[..., Value]] = {
    "softmax": lambda x, y: total(mul(built_in("softmax", x, 1), y)),
    "layer_norm": lambda x, y: total(mul(built_in("layer_norm", x), y)),
    "product": product,
    "mlp": lambda x, w: total(built_in("logsumexp", Tanh(matmul(x, w)).result, 1)),
    "scan": lambda xs, h, w: total(recurrence(xs, h, w)),
}


@pytest.mark.parametrize("name", FLOWS)
def test_the_derivative_of_control_flow_is_that_of_torch(name: str, wanted: Mapping[str, Array]) -> None:
    arrays = FLOWS[name][1]
    params = [tensor(f"x{n}", *a.shape) for n, a in enumerate(arrays)]
    compare(f"flow {name}", params, [FLOW[name](*params)], arrays, wanted)


@pytest.mark.parametrize("name", SECOND)
def test_the_derivative_of_a_derivative_is_that_of_torch(name: str, wanted: Mapping[str, Array]) -> None:
    arrays = SECOND[name][1]
    params = [tensor(f"x{n}", *a.shape) for n, a in enumerate(arrays)]
    first = pullback({TWICE[name](*params): constant(1.0, DType.f64)}, params)
    squares = [total(mul(g, g)) for g in first]
    y = squares[0]
    for square in squares[1:]:
        y = add(y, square)
    compare(f"second {name}", params, [y], arrays, wanted)
