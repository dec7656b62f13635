"""Element types, tensor types, buffer types and the type of an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from flowc.ir.dims import Dim, show


class DType(Enum):
    """Element type; the value is the spelling used in the language and in the textual IR."""

    bool = "bool"
    i8 = "i8"
    i16 = "i16"
    i32 = "i32"
    i64 = "i64"
    u8 = "u8"
    u16 = "u16"
    u32 = "u32"
    u64 = "u64"
    f16 = "f16"
    bf16 = "bf16"
    f32 = "f32"
    f64 = "f64"
    index = "index"  # a size or a loop index
    token = "token"  # the mark of an op that is there for its effect
    error = "error"  # what a wrong expression has; accepted everywhere, so that one mistake is told once

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy dtype of one element; of bf16, which numpy lacks, that of its bits."""
        return np.dtype(_NUMPY[self.value])

    @property
    def is_float(self) -> bool:
        return self in (DType.f16, DType.bf16, DType.f32, DType.f64)

    @property
    def is_narrow(self) -> bool:
        """A float that is computed in f32 and rounded."""
        return self in (DType.f16, DType.bf16)

    @property
    def is_signed(self) -> bool:
        return self in (DType.i8, DType.i16, DType.i32, DType.i64)

    @property
    def is_integer(self) -> bool:
        return self.is_signed or self in (DType.u8, DType.u16, DType.u32, DType.u64)

    @property
    def bits(self) -> int:
        return _BITS[self.value]

    def bytes(self, count: Dim = 1) -> Dim:
        """What `count` elements take in memory."""
        return count * (self.bits // 8)

    @property
    def alignment(self) -> int:
        """Bytes an element's address is a multiple of."""
        return max(self.bits // 8, 1)

    def limits(self) -> tuple[int, int]:
        """The least and the greatest integer of an integer type."""
        return (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.is_signed else (0, (1 << self.bits) - 1)


_NUMPY = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32",
    "u64": "uint64", "f16": "float16", "bf16": "uint16", "f32": "float32", "f64": "float64", "index": "int64",
}  # fmt: skip
_BITS = {
    "bool": 8, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "u8": 8, "u16": 16, "u32": 32, "u64": 64, "f16": 16, "bf16": 16, "f32": 32,
    "f64": 64, "index": 64, "token": 0, "error": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """A tensor (rank 0 is a scalar); with `space` the buffer holding one; with `below` an index and its extent.

    `space` is "" for a value, "host" for memory of the process, else the name of a memory: "local", "shared", "cuda.0".
    """

    dtype: DType
    shape: tuple[Dim, ...] = ()
    space: str = ""
    below: Dim | None = None

    def __str__(self) -> str:
        return self.text(show)

    def text(self, dim: Callable[[Dim], str]) -> str:
        """The type with its sizes as `dim` writes them."""
        dims = ", ".join(map(dim, self.dims))
        mark = {"": "", "host": "&"}.get(self.space, f"&{self.space}:")
        return mark + self.dtype.value + (f"[{dims}]" if dims else "")

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The sizes it speaks of: its shape, or the extent of an index."""
        return self.shape if self.below is None else (self.below,)

    @property
    def element(self) -> Type:
        return Type(self.dtype)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def within(self, space: str) -> Type:
        """The buffer in `space` that holds this tensor."""
        return replace(self, space=space)


TOKEN = Type(DType.token)


def below(extent: Dim) -> Type:
    """The type of a loop index from 0 to `extent`, excluded."""
    return Type(DType.index, below=extent)
