"""The constant arrays of a module: each distinct one once, in one block whose bytes never pass through LLVM.

inside: the block is a constant of the object, emitted as a mark and zeros and filled in the finished file.
separate: the block is a file of its own, and every graph takes a pointer to it.
table: the arrays stay where they are; the code holds a table of pointers, filled when it is loaded.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.ir.core import Module, walk
from flowc.ir.data import Blob
from flowc.ir.dims import product
from flowc.ops.plan import WeightData
from flowc.transforms.memory import ALIGNMENT

SMALL = 4096  # bytes of a block that is written out in the text


@dataclass(frozen=True)
class Weights:
    """Distinct arrays in order of first use, the byte at which each lies in the block, and the bytes of the block."""

    blobs: tuple[Blob, ...]
    offsets: Mapping[Blob, int]
    bytes: int

    @property
    def mark(self) -> bytes:
        """What stands in the object where the block is to be filled in."""
        return hashlib.sha256(b"flowc weights" + b"".join(b.digest.encode() for b in self.blobs)).digest()

    def write(self, to: memoryview[int] | bytearray, start: int = 0) -> None:
        """Fills the block, which begins at byte `start` of `to`."""
        for blob, offset in self.offsets.items():
            data = _bytes(blob)
            to[start + offset : start + offset + data.nbytes] = data.data

    def block(self) -> bytearray:
        """The bytes of the block."""
        made = bytearray(self.bytes)
        self.write(made)
        return made


def weights(module: Module) -> Weights:
    """The weights of a planned module."""
    offsets: dict[Blob, int] = {}
    total = 0
    for fn in module.funcs:
        for op in walk(fn.body):
            if isinstance(op, WeightData) and op.blob not in offsets:
                offsets[op.blob] = total
                size = op.type.dtype.bytes(product(op.type.shape))
                assert isinstance(size, int)
                total += -(-size // ALIGNMENT) * ALIGNMENT
    return Weights(tuple(offsets), offsets, total)


def constant_text(weights: Weights, symbol: str) -> str:
    """The block as a constant of the module, with its elements where it is small."""
    if weights.bytes <= SMALL:
        return f'{symbol} = internal constant [{weights.bytes} x i8] c"{_quoted(bytes(weights.block()))}", align {ALIGNMENT}\n'
    rest = weights.bytes - len(weights.mark)
    type = f"<{{ [{len(weights.mark)} x i8], [{rest} x i8] }}>"
    return (
        f"{symbol} = internal constant {type} <{{ [{len(weights.mark)} x i8] c"
        f'"{_quoted(weights.mark)}", [{rest} x i8] zeroinitializer }}>, align {ALIGNMENT}\n'
    )


def filled(code: bytes, weights: Weights) -> bytes:
    """The object with the block in its place."""
    if weights.bytes <= SMALL:
        return code
    at, made = code.find(weights.mark), bytearray(code)
    if at >= 0:
        made[at : at + len(weights.mark)] = bytes(len(weights.mark))
    if at < 0 or code.find(weights.mark, at + 1) >= 0 or np.frombuffer(made, np.uint8, weights.bytes, at).any():
        raise ValueError("the place of the weights in the object is not as it was emitted")
    weights.write(made, at)
    return bytes(made)


@dataclass(frozen=True)
class Pointers:
    """A table of addresses, valid as long as this object lives; it is copied into the table of loaded code."""

    table: Any
    arrays: tuple[np.ndarray[Any, Any], ...]

    def fill(self, address: int) -> None:
        """Writes the addresses to the table at `address`."""
        ctypes.memmove(address, self.table, ctypes.sizeof(self.table))


def pointers(weights: Weights) -> Pointers:
    """The arrays where they lie; one whose elements are not aligned is copied."""
    arrays = tuple(_aligned(blob) for blob in weights.blobs)
    return Pointers((ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays)), arrays)


def _aligned(blob: Blob) -> np.ndarray[Any, Any]:
    array = np.ascontiguousarray(blob.array)
    return array if array.ctypes.data % max(array.itemsize, 1) == 0 else array.copy()


def _bytes(blob: Blob) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(blob.array).reshape(-1).view(np.uint8)


def _quoted(data: bytes) -> str:
    return "".join(f"\\{byte:02X}" for byte in data)
