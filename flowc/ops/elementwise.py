"""Arithmetic, comparison, logic and conversion, elementwise: the same op on tensors and, inside kernels, on scalars."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.narrow import in_f32, rounded
from flowc.ir.types import DType, Type
from flowc.ops.conversions import conversion
from flowc.ops.numerics import larger, saturated, smaller
from flowc.ops.pointwise import Code, Cotangents, Elementwise, integers
from flowc.ops.rounding import exact_fma
from flowc.ops.tensor import Array, like


class Add(Elementwise, name="add"):
    """x + y; integers wrap."""

    x: Value
    y: Value
    infix = "+"
    exact = True
    numpy = np.add
    llvm = {"f": ("fadd {t} {x}, {y}",), **integers("add {t} {x}, {y}")}

    def gradient(self, g: Value) -> Cotangents:
        return g, g


class Sub(Elementwise, name="subtract"):
    """x - y; integers wrap."""

    x: Value
    y: Value
    infix = "-"
    exact = True
    numpy = np.subtract
    llvm = {"f": ("fsub {t} {x}, {y}",), **integers("sub {t} {x}, {y}")}

    def gradient(self, g: Value) -> Cotangents:
        return g, neg(g)


class Mul(Elementwise, name="multiply"):
    """x * y; integers wrap."""

    x: Value
    y: Value
    infix = "*"
    exact = True
    numpy = np.multiply
    llvm = {"f": ("fmul {t} {x}, {y}",), **integers("mul {t} {x}, {y}")}

    def gradient(self, g: Value) -> Cotangents:
        return mul(g, self.y), mul(g, self.x)


class Div(Elementwise, name="divide"):
    """x / y of floats."""

    x: Value
    y: Value
    infix = "/"
    exact = True
    accepts = "f"
    numpy = np.divide
    llvm = {"f": ("fdiv {t} {x}, {y}",)}

    def infer(self) -> tuple[Type, ...]:
        if self.x.type.dtype == self.y.type.dtype and self.x.type.dtype.is_integer:
            help = "write // to round down, or convert: `x as f32 / y as f32`"
            raise OpError(f"/ of {self.x.type} and {self.y.type}: integers have no exact quotient", help=help)
        return super().infer()

    def gradient(self, g: Value) -> Cotangents:
        part = div(g, self.y)
        return part, neg(mul(part, self.result))


class Neg(Elementwise, name="negative"):
    """-x; integers wrap."""

    x: Value
    aliases = ("neg",)
    exact = True
    numpy = np.negative
    llvm = {"f": ("fneg {t} {x}",), **integers("sub {t} {t:0}, {x}")}

    def gradient(self, g: Value) -> Cotangents:
        return (neg(g),)


class Abs(Elementwise, name="abs"):
    """|x|; the least integer stays itself."""

    x: Value
    aliases = ("absolute",)
    exact = True
    numpy = np.abs
    llvm = {"f": ("call {t} @llvm.fabs.{s}({t} {x})",), "i": ("call {t} @llvm.abs.{s}({t} {x}, i1 false)",), "u": ("or {t} {x}, {x}",)}

    def gradient(self, g: Value) -> Cotangents:
        zero = like(g, 0)
        return (where(greater(self.x, zero), g, where(less(self.x, zero), neg(g), zero)),)


class Sqrt(Elementwise, name="sqrt"):
    """Square root, rounded correctly; NaN below 0."""

    x: Value
    accepts = "f"
    exact = True
    numpy = np.sqrt
    llvm = {"f": ("call {t} @llvm.sqrt.{s}({t} {x})",)}

    def gradient(self, g: Value) -> Cotangents:
        return (div(mul(g, like(g, 0.5)), self.result),)


class Fma(Elementwise, name="fma"):
    """x * y + z, rounded once."""

    x: Value
    y: Value
    z: Value
    public = False
    accepts = "f"
    exact = True
    numpy = exact_fma
    llvm = {"f": ("call {t} @llvm.fma.{s}({t} {x}, {t} {y}, {t} {z})",)}

    def gradient(self, g: Value) -> Cotangents:
        return mul(g, self.y), mul(g, self.x), g


class Maximum(Elementwise, name="maximum"):
    """The larger of the two; NaN where either is; +0 over -0."""

    x: Value
    y: Value
    exact = True
    accepts = "fiub"
    numpy = larger
    llvm = {
        "f": ("call {t} @llvm.maximum.{s}({t} {x}, {t} {y})",),
        "i": ("call {t} @llvm.smax.{s}({t} {x}, {t} {y})",),
        "u": ("call {t} @llvm.umax.{s}({t} {x}, {t} {y})",),
        "b": ("or {t} {x}, {y}",),
    }

    def gradient(self, g: Value) -> Cotangents:
        return share(g, less(self.x, self.y), equal(self.x, self.y)), share(g, less(self.y, self.x), equal(self.x, self.y))


class Minimum(Elementwise, name="minimum"):
    """The smaller of the two; NaN where either is; -0 under +0."""

    x: Value
    y: Value
    exact = True
    accepts = "fiub"
    numpy = smaller
    llvm = {
        "f": ("call {t} @llvm.minimum.{s}({t} {x}, {t} {y})",),
        "i": ("call {t} @llvm.smin.{s}({t} {x}, {t} {y})",),
        "u": ("call {t} @llvm.umin.{s}({t} {x}, {t} {y})",),
        "b": ("and {t} {x}, {y}",),
    }

    def gradient(self, g: Value) -> Cotangents:
        return share(g, greater(self.x, self.y), equal(self.x, self.y)), share(g, greater(self.y, self.x), equal(self.x, self.y))


class Compare(Elementwise):
    """A truth value for each pair of elements."""

    x: Value
    y: Value
    steps = True
    exact = True

    def result_dtype(self) -> DType:
        self.common_dtype(self.operands)
        return DType.bool


class Equal(Compare, name="equal"):
    """x == y; NaN equals nothing."""

    infix = "=="
    accepts = "fiub"
    numpy = np.equal
    llvm = {"f": ("fcmp oeq {t} {x}, {y}",), **integers("icmp eq {t} {x}, {y}"), "b": ("icmp eq {t} {x}, {y}",)}


class NotEqual(Compare, name="not_equal"):
    """x != y; NaN differs from everything."""

    infix = "!="
    accepts = "fiub"
    numpy = np.not_equal
    llvm = {"f": ("fcmp une {t} {x}, {y}",), **integers("icmp ne {t} {x}, {y}"), "b": ("xor {t} {x}, {y}",)}


class Less(Compare, name="less"):
    """x < y; false where either is NaN."""

    infix = "<"
    numpy = np.less
    llvm = {"f": ("fcmp olt {t} {x}, {y}",), "i": ("icmp slt {t} {x}, {y}",), "u": ("icmp ult {t} {x}, {y}",)}


class LessEqual(Compare, name="less_equal"):
    """x <= y; false where either is NaN."""

    infix = "<="
    numpy = np.less_equal
    llvm = {"f": ("fcmp ole {t} {x}, {y}",), "i": ("icmp sle {t} {x}, {y}",), "u": ("icmp ule {t} {x}, {y}",)}


class Greater(Compare, name="greater"):
    """x > y; false where either is NaN."""

    infix = ">"
    numpy = np.greater
    llvm = {"f": ("fcmp ogt {t} {x}, {y}",), "i": ("icmp sgt {t} {x}, {y}",), "u": ("icmp ugt {t} {x}, {y}",)}


class GreaterEqual(Compare, name="greater_equal"):
    """x >= y; false where either is NaN."""

    infix = ">="
    numpy = np.greater_equal
    llvm = {"f": ("fcmp oge {t} {x}, {y}",), "i": ("icmp sge {t} {x}, {y}",), "u": ("icmp uge {t} {x}, {y}",)}


class And(Elementwise, name="logical_and"):
    """x && y."""

    x: Value
    y: Value
    infix = "&&"
    accepts = "b"
    exact = True
    numpy = np.logical_and
    llvm = {"b": ("and {t} {x}, {y}",)}


class Or(Elementwise, name="logical_or"):
    """x || y."""

    x: Value
    y: Value
    infix = "||"
    accepts = "b"
    exact = True
    numpy = np.logical_or
    llvm = {"b": ("or {t} {x}, {y}",)}


class Not(Elementwise, name="logical_not"):
    """!x."""

    x: Value
    accepts = "b"
    exact = True
    numpy = np.logical_not
    llvm = {"b": ("xor {t} {x}, {t:1}",)}


class Where(Elementwise, name="where"):
    """x where the condition holds, else y."""

    condition: Value
    x: Value
    y: Value
    same = ("x", "y")
    accepts = "fiub"
    exact = True
    narrow = True
    numpy = np.where
    llvm = {k: ("select {b} {condition}, {t} {x}, {t} {y}",) for k in "fiub"}

    def result_dtype(self) -> DType:
        if self.condition.type.dtype is not DType.bool:
            raise OpError(f"the condition of where is bool, not {self.condition.type}")
        return self.common_dtype((self.x, self.y))

    def gradient(self, g: Value) -> Cotangents:
        zero = like(g, 0)
        return None, where(self.condition, g, zero), where(self.condition, zero, g)


class Cast(Elementwise, name="cast"):
    """x in another dtype: floats truncate and saturate to integers with NaN 0, integers wrap, bool is x != 0."""

    x: Value
    dtype: DType
    public = False
    accepts = "fiub"
    exact = True

    def result_dtype(self) -> DType:
        return self.dtype

    def evaluate(self, *args: Any) -> Array:
        source = self.x.type.dtype
        x = in_f32(np.asarray(args[0]), source) if source.is_narrow else np.asarray(args[0])
        if self.dtype is DType.bool:
            return x != 0
        if self.dtype.is_narrow:
            return rounded(x if x.dtype.kind == "f" else x.astype(np.float64), self.dtype)
        if x.dtype.kind == "f" and self.dtype.is_integer:
            return saturated(x, self.dtype)
        with np.errstate(all="ignore"):
            return x.astype(self.dtype.numpy)

    def code(self) -> Code:
        return conversion(self.x.type.dtype, self.dtype)

    def gradient(self, g: Value) -> Cotangents:
        return (cast(g, self.x.type.dtype) if self.x.type.dtype.is_float else None,)


class Bitcast(Elementwise, name="bitcast"):
    """The bits of x as another dtype of the same width."""

    x: Value
    dtype: DType
    public = False
    exact = True
    narrow = True

    def result_dtype(self) -> DType:
        return self.dtype

    def evaluate(self, *args: Any) -> Array:
        return np.asarray(args[0]).view(self.dtype.numpy)

    def code(self) -> Code:
        return ("bitcast {t} {x} to {r}",)

    def gradient(self, g: Value) -> Cotangents:
        return (None,)


class StopGradient(Elementwise, name="stop_gradient"):
    """x, which counts as a constant where a derivative is taken."""

    x: Value
    theme = "Derivatives"
    accepts = "fiub"
    exact = True
    numpy = np.asarray

    def expand(self) -> Value:
        return self.x

    def gradient(self, g: Value) -> Cotangents:
        return (None,)


def add(x: Value, y: Value) -> Value:
    return Add(x, y).result


def sub(x: Value, y: Value) -> Value:
    return Sub(x, y).result


def mul(x: Value, y: Value) -> Value:
    return Mul(x, y).result


def div(x: Value, y: Value) -> Value:
    return Div(x, y).result


def neg(x: Value) -> Value:
    return Neg(x).result


def fma(x: Value, y: Value, z: Value) -> Value:
    return Fma(x, y, z).result


def sqrt(x: Value) -> Value:
    return Sqrt(x).result


def absolute(x: Value) -> Value:
    return Abs(x).result


def maximum(x: Value, y: Value) -> Value:
    return Maximum(x, y).result


def minimum(x: Value, y: Value) -> Value:
    return Minimum(x, y).result


def less(x: Value, y: Value) -> Value:
    return Less(x, y).result


def less_equal(x: Value, y: Value) -> Value:
    return LessEqual(x, y).result


def equal(x: Value, y: Value) -> Value:
    return Equal(x, y).result


def not_equal(x: Value, y: Value) -> Value:
    return NotEqual(x, y).result


def greater(x: Value, y: Value) -> Value:
    return Greater(x, y).result


def greater_equal(x: Value, y: Value) -> Value:
    return GreaterEqual(x, y).result


def logical_and(x: Value, y: Value) -> Value:
    return And(x, y).result


def logical_or(x: Value, y: Value) -> Value:
    return Or(x, y).result


def where(condition: Value, x: Value, y: Value) -> Value:
    return Where(condition, x, y).result


def share(g: Value, loses: Value, ties: Value) -> Value:
    """The cotangent of one of two operands that compete: none where it loses, half at a tie."""
    return where(loses, like(g, 0), where(ties, mul(g, like(g, 0.5)), g))


def cast(x: Value, dtype: DType) -> Value:
    return x if x.type.dtype is dtype else Cast(x, dtype).result


def bitcast(x: Value, dtype: DType) -> Value:
    return Bitcast(x, dtype).result
