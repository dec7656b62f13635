"""Values for inputs: the array each one is, and whether it fits the type that is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.errors import Diagnostic, Note, UsageError
from flowc.ir import dims
from flowc.ir.dims import Dim, Size, show
from flowc.ir.types import Type
from flowc.ops.tensor import Array
from flowc.source import Span, python_location
from flowc_runtime.convert import as_array, given_type
from flowc_runtime.dtypes import Refused


@dataclass(frozen=True)
class Input:
    """What is declared: the name in messages, the type, the place."""

    name: str
    type: Type
    location: Span | None


def fitting(inputs: Sequence[Input], given: Sequence[Any]) -> list[Array]:
    """The arrays that `given` are; raises `UsageError` where one is of another type, or two disagree about a size."""
    arrays = [_array(i, x) for i, x in zip(inputs, given, strict=True)]
    sizes: dict[Size, tuple[int, Input, int]] = {}
    for i, array in zip(inputs, arrays, strict=True):
        for axis, (d, n) in enumerate(zip(i.type.shape, array.shape, strict=True)):
            size = _named(d)
            if size is not None:
                known = sizes.setdefault(size, (n, i, axis))
                _check_size(size, known, (n, i, axis))
    known_sizes = {size: n for size, (n, _, _) in sizes.items()}
    for i, array in zip(inputs, arrays, strict=True):
        _check_shape(i, array, known_sizes)
    return arrays


def _array(i: Input, value: Any) -> Array:
    try:
        array = as_array(value, i.type.dtype.value)
    except Refused as refused:
        raise _unfit(i, str(refused)) from None
    if array.ndim != i.type.rank:
        raise _unfit(i, f"given {given_type(array)}")
    return array


def _named(d: Dim) -> Size | None:
    """The size that an extent is, where it is one alone."""
    found = [a for a in dims.atoms(d) if isinstance(a, Size)]
    return found[0] if len(found) == 1 and d == dims.dim(found[0]) else None


def _check_size(size: Size, first: tuple[int, Input, int], here: tuple[int, Input, int]) -> None:
    n, i, axis = here
    if n < size.low or (size.high is not None and n > size.high):
        help = f'declare it with fc.dim("{size.name}", 0), so that it may be empty' if n == 0 else ""
        within = f"{size.low}..{'' if size.high is None else size.high}"
        raise _unfit(i, f"its axis {axis} has {n}, and {size.name} is in {within}", help=help)
    if n != first[0]:
        other = first[1]
        raise _unfit(i, f"its axis {axis} has {n}, and {size.name} is {first[0]}: axis {first[2]} of {other.name}", (_note(other),))


def _check_shape(i: Input, array: Array, sizes: Mapping[Size, int]) -> None:
    for axis, (d, n) in enumerate(zip(i.type.shape, array.shape, strict=True)):
        if not all(a in sizes for a in dims.atoms(d)):
            continue  # what nothing fed tells is checked by what is run
        wanted = dims.evaluate(d, sizes)
        if n != wanted:
            told = wanted if isinstance(d, int) else f"{show(d)} = {wanted}"
            raise _unfit(i, f"given {given_type(array)}: its axis {axis} has {n}, not {told}")


def _unfit(i: Input, reason: str, notes: tuple[Note, ...] = (), help: str = "") -> UsageError:
    own = (_note(i),) if i.location is not None else ()
    return UsageError((Diagnostic(f"{i.name} is {i.type}, {reason}", python_location(), (*own, *notes), help=help),))


def _note(i: Input) -> Note:
    return Note(f"{i.name} is declared {i.type}", i.location)
