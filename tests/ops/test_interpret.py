"""The interpreter of graphs: sizes, checks, control flow, state, in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flowc.errors import OpError, RunError
from flowc.ir.core import Func, Module, State, Symbol, Value, body, func
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType, Type, below
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, Cond, Loop, Scan, StateRead, StateWrite
from flowc.ops.define import define
from flowc.ops.elementwise import add, less, mul, sub
from flowc.ops.interpret import initial_state, run
from flowc.ops.kernel import Reduce, axes, fold
from flowc.ops.linalg import MatMul, matmul
from flowc.ops.reduce import Sum
from flowc.ops.tensor import SizeValue, like, read

N, M = dim(Size("N", 1, 8)), dim(Size("M"))
SCALAR = Type(DType.i32)


def tensor(hint: str, *shape: object, dtype: DType = DType.f32) -> Value:
    return Value(Type(dtype, shape), None, hint)  # type: ignore[arg-type]


def test_sizes_are_read_off_the_arrays_whatever_their_order() -> None:
    x, y = tensor("x", N * 2 + 1), tensor("y", N)
    count = SizeValue((N * 10,), Type(DType.i64)).result
    assert run(func("f", (x, y), (count,)), [np.zeros(7), np.zeros(3)])[0] == 30


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([3], [4]), "error: axis 0 of y is N, which is 3, not 4"),
        (([9], [9]), "error: N is in 1..8, not 9"),
        (([3, 1], [3]), "error: x is f32[N], and has 1 axis, not 2"),
    ],
)
def test_arrays_that_disagree_on_a_size_are_told(arrays: tuple[list[int], list[int]], message: str) -> None:
    x, y = tensor("x", N), tensor("y", N)
    with pytest.raises(RunError) as told:
        run(func("f", (x, y), (add(x, y),)), [np.zeros(s) for s in arrays])
    assert (str(told.value), told.value.code) == (message, 1)


def test_a_definition_by_index_is_its_elements() -> None:
    x = tensor("x", N, 3)
    i, j = axes((N, 3))

    def term(k: object) -> Value:
        return read(x, dim(i), k)  # type: ignore[arg-type]

    upto = define((i, j), fold("sum", (dim(j) + 1,), term))
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(run(func("f", (x,), (upto,)), [array])[0], np.cumsum(array, axis=1))


def test_sums_and_products_of_matrices_have_native_bits_when_asked() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 70)).astype(np.float32), rng.standard_normal((70, 3)).astype(np.float32)
    x, y = tensor("x", N, 70), tensor("y", 70, 3)
    total, product = run(func("f", (x, y), (Sum(x, (1,)).result, matmul(x, y))), [a, b], bits=True)
    lanes = np.zeros((5, 64), np.float32)
    lanes += a[:, :64]
    lanes[:, :6] += a[:, 64:]
    for half in (32, 16, 8, 4, 2, 1):
        lanes = lanes[:, :half] + lanes[:, half : 2 * half]
    assert total.tobytes() == lanes[:, 0].tobytes()
    chain = np.zeros((5, 3))
    for k in range(70):
        chain = (a[:, k, None].astype(np.longdouble) * b[k] + chain).astype(np.float32).astype(np.longdouble)
    assert product.tobytes() == chain.astype(np.float32).tobytes()


def counting(limit: int | None) -> Func:
    """x doubled until n reaches k."""
    x, k = tensor("x"), tensor("k", dtype=DType.i32)
    v, n = tensor("v"), tensor("n", dtype=DType.i32)
    condition = body((v, n), (less(n, k),), (), (k,))
    step = body((v, n), (add(v, v), add(n, like(n, 1))))
    loop = Loop((x, sub(k, k)), () if limit is None else (limit,), condition, step)
    return func("f", (x, k), loop.results)


def test_a_loop_gives_its_last_carries() -> None:
    assert [float(a) for a in run(counting(None), [1.5, 4])] == [24.0, 4.0]
    assert [float(a) for a in run(counting(4), [1.5, 4])] == [24.0, 4.0]


def test_a_loop_past_its_limit_ends_the_run() -> None:
    with pytest.raises(RunError) as told:
        run(counting(3), [1.5, 4])
    assert (str(told.value), told.value.code) == ("error: limit reached: a loop runs at most 3 times", 3)


def test_a_stacked_loop_gives_its_count_and_what_its_rounds_began_with() -> None:
    fn = counting(5)
    loop = fn.body.results[0].op
    assert isinstance(loop, Loop)
    made = replace(loop, stacked=True)
    last, _, count, stack, _ = run(func("f", fn.body.params, made.results), [1.5, 3])
    assert (float(last), int(count), stack.tolist()) == (12.0, 3, [1.5, 3.0, 6.0, 0.0, 0.0])


@pytest.mark.parametrize("backwards", [False, True])
def test_a_scan_carries_emits_and_stacks(backwards: bool) -> None:
    xs, h0 = tensor("xs", N, 2), tensor("h0", 2)
    (t,), x, h = axes((N,)), tensor("x", 2), tensor("h", 2)
    step = SizeValue((dim(t) * 10,), Type(DType.f32)).result
    scan = Scan((xs,), (h0,), (N,), body((t, x, h), (add(h, x), add(mul(x, h), step))), backwards, stacked=True)
    arrays = [np.arange(6, dtype=np.float32).reshape(3, 2), np.ones(2, np.float32)]
    h_now, ys, hs = arrays[1], {}, {}
    for n in (2, 1, 0) if backwards else (0, 1, 2):
        hs[n], ys[n] = h_now, arrays[0][n] * h_now + 10 * n
        h_now = h_now + arrays[0][n]
    last, y, began = run(func("f", (xs, h0), scan.results), arrays)
    assert last.tolist() == h_now.tolist()
    assert y.tolist() == [ys[n].tolist() for n in range(3)]
    assert began.tolist() == [hs[n].tolist() for n in range(3)]


def test_a_scan_whose_body_does_not_fit_is_told() -> None:
    xs, h0 = tensor("xs", N, 2), tensor("h0", 2)
    (t,), x, h = axes((N,)), tensor("x", 2), tensor("h", 2)
    wrong = {
        "the body of a scan takes index[N], f32[2], f32[2], not index[N], f32[2]": lambda: Scan((xs,), (h0,), (N,), body((t, x), (x,))),
        "a scan gives back the types it carries: it carries f32[2] and yields f32": lambda: Scan(
            (xs,), (h0,), (N,), body((t, x, h), (Sum(x, (0,)).result,))
        ),
        "a scan of 3 steps takes sequences of that length, not f32[N, 2]": lambda: Scan(
            (xs,), (), (3,), body((Value(below(3), None), x), (x,))
        ),
    }
    for message, make in wrong.items():
        with pytest.raises(OpError) as told:
            make()
        assert str(told.value) == message


def test_only_one_side_of_a_branch_runs() -> None:
    x, c = tensor("x"), tensor("c", dtype=DType.bool)
    fails = body((), (x,), (Assert(less(x, like(x, 0)), "x is negative").token,), (x,))  # type: ignore[arg-type]
    cond = Cond(c, body((), (mul(x, x),), (), (x,)), fails)
    fn = func("f", (x, c), cond.results, () if cond.token is None else (cond.token,))
    assert run(fn, [3.0, True]) == [9.0]
    with pytest.raises(RunError, match=r"^error: assert failed: x is negative$"):
        run(fn, [3.0, False])


def test_checks_of_sizes_tell_both() -> None:
    x, y = tensor("x", N), tensor("y", M)
    for check, message in (
        (CheckEqual((N, M), "x and y are added"), "error: size out of range: x and y are added: 3 and 2"),
        (CheckAtLeast((M, N), "a slice of y"), "error: size out of range: a slice of y: 2 and 3"),
    ):
        assert check.token is not None
        with pytest.raises(RunError) as told:
            run(func("f", (x, y), (x,), (check.token,)), [np.zeros(3), np.zeros(2)])
        assert str(told.value) == message


def training(fails: bool) -> Module:
    """`w := w + x`, `old := w`, and a check that x is below 10."""
    x = tensor("x", 2)
    w = StateRead(Symbol("w"), Type(DType.f32, (2,))).result
    writes = [StateWrite(Symbol("w"), add(w, x)), StateWrite(Symbol("old"), w)]
    check = Assert(less(Sum(x, (0,)).result, like(x, 10)), "x is small")
    first = StateWrite(Symbol("w"), define(axes((2,)), like(x, 1)))
    roots = [op.token for op in (*writes, *([check] if fails else [])) if op.token is not None]
    states = (State("w", Type(DType.f32, (2,)), "param"), State("old", Type(DType.f32, (2,))))
    assert first.token is not None
    return Module("m", (func("init", (), (), (first.token,)), func("step", (x,), (w,), roots)), states)


def test_every_write_sees_the_values_from_before_the_run() -> None:
    module = training(fails=False)
    state = initial_state(module)
    (seen,) = run(module.func("step"), [[2.0, 3.0]], state)
    assert (seen.tolist(), state["w"].tolist(), state["old"].tolist()) == ([1, 1], [3, 4], [1, 1])


def test_a_run_that_fails_leaves_the_state_as_it_was() -> None:
    module = training(fails=True)
    state = initial_state(module)
    with pytest.raises(RunError):
        run(module.func("step"), [[20.0, 3.0]], state)
    assert {name: value.tolist() for name, value in state.items()} == {"w": [1, 1]}


def test_a_state_without_a_value_is_told() -> None:
    with pytest.raises(RunError, match=r"^error: w has no value yet: it has no initialiser and was not restored$"):
        run(training(fails=False).func("step"), [[1.0, 1.0]], {})


def test_a_product_of_matrices_is_one_chain_even_where_it_has_one_element() -> None:
    x, y = tensor("x", 1, 70), tensor("y", 70, 1)
    u, v = tensor("u", 70), tensor("v", 70)
    folds = [op.fold for value in (matmul(x, y), matmul(u, v)) for op in reductions(value)]
    assert folds == ["dot", "lanes"]


def reductions(value: Value) -> list[Reduce]:
    """The reduction in the element of a product, or of the product that it is a reshape of."""
    op = value.op if isinstance(value.op, MatMul) else next(v.op for v in value.op.operands)  # type: ignore[union-attr]
    assert isinstance(op, MatMul)
    element = op.at(0, 0)
    return [element.op] if isinstance(element.op, Reduce) else []
