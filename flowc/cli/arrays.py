"""Arrays on the command line: literals and files in, lines, JSON and files out."""

from __future__ import annotations

import io
import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from flowc.cli.inputs import bytes_of
from flowc.errors import Error, did_you_mean
from flowc.ir.data import element_text
from flowc_runtime.dtypes import name_of, numpy_dtype, spelled

Array = np.ndarray[Any, Any]
WHOLE = 64  # elements of an array that is printed whole
ROW = 16  # elements of a row that stands in the line of its name
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e}


def fed(name: str, text: str) -> Any:
    """What `--feed name=text` gives: a number, nested lists of numbers, or the array in a file; a missing file is wrong usage."""
    whole = text == "-" or Path(text).exists()
    if not whole and (literal := _literal(text)) is not None:
        return literal
    file, _, key = text.rpartition(":") if ":" in text and not whole else (text, "", "")
    if file != "-" and not Path(file).is_file():
        raise click.UsageError(f"There is no file {file}, which {name} is fed from; nor is that a number or a list of numbers.")
    if file.endswith((".npz", ".safetensors")):
        return _member(name, Path(file), key)
    try:
        found = np.load(io.BytesIO(bytes_of(file)), allow_pickle=False)
        return found.view(numpy_dtype("bf16")) if found.dtype.str == "|V2" else found
    except (ValueError, EOFError):
        raise Error(f"{name} is fed from {file}, which is no .npy file of numbers") from None


def _literal(text: str) -> Any:
    """Numbers and nested lists of them, as the language writes them; None for anything else."""
    try:
        return json.loads(re.sub(r"[^\[\],\s]+", lambda word: _number(word[0]), text))
    except (ValueError, RecursionError):
        return None


def _number(word: str) -> str:
    """A number of the language as one of JSON; raises `ValueError` for any other word."""
    if word in ("true", "false"):
        return word
    name, negative = word.lstrip("+-"), word.startswith("-")
    if name in CONSTANTS:
        return json.dumps(-CONSTANTS[name] if negative else CONSTANTS[name])
    return json.dumps(int(word) if re.fullmatch(r"[-+]?\d+", word) else float(word))


def _member(name: str, file: Path, key: str) -> Array:
    """An array of a file of several, the only one where no key is given."""
    from flowc.lang.weights import WeightError, open_weights

    try:
        arrays = open_weights(file).arrays
    except WeightError as error:
        raise Error(f"{name} is fed from {file}: {error}") from None
    if not key and len(arrays) != 1:
        raise click.UsageError(f"{file} holds {', '.join(arrays) or 'nothing'}: say which {name} is, {name}={file}:KEY.")
    if key and key not in arrays:
        raise click.UsageError(f"{file} has no array {key}: {did_you_mean(key, arrays) or 'it holds ' + ', '.join(arrays)}")
    try:
        stored = arrays[key or next(iter(arrays))]
        return stored.load().view(numpy_dtype(stored.dtype.value))
    except WeightError as error:
        raise Error(f"{name} is fed from {file}: {error}") from None


def write_array(array: Array, path: Path) -> None:
    """Writes a .npy file, whole or not at all; a folder that is missing is wrong usage."""
    if not path.parent.is_dir():
        raise click.UsageError(f"There is no folder {path.parent} to write {path.name} to.")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        np.save(file, array, allow_pickle=False)
    os.replace(temporary, path)


def line_of(name: str, array: Array) -> str:
    """`name: type elements`, of a large array the least, the mean and the largest instead; a small matrix stands below its name."""
    type = spelled(name_of(array.dtype), array.shape)
    if array.size > WHOLE:
        return f"{name}: {type} {statistics(array)}"
    if array.ndim < 2 and array.size <= ROW or array.ndim == 0:
        return f"{name}: {type} {whole(array)}"
    return f"{name}: {type}\n{whole(array, '  ')}"


def whole(array: Array, indent: str = "") -> str:
    """The elements as the language writes a list, the last axis in a line."""
    if array.ndim == 0:
        return indent + element_text(array[()])
    if array.ndim == 1:
        return f"{indent}[{', '.join(element_text(x) for x in array)}]"
    if array.size == 0:
        return f"{indent}[]"
    return f"{indent}[\n" + "".join(f"{whole(part, indent + '  ')},\n" for part in array) + f"{indent}]"


def statistics(array: Array) -> str:
    """Least, mean and largest element, and how many are not numbers; of bools how many are true."""
    if array.dtype == np.bool_:
        return f"true {int(array.sum()):,} of {array.size:,}"
    known = array[~np.isnan(array)] if array.dtype.kind == "f" or name_of(array.dtype) == "bf16" else array
    if not known.size:
        return f"nan {array.size:,} of {array.size:,}"
    with np.errstate(all="ignore"):
        mean = float(np.mean(known, dtype=np.float64))
    text = f"min {element_text(known.min())} mean {mean:.6g} max {element_text(known.max())}"
    return text + (f" nan {array.size - known.size:,} of {array.size:,}" if known.size < array.size else "")


def json_of(array: Array) -> dict[str, Any]:
    """Type and elements; a float that JSON has no number for is its name."""
    return {"dtype": name_of(array.dtype), "shape": list(array.shape), "value": _plain(array.tolist())}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
