"""Conversions between every two dtypes: wrapping, saturating, rounding once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.ir.core import Func, Value, func
from flowc.ir.dims import Size, dim
from flowc.ir.narrow import as_stored, in_f32
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import cast
from flowc.ops.interpret import run

Array = np.ndarray[Any, Any]
INTEGERS = [DType.i8, DType.u8, DType.i16, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64]
DTYPES = [DType.bool, *INTEGERS, DType.f16, DType.bf16, DType.f32, DType.f64]
SMALL = [0.0, -0.0, 0.4, -0.9, 1.5, -2.5, 127.9, 128.0, -129.0, 255.99, 256.0]
LARGE = [16777217.0, 2.0**31, -(2.0**31) - 1, 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 1e30]


def samples(dtype: DType) -> Array:
    if dtype is DType.bool:
        return np.array([False, True])
    if dtype.is_float:
        with np.errstate(over="ignore"):
            return as_stored(np.array([*SMALL, *LARGE, math.inf, -math.inf, math.nan]), dtype)
    low, high = dtype.limits()
    return np.array([low, low + 1, high, high - 1, 0, 1, min(high, 16777217), min(high, 255)], dtype.numpy)


def converted(x: Any, source: DType, target: DType) -> Any:
    """One element, with Python's exact integers."""
    if target is DType.bool:
        return x != 0
    if target.is_float:
        return as_stored(np.float64(x), target)[()]
    low, high = target.limits()
    if source.is_float:
        return 0 if math.isnan(x) else low if x < low else high if x > high else int(x)
    return (int(x) - low) % (high - low + 1) + low


@pytest.mark.parametrize("source", DTYPES, ids=lambda d: d.value)
def test_a_conversion_gives_what_the_language_says(source: DType, holds_natively: Callable[[Func, Sequence[Array]], None]) -> None:
    array = samples(source)
    x = Value(Type(source, (dim(Size("N")),)), None, "x")
    fn = func("f", (x,), tuple(cast(x, target) for target in DTYPES))
    with np.errstate(all="ignore"):
        numbers = (in_f32(array, source) if source.is_narrow else array).tolist()
        wanted = [np.array([converted(v, source, target) for v in numbers], target.numpy) for target in DTYPES]
    for found, elements, target in zip(run(fn, [array]), wanted, DTYPES, strict=True):
        assert found.dtype == elements.dtype
        both = (in_f32(a, target) if target.is_narrow else a for a in (found, elements))
        np.testing.assert_array_equal(*both)
    holds_natively(fn, [array])
