"""Neural networks: what other ops say, kept whole in the graph so that a schedule can know it."""

from __future__ import annotations

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, show
from flowc.ir.types import Type
from flowc.ops.arguments import Axis, Number, fixed
from flowc.ops.elementwise import add, div, mul, neg, sqrt, sub
from flowc.ops.functions import exp, log
from flowc.ops.index import TakeAlong, in_range, told
from flowc.ops.linalg import matmul
from flowc.ops.reduce import Max, Mean, Sum, without
from flowc.ops.shape import axis_of, reshape, unsqueeze
from flowc.ops.tensor import Array, Function, Tensor, assumed_equal, like


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
        z = exp(sub(self.x, Max.make(self.x, axis=self.axis, keepdims=True)))
        return div(z, Sum.make(z, self.axis, keepdims=True))


def exp_shifted(x: Array, axis: int) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return np.exp(wide - np.max(wide, axis=axis, keepdims=True, initial=-np.inf))


class LogSoftmax(AlongAxis, name="log_softmax"):
    """(x - m) - log(sum(e^(x - m))) along an axis, m the largest; the sum in the order of `sum`."""

    def evaluate(self, x: Array) -> Array:
        return log_softmax(x, self.axis).astype(x.dtype)

    def expand(self) -> Value:
        z = sub(self.x, Max.make(self.x, axis=self.axis, keepdims=True))
        return sub(z, log(Sum.make(exp(z), self.axis, keepdims=True)))


def log_softmax(x: Array, axis: int) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        shifted = wide - np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _of_axes(what: str, given: Value, op: LayerNorm | RmsNorm) -> Value:
    """A scale or shift, refused where one of its axes is 1 and repeats: a shape of the axes, as PyTorch takes, is no scale."""
    sizes = [op.x.type.shape[a] for a in op.axes]
    short = [d == 1 and n != 1 for d, n in zip(given.type.shape[::-1], sizes[::-1], strict=False)]
    if any(short):
        message = f"{what} of {op.name} is {given.type}, and it is for axes of the sizes {', '.join(show(n) for n in sizes)}"
        raise OpError(message, help="axis= says where the axes begin; a scalar is the same for all")
    return given


class LayerNorm(Tensor, name="layer_norm"):
    """(x - mean) / sqrt(var + epsilon) over `axis` and all after it, then times `scale` plus `shift`; both sums in the order of `sum`."""

    x: Value
    axis: int
    epsilon: float

    @classmethod
    def make(cls, x: Value, scale: Value | None = None, shift: Value | None = None, axis: Axis = -1, epsilon: Number = 1e-5) -> Value:
        op = cls(x, axis_of(axis, x.type), fixed(epsilon, cls.name))
        y = op.result if scale is None else mul(op.result, _of_axes("scale", scale, op))
        return y if shift is None else add(y, _of_axes("shift", shift, op))

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return (self.x.type,)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(self.axis, self.x.type.rank))

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


class RmsNorm(Tensor, name="rms_norm"):
    """x / sqrt(mean(x^2) + epsilon) over `axis` and all after it, then times `scale`; the sum in the order of `sum`."""

    x: Value
    axis: int
    epsilon: float

    @classmethod
    def make(cls, x: Value, scale: Value | None = None, axis: Axis = -1, epsilon: Number = 1e-6) -> Value:
        op = cls(x, axis_of(axis, x.type), fixed(epsilon, cls.name))
        return op.result if scale is None else mul(op.result, _of_axes("scale", scale, op))

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.x)
        return (self.x.type,)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(self.axis, self.x.type.rank))

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            size = np.float64(np.prod([x.shape[a] for a in self.axes]))
            return (wide / np.sqrt(np.sum(wide**2, axis=self.axes, keepdims=True) / size + self.epsilon)).astype(x.dtype)

    def expand(self) -> Value:
        square = Mean.make(mul(self.x, self.x), self.axes, keepdims=True)
        return div(self.x, sqrt(add(square, like(square, self.epsilon))))


class CrossEntropy(Tensor, name="cross_entropy"):
    """One value per example, -log_softmax(logits) at its label, or summed times its probabilities, along an axis.

    Labels are integers without that axis, or probabilities of the shape of logits.
    """

    logits: Value
    labels: Value
    axis: int
    what: str
    same = ("logits",)

    @classmethod
    def make(cls, logits: Value, labels: Value, axis: Axis = -1) -> Value:
        return cls(logits, labels, axis_of(axis, logits.type), told(labels, logits)).result

    @property
    def by_id(self) -> bool:
        return self.labels.type.dtype.is_integer

    @property
    def fails(self) -> bool:  # type: ignore[override]
        return self.by_id

    def infer(self) -> tuple[Type, ...]:
        floats(self.name, self.logits)
        x, y = self.logits.type, self.labels.type
        if not self.by_id and y.dtype is not x.dtype:
            help = f"convert them: `... as {x.dtype.value}`"
            raise OpError(f"labels of cross_entropy are integers or {x.dtype.value}, not {y}", help=help)
        self.assumes()
        return (Type(x.dtype, without(x, (self.axis,))),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        x, y = self.logits.type, self.labels.type
        wanted = without(x, (self.axis,)) if self.by_id else x.shape
        message = f"labels of cross_entropy are {Type(y.dtype, wanted)} beside logits {x}, not {y}"
        if len(wanted) != y.rank:
            raise OpError(message)
        return assumed_equal(list(zip(wanted, y.shape, strict=True)), message)

    def evaluate(self, logits: Array, labels: Array) -> Array:
        logs = log_softmax(logits, self.axis)
        with np.errstate(all="ignore"):
            if not self.by_id:
                return -np.sum(labels * logs, axis=self.axis).astype(logits.dtype)
            ids = np.expand_dims(in_range(self, labels, logits.shape[self.axis], self.what), self.axis)
            return -np.take_along_axis(logs, ids, self.axis).squeeze(self.axis).astype(logits.dtype)

    def expand(self) -> Value:
        logs = LogSoftmax(self.logits, self.axis).result
        if not self.by_id:
            return neg(Sum(mul(self.labels, logs), (self.axis,)).result)
        top = Max.make(self.logits, axis=self.axis, keepdims=True)
        spread = log(Sum(exp(sub(self.logits, top)), (self.axis,)).result)
        picked = TakeAlong(self.logits, unsqueeze(self.labels, self.axis), self.axis, self.what).result
        shape = self.result.type.shape
        return sub(spread, sub(reshape(picked, shape), reshape(top, shape)))


class Linear(Function, name="linear"):
    """x @ w + b"""

    @classmethod
    def make(cls, x: Value, w: Value, b: Value | None = None) -> Value:
        y = matmul(x, w)
        return y if b is None else add(y, b)
