"""Neural networks: softmax, dropout and what only combines other ops; kept whole in the graph where a schedule can know them."""

from __future__ import annotations

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import at_least, floor, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis, Number, Seed, fixed
from flowc.ops.elementwise import StopGradient, add, div, greater_equal, mul, sub, where
from flowc.ops.functions import exp, log
from flowc.ops.linalg import matmul
from flowc.ops.pointwise import Cotangents
from flowc.ops.random import Uniform
from flowc.ops.reduce import Max, Sum
from flowc.ops.shape import Transpose, axis_of, reshape
from flowc.ops.tensor import Array, Function, Tensor, like


class AlongAxis(Tensor):
    """An op along one axis of floats that keeps the shape."""

    x: Value
    axis: int

    @classmethod
    def make(cls, x: Value, axis: Axis = -1) -> Value:
        return cls(x, axis_of(axis, x.type)).result

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return (self.x.type,)


def floats(name: str, x: Value) -> None:
    if not x.type.dtype.is_float:
        raise OpError(f"{name} takes floats, not {x.type}", help=f"convert first: `{name}(x as f32)`")


class Softmax(AlongAxis, name="softmax"):
    """e^(x - m) / sum(e^(x - m)) along an axis, m the largest; the sum in the order of `sum`."""

    def evaluate(self, x: Array) -> Array:
        z = exp_shifted(x, self.axis)
        with np.errstate(all="ignore"):
            return (z / np.sum(z, axis=self.axis, keepdims=True)).astype(x.dtype)

    def expand(self) -> Value:
        z = exp(sub(self.x, top(self.x, self.axis)))
        return div(z, Sum.make(z, self.axis, keepdims=True))

    def gradient(self, g: Value) -> Cotangents:
        y = self.result
        return (mul(y, sub(g, Sum.make(mul(g, y), self.axis, keepdims=True))),)


def top(x: Value, axis: int) -> Value:
    """The largest along an axis, which stays with length 1; no derivative passes, as what it shifts there and back does not change."""
    return StopGradient(Max.make(x, axis=axis, keepdims=True)).result


def exp_shifted(x: Array, axis: int) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return np.exp(wide - np.max(wide, axis=axis, keepdims=True, initial=-np.inf))


class LogSoftmax(AlongAxis, name="log_softmax"):
    """(x - m) - log(sum(e^(x - m))) along an axis, m the largest; the sum in the order of `sum`."""

    def evaluate(self, x: Array) -> Array:
        return log_softmax(x, self.axis).astype(x.dtype)

    def expand(self) -> Value:
        z = sub(self.x, top(self.x, self.axis))
        return sub(z, log(Sum.make(exp(z), self.axis, keepdims=True)))

    def gradient(self, g: Value) -> Cotangents:
        return (sub(g, mul(exp(self.result), Sum.make(g, self.axis, keepdims=True))),)


def log_softmax(x: Array, axis: int) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        shifted = wide - np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


class Linear(Function, name="linear"):
    """x @ w + b"""

    @classmethod
    def make(cls, x: Value, w: Value, b: Value | None = None) -> Value:
        y = matmul(x, w)
        return y if b is None else add(y, b)


class Dropout(Function, name="dropout"):
    """x / (1 - rate) where the f32 uniform number of the element is at least `rate`, else 0."""

    same = ("x",)

    @classmethod
    def make(cls, x: Value, rate: Number, seed: Seed) -> Value:
        floats("dropout", x)
        share = fixed(rate, "dropout")
        if not 0 <= share < 1:
            raise OpError(f"rate of dropout is at least 0 and below 1, not {share:g}")
        chance = Uniform(seed, 0.0, 1.0, Type(DType.f32, x.type.shape)).result
        return where(greater_equal(chance, like(chance, share)), mul(x, like(x, 1 / (1 - share))), like(x, 0))


class PixelShuffle(Function, name="pixel_shuffle"):
    """`result[..., c, i * factor + u, j * factor + v] = x[..., (c * factor + u) * factor + v, i, j]`: channels to pixels."""

    @classmethod
    def make(cls, x: Value, factor: Axis) -> Value:
        if x.type.rank < 3:
            raise OpError(f"pixel_shuffle is over 3 axes, C H W, and {x.type} has {x.type.rank}")
        if factor < 1:
            raise OpError(f"factor of pixel_shuffle is 1 or more, not {factor}")
        *rest, channels, rows, columns = x.type.shape
        kept = floor(channels, factor * factor)
        if at_least(channels - kept * factor * factor, 1):
            raise OpError(f"pixel_shuffle of {x.type}: {show(channels)} channels are no multiple of {factor} * {factor}")
        parts = reshape(x, (*rest, kept, factor, factor, rows, columns))
        n = len(rest)
        moved = Transpose(parts, (*range(n), n, n + 3, n + 1, n + 4, n + 2)).result
        return reshape(moved, (*rest, kept, rows * factor, columns * factor))
