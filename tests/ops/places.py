"""Calls of the ops that put, count, order and run along elements, each with what it is in numpy: cases of the contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from flowc.ops.numerics import larger, smaller

Array = np.ndarray[Any, Any]
Given = tuple[str, tuple[Array, ...], tuple[Any, ...], Callable[..., Any], float, dict[str, Any]]

RANDOM = np.random.default_rng(9)
X = RANDOM.standard_normal((4, 5)).astype(np.float32)
U = RANDOM.standard_normal((2, 2, 5)).astype(np.float32)
COUNTS = RANDOM.integers(-9, 9, (4, 5)).astype(np.int32)
IDS = np.array([[0, -1], [3, 0]])
PAIRS = np.array([[0, 1], [-1, 4], [0, 1]])
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


def ordered(x: Array, axis: int = -1, descending: bool = False) -> Array:
    """The positions in the order of the language, row by row, by Python's sort: it is stable and needs only a key."""

    def key(value: Any) -> tuple[Any, ...]:
        if value != value:
            return (1, 0, 0)
        number = value.item() if value.dtype.kind == "f" else int(value)
        plus = int(value == 0 and not np.signbit(value))
        return (0, -number, -plus) if descending else (0, number, plus)

    rows = np.moveaxis(x, axis, -1)
    flat = [sorted(range(rows.shape[-1]), key=lambda k: key(row[k])) for row in rows.reshape(-1, rows.shape[-1])]
    return np.moveaxis(np.array(flat, np.int64).reshape(rows.shape), -1, axis)


def arranged(x: Array, axis: int = -1, descending: bool = False) -> Array:
    return np.take_along_axis(x, ordered(x, axis, descending), axis)


def first(x: Array, k: int, axis: int, largest: bool) -> tuple[Array, Array]:
    ids = np.take(ordered(x, axis, largest), range(k), axis)
    return np.take_along_axis(x, ids, axis), ids


def mixed(*shape: int) -> Array:
    """Numbers, many of them equal, with zeros of both signs, infinities and NaN."""
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-40], np.float32)
    return np.where(RANDOM.random(shape) < 0.6, RANDOM.choice(odd, shape), RANDOM.standard_normal(shape).astype(np.float32))


def before(of: Callable[..., Any], first: Any, axis: int) -> Callable[[Array], Array]:
    """A running total of the elements before each."""

    def exclusive(x: Array) -> Array:
        start = np.full_like(x.take([0], axis), first)
        return np.concatenate([start, of(x, axis=axis).take(range(x.shape[axis] - 1), axis)], axis)

    return exclusive


def accumulated(x: Array, of: Callable[[Array, Array], Array]) -> Array:
    return np.stack(list(itertools.accumulate(np.moveaxis(x, -1, 0), of)), -1)


def distinct(x: Array) -> Array:
    """The first of those that are equal, in order; NaNs are equal."""
    flat = arranged(x.reshape(-1))
    same = (flat[1:] == flat[:-1]) | (np.isnan(flat[1:]) & np.isnan(flat[:-1]))
    return flat[np.concatenate([[True], ~same])]


def within(x: Array, low: float, high: float) -> Array:
    return x[(x >= low) & (x <= high)]


MIXED = mixed(4, 9)
LONG = mixed(2, 90)

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
    given("cumsum", (X,), ("$0", 1), lambda x: np.cumsum(x, 1)),
    given("cumsum", (X,), ("$0", 0), lambda x: np.cumsum(x[::-1], 0)[::-1], reverse=True),
    given("cumsum", (COUNTS > 0,), ("$0", -1), lambda x: np.cumsum(x, -1)),
    given("cumprod", (X,), ("$0", 1), before(np.cumprod, 1, 1), exclusive=True),
    given("cumprod", (COUNTS,), ("$0", 0), lambda x: np.cumprod(x, 0, np.int32)),
    given("cummax", (X[0],), ("$0", 0), np.maximum.accumulate),
    given("cummax", (MIXED,), ("$0", 1), lambda x: accumulated(x, larger)),
    given("cummin", (COUNTS,), ("$0", 1), before(np.minimum.accumulate, 2**31 - 1, 1), exclusive=True),
    given("cummin", (MIXED,), ("$0", 1), lambda x: accumulated(x, smaller)),
    given("argsort", (MIXED,), ("$0",), ordered),
    given("argsort", (MIXED,), ("$0", 0, True), lambda x: ordered(x, 0, True)),
    given("argsort", (COUNTS,), ("$0", 0), lambda x: ordered(x, 0)),
    given("argsort", (LONG,), ("$0",), lambda x: ordered(x)),
    given("argsort", (LONG.astype(np.float16),), ("$0", 1, True), lambda x: ordered(x, 1, True)),
    given("sort", (LONG,), ("$0", -1, True), lambda x: arranged(x, -1, True)),
    given("sort", (X,), ("$0", 0), lambda x: arranged(x, 0)),
    given("sort", (X[:, :0],), ("$0",), lambda x: x),
    given("top_k", (X,), ("$0", 3), lambda x: first(x, 3, -1, True)),
    given("top_k", (MIXED,), ("$0", 2, 0, False), lambda x: first(x, 2, 0, False)),
    given("unique", (COUNTS,), ("$0",), np.unique),
    given("unique", (MIXED,), ("$0",), distinct),
    given("searchsorted", (np.sort(MIXED[0]), MIXED), ("$0", "$1"), np.searchsorted),
    given("searchsorted", (np.sort(abs(COUNTS[0])), COUNTS), ("$0", "$1", "right"), lambda x, y: np.searchsorted(x, y, "right")),
    given("searchsorted", (X[0, :0], X), ("$0", "$1"), np.searchsorted),
]
