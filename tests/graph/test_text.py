"""A function's text is a graph of the language: read again it is the same IR, and it is laid out as the formatter does."""
# ruff: noqa: F821 (in an annotation "N" is a size, not a forward reference)

from collections.abc import Callable

import numpy as np
import pytest

import flowc as fc
from flowc.errors import Error
from flowc.ir.printer import print_func
from flowc.lang.elaborate import elaborate
from flowc.lang.format import format
from flowc.lang.parse import parse
from flowc.source import Source

IDS = np.array([[0, 2], [1, 1]])


def operators(x: fc.f32["N", 4], y: fc.f32[4]):
    a = x - (y - 1.0) - 2.0 * (x + y) / 3.0
    b = (a - x) * (a // y) % 2.5
    return -(b**2.0), (2.0**b) ** y


def truths(x: fc.i32[3], p: fc.bool):
    q = (x > 1) | (x == 0) & (x != 2)
    r = q & ~(x <= 3)
    return fc.all(r) & p, fc.where(r, x, -1)


def literals(x: fc.f64[2], n: fc.i64[2]):
    return x * 0.1 + 1e-30, fc.maximum(n, -3) << 1, fc.where(x > 0.0, fc.constant(0.1, fc.f64), fc.constant(-2.0, fc.f64))


def conversions(x: fc.f32[3], n: fc.u8[3]):
    return x.astype(fc.i64) + 1, (n.astype(fc.f32) / 255.0).sum(), (x + 1.0).astype("f64")


def moves(x: fc.f32["N", 6], y: fc.f32["N", 2]):
    a = x[::-1, 1:5:2].T
    b = fc.concat([y, x[:, -2:]], axis=1).reshape(2, -1)
    return a, b, fc.pad(y, [[0, 1], [2, 0]]), fc.stack([y, y], axis=1), x[-1, None, ...]


def gathers(x: fc.f32[5, 6], ids: fc.i64[3]):
    rows = fc.constant(IDS)
    return x[ids], x[:, ids], fc.take(x, rows, axis=1), x[ids, ids], fc.one_hot(ids, 6)


def networks(x: fc.f32["N", 8], w: fc.f32[8, 3], labels: fc.i64["N"]):
    h = fc.gelu(fc.layer_norm(x), approximate="tanh")
    logits = fc.linear(h, w)
    loss = fc.mean(fc.cross_entropy(logits, labels))
    return loss, fc.mean((fc.argmax(logits, axis=-1) == labels).astype(fc.f32)), fc.var(x, axis=[0, 1], correction=1)


def sized(x: fc.f32[fc.dim("N", 2, 8), "M"]):
    total = fc.sum(x) / x.shape[0] + x.shape[1]
    return total, fc.zeros([x.shape[0] + 1, 2]), fc.full([2], 7)


def choices(x: fc.f32["N"], n: fc.i32):
    a = fc.cond(n > 0, lambda: fc.cond(n > 1, lambda: x * 2.0, lambda: x), lambda: -x)
    i, s = fc.while_loop(lambda i, s: (i < n) & (fc.sum(s) < 100.0), lambda i, s: (i + 1, s + a), (0, x), maximum_iterations=50)
    return s, i


def steps(x: fc.f32["T", 3], w: fc.f32[3, 3], n: fc.i32["T"]):
    def cell(h, each):
        after = fc.tanh(h["state"] @ w + each[0])
        return {"state": after, "count": h["count"] + each[1]}, fc.sum(after) * 2.0

    last, sums = fc.scan(cell, {"state": fc.zeros([3]), "count": 0}, (x, n))
    return last["state"], last["count"], sums, fc.scan(lambda c, _: (c * 0.5, c), x, length=4)[1]


def seeded(shift: fc.f32):
    drawn = fc.uniform(fc.f32, [2, 3], seed=7, high=2.0) + shift
    return drawn, fc.arange(4), fc.constant([[1.5, 2.0], [3.0, 4.0]]) * shift


@pytest.mark.parametrize(
    "python", [operators, truths, literals, conversions, moves, gathers, networks, sized, choices, steps, seeded], ids=lambda f: f.__name__
)
def test_text_read_again_is_the_same_ir(python: Callable[..., object]) -> None:
    built = fc.function(python)
    source = Source("built.flow", built.text())
    assert print_func(elaborate(parse(source), source).func(python.__name__), anonymous=True) == print_func(built.func, anonymous=True)
    assert format(source) == source.text


def test_text_reads_as_a_person_writes_it() -> None:
    @fc.function
    def mlp(x: fc.f32["N", 784], w1: fc.f32[784, 128], b1: fc.f32[128], w2: fc.f32[128, 10]):
        h = fc.relu(x @ w1 + b1)
        probs = fc.softmax(h @ w2)
        steps, _ = fc.while_loop(lambda i, s: s < 1.0, lambda i, s: (i + 1, s * 2.0), (0, fc.mean(probs)), maximum_iterations=9)
        return probs, steps

    assert mlp.text() == (
        "flow 1.0\n"
        "\n"
        "graph mlp(x: f32[N, 784], w1: f32[784, 128], b1: f32[128], w2: f32[128, 10]) -> (probs: f32[N, 10], steps: i32) {\n"
        "  h = relu(x @ w1 + b1)\n"
        "  probs = softmax(h @ w2, axis=1)\n"
        "  steps, _ = loop (i: i32 = 0, s: f32 = mean(probs)) while s < 1.0 limit 9 {\n"
        "    yield i + 1, s * 2.0\n"
        "  }\n"
        "}\n"
    )


def test_what_the_language_has_no_words_for_is_told() -> None:
    @fc.function
    def positive(x: fc.f32["N"]):
        return x[x > 0.0]

    with pytest.raises(Error, match=r"the \.flow text of \w+ is not there yet"):
        positive.text()
