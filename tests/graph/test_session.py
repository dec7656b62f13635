"""What sessions run, and what they do not."""

import gc
import threading
import weakref
from collections import namedtuple

import numpy as np
import pytest

import flowc as fc
from flowc.errors import Error, RunError
from flowc.ir.core import walk

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_results_have_the_structure_of_the_fetches() -> None:
    pair = namedtuple("pair", "low high")
    a, b = fc.constant(2), fc.constant([1.0, 2.0])
    with fc.Session() as session:
        found = session.run({"both": [a, (b, a.op)], "named": pair(a, "Const_1:0")})
    assert found["both"][0] == 2 and found["both"][1][1] is None
    np.testing.assert_array_equal(found["both"][1][0], [1, 2])
    assert isinstance(found["named"], pair) and found["named"].low == 2


def test_scalars_are_numpys_and_tensors_are_arrays() -> None:
    with fc.Session() as session:
        scalar, array = session.run([fc.add(3, 5), fc.constant([1, 2])])
    assert type(scalar) is np.int32 and type(array) is np.ndarray


def test_any_tensor_is_fed_instead_of_being_computed() -> None:
    x = fc.placeholder(fc.f32, [None, 3], name="x")
    doubled = x * 2.0
    total = fc.sum(doubled + x)
    with fc.Session() as session:
        assert session.run(total, {x: X}) == 3 * X.sum()
        assert session.run(total, {x: X, doubled: X * 10}) == 11 * X.sum()
        assert session.run(fc.sum(doubled), {doubled: X}) == X.sum()
        assert session.run(fc.add(3, 5, name="eight"), {"eight/x:0": 10}) == 15
        np.testing.assert_array_equal(session.run("x:0", {"x": X}), X)


def test_only_what_a_fetch_needs_is_run() -> None:
    x = fc.placeholder(fc.f32, [3], name="x")
    bad = fc.placeholder(fc.f32, [3])
    y = x + 1.0
    fc.sum(y * bad)
    with fc.Session() as session:
        np.testing.assert_array_equal(session.run(y, {x: [1, 2, 3]}), [2, 3, 4])
        (program,) = session.programs
    assert [op.name for op in walk(program.module.funcs[0].body)] == ["constant", "add"]


def test_one_compilation_serves_every_size() -> None:
    x = fc.placeholder(fc.f32, [None, 3])
    total = fc.sum(x, axis=0)
    with fc.Session() as session:
        for rows in (1, 2, 7):
            np.testing.assert_array_equal(session.run(total, {x: np.ones((rows, 3), np.float32)}), [rows] * 3)
        assert len(session.programs) == 1
        session.run([total, x], {x: X})
        assert len(session.programs) == 2


def test_none_in_two_placeholders_is_two_sizes_and_a_name_is_one() -> None:
    a, b = fc.placeholder(fc.f32, [None]), fc.placeholder(fc.f32, [None])
    c, d = fc.placeholder(fc.f32, ["N"]), fc.placeholder(fc.f32, ["N"])
    assert a.shape != b.shape and c.shape == d.shape
    with fc.Session() as session:
        assert session.run([fc.sum(a), fc.sum(b)], {a: [1.0], b: [1.0, 2.0]}) == [1, 3]


def test_a_fetch_of_another_graph_runs_in_that_graph() -> None:
    other = fc.Graph()
    with other.as_default():
        x = fc.add(3, 5)
    with fc.Session() as session:
        assert session.run([x, fc.add(1, 1)]) == [8, 2]


def test_lists_and_numbers_are_fed_as_literals() -> None:
    n = fc.placeholder(fc.u8, [2])
    with fc.Session() as session:
        np.testing.assert_array_equal(session.run(n, {n: [1, 255]}), np.array([1, 255], np.uint8))
        with pytest.raises(Error, match=r"256, which does not fit: u8 holds 0\.\.255"):
            session.run(n, {n: [1, 256]})
        with pytest.raises(Error, match=r"1\.5, which is no integer"):
            session.run(n, {n: [1, 1.5]})


def test_eval_runs_in_the_session_around_it() -> None:
    x = fc.placeholder(fc.f32)
    with fc.Session():
        assert (x * 2.0).eval({x: 3.0}) == 6
        assert fc.get_default_session() is not None
    assert fc.get_default_session() is None
    assert fc.constant(4).eval(session=fc.Session()) == 4


def test_an_index_out_of_range_ends_the_run_at_the_line_that_indexes() -> None:
    table, ids = fc.constant([1.0, 2.0]), fc.placeholder(fc.i64, [None])
    with fc.Session() as session, pytest.raises(RunError, match="index 2 is out of range for size 2: ids indexes table"):
        session.run(fc.take(table, ids), {ids: [0, 2]})


def test_control_dependencies_run_what_they_name() -> None:
    n = fc.Variable(0)
    with fc.control_dependencies([n.assign_add(1)]):
        result = fc.constant(7) + 0
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        assert session.run(result) == 7
        assert session.run(n) == 1


def test_sessions_are_collected_together_with_the_code_they_run() -> None:
    kept: list[weakref.ref[fc.Session]] = []
    for n in range(8):
        session = fc.Session()
        assert session.run(fc.constant(n) + 1) == n + 1
        session.itself = session  # type: ignore[attr-defined]
        kept.append(weakref.ref(session))
    del session
    gc.collect()
    assert [ref() for ref in kept] == [None] * 8


def test_runs_of_one_session_from_several_threads_take_turns() -> None:
    count = fc.Variable(0, name="count")
    step = fc.assign_add(count, 1)
    with fc.Session() as session:
        session.run(count.initializer)
        threads = [threading.Thread(target=lambda: [session.run(step) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.run(count) == 200


def test_a_run_has_memory_for_the_variables_it_uses_only() -> None:
    near, _ = fc.Variable(1.0, name="near"), fc.Variable(fc.zeros([1000]), name="far")
    with fc.Session() as session:
        session.run(near.initializer)
        assert session.run(near + 1.0) == 2
        assert [[s.name for s in program.module.states] for program in session.programs] == [["near"], ["near"]]
