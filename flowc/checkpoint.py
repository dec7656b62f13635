"""Params and states in safetensors files: written whole or not at all, read with everything that does not fit told at once."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowc.errors import UsageError
from flowc.ir.types import DType, Type
from flowc.lang.weights import SAFETENSORS, WeightError, open_weights
from flowc_runtime.dtypes import name_of, numpy_dtype

Array = np.ndarray[Any, Any]
NAMES = {dtype: name for name, dtype in SAFETENSORS.items()}


def save(arrays: Mapping[str, Array], path: Path) -> None:
    """Writes the arrays; a file that is there already stays as it was until the new one is whole."""
    head: dict[str, Any] = {}
    at = 0
    for name, array in arrays.items():
        head[name] = {"dtype": NAMES[_dtype(array)], "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
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
    """Takes every array of `into` from the file; raises `UsageError` with all that is wrong, and then nothing is changed."""
    try:
        found = open_weights(path).arrays
    except WeightError as error:
        raise UsageError(str(error)) from None
    wanted = {name: (part, array) for part in into for name, array in part.items()}
    wrong = [f"{name} is not in the file" for name in wanted if name not in found]
    wrong += [f"{name} is in the file and not in the model" for name in found if name not in wanted]
    for name, (_, array) in wanted.items():
        stored = found.get(name)
        own = Type(_dtype(array), array.shape)
        if stored is not None and (stored.dtype, stored.shape) != (own.dtype, own.shape):
            wrong.append(f"{name} is {Type(stored.dtype, stored.shape)} in the file and {own} in the model")
    if wrong:
        raise UsageError(f"{path.name} does not fit the model: " + "; ".join(wrong))
    try:
        new = {name: found[name].load().view(numpy_dtype(found[name].dtype.value)) for name in wanted}
    except WeightError as error:
        raise UsageError(str(error)) from None
    for name, (part, _) in wanted.items():
        part[name] = new[name]


def _dtype(array: Array) -> DType:
    return DType(name_of(array.dtype))
