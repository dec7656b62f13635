"""Elementwise arithmetic that numpy does otherwise, or not everywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowc.ir.types import DType

Array = np.ndarray[Any, Any]


def ends(dtype: DType) -> tuple[float, float]:
    """What no number of the dtype is below and above."""
    return (-math.inf, math.inf) if dtype.is_float else dtype.limits()


def larger(x: Array, y: Array) -> Array:
    """np.maximum, with +0 over -0."""
    return np.where((x == y) & (x == 0), x + y, np.maximum(x, y)) if x.dtype.kind == "f" else np.maximum(x, y)


def smaller(x: Array, y: Array) -> Array:
    """np.minimum, with -0 under +0."""
    return np.where((x == y) & (x == 0), -(-x + -y), np.minimum(x, y)) if x.dtype.kind == "f" else np.minimum(x, y)


def saturated(x: Array, dtype: DType) -> Array:
    """Floats as integers: truncated, brought to the nearest end of the range, NaN as 0."""
    low, high = dtype.limits()
    whole = np.trunc(np.where(np.isnan(x), 0, x)).astype(np.float64)
    above, under = whole >= float(high) + (0 if float(high) != high else 1), whole < float(low)
    inside = np.where(above | under, 0, whole).astype(dtype.numpy)
    return np.where(above, np.asarray(high, dtype.numpy), np.where(under, np.asarray(low, dtype.numpy), inside))


def shifted_left(x: Array, y: Array) -> Array:
    """x << y, y modulo the width."""
    return np.left_shift(x, y & (x.dtype.itemsize * 8 - 1))


def shifted_right(x: Array, y: Array) -> Array:
    """x >> y, y modulo the width."""
    return np.right_shift(x, y & (x.dtype.itemsize * 8 - 1))
