"""Normalisation: of rows, groups, channels and batches, and by neighbouring channels."""

from __future__ import annotations

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, floor, show
from flowc.ir.types import Type
from flowc.ops.arguments import Axis, Number, fixed
from flowc.ops.elementwise import add, div, mul, sqrt, sub
from flowc.ops.nn import floats
from flowc.ops.pool import SumPool
from flowc.ops.powers import power
from flowc.ops.reduce import Mean
from flowc.ops.shape import Transpose, axis_of, reshape
from flowc.ops.tensor import Array, Function, Tensor, assumed_equal, like


class FromAxis(Tensor):
    """An op over `axis` and all after it that keeps the shape."""

    x: Value
    axis: int
    epsilon: float

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return (self.x.type,)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(self.axis, self.x.type.rank))


class LayerNorm(FromAxis, name="layer_norm"):
    """(x - mean) / sqrt(var + epsilon) over `axis` and all after it, then times `scale` plus `shift`; both sums in the order of `sum`."""

    @classmethod
    def make(cls, x: Value, scale: Value | None = None, shift: Value | None = None, axis: Axis = -1, epsilon: Number = 1e-5) -> Value:
        op = cls(x, axis_of(axis, x.type), fixed(epsilon, cls.name))
        y = op.result if scale is None else mul(op.result, _of_axes("scale", scale, op))
        return y if shift is None else add(y, _of_axes("shift", shift, op))

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            size = np.float64(np.prod([x.shape[a] for a in self.axes]))
            centred = wide - np.sum(wide, axis=self.axes, keepdims=True) / size
            var = np.sum(centred**2, axis=self.axes, keepdims=True) / size
            return (centred / np.sqrt(var + self.epsilon)).astype(x.dtype)

    def expand(self) -> Value:
        centred = sub(self.x, Mean.make(self.x, self.axes, keepdims=True))
        var = Mean.make(mul(centred, centred), self.axes, keepdims=True)
        return div(centred, sqrt(add(var, like(var, self.epsilon))))


class RmsNorm(FromAxis, name="rms_norm"):
    """x / sqrt(mean(x^2) + epsilon) over `axis` and all after it, then times `scale`; the sum in the order of `sum`."""

    @classmethod
    def make(cls, x: Value, scale: Value | None = None, axis: Axis = -1, epsilon: Number = 1e-6) -> Value:
        op = cls(x, axis_of(axis, x.type), fixed(epsilon, cls.name))
        return op.result if scale is None else mul(op.result, _of_axes("scale", scale, op))

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            size = np.float64(np.prod([x.shape[a] for a in self.axes]))
            return (wide / np.sqrt(np.sum(wide**2, axis=self.axes, keepdims=True) / size + self.epsilon)).astype(x.dtype)

    def expand(self) -> Value:
        square = Mean.make(mul(self.x, self.x), self.axes, keepdims=True)
        return div(self.x, sqrt(add(square, like(square, self.epsilon))))


def _of_axes(what: str, given: Value, op: FromAxis) -> Value:
    """A scale or shift, refused where one of its axes is 1 and repeats: a shape of the axes, as PyTorch takes, is no scale."""
    sizes = [op.x.type.shape[a] for a in op.axes]
    short = [d == 1 and n != 1 for d, n in zip(given.type.shape[::-1], sizes[::-1], strict=False)]
    if any(short):
        message = f"{what} of {op.name} is {given.type}, and it is for axes of the sizes {', '.join(show(n) for n in sizes)}"
        raise OpError(message, help="axis= says where the axes begin; a scalar is the same for all")
    return given


class GroupNorm(Function, name="group_norm"):
    """`layer_norm` over each of `groups` equal groups of channels, axis 1, and all axes after; times `scale` plus `shift` by channel."""

    @classmethod
    def make(cls, x: Value, groups: Axis, scale: Value | None = None, shift: Value | None = None, epsilon: Number = 1e-5) -> Value:
        batch, channels, *rest = channelled("group_norm", x)
        if groups < 1:
            raise OpError(f"group_norm has 1 group or more, not {groups}")
        per = floor(channels, groups)
        if at_least(channels - per * groups, 1):
            raise OpError(f"group_norm of {x.type}: {show(channels)} channels are no {groups} equal groups")
        grouped = reshape(x, (batch, groups, per, *rest))
        y = reshape(LayerNorm(grouped, 2, fixed(epsilon, cls.name)).result, x.type.shape)
        return scaled(cls.name, y, scale, shift)


class InstanceNorm(Function, name="instance_norm"):
    """`layer_norm` over all axes after the channels, axis 1; times `scale` plus `shift` by channel."""

    @classmethod
    def make(cls, x: Value, scale: Value | None = None, shift: Value | None = None, epsilon: Number = 1e-5) -> Value:
        if len(channelled("instance_norm", x)) < 3:
            raise OpError(f"instance_norm is over the axes after N and C, and {x.type} has none")
        return scaled(cls.name, LayerNorm(x, 2, fixed(epsilon, cls.name)).result, scale, shift)


def channelled(name: str, x: Value) -> tuple[Dim, ...]:
    """The shape of x, whose axis 1 are channels."""
    floats(name, x)
    if x.type.rank < 2:
        raise OpError(f"{name} takes N, C and more axes, not {x.type}")
    return x.type.shape


def scaled(name: str, y: Value, scale: Value | None, shift: Value | None) -> Value:
    """y times a scale plus a shift by channel."""
    y = y if scale is None else mul(y, by_channel("scale", scale, name, y.type, 1))
    return y if shift is None else add(y, by_channel("shift", shift, name, y.type, 1))


def by_channel(what: str, given: Value, name: str, x: Type, axis: int) -> Value:
    """A number for each channel, along that axis of x."""
    channels = x.shape[axis]
    message = f"{what} of {name} is {Type(x.dtype, (channels,))} beside {x}, not {given.type}"
    if given.type.rank != 1 or given.type.shape[0] == 1 != channels or given.type.dtype is not x.dtype:
        raise OpError(message)
    assumed_equal([(given.type.shape[0], channels)], message)
    return reshape(given, (channels, *(1 for _ in x.shape[axis + 1 :])))


class BatchNorm(Tensor, name="batch_norm"):
    """(x - mean) * (scale / sqrt(var + epsilon)) + shift, each but x by channel along an axis."""

    x: Value
    scale: Value
    shift: Value
    mean: Value
    var: Value
    axis: int
    epsilon: float

    @classmethod
    def make(cls, x: Value, scale: Value, shift: Value, mean: Value, var: Value, axis: Axis = 1, epsilon: Number = 1e-5) -> Value:
        return cls(x, scale, shift, mean, var, axis_of(axis, x.type), fixed(epsilon, cls.name)).result

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        for what in ("scale", "shift", "mean", "var"):
            by_channel(what, getattr(self, what), self.name, self.x.type, self.axis)
        return (self.x.type,)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        given = (v.type.shape[0] for v in self.operands[1:])
        return tuple((n, self.x.type.shape[self.axis]) for n in given if n != self.x.type.shape[self.axis])

    def evaluate(self, x: Array, *given: Array) -> Array:
        shape = [-1 if a == self.axis else 1 for a in range(x.ndim)]
        scale, shift, mean, var = (a.astype(np.float64).reshape(shape) for a in given)
        with np.errstate(all="ignore"):
            return ((x - mean) * (scale / np.sqrt(var + self.epsilon)) + shift).astype(x.dtype)

    def expand(self) -> Value:
        scale, shift, mean, var = (by_channel("", v, self.name, self.x.type, self.axis) for v in self.operands[1:])
        factor = div(scale, sqrt(add(var, like(var, self.epsilon))))
        return add(mul(sub(self.x, mean), factor), shift)


class LocalResponseNorm(Tensor, name="local_response_norm"):
    """x / (k + alpha / size * s)^beta, s the sum of x^2 over `size` channels around, `size // 2` of them before; channels are axis 1.

    The sum is one element after the other; channels that are not there count as 0.
    """

    x: Value
    size: int
    alpha: float
    beta: float
    k: float

    @classmethod
    def make(cls, x: Value, size: Axis, alpha: Number = 1e-4, beta: Number = 0.75, k: Number = 1.0) -> Value:
        return cls(x, size, fixed(alpha, cls.name), fixed(beta, cls.name), fixed(k, cls.name)).result

    def infer(self) -> tuple[Type, ...]:
        channelled(self.name, self.x)
        if self.size < 1:
            raise OpError(f"size of {self.name} is 1 or more, not {self.size}")
        return (self.x.type,)

    def expand(self) -> Value:
        rank = self.x.type.rank
        last = (0, *range(2, rank), 1)
        square = Transpose(mul(self.x, self.x), last).result
        total = SumPool(square, (self.size,), (1,), (self.size // 2, (self.size - 1) // 2), (1,), False).result
        around = Transpose(total, (0, rank - 1, *range(1, rank - 1))).result
        base = add(like(self.x, self.k), mul(around, like(self.x, self.alpha / self.size)))
        return div(self.x, power(base, like(self.x, self.beta)))
