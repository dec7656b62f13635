"""Optimisers follow their published formulas, written out in NumPy, in graphs and of values alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc as fc

Slots = dict[str, np.ndarray]
Formula = Callable[[np.ndarray, np.ndarray, Slots, int], np.ndarray]
STEPS = 5


def descent(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    return x - 0.1 * g


def momentum(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["v"] = 0.9 * s.get("v", 0 * x) + g
    return x - 0.1 * s["v"]


def nesterov(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["v"] = 0.8 * s.get("v", 0 * x) + g
    return x - 0.1 * (g + 0.8 * s["v"])


def adam(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["m"] = 0.9 * s.get("m", 0 * x) + 0.1 * g
    s["v"] = 0.99 * s.get("v", 0 * x) + 0.01 * g * g
    return x - 0.1 * np.sqrt(1 - 0.99**t) / (1 - 0.9**t) * s["m"] / (np.sqrt(s["v"]) + 1e-3)


def adamw(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["m"] = 0.9 * s.get("m", 0 * x) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0 * x) + 0.001 * g * g
    x = x - 0.1 * 0.05 * x
    return x - 0.1 * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def rmsprop(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["s"] = 0.9 * s.get("s", 0 * x + 1) + 0.1 * g * g
    s["u"] = 0.5 * s.get("u", 0 * x) + 0.1 * g / np.sqrt(s["s"] + 1e-10)
    return x - s["u"]


def centered(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["s"] = 0.9 * s.get("s", 0 * x + 1) + 0.1 * g * g
    s["a"] = 0.9 * s.get("a", 0 * x) + 0.1 * g
    return x - 0.1 * g / np.sqrt(s["s"] - s["a"] ** 2 + 1e-10)


def adagrad(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    s["a"] = s.get("a", 0 * x + 0.1) + g * g
    return x - 0.1 * g / np.sqrt(s["a"])


def falling(x: np.ndarray, g: np.ndarray, s: Slots, t: int) -> np.ndarray:
    return x - 0.1 * 0.5 ** (t - 1) * g


OPTIMIZERS: dict[str, tuple[Callable[[], fc.train.Optimizer], Formula]] = {
    "descent": (lambda: fc.train.GradientDescent(0.1), descent),
    "momentum": (lambda: fc.train.Momentum(0.1, 0.9), momentum),
    "nesterov": (lambda: fc.train.Momentum(0.1, 0.8, use_nesterov=True), nesterov),
    "adam": (lambda: fc.train.Adam(0.1, beta2=0.99, epsilon=1e-3), adam),
    "adamw": (lambda: fc.train.AdamW(0.1, weight_decay=0.05), adamw),
    "rmsprop": (lambda: fc.train.RMSProp(0.1, momentum=0.5), rmsprop),
    "centered": (lambda: fc.train.RMSProp(0.1, centered=True), centered),
    "adagrad": (lambda: fc.train.Adagrad(0.1), adagrad),
    "a rate that falls": (lambda: fc.train.GradientDescent(lambda step: fc.train.exponential_decay(0.1, step, 1, 0.5)), falling),
}
START = {"w": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.1, -0.2])}


def gradient(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of sum(w^4) / 4 + sum(b^2)."""
    return {"w": values["w"] ** 3, "b": 2 * values["b"]}


def expected(formula: Formula) -> dict[str, np.ndarray]:
    values, slots = dict(START), {name: dict[str, np.ndarray]() for name in START}
    for t in range(1, STEPS + 1):
        g = gradient(values)
        values = {name: formula(x, g[name], slots[name], t) for name, x in values.items()}
    return values


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_in_a_graph_follow_the_formula(name: str) -> None:
    make, formula = OPTIMIZERS[name]
    w, b = fc.Variable(START["w"], name="w"), fc.Variable(START["b"], name="b")
    steps = fc.train.get_or_create_global_step()
    step = make().minimize(fc.sum(w * w * w * w) / 4.0 + fc.sum(b * b), global_step=steps)
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        for _ in range(STEPS):
            session.run(step)
        found = session.run({"w": w, "b": b})
        assert session.run(steps) == fc.train.global_step(session, steps) == STEPS
    for key, value in expected(formula).items():
        np.testing.assert_allclose(found[key], value, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_of_values_follow_the_formula(name: str) -> None:
    make, formula = OPTIMIZERS[name]
    optimizer = make()
    values: Any = START
    state = optimizer.init(values)
    for _ in range(STEPS):
        values, state = optimizer.update(values, gradient(values), state)
    assert state["step"] == STEPS
    for key, value in expected(formula).items():
        np.testing.assert_allclose(values[key], value, rtol=1e-6)


@pytest.mark.parametrize("make", [fc.train.Adam, fc.train.AdamW])
def test_the_first_step_of_narrow_floats_is_the_rate(make: Callable[..., fc.train.Optimizer]) -> None:
    x = fc.constant([1.0, -2.0, 4.0]).astype(fc.bf16)
    optimizer = make(lambda step: fc.train.linear_warmup(0.5, step, 1), epsilon=1e-6)
    new, _ = optimizer.update([x], [x], optimizer.init([x]))
    with fc.Session() as session:
        found = session.run(new[0].astype(fc.f32))
    decay = 0.5 * 0.01 * np.array([1, -2, 4]) if make is fc.train.AdamW else 0
    np.testing.assert_allclose(found, np.array([0.5, -1.5, 3.5]) - decay, rtol=0.02)


def test_training_is_one_compiled_function() -> None:
    optimizer = fc.train.Adam(0.1, beta2=0.99, epsilon=1e-3)

    def loss(values: dict[str, Any]) -> Any:
        return fc.sum(values["w"] ** 4.0) / 4.0 + fc.sum(fc.square(values["b"]))

    @fc.function
    def trained(values: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            values, state = carry
            value, grads = fc.value_and_grad(loss)(values)
            return optimizer.update(values, grads, state), value

        (values, _), losses = fc.scan(step, (values, optimizer.init(values)), length=STEPS)
        return values, losses

    values, losses = trained(START)
    for key, value in expected(adam).items():
        np.testing.assert_allclose(values[key], value, rtol=1e-6)
    assert losses.shape == (STEPS,) and losses[-1] < losses[0]


def test_pairs_without_a_gradient_are_left() -> None:
    v, w = fc.Variable(1.0, name="v"), fc.Variable(1.0, name="w")
    optimizer = fc.train.GradientDescentOptimizer(0.5)
    pairs = optimizer.compute_gradients(v * v)
    assert [(g is None, x) for g, x in pairs] == [(False, v), (True, w)]
    step = optimizer.apply_gradients([(g * 2.0 if g is not None else None, x) for g, x in pairs])
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        session.run(step)
        assert session.run([v, w]) == [-1, 1]


def test_variables_chosen_are_those_that_change() -> None:
    v, w, fixed = fc.Variable(1.0), fc.Variable(1.0), fc.Variable(1.0, trainable=False)
    loss = (v * w * fixed) ** 2.0
    one, all_ = (fc.train.GradientDescent(0.25).minimize(loss, var_list=which) for which in ([w], None))
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        session.run(one)
        assert session.run([v, w, fixed]) == [1, 0.5, 1]
        session.run(all_)
        assert session.run([v, w, fixed]) == [1 - 0.25 * 2 * 0.25, 0.5 - 0.25 * 2 * 0.5, 1]


def test_slots_are_variables_of_their_own_names() -> None:
    w = fc.Variable([1.0, 2.0], name="layer/w")
    optimizer = fc.train.Adam()
    with fc.name_scope("training"):
        optimizer.minimize(fc.sum(w * w))
    assert [v.state.name for v in fc.global_variables()] == ["layer.w", "Adam.step", "layer.w.Adam.m", "layer.w.Adam.v"]
    assert fc.trainable_variables() == [w]
    slot = optimizer.get_slot(w, "m")
    assert slot is not None and slot.state.name == "layer.w.Adam.m"


def test_a_rate_may_be_fed() -> None:
    w, rate = fc.Variable(1.0), fc.placeholder(fc.f32)
    step = fc.train.GradientDescent(rate).minimize(w * 1.0)
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        session.run(step, {rate: 0.25})
        assert session.run(w) == 0.75


def test_a_loss_without_a_variable_is_told() -> None:
    with pytest.raises(fc.Error, match="there is no trainable variable to change"):
        fc.train.GradientDescent(0.1).minimize(fc.constant(1.0))
    w = fc.Variable(1.0, name="w")
    with pytest.raises(fc.Error, match="no variable has a gradient: the loss depends on none of w"):
        fc.train.GradientDescent(0.1).minimize(fc.constant(1.0), var_list=[w])
