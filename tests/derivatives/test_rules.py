"""What a derivative is by: several values at once, values of which one is made of the other, nothing at all."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.derivatives.checkpoint import chunked
from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import pullback
from flowc.errors import OpError
from flowc.ir.core import Func, Module, body, func, walk
from flowc.ir.dims import dim
from flowc.ir.types import DType, Type
from flowc.ops.control import Scan
from flowc.ops.elementwise import add, cast, mul
from flowc.ops.functions import exp
from flowc.ops.interpret import run
from flowc.ops.kernel import axes
from flowc.ops.reduce import Sum
from flowc.ops.tensor import SizeValue, constant
from flowc.transforms.simplify import simplify
from tests.derivatives.cases import looped, rnn
from tests.derivatives.quotients import leaves, tensor

ONE = constant(1.0, DType.f64)


def test_each_entry_is_differentiated_as_if_it_were_the_only_one() -> None:
    x = tensor("x", 3)
    h = exp(x)
    loss = Sum(mul(h, h), (0,)).result
    at = np.array([0.1, 0.2, 0.3])
    by_x, by_h = run(func("f", (x,), pullback({loss: ONE}, [x, h])), [at])
    np.testing.assert_allclose(by_x, 2 * np.exp(2 * at))
    np.testing.assert_allclose(by_h, 2 * np.exp(at))
    both = pushforward([loss], {x: x, h: h})
    np.testing.assert_allclose(run(func("f", (x,), both), [at])[0], np.sum(2 * np.exp(2 * at) * (1 + at)))


def test_what_nothing_depends_on_has_derivative_zero() -> None:
    x, y, n = tensor("x", 3), tensor("y", 3), tensor("n", dtype=DType.i64)
    loss = Sum(mul(x, cast(n, DType.f64)), (0,)).result
    assert run(func("f", (x, y, n), pullback({loss: ONE}, [y])), [np.ones(3), np.ones(3), 2])[0].tolist() == [0, 0, 0]
    assert run(func("f", (x, y, n), pushforward([loss], {y: y})), [np.ones(3), np.ones(3), 2])[0] == 0


def test_a_loop_without_a_limit_has_a_tangent_and_no_gradient() -> None:
    (end, _) = looped(None)
    loss = Sum(end, (0, 1)).result
    x = next(p for p in leaves(loss) if p.hint == "x")
    with pytest.raises(OpError, match=r"^a loop without a limit has no reverse derivative") as told:
        pullback({loss: ONE}, [x])
    assert told.value.help == "write `limit n` behind its condition; jvp needs none"
    (limited, _) = looped(9)
    params, arrays = leaves(loss), [np.full((4, 3), 0.3), np.full((4, 3), 0.7)]
    tangents = [run(func("f", params, pushforward([y], {x: x})), arrays)[0] for y in (end, limited)]
    np.testing.assert_array_equal(*tangents)


def simplified(fn: Func) -> Func:
    return simplify(Module("m", (fn,))).func("f")


def test_a_scan_and_its_derivative_are_one_scan_and_one_back() -> None:
    loss = Sum(rnn()[0], (0, 1)).result
    made = simplified(func("f", leaves(loss), (loss, *pullback({loss: ONE}, leaves(loss)))))
    assert [(op.backwards, op.stacked) for op in walk(made.body) if isinstance(op, Scan)] == [(False, True), (True, False)]


def test_the_sum_of_products_over_all_steps_is_one_contraction_after_them() -> None:
    loss = Sum(rnn()[0], (0, 1)).result
    (u,) = (p for p in leaves(loss) if p.hint == "u")
    made = simplified(func("f", leaves(loss), pullback({loss: ONE}, [u])))
    (back,) = (op for op in walk(made.body) if isinstance(op, Scan) and op.backwards)
    assert len(back.init) == 1  # the cotangent of h, and no sum of what each step adds to that of u


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7, 9, 10])
def test_a_scan_in_chunks_is_the_scan(steps: int, backwards: bool) -> None:
    xs, h0 = tensor("xs", steps, 2), tensor("h0", 2)
    (t,), x, h = axes((steps,)), tensor("x", 2), tensor("h", 2)
    new = add(mul(h, x), SizeValue((dim(t),), Type(DType.f64)).result)
    scan = Scan((xs,), (h0,), (steps,), body((t, x, h), (new, mul(new, new))), backwards)
    arrays = [np.random.default_rng(0).uniform(0.5, 1, (steps, 2)), np.ones(2)]
    for whole, parts in zip(run(func("f", (xs, h0), scan.results), arrays), run(func("f", (xs, h0), chunked(scan)), arrays), strict=True):
        np.testing.assert_array_equal(parts, whole)
    loss = add(Sum(chunked(scan)[0], (0,)).result, Sum(chunked(scan)[1], (0, 1)).result)
    plain = add(Sum(scan.results[0], (0,)).result, Sum(scan.results[1], (0, 1)).result)
    made = [run(func("f", (xs, h0), pullback({y: ONE}, [xs, h0])), arrays) for y in (loss, plain)]
    for again, kept in zip(*made, strict=True):
        np.testing.assert_allclose(again, kept, rtol=1e-12)
