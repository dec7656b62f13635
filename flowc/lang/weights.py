"""Weight files: which arrays a safetensors or npz file holds, and where their bytes are.

Only headers are read when a file is opened.  An array is mapped from the file
when asked for; a compressed member of an npz is unpacked then.  No byte of a
file is trusted: sizes are checked before they are used and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from flowc.ir.types import DType

Array = np.ndarray[Any, Any]

HEADER_BYTES = 100_000_000  # a larger safetensors header is refused
MEMBERS = 1_000_000  # as is an npz with more members
AXES = 64

SAFETENSORS = {
    "BOOL": DType.bool, "I8": DType.i8, "I16": DType.i16, "I32": DType.i32, "I64": DType.i64, "U8": DType.u8, "U16": DType.u16,
    "U32": DType.u32, "U64": DType.u64, "F16": DType.f16, "BF16": DType.bf16, "F32": DType.f32, "F64": DType.f64,
}  # fmt: skip
_NUMPY = {d.numpy.str[1:]: d for d in DType if d not in (DType.bf16, DType.index, DType.token, DType.error)}


class WeightError(Exception):
    """What is wrong with a weight file."""


@dataclass(frozen=True)
class Stored:
    """One array of a file: its name there, element type and shape; `load` gives the elements, row-major."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    load: Callable[[], Array] = field(repr=False, compare=False)


@dataclass(frozen=True)
class WeightFile:
    """The arrays of a file by name."""

    path: Path
    arrays: Mapping[str, Stored]


def open_weights(path: Path) -> WeightFile:
    """The arrays of `path`, by its suffix; raises `WeightError`."""
    readers = {".safetensors": _safetensors, ".npz": _npz}
    reader = readers.get(path.suffix)
    if reader is None:
        raise WeightError(f"weights come from {' or '.join(readers)} files, not {path.suffix or path.name}")
    try:
        return WeightFile(path, {stored.name: stored for stored in reader(path)})
    except OSError as error:
        raise WeightError(f"{path.name} cannot be read: {error.strerror or error}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; raises `WeightError`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightError(f"{path.name} cannot be read: {error.strerror or error}") from None


def _safetensors(path: Path) -> list[Stored]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, HEADER_BYTES):
            raise WeightError(f"{path.name} is no safetensors file: its header would have {length} bytes, the file has {size}")
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise WeightError(f"{path.name} is no safetensors file: its header is not a JSON object")
    entries = cast(dict[str, Any], header)
    return [_entry(path, name, entry, 8 + length, size) for name, entry in entries.items() if name != "__metadata__"]


def _entry(path: Path, name: str, entry: Any, start: int, size: int) -> Stored:
    match entry:
        case {"dtype": str(kind), "shape": [*sizes], "data_offsets": [int(begin), int(end)]} if _are_sizes(sizes):
            pass
        case _:
            raise WeightError(f"{path.name}: the header's entry for {name} lacks dtype, shape or data_offsets")
    if kind not in SAFETENSORS:
        raise WeightError(f"{path.name}: {name} has elements of type {kind}, which flowc does not have")
    dtype, shape = SAFETENSORS[kind], tuple(int(n) for n in sizes)
    bytes_ = math.prod(shape) * dtype.numpy.itemsize
    if not 0 <= begin <= end <= size - start or end - begin != bytes_:
        raise WeightError(f"{path.name}: {name} needs {bytes_} bytes, the header gives it {begin}..{end} of {size - start}")
    return Stored(name, dtype, shape, lambda: _mapped(path, start + begin, dtype.numpy.newbyteorder("<"), shape, "C"))


def _npz(path: Path) -> list[Stored]:
    if not zipfile.is_zipfile(path):
        raise WeightError(f"{path.name} is no npz file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise WeightError(f"{path.name} has {len(members):,} members; at most {MEMBERS:,} are read")
            return [_member(path, archive, m) for m in members if m.filename.endswith(".npy")]
    except (WeightError, OSError):
        raise
    except Exception as error:  # of whatever kind zipfile has for bytes that are no archive
        raise WeightError(f"{path.name} is no npz file: {error}") from None


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Stored:
    name = member.filename.removesuffix(".npy")
    try:
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, numpy = read(file)
            start = file.tell()
    except Exception as error:  # of whatever kind NumPy, zipfile and zlib have for bytes that are no array
        raise WeightError(f"{path.name}: {name} is no array: {error}") from None
    if numpy.str[1:] == "V2":
        raise WeightError(f"{path.name}: {name} has elements of 2 bytes without a type; bf16 is kept in a safetensors file")
    if numpy.str[1:] not in _NUMPY:
        raise WeightError(f"{path.name}: {name} has elements of type {numpy}, which flowc does not have")
    if not _are_sizes(list(shape)) or start + math.prod(shape) * numpy.itemsize != member.file_size:
        raise WeightError(f"{path.name}: {name} says shape {shape} of {numpy}, which is not what its {member.file_size} bytes hold")
    order = "F" if fortran else "C"
    if member.compress_type == zipfile.ZIP_STORED:
        offset = _data_offset(path, member) + start
        load = partial(_mapped, path, offset, numpy, shape, order)
    else:
        load = partial(_unpacked, path, member, start, numpy, shape, order)
    return Stored(name, _NUMPY[numpy.str[1:]], shape, partial(_held, path, name, load))


def _held(path: Path, name: str, load: Callable[[], Array]) -> Array:
    """What `load` gives; raises `WeightError` where the file does not hold it."""
    try:
        return load()
    except Exception as error:  # as above: a header may be whole where what follows is not
        raise WeightError(f"{path.name}: {name} cannot be read: {error}") from None


def _are_sizes(sizes: list[Any]) -> bool:
    return len(sizes) <= AXES and all(type(n) is int and n >= 0 for n in sizes)


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin: after its local header, whose name and extra field have lengths of their own."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        lengths = file.read(4)
    return member.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _mapped(path: Path, offset: int, numpy: np.dtype[Any], shape: tuple[int, ...], order: str) -> Array:
    if math.prod(shape) == 0:
        return np.zeros(shape, numpy.newbyteorder("="))
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    flat = np.frombuffer(whole, numpy, math.prod(shape), offset)
    return _row_major(flat, numpy, shape, order)


def _unpacked(path: Path, member: zipfile.ZipInfo, start: int, numpy: np.dtype[Any], shape: tuple[int, ...], order: str) -> Array:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        content = file.read(member.file_size)
    return _row_major(np.frombuffer(content, numpy, math.prod(shape), start), numpy, shape, order)


def _row_major(flat: Array, numpy: np.dtype[Any], shape: tuple[int, ...], order: str) -> Array:
    whole = flat.reshape(shape, order="F" if order == "F" else "C")
    return np.ascontiguousarray(whole, numpy.newbyteorder("=")).reshape(shape)
