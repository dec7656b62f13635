"""A value given for an input, as the contiguous array that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from flowc_runtime.dtypes import NUMPY, DType, Refused, name_of, numpy_dtype, spelled

Array = np.ndarray[Any, DType]
DEEPEST = 32  # lists in lists; every NumPy has arrays of that rank


def as_array(value: Any, dtype: str) -> Array:
    """`value` with elements of `dtype`, C-contiguous and aligned, copied only where it is not so.

    Python numbers and lists of them are literals: integers must fit, floats are rounded once, a fraction for an integer is
    refused.  Arrays of another dtype are refused.
    """
    return laid_out(as_given(value, dtype), dtype)


def as_given(value: Any, dtype: str) -> Array:
    """`value` as an array that holds elements of `dtype`, in whatever order of bytes and elements it has."""
    wanted = numpy_dtype(dtype)
    array = _existing(value)
    if array is None:
        return _literal(value, dtype, wanted)
    if array.dtype.newbyteorder("=") != wanted:
        given = spelled(name_of(array.dtype), array.shape)
        raise Refused(f"given {given}: convert it with .astype({_numpy_name(dtype)})")
    return array


def laid_out(array: Array, dtype: str) -> Array:
    """The array as compiled code reads it: the bytes of its elements in this machine's order, C-contiguous, aligned."""
    return np.require(array, numpy_dtype(dtype), ["C", "A"])


def given_type(value: Any) -> str:
    """How an error names what was given."""
    array = _existing(value)
    return spelled(name_of(array.dtype), array.shape) if array is not None else shown(value)


def shown(value: Any) -> str:
    """The beginning of a value's text; of one that cannot be written, its type."""
    try:
        return f"{_shown(value)}"
    except Exception:  # a class of the caller's may raise anything
        return f"a {type(value).__name__}"


def _existing(value: Any) -> Array | None:
    """The array that `value` is or holds; None for Python numbers and lists."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(cast(Any, value))
    if isinstance(value, bool | int | float | list | tuple):
        return None
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return _read(np.asarray, value)
    if hasattr(value, "__dlpack__"):
        return _read(np.from_dlpack, value)
    try:
        view = memoryview(value)
    except TypeError:
        raise Refused(f"given {shown(value)}, which is no array, number or list of numbers") from None
    return _read(np.asarray, view)


def _read(reader: Callable[[Any], Array], value: Any) -> Array:
    try:
        return reader(value)
    except Exception as error:  # methods of the caller's class run here
        raise Refused(f"given {type(value).__name__}, which NumPy cannot read: {error}") from error


def _literal(value: Any, dtype: str, wanted: DType) -> Array:
    if isinstance(value, list | tuple) and any(isinstance(leaf, np.ndarray | np.generic) for leaf in _leaves(value)):
        return as_array(_stacked(value), dtype)
    for leaf in _leaves(value):
        _check(leaf, dtype, wanted)
    try:
        whole = np.array(value, object)
    except ValueError:
        raise Refused(f"given {shown(value)}, whose rows differ in length") from None
    if any(isinstance(leaf, list | tuple) for leaf in whole.flat):
        raise Refused(f"given {shown(value)}, whose rows differ in length")
    if wanted.kind in "biu":
        return np.array(whole.tolist(), wanted).reshape(whole.shape)
    with np.errstate(over="ignore", under="ignore"):
        numbers = [_double(leaf, dtype) for leaf in whole.flat]
        return np.array(numbers, np.float64).astype(wanted).reshape(whole.shape)


def _stacked(value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError:
        raise Refused(f"given {shown(value)}, whose rows differ in length") from None


def _leaves(value: Any) -> Iterator[Any]:
    """The numbers in nested lists, in order."""
    todo: list[tuple[Any, int]] = [(value, 0)]
    while todo:
        top, depth = todo.pop()
        if not isinstance(top, list | tuple):
            yield top
        elif depth < DEEPEST:
            todo += [(inner, depth + 1) for inner in cast(list[Any], top)[::-1]]
        else:
            raise Refused(f"given lists nested more than {DEEPEST} deep")


def _check(leaf: object, dtype: str, wanted: DType) -> None:
    if not isinstance(leaf, bool | int | float):
        raise Refused(f"given {shown(leaf)}, which is no number")
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


def _shown(value: object) -> str:
    """A value in an error, of one line and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
