"""Schedules and bounds follow their formulas, written out in NumPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flowc as fc

SCHEDULES: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "exponential": (lambda n: fc.train.exponential_decay(0.5, n, 10, 0.9), lambda n: 0.5 * 0.9 ** (n / 10)),
    "exponential by stairs": (lambda n: fc.train.exponential_decay(0.5, n, 10, 0.9, staircase=True), lambda n: 0.5 * 0.9 ** (n // 10)),
    "natural": (lambda n: fc.train.natural_exp_decay(0.5, n, 10, 0.9), lambda n: 0.5 * math.exp(-0.9 * n / 10)),
    "inverse time": (lambda n: fc.train.inverse_time_decay(0.5, n, 10, 0.9), lambda n: 0.5 / (1 + 0.9 * n / 10)),
    "polynomial": (
        lambda n: fc.train.polynomial_decay(0.5, n, 20, 0.1, power=2.0),
        lambda n: 0.4 * (1 - min(n, 20) / 20) ** 2 + 0.1,
    ),
    "polynomial in cycles": (
        lambda n: fc.train.polynomial_decay(0.5, n, 8, 0.1, cycle=True),
        lambda n: 0.4 * (1 - n / (8 * max(math.ceil(n / 8), 1))) + 0.1,
    ),
    "cosine": (
        lambda n: fc.train.cosine_decay(0.5, n, 20, alpha=0.1),
        lambda n: 0.5 * (0.9 * (1 + math.cos(math.pi * min(n, 20) / 20)) / 2 + 0.1),
    ),
    "pieces": (
        lambda n: fc.train.piecewise_constant(n, [5, 16], [1.0, 0.5, 0.25]),
        lambda n: 1.0 if n <= 5 else 0.5 if n <= 16 else 0.25,
    ),
    "warmed up": (
        lambda n: fc.train.linear_warmup(fc.train.cosine_decay(0.5, n, 20), n, 5),
        lambda n: min((n + 1) / 5, 1) * 0.5 * (1 + math.cos(math.pi * min(n, 20) / 20)) / 2,
    ),
}
STEPS = (0, 1, 4, 5, 6, 10, 16, 17, 20, 24, 31)


def test_schedules_follow_their_formulas() -> None:
    step = fc.placeholder(fc.i64)
    rates = {name: schedule(step) for name, (schedule, _) in SCHEDULES.items()}
    with fc.Session() as session:
        for n in STEPS:
            for name, rate in session.run(rates, {step: n}).items():
                np.testing.assert_allclose(rate, SCHEDULES[name][1](n), rtol=2e-6, err_msg=f"{name} at {n}")


def test_pieces_fit_together() -> None:
    with pytest.raises(fc.Error, match="2 boundaries lie between 3 values, not 2"):
        fc.train.piecewise_constant(0, [1, 2], [1.0, 2.0])
    with pytest.raises(fc.Error, match="in increasing order"):
        fc.train.piecewise_constant(0, [2, 1], [1.0, 2.0, 3.0])


X, Y = np.array([[3.0, -1.0], [0.5, 2.0]]), np.array([4.0, -0.25])


@pytest.mark.parametrize("bound", [1.0, 100.0])
def test_many_tensors_are_clipped_by_their_norm_together(bound: float) -> None:
    norm = np.sqrt((X**2).sum() + (Y**2).sum())
    (x, none, y), found = fc.clip_by_global_norm([fc.constant(X), None, fc.constant(Y)], bound)
    assert none is None
    with fc.Session() as session:
        given = session.run([x, y, found])
    scale = bound / max(norm, bound)
    np.testing.assert_allclose(given[0], X * scale)
    np.testing.assert_allclose(given[1], Y * scale)
    np.testing.assert_allclose(given[2], norm)


def test_one_tensor_is_clipped_by_its_norm_and_by_element() -> None:
    x = fc.constant(X)
    with fc.Session() as session:
        all_, rows, bounded = session.run([fc.clip_by_norm(x, 2.0), fc.clip_by_norm(x, 2.5, axes=[1]), fc.clip_by_value(x, -0.5, 1.0)])
    np.testing.assert_allclose(all_, X * 2 / np.sqrt((X**2).sum()))
    np.testing.assert_allclose(rows, X * 2.5 / np.maximum(np.sqrt((X**2).sum(1, keepdims=True)), 2.5))
    np.testing.assert_array_equal(bounded, np.clip(X, -0.5, 1))
