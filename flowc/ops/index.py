"""Indexing as in NumPy: integers, slices, new axes, integer tensors, bool masks; and gathering by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import EllipsisType
from typing import TypeAlias

import numpy as np

from flowc.errors import Diagnostic, OpError, RunError, counted
from flowc.ir.core import Op, Value
from flowc.ir.dims import Dim, Polynomial, at_least, at_most, dim, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis
from flowc.ops.kernel import Checked
from flowc.ops.select import positions
from flowc.ops.shape import axis_of, broadcast_to, reshape
from flowc.ops.slicing import sliced
from flowc.ops.tensor import Array, Function, Read, SizeValue, Tensor, assumed_equal, broadcast, constant, read

Subscript: TypeAlias = "Dim | slice | EllipsisType | Value | None"
INDEX_OUT_OF_RANGE = 2  # the code of `RunError`


class Gather(Tensor, name="gather"):
    """`result[..., i, ...] = x[..., ids[i], ...]`: `ids` broadcast and index `axes` together, from axis `place` of the result on.

    Negative ids count from the end; one out of range ends the run.
    """

    x: Value
    ids: tuple[Value, ...]
    axes: tuple[int, ...]
    place: int
    what: tuple[str, ...]
    public = False
    fails = True
    exact = True
    narrow = True

    @property
    def kept(self) -> list[int]:
        return [a for a in range(self.x.type.rank) if a not in self.axes]

    def infer(self) -> tuple[Type, ...]:
        for ids in self.ids:
            if not ids.type.dtype.is_integer:
                raise OpError(f"an index of {self.x.type} is an integer, not {ids.type}")
        rest = tuple(self.x.type.shape[a] for a in self.kept)
        return (Type(self.x.type.dtype, rest[: self.place] + broadcast(*(v.type for v in self.ids))[0] + rest[self.place :]),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        return broadcast(*(v.type for v in self.ids))[1]

    def evaluate(self, x: Array, *ids: Array) -> Array:
        ids = tuple(np.broadcast_arrays(*(in_range(self, i, x.shape[a], w) for i, a, w in zip(ids, self.axes, self.what, strict=True))))
        front = np.transpose(x, (*self.axes, *self.kept))[ids]
        rank = ids[0].ndim
        return np.moveaxis(front, range(rank), range(self.place, self.place + rank))

    def at(self, *i: Dim) -> Value:
        rank = len(self.result.type.shape) - len(self.kept)
        chosen = i[self.place : self.place + rank]
        own = dict(zip(self.kept, i[: self.place] + i[self.place + rank :], strict=True))
        for ids, a, what in zip(self.ids, self.axes, self.what, strict=True):
            own[a] = dim(Checked(read(ids, *chosen), (self.x.type.shape[a],), what).results[0])
        return Read(self.x, tuple(own[a] for a in range(self.x.type.rank))).result


class TakeAlong(Tensor, name="take_along_axis"):
    """`result[..., i, ...] = x[..., ids[..., i, ...], ...]` along an axis; the other axes of x and ids repeat to each other."""

    x: Value
    ids: Value
    axis: int
    what: str
    same = ("x",)
    fails = True
    exact = True
    narrow = True

    @classmethod
    def make(cls, x: Value, ids: Value, axis: Axis) -> Value:
        if x.type.rank != ids.type.rank:
            raise OpError(f"take_along_axis of {x.type} and {ids.type}: {counted(x.type.rank, 'axis')} and {ids.type.rank}")
        return cls(x, ids, axis_of(axis, x.type), told(ids, x)).result

    def others(self) -> tuple[Type, Type]:
        """The types of x and ids with the axis of length 1."""
        cut = [(*t.shape[: self.axis], 1, *t.shape[self.axis + 1 :]) for t in (self.x.type, self.ids.type)]
        return Type(self.x.type.dtype, cut[0]), Type(self.x.type.dtype, cut[1])

    def infer(self) -> tuple[Type, ...]:
        if not self.ids.type.dtype.is_integer:
            raise OpError(f"an index of {self.x.type} is an integer, not {self.ids.type}")
        shape = list(broadcast(*self.others())[0])
        shape[self.axis] = self.ids.type.shape[self.axis]
        return (Type(self.x.type.dtype, tuple(shape)),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        return broadcast(*self.others())[1]

    def evaluate(self, x: Array, ids: Array) -> Array:
        shape = list(np.broadcast_shapes(*([*a.shape[: self.axis], 1, *a.shape[self.axis + 1 :]] for a in (x, ids))))
        ids = in_range(self, ids, x.shape[self.axis], self.what)
        x = np.broadcast_to(x, [*shape[: self.axis], x.shape[self.axis], *shape[self.axis + 1 :]])
        ids = np.broadcast_to(ids, [*shape[: self.axis], ids.shape[self.axis], *shape[self.axis + 1 :]])
        return np.take_along_axis(x, ids, self.axis)

    def at(self, *i: Dim) -> Value:
        k = Checked(read(self.ids, *i), (self.x.type.shape[self.axis],), self.what).results[0]
        own = [0 if n == 1 and a != self.axis else d for a, (n, d) in enumerate(zip(self.x.type.shape, i, strict=True))]
        own[self.axis] = dim(k)
        return Read(self.x, tuple(own)).result


def in_range(op: Op, ids: Array, bound: int, what: str) -> Array:
    """The ids from the front; raises `RunError` at the first that is out of range."""
    wrapped = np.where(ids < 0, ids.astype(np.int64) + bound, ids.astype(np.int64))
    bad = np.flatnonzero((wrapped < 0) | (wrapped >= bound))
    if bad.size:
        index = int(ids.reshape(-1)[bad[0]])
        message = f"index out of range: {what}: {index} of {bound}"
        raise RunError((Diagnostic(message, op.location),), INDEX_OUT_OF_RANGE, 0, index, bound)
    return wrapped


def told(ids: Value, x: Value) -> str:
    """What a failing index is, in the user's names."""
    return f"{ids.hint or ids.type} indexes {x.hint or x.type}"


def gather(x: Value, ids: Sequence[Value], axes: Sequence[int], place: int) -> Value:
    return Gather(x, tuple(ids), tuple(axes), place, tuple(told(i, x) for i in ids)).result


class Take(Function, name="take"):
    """The elements of x at `ids` along an axis, whose place the axes of `ids` take; negative ids count from the end."""

    same = ("x",)

    @classmethod
    def make(cls, x: Value, ids: Value, axis: Axis = 0) -> Value:
        a = axis_of(axis, x.type)
        return gather(x, [ids], [a], a)


class GatherNd(Function, name="gather_nd"):
    """`result[..., :] = x[ids[..., 0], ids[..., 1], ..., :]`: the last axis of ids indexes the first axes of x."""

    same = ("x",)

    @classmethod
    def make(cls, x: Value, ids: Value) -> Value:
        depth = ids.type.shape[-1] if ids.type.rank else None
        if not isinstance(depth, int):
            raise OpError(f"ids of gather_nd have a last axis of known size, unlike {ids.type}")
        if depth > x.type.rank:
            raise OpError(f"gather_nd of {x.type}: {counted(x.type.rank, 'axis')} and {depth} ids for each element, in {ids.type}")
        if not ids.type.dtype.is_integer:
            raise OpError(f"an index of {x.type} is an integer, not {ids.type}")
        outer = ids.type.shape[:-1]
        if not depth:
            return broadcast_to(x, (*outer, *x.type.shape))
        each = [reshape(sliced(ids, [*[slice(None)] * len(outer), slice(k, k + 1)]), outer) for k in range(depth)]
        return Gather(x, tuple(each), tuple(range(depth)), 0, (told(ids, x),) * depth).result


class Embedding(Function, name="embedding"):
    """The rows of `table` at `ids`."""

    same = ("table",)

    @classmethod
    def make(cls, ids: Value, table: Value) -> Value:
        axis_of(0, table.type)
        return gather(table, [ids], [0], 0)


def index(x: Value, subscripts: Sequence[Subscript], lazy: bool = False) -> Value:
    """x[subscripts] as in NumPy; None is a new axis, an int or a size an element, a `Value` an index tensor or a bool mask.

    With `lazy`, an element that is never in range is an error of the run, if it comes to that; else `OpError` is raised.
    """
    items = list(_items(x, subscripts, lazy))
    view = sliced(x, [_part(item) for _, item in items if item is not None])
    sizes = iter(view.type.shape)
    shape: list[Dim] = []
    ids: dict[int, Value] = {}  # by the axis of the view they index
    places: list[int] = []
    for n, item in items:
        size = 1 if item is None else next(sizes)
        if isinstance(item, Value):
            ids[len(shape)] = item
            places.append(n)
        if item is None or isinstance(item, slice | Value):
            shape.append(size)
    view = reshape(view, shape)
    if not ids:
        return view
    together = all(b - a <= 1 for a, b in pairwise(places))
    masks = {n for n, s in enumerate(_whole(subscripts)) if _is_mask(s)}
    what = tuple("" if n in masks else told(i, view) for n, i in zip(places, ids.values(), strict=True))  # a mask's are always in range
    return Gather(view, tuple(ids.values()), tuple(ids), min(ids) if together else 0, what).result


def _whole(subscripts: Sequence[Subscript]) -> Sequence[Subscript]:
    """The subscripts, `...` at their end where it is nowhere."""
    return subscripts if any(isinstance(s, EllipsisType) for s in subscripts) else (*subscripts, ...)


def _is_mask(s: Subscript) -> bool:
    return isinstance(s, Value) and s.type.dtype is DType.bool


def _items(x: Value, subscripts: Sequence[Subscript], lazy: bool) -> Iterator[tuple[int, Dim | slice | Value | None]]:
    """What each axis is indexed by, and None for a new one, with the place among the subscripts; a mask is its positions."""
    taken = sum(_axes(s) for s in subscripts)
    if taken > x.type.rank:
        raise OpError(f"{x.type} has {counted(x.type.rank, 'axis')}, not {taken}")
    if sum(isinstance(s, EllipsisType) for s in subscripts) > 1:
        raise OpError("one `...` stands among subscripts, not several")
    tensors = any(isinstance(s, Value) and s.type.rank for s in subscripts)
    axis = 0
    for n, s in enumerate(_whole(subscripts)):
        if isinstance(s, EllipsisType):
            yield from ((n, slice(None)) for _ in range(x.type.rank - taken))
            axis += x.type.rank - taken
            continue
        if isinstance(s, Value) and _is_mask(s):
            yield from ((n, ids) for ids in _selected(x, s, axis))
        elif isinstance(s, int | Polynomial):
            known = _element(x, s, axis, lazy)
            yield n, known if known is not None and not tensors else _scalar(s)
        else:
            yield n, s
        axis += _axes(s)


def _axes(s: Subscript) -> int:
    """How many axes a subscript takes."""
    if s is None or isinstance(s, EllipsisType):
        return 0
    return s.type.rank if isinstance(s, Value) and _is_mask(s) else 1


def _part(item: Dim | slice | Value) -> slice:
    if isinstance(item, slice):
        return item
    return slice(None) if isinstance(item, Value) else slice(item, item + 1)


def _element(x: Value, k: Dim, axis: int, lazy: bool) -> Dim | None:
    """`k` from the front where it is provably in range; raises `OpError` where it provably is not, unless `lazy`."""
    n = x.type.shape[axis]
    if at_least(k - n, 0) or at_least(-k - n, 1):
        if lazy:
            return None
        said = show(k, False, lambda a: a.hint if isinstance(a, Value) else str(a))
        raise OpError(f"index {said} is out of range: axis {axis} of {x.type} has {show(n)}")
    if at_least(k, 0) and at_most(k, n - 1):
        return k
    return n + k if at_least(-k, 1) and at_least(n + k, 0) else None


def _scalar(k: Dim) -> Value:
    return constant(k, DType.i64) if isinstance(k, int) else SizeValue((k,), Type(DType.i64)).result


def _selected(x: Value, mask: Value, axis: int) -> tuple[Value, ...]:
    """Where the mask of the axes from `axis` on is true, by axis."""
    if not mask.type.rank:
        raise OpError(f"a mask of {x.type} has axes, and {mask.type} has none", help="write `where`, or `if`")
    own = x.type.shape[axis : axis + mask.type.rank]
    assumed_equal(list(zip(mask.type.shape, own, strict=True)), f"the mask {mask.type} does not fit the axes {axis} on of {x.type}")
    fitting = mask if mask.type.shape == own else broadcast_to(mask, own)
    return positions(fitting)
