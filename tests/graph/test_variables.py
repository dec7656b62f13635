"""Variables: kept by a session, written at the end of a run."""

import numpy as np
import pytest

import flowc as fc
from flowc.errors import RunError


def test_variables_begin_as_their_initial_values() -> None:
    w = fc.Variable(np.ones((2, 3), np.float32), name="w")
    b = fc.variable(fc.zeros([3]), name="b")
    n = fc.Variable(lambda: fc.constant(7))
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        found = session.run([w, b, n])
    np.testing.assert_array_equal(found[0], np.ones((2, 3)))
    np.testing.assert_array_equal(found[1], [0, 0, 0])
    assert found[2] == 7 and [v.name for v in (w, b, n)] == ["w:0", "b:0", "Variable:0"]


def test_every_read_of_a_run_sees_the_value_from_before_it() -> None:
    n = fc.Variable(1)
    with fc.Session() as session:
        session.run(n.initializer)
        assert session.run([n, n.assign_add(10), n]) == [1, 11, 1]
        assert session.run(n) == 11
        session.run(n.assign_sub(1).op)
        assert session.run(n * 2) == 20


def test_a_write_runs_where_a_fetch_depends_on_it() -> None:
    n = fc.Variable(1)
    doubled = n.assign_add(1) * 2
    with fc.Session() as session:
        session.run(n.initializer)
        assert [int(session.run(doubled)) for _ in range(3)] == [4, 6, 8]


def test_sessions_do_not_share_variables() -> None:
    n = fc.Variable(1)
    first, second = fc.Session(), fc.Session()
    for session in (first, second):
        session.run(n.initializer)
    first.run(n.assign(5))
    assert (first.run(n), second.run(n)) == (5, 1)


def test_group_does_all_of_its_operations() -> None:
    a, b = fc.Variable(1), fc.Variable(2)
    swap = fc.group(a.assign(b), b.assign(a))
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        assert session.run(swap) is None
        assert session.run([a, b]) == [2, 1]


def test_a_run_that_fails_leaves_variables_as_they_were() -> None:
    n = fc.Variable(1)
    x, y = fc.placeholder(fc.f32, [None]), fc.placeholder(fc.f32, [None])
    with fc.Session() as session:
        session.run(n.initializer)
        with pytest.raises(RunError):
            session.run([n.assign(9), x + y], {x: [1.0, 1.0], y: [1.0, 2.0, 3.0]})
        assert session.run(n) == 1


def test_numbers_assigned_take_the_variables_dtype_and_scalars_fill_it() -> None:
    w = fc.Variable(np.zeros(3, np.float32))
    with fc.Session() as session:
        session.run(fc.assign(w, 2))
        np.testing.assert_array_equal(session.run(w), [2, 2, 2])


def test_a_training_step_descends() -> None:
    x = fc.placeholder(fc.f32, [None, 2])
    y = fc.placeholder(fc.f32, [None])
    w = fc.Variable(fc.zeros([2]), name="w")
    wrong = x @ w - y
    step = w.assign_sub(0.5 * (wrong @ x) / fc.cast(fc.size(x, 0), fc.f32))
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        for _ in range(60):
            session.run(step, {x: points, y: points @ np.float32([3, -2])})
        np.testing.assert_allclose(session.run(w), [3, -2], atol=1e-3)


def test_variables_are_state_of_the_module_by_the_names_they_are_given() -> None:
    with fc.name_scope("layer"):
        w = fc.Variable(1.0)
        fc.Variable(2.0, trainable=False, name="count")
    assert [(v.state.name, v.state.kind) for v in fc.global_variables()] == [("layer.w", "param"), ("layer.count", "state")]
    assert fc.trainable_variables() == [w]
