"""The element types of the language and those of NumPy."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

DType = np.dtype[np.generic]

NUMPY = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32",
    "u64": "uint64", "f16": "float16", "f32": "float32", "f64": "float64",
}  # fmt: skip
_NAMES = {numpy: name for name, numpy in NUMPY.items()}


class Refused(ValueError):
    """A value does not fit a type; the text says why, without the name of what it was given for."""


class MissingExtra(Refused):
    """A package that is not installed is needed."""


def numpy_dtype(name: str) -> DType:
    """NumPy's dtype of an element type; that of bf16 is in the package ml_dtypes, MissingExtra is raised without it."""
    if name != "bf16":
        return np.dtype(NUMPY[name])
    try:
        extension: Any = importlib.import_module("ml_dtypes")
    except ImportError:
        raise MissingExtra("arrays of bf16 need the package ml_dtypes: install flowc[bf16]") from None
    return np.dtype(extension.bfloat16)


def name_of(dtype: DType) -> str:
    """The language's name of a dtype, NumPy's where the language has none."""
    return "bf16" if dtype.name == "bfloat16" else _NAMES.get(dtype.name, dtype.name)


def spelled(dtype: str, shape: tuple[object, ...]) -> str:
    """A type as the language writes it: `f32[N, 784]`, a scalar `f32`."""
    return dtype + (f"[{', '.join(map(str, shape))}]" if shape else "")
