"""Tensors in a border: of one value, or of their own elements."""

from __future__ import annotations

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Pairs
from flowc.ops.elementwise import where
from flowc.ops.join import concat
from flowc.ops.kernel import Inside
from flowc.ops.repeating import cycled, part
from flowc.ops.shape import broadcast_to
from flowc.ops.slicing import greatest
from flowc.ops.tensor import Array, Read, Tensor, like, one_dtype, read

MODES = ("constant", "edge", "reflect", "wrap")


class Pad(Tensor, name="pad"):
    """x in a border of `before` and `after` elements on each axis: of `value`, or of its own elements by `mode`.

    "edge" repeats the first and last element, "wrap" goes on at the other end, "reflect" turns
    back at the ends without repeating them, any number of times.
    """

    x: Value
    value: Value
    before: tuple[Dim, ...]
    after: tuple[Dim, ...]
    same = ("x", "value")
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, pads: Pairs, mode: str = "constant", value: Value | None = None) -> Value:
        if mode not in MODES:
            raise OpError(f'pad has no mode "{mode}"', help=f"its modes are {', '.join(map(_quoted, MODES))}")
        if len(pads) != x.type.rank:
            raise OpError(f"pad of {x.type} takes {x.type.rank} pairs [before, after], not {len(pads)}")
        if mode != "constant":
            if value is not None:
                raise OpError(f'pad with mode "{mode}" takes no value: its border is of elements of {x.type}')
            return _bordered(x, pads, mode)
        border = like(x, False if x.type.dtype is DType.bool else 0) if value is None else value
        if border.type.rank:
            raise OpError(f"the border of pad is a scalar, not {border.type}")
        return cls(x, border, tuple(a for a, _ in pads), tuple(b for _, b in pads)).result

    def infer(self) -> tuple[Type, ...]:
        _check_widths((*self.before, *self.after))
        one_dtype(self.name, self.x.type, self.value.type)
        shape = zip(self.before, self.x.type.shape, self.after, strict=True)
        return (Type(self.x.type.dtype, tuple(a + n + b for a, n, b in shape)),)

    def evaluate(self, x: Array, value: Array) -> Array:
        widths = list(zip(self.before, self.after, strict=True))
        return np.pad(x, widths, constant_values=value.item()) if x.ndim else x  # type: ignore[call-overload]

    def at(self, *i: Dim) -> Value:
        each = list(zip(i, self.before, self.after, self.x.type.shape, strict=True))
        own = tuple(k - a for k, a, _, _ in each)
        inside = tuple(d for k, a, b, n in each for d in ((k - a,) if a != 0 else ()) + ((n - 1 - k + a,) if b != 0 else ()))
        found = Read(self.x, own, inside).result
        return where(Inside(inside).result, found, read(self.value, *i)) if inside else found


def _quoted(mode: str) -> str:
    return f'"{mode}"'


def _check_widths(widths: tuple[Dim, ...]) -> None:
    for d in widths:
        if at_least(-d, 1):
            raise OpError(f"pad takes sizes that are not negative, not {show(d)}", help="a slice takes elements away")


def _bordered(x: Value, pads: tuple[tuple[Dim, Dim], ...], mode: str) -> Value:
    """x in a border of its own elements, axis after axis."""
    along = {"edge": _edged, "reflect": _reflected, "wrap": _wrapped}[mode]
    for axis, (before, after) in enumerate(pads):
        _check_widths((before, after))
        n = x.type.shape[axis]
        if before == after == 0:
            continue
        if not at_least(n, 1):
            how = "is" if n == 0 else "may be"
            raise OpError(f'pad with mode "{mode}" of {x.type}: its axis {axis} {how} empty', help="a border of a value needs no elements")
        x = along(x, axis, before, after)
    return x


def _edged(x: Value, axis: int, before: Dim, after: Dim) -> Value:
    n = x.type.shape[axis]

    def repeated(k: Dim, count: Dim) -> Value:
        return broadcast_to(part(x, axis, k, 1), [count if a == axis else d for a, d in enumerate(x.type.shape)])

    return _joined(axis, [(before, repeated(0, before)), (n, x), (after, repeated(n - 1, after))])


def _wrapped(x: Value, axis: int, before: Dim, after: Dim) -> Value:
    n = x.type.shape[axis]
    if not (at_least(n - before, 0) and at_least(n - after, 0)):
        return cycled(x, axis, before, before + n + after)
    return _joined(axis, [(before, part(x, axis, n - before, before)), (n, x), (after, part(x, axis, 0, after))])


def _reflected(x: Value, axis: int, before: Dim, after: Dim) -> Value:
    n = x.type.shape[axis]
    if not (at_least(n - 1 - before, 0) and at_least(n - 1 - after, 0)):
        period = concat([x, part(x, axis, n - 2, greatest(n - 2, 0), -1)], axis)
        return cycled(period, axis, before, before + n + after)
    return _joined(axis, [(before, part(x, axis, before, before, -1)), (n, x), (after, part(x, axis, n - 2, after, -1))])


def _joined(axis: int, parts: list[tuple[Dim, Value]]) -> Value:
    return concat([x for size, x in parts if size != 0], axis)
