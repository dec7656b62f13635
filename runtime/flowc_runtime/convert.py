"""A value given for an input, as the contiguous array that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from flowc_runtime.dtypes import NUMPY, DType, name_of, numpy_dtype, spelled

Array = np.ndarray[Any, DType]


class Refused(ValueError):
    """The value does not fit the type; the text says why, without the name of the input."""


def as_array(value: Any, dtype: str) -> Array:
    """`value` with elements of `dtype`, C-contiguous and aligned, copied only where it is not so.

    Python numbers and lists of them are literals: integers must fit, floats are rounded once, a fraction for an integer is
    refused.  Arrays of another dtype are refused.
    """
    wanted = numpy_dtype(dtype)
    array = _existing(value)
    if array is None:
        return _literal(value, dtype, wanted)
    if array.dtype.newbyteorder("=") != wanted:
        given = spelled(name_of(array.dtype), array.shape)
        raise Refused(f"given {given}: convert it with .astype({_numpy_name(dtype)})")
    return np.require(array, wanted, ["C", "A"])


def given_type(value: Any) -> str:
    """How an error names what was given."""
    array = _existing(value)
    return spelled(name_of(array.dtype), array.shape) if array is not None else f"{value!r:.60}"


def _existing(value: Any) -> Array | None:
    """The array that `value` is or holds; None for Python numbers and lists."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(cast(Any, value))
    if isinstance(value, bool | int | float | list | tuple):
        return None
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(value)
    try:
        return np.asarray(memoryview(value))
    except TypeError:
        raise Refused(f"given {value!r:.60}, which is no array, number or list of numbers") from None


def _from_dlpack(value: Any) -> Array:
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError) as error:
        raise Refused(f"given {type(value).__name__}, which NumPy cannot read: {error}") from None


def _literal(value: Any, dtype: str, wanted: DType) -> Array:
    if isinstance(value, list | tuple) and any(isinstance(leaf, np.ndarray | np.generic) for leaf in _leaves(value)):
        return as_array(_stacked(value), dtype)
    for leaf in _leaves(value):
        _check(leaf, dtype, wanted)
    try:
        whole = np.array(value, object)
    except ValueError:
        raise Refused(f"given {value!r:.60}, whose rows differ in length") from None
    if any(isinstance(leaf, list | tuple) for leaf in whole.flat):
        raise Refused(f"given {value!r:.60}, whose rows differ in length")
    if wanted.kind in "biu":
        return np.array(whole.tolist(), wanted).reshape(whole.shape)
    with np.errstate(over="ignore", under="ignore"):
        numbers = [_double(leaf, dtype) for leaf in whole.flat]
        return np.array(numbers, np.float64).astype(wanted).reshape(whole.shape)


def _stacked(value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise Refused(f"given {value!r:.60}, whose rows differ in length") from None


def _leaves(value: Any) -> Iterator[Any]:
    """The numbers in nested lists, in order."""
    todo = [value]
    while todo:
        top = todo.pop()
        if isinstance(top, list | tuple):
            todo += top[::-1]
        else:
            yield top


def _check(leaf: object, dtype: str, wanted: DType) -> None:
    if not isinstance(leaf, bool | int | float):
        raise Refused(f"given {leaf!r:.60}, which is no number")
    if isinstance(leaf, bool) != (dtype == "bool"):
        raise Refused(f"given {leaf!r}, which is {'a' if isinstance(leaf, bool) else 'no'} bool")
    if isinstance(leaf, bool) or wanted.kind not in "iu":
        return
    if isinstance(leaf, float):
        raise Refused(f"given {leaf!r}, which is no integer")
    limits = np.iinfo(wanted.name)
    if not int(limits.min) <= leaf <= int(limits.max):
        raise Refused(f"given {leaf}, which does not fit: {dtype} holds {limits.min}..{limits.max}")


def _double(number: float, dtype: str) -> float:
    """A double that rounds to `dtype` as the number itself does: what does not fit is kept as an odd last bit."""
    if isinstance(number, int):
        number = _nearest(number) if dtype == "f64" else _odd(number)
    if dtype != "bf16" or not math.isfinite(number):
        return number
    single = np.float32(number)
    if float(single) == number or np.isinf(single):
        return number
    below = np.nextafter(single, np.float32(0)) if abs(float(single)) > abs(number) else single
    return float((below.view(np.uint32) | np.uint32(1)).view(np.float32))


def _nearest(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _odd(number: int) -> float:
    extra = max(abs(number).bit_length() - 53, 0)
    kept = abs(number) >> extra
    rounded = (kept | int(kept << extra != abs(number))) << extra
    return _nearest(rounded if number > 0 else -rounded)


def _numpy_name(dtype: str) -> str:
    return "ml_dtypes.bfloat16" if dtype == "bf16" else f"numpy.{NUMPY[dtype]}"
