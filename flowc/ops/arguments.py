"""The kinds of argument a built-in function takes: what the annotations of `make` stand for."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, Polynomial, show
from flowc.ir.types import DType

Weak = bool | int | float | Polynomial  # a number without a dtype, which takes that of what it meets; a size is a `Polynomial`


class Kind(Enum):
    """What an argument is; the value is how messages say it."""

    tensor = "a tensor"
    tensors = "a list of tensors"
    size = "a size"
    shape = "a list of sizes"
    parts = "a number or a list of sizes"
    pairs = "a list of pairs of sizes"
    axis = "an integer"
    axes = "an integer or a list of integers"
    steps = "an integer, or one for each axis"
    borders = "a size, a list of sizes or a text"
    facing = "an integer or two lists of integers"
    order = "a list of integers"
    dtype = "a dtype"
    number = "a number"
    bool = "true or false"
    text = "a text"


Size = Annotated[Dim, Kind.size]
Shape = Annotated[tuple[Dim, ...], Kind.shape]
Parts = Annotated[Dim | tuple[Dim, ...], Kind.parts]
Pairs = Annotated[tuple[tuple[Dim, Dim], ...], Kind.pairs]
Axis = Annotated[int, Kind.axis]
Axes = Annotated[int | tuple[int, ...] | None, Kind.axes]
Steps = Annotated[int | tuple[int, ...], Kind.steps]
Borders = Annotated[Dim | tuple[Dim, ...] | str, Kind.borders]
Facing = Annotated[int | tuple[int | tuple[int, ...], ...], Kind.facing]
Order = Annotated[tuple[int, ...] | None, Kind.order]
Number = Annotated[Weak, Kind.number]
Seed = Annotated[Value, Kind.tensor, DType.i64]  # a number takes this dtype


def fixed(x: Weak, name: str) -> float:
    """The number an attribute of the built-in `name` is; raises `OpError` where it is a size that is not known yet."""
    if isinstance(x, Polynomial):
        raise OpError(f"{name} takes a number here, not the size {show(x)}")
    return float(x)
