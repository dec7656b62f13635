"""The derivative of every elementwise op against difference quotients in f64, and where an op has none, or a kink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from flowc.ir.core import Value, func
from flowc.ir.types import DType, Type
from flowc.ops.activations import Relu
from flowc.ops.catalog import catalog
from flowc.ops.elementwise import Abs, Cast, Maximum, Minimum, StopGradient, Where, add
from flowc.ops.functions import Clip
from flowc.ops.interpret import run
from flowc.ops.pointwise import Elementwise
from flowc.ops.powers import Power
from flowc.ops.signs import Copysign, Sign
from flowc.ops.tensor import constant

Array = np.ndarray[Any, Any]
COUNT, STEP = 400, 1e-5
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "cast": {"dtype": DType.f64}, "bitcast": {"dtype": DType.f64}, "polygamma": {"order": 1},
    "threshold": {"threshold": 0.2, "value": -1.0},
}  # fmt: skip


def smooth(op: type[Elementwise]) -> bool:
    """Whether the op gives floats for floats, and not the bits of them."""
    return bool(op.name) and "f" in op.accepts and made(op, f64_params(op)).type.dtype is DType.f64 and op.name != "bitcast"


def f64_params(op: type[Elementwise]) -> list[Value]:
    return [Value(Type(DType.bool if n == "condition" else DType.f64, (COUNT,)), None, n) for n in op.fields_of["operand"]]


def made(op: type[Elementwise], params: Sequence[Value]) -> Value:
    return op(*params, **ATTRIBUTES.get(op.name, {})).result


OPS = {name: op for name, op in sorted(catalog().items()) if issubclass(op, Elementwise) and smooth(op)}


def derivative(value: Value, by: Value) -> Value | None:
    """The part of `by` in the tangent of `value`, by the rules of the ops between; None for none."""
    if value is by:
        return constant(1, value.type.dtype)
    if value.op is None or not value.op.operands:
        return None
    assert isinstance(value.op, Elementwise)
    tangents = [derivative(v, by) for v in value.op.operands]
    parts: list[Value] = []
    for n, t in enumerate(tangents):
        if t is None:
            continue
        rule = value.op.gradient(t)
        if rule is None:
            expanded = value.op.expand()
            assert expanded is not None, f"{value.op.name} has no derivative and says it by no simpler ops"
            return derivative(expanded, by)
        assert len(rule) == len(value.op.operands)
        if rule[n] is not None:
            parts.append(rule[n])
    return None if not parts else parts[0] if len(parts) == 1 else add(*parts)


def results(values: Sequence[Value], params: Sequence[Value], arrays: Sequence[Array]) -> list[Array]:
    with np.errstate(all="ignore"):
        return [np.broadcast_to(a, arrays[0].shape) for a in run(func("f", tuple(params), tuple(values)), arrays)]


def gradient_at(op: type[Elementwise], *points: float, dtype: DType = DType.f64, **attributes: Any) -> list[float | None]:
    """The cotangents of the operands at one point, where that of the result is 1."""
    params = [Value(Type(dtype), None, n) for n in op.fields_of["operand"]]
    rule = op(*params, **attributes).gradient(constant(1, dtype))
    assert rule is not None
    found = iter(results([v for v in rule if v is not None], params, [np.asarray(p, dtype.numpy) for p in points]))
    return [None if v is None else float(next(found)) for v in rule]


def drawn(params: Sequence[Value]) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.random(COUNT) < 0.5 if p.type.dtype is DType.bool else rng.normal(0.3, 1.5, COUNT) for p in params]


def quotients(y: Value, params: Sequence[Value], x: Sequence[Array], n: int) -> tuple[Array, Array]:
    """The slopes of y along operand n, and where there is neither a kink nor a jump nearby: where half the step changes little."""

    def slope(step: float) -> Array:
        (above,), (below,) = (results([y], params, [*x[:n], x[n] + s, *x[n + 1 :]]) for s in (step, -step))
        return (above - below) / (2 * step)

    wanted, check = slope(STEP), slope(STEP / 2)
    smooth = np.isfinite(wanted) & (np.abs(wanted - check) <= 1e-6 * (1 + np.abs(wanted)))
    assert smooth.sum() >= 20
    return wanted, smooth


def floats(params: Sequence[Value]) -> list[tuple[int, Value]]:
    return [(n, p) for n, p in enumerate(params) if p.type.dtype.is_float]


@pytest.mark.parametrize("name", OPS)
def test_the_derivative_is_the_limit_of_difference_quotients(name: str) -> None:
    op = OPS[name]
    params = f64_params(op)
    x, y = drawn(params), made(op, params)
    for n, p in floats(params):
        wanted, smooth = quotients(y, params, x, n)
        found = derivative(y, p)
        if found is None:
            assert op.steps or name in ("stop_gradient", "copysign", "nextafter")
            assert name == "stop_gradient" or not wanted[smooth].any()
            continue
        (slope,) = results([found], params, x)
        np.testing.assert_allclose(slope[smooth], wanted[smooth], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", OPS)
def test_the_derivative_has_a_derivative(name: str) -> None:
    params = f64_params(OPS[name])
    x, y = drawn(params), made(OPS[name], params)
    for _, p in floats(params):
        first = derivative(y, p)
        for n, q in floats(params) if first is not None else ():
            wanted, smooth = quotients(first, params, x, n)  # type: ignore[arg-type]
            second = derivative(first, q)  # type: ignore[arg-type]
            (slope,) = results([second], params, x) if second is not None else (np.zeros(COUNT),)
            np.testing.assert_allclose(slope[smooth], wanted[smooth], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op", [Relu, Abs, Sign])
def test_the_derivative_at_a_kink_at_0_is_0(op: type[Elementwise]) -> None:
    assert [g or 0.0 for g in gradient_at(op, 0.0) + gradient_at(op, -0.0)] == [0.0, 0.0]


@pytest.mark.parametrize("op", [Maximum, Minimum])
def test_two_that_are_equal_share_the_derivative(op: type[Elementwise]) -> None:
    assert gradient_at(op, 2.0, 2.0) == [0.5, 0.5]
    assert gradient_at(op, np.nan, 2.0)[0] == 1


def test_clip_passes_the_derivative_on_from_the_low_to_the_high_bound() -> None:
    found = [gradient_at(Clip, x, -1.0, 1.0) for x in (-2.0, -1.0, 0.5, 1.0, 2.0)]
    assert found == [[0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert gradient_at(Clip, 0.0, 3.0, 2.0) == [0, 0, 1]
    x = Value(Type(DType.f64), None, "x")
    for given in ((constant(1.0, DType.f64), None), (None, constant(1.0, DType.f64))):
        op = Clip.make(x, *given).op
        assert isinstance(op, Clip)
        (slope,) = results([op.gradient(constant(1, DType.f64))[0] or x], [x], [np.float64(1)])
        assert slope == 1


def test_the_derivative_of_a_power_at_0_is_no_nan() -> None:
    assert gradient_at(Power, 0.0, 3.0) == [0, 0]
    assert gradient_at(Power, 0.0, 1.0) == [1, 0]
    assert gradient_at(Power, 0.0, 0.0) == [0, 0]
    assert gradient_at(Power, 1e-40, 0.0, dtype=DType.f32)[0] == 0
    assert gradient_at(Power, -2.0, 3.0)[0] == 12


def test_a_power_of_a_constant_exponent_has_a_derivative_without_a_power_where_it_can() -> None:
    x = Value(Type(DType.f32), None, "x")
    for exponent, at_three in ((0.0, 0.0), (1.0, 1.0), (2.0, 6.0), (3.0, 27.0)):
        rule = Power(x, constant(exponent, DType.f32)).gradient(constant(1, DType.f32))
        (found,) = results([rule[0]], [x], [np.float32(3)])  # type: ignore[list-item]
        assert found == at_three
        assert exponent > 2 or "power" not in str(func("f", (x,), (rule[0],)))  # type: ignore[arg-type]


def test_integers_and_conditions_have_no_cotangent() -> None:
    c, i, x = (Value(Type(d), None, d.value) for d in (DType.bool, DType.i32, DType.f32))
    assert Where(c, x, x).gradient(x)[0] is None  # type: ignore[index]
    assert Cast(i, DType.f32).gradient(x) == (None,)
    wide = Cast(x, DType.f64)
    assert [v.type.dtype for v in wide.gradient(wide.result) or () if v is not None] == [DType.f32]


def test_a_stopped_gradient_is_the_value_without_a_cotangent() -> None:
    x = Value(Type(DType.f32, (3,)), None, "x")
    assert StopGradient(x).gradient(x) == (None,)
    assert StopGradient(x).expand() is x


def test_the_sign_of_a_zero_keeps_no_derivative() -> None:
    assert gradient_at(Copysign, 0.0, -1.0) == [0, None]
    assert gradient_at(Copysign, -3.0, 1.0) == [-1, None]
