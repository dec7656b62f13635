"""Params and states in safetensors files: written whole or not at all, read with everything that does not fit told at once."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowc_runtime.dtypes import name_of, numpy_dtype, spelled
from flowc_runtime.errors import Error

Array = np.ndarray[Any, Any]
DTYPES = ("bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64")
LONGEST = 100_000_000  # bytes of a header


@dataclass(frozen=True)
class Stored:
    """An array of a file; `load` gives its elements, those of bf16 as u16."""

    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Array]


def save(arrays: Mapping[str, Array], path: Path) -> None:
    """Writes the arrays; a file that is there already stays as it was until the new one is whole."""
    head: dict[str, Any] = {}
    at = 0
    for name, array in arrays.items():
        head[name] = {"dtype": name_of(array.dtype).upper(), "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).tobytes())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def restore(into: Sequence[MutableMapping[str, Array]], path: Path) -> None:
    """Takes every array of `into` from the file; raises Error with all that is wrong, and then nothing is changed."""
    take(into, stored(path), path.name, Error)


def take(into: Sequence[MutableMapping[str, Array]], found: Mapping[str, Stored], file: str, wrong: Callable[[str], Exception]) -> None:
    """Takes every array of `into` from those found in a file; where they are not the same, raises `wrong` with all that differs."""
    wanted = {name: (part, array) for part in into for name, array in part.items()}
    if told := list(_differences({name: array for name, (_, array) in wanted.items()}, found)):
        raise wrong(f"{file} does not fit the model: " + "; ".join(told))
    new = {name: found[name].load().view(numpy_dtype(found[name].dtype)) for name in wanted}
    for name, (part, _) in wanted.items():
        part[name] = new[name]


def stored(path: Path) -> dict[str, Stored]:
    """The arrays of a safetensors file; raises Error where it is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LONGEST):
            raise Error(f"{path.name} is no safetensors file: it has {size} bytes, and its header would have {length}")
        try:
            head: Any = json.loads(file.read(length))
            return {name: _entry(path, entry, 8 + length, size) for name, entry in head.items() if name != "__metadata__"}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Error(f"{path.name} is no safetensors file: its header does not describe arrays") from None


def _entry(path: Path, entry: Mapping[str, Any], start: int, size: int) -> Stored:
    """An entry of the header; raises ValueError where it does not hold."""
    kind, shape = str(entry["dtype"]).lower(), tuple(int(n) for n in entry["shape"])
    begin, end = (int(n) for n in entry["data_offsets"])
    dtype = np.dtype(np.uint16) if kind == "bf16" else numpy_dtype(kind)
    if kind not in DTYPES or min(shape, default=0) < 0 or not 0 <= begin <= end <= size - start:
        raise ValueError(kind)
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(shape)

    def load() -> Array:
        with path.open("rb") as file:
            file.seek(start + begin)
            return np.frombuffer(file.read(end - begin), dtype.newbyteorder("<")).astype(dtype).reshape(shape)

    return Stored(kind, shape, load)


def _differences(wanted: Mapping[str, Array], found: Mapping[str, Stored]) -> Iterable[str]:
    """What of a file is not as it is wanted."""
    yield from (f"{name} is not in the file" for name in wanted if name not in found)
    yield from (f"{name} is in the file and not in the model" for name in found if name not in wanted)
    for name, array in wanted.items():
        other, own = found.get(name), spelled(name_of(array.dtype), array.shape)
        if other is not None and spelled(other.dtype, other.shape) != own:
            yield f"{name} is {spelled(other.dtype, other.shape)} in the file and {own} in the model"
