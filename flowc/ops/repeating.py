"""Elements that come again: tiles, repeats, grids, and what goes out at one end and in at the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, ceil, floor, product, show
from flowc.ir.types import DType
from flowc.ops.arguments import Axes, Axis, Parts, Shape
from flowc.ops.index import gather
from flowc.ops.join import concat
from flowc.ops.literal import listed
from flowc.ops.make import iota
from flowc.ops.shape import axis_of, broadcast_to, reshape
from flowc.ops.slicing import Slice, greatest
from flowc.ops.sort import SearchSorted
from flowc.ops.tensor import Function

MOST_PARTS = 16  # that are joined one by one


class Tile(Function, name="tile"):
    """x so many times along each axis: `reps` is for the last axes, and adds new ones in front where it is longer."""

    @classmethod
    def make(cls, x: Value, reps: Shape) -> Value:
        return tile(x, reps)


def tile(x: Value, reps: Sequence[Dim]) -> Value:
    """x so many times along each axis, counted from the last."""
    _check_counts(x, reps)
    rank = max(x.type.rank, len(reps))
    shape = (*[1] * (rank - x.type.rank), *x.type.shape)
    counts = (*[1] * (rank - len(reps)), *reps)
    each = list(zip(counts, shape, strict=True))
    apart = [d for count, n in each for d in ((1, n) if count != 1 else (n,))]
    spread = [d for count, n in each for d in ((count, n) if count != 1 else (n,))]
    return reshape(broadcast_to(reshape(x, apart), spread), [count * n for count, n in each])


class Repeat(Function, name="repeat"):
    """Each element of x so many times, one after the other; of a list each as often as it says; all in row-major order without `axis`."""

    @classmethod
    def make(cls, x: Value, repeats: Parts, axis: Axis | None = None) -> Value:
        _check_counts(x, repeats if isinstance(repeats, tuple) else (repeats,))
        if axis is None:
            return cls.make(reshape(x, (product(x.type.shape),)), repeats, 0)
        a = axis_of(axis, x.type)
        if isinstance(repeats, tuple):
            return _repeated(x, repeats, a)
        shape = x.type.shape
        apart = reshape(x, (*shape[: a + 1], 1, *shape[a + 1 :]))
        spread = broadcast_to(apart, (*shape[: a + 1], repeats, *shape[a + 1 :]))
        return reshape(spread, (*shape[:a], shape[a] * repeats, *shape[a + 1 :]))


def _repeated(x: Value, repeats: tuple[Dim, ...], axis: int) -> Value:
    n = x.type.shape[axis]
    if n != len(repeats):
        raise OpError(f"repeat of {x.type} is given {counted(len(repeats), 'count')}, and its axis {axis} has {show(n)}")
    if len(repeats) > MOST_PARTS:
        return _looked_up(x, repeats, axis)
    shape = x.type.shape
    parts = [broadcast_to(part(x, axis, k, 1), (*shape[:axis], count, *shape[axis + 1 :])) for k, count in enumerate(repeats)]
    return concat(parts, axis) if parts else x


def _looked_up(x: Value, repeats: tuple[Dim, ...], axis: int) -> Value:
    """The same where parts would be many: element j comes from where the counts before first reach beyond j."""
    ends = listed(list(accumulate(repeats)), DType.i64)
    total = sum(repeats, 0)
    ids = SearchSorted.make(ends, iota((total,), 0), "right")
    return gather(x, [ids], [axis], axis)


def _check_counts(x: Value, counts: Sequence[Dim]) -> None:
    for count in counts:
        if at_least(-count, 1):
            raise OpError(f"{x.type} is not repeated {show(count)} times")


class MeshGrid(Function, name="meshgrid"):
    """The coordinates of a grid, a tensor for each vector; with "xy" the first vector runs along axis 1 and the second along 0."""

    @classmethod
    def make(cls, *tensors: Value, indexing: str = "xy") -> tuple[Value, ...]:
        if indexing not in ("xy", "ij"):
            raise OpError(f'the indexing of meshgrid is "xy" or "ij", not "{indexing}"')
        for x in tensors:
            if x.type.rank > 1:
                raise OpError(f"meshgrid takes vectors, not {x.type}")
        order = list(range(len(tensors)))
        if indexing == "xy":
            order[:2] = order[:2][::-1]
        shape = [product(tensors[n].type.shape) for n in order]
        along = [[d if order[a] == n else 1 for a, d in enumerate(shape)] for n in range(len(tensors))]
        return tuple(broadcast_to(reshape(x, own), shape) for x, own in zip(tensors, along, strict=True))


class Roll(Function, name="roll"):
    """x moved on by `shift` along an axis, or along several each by its own; what goes out at the end comes in at the front.

    Without `axis` all elements in row-major order.
    """

    @classmethod
    def make(cls, x: Value, shift: Parts, axis: Axes = None) -> Value:
        if axis is None:
            if isinstance(shift, tuple):
                raise OpError(f"roll without axis moves all of {x.type} by one shift, not {len(shift)}")
            return reshape(_rolled(reshape(x, (product(x.type.shape),)), shift, 0), x.type.shape)
        axes = (axis,) if isinstance(axis, int) else axis
        shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
        if len(shifts) != len(axes):
            raise OpError(f"roll of {x.type} is given {counted(len(shifts), 'shift')} for {counted(len(axes), 'axis')}")
        for a, by in zip(axes, shifts, strict=True):
            x = _rolled(x, by, axis_of(a, x.type))
        return x


def _rolled(x: Value, by: Dim, axis: int) -> Value:
    n = x.type.shape[axis]
    extent = greatest(n, 1)
    moved = by - floor(by, extent) * extent
    if moved == 0:
        return x
    return concat([part(x, axis, n - moved, moved), part(x, axis, 0, n - moved)], axis)


def part(x: Value, axis: int, begin: Dim, size: Dim, step: int = 1) -> Value:
    """`size` elements of an axis from `begin` on."""
    start = tuple(begin if a == axis else 0 for a in range(x.type.rank))
    sizes = tuple(size if a == axis else n for a, n in enumerate(x.type.shape))
    return Slice(x, start, sizes, tuple(step if a == axis else 1 for a in range(x.type.rank))).result


def cycled(x: Value, axis: int, begin: Dim, size: Dim) -> Value:
    """`size` elements of an axis that is repeated without end in both directions, from `begin` elements before its first on."""
    n = x.type.shape[axis]
    before = ceil(begin, n)
    count = before + ceil(size - begin, n)
    rank = x.type.rank
    return part(tile(x, [count if a == axis else 1 for a in range(rank)]), axis, before * n - begin, size)
