"""Functions are traced into the IR once for each set of dtypes and ranks, and run with NumPy in and out."""
# ruff: noqa: F821 (in an annotation "N" is a size, not a forward reference)

from collections import namedtuple
from collections.abc import Callable

import numpy as np
import pytest

import flowc as fc
from flowc.errors import UsageError
from flowc.ir.printer import print_func
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.source import Source

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(5, 8)).astype(np.float32)

MODELS = """flow 1.0
fn dense(x: f32[B, I], k: f32[I, O], b: f32[O]) -> f32[B, O] {
  y = x @ k
  return y + b
}

graph mlp(x: f32[N, 8], w1: f32[8, 16], b1: f32[16], w2: f32[16, 10], b2: f32[10]) -> (probs: f32[N, 10], label: i64[N]) {
  h = relu(dense(x, w1, b1))
  probs = softmax(dense(h, w2, b2), axis=-1)
  label = argmax(probs, axis=-1)
}

graph parts(x: f32[N, 8], y: f32[M, 8], ids: i64[4]) -> (total: f32[8], rows: f32[4, 4]) {
  scaled = x * 2.0 + 1.0
  total = sum(scaled - y, axis=0) / N
  rows = scaled[ids, 1:5] - mean(x, axis=0)[::-2]
}

graph lone(x: f32[N, 8]) -> f32[8] {
  return max(x[::-1, :], axis=0)
}
"""


def dense(x: fc.Tensor, k: fc.Tensor, b: fc.Tensor) -> fc.Tensor:
    y = x @ k
    return y + b


@fc.function
def mlp(x: fc.f32["N", 8], w1: fc.f32[8, 16], b1: fc.f32[16], w2: fc.f32[16, 10], b2: fc.f32[10]):
    h = fc.relu(dense(x, w1, b1))
    probs = fc.softmax(dense(h, w2, b2), axis=-1)
    label = fc.argmax(probs, axis=-1)
    return probs, label


@fc.function
def parts(x: fc.f32["N", 8], y: fc.f32["M", 8], ids: fc.i64[4]):
    scaled = x * 2.0 + 1.0
    total = fc.sum(scaled - y, axis=0) / x.shape[0]
    rows = scaled[ids, 1:5] - fc.mean(x, axis=0)[::-2]
    return total, rows


@fc.function
def lone(x: fc.f32["N", 8]):
    return fc.max(x[::-1, :], axis=0)


@pytest.mark.parametrize("built", [mlp, parts, lone], ids=lambda f: f.name)
def test_python_and_the_language_give_the_same_ir(built: fc.Function) -> None:
    source = Source("models.flow", MODELS)
    written = elaborate(parse(source), source).func(built.name)
    assert print_func(built.func) == print_func(written)


def test_function_computes_what_numpy_does() -> None:
    w1, b1, w2, b2 = (RANDOM.normal(size=s).astype(np.float32) for s in [(8, 16), (16,), (16, 10), (10,)])
    probs, label = mlp(X, w1, b1, b2=b2, w2=w2)
    logits = np.maximum(X @ w1 + b1, 0) @ w2 + b2
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probs, wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(label, logits.argmax(axis=1))


def test_function_is_traced_once_for_dtypes_and_ranks_whatever_the_sizes() -> None:
    traced: list[str] = []

    @fc.function
    def double(x):
        traced.append(str(x.value.type))
        return x * 2

    for array in (X, X[:2], X[0], X.astype(np.int32), X[1:]):
        np.testing.assert_array_equal(double(array), array * 2)
    assert traced == ["f32[x_0, x_1]", "f32[x_0]", "i32[x_0, x_1]"]


def test_values_that_are_no_arrays_are_fixed_for_the_tracing() -> None:
    @fc.function
    def scaled(x, by=2.0, *, axis: int = 0):
        return fc.sum(x * by, axis=axis)

    np.testing.assert_allclose(scaled(X), (X * 2).sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaled(X, 3.0, axis=1), (X * 3).sum(axis=1), rtol=1e-5)


def test_results_have_the_structure_that_is_returned() -> None:
    pair = namedtuple("pair", "low high")

    @fc.function
    def ends(x: fc.f32["N", 8]):
        return {"pair": pair(fc.min(x), fc.max(x)), "all": [x, 1.5]}

    found = ends(X)
    assert found["pair"] == pair(X.min(), X.max()) and found["all"][1] == np.float32(1.5)
    np.testing.assert_array_equal(found["all"][0], X)


def test_out_is_written_into() -> None:
    total = np.zeros(8, np.float32)
    assert lone(X, out=total) is total
    np.testing.assert_array_equal(total, X.max(axis=0))


def test_function_of_tensors_is_expanded_at_its_call() -> None:
    @fc.function
    def twice(x: fc.f32["N", 8]):
        return lone(x) + lone(x)

    np.testing.assert_array_equal(twice(X), X.max(axis=0) * 2)
    with fc.Session() as session:
        x = fc.placeholder(fc.f32, [None, 8])
        np.testing.assert_array_equal(session.run(lone(x), {x: X}), X.max(axis=0))


def test_dots_are_any_axes() -> None:
    @fc.function
    def last(x: fc.f32[..., 8]):
        return x[..., -1]

    np.testing.assert_array_equal(last(X), X[:, -1])
    np.testing.assert_array_equal(last(X[0]), X[0, -1])


def test_a_lambda_is_a_function() -> None:
    assert fc.function(lambda x: fc.max(x) - fc.min(x))(X) == X.max() - X.min()


SIGNATURE = "@fc.function\ndef model(x: fc.f32['N', 3], n):\n    return x * n\n"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            "model(np.ones((2, 3)), 2.0)",
            "model.py:6:1: error: x is f32[N, 3], given f64[2, 3]: convert it with .astype(numpy.float32)\n"
            "    model(np.ones((2, 3)), 2.0)\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:4:1: note: x is declared f32[N, 3]\n"
            "    def model(x: fc.f32['N', 3], n):\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ),
        (
            "model(np.ones((2, 4), np.float32), 2.0)",
            "model.py:6:1: error: x is f32[N, 3], given f32[2, 4]: its axis 1 has 4, not 3\n"
            "    model(np.ones((2, 4), np.float32), 2.0)\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:4:1: note: x is declared f32[N, 3]\n"
            "    def model(x: fc.f32['N', 3], n):\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ),
        (
            "model(np.ones((2, 3), np.float32))",
            "model.py:6:1: error: model: missing a required argument: 'n'\n"
            "    model(np.ones((2, 3), np.float32))\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:4:1: note: model is defined here\n"
            "    def model(x: fc.f32['N', 3], n):\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "help: model(x: f32[N, 3], n)",
        ),
        (
            "model.func",
            "model.py:6:1: error: n of model has no type yet\n"
            "    model.func\n"
            "    ^~~~~~~~~~\n"
            "model.py:4:1: note: model is defined here\n"
            "    def model(x: fc.f32['N', 3], n):\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            'help: annotate it, `n: fc.f32["N", 784]`, or call model first',
        ),
        (
            "y = model(fc.placeholder(fc.f32, [2, 4]), 2.0)",
            "model.py:6:5: error: x of model is f32[N, 3], not f32[2, 4]\n"
            "    y = model(fc.placeholder(fc.f32, [2, 4]), 2.0)\n"
            "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "model.py:4:1: note: model is defined here\n"
            "    def model(x: fc.f32['N', 3], n):\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
        ),
        (
            "lengths = fc.function(lambda x: x)\nlengths([1.0, 2.0])",
            "model.py:7:1: error: x of f is no tensor and cannot be told apart from other values\n"
            "    lengths([1.0, 2.0])\n"
            "    ^~~~~~~~~~~~~~~~~~~\n"
            "model.py:6:1: note: f is defined here\n"
            "    lengths = fc.function(lambda x: x)\n"
            "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
            "help: pass an array, or annotate it with a type such as `fc.f32[3]`",
        ),
        (
            "model(np.ones((2, 3), np.float32), np.ones(4, np.float32))",
            "model.py:5:12: error: 3 and n_0 differ: 3 and 4\n    return x * n\n           ^~~~~",
        ),
    ],
)
def test_mistake_in_a_call_is_told(call: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(SIGNATURE + call) == says


def test_a_parameter_may_be_called_out() -> None:
    @fc.function
    def total(x: fc.f32[3], out: fc.f32[3]) -> fc.Tensor:
        return x + out

    one = np.ones(3, np.float32)
    np.testing.assert_array_equal(total(one, out=one), one + one)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (None, "the results are 2, and out has 1"),
        ("x", "out is an array of type f32[3] here, not of type str"),
        (np.empty(2, np.float32), "out is an array of type f32[3] here, not f32[2]"),
        (np.frombuffer(bytes(12), np.float32), "out of type f32[3] is read-only"),
    ],
)
def test_out_that_does_not_fit_is_told_and_nothing_is_written(second: object, message: str) -> None:
    pair = fc.function(lambda x: (x + 1.0, x * 2.0))
    first = np.zeros(3, np.float32)
    with pytest.raises(UsageError) as told:
        pair(np.ones(3, np.float32), out=(first,) if second is None else (first, second))
    assert str(told.value) == f"error: {message}"
    assert not first.any()
