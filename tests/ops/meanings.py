"""What the elementwise ops are in numpy, said a second time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.ir.types import DType
from tests.ops import functions

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Meaning:
    """What an elementwise op is in numpy, said a second time; `ulps` its bound where it is not exact."""

    of: Callable[..., Any]
    ulps: float = 0


def python_floor(x: Any, y: Any) -> Any:
    return x - x if y == 0 else x // y


def each(of: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Python's exact integers, elementwise and wrapping."""

    def whole(*arrays: Array) -> Array:
        dtype = DType(dtype_of(arrays[0]))
        low, _ = dtype.limits()
        items = zip(*(a.flat for a in np.broadcast_arrays(*arrays)), strict=True)
        wrapped = [(of(*map(int, item)) - low) % (1 << dtype.bits) + low for item in items]
        return np.array(wrapped, dtype.numpy).reshape(np.broadcast_shapes(*(a.shape for a in arrays)))

    return whole


def by_kind(floats: Callable[..., Any], integers: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: (floats if arrays[0].dtype.kind == "f" else integers)(*arrays)


def integer_power(x: int, y: int) -> int:
    if y >= 0:
        return pow(x, y, 1 << 64)
    return 1 if x == 1 else (1 if y % 2 == 0 else -1) if x == -1 else 0


def arranged(x: Array, y: Array, largest: bool) -> Array:
    """The larger or smaller by IEEE's total order of numbers, NaN where one is."""
    if x.dtype.kind != "f":
        return np.where((x > y) == largest, x, y)
    first = (x > y) | ((x == y) & np.signbit(y)) if largest else (x < y) | ((x == y) & np.signbit(x))
    return np.where(np.isnan(x) | np.isnan(y), np.nan, np.where(first, x, y)).astype(x.dtype)


def wide(of: Callable[..., Any]) -> Callable[..., Any]:
    """In longdouble, which is exact enough to be the reference of f32 and f64."""
    return lambda *arrays: of(*(a.astype(np.longdouble) for a in arrays))


MEANINGS: dict[str, Meaning] = {
    "abs": Meaning(by_kind(lambda x: np.copysign(x, 1).astype(x.dtype), each(abs))),
    "add": Meaning(by_kind(lambda x, y: x + y, each(lambda x, y: x + y))),
    "subtract": Meaning(by_kind(lambda x, y: x - y, each(lambda x, y: x - y))),
    "multiply": Meaning(by_kind(lambda x, y: x * y, each(lambda x, y: x * y))),
    "divide": Meaning(lambda x, y: x / y),
    "negative": Meaning(by_kind(lambda x: np.copysign(x, -np.copysign(1, x)).astype(x.dtype), each(lambda x: -x))),
    "sqrt": Meaning(lambda x: np.sqrt(x)),
    "rsqrt": Meaning(lambda x: (1 / np.sqrt(x)).astype(x.dtype)),
    "square": Meaning(by_kind(lambda x: x * x, each(lambda x: x * x))),
    "maximum": Meaning(lambda x, y: arranged(x, y, largest=True)),
    "minimum": Meaning(lambda x, y: arranged(x, y, largest=False)),
    "clip": Meaning(lambda x, a, b: arranged(arranged(x, a, largest=True), b, largest=False)),
    "equal": Meaning(lambda x, y: x == y),
    "not_equal": Meaning(lambda x, y: x != y),
    "less": Meaning(lambda x, y: x < y),
    "less_equal": Meaning(lambda x, y: x <= y),
    "greater": Meaning(lambda x, y: x > y),
    "greater_equal": Meaning(lambda x, y: x >= y),
    "logical_and": Meaning(lambda x, y: x & y),
    "logical_or": Meaning(lambda x, y: x | y),
    "logical_not": Meaning(lambda x: ~x),
    "where": Meaning(lambda c, x, y: np.where(c, x, y)),
    "bitwise_and": Meaning(lambda x, y: x & y),
    "bitwise_or": Meaning(lambda x, y: x | y),
    "bitwise_xor": Meaning(lambda x, y: x ^ y),
    "bitwise_not": Meaning(lambda x: ~x),
    "bitwise_left_shift": Meaning(lambda x, y: each(lambda a, b: a << (b % (8 * x.dtype.itemsize)))(x, y)),
    "bitwise_right_shift": Meaning(lambda x, y: each(lambda a, b: a >> (b % (8 * x.dtype.itemsize)))(x, y)),
    "popcount": Meaning(lambda x: each(lambda a: (a % (1 << 8 * x.dtype.itemsize)).bit_count())(x)),
    "floor_divide": Meaning(by_kind(np.floor_divide, each(python_floor))),
    "remainder": Meaning(by_kind(np.remainder, each(lambda x, y: 0 if y == 0 else x % y))),
    "power": Meaning(by_kind(wide(np.power), each(integer_power)), ulps=2),
    "copysign": Meaning(lambda x, y: np.where(np.signbit(y), -np.abs(x), np.abs(x)).astype(x.dtype)),
    "sign": Meaning(by_kind(lambda x: np.where(x > 0, 1, np.where(x < 0, -1, x)).astype(x.dtype), each(lambda x: (x > 0) - (x < 0)))),
    "floor": Meaning(np.floor),
    "ceil": Meaning(np.ceil),
    "trunc": Meaning(np.trunc),
    "round": Meaning(np.rint),
    "isnan": Meaning(lambda x: x != x),
    "isinf": Meaning(lambda x: np.abs(x) == np.inf),
    "isfinite": Meaning(lambda x: np.abs(x) < np.inf),
    "relu": Meaning(lambda x: np.where(x <= 0, x.dtype.type(0), x)),
    "stop_gradient": Meaning(lambda x: x),
    "exp": Meaning(wide(np.exp), ulps=1),
    "log": Meaning(wide(np.log), ulps=1),
    "tanh": Meaning(wide(np.tanh), ulps=1),
    "sin": Meaning(wide(np.sin), ulps=1),
    "cos": Meaning(wide(np.cos), ulps=1),
    "sigmoid": Meaning(wide(lambda x: 1 / (1 + np.exp(-x))), ulps=2),
    "erf": Meaning(np.vectorize(math.erf, otypes=[np.float64]), ulps=1),
    "mse_loss": Meaning(lambda x, y: (x - y) * (x - y)),
    "l1_loss": Meaning(lambda x, y: np.abs(x - y)),
    **{name: Meaning(*given) for name, given in functions.MEANINGS.items()},
}


def dtype_of(array: Array) -> str:
    return next(d.value for d in DType if d.value not in ("bf16", "index", "token", "error") and d.numpy == array.dtype)
