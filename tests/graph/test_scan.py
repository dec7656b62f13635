"""Scans compute what Python's loops do, and have derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc as fc

X = np.array([0.5, -1.0, 2.0, 1.5])


def test_a_scan_carries_and_stacks_structures() -> None:
    def step(carry: dict[str, Any], x: tuple[Any, Any]) -> tuple[dict[str, Any], Any]:
        total = carry["total"] + x[0] * x[1]
        return {"total": total, "count": carry["count"] + 1}, (total, None)

    f = fc.function(lambda a, b: fc.scan(step, {"total": fc.constant(0.0, fc.f64), "count": 0}, (a, b)))
    carry, (totals, nothing) = f(X, X + 1)
    np.testing.assert_allclose(totals, np.cumsum(X * (X + 1)))
    np.testing.assert_allclose(carry["total"], np.sum(X * (X + 1)))
    assert carry["count"] == 4 and nothing is None


def test_a_reversed_scan_stacks_at_the_places_of_its_xs() -> None:
    f = fc.function(lambda x: fc.scan(lambda c, x: (c + x, c + x), np.float64(0), x, reverse=True)[1])
    np.testing.assert_allclose(f(X), np.cumsum(X[::-1])[::-1])


def test_a_scan_without_xs_has_a_length() -> None:
    f = fc.function(lambda x: fc.scan(lambda c, _: (c * x, c), np.float64(1), length=5))
    last, began = f(np.float64(2))
    assert last == 32
    np.testing.assert_array_equal(began, [1, 2, 4, 8, 16])


def test_a_scan_of_the_first_edition_gives_what_it_carries() -> None:
    f = fc.function(lambda x: fc.scan(lambda a, x: a + x, x, initializer=np.float64(1)))
    np.testing.assert_allclose(f(X), 1 + np.cumsum(X))


@pytest.mark.parametrize("remat", [False, True])
def test_a_scan_has_derivatives(remat: bool) -> None:
    def f(x: Any, w: Any) -> Any:
        last, every = fc.scan(lambda c, x: (fc.tanh(c * w + x),) * 2, np.float64(0.1), x, remat=remat)
        return last + fc.sum(every * every)

    def of_numpy(x: np.ndarray, w: float) -> float:
        c, total = 0.1, 0.0
        for each in x:
            c = np.tanh(c * w + each)
            total += c * c
        return c + total

    by_x, by_w = fc.grad(f, (0, 1))(X, np.float64(0.7))
    eps = 1e-6
    wanted = [(of_numpy(X + eps * d, 0.7) - of_numpy(X - eps * d, 0.7)) / (2 * eps) for d in np.eye(4)]
    np.testing.assert_allclose(by_x, wanted, rtol=1e-6)
    np.testing.assert_allclose(by_w, (of_numpy(X, 0.7 + eps) - of_numpy(X, 0.7 - eps)) / (2 * eps), rtol=1e-6)


def test_a_loop_over_numbers_counts() -> None:
    f = fc.function(lambda x: fc.fori_loop(2, 6, lambda i, c: c * x + i.astype(fc.f64), np.float64(1)))
    c = 1.0
    for i in range(2, 6):
        c = c * 3.0 + i
    assert f(np.float64(3)) == c


def test_a_loop_counts_to_a_number_known_during_the_run() -> None:
    f = fc.function(lambda n, x: fc.fori_loop(1, n, lambda i, c: (c[0] * x, c[1] + i), (np.float64(1), 0 * n)))
    product, total = f(np.int64(5), np.float64(3))
    assert product == 81 and total == 10


def test_a_scan_in_a_graph_reads_what_is_outside() -> None:
    x, w = fc.placeholder(fc.f32, [None]), fc.Variable(2.0)
    last, _ = fc.scan(lambda c, x: (c + x * w, None), 0.0, x)
    (d,) = fc.gradients(last, w)
    with fc.Session() as session:
        session.run(fc.global_variables_initializer())
        assert session.run([last, d], {x: [1, 2, 3]}) == [12, 6]


def test_the_lengths_of_sequences_are_checked() -> None:
    f = fc.function(lambda x, y: fc.scan(lambda c, xy: (c + xy[0] * xy[1], None), np.float64(0), (x, y))[0])
    assert f(X, X) == np.sum(X * X)
    with pytest.raises(fc.RunError, match="x_0 and y_0 differ: 4 and 2"):
        f(X, X[:2])


WRONG = {
    "sequences of different lengths": (
        "x, y = fc.placeholder(fc.f32, [3]), fc.placeholder(fc.f32, [4])\nfc.scan(lambda c, xy: (c, None), 0.0, (x, y))",
        "model.py:4:1: error: all xs of a scan have one length: x has 3, y has 4\n"
        "    fc.scan(lambda c, xy: (c, None), 0.0, (x, y))\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "no length": (
        "fc.scan(lambda c, x: (c, None), 0.0)",
        "model.py:3:1: error: a scan without xs needs a length\n"
        "    fc.scan(lambda c, x: (c, None), 0.0)\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "help: pass length=",
    ),
    "a carry of another type": (
        "x = fc.placeholder(fc.f32, [3])\nfc.scan(lambda c, x: (c + x, None), 0, x)",
        "model.py:4:27: error: + of i32 and f32: elements do not mix\n"
        "    fc.scan(lambda c, x: (c + x, None), 0, x)\n"
        "                              ^\n"
        "help: convert one side: `x.astype(i32)`",
    ),
    "a step that gives no pair": (
        "x = fc.placeholder(fc.f32, [3])\nfc.scan(lambda c, x: c + x, 0.0, x)",
        "model.py:4:1: error: the function of a scan gives the carried value and what it emits: `return carry, y`\n"
        "    fc.scan(lambda c, x: c + x, 0.0, x)\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a carry of another structure": (
        "fc.scan(lambda c, x: ((c, c), None), 0.0, length=2)",
        "model.py:3:1: error: the function of a scan gives a carried value of another structure than it takes\n"
        "    fc.scan(lambda c, x: ((c, c), None), 0.0, length=2)\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    "a carry that grows": (
        "fc.scan(lambda c, x: (fc.concat([c, c]), None), fc.constant([1.0]), length=2)",
        "model.py:3:1: error: a scan gives back the types it carries: it carries f32[1] and yields f32[2]\n"
        "    fc.scan(lambda c, x: (fc.concat([c, c]), None), fc.constant([1.0]), length=2)\n"
        "    ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
}


@pytest.mark.parametrize(("program", "says"), WRONG.values(), ids=WRONG)
def test_mistake_is_told(program: str, says: str, refusal: Callable[[str], str]) -> None:
    assert refusal(program) == says
