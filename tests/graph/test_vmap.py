"""A mapped function does for each example what the function does for one, whatever the op."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc as fc

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(5, 4)).astype(np.float32)
W = RANDOM.normal(size=(4, 3)).astype(np.float32)
IDS = np.array([0, 3, 1, 1, 2], np.int32)

IMAGES = RANDOM.normal(size=(5, 1, 2, 4, 4)).astype(np.float32)
FILTERS = RANDOM.normal(size=(5, 3, 2, 2, 2)).astype(np.float32)
PAIRS = RANDOM.integers(0, 4, size=(5, 2))


def convolved(x: Any, w: Any) -> Any:
    return fc.conv2d(x, w), fc.max_pool2d(x, 2)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "elementwise of several ranks": (lambda x, s: fc.exp(x) * s + fc.reshape(x, [2, 2])[:, :1], (X, X[:, 0])),
    "reductions": (lambda x: (fc.sum(x), fc.max(x, axis=0), fc.argmax(x), fc.mean(fc.reshape(x, [2, 2]), axis=1)), (X,)),
    "a vector times a vector": (lambda x, y: x @ y, (X, 2 * X)),
    "a matrix times a vector": (lambda x, y: fc.outer(x, y) @ y, (X, 2 * X)),
    "composites": (lambda x: (fc.softmax(x), fc.layer_norm(x), fc.logsumexp(x)), (X,)),
    "moves": (lambda x: fc.concat([fc.flip(x), fc.transpose(fc.reshape(x, [2, 2]))[0], x[1:]]), (X,)),
    "a place of its own": (lambda x, i: (x[i], fc.take(x, i), fc.one_hot(i, 4)), (X, IDS)),
    "a derivative": (fc.grad(lambda x: fc.sum(fc.tanh(x) * x[1])), (X,)),
    "a derivative by hand": (fc.grad(fc.custom_derivative(lambda x: fc.sum(x), lambda x, d: d * 3.0 * x)), (X,)),
    "orders": (lambda x: (fc.sort(x), fc.argsort(x, descending=True), fc.top_k(x, 2)), (X,)),
    "a derivative through an order": (fc.grad(lambda x: fc.sum(fc.sort(x) * x)), (X,)),
    "places that are written": (lambda x, i: (fc.scatter(x, i, x[:1] * 2.0, axis=0, reduce="sum"), fc.bincount(i, 4)), (X, PAIRS[:, :1])),
    "a derivative of places": (fc.grad(lambda x, i: fc.sum(fc.square(fc.take(x, i)))), (X, PAIRS)),
    "running sums": (lambda x: (fc.cumsum(x, axis=0), fc.cummax(x, axis=0, reverse=True)), (X,)),
    "convolutions and pools": (lambda x, w: convolved(fc.reshape(x, [1, 2, 4, 4]), fc.reshape(w, [3, 2, 2, 2])), (IMAGES, FILTERS)),
    "sums of products": (lambda x: fc.einsum("ij,ik->kj", fc.reshape(x, [2, 2]), fc.reshape(x, [2, 2])), (X,)),
    "a derivative of a loss": (fc.grad(lambda x, i: fc.cross_entropy(x, i)), (X, IDS)),
    "random numbers of its own": (lambda n: fc.uniform(fc.f32, [3], seed=n), (np.arange(5),)),
    "what is computed again": (fc.grad(lambda x: fc.sum(fc.remat(lambda y: fc.exp(fc.sin(y)))(x) * x)), (X,)),
    "steps": (lambda x, s: fc.scan(lambda c, v: (c * 0.5 + v, c * s), fc.constant(1.0), x, reverse=True), (X, X[:, 0])),
    "steps of which one value is the same for all": (
        lambda x: fc.scan(lambda c, v: ((c[0] + 1.0, c[1] * c[0] + v), c), (fc.constant(0.0), fc.constant(0.0)), x),
        (X,),
    ),
    "a choice for all": (lambda x: fc.cond(fc.constant(True), lambda: x * 2.0, lambda: x), (X,)),
    "a choice by example": (lambda x: fc.cond(x[0] > 0.0, lambda: (x * 2.0, x[0]), lambda: (-x, fc.max(x))), (X,)),
    "rounds for all": (lambda x: fc.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, c * x), (0, x))[1], (X,)),
    "rounds by example": (lambda n, x: fc.while_loop(lambda i, c: i < n, lambda i, c: (i + 1, c + x[0]), (0, 1.0)), (IDS, X)),
}


def loops(values: Any) -> list[np.ndarray]:
    from flowc.graph.structure import leaves

    return [np.asarray(v) for v in leaves(values)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mapped_function_does_what_the_function_does_for_each(name: str) -> None:
    f, given = FUNCTIONS[name]
    found = loops(fc.vmap(f)(*given))
    one = f if isinstance(f, fc.Function) else fc.Function(f)
    wanted = [loops(one(*(x[n] for x in given))) for n in range(5)]
    for batch, *rows in zip(found, *wanted, strict=True):
        np.testing.assert_allclose(batch, np.stack(rows), rtol=2e-6, atol=1e-7)


def test_arguments_may_be_the_same_for_all_and_axes_elsewhere() -> None:
    np.testing.assert_allclose(fc.vmap(lambda x, w: x @ w, in_axes=(1, None), out_axes=1)(X.T, W), (X @ W).T, rtol=1e-5)
    both = fc.vmap(lambda p: (p["x"] * p["s"], p["s"]), out_axes=(-1, 0))({"x": X, "s": X[:, 0]})
    np.testing.assert_array_equal(both[0], (X * X[:, :1]).T)
    np.testing.assert_array_equal(both[1], X[:, 0])


def test_maps_nest() -> None:
    inner = fc.vmap(lambda x, y: x * y, in_axes=(0, None))
    np.testing.assert_array_equal(fc.vmap(inner, in_axes=(None, 0))(X[0], X[1]), np.outer(X[1], X[0]))


def test_gradients_of_each_example() -> None:
    each = fc.vmap(fc.grad(lambda w, x: fc.sum(fc.tanh(x @ w))), in_axes=(None, 0))(W, X)
    np.testing.assert_allclose(each, X[:, :, None] * (1 - np.tanh(X @ W) ** 2)[:, None, :], rtol=1e-5, atol=1e-6)


def test_rows_times_one_matrix_are_one_product() -> None:
    f = fc.vmap(lambda x, w: x @ w, in_axes=(0, None))
    f(X, W)
    products = [op for op in f.func.body.ops if op.name == "matmul"]
    assert [op.operands[0].type.rank for op in products] == [2]


def test_sizes_of_examples_are_checked() -> None:
    with pytest.raises(fc.RunError, match="x_0 and y_0 differ: 5 and 3"):
        fc.vmap(lambda x, y: x + y)(X, X[:3])


def test_what_a_mapped_function_assumes_of_sizes_is_checked() -> None:
    with pytest.raises(fc.RunError, match="x_1 and y_1 differ: 4 and 2"):
        fc.vmap(lambda x, y: fc.sum(x) + fc.dot(x, y))(X, X[:, :2])


WRONG = {
    "a choice that may end the run": (
        "x = fc.placeholder(fc.f32, [3])\ni = fc.placeholder(fc.i32, [3])\n"
        "fc.vmap(lambda x, i: fc.cond(x > 0.0, lambda: fc.constant([1.0, 2.0])[i], lambda: x))(x, i)",
        "a condition that differs from example to example runs both sides, and gather in it may end the run",
    ),
    "an axis that is not there": (
        "fc.vmap(lambda x: x)(fc.placeholder(fc.f32))",
        "vmap of <lambda> maps over axis 0 of Placeholder, which is f32",
    ),
    "nothing mapped": (
        "fc.vmap(lambda x: x, None)(fc.placeholder(fc.f32, [2]))",
        "vmap of <lambda> has no argument with an axis of examples",
    ),
    "too few axes": (
        "fc.vmap(lambda x, y: x, (0,))(fc.placeholder(fc.f32, [2]), fc.placeholder(fc.f32, [2]))",
        "in_axes has 1 entries, and <lambda> has 2 arguments",
    ),
    "a size of its own": (
        "fc.vmap(lambda x: x[x > 0.0])(fc.placeholder(fc.f32, [2, 3]))",
        "has a size that differs from example to example",
    ),
}


@pytest.mark.parametrize(("program", "says"), WRONG.values(), ids=WRONG)
def test_mistake_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert says in refusal(program).splitlines()[0]
