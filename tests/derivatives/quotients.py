"""Derivatives of graphs in f64 by difference quotients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowc.ir.core import Func, Value, func, needed
from flowc.ir.types import DType, Type
from flowc.ops.interpret import run

Array = np.ndarray[Any, Any]


def tensor(hint: str, *shape: Any, dtype: DType = DType.f64) -> Value:
    return Value(Type(dtype, shape), None, hint)


def leaves(*ys: Value) -> tuple[Value, ...]:
    """The parameters that values are computed from, in order of their names."""
    known: dict[Value, bool] = {}
    for v in needed(ys, known):
        known[v] = v.op is None and v.type.below is None
    return tuple(sorted((v for v, leaf in known.items() if leaf), key=lambda v: v.hint))


def quotient(fn: Func, given: Sequence[Array], n: int, step: float = 1e-6) -> Array:
    """The derivative of the first result, a scalar, by argument `n`."""
    first = func(fn.name, fn.body.params, fn.body.results[:1])
    result = np.zeros(given[n].shape)
    for spot in np.ndindex(given[n].shape):
        ends: list[float] = []
        for h in (step, -step):
            moved = [np.array(a) for a in given]
            moved[n][spot] += h
            ends.append(float(run(first, moved)[0]))
        result[spot] = (ends[0] - ends[1]) / (2 * step)
    return result
