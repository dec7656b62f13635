"""Special functions, elementwise: the complement of the error function, and the gamma function's; what they are on scalars is in math/."""

from __future__ import annotations

import math

import numpy as np

from flowc.ir.core import Value
from flowc.ops import math as scalars
from flowc.ops.elementwise import mul, neg
from flowc.ops.functions import Mathematical, exp
from flowc.ops.pointwise import Cotangents, Elementwise
from flowc.ops.tensor import like


class Erfc(Mathematical, name="erfc"):
    """1 - erf(x), exact to the last places where that is small too."""

    x: Value
    own = scalars.erfc
    numpy = np.vectorize(math.erfc, otypes=[np.float64])

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, mul(like(g, -2 / math.sqrt(math.pi)), exp(neg(mul(self.x, self.x))))),)


class Lgamma(Elementwise, name="lgamma"):
    """The logarithm of |gamma(x)|; infinite for 0 and the negative integers."""

    x: Value
    accepts = "f"
    costly = True

    def scalar(self) -> Value:
        return scalars.lgamma(self.x)

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Digamma(self.x).result),)


class Digamma(Elementwise, name="digamma"):
    """The derivative of lgamma; NaN for the negative integers, -inf for 0 and inf for -0."""

    x: Value
    accepts = "f"
    costly = True

    def scalar(self) -> Value:
        return scalars.digamma(self.x)

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Polygamma(self.x, 1).result),)


class Polygamma(Elementwise, name="polygamma"):
    """The derivative of digamma of this order, 1 or more."""

    x: Value
    order: int
    public = False
    accepts = "f"
    costly = True

    def scalar(self) -> Value:
        return scalars.polygamma(self.order, self.x)

    def gradient(self, g: Value) -> Cotangents:
        return (mul(g, Polygamma(self.x, self.order + 1).result),)
