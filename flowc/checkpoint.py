"""Params and states in safetensors files; what weight files of other kinds hold can be taken too."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path

from flowc.errors import UsageError
from flowc.lang.weights import WeightError, open_weights
from flowc_runtime.checkpoint import Array, Stored, save, take

__all__ = ["restore", "save"]


def restore(into: Sequence[MutableMapping[str, Array]], path: Path) -> None:
    """Takes every array of `into` from the file; raises `UsageError` with all that is wrong, and then nothing is changed."""
    try:
        found = {name: Stored(a.dtype.value, a.shape, a.load) for name, a in open_weights(path).arrays.items()}
        take(into, found, path.name, UsageError)
    except WeightError as error:
        raise UsageError(str(error)) from None
