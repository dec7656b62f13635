"""Numbers and arrays that stand in the IR: known by element type and bytes, never by numeric equality."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from flowc.ir.narrow import in_f32, rounded
from flowc.ir.types import DType

INLINE = 64  # elements of a blob that are written out in the text
Number = int | float | bool


@dataclass(frozen=True)
class Scalar:
    """One element: -0.0 is not 0.0, and a NaN equals itself."""

    dtype: DType
    data: bytes

    @staticmethod
    def of(value: Number, dtype: DType) -> Scalar:
        """`value` rounded once to `dtype`; integers wrap."""
        if dtype.is_integer or dtype is DType.index:
            low, _ = (DType.i64 if dtype is DType.index else dtype).limits()
            value = (int(value) - low) % (1 << dtype.bits) + low
        if dtype is DType.bf16:
            return Scalar(dtype, rounded(np.asarray(value, np.float64), dtype).tobytes())
        with np.errstate(over="ignore"):
            return Scalar(dtype, np.asarray(value, dtype.numpy).tobytes())

    @staticmethod
    def stored(element: Any, dtype: DType) -> Scalar:
        """An element as numpy holds it."""
        return Scalar(dtype, np.asarray(element, dtype.numpy).tobytes())

    @property
    def element(self) -> Any:
        """The element as numpy holds it."""
        return np.frombuffer(self.data, self.dtype.numpy)[0]

    @property
    def number(self) -> Number:
        return in_f32(self.element, self.dtype).item() if self.dtype is DType.bf16 else self.element.item()

    def __str__(self) -> str:
        return element_text(self.element, self.dtype)


def element_text(value: Any, dtype: DType | None = None) -> str:
    """The shortest text that reads back as the same element; of bf16 the element is its bits, where `dtype` says so."""
    if dtype is DType.bf16:
        value = in_f32(value, dtype)
    elif value.dtype.name == "bfloat16":
        dtype, value = DType.bf16, value.astype(np.float32)
    number = value.item()
    match number:
        case bool():
            return "true" if number else "false"
        case float() if math.isnan(number):
            return "nan"
        case float() if math.isinf(number):
            return "inf" if number > 0 else "-inf"
        case float():
            return _shortest(number) if dtype is DType.bf16 else str(value)
        case _:
            return str(number)


def _shortest(number: float) -> str:
    """The fewest digits that round to the same number of bf16."""
    wanted = Scalar.of(number, DType.bf16)
    texts = (repr(float(f"{number:.{digits}g}")) for digits in range(1, 18))
    return next(text for text in texts if Scalar.of(float(text), DType.bf16) == wanted)


@dataclass(frozen=True, eq=False)
class Blob:
    """A constant array, row-major, known by the SHA-256 of dtype, shape and bytes; `array` loads it when asked."""

    digest: str
    load: Callable[[], np.ndarray[Any, Any]] | None = field(default=None, repr=False)
    dtype: DType | None = None  # where numpy's does not say it

    @staticmethod
    def of(array: np.ndarray[Any, Any], dtype: DType | None = None) -> Blob:
        array = np.ascontiguousarray(array)
        own = dtype if dtype is DType.bf16 else None
        digest = hashlib.sha256(f"{own.value if own else array.dtype.str}{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
        return Blob(digest.hexdigest(), lambda: array, own)

    @cached_property
    def array(self) -> np.ndarray[Any, Any]:
        """The elements; raises `LookupError` where only the digest is known."""
        if self.load is None:
            raise LookupError(f"the data of sha256:{self.digest} is not at hand")
        return self.load()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blob) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        if self.load is not None and self.array.size <= INLINE:
            return "(" + ", ".join(element_text(x, self.dtype) for x in self.array.reshape(-1)) + ")"
        return f'"sha256:{self.digest}"'
