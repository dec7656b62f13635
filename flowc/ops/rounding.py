"""x * y + z rounded once, in numpy: what a fused multiply-add instruction gives."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def exact_fma(x: Array, y: Array, z: Array) -> Array:
    """`x * y + z` with one rounding, elementwise over broadcast arrays of one float dtype."""
    x, y, z = np.broadcast_arrays(*map(np.asarray, (x, y, z)))
    if x.dtype == np.float32:
        return _fma32(x, y, z)
    return np.vectorize(_fma64, otypes=[np.float64])(x, y, z) if x.size else np.empty(x.shape, x.dtype)


def _fma32(x: Array, y: Array, z: Array) -> Array:
    """The product is exact in f64; the sum is rounded there to odd, so that rounding to f32 is the only one (Boldo & Melquiond 2008)."""
    with np.errstate(all="ignore"):
        product, addend = x.astype(np.float64) * y.astype(np.float64), z.astype(np.float64)
        total = product + addend
        back = total - product
        rest = (product - (total - back)) + (addend - back)
        even = (total.view(np.int64) & 1) == 0
        toward = np.where(rest > 0, np.inf, -np.inf)
        odd = np.where((rest != 0) & even & np.isfinite(total), np.nextafter(total, toward), total)
        return odd.astype(np.float32)


def _fma64(x: float, y: float, z: float) -> float:
    with np.errstate(all="ignore"):
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)) or x == 0 or y == 0:
            return np.float64(x) * np.float64(y) + np.float64(z)
        total = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        if total == 0:
            return 0.0
        try:
            return float(total)
        except OverflowError:
            return np.inf if total > 0 else -np.inf
