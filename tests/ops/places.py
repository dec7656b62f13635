"""Calls of the ops that put, count, order and run along elements, each with what it is in numpy: cases of the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Given = tuple[str, tuple[Array, ...], tuple[Any, ...], Callable[..., Any], float, dict[str, Any]]

RANDOM = np.random.default_rng(9)
X = RANDOM.standard_normal((4, 5)).astype(np.float32)
U = RANDOM.standard_normal((2, 2, 5)).astype(np.float32)
COUNTS = RANDOM.integers(-9, 9, (4, 5)).astype(np.int32)
IDS = np.array([[0, -1], [3, 0]])
PAIRS = np.array([[0, 1], [-1, 4], [0, 1]], np.int32)
TENTHS = RANDOM.integers(-3, 14, 90) / 10


def put(at: Callable[[Array, Array, Array], Any] | np.ufunc | None, axis: int = 0) -> Callable[..., Array]:
    """NumPy's unbuffered `at` along an axis; one after the other where it is left out."""

    def of(x: Array, ids: Array, updates: Array) -> Array:
        made, values = np.moveaxis(x.copy(), axis, 0), np.moveaxis(updates, range(axis, axis + ids.ndim), range(ids.ndim))
        for n in np.ndindex(ids.shape):
            made[ids[n]] = values[n] if at is None else at(made[ids[n]], values[n])
        return np.moveaxis(made, 0, axis)

    return of


def put_at(x: Array, ids: Array, updates: Array) -> Array:
    made = x.copy()
    for at, value in zip(ids, updates, strict=True):
        made[tuple(at)] = value
    return made


def given(name: str, arrays: tuple[Array, ...], arguments: tuple[Any, ...], of: Callable[..., Any], ulps: float = 0, **named: Any) -> Given:
    return name, arrays, arguments, of, ulps, named


def within(x: Array, low: float, high: float) -> Array:
    return x[(x >= low) & (x <= high)]


PLACES: list[Given] = [
    given("scatter", (X, IDS, U), ("$0", "$1", "$2"), put(None)),
    given("scatter", (X, IDS, U), ("$0", "$1", "$2"), put(np.add), reduce="sum"),
    given("scatter", (COUNTS, IDS[:, 0], COUNTS[:2]), ("$0", "$1", "$2"), put(np.multiply), reduce="prod"),
    given("scatter", (X, IDS, np.repeat(U, 2, 0)[..., :2].copy()), ("$0", "$1", "$2", 1), put(np.maximum, 1), reduce="max"),
    given("scatter", (X, IDS), ("$0", "$1", 7), lambda x, i: np.where(np.isin(np.arange(4), i % 4)[:, None], np.float32(7), x)),
    given("scatter_nd", (X, PAIRS, X[0, :3]), ("$0", "$1", "$2"), put_at),
    given("scatter_nd", (X, PAIRS[:, :1], X[:3]), ("$0", "$1", "$2"), put_at),
    given("bincount", (COUNTS,), ("$0", 6), lambda x: np.bincount(x[(x >= 0) & (x < 6)], minlength=6)),
    given("histogram", (TENTHS,), ("$0", 10, 0, 1), lambda x: np.histogram(within(x, 0, 1), 10, (0, 1))[0]),
    given("histogram", (TENTHS.astype(np.float32),), ("$0", 7, 0.1, 0.9), lambda x: np.histogram(x, 7, (0.1, 0.9))[0]),
    given("histogram", (COUNTS,), ("$0", 4, -5, 5.5), lambda x: np.histogram(x, 4, (-5, 5.5))[0]),
]
