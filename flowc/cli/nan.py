"""`--check-nan`: which value of a run was not a number first, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flowc.errors import Diagnostic, Error, Note, RunError
from flowc.ir.core import Func, Value
from flowc.ir.narrow import as_stored, in_f32
from flowc.ops.control import StateRead
from flowc.ops.interpret import run

Array = np.ndarray[Any, Any]


def refuse_nan(graph: Func, inputs: Mapping[str, Any], state: Mapping[str, Array], given: Mapping[str, Array], runs: int) -> None:
    """Raises `Error` where a result or a state is not a number: at the value that was so first, found on the interpreter.

    `state` is that before the first of the runs.
    """
    bad = [name for name, array in given.items() if _is_nan(array)]
    if not bad:
        return
    values = [v for op in graph.body.ops for v in op.results if v.type.below is None and v.type.dtype.is_float]
    whole = replace(graph, body=replace(graph.body, results=tuple(values)), outputs=())
    arrays = [as_stored(inputs[p.hint], p.type.dtype) for p in graph.body.params]
    kept = {name: array.copy() for name, array in state.items()}
    for _ in range(runs):
        try:
            computed = zip((*graph.body.params, *values), (*arrays, *run(whole, arrays, kept)), strict=True)
            found = {v: _numbers(array, v) for v, array in computed}
        except RunError:
            break
        first = next((v for v in values if _is_nan(found[v]) and not _came_in(v, found)), None)
        if first is not None:
            raise Error((_told(first, found[first], bad),))
    raise Error(f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} nan, which came in with the inputs or the state")


def _is_nan(array: Array) -> bool:
    return (array.dtype.kind == "f" or array.dtype.name == "bfloat16") and bool(np.isnan(array).any())


def _numbers(array: Array, value: Value) -> Array:
    """What the interpreter holds for a value, as numbers."""
    return in_f32(array, value.type.dtype) if value.type.dtype.is_narrow else array


def _came_in(value: Value, found: Mapping[Value, Array]) -> bool:
    """Whether a value is nan because what it is computed from is."""
    return isinstance(value.op, StateRead) or value.op is not None and any(v in found and _is_nan(found[v]) for v in value.op.uses)


def _told(value: Value, array: Array, bad: list[str]) -> Diagnostic:
    at = np.unravel_index(int(np.argmax(np.isnan(array))), array.shape)
    index = f" at [{', '.join(str(int(i)) for i in at)}]" if array.ndim else ""
    assert value.op is not None
    name = value.hint or f"what {value.op.name} gives"
    follows = Note(f"{' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} nan in the end", None)
    return Diagnostic(f"{name}: {value.type} is the first value that is nan{index}", value.op.location, (follows,))
