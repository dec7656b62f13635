"""Choices and loops compute what Python's do."""

from collections.abc import Callable

import numpy as np
import pytest

import flowc as fc
from flowc.errors import RunError


def test_cond_gives_the_side_that_holds() -> None:
    x = fc.placeholder(fc.f32, [None])
    y = fc.cond(fc.sum(x) > 0.0, lambda: x * 2.0, lambda: -x)
    with fc.Session() as session:
        np.testing.assert_array_equal(session.run(y, {x: [1, 2]}), [2, 4])
        np.testing.assert_array_equal(session.run(y, {x: [-1, -2, 1]}), [1, 2, -1])


def test_a_branch_assigns_to_variables() -> None:
    n, m, p = fc.Variable(1, name="n"), fc.Variable(10, name="m"), fc.placeholder(fc.i32)
    y = fc.cond(p > 0, lambda: fc.cond(p > 1, lambda: n.assign(n + 5), lambda: m.assign_add(1)), lambda: n.assign(7) * 2)
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        for fed, gives, left in ((2, 6, [6, 10]), (1, 11, [6, 11]), (0, 14, [7, 11])):
            assert session.run(y, {p: fed}) == gives
            assert session.run([n, m]) == left


def test_cond_takes_a_bool_of_python() -> None:
    with fc.Session() as session:
        assert session.run(fc.cond(False, lambda: fc.constant(1), lambda: fc.constant(2))) == 2


def test_cond_runs_one_side_only() -> None:
    table, i = fc.constant([1.0, 2.0]), fc.placeholder(fc.i64)
    y = fc.cond(i < 2, lambda: table[i], lambda: fc.constant(-1.0))
    with fc.Session() as session:
        assert [float(session.run(y, {i: n})) for n in (0, 1, 2)] == [1, 2, -1]


def test_while_loop_carries_values_in_the_structure_of_its_body() -> None:
    n = fc.placeholder(fc.i32)
    a, b, i = fc.while_loop(lambda a, b, i: i < n, lambda a, b, i: (b, a + b, i + 1), (0, 1, 0))
    with fc.Session() as session:
        assert [int(session.run(a, {n: k})) for k in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]
        assert session.run([b, i], {n: 5}) == [8, 5]


def test_loops_and_choices_nest_and_read_what_is_outside() -> None:
    x = fc.placeholder(fc.f32, [3])

    def body(i: fc.Tensor, total: fc.Tensor) -> tuple[fc.Tensor, fc.Tensor]:
        return i + 1, fc.cond(i % 2 == 0, lambda: total + x[i], lambda: total - x[i])

    _, total = fc.while_loop(lambda i, total: i < 3, body, (0, 0.0))
    with fc.Session() as session:
        assert session.run(total, {x: [1, 10, 100]}) == 91
        assert session.run(total, {x: [1, 10, 100], total.op.inputs[0]: 2}) == 100


def test_a_loop_past_its_limit_ends_the_run() -> None:
    i = fc.while_loop(lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=4)
    with fc.Session() as session, pytest.raises(RunError, match="limit"):
        session.run(i)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            "x = fc.placeholder(fc.f32)\ny = fc.cond(x > 0.0, lambda: x, lambda: 1)",
            "model.py:4:5: error: both sides of an if have the same types: they yield f32 and i32\n"
            "    y = fc.cond(x > 0.0, lambda: x, lambda: 1)\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:3:5: note: x is f32\n"
            "    x = fc.placeholder(fc.f32)\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~",
        ),
        (
            "n = fc.Variable(0)\nfc.while_loop(lambda i: i < 3, lambda i: n.assign(i), [0])",
            "model.py:4:1: error: a variable cannot be assigned to inside a while_loop\n"
            "    fc.while_loop(lambda i: i < 3, lambda i: n.assign(i), [0])\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "help: assign what it returns",
        ),
        (
            "n = fc.Variable(0)\nfc.cond(n > 0, lambda: n.assign(1) + n.assign(2), lambda: n)",
            "model.py:4:1: error: one branch would write n twice\n"
            "    fc.cond(n > 0, lambda: n.assign(1) + n.assign(2), lambda: n)\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ),
    ],
)
def test_mistake_in_control_flow_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says
