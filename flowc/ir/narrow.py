"""f16 and bf16 in numpy, which has no bf16: its elements are kept as their bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowc.ir.types import DType

Array = np.ndarray[Any, Any]


def in_f32(x: Array, dtype: DType) -> Array:
    """The elements of an f16 or bf16 array as f32, which holds them all."""
    if dtype is DType.f16:
        return x.astype(np.float32)
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32)


def rounded(x: Array, dtype: DType) -> Array:
    """f32 or f64 elements in f16 or bf16: to the nearest, to even between two; NaN stays NaN."""
    with np.errstate(all="ignore"):
        if dtype is DType.f16:
            return x.astype(np.float16)
        single = rounded_to_odd(x) if x.dtype == np.float64 else x
        bits = single.view(np.uint32)
        even = (bits >> np.uint32(16)) & np.uint32(1)
        near = (bits + np.uint32(0x7FFF) + even) >> np.uint32(16)
        quiet = bits >> np.uint32(16) | np.uint32(0x40)
        return np.where(np.isnan(single), quiet, near).astype(np.uint16)


def rounded_to_odd(x: Array) -> Array:
    """f64 in f32, what is lost as an odd last bit: rounding it further rounds once (Boldo & Melquiond 2008)."""
    with np.errstate(all="ignore"):
        near = x.astype(np.float32)
        back = near.astype(np.float64)
        inward, inexact = np.abs(back) > np.abs(x), (back != x) & ~np.isnan(x)
        return ((near.view(np.int32) - inward.astype(np.int32)) | inexact.astype(np.int32)).view(np.float32)


def as_stored(array: Any, dtype: DType) -> Array:
    """An array of the dtype as numpy holds it here: bfloat16 of another package as its bits, other numbers rounded to bf16."""
    given = np.asarray(array)
    if dtype is not DType.bf16:
        return np.asarray(given, dtype.numpy)
    if given.dtype.name == "bfloat16":
        return given.view(np.uint16)
    return given if given.dtype == np.uint16 else rounded(given.astype(np.float64), dtype)
