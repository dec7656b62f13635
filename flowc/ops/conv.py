"""Convolutions over one, two and three axes."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, floor, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis, Borders, Steps
from flowc.ops.elementwise import add
from flowc.ops.kernel import fold
from flowc.ops.shape import reshape
from flowc.ops.tensor import Array, Read, Tensor, assumed_equal, one_dtype
from flowc.ops.windows import borders, check_fits, each, places, reached, tap


class Conv(Tensor):
    """`result[n, o, i] = sum over c, u of x[n, c, i * stride + u * dilation - before] * w[o, c, u]`, then plus `b[o]`.

    i and u stand for an index for each axis that the window moves along.  One fma chain in
    increasing order of c, u, the last axis of u fastest; x is 0 in the border of `pads`, where its product still counts.
    With groups, o // (outputs / groups) is the group whose channels c are of.  In layout
    "NHWC" the channels of x and of the result are the last axis; w is OIHW in every layout.
    """

    x: Value
    w: Value
    strides: tuple[int, ...]
    pads: tuple[Dim, ...]
    dilations: tuple[int, ...]
    groups: int
    layout: str
    spatial: ClassVar[str]  # the letters of the axes the window moves along
    same = ("x", "w", "b")

    @classmethod
    def make(
        cls, x: Value, w: Value, b: Value | None = None, strides: Steps = 1, pads: Borders = 0, dilations: Steps = 1,
        groups: Axis = 1, layout: str = "NCHW",
    ) -> Value:  # fmt: skip
        axes = len(cls.spatial)
        by, apart = each(strides, axes, "strides", cls.name), each(dilations, axes, "dilations", cls.name)
        check_layout(cls, layout)
        check_ranks(cls, x.type, w.type, layout)
        own = range(1, 1 + axes) if channels_last(layout) else range(2, 2 + axes)
        reach = [reached(n, d) for n, d in zip(w.type.shape[2:], apart, strict=True)]
        border = borders(pads, [x.type.shape[a] for a in own], reach, by, cls.name)
        result = cls(x, w, by, border, apart, groups, layout).result
        return result if b is None else add(result, cls.bias(b, w.type, layout))

    @classmethod
    def bias(cls, b: Value, w: Type, layout: str) -> Value:
        """`b` along the channels."""
        outputs = w.shape[0]
        message = f"b of {cls.name} is {Type(w.dtype, (outputs,))} beside w {w}, not {b.type}"
        if b.type.rank != 1 or b.type.shape[0] == 1 != outputs:
            raise OpError(message)
        assumed_equal([(b.type.shape[0], outputs)], message)
        return b if channels_last(layout) else reshape(b, (outputs, *(1 for _ in cls.spatial)))

    @property
    def window_axes(self) -> range:
        """The axes of x that the window moves along."""
        return range(1, 1 + len(self.spatial)) if channels_last(self.layout) else range(2, 2 + len(self.spatial))

    @property
    def channels(self) -> Dim:
        return self.x.type.shape[-1 if channels_last(self.layout) else 1]

    def infer(self) -> tuple[Type, ...]:
        x, w = self.x.type, self.w.type
        check_layout(type(self), self.layout)
        check_ranks(type(self), x, w, self.layout)
        if one_dtype(self.name, x, w) is DType.bool:
            raise OpError(f"{self.name} of {x} and {w}: bool has no products to sum", help="convert first: `... as f32`")
        self.assumes()
        axes = len(self.spatial)
        before, after = self.pads[:axes], self.pads[axes:]
        reach = [reached(n, d) for n, d in zip(w.shape[2:], self.dilations, strict=True)]
        check_fits(self.name, x, self.window_axes, reach, before, after)
        moved = zip(reach, self.strides, before, after, strict=True)
        sizes = [places(x.shape[a], *by) for a, by in zip(self.window_axes, moved, strict=True)]
        return (Type(x.dtype, arranged(x.shape[0], w.shape[0], sizes, self.layout)),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        x, w = self.x.type, self.w.type
        if self.groups < 1:
            raise OpError(f"{self.name} has 1 group or more, not {self.groups}")
        each = f" in each of {self.groups} groups" if self.groups > 1 else ""
        taken = f"{self.name} of x {x} and w {w}: x has {show(self.channels)} channels, and w takes {show(w.shape[1])}{each}"
        split = f"{self.name} of w {w}: {show(w.shape[0])} outputs are no {self.groups} equal groups"
        pairs = assumed_equal([(self.channels, w.shape[1] * self.groups)], taken)
        return pairs + assumed_equal([(floor(w.shape[0], self.groups) * self.groups, w.shape[0])], split)

    def evaluate(self, x: Array, w: Array) -> Array:
        axes = len(self.spatial)
        wide = np.float64 if x.dtype.kind == "f" else x.dtype
        first = np.moveaxis(x, -1, 1) if channels_last(self.layout) else x
        border = [(0, 0), (0, 0), *zip(self.pads[:axes], self.pads[axes:], strict=True)]
        padded = np.pad(first.astype(wide), border)  # type: ignore[arg-type]
        reach = [reached(n, d) for n, d in zip(w.shape[2:], self.dilations, strict=True)]
        windows = cast("Array", np.lib.stride_tricks.sliding_window_view(padded, reach, tuple(range(2, 2 + axes))))  # type: ignore[arg-type]
        taps = windows[(slice(None), slice(None), *(slice(None, None, step) for step in (*self.strides, *self.dilations)))]
        grouped = taps.reshape(len(x), self.groups, -1, *taps.shape[2:])
        kernels = w.astype(wide).reshape(self.groups, -1, *w.shape[1:])
        summed = (2, *range(3 + axes, 3 + 2 * axes))
        with np.errstate(all="ignore"):
            found = [np.tensordot(grouped[:, [g]], kernels[g], (summed, range(1, 2 + axes))) for g in range(self.groups)]
        result = np.moveaxis(np.concatenate(found, axis=1), 1, -2).reshape(len(x), *taps.shape[2 : 2 + axes], -1)
        return (result if channels_last(self.layout) else np.moveaxis(result, -1, 1)).astype(x.dtype)

    def at(self, *i: Dim) -> Value:
        axes = len(self.spatial)
        n, o, *windows = (i[0], i[-1], *i[1:-1]) if channels_last(self.layout) else i
        per = self.w.type.shape[1]
        group = floor(o, floor(self.w.type.shape[0], self.groups)) if self.groups > 1 else 0

        def term(c: Dim, *us: Dim) -> tuple[Value, Value]:
            moving = zip(windows, us, self.window_axes, strict=True)
            moved = zip(self.strides, self.dilations, self.pads[:axes], strict=True)
            found = [tap(k, u, self.x.type.shape[a], *by) for (k, u, a), by in zip(moving, moved, strict=True)]
            at = arranged(n, group * per + c, [d for d, _ in found], self.layout)
            inside = tuple(d for _, ds in found for d in ds)
            return Read(self.x, at, inside).result, Read(self.w, (o, c, *us)).result

        return fold("dot", self.w.type.shape[1:], term)


class Conv1d(Conv, name="conv1d"):
    __doc__ = Conv.__doc__
    spatial = "W"


class Conv2d(Conv, name="conv2d"):
    __doc__ = Conv.__doc__
    spatial = "HW"


class Conv3d(Conv, name="conv3d"):
    __doc__ = Conv.__doc__
    spatial = "DHW"


def arranged(n: Dim, c: Dim, windows: list[Dim], layout: str) -> tuple[Dim, ...]:
    """Indices or sizes of batch, channels and windows in the order of a layout."""
    return (n, *windows, c) if channels_last(layout) else (n, c, *windows)


def channels_last(layout: str) -> bool:
    return layout.endswith("C")


def check_layout(op: type[Conv], layout: str) -> None:
    known = dict.fromkeys(("NCHW", "NHWC", f"NC{op.spatial}", f"N{op.spatial}C"))
    if layout not in known:
        raise OpError(f"layout of {op.name} is {' or '.join(f'{k!r}' for k in known)}, not {layout!r}".replace("'", '"'))


def check_ranks(op: type[Conv], x: Type, w: Type, layout: str) -> None:
    axes = f"N{op.spatial}C" if channels_last(layout) else f"NC{op.spatial}"
    for what, type, names in (("x", x, axes), ("w", w, f"OI{op.spatial}")):
        if type.rank != len(names):
            raise OpError(f"{what} of {op.name} has {counted(len(names), 'axis')}, {' '.join(names)}, not {type}")
