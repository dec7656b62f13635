"""What the elementary functions and the activations are in numpy, said plainly: meanings and cases of the contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Given = tuple[str, tuple[Array, ...], tuple[Any, ...], Callable[..., Any], float, dict[str, Any]]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 3.0, -3.0, 6.0, 1e-40, 25.0, -110.0], np.float32)
PLAIN = (2 * np.random.default_rng(31).standard_normal((3, 20))).astype(np.float32)
POSITIVE = np.abs(PLAIN) + np.float32(0.01)
OTHER = (2 * np.random.default_rng(32).standard_normal(SPECIAL.shape)).astype(np.float32)


def wide(of: Callable[..., Any]) -> Callable[..., Any]:
    """In longdouble."""
    return lambda *arrays: of(*(a.astype(np.longdouble) for a in arrays))


def softplus(x: Array, beta: float = 1, threshold: float = 20) -> Array:
    return np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta)


def elu(x: Array, alpha: float = 1) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def log_gamma(x: Array) -> Array:
    return np.vectorize(lambda v: math.inf if v <= 0 and v == int(v) else math.lgamma(v), otypes=[np.float64])(x)


def digamma(x: Array) -> Array:
    """Its recurrence up to 30, and from there four terms of its series."""
    y, total = x.astype(np.longdouble), np.zeros(x.shape, np.longdouble)
    for _ in range(60):
        total, y = np.where(y < 30, total - 1 / y, total), np.where(y < 30, y + 1, y)
    z = y**-2
    return total + np.log(y) - 0.5 / y - z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z / 240)))


# by name, with the bound of its error in units of the last place, 0 for all bits
MEANINGS: dict[str, tuple[Callable[..., Any], float]] = {
    "sinh": (wide(np.sinh), 1), "cosh": (wide(np.cosh), 1), "tan": (wide(np.tan), 1),
    "asin": (wide(np.arcsin), 1), "acos": (wide(np.arccos), 1), "atan": (wide(np.arctan), 1), "atan2": (wide(np.arctan2), 1),
    "asinh": (wide(np.arcsinh), 1), "acosh": (wide(np.arccosh), 1), "atanh": (wide(np.arctanh), 1),
    "expm1": (wide(np.expm1), 1), "exp2": (wide(np.exp2), 1), "log1p": (wide(np.log1p), 1), "log2": (wide(np.log2), 1),
    "log10": (wide(np.log10), 1), "cbrt": (wide(np.cbrt), 1), "hypot": (wide(np.hypot), 1),
    "erfc": (np.vectorize(math.erfc, otypes=[np.float64]), 3),
    "relu6": (lambda x: np.minimum(np.where(x <= 0, x.dtype.type(0), x), x.dtype.type(6)), 0),
    "prelu": (lambda x, weight: np.where(x > 0, x, x * weight), 0),
    "hardsigmoid": (wide(lambda x: np.clip(x + 3, 0, 6) / 6), 2),
    "hardswish": (wide(lambda x: x * np.clip(x + 3, 0, 6) / 6), 3),
    "softsign": (wide(lambda x: x / (1 + np.abs(x))), 2),
    "logsigmoid": (wide(lambda x: -np.logaddexp(0, -x)), 3),
    "mish": (wide(lambda x: x * np.tanh(np.logaddexp(0, x))), 5),
    "selu": (wide(lambda x: 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)), 3),
}  # fmt: skip

ABSOLUTE = {  # what cases say
    "logaddexp", "nextafter", "lgamma", "digamma", "tanhshrink", "hardtanh", "leaky_relu", "elu", "celu", "softplus", "softshrink",
    "hardshrink", "threshold",
}  # fmt: skip

CASES: list[Given] = [
    ("logaddexp", (SPECIAL, OTHER), ("$0", "$1"), wide(np.logaddexp), 4, {}),
    ("logaddexp", (SPECIAL, SPECIAL), ("$0", "$1"), wide(np.logaddexp), 4, {}),
    ("nextafter", (SPECIAL, OTHER), ("$0", "$1"), np.nextafter, 0, {}),
    ("nextafter", (SPECIAL, SPECIAL[::-1].copy()), ("$0", "$1"), np.nextafter, 0, {}),
    ("lgamma", (PLAIN,), ("$0",), log_gamma, 2, {}),
    ("lgamma", (POSITIVE * 40,), ("$0",), log_gamma, 2, {}),
    ("digamma", (PLAIN,), ("$0",), digamma, 60, {}),
    ("digamma", (POSITIVE * 40,), ("$0",), digamma, 2, {}),
    ("tanhshrink", (SPECIAL,), ("$0",), wide(lambda x: x - np.tanh(x)), 1, {}),
    ("hardtanh", (SPECIAL,), ("$0",), lambda x: np.clip(x, np.float32(-1), np.float32(1)), 0, {}),
    ("hardtanh", (SPECIAL,), ("$0", -2, 0.5), lambda x: np.clip(x, np.float32(-2), np.float32(0.5)), 0, {}),
    ("leaky_relu", (SPECIAL,), ("$0",), lambda x: np.where(x > 0, x, x * np.float32(0.01)), 0, {}),
    ("leaky_relu", (SPECIAL,), ("$0",), lambda x: np.where(x > 0, x, x * np.float32(-0.5)), 0, {"negative_slope": -0.5}),
    ("elu", (SPECIAL,), ("$0",), wide(elu), 2, {}),
    ("elu", (PLAIN,), ("$0", 0.3), wide(lambda x: elu(x, 0.3)), 3, {}),
    ("celu", (SPECIAL,), ("$0",), wide(elu), 2, {}),
    ("celu", (PLAIN,), ("$0",), wide(lambda x: np.where(x > 0, x, 2.5 * np.expm1(np.minimum(x, 0) / 2.5))), 3, {"alpha": 2.5}),
    ("softplus", (SPECIAL,), ("$0",), wide(softplus), 2, {}),
    ("softplus", (PLAIN,), ("$0", 3), wide(lambda x: softplus(x, 3, 4)), 4, {"threshold": 4}),
    ("softshrink", (SPECIAL,), ("$0",), lambda x: np.where(np.abs(x) <= 0.5, np.float32(0), x - np.copysign(np.float32(0.5), x)), 0, {}),
    ("hardshrink", (SPECIAL,), ("$0", 1), lambda x: np.where(np.abs(x) <= 1, np.float32(0), x), 0, {}),
    ("threshold", (SPECIAL,), ("$0", 0.5, -7), lambda x: np.where(x <= 0.5, np.float32(-7), x), 0, {}),
    ("prelu", (PLAIN, OTHER[0]), ("$0", "$1"), lambda x, w: np.where(x > 0, x, x * w), 0, {}),
    ("prelu", (PLAIN.reshape(3, 4, 5), OTHER[:4]), ("$0", "$1"), lambda x, w: np.where(x > 0, x, x * w[:, None]), 0, {}),
]
