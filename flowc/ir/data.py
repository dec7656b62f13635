"""Numbers and arrays that stand in the IR: known by element type and bytes, never by numeric equality."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

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
        with np.errstate(over="ignore"):
            return Scalar(dtype, np.asarray(value, dtype.numpy).tobytes())

    @property
    def number(self) -> Number:
        return np.frombuffer(self.data, self.dtype.numpy)[0].item()

    def __str__(self) -> str:
        return element_text(np.frombuffer(self.data, self.dtype.numpy)[0])


def element_text(value: Any) -> str:
    """The shortest text that reads back as the same element."""
    number = value.item()
    match number:
        case bool():
            return "true" if number else "false"
        case float() if math.isnan(number):
            return "nan"
        case float() if math.isinf(number):
            return "inf" if number > 0 else "-inf"
        case float():
            return str(value)
        case _:
            return str(number)


@dataclass(frozen=True, eq=False)
class Blob:
    """A constant array, row-major, known by the SHA-256 of dtype, shape and bytes; `array` loads it when asked."""

    digest: str
    load: Callable[[], np.ndarray[Any, Any]] | None = field(default=None, repr=False)

    @staticmethod
    def of(array: np.ndarray[Any, Any]) -> Blob:
        array = np.ascontiguousarray(array)
        digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
        return Blob(digest.hexdigest(), lambda: array)

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
            return "(" + ", ".join(element_text(x) for x in self.array.reshape(-1)) + ")"
        return f'"sha256:{self.digest}"'
