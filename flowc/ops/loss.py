"""Losses: one value for each example, which are labels in cross_entropy and nll_loss, and elements in the others; reduce them yourself."""

from __future__ import annotations

import math

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, dim
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis, Number, fixed
from flowc.ops.define import define
from flowc.ops.elementwise import absolute, add, div, equal, less, maximum, mul, neg, sub, where
from flowc.ops.functions import exp, log
from flowc.ops.index import TakeAlong, in_range, told
from flowc.ops.kernel import Checked, Inside, axes
from flowc.ops.nn import LogSoftmax, Softmax, floats, log_softmax, top
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.reduce import Sum, without
from flowc.ops.shape import axis_of, reshape, unsqueeze
from flowc.ops.tensor import Array, Function, Read, Tensor, assumed_equal, like


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
        largest = top(self.logits, self.axis)
        spread = log(Sum(exp(sub(self.logits, largest)), (self.axis,)).result)
        picked = TakeAlong(self.logits, unsqueeze(self.labels, self.axis), self.axis, self.what).result
        shape = self.result.type.shape
        return sub(spread, sub(reshape(picked, shape), reshape(largest, shape)))

    def gradient(self, g: Value) -> Cotangents:
        if self.by_id:
            return self.by_label(g), None
        spread, axis = unsqueeze(g, self.axis), self.axis
        chances = mul(Softmax(self.logits, axis).result, Sum.make(self.labels, axis, keepdims=True))
        return mul(spread, sub(chances, self.labels)), neg(mul(spread, LogSoftmax(self.logits, axis).result))

    def by_label(self, g: Value) -> Value:
        """(softmax - 1 at the label) * g, without a tensor of those ones."""
        own = axes(self.logits.type.shape)
        i = tuple(map(dim, own))
        example = (*i[: self.axis], *i[self.axis + 1 :])
        bound = self.logits.type.shape[self.axis]
        label = dim(Checked(Read(self.labels, example).result, (bound,), self.what).results[0])
        here = Inside((i[self.axis] - label, label - i[self.axis])).result
        chance = Read(Softmax(self.logits, self.axis).result, i).result
        return define(own, mul(sub(chance, where(here, like(g, 1), like(g, 0))), Read(g, example).result))


class NllLoss(Function, name="nll_loss"):
    """-x at the label, for x logarithms of probabilities along an axis and integer labels without that axis."""

    same = ("x",)

    @classmethod
    def make(cls, x: Value, labels: Value, axis: Axis = -1) -> Value:
        floats(cls.name, x)
        a = axis_of(axis, x.type)
        wanted = Type(labels.type.dtype, without(x.type, (a,)))
        message = f"labels of nll_loss are {wanted} beside {x.type}, not {labels.type}"
        if not labels.type.dtype.is_integer:
            raise OpError(f"labels of nll_loss are integers, not {labels.type}")
        if labels.type.rank != wanted.rank:
            raise OpError(message)
        assumed_equal(list(zip(wanted.shape, labels.type.shape, strict=True)), message)
        picked = TakeAlong(x, unsqueeze(labels, a), a, told(labels, x)).result
        return neg(reshape(picked, wanted.shape))


class Loss(Elementwise):
    """A loss of each element of x and its target, both of one shape; a scalar target is that of all."""

    x: Value
    target: Value
    accepts = "f"

    @classmethod
    def make(cls, x: Value, target: Value) -> Value:
        alike(cls.name, x.type, target.type)
        return cls(x, target).result


def alike(name: str, x: Type, target: Type) -> None:
    """Raises `OpError` where a target would repeat: a column beside a row is a mistake that no result shows."""
    message = f"{name} is of tensors of one shape, not {x} and {target}"
    if not target.rank:
        return
    if x.rank != target.rank or any((n == 1) != (m == 1) for n, m in zip(x.shape, target.shape, strict=True)):
        raise OpError(message, help="reshape one, or repeat it: `broadcast_to(target, shape)`")
    assumed_equal(list(zip(x.shape, target.shape, strict=True)), message)


class MseLoss(Loss, name="mse_loss"):
    """(x - target)^2"""

    exact = True

    @staticmethod
    def numpy(x: Array, target: Array) -> Array:
        return np.square(x - target)

    def expand(self) -> Value:
        d = sub(self.x, self.target)
        return mul(d, d)


class L1Loss(Loss, name="l1_loss"):
    """|x - target|"""

    exact = True

    @staticmethod
    def numpy(x: Array, target: Array) -> Array:
        return np.abs(x - target)

    def expand(self) -> Value:
        return absolute(sub(self.x, self.target))


class SmoothL1Loss(Loss, name="smooth_l1_loss"):
    """d^2 * (0.5 / beta) where |d| < beta, else |d| - 0.5 * beta, with d = x - target (Girshick 2015)."""

    beta: float = 1.0

    @classmethod
    def make(cls, x: Value, target: Value, beta: Number = 1.0) -> Value:
        alike(cls.name, x.type, target.type)
        return cls(x, target, fixed(beta, cls.name)).result

    def result_dtype(self) -> DType:
        if not 0 <= self.beta < math.inf:
            raise OpError(f"beta of smooth_l1_loss is a finite number from 0, not {self.beta:g}")
        return super().result_dtype()

    def evaluate(self, *args: Array) -> Array:
        x, target = (a.astype(np.float64) for a in args)
        with np.errstate(all="ignore"):
            d = np.abs(x - target)
            return np.where(d < self.beta, d * d * (0.5 / (self.beta or 1.0)), d - 0.5 * self.beta).astype(args[0].dtype)

    def expand(self) -> Value:
        d = sub(self.x, self.target)
        if self.beta == 0:
            return absolute(d)
        near = mul(mul(d, d), like(d, 0.5 / self.beta))
        far = sub(absolute(d), like(d, 0.5 * self.beta))
        return where(less(absolute(d), like(d, self.beta)), near, far)


class BinaryCrossEntropy(Loss, name="binary_cross_entropy"):
    """-(target * log(x) + (1 - target) * log(1 - x)), each logarithm at least -100; x is a probability."""

    LEAST = -100.0  # of a logarithm, so that a probability of 0 has a finite loss
    CLOSEST = 1e-12  # what x * (1 - x) is at least in the derivative

    def evaluate(self, *args: Array) -> Array:
        x, target = (a.astype(np.float64) for a in args)
        with np.errstate(all="ignore"):
            yes, no = np.maximum(np.log(x), self.LEAST), np.maximum(np.log(1 - x), self.LEAST)
            return np.asarray(-(target * yes + (1 - target) * no), args[0].dtype)

    def logs(self) -> tuple[Value, Value]:
        least = like(self.x, self.LEAST)
        return maximum(log(self.x), least), maximum(log(sub(like(self.x, 1), self.x)), least)

    def expand(self) -> Value:
        yes, no = self.logs()
        return neg(add(mul(self.target, yes), mul(sub(like(self.x, 1), self.target), no)))

    def gradient(self, g: Value) -> Cotangents:
        x, (yes, no) = self.x, self.logs()
        spread = maximum(mul(sub(like(x, 1), x), x), like(x, self.CLOSEST))
        return mul(g, div(sub(x, self.target), spread)), mul(g, sub(no, yes))


class KlDiv(Loss, name="kl_div"):
    """target * (log(target) - x), and 0 where the target is 0, for x the logarithms of probabilities."""

    def evaluate(self, *args: Array) -> Array:
        x, target = (a.astype(np.float64) for a in args)
        with np.errstate(all="ignore"):
            return np.asarray(np.where(target == 0, 0.0, target * (np.log(target) - x)), args[0].dtype)

    def expand(self) -> Value:
        target = self.target
        nothing = equal(target, like(target, 0))  # where the logarithm has no derivative
        some = where(nothing, like(target, 1), target)
        return where(nothing, like(target, 0), mul(some, sub(log(some), self.x)))
