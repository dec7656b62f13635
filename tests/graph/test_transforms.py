"""Functions made from functions, against what calculus says."""
# ruff: noqa: F821 (in an annotation "N" is a size, not a forward reference)

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import flowc as fc

X = np.array([0.5, -1.0, 2.0])


def test_grad_is_the_derivative_by_the_argument_named() -> None:
    @fc.function
    def f(x: fc.f64["N"], w: fc.f64["N"]):
        return fc.sum(fc.exp(x * w))

    w = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(fc.grad(f)(X, w), w * np.exp(X * w))
    by_x, by_w = fc.grad(f, argnums=(0, 1))(X, w)
    np.testing.assert_allclose((by_x, by_w), (w * np.exp(X * w), X * np.exp(X * w)))
    value, by_w = fc.value_and_grad(f, argnums=-1)(X, w=w)
    np.testing.assert_allclose(value, np.exp(X * w).sum())
    np.testing.assert_allclose(by_w, X * np.exp(X * w))


def test_grad_nests_and_takes_numbers() -> None:
    f = fc.grad(fc.grad(lambda x: fc.sin(x) * x))
    np.testing.assert_allclose(f(0.7), 2 * np.cos(0.7) - 0.7 * np.sin(0.7), rtol=1e-6)
    f(0.8)
    assert len(f._traced) == 1  # another number is no other program


class Layer(NamedTuple):
    w: Any
    b: Any


def test_a_derivative_has_the_structure_of_its_argument() -> None:
    def loss(layers: dict[str, Layer], x: Any) -> Any:
        return fc.sum(fc.tanh(x * layers["first"].w) + layers["first"].b)

    found = fc.grad(loss)({"first": Layer(X, np.float64(1)), "unused": [X]}, X)
    np.testing.assert_allclose(found["first"].w, X * (1 - np.tanh(X * X) ** 2))
    np.testing.assert_array_equal(found["first"].b, 3)
    np.testing.assert_array_equal(found["unused"][0], [0, 0, 0])


def test_grad_hands_on_what_is_beside_the_loss() -> None:
    d, aux = fc.grad(lambda x: (fc.sum(x * x), x + 1.0), has_aux=True)(X)
    np.testing.assert_array_equal([d, aux], [2 * X, X + 1])
    (loss, aux), d = fc.value_and_grad(lambda x: (fc.sum(x * x), x + 1.0), has_aux=True)(X)
    np.testing.assert_array_equal([d, aux], [2 * X, X + 1])
    assert loss == np.sum(X * X)


def test_grad_stands_inside_a_function() -> None:
    @fc.function
    def step(w: fc.f64["N"], rate: fc.f64):
        return w - rate * fc.grad(lambda w: fc.sum(w**4.0))(w)

    np.testing.assert_allclose(step(X, 0.5), X - 0.5 * 4 * X**3)


def test_vjp_of_a_function_pulls_cotangents_back() -> None:
    y, pull = fc.vjp(lambda x, w: {"product": x * w, "sum": x + w}, X, 2 * X)
    np.testing.assert_array_equal(y["product"], 2 * X * X)
    by_x, by_w = pull({"product": np.ones(3), "sum": X})
    np.testing.assert_array_equal([by_x, by_w], [2 * X + X, X + X])


def test_jvp_of_a_function_pushes_tangents_forward() -> None:
    y, d = fc.jvp(lambda x, w: x * w, (X, 2 * X), (np.ones(3), X))
    np.testing.assert_array_equal([y, d], [2 * X * X, 2 * X + X * X])


def test_vjp_and_jvp_of_functions_stand_inside_functions() -> None:
    @fc.function
    def both(x: fc.f64["N"]):
        y, pull = fc.vjp(lambda x: x**3.0, x)
        return (*pull(y), *fc.jvp(lambda x: x**3.0, (x,), (y,)))

    back, y, forward = both(X)
    np.testing.assert_allclose(y, X**3)
    np.testing.assert_allclose([back, forward], [3 * X**5] * 2)


def test_a_derivative_by_hand_sees_arguments_and_inner_values() -> None:
    @fc.custom_derivative
    def log1pexp(x: Any) -> Any:
        e = fc.exp(x)

        def derivative(dy: Any) -> Any:
            return dy * (1.0 - 1.0 / (1.0 + e))

        return fc.log(1.0 + e), derivative

    np.testing.assert_allclose(log1pexp(X), np.log1p(np.exp(X)))
    np.testing.assert_allclose(fc.grad(lambda x: fc.sum(log1pexp(x)))(X), 1 / (1 + np.exp(-X)))
    assert fc.grad(log1pexp)(np.float64(1000)) == 1  # where that of the formula is inf / inf


def test_a_derivative_by_hand_may_stand_apart() -> None:
    clipped = fc.custom_derivative(lambda x, n: x * 1.0, lambda x, n, dy: fc.clip(dy, -1.0, 1.0))
    found = fc.grad(lambda x: fc.sum(clipped(x, fc.constant(2)) * 5.0 * x))(X)
    np.testing.assert_array_equal(found, 5 * X + np.clip(5 * X, -1, 1))


def test_the_forward_derivative_by_hand_is_the_transpose() -> None:
    tripled = fc.custom_derivative(lambda x, y: x * y, lambda x, y, d: (3.0 * d, None))
    _, d = fc.jvp(tripled, (X, X), (np.ones(3), X))
    np.testing.assert_array_equal(d, [3, 3, 3])


def test_what_is_computed_again_has_the_same_derivative() -> None:
    f = fc.remat(lambda x: fc.exp(fc.sin(x)))
    np.testing.assert_allclose(f(X), np.exp(np.sin(X)))
    found = fc.function(lambda x: fc.grad(lambda x: fc.sum(f(x) * x))(x))
    np.testing.assert_allclose(found(X), np.exp(np.sin(X)) * (1 + X * np.cos(X)))


WRONG = {
    "a loss that is no scalar": (
        "def f(x):\n    return x * 2.0\nfc.grad(f)(np.ones(3, np.float32))",
        "model.py:5:1: error: grad is of one float scalar, and f gives f32[x_0]\n"
        "    fc.grad(f)(np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: sum it, or use vjp",
    ),
    "by an integer": (
        "def f(x):\n    return fc.sum(x)\nfc.grad(f)(np.ones(3, np.int32))",
        "model.py:5:1: error: derivatives are by floats, and argument 0 of f is i32[x_0]\n"
        "    fc.grad(f)(np.ones(3, np.int32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: choose others with argnums=",
    ),
    "by an argument that is not there": (
        "def f(x):\n    return fc.sum(x)\nfc.grad(f, 1)(np.ones(3, np.float32))",
        "model.py:5:1: error: f has 1 argument, none is number 1\n"
        "    fc.grad(f, 1)(np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "no derivative by hand": (
        "@fc.custom_derivative\ndef f(x):\n    return x\nf(np.ones(3, np.float32))",
        "model.py:6:1: error: f gives its results and the function of its derivative: `return y, derivative`\n"
        "    f(np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a derivative by hand of too many": (
        "@fc.custom_derivative\ndef f(x):\n    return x, lambda dy: (dy, dy)\nf(np.ones(3, np.float32))",
        "model.py:6:1: error: the derivative of f gives 2 values for 1 argument of floats\n"
        "    f(np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "an argument by name": (
        "fc.vjp(lambda x: x, x=np.ones(3, np.float32))",
        "model.py:3:1: error: the arguments of <lambda> are passed to vjp by position, not x by name\n"
        "    fc.vjp(lambda x: x, x=np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "cotangents of another structure": (
        "y, pull = fc.vjp(lambda x: (x, x), np.ones(3, np.float32))\npull(np.ones(3, np.float32))",
        "model.py:4:1: error: cotangents are structured as what the function gives\n"
        "    pull(np.ones(3, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
}


@pytest.mark.parametrize(("program", "says"), WRONG.values(), ids=WRONG)
def test_mistake_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says
