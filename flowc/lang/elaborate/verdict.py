"""What the asserts of a test say of the values they compare."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np

from flowc.errors import Diagnostic, Note
from flowc.ir.data import element_text
from flowc.lang.elaborate import quotients
from flowc.lang.elaborate.context import GradientCheck, TestCheck

Array = np.ndarray[Any, Any]
COMPARISONS = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def failures(
    checks: Sequence[TestCheck | GradientCheck], results: Sequence[Array], state: MutableMapping[str, Array] | None = None
) -> tuple[Diagnostic, ...]:
    """A diagnostic for each check that does not hold of a test's results: both values at the first index where it does not.

    `state` is what the functions that are differentiated read.
    """
    found = (quotients.failed(c, results, state or {}) if isinstance(c, GradientCheck) else _failure(c, results) for c in checks)
    return tuple(d for d in found if d is not None)


def _failure(check: TestCheck, results: Sequence[Array]) -> Diagnostic | None:
    left = np.asarray(results[check.left])
    if check.right is None:
        bad = np.logical_not(left)
        return _told(check, bad, "false") if bad.any() else None
    x, y = np.broadcast_arrays(left, results[check.right])
    a, b = _numbers(x), _numbers(y)
    with np.errstate(all="ignore"):
        if check.tolerance is None:
            bad = np.logical_not(COMPARISONS[check.operator](a, b))
            told = f"{{}} {check.operator} {{}} does not hold"
        else:
            tolerance = np.asarray(results[check.tolerance])
            bad = np.logical_not(np.abs(a - b) <= _numbers(tolerance) * np.maximum(1, np.abs(b)))
            told = f"{{}} is not within {element_text(tolerance[()])} of {{}}"
    if not bad.any():
        return None
    at = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return _told(check, bad, told.format(element_text(x[at]), element_text(y[at])))


def _numbers(x: Array) -> Array:
    """The elements, those of f16 and bf16 in f32, where a difference is not rounded to them."""
    return x.astype(np.float32) if x.dtype.name in ("float16", "bfloat16") else x


def _told(check: TestCheck, bad: Array, what: str) -> Diagnostic:
    at = np.unravel_index(int(np.argmax(bad)), bad.shape)
    index = f" at [{', '.join(str(int(i)) for i in at)}]" if bad.ndim else ""
    more = int(bad.sum()) - 1
    notes = (Note(f"and at {more} more of {bad.size} elements", None),) if more else ()
    message = f"assert failed{f', {check.message}' if check.message else ''}: {what}{index}"
    return Diagnostic(message, check.span, notes)
