"""Derivatives of tensors by tensors, against what calculus says."""

from collections.abc import Callable

import numpy as np
import pytest

import flowc as fc


def test_gradients_are_of_the_sum_of_all_elements_of_the_ys() -> None:
    x, w = fc.placeholder(fc.f64, ["N"]), fc.Variable(np.array([0.3, -0.2, 0.5]))
    y, z = fc.tanh(x * w), x * x
    by_x, by_w = fc.gradients([y, z], [x, w])
    given = np.array([0.5, 1.0, -2.0])
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        slope = 1 - np.tanh(given * np.array([0.3, -0.2, 0.5])) ** 2
        found = session.run([by_x, by_w], {x: given})
        np.testing.assert_allclose(found[0], slope * np.array([0.3, -0.2, 0.5]) + 2 * given)
        np.testing.assert_allclose(found[1], slope * given)


def test_gradients_weigh_the_ys() -> None:
    x, g = fc.placeholder(fc.f64, [3]), fc.placeholder(fc.f64, [None])
    (d,) = fc.gradients([x**3.0, x], x, grad_ys=[g, None])
    with fc.Session() as session:
        np.testing.assert_allclose(session.run(d, {x: [1, 2, 3], g: [1, 10, 100]}), [3 + 1, 120 + 1, 2700 + 1])


def test_a_tensor_on_which_nothing_depends_has_no_gradient() -> None:
    x, y = fc.placeholder(fc.f32, [3]), fc.placeholder(fc.f32, [3])
    assert fc.gradients(fc.sum(x) + fc.sum(fc.stop_gradient(y)), [y, x])[0] is None
    assert fc.gradients(x, fc.constant(1)) == [None]


def test_tensors_may_count_as_constants() -> None:
    x = fc.placeholder(fc.f64)
    h = x * 3.0
    (d,) = fc.gradients(h * x, [x], stop_gradients=[h])
    with fc.Session() as session:
        assert session.run(d, {x: 2.0}) == 6.0


def test_gradients_of_gradients() -> None:
    x = fc.placeholder(fc.f64)
    y = fc.sin(x) * x
    for _ in range(2):
        (y,) = fc.gradients(y, x)
    with fc.Session() as session:
        np.testing.assert_allclose(session.run(y, {x: 0.7}), 2 * np.cos(0.7) - 0.7 * np.sin(0.7))


def test_a_gradient_needs_what_it_reads_even_where_another_tensor_is_fed() -> None:
    x = fc.placeholder(fc.f64)
    h = fc.exp(x)
    (d,) = fc.gradients(h * h, [h])
    with fc.Session() as session:
        assert session.run(d, {h: 3.0}) == 6.0
        np.testing.assert_allclose(session.run(d, {x: 1.0}), 2 * np.e)


def test_vjp_and_jvp_are_transposes() -> None:
    x, w = fc.placeholder(fc.f64, ["N", 2]), fc.placeholder(fc.f64, [2, 3])
    seed, along = fc.placeholder(fc.f64, ["N", 3]), fc.placeholder(fc.f64, [2, 3])
    y = fc.sigmoid(x @ w)
    back, forward = fc.vjp(y, w, seed), fc.jvp(y, w, along)
    random = np.random.default_rng(0)
    feeds = {t: random.normal(size=s) for t, s in ((x, (4, 2)), (w, (2, 3)), (seed, (4, 3)), (along, (2, 3)))}
    with fc.Session() as session:
        one, other = session.run([back, forward], feeds)
    np.testing.assert_allclose(np.sum(one * feeds[along]), np.sum(other * feeds[seed]))


def test_vjp_is_zero_where_nothing_depends_and_a_list_for_a_list() -> None:
    x, y = fc.placeholder(fc.f32, [2]), fc.placeholder(fc.f32, [2])
    with fc.Session() as session:
        found = session.run(fc.vjp(x * 2.0, [x, y]), {x: [1, 1], y: [1, 1]})
        np.testing.assert_array_equal(found, [[2, 2], [0, 0]])
        np.testing.assert_array_equal(session.run(fc.jvp([x * x, y], [x], [[1.0, 0.5]]), {x: [3, 4], y: [1, 1]}), [[6, 4], [0, 0]])


def test_a_choice_and_a_loop_have_derivatives() -> None:
    x = fc.placeholder(fc.f64)
    y = fc.cond(x > 0.0, lambda: x * x, lambda: -x)
    z = fc.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, c * x), (0, x), maximum_iterations=5)[1]
    found = fc.gradients(y, x) + fc.gradients(z, x)
    with fc.Session() as session:
        assert session.run(found, {x: 3.0}) == [6.0, 4 * 27.0]
        assert session.run(found, {x: -1.0}) == [-1.0, -4.0]


def test_gradients_inside_a_branch() -> None:
    x = fc.placeholder(fc.f64)
    y = fc.cond(x > 0.0, lambda: fc.gradients(x**3.0, x)[0], lambda: x)
    with fc.Session() as session:
        assert session.run(y, {x: 2.0}) == 12.0


def test_derivatives_bear_the_names_of_what_they_are_of() -> None:
    x = fc.placeholder(fc.f32, [3])
    h = x * 2.0
    loss = fc.sum(h * h)
    assert [d.value.hint for d in fc.gradients(loss, [x, h])] == ["d.x", "d.h"]


def test_sizes_that_seeds_are_assumed_to_have_are_checked() -> None:
    x, g = fc.placeholder(fc.f32, [None]), fc.placeholder(fc.f32, [None])
    (d,) = fc.gradients(x * x, x, g)
    with fc.Session() as session, pytest.raises(fc.RunError, match="x_0 and g_0 differ: 2 and 3"):
        session.run(d, {x: [1, 2], g: [1, 2, 3]})


WRONG = {
    "of an integer": (
        "x = fc.placeholder(fc.i32, [3])\nfc.gradients(x, x)",
        "model.py:4:1: error: derivatives are of floats by floats, and x of ys is i32[3]\n"
        "    fc.gradients(x, x)\n"
        "    ^~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is i32[3]\n"
        "    x = fc.placeholder(fc.i32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: convert it: `x.astype(f32)`",
    ),
    "of no tensor": (
        "fc.gradients(1.0, fc.constant(2.0))",
        "model.py:3:1: error: 1.0 of type float is no tensor: derivatives are of tensors by tensors\n"
        "    fc.gradients(1.0, fc.constant(2.0))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "seeds of another number": (
        "x = fc.constant(1.0)\nfc.gradients([x, x], x, [x])",
        "model.py:4:1: error: grad_ys has 1 entry, and ys has 2\n    fc.gradients([x, x], x, [x])\n    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a seed of another type": (
        "x = fc.placeholder(fc.f32, [3])\nfc.vjp(x, x, np.ones(2, np.float32))",
        "model.py:4:1: error: seed has the types of what it goes with: x is f32[3], and it is given f32[2]\n"
        "    fc.vjp(x, x, np.ones(2, np.float32))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is f32[3]\n"
        "    x = fc.placeholder(fc.f32, [3])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a loop without a limit": (
        "x = fc.placeholder(fc.f32)\ny = fc.while_loop(lambda c: c < 9.0, lambda c: c * 2.0, [x])\nfc.gradients(y, x)",
        "model.py:5:1: error: a loop without a limit has no reverse derivative: nothing bounds what it would have to keep\n"
        "    fc.gradients(y, x)\n"
        "    ^~~~~~~~~~~~~~~~~~\n"
        "model.py:4:5: note: the op is made here\n"
        "    y = fc.while_loop(lambda c: c < 9.0, lambda c: c * 2.0, [x])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:4:5: note: y is f32\n"
        "    y = fc.while_loop(lambda c: c < 9.0, lambda c: c * 2.0, [x])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: x is f32\n"
        "    x = fc.placeholder(fc.f32)\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~\n"
        "help: pass maximum_iterations=; jvp needs none",
    ),
}


@pytest.mark.parametrize(("program", "says"), WRONG.values(), ids=WRONG)
def test_mistake_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says
