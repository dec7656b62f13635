"""Activation functions of networks, elementwise; formals and defaults are those of torch.nn.functional."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Number, fixed
from flowc.ops.elementary import expm1, log1p
from flowc.ops.elementwise import absolute, add, div, greater, less_equal, maximum, minimum, mul, neg, sub, where
from flowc.ops.functions import Erf, Sigmoid, Tanh, exp
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.shape import reshape
from flowc.ops.signs import copysign
from flowc.ops.tensor import Array, like

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Relu(Elementwise, name="relu"):
    """max(x, 0); NaN stays."""

    x: Value
    exact = True

    @staticmethod
    def numpy(x: Array) -> Array:
        return np.where(x <= 0, np.zeros_like(x), x)

    def expand(self) -> Value:
        zero = like(self.x, 0)
        return where(less_equal(self.x, zero), zero, self.x)

    def gradient(self, g: Value) -> Cotangents:
        zero = like(g, 0)
        return (where(greater(self.result, zero), g, zero),)


class Gelu(Elementwise, name="gelu"):
    """x / 2 * (1 + erf(x / sqrt(2))); with "tanh" the approximation x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))."""

    x: Value
    approximate: str = "none"
    accepts = "f"

    def result_dtype(self) -> DType:
        if self.approximate not in ("none", "tanh"):
            raise OpError(f'gelu approximates by "none" or "tanh", not "{self.approximate}"')
        return super().result_dtype()

    def evaluate(self, *args: Any) -> Array:
        x = args[0].astype(np.float64)
        if self.approximate == "tanh":
            inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        else:
            inner = Erf.numpy(x / math.sqrt(2))
        with np.errstate(all="ignore"):
            return np.asarray(x / 2 * (1 + inner)).astype(args[0].dtype)

    def expand(self) -> Value:
        x, half, one = self.x, like(self.x, 0.5), like(self.x, 1)
        if self.approximate == "tanh":
            cubed = mul(like(x, 0.044715), mul(mul(x, x), x))
            inner = Tanh(mul(like(x, math.sqrt(2 / math.pi)), add(x, cubed))).result
        else:
            inner = Erf(mul(x, like(x, math.sqrt(0.5)))).result
        return mul(mul(x, half), add(one, inner))


class Silu(Elementwise, name="silu"):
    """x * sigmoid(x)"""

    x: Value
    aliases = ("swish",)
    accepts = "f"

    @staticmethod
    def numpy(x: Array) -> Array:
        return (x * Sigmoid.numpy(x.astype(np.float64))).astype(x.dtype)

    def expand(self) -> Value:
        return mul(self.x, Sigmoid(self.x).result)


class Relu6(Elementwise, name="relu6"):
    """min(max(x, 0), 6); its derivative at 0 and 6 is 0."""

    x: Value
    accepts = "f"
    exact = True

    @staticmethod
    def numpy(x: Array) -> Array:
        return np.minimum(np.where(x <= 0, np.zeros_like(x), x), x.dtype.type(6))

    def expand(self) -> Value:
        return minimum(relu(self.x), like(self.x, 6))

    def gradient(self, g: Value) -> Cotangents:
        return (_between(self.x, 0, 6, g),)


class Hardtanh(Elementwise, name="hardtanh"):
    """min(max(x, min_val), max_val); its derivative at the two is 0."""

    x: Value
    min_val: float = -1.0
    max_val: float = 1.0
    accepts = "f"

    @classmethod
    def make(cls, x: Value, min_val: Number = -1.0, max_val: Number = 1.0) -> Value:
        return cls(x, fixed(min_val, cls.name), fixed(max_val, cls.name)).result

    def result_dtype(self) -> DType:
        if not self.min_val <= self.max_val:
            raise OpError(f"hardtanh is from min_val to max_val, and {self.min_val:g} is above {self.max_val:g}")
        return super().result_dtype()

    def expand(self) -> Value:
        return minimum(maximum(self.x, like(self.x, self.min_val)), like(self.x, self.max_val))

    def gradient(self, g: Value) -> Cotangents:
        return (_between(self.x, self.min_val, self.max_val, g),)


class Hardsigmoid(Elementwise, name="hardsigmoid"):
    """relu6(x + 3) / 6"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return div(Relu6(add(self.x, like(self.x, 3))).result, like(self.x, 6))


class Hardswish(Elementwise, name="hardswish"):
    """x * hardsigmoid(x)"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return mul(self.x, Hardsigmoid(self.x).result)


class LeakyRelu(Elementwise, name="leaky_relu"):
    """x where it is above 0, else x * negative_slope."""

    x: Value
    negative_slope: float = 0.01
    accepts = "f"

    @classmethod
    def make(cls, x: Value, negative_slope: Number = 0.01) -> Value:
        return cls(x, fixed(negative_slope, cls.name)).result

    def expand(self) -> Value:
        return where(greater(self.x, like(self.x, 0)), self.x, mul(self.x, like(self.x, self.negative_slope)))


class Prelu(Elementwise, name="prelu"):
    """x where it is above 0, else x * weight; a weight for each channel is one along axis 1."""

    x: Value
    weight: Value
    accepts = "f"

    @classmethod
    def make(cls, x: Value, weight: Value) -> Value:
        return cls(x, _along_channels(weight, x.type)).result

    def expand(self) -> Value:
        return where(greater(self.x, like(self.x, 0)), self.x, mul(self.x, self.weight))


class Elu(Elementwise, name="elu"):
    """x where it is above 0, else alpha * (e^x - 1)."""

    x: Value
    alpha: float = 1.0
    accepts = "f"

    @classmethod
    def make(cls, x: Value, alpha: Number = 1.0) -> Value:
        return cls(x, fixed(alpha, cls.name)).result

    def expand(self) -> Value:
        return where(greater(self.x, like(self.x, 0)), self.x, mul(like(self.x, self.alpha), expm1(self.x)))

    def gradient(self, g: Value) -> Cotangents:
        """By the result, which has the sign of x where alpha is not negative."""
        sign = self.result if self.alpha >= 0 else self.x
        return (where(greater(sign, like(g, 0)), g, mul(g, add(self.result, like(g, self.alpha)))),)


class Selu(Elementwise, name="selu"):
    """1.0507 * elu(x, 1.67326), the constants in full as in Klambauer et al. (2017)."""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return mul(like(self.x, SELU_SCALE), Elu(self.x, SELU_ALPHA).result)


class Celu(Elementwise, name="celu"):
    """x where it is above 0, else alpha * (e^(x / alpha) - 1)."""

    x: Value
    alpha: float = 1.0
    accepts = "f"

    @classmethod
    def make(cls, x: Value, alpha: Number = 1.0) -> Value:
        return cls(x, fixed(alpha, cls.name)).result

    def result_dtype(self) -> DType:
        if not self.alpha:
            raise OpError("celu divides by alpha, which is 0")
        return super().result_dtype()

    def expand(self) -> Value:
        alpha = like(self.x, self.alpha)
        return where(greater(self.x, like(self.x, 0)), self.x, mul(alpha, expm1(div(self.x, alpha))))

    def gradient(self, g: Value) -> Cotangents:
        slope = add(div(self.result, like(g, self.alpha)), like(g, 1))
        return (where(greater(self.result, like(g, 0)), g, mul(g, slope)),)


class Softplus(Elementwise, name="softplus"):
    """log(1 + e^(beta * x)) / beta; x itself where beta * x is above the threshold."""

    x: Value
    beta: float = 1.0
    threshold: float = 20.0
    accepts = "f"

    @classmethod
    def make(cls, x: Value, beta: Number = 1.0, threshold: Number = 20.0) -> Value:
        return cls(x, fixed(beta, cls.name), fixed(threshold, cls.name)).result

    def result_dtype(self) -> DType:
        if not self.beta:
            raise OpError("softplus divides by beta, which is 0")
        return super().result_dtype()

    def expand(self) -> Value:
        scaled, zero = self._scaled(), like(self.x, 0)
        y = div(add(maximum(scaled, zero), log1p(exp(neg(absolute(scaled))))), like(self.x, self.beta))
        return where(greater(scaled, like(self.x, self.threshold)), self.x, y)

    def gradient(self, g: Value) -> Cotangents:
        scaled = self._scaled()
        return (where(greater(scaled, like(g, self.threshold)), g, mul(g, Sigmoid(scaled).result)),)

    def _scaled(self) -> Value:
        return mul(self.x, like(self.x, self.beta))


class Logsigmoid(Elementwise, name="logsigmoid"):
    """log(sigmoid(x)) = min(x, 0) - log1p(e^-|x|)"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return sub(minimum(self.x, like(self.x, 0)), log1p(exp(neg(absolute(self.x)))))

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Sigmoid(neg(self.x)).result),)


class Mish(Elementwise, name="mish"):
    """x * tanh(softplus(x))"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return mul(self.x, Tanh(Softplus(self.x).result).result)


class Softsign(Elementwise, name="softsign"):
    """x / (1 + |x|)"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return div(self.x, self._below())

    def gradient(self, g: Value) -> Cotangents:
        return (div(div(g, self._below()), self._below()),)

    def _below(self) -> Value:
        return add(absolute(self.x), like(self.x, 1))


class Tanhshrink(Elementwise, name="tanhshrink"):
    """x - tanh(x)"""

    x: Value
    accepts = "f"

    def expand(self) -> Value:
        return sub(self.x, Tanh(self.x).result)

    def gradient(self, g: Value) -> Cotangents:
        y = Tanh(self.x).result
        return (mul(g, mul(y, y)),)


class Shrink(Elementwise):
    """0 from -lambd to lambd."""

    x: Value
    lambd: float = 0.5
    accepts = "f"

    @classmethod
    def make(cls, x: Value, lambd: Number = 0.5) -> Value:
        return cls(x, fixed(lambd, cls.name)).result

    def result_dtype(self) -> DType:
        if not self.lambd >= 0:
            raise OpError(f"{self.name} brings to 0 what is within lambd of it, and lambd is {self.lambd:g}")
        return super().result_dtype()

    def outside(self, beyond: Value) -> Value:
        """0 within, `beyond` elsewhere."""
        return where(less_equal(absolute(self.x), like(self.x, self.lambd)), like(self.x, 0), beyond)


class Softshrink(Shrink, name="softshrink"):
    """x brought nearer to 0 by lambd; 0 from -lambd to lambd; NaN stays."""

    def expand(self) -> Value:
        return self.outside(sub(self.x, copysign(like(self.x, self.lambd), self.x)))


class Hardshrink(Shrink, name="hardshrink"):
    """x, but 0 from -lambd to lambd; NaN stays."""

    def expand(self) -> Value:
        return self.outside(self.x)


class Threshold(Elementwise, name="threshold"):
    """x where it is above the threshold, else value; NaN stays."""

    x: Value
    threshold: float
    value: float
    accepts = "f"

    @classmethod
    def make(cls, x: Value, threshold: Number, value: Number) -> Value:
        return cls(x, fixed(threshold, cls.name), fixed(value, cls.name)).result

    def expand(self) -> Value:
        return where(less_equal(self.x, like(self.x, self.threshold)), like(self.x, self.value), self.x)


def relu(x: Value) -> Value:
    return Relu(x).result


def _between(x: Value, low: float, high: float, g: Value) -> Value:
    """g where x is between the two, and NaN."""
    zero = like(g, 0)
    return where(less_equal(x, like(x, low)), zero, where(less_equal(like(x, high), x), zero, g))


def _along_channels(weight: Value, x: Type) -> Value:
    """The weights as a tensor that repeats along all axes of x but the second."""
    if weight.type.rank == 1 and x.rank > 1:
        return reshape(weight, (*weight.type.shape, *(1,) * (x.rank - 2)))
    if weight.type.rank not in (0, x.rank):
        raise OpError(f"prelu takes one weight, one for each channel, or one for each element of {x}, not {weight.type}")
    return weight
