"""Ops that only move elements: index maps, which vanish where they are read inside a kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, product, show
from flowc.ir.types import Type
from flowc.ops.arguments import Axes, Axis, Order, Shape
from flowc.ops.kernel import flattened, unflattened
from flowc.ops.tensor import Array, Function, Tensor, assumed_equal, read


class Transpose(Tensor, name="transpose"):
    """The axes of x in another order, reversed where `perm` is left out."""

    x: Value
    perm: tuple[int, ...]
    aliases = ("permute",)
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, perm: Order = None) -> Value:
        order = tuple(reversed(range(x.type.rank))) if perm is None else tuple(axis_of(a, x.type) for a in perm)
        if sorted(order) != list(range(x.type.rank)):
            raise OpError(f"perm names each axis of {x.type} once, not {list(perm or ())}")
        return cls(x, order).result

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.x.type.dtype, tuple(self.x.type.shape[a] for a in self.perm)),)

    def evaluate(self, x: Array) -> Array:
        return np.transpose(x, self.perm)

    def at(self, *i: Dim) -> Value:
        return read(self.x, *(i[self.perm.index(a)] for a in range(len(i))))


class Reshape(Tensor, name="reshape"):
    """The same elements in row-major order; one size may be -1: what is left."""

    x: Value
    shape: tuple[Dim, ...]
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, shape: Shape) -> Value:
        return reshape(x, shape)

    def infer(self) -> tuple[Type, ...]:
        self.assumes()
        return (Type(self.x.type.dtype, self.shape),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        have, want = product(self.x.type.shape), product(self.shape)
        target = Type(self.x.type.dtype, self.shape)
        return assumed_equal([(have, want)], f"{self.x.type} has {show(have)} elements, {target} has {show(want)}")

    def evaluate(self, x: Array) -> Array:
        return x.reshape(tuple(d if isinstance(d, int) else -1 for d in self.shape))

    def at(self, *i: Dim) -> Value:
        return read(self.x, *unflattened(flattened(i, self.shape), self.x.type.shape))

    def gradient(self, g: Value) -> tuple[Value]:
        """By index each place would be searched for in a shape whose axes are not split or joined ones of the other."""
        return (reshape(g, self.x.type.shape),)


def reshape(x: Value, shape: Sequence[Dim]) -> Value:
    """x in another shape; one size may be -1."""
    holes = [n for n, d in enumerate(shape) if d == -1]
    if len(holes) > 1:
        raise OpError(f"reshape leaves one size open, not {len(holes)}")
    sizes = list(shape)
    if holes:
        rest = product(d for n, d in enumerate(shape) if n != holes[0])
        sizes[holes[0]] = product(x.type.shape) // rest if rest != 0 else 0
    return x if tuple(sizes) == x.type.shape else Reshape(x, tuple(sizes)).result


class BroadcastTo(Tensor, name="broadcast_to"):
    """x repeated to a shape, as NumPy does."""

    x: Value
    shape: tuple[Dim, ...]
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, shape: Shape) -> Value:
        return cls(x, shape).result

    def infer(self) -> tuple[Type, ...]:
        self.assumes()
        return (Type(self.x.type.dtype, self.shape),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        target = Type(self.x.type.dtype, self.shape)
        if self.x.type.rank > len(self.shape):
            raise OpError(f"{self.x.type} does not repeat to {target}: it has more axes")
        own = self.shape[len(self.shape) - self.x.type.rank :]
        pairs = [(a, b) for a, b in zip(self.x.type.shape, own, strict=True) if a != 1]
        return assumed_equal(pairs, f"{self.x.type} does not repeat to {target}")

    def evaluate(self, x: Array) -> Array:
        return np.broadcast_to(x, tuple(d if isinstance(d, int) else 0 for d in self.shape))

    def at(self, *i: Dim) -> Value:
        return read(self.x, *i)


def broadcast_to(x: Value, shape: Sequence[Dim]) -> Value:
    """x repeated to a shape."""
    return x if x.type.shape == tuple(shape) else BroadcastTo(x, tuple(shape)).result


class Expand(Function, name="expand"):
    """x repeated to a shape, in which -1 keeps an axis's size."""

    @classmethod
    def make(cls, x: Value, shape: Shape) -> Value:
        own = (None,) * (len(shape) - x.type.rank) + x.type.shape
        if any(d == -1 and n is None for d, n in zip(shape, own, strict=False)):
            raise OpError(f"{x.type} has no axis whose size -1 keeps")
        return broadcast_to(x, [n if d == -1 and n is not None else d for d, n in zip(shape, own, strict=False)])


class Squeeze(Function, name="squeeze"):
    """x without axes of length 1: those of `axis`, or all that have it."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None) -> Value:
        if axis is None:
            return reshape(x, [n for n in x.type.shape if n != 1])
        axes = axes_of(axis, x.type)
        for a in axes:
            if x.type.shape[a] != 1:
                raise OpError(f"axis {a} of {x.type} has {show(x.type.shape[a])} elements, not 1")
        return reshape(x, [n for a, n in enumerate(x.type.shape) if a not in axes])


class Unsqueeze(Function, name="unsqueeze"):
    """x with new axes of length 1, which are `axis` of the result."""

    aliases = ("expand_dims",)

    @classmethod
    def make(cls, x: Value, axis: Axes) -> Value:
        named = (axis,) if isinstance(axis, int) else axis or ()
        wide = Type(x.type.dtype, (1,) * (x.type.rank + len(named)))
        new = axes_of(named, wide)
        own = iter(x.type.shape)
        return reshape(x, [1 if a in new else next(own) for a in range(wide.rank)])


class Size(Function, name="size"):
    """The number of elements of x, or of an axis: a number without a dtype."""

    @classmethod
    def make(cls, x: Value, axis: Axis | None = None) -> Dim:
        return product(x.type.shape) if axis is None else x.type.shape[axis_of(axis, x.type)]


class Rank(Function, name="rank"):
    """The number of axes of x: a number without a dtype."""

    @classmethod
    def make(cls, x: Value) -> Dim:
        return x.type.rank


def axis_of(axis: int, type: Type) -> int:
    """The axis counted from the front; raises `OpError` where `type` has none such."""
    if not -type.rank <= axis < type.rank:
        known = f"its axes are 0 to {type.rank - 1}, or -{type.rank} to -1 from the end" if type.rank else "a scalar has no axes"
        raise OpError(f"{type} has no axis {axis}", help=known)
    return axis % type.rank


def axes_of(axis: Axes, type: Type) -> tuple[int, ...]:
    """The axes, from the front, in order, each once; all where `axis` is left out."""
    if axis is None:
        return tuple(range(type.rank))
    named = (axis,) if isinstance(axis, int) else axis
    found = tuple(sorted(axis_of(a, type) for a in named))
    if len(set(found)) != len(found):
        raise OpError(f"axis names an axis of {type} twice: {list(named)}")
    return found


def moved(x: Value, axis: int, to: int) -> Value:
    """x with an axis at another place among the others."""
    order = [a for a in range(x.type.rank) if a != axis]
    order.insert(to, axis)
    return x if axis == to else Transpose(x, tuple(order)).result


def unsqueeze(x: Value, axis: int) -> Value:
    """x with a new axis of length 1, which is `axis` of the result."""
    a = axis_of(axis, Type(x.type.dtype, (*x.type.shape, 1)))
    return reshape(x, (*x.type.shape[:a], 1, *x.type.shape[a:]))
