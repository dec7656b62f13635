"""Pooling: one number for each window over the last axes of a tensor, which moves by steps or shares an axis evenly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, ceil, dim, floor, least, product, show
from flowc.ir.types import Type
from flowc.ops.arguments import Borders, Number, Shape, Steps, fixed
from flowc.ops.define import define
from flowc.ops.elementwise import absolute, cast, div, equal, logical_and, mul, sqrt, where
from flowc.ops.kernel import Inside, axes, fold, start_of
from flowc.ops.nn import floats
from flowc.ops.powers import power
from flowc.ops.reduce import Max, Mean
from flowc.ops.slicing import greatest
from flowc.ops.tensor import Read, SizeValue, Tensor, constant, like
from flowc.ops.windows import Place, borders, check_fits, each, places, reached, reader, readers, tap


class Pool(Tensor):
    """One number for each window over the last axes of x."""

    x: Value

    @property
    def window(self) -> tuple[Dim, ...]:
        """How many elements a window has along each of its axes, or at most."""
        raise NotImplementedError

    @property
    def holders(self) -> tuple[Dim, ...]:
        """In how many windows along each axis an element may be."""
        raise NotImplementedError

    def tap(self, axis: int, i: Dim, u: Dim) -> Place:
        """Where element `u` of window `i` lies along one of the axes; what must not be negative where it is one."""
        raise NotImplementedError

    def holder(self, axis: int, p: Dim, u: Dim) -> Place:
        """The `u`-th window along one of the axes that the element at `p` may be in; what must not be negative where it is one."""
        raise NotImplementedError

    def element(self, i: Sequence[Dim], us: Sequence[Dim]) -> Place:
        return _joined(i, [self.tap(a, k, u) for a, (k, u) in enumerate(zip(i[-len(us) :], us, strict=True))])

    def reader(self, p: Sequence[Dim], us: Sequence[Dim]) -> Place:
        return _joined(p, [self.holder(a, k, u) for a, (k, u) in enumerate(zip(p[-len(us) :], us, strict=True))])

    def gathered(self, g: Value) -> Value:
        """For each element of x the sum of g over the windows it is in."""

        def term(*us: Dim) -> tuple[Value, Value]:
            return Read(g, *self.reader(p, us)).result, like(g, 1)

        own = axes(self.x.type.shape)
        p = tuple(map(dim, own))
        return define(own, fold("dot", self.holders, term))


def _joined(outer: Sequence[Dim], found: Sequence[Place]) -> Place:
    """An index whose last axes are `found`."""
    rest = tuple(outer[: len(outer) - len(found)])
    return (*rest, *(d for at, _ in found for d in at)), tuple(d for _, inside in found for d in inside)


class Largest(Pool):
    """The largest element of each window, NaN once one is seen; its derivative goes to that element, in equal parts to several."""

    def at(self, *i: Dim) -> Value:
        lowest = constant(start_of("max", self.x.type.dtype), self.x.type.dtype)

        def term(*us: Dim) -> Value:
            at, inside = self.element(i, us)
            found = Read(self.x, at, inside).result
            return where(Inside(inside).result, found, lowest) if inside else found

        return fold("max", self.window, term)

    def gradient(self, g: Value) -> tuple[Value | None, ...]:
        part = div(g, self.ties())

        def term(*us: Dim) -> tuple[Value, Value]:
            i, inside = self.reader(p, us)
            largest = equal(Read(self.x, p).result, Read(self.result, i, inside).result)
            return where(largest, Read(part, i, inside).result, like(g, 0)), like(g, 1)

        own = axes(self.x.type.shape)
        p = tuple(map(dim, own))
        return (define(own, fold("dot", self.holders, term)),)

    def ties(self) -> Value:
        """How many elements of each window are its largest."""

        def term(*us: Dim) -> tuple[Value, Value]:
            at, inside = self.element(i, us)
            largest = equal(Read(self.x, at, inside).result, Read(self.result, i).result)
            there = logical_and(Inside(inside).result, largest) if inside else largest
            return cast(there, self.x.type.dtype), like(self.x, 1)

        own = axes(self.result.type.shape)
        i = tuple(map(dim, own))
        return define(own, fold("dot", self.window, term))


class Total(Pool):
    """The sum of each window, one element after the other, the last axis fastest."""

    def at(self, *i: Dim) -> Value:
        return fold("dot", self.window, lambda *us: (Read(self.x, *self.element(i, us)).result, like(self.x, 1)))

    def gradient(self, g: Value) -> tuple[Value | None, ...]:
        return (self.gathered(g),)


class Average(Total):
    """The sum of each window divided by how many elements it has."""

    def count(self, axis: int, i: Dim) -> Dim:
        """How many elements count for window `i` along one of the axes."""
        raise NotImplementedError

    def counts(self, i: Sequence[Dim]) -> Value:
        own = i[-len(self.window) :]
        return SizeValue((product(self.count(a, k) for a, k in enumerate(own)),), self.x.type.element).result

    def at(self, *i: Dim) -> Value:
        return div(super().at(*i), self.counts(i))

    def gradient(self, g: Value) -> tuple[Value | None, ...]:
        own = axes(g.type.shape)
        i = tuple(map(dim, own))
        return (self.gathered(define(own, div(Read(g, i).result, self.counts(i)))),)


class Moving(Pool):
    """Windows of a size that move by steps along the last axes of x and its border."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    ceil: bool
    spatial: ClassVar[int]

    @property
    def window(self) -> tuple[Dim, ...]:
        return self.size

    @property
    def reach(self) -> tuple[Dim, ...]:
        return tuple(reached(n, d) for n, d in zip(self.size, self.dilations, strict=True))

    @property
    def holders(self) -> tuple[Dim, ...]:
        return tuple(readers(*by) for by in zip(self.size, self.strides, self.dilations, strict=True))

    def infer(self) -> tuple[Type, ...]:
        x, count = self.x.type, len(self.size)
        before, after = self.pads[:count], self.pads[count:]
        for far, border in zip(self.reach * 2, self.pads, strict=True):
            if at_least(border - far, 0):
                raise OpError(f"a window of {self.name} spans {show(far)}, and would lie in the border: pads has {show(border)}")
        check_fits(self.name, x, range(x.rank - count, x.rank), self.reach, before, after)
        moved = zip(self.reach, self.strides, before, after, strict=True)
        sizes = [places(n, *by, self.ceil) for n, by in zip(x.shape[-count:], moved, strict=True)]
        return (Type(x.dtype, (*x.shape[:-count], *sizes)),)

    def tap(self, axis: int, i: Dim, u: Dim) -> Place:
        n = self.x.type.shape[axis - len(self.size)]
        at, inside = tap(i, u, n, self.strides[axis], self.dilations[axis], self.pads[axis])
        return (at,), inside

    def holder(self, axis: int, p: Dim, u: Dim) -> Place:
        windows = self.result.type.shape[axis - len(self.size)]
        at, inside = reader(p, u, windows, self.size[axis], self.strides[axis], self.dilations[axis], self.pads[axis])
        return (at,), inside


class MaxPool(Largest, Moving):
    """The largest element of each window over the last axes, which the border of `pads` never is; NaN once one is seen.

    `strides` are the size where left out.  With `ceil` a window may leave x at the end, if it begins before that.
    """

    @classmethod
    def make(
        cls, x: Value, size: Steps, strides: Steps | None = None, pads: Borders = 0, dilations: Steps = 1, ceil: bool = False
    ) -> Value:
        return cls(x, *moving(cls, x, size, strides, pads, dilations), ceil).result


class SumPool(Total, Moving, name="sum_pool"):
    """The sum of each window, one element after the other, the last axis fastest; the border counts as 0."""

    public = False


class AvgPool(Average, Moving):
    """The sum of each window over the last axes divided by how many elements of x it has, with `count_pads` of x and its border.

    The sum is one element after the other, the last axis fastest.  `strides` are the size where left out.  With `ceil` a
    window may leave x at the end, if it begins before that.
    """

    count_pads: bool

    @classmethod
    def make(
        cls, x: Value, size: Steps, strides: Steps | None = None, pads: Borders = 0, dilations: Steps = 1, ceil: bool = False,
        count_pads: bool = False,
    ) -> Value:  # fmt: skip
        return cls(x, *moving(cls, x, size, strides, pads, dilations), ceil, count_pads).result

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return super().infer()

    def count(self, axis: int, i: Dim) -> Dim:
        n, before, after = self.x.type.shape[axis - len(self.size)], self.pads[axis], self.pads[axis + len(self.size)]
        low, high = (-before, n + after) if self.count_pads else (0, n)
        begin = i * self.strides[axis] - before
        last = least(begin + self.reach[axis], high) - 1 - begin
        skipped = greatest(begin, low) - begin
        return floor(last, self.dilations[axis]) - ceil(skipped, self.dilations[axis]) + 1


class LpPool(Tensor):
    """The p-th root of the sum of |x|^p of each window over the last axes; the sum as in avg_pool, the border counts as 0.

    `strides` are the size where left out.  With `ceil` a window may leave x at the end, if it begins before that.
    """

    x: Value
    size: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    ceil: bool
    p: float
    spatial: ClassVar[int]

    @classmethod
    def make(
        cls, x: Value, size: Steps, p: Number = 2, strides: Steps | None = None, pads: Borders = 0, dilations: Steps = 1,
        ceil: bool = False,
    ) -> Value:  # fmt: skip
        return cls(x, *moving(cls, x, size, strides, pads, dilations), ceil, fixed(p, cls.name)).result

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        if not 0 < self.p < math.inf:
            raise OpError(f"p of {self.name} is a finite number above 0, not {self.p:g}")
        return (self.summed(self.x).type,)

    def summed(self, x: Value) -> Value:
        return SumPool(x, self.size, self.strides, self.pads, self.dilations, self.ceil).result

    def expand(self) -> Value:
        if self.p == 1:
            return self.summed(absolute(self.x))
        p = like(self.x, self.p)
        total = self.summed(mul(self.x, self.x) if self.p == 2 else power(absolute(self.x), p))
        nothing = equal(total, like(total, 0))  # where the root has no derivative
        safe = where(nothing, like(total, 1), total)
        root = sqrt(safe) if self.p == 2 else power(safe, like(total, 1 / self.p))
        return where(nothing, like(total, 0), root)


Moved = tuple[tuple[int, ...], tuple[int, ...], tuple[Dim, ...], tuple[int, ...]]


def moving(cls: type[Moving | LpPool], x: Value, size: Steps, strides: Steps | None, pads: Borders, dilations: Steps) -> Moved:
    """Size, strides, pads and dilations of an op, a number for each of its axes."""
    count = cls.spatial
    if x.type.rank < count:
        raise OpError(f"{cls.name} is over {counted(count, 'axis')}, and {x.type} has {x.type.rank}")
    window, apart = each(size, count, "size", cls.name), each(dilations, count, "dilations", cls.name)
    by = window if strides is None else each(strides, count, "strides", cls.name)
    reach = [reached(n, d) for n, d in zip(window, apart, strict=True)]
    return window, by, borders(pads, x.type.shape[x.type.rank - count :], reach, by, cls.name), apart


class Sharing(Pool):
    """Windows that share each of the last axes: window i of m on an axis of n is from i * n // m to ceil((i + 1) * n / m)."""

    size: tuple[Dim, ...]
    spatial: ClassVar[int]

    @property
    def extents(self) -> tuple[Dim, ...]:
        return self.x.type.shape[self.x.type.rank - len(self.size) :]

    @property
    def window(self) -> tuple[Dim, ...]:
        return tuple(map(shared, self.extents, self.size))

    @property
    def holders(self) -> tuple[Dim, ...]:
        return tuple(map(shared, self.size, self.extents))

    def infer(self) -> tuple[Type, ...]:
        x = self.x.type
        if x.rank < len(self.size):
            raise OpError(f"{self.name} is over {counted(len(self.size), 'axis')}, and {x} has {x.rank}")
        for d in self.size:
            if at_least(-d, 0):
                raise OpError(f"size of {self.name} is 1 or more, not {show(d)}")
        return (Type(x.dtype, (*x.shape[: x.rank - len(self.size)], *self.size)),)

    def tap(self, axis: int, i: Dim, u: Dim) -> Place:
        return part(i, u, self.extents[axis], self.size[axis])

    def holder(self, axis: int, p: Dim, u: Dim) -> Place:
        return part(p, u, self.size[axis], self.extents[axis])


def shared(n: Dim, m: Dim) -> Dim:
    """How many of n elements a window has at most, where m windows share them."""
    whole = floor(n, m)
    return whole if whole * m == n else ceil(n, m) + 1


def part(i: Dim, u: Dim, n: Dim, m: Dim) -> Place:
    """Element `u` of window `i` of the m that share n elements, and what must not be negative where there is one."""
    at = floor(i * n, m) + u
    return (at,), (() if floor(n, m) * m == n else (ceil((i + 1) * n, m) - 1 - at,))


class AdaptiveAvgPool(Average, Sharing):
    """The mean of each of `size` windows that share the last axes.

    Window i of m begins at element i * n // m of n and ends before ceil((i + 1) * n / m).
    The sum is one element after the other, the last axis fastest; where each size is 1, in the order of `mean`.
    """

    @classmethod
    def make(cls, x: Value, size: Shape) -> Value:
        sizes = shares(cls, x, size)
        return Mean.make(x, whole(cls), keepdims=True) if set(sizes) == {1} else cls(x, sizes).result

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return super().infer()

    def count(self, axis: int, i: Dim) -> Dim:
        n, m = self.extents[axis], self.size[axis]
        return ceil((i + 1) * n, m) - floor(i * n, m)


class AdaptiveMaxPool(Largest, Sharing):
    """The largest element of each of `size` windows that share the last axes; NaN once one is seen.

    Window i of m begins at element i * n // m of n and ends before ceil((i + 1) * n / m).
    """

    @classmethod
    def make(cls, x: Value, size: Shape) -> Value:
        sizes = shares(cls, x, size)
        return Max.make(x, axis=whole(cls), keepdims=True) if set(sizes) == {1} else cls(x, sizes).result


def shares(cls: type[Sharing], x: Value, size: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """How many windows share each of the axes."""
    if x.type.rank < cls.spatial:
        raise OpError(f"{cls.name} is over {counted(cls.spatial, 'axis')}, and {x.type} has {x.type.rank}")
    if len(size) not in (1, cls.spatial):
        raise OpError(f"size of {cls.name} are {counted(cls.spatial, 'number')}, one for each axis, not {len(size)}")
    return size if len(size) == cls.spatial else size * cls.spatial


def whole(cls: type[Sharing]) -> tuple[int, ...]:
    """The axes, from the end."""
    return tuple(range(-cls.spatial, 0))


class MaxPool1d(MaxPool, name="max_pool1d"):
    __doc__ = MaxPool.__doc__
    spatial = 1


class MaxPool2d(MaxPool, name="max_pool2d"):
    __doc__ = MaxPool.__doc__
    spatial = 2


class MaxPool3d(MaxPool, name="max_pool3d"):
    __doc__ = MaxPool.__doc__
    spatial = 3


class AvgPool1d(AvgPool, name="avg_pool1d"):
    __doc__ = AvgPool.__doc__
    spatial = 1


class AvgPool2d(AvgPool, name="avg_pool2d"):
    __doc__ = AvgPool.__doc__
    spatial = 2


class AvgPool3d(AvgPool, name="avg_pool3d"):
    __doc__ = AvgPool.__doc__
    spatial = 3


class LpPool1d(LpPool, name="lp_pool1d"):
    __doc__ = LpPool.__doc__
    spatial = 1


class LpPool2d(LpPool, name="lp_pool2d"):
    __doc__ = LpPool.__doc__
    spatial = 2


class LpPool3d(LpPool, name="lp_pool3d"):
    __doc__ = LpPool.__doc__
    spatial = 3


class AdaptiveAvgPool1d(AdaptiveAvgPool, name="adaptive_avg_pool1d"):
    __doc__ = AdaptiveAvgPool.__doc__
    spatial = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool, name="adaptive_avg_pool2d"):
    __doc__ = AdaptiveAvgPool.__doc__
    spatial = 2


class AdaptiveAvgPool3d(AdaptiveAvgPool, name="adaptive_avg_pool3d"):
    __doc__ = AdaptiveAvgPool.__doc__
    spatial = 3


class AdaptiveMaxPool1d(AdaptiveMaxPool, name="adaptive_max_pool1d"):
    __doc__ = AdaptiveMaxPool.__doc__
    spatial = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool, name="adaptive_max_pool2d"):
    __doc__ = AdaptiveMaxPool.__doc__
    spatial = 2


class AdaptiveMaxPool3d(AdaptiveMaxPool, name="adaptive_max_pool3d"):
    __doc__ = AdaptiveMaxPool.__doc__
    spatial = 3
