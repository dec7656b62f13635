"""What Python passes to a built-in, as the arguments that calling one takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from flowc.errors import OpError, UsageError
from flowc.graph.tensor import Tensor
from flowc.graph.types import ElementType, element_type
from flowc.ir.core import Value
from flowc.ir.dims import Polynomial
from flowc.ir.types import DType
from flowc.ops.arguments import Kind
from flowc.ops.call import Argument, ArgumentError, parameters
from flowc.ops.elementwise import cast as converted_to
from flowc.ops.literal import listed, literal, settled
from flowc.ops.tensor import Array, BuiltIn, constant, constant_array

TENSORS = (Kind.tensor, Kind.tensors)


def positional_arguments(cls: type[BuiltIn], given: Sequence[Any], value: Callable[[Tensor], Value]) -> list[Argument]:
    """The arguments without a name; `value` says what a tensor stands for."""
    kinds = [p.kind for p in parameters(cls) if not p.named]
    kinds += [Kind.tensor] * (len(given) - len(kinds))
    return [_at(n, x, kind, value) for n, (x, kind) in enumerate(zip(given, kinds, strict=False))]


def keyword_arguments(cls: type[BuiltIn], given: dict[str, Any], value: Callable[[Tensor], Value]) -> dict[str, Argument]:
    """The arguments with a name."""
    kinds = {p.name: p.kind for p in parameters(cls)}
    return {name: _at(name, x, kinds.get(name, Kind.tensor), value) for name, x in given.items()}


def _at(place: int | str, x: Any, kind: Kind, value: Callable[[Tensor], Value]) -> Argument:
    try:
        return argument(x, kind, value)
    except OpError as error:
        raise ArgumentError(str(error), place, help=error.help) from None


def argument(x: Any, kind: Kind, value: Callable[[Tensor], Value]) -> Argument:
    """One argument; raises `OpError` for what no built-in takes."""
    if kind is Kind.dtype and x is not None and not isinstance(x, Tensor):
        return _dtype(x)
    match x:
        case Tensor():
            return value(x)
        case ElementType():
            return x.ir
        case np.generic() | np.ndarray():
            return array_value(x) if kind in TENSORS else cast(Any, x.tolist())
        case bool() | int() | float() | str() | Polynomial() | None:
            return x
        case list() | tuple():
            return [argument(item, kind, value) for item in x]  # pyright: ignore[reportUnknownVariableType]
        case _ if hasattr(x, "__array__"):
            return argument(np.asarray(x), kind, value)
        case _:
            raise OpError(f"{_spelled(x)} is no tensor, array, number or list of these")


def converted(x: Any, dtype: DType | None, value: Callable[[Tensor], Value]) -> Value:
    """A tensor, an array, a number or a list as a value, converted to `dtype` where that is given."""
    given = argument(x, Kind.tensor, value)
    match given:
        case Value():
            return given if dtype is None else converted_to(given, dtype)
        case list() | tuple():
            return listed(given, dtype)  # type: ignore[arg-type]
        case str() | None:
            raise OpError(f"{x!r:.60} is no tensor, array, number or list of these")
        case _:
            return settled(given) if dtype is None else literal(given, dtype)  # type: ignore[arg-type]


def array_value(x: Any) -> Value:
    """The constant with the elements of an array of NumPy, which keeps its dtype."""
    array: Array = np.array(x)
    dtype = _dtype(array.dtype)
    return constant_array(array, dtype) if array.ndim else constant(array.item(), dtype)


def _dtype(x: Any) -> Any:
    try:
        return element_type(x).ir
    except UsageError as error:
        raise OpError(error.diagnostics[0].message) from None


def _spelled(x: object) -> str:
    return f"{x!r:.60} of type {type(x).__name__}"
