"""Names and formals of TensorFlow's first edition, against NumPy."""

import math
from collections.abc import Callable

import numpy as np
import pytest

import flowc as tf

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(2, 6, 5, 3)).astype(np.float32)
A, B = RANDOM.normal(size=(3, 4)).astype(np.float32), RANDOM.normal(size=(3, 4)).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def convolved(x: np.ndarray, w: np.ndarray, stride: int) -> np.ndarray:
    """With "SAME" borders, in f64."""
    n, h, v = x.shape[:3]
    rows, columns = -(-h // stride), -(-v // stride)
    pads = [max((o - 1) * stride + k - s, 0) for o, k, s in ((rows, w.shape[0], h), (columns, w.shape[1], v))]
    wide = np.pad(x.astype(np.float64), [(0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)])
    found = np.zeros((n, rows, columns, w.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = wide[:, i * stride : i * stride + w.shape[0], j * stride : j * stride + w.shape[1]]
            found[:, i, j] = np.tensordot(window, w, 3)
    return found


def test_functions_of_nn_are_those_of_numpy() -> None:
    a, b = tf.constant(A), tf.constant(B)
    ids = np.array([1, 3, 0], np.int32)
    w = RANDOM.normal(size=(3, 2, 3, 4)).astype(np.float32)
    logs = np.log(softmax(A))
    pairs = {
        "softmax": (tf.nn.softmax(a), softmax(A)),
        "cross": (tf.nn.softmax_cross_entropy_with_logits(labels=softmax(B), logits=a), -(softmax(B) * logs).sum(1)),
        "sparse": (tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=a), -logs[np.arange(3), ids]),
        "sigmoid": (
            tf.nn.sigmoid_cross_entropy_with_logits(labels=b, logits=a),
            np.maximum(A, 0) - A * B + np.log1p(np.exp(-np.abs(A))),
        ),
        "embedding": (tf.nn.embedding_lookup(a, [[2, 0]]), A[[[2, 0]]]),
        "bias": (tf.nn.bias_add(tf.constant(X), [1.0, 2.0, 3.0]), X + np.array([1, 2, 3], np.float32)),
        "bias of channels": (tf.nn.bias_add(tf.constant(X), np.ones(6, np.float32), "NCHW"), X + 1),
        "l2": (tf.nn.l2_loss(a), (A**2).sum() / 2),
        "normalized": (tf.nn.l2_normalize(a, 1), A / np.sqrt((A**2).sum(1, keepdims=True))),
        "moments": (tf.nn.moments(a, [0])[1], A.var(0)),
        "linear": (tf.nn.xw_plus_b(a, tf.transpose(b), [1.0, 2.0, 3.0]), A @ B.T + np.array([1, 2, 3], np.float32)),
        "conv": (tf.nn.conv2d(tf.constant(X), w, strides=[1, 1, 1, 1], padding="SAME"), convolved(X, w, 1)),
        "conv by steps": (tf.nn.conv2d(tf.constant(X), w, [1, 2, 2, 1], "SAME"), convolved(X, w, 2)),
        "pool": (
            tf.nn.max_pool(tf.constant(X), [1, 2, 1, 1], [1, 2, 1, 1], "VALID"),
            X.reshape(2, 3, 2, 5, 3).max(2),
        ),
        "mean pool": (tf.nn.avg_pool(tf.constant(X), [1, 2, 1, 1], [1, 2, 1, 1], "VALID"), X.reshape(2, 3, 2, 5, 3).mean(2)),
    }
    with tf.Session() as session:
        found = session.run({name: x for name, (x, _) in pairs.items()})
    for name, (_, wanted) in pairs.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-5, err_msg=name)


def test_old_names_and_formals_mean_the_built_ins() -> None:
    a, b = tf.constant(A), tf.constant(B)
    pairs = {
        "reduce": (tf.reduce_sum(a, reduction_indices=[1], keep_dims=True), A.sum(1, keepdims=True)),
        "matmul": (tf.matmul(a, b, transpose_b=True), A @ B.T),
        "matmul by name": (tf.matmul(a=a, b=b, transpose_a=True), A.T @ B),
        "argmax": (tf.argmax(a, dimension=1), A.argmax(1)),
        "sum of all": (tf.add_n([a, b, a]), A + B + A),
        "squares": (tf.squared_difference(a, b), (A - B) ** 2),
        "gather": (tf.gather(params=a, indices=[2, 0]), A[[2, 0]]),
        "pieces": (tf.stack(tf.unstack(a, axis=1)), A.T),
        "rows": (tf.map_fn(lambda row: tf.reduce_max(row) * row, a), A.max(1, keepdims=True) * A),
        "converted": (tf.convert_to_tensor([1, 2], tf.float32), np.array([1, 2], np.float32)),
        "tiled": (tf.tile(input=a, multiples=[2, 1]), np.tile(A, (2, 1))),
        "reshaped": (tf.reshape(tensor=a, shape=[4, 3]), A.reshape(4, 3)),
    }
    with tf.Session() as session:
        found = session.run({name: x for name, (x, _) in pairs.items()})
    for name, (_, wanted) in pairs.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6, err_msg=name)
        assert np.asarray(found[name]).dtype == wanted.dtype
    assert tf.shape(a) == (3, 4)


def test_random_numbers_are_others_in_each_run_and_the_same_in_each_session() -> None:
    tf.set_random_seed(7)
    x, y = tf.random_normal([2000], mean=1.0, stddev=2.0), tf.random_uniform([2000], -1, 3)
    z, n = tf.truncated_normal([2000], stddev=0.5), tf.random_uniform([2000], 0, 5, dtype=tf.int32)
    runs = []
    for _ in range(2):
        with tf.Session() as session:
            runs.append([session.run([x, y, z, n]) for _ in range(2)])
    for a, b in zip(runs[0][0], runs[0][1], strict=True):
        assert not np.array_equal(a, b)
    for a, b in zip(runs[0], runs[1], strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    normal, uniform, truncated, integers = runs[0][0]
    assert abs(normal.mean() - 1) < 0.2 and abs(normal.std() - 2) < 0.2
    assert uniform.min() >= -1 and uniform.max() < 3 and abs(uniform.mean() - 1) < 0.1
    assert np.abs(truncated).max() <= 1 and abs(truncated.std() - 0.5 * 0.88) < 0.05
    places = [(math.erf(z / 0.5 / math.sqrt(2)) / math.erf(math.sqrt(2)) + 1) / 2 for z in sorted(truncated.tolist())]
    assert np.abs(np.array(places) - (np.arange(2000) + 0.5) / 2000).max() < 1.6 / math.sqrt(2000)  # Kolmogorov and Smirnov, 1 %
    assert sorted(set(integers.tolist())) == [0, 1, 2, 3, 4]


def test_dropout_keeps_with_a_probability_that_is_fed() -> None:
    x, keep = tf.constant(np.ones(4000, np.float32)), tf.placeholder(tf.float32)
    y = tf.nn.dropout(x, keep)
    with tf.Session() as session:
        found = session.run(y, {keep: 0.25})
        assert set(found.tolist()) == {0.0, 4.0} and abs((found > 0).mean() - 0.25) < 0.03
        np.testing.assert_array_equal(session.run(y, {keep: 1.0}), np.ones(4000))


def test_the_module_of_a_graph_draws_the_numbers_of_the_first_run() -> None:
    w = tf.Variable(tf.random_normal([3]), name="w")
    step = tf.assign_add(w, tf.random_uniform([3]))
    model = tf.Model(tf.get_default_graph().module, tf.Options(cache=False))
    with tf.Session() as session:
        session.run(w.initializer)
        np.testing.assert_array_equal(model.params["w"], session.run(w))
        model.run(np.int64(1))
        session.run(step)
        np.testing.assert_array_equal(model.params["w"], session.run(w))


def test_random_numbers_in_a_branch_belong_to_the_run() -> None:
    p = tf.placeholder(tf.bool)
    y = tf.cond(p, lambda: tf.random_uniform([3]), lambda: tf.zeros([3]))
    with tf.Session() as session:
        assert not np.array_equal(session.run(y, {p: True}), session.run(y, {p: True}))


def test_variables_are_found_by_name() -> None:
    with tf.variable_scope("layer"):
        w = tf.get_variable("w", [3, 2])
        with tf.variable_scope("inner"):
            b = tf.get_variable("b", initializer=tf.constant([1.0, 2.0]))
    with tf.variable_scope("layer", reuse=True):
        assert tf.get_variable("w", [3, 2]) is w
    with tf.variable_scope("layer", reuse=tf.AUTO_REUSE):
        n = tf.get_variable("n", [], tf.int32)
    assert [v.state.name for v in (w, b, n)] == ["layer.w", "layer.inner.b", "layer.n"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run([w, b, n])
    assert np.abs(values[0]).max() <= np.sqrt(6 / 5) and np.ptp(values[0]) > 0
    np.testing.assert_array_equal(values[1], [1, 2])
    assert values[2] == 0


def test_an_interactive_session_is_the_default_one() -> None:
    session = tf.InteractiveSession()
    assert tf.constant(3).eval() == 3
    session.close()
    assert tf.get_default_session() is None


WRONG = {
    "a variable twice": (
        "w = fc.get_variable('w', [2])\nfc.get_variable('w', [2])",
        "model.py:4:1: error: there is a variable w\n"
        "    fc.get_variable('w', [2])\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "model.py:3:5: note: w is made here\n"
        "    w = fc.get_variable('w', [2])\n"
        "        ^~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: pass reuse=True or reuse=AUTO_REUSE to the scope",
    ),
    "labels without a name": (
        "x = fc.constant([1.0])\nfc.nn.softmax_cross_entropy_with_logits(x, x)",
        "model.py:4:1: error: labels and logits are passed by name\n"
        "    fc.nn.softmax_cross_entropy_with_logits(x, x)\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: write labels=..., logits=...",
    ),
    "a function of NumPy": (
        "x = fc.placeholder(fc.f32, [2])\nnp.exp(x)",
        'model.py:4:1: error: numpy.exp takes arrays, and Tensor("Placeholder:0", shape=(2,), dtype=float32) has no elements '
        "while the graph is built\n"
        "    np.exp(x)\n"
        "    ^~~~~~~~~\n"
        "help: write fc.exp, fc being flowc",
    ),
    "another function of NumPy": (
        "x = fc.placeholder(fc.f32, [2])\nnp.concatenate([x, x])",
        'model.py:4:1: error: numpy.concatenate takes arrays, and Tensor("Placeholder:0", shape=(2,), dtype=float32) has no elements '
        "while the graph is built\n"
        "    np.concatenate([x, x])\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~\n"
        "help: write fc.concatenate, fc being flowc",
    ),
}


@pytest.mark.parametrize(("program", "says"), WRONG.values(), ids=WRONG)
def test_mistake_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says
