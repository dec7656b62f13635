"""NumPy's indices as subscripts of the IR."""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import Any, cast

import numpy as np

from flowc.errors import OpError
from flowc.graph.arguments import argument, array_value
from flowc.graph.tensor import Tensor
from flowc.ir.core import Value
from flowc.ir.dims import Dim, Polynomial
from flowc.ops.arguments import Kind
from flowc.ops.index import Subscript, index
from flowc.ops.literal import listed
from flowc.ops.tensor import SizeValue, number


def subscripted(x: Value, key: Any, value: Callable[[Tensor], Value]) -> Value:
    """x[key]; `value` says what a tensor stands for."""
    items = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)
    return index(x, [_subscript(item, value) for item in items])


def _subscript(item: Any, value: Callable[[Tensor], Value]) -> Subscript:
    match item:
        case bool():
            raise OpError(f"{item} is no index", help="a mask is a tensor or an array of bool")
        case int() | Polynomial() | EllipsisType() | None:
            return item
        case np.integer():
            return int(cast(Any, item))
        case slice():
            bounds = cast(Any, item)
            return slice(_bound(bounds.start, value), _bound(bounds.stop, value), _bound(bounds.step, value))
        case Tensor():
            return value(item)
        case np.ndarray() | np.bool_():
            return array_value(item)
        case list():
            return listed(cast("list[Value | int]", argument(item, Kind.tensor, value)), None)
        case _:
            raise OpError(f"{item!r:.60} is no index", help="indices are integers, slices, ..., None, and tensors of integers or bool")


def _bound(b: Any, value: Callable[[Tensor], Value]) -> Dim | None:
    match b:
        case None | int() | Polynomial():
            return b
        case np.integer():
            return int(cast(Any, b))
        case Tensor():
            return _known(value(b))
        case _:
            raise OpError(f"the bound of a slice is an integer or a size, not {b!r:.60}")


def _known(bound: Value) -> Dim:
    match bound.op:
        case SizeValue(value=(d,)) if bound.type.dtype.is_integer:
            return d
        case _:
            known = number(bound) if not bound.type.rank and bound.type.dtype.is_integer else None
    if known is None:
        raise OpError(f"the bound of a slice is known when the graph is built, {bound.type} is not", help="gather with an arange instead")
    return int(known)
