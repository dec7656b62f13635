"""Ops of networks: each is one kernel over its rows, and is defined for the odd ones."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.errors import OpError, RunError
from flowc.ir.core import Module, Value, func
from flowc.ir.dims import Dim, Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.interpret import run
from flowc.ops.kernel import Kernel
from flowc.transforms.fuse import fuse
from flowc.transforms.simplify import simplify

N, K = dim(Size("N")), dim(Size("K"))


def made(name: str, *arguments: object, **named: object) -> Value:
    value = call(built_ins()[name], arguments, named)  # type: ignore[arg-type]
    assert isinstance(value, Value)
    return value


def tensor(hint: str, *shape: Dim, dtype: DType = DType.f32) -> Value:
    return Value(Type(dtype, shape), None, hint)


X, ROW = tensor("x", N, 1000), tensor("row", 1000)
IDS, CHANCES = tensor("ids", N, dtype=DType.i64), tensor("p", N, 1000)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("softmax", (X,)),
        ("log_softmax", (X,)),
        ("layer_norm", (X, ROW, ROW)),
        ("rms_norm", (X, ROW)),
        ("cross_entropy", (X, IDS)),
        ("cross_entropy", (X, CHANCES)),
        ("logsumexp", (X, 1)),
        ("var", (X, 1)),
    ],
    ids=["softmax", "log_softmax", "layer_norm", "rms_norm", "ids", "chances", "logsumexp", "var"],
)
def test_an_op_along_rows_is_one_kernel(name: str, arguments: tuple[Value, ...]) -> None:
    params = tuple(dict.fromkeys(a for a in arguments if isinstance(a, Value)))
    fused = fuse(simplify(Module("m", (func("f", params, (made(name, *arguments),)),))))
    assert [type(op) for op in fused.funcs[0].body.ops] == [Kernel]


def test_rows_of_infinities_and_nan_are_as_the_formulas_say() -> None:
    x = np.array([[0, np.inf, 1], [np.nan, 1, 2], [-np.inf, 0, 0], [-np.inf] * 3], np.float32)
    of = tensor("x", N, 3)
    (soft, total) = run(func("f", (of,), (made("softmax", of), made("logsumexp", of, 1))), [x])
    assert np.isnan(soft[[0, 1, 3]]).any(axis=1).all() and soft[2].tolist() == [0, 0.5, 0.5]
    assert total[0] == np.inf and np.isnan(total[1]) and total[3] == -np.inf


def test_a_label_out_of_range_ends_the_run() -> None:
    logits, labels = tensor("logits", N, 5), tensor("labels", N, dtype=DType.i64)
    fn = func("f", (logits, labels), (made("cross_entropy", logits, labels),))
    for bits in (False, True):
        with pytest.raises(RunError, match=r"^error: index out of range: labels indexes logits: 5 of 5$"):
            run(fn, [np.zeros((2, 5)), [0, 5]], bits=bits)


def test_the_position_of_nothing_ends_the_run() -> None:
    x = tensor("x", 2, dim(Size("K", 0)))
    with pytest.raises(RunError, match=r"^error: index out of range: argmax of nothing: -1 of 0$"):
        run(func("f", (x,), (made("argmax", x, 1),)), [np.zeros((2, 0))])
    assert run(func("f", (x,), (made("argmax", x, 0),)), [np.zeros((2, 0))])[0].shape == (0,)


def test_labels_of_other_kinds_are_told() -> None:
    with pytest.raises(OpError) as told:
        made("cross_entropy", X, tensor("p", N, 1000, dtype=DType.f64))
    assert str(told.value) == "labels of cross_entropy are integers or f32, not f64[N, 1000]"
    assert told.value.help == "convert them: `... as f32`"


def test_dropout_keeps_where_the_uniform_number_is_at_least_the_rate() -> None:
    x = tensor("x", 40, 25)
    kept, all_of_it, u = (made("dropout", x, 0.25, seed=3), made("dropout", x, 0, seed=3), made("uniform", DType.f32, [40, 25], seed=3))
    given = np.random.default_rng(1).standard_normal((40, 25)).astype(np.float32)
    found, same, chances = run(func("f", (x,), (kept, all_of_it, u)), [given])
    np.testing.assert_array_equal(found, np.where(chances >= 0.25, given * np.float32(1 / 0.75), np.float32(0)))
    np.testing.assert_array_equal(same, given)
    assert 0.2 < np.mean(found == 0) < 0.3


def test_largest_elements_that_are_several_share_the_derivative_of_a_pool() -> None:
    x = tensor("x", 1, 4)
    y = made("max_pool1d", x, 4)
    seed = tensor("seed", 1, 1)
    (found,) = run(func("f", (x, seed), pullback({y: seed}, [x])), [np.array([[3, 1, 3, 3]]), np.array([[6]])])
    assert found.tolist() == [[2, 0, 2, 2]]


def test_the_derivative_of_a_root_of_nothing_is_0() -> None:
    x = tensor("x", 1, 4)
    y = made("lp_pool1d", x, 2)
    seed = tensor("seed", 1, 2)
    (found,) = run(func("f", (x, seed), pullback({y: seed}, [x])), [np.array([[0, 0, 3, 4]]), np.array([[1, 5]])])
    np.testing.assert_allclose(found, [[0, 0, 3, 4]], rtol=1e-6)


def test_cross_entropy_stores_no_ones_at_the_labels() -> None:
    loss = made("cross_entropy", X, IDS)
    seed = tensor("seed", N)
    (derivative,) = pullback({loss: seed}, [X])
    fused = fuse(simplify(Module("m", (func("f", (X, IDS, seed), (derivative,)),))))
    assert [op.result.type.rank for op in fused.funcs[0].body.ops if isinstance(op, Kernel)] == [2]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_derivative_of_a_softmax_is_one_kernel(name: str) -> None:
    y, seed = made(name, X), tensor("seed", N, 1000)
    fused = fuse(simplify(Module("m", (func("f", (X, seed), pullback({y: seed}, [X])),))))
    assert [type(op) for op in fused.funcs[0].body.ops] == [Kernel]
