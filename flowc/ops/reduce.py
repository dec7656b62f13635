"""Reductions over axes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from flowc.errors import Diagnostic, OpError, RunError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, dim, product
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axes, Axis, Number, fixed
from flowc.ops.elementwise import StopGradient, absolute, add, cast, div, equal, maximum, mul, not_equal, sqrt, sub, where
from flowc.ops.functions import exp, finite, log
from flowc.ops.kernel import Checked, fold
from flowc.ops.pointwise import Cotangents
from flowc.ops.powers import power
from flowc.ops.shape import axes_of, reshape
from flowc.ops.tensor import Array, Function, SizeValue, Tensor, like, read


class Fold(Tensor):
    """A reduction over `axis`, whose axes leave the result."""

    x: Value
    axis: tuple[int, ...]
    by: ClassVar[str]

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.result_dtype(), without(self.x.type, self.axis)),)

    def result_dtype(self) -> DType:
        return self.x.type.dtype

    def at(self, *i: Dim) -> Value:
        def term(*ks: Dim) -> Value:
            outer, inner = iter(i), iter(ks)
            return read(self.x, *(next(inner) if a in self.axis else next(outer) for a in range(self.x.type.rank)))

        return fold(self.by, tuple(self.x.type.shape[a] for a in self.axis), term)


class Folded(Fold):
    """A reduction over axes, all where left out."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)


def without(type: Type, axes: tuple[int, ...]) -> tuple[Dim, ...]:
    return tuple(n for a, n in enumerate(type.shape) if a not in axes)


def kept(result: Value, x: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    """The result with the reduced axes of x as length 1, where asked."""
    return reshape(result, tuple(1 if a in axes else n for a, n in enumerate(x.type.shape))) if keepdims else result


class Sum(Folded, name="sum"):
    """The sum over axes, all where left out; integers wrap, bool counts in i64; of nothing 0.

    64 lanes (lane = row-major position modulo 64), each in order, then the tree 32, 16, 8, 4, 2, 1;
    above 65,536 elements in blocks of that size, combined in order.
    """

    by = "sum"

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        return super().make(counted(x), axis, keepdims)

    def infer(self) -> tuple[Type, ...]:
        return arithmetic(self)

    def evaluate(self, x: Array) -> Array:
        return np.sum(x, axis=self.axis, dtype=x.dtype)


class Prod(Folded, name="prod"):
    """The product over axes, all where left out, in the order of `sum`; integers wrap, bool in i64; of nothing 1."""

    by = "prod"

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        return super().make(counted(x), axis, keepdims)

    def infer(self) -> tuple[Type, ...]:
        return arithmetic(self)

    def evaluate(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.prod(x, axis=self.axis, dtype=x.dtype)

    def gradient(self, g: Value) -> Cotangents:
        return (mul(kept(g, self.x, self.axis, True), products_of_others(self.x, self.axis)),)


def products_of_others(x: Value, axes: tuple[int, ...]) -> Value:
    """At each element the product of all others over the axes: that of those which are not 0, divided by the element, where no other is 0.

    Written so that its own derivative is right too, with zeros in x: z is their sum, of which two leave one when the other is taken.
    """
    zero, one, none = equal(x, like(x, 0)), like(x, 1), like(x, 0)

    def over(fold: type[Fold], terms: Value) -> Value:
        return kept(fold(terms, axes).result, x, axes, True)

    zeros, z = over(Sum, where(zero, one, none)), over(Sum, where(zero, x, none))
    p = over(Prod, where(zero, one, x))
    rest = div(p, where(zero, one, x))
    at_zero = where(equal(zeros, one), p, where(equal(zeros, like(x, 2)), mul(sub(z, x), p), none))
    elsewhere = where(equal(zeros, none), rest, where(equal(zeros, one), mul(z, rest), none))
    return where(zero, at_zero, elsewhere)


def counted(x: Value) -> Value:
    """x, or the i64 that its truth values count as."""
    return cast(x, DType.i64) if x.type.dtype is DType.bool else x


def arithmetic(op: Fold) -> tuple[Type, ...]:
    if op.x.type.dtype is DType.bool:
        raise OpError(f"{op.name} of {op.x.type}: bool counts as i64", help="convert first: `... as i64`")
    return Fold.infer(op)


class Extreme(Fold):
    """The largest or smallest; `max(x, y)` compares sizes, so the axis is said by name."""

    exact = True

    @classmethod
    def make(cls, x: Value, *, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)


class Max(Extreme, name="max"):
    """The largest over axes; NaN once one is seen; +0 over -0; of nothing -inf, or the least integer."""

    by = "max"

    def evaluate(self, x: Array) -> Array:
        return extreme(x, self.axis, self.x.type.dtype, largest=True)


class Min(Extreme, name="min"):
    """The smallest over axes; NaN once one is seen; -0 under +0; of nothing inf, or the greatest integer."""

    by = "min"

    def evaluate(self, x: Array) -> Array:
        return extreme(x, self.axis, self.x.type.dtype, largest=False)


def extreme(x: Array, axis: tuple[int, ...], dtype: DType, largest: bool) -> Array:
    """np.max or np.min with a start, and with -0 under +0."""
    start = limits(dtype)[0 if largest else 1]
    found = np.asarray((np.max if largest else np.min)(x, axis=axis, initial=start))
    if x.dtype.kind != "f":
        return found
    wanted = (x == 0) & (np.signbit(x) != largest)  # a zero of the sign that wins
    sign = np.where(np.any(wanted, axis=axis), 0.0 if largest else -0.0, -0.0 if largest else 0.0)
    return np.where(found == 0, sign, found).astype(x.dtype)


def limits(dtype: DType) -> tuple[Any, Any]:
    """The least and the greatest element."""
    if dtype is DType.bool:
        return False, True
    return (-np.inf, np.inf) if dtype.is_float else dtype.limits()


class Logical(Folded):
    """A reduction of truth values."""

    exact = True

    def infer(self) -> tuple[Type, ...]:
        if self.x.type.dtype is not DType.bool:
            raise OpError(f"{self.name} takes bool, not {self.x.type}", help="compare first: `x != 0`")
        return super().infer()


class Any_(Logical, name="any"):
    """Whether one over the axes is true; of nothing false."""

    by = "any"

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.any(x, axis=self.axis))


class All(Logical, name="all"):
    """Whether each over the axes is true; of nothing true."""

    by = "all"

    def evaluate(self, x: Array) -> Array:
        return np.asarray(np.all(x, axis=self.axis))


class ArgFold(Fold):
    """The i64 position of an element along one axis, or row-major over all; of nothing the run ends."""

    exact = True

    @classmethod
    def make(cls, x: Value, axis: Axis | None = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)

    @property
    def extent(self) -> Dim:
        return product(self.x.type.shape[a] for a in self.axis)

    @property
    def fails(self) -> bool:  # type: ignore[override]
        return not at_least(self.extent, 1)

    def result_dtype(self) -> DType:
        return DType.i64

    def at(self, *i: Dim) -> Value:
        position = super().at(*i)
        if not self.fails:
            return position
        known = Checked(position, (self.extent,), f"{self.name} of nothing").results[0]
        return SizeValue((dim(known),), Type(DType.i64)).result

    def evaluate(self, x: Array) -> Array:
        rest = [a for a in range(x.ndim) if a not in self.axis]
        outer, extent = tuple(x.shape[a] for a in rest), int(count(x, self.axis))
        if not extent:
            return nowhere(self, outer)
        flat = np.transpose(x, (*rest, *self.axis)).reshape(*outer, extent)
        return np.asarray(self.position(flat), np.int64)

    def position(self, flat: Array) -> Array:
        raise NotImplementedError


def nowhere(op: ArgFold, shape: tuple[int, ...]) -> Array:
    """No positions at all, or an end of the run."""
    if 0 not in shape:
        message = f"index out of range: {op.name} of nothing: -1 of 0"
        raise RunError((Diagnostic(message, op.location),), 2, 0, -1, 0)
    return np.zeros(shape, np.int64)


class ArgMax(ArgFold, name="argmax"):
    """The position of the first largest element, of the first NaN where there is one."""

    by = "argmax"

    def position(self, flat: Array) -> Array:
        return np.argmax(flat, axis=-1)


class ArgMin(ArgFold, name="argmin"):
    """The position of the first smallest element, of the first NaN where there is one."""

    by = "argmin"

    def position(self, flat: Array) -> Array:
        return np.argmin(flat, axis=-1)


class OfFloats(Tensor):
    """A statistic of floats over axes, said by other ops."""

    x: Value
    axis: tuple[int, ...]

    def infer(self) -> tuple[Type, ...]:
        if not self.x.type.dtype.is_float:
            raise OpError(f"{self.name} takes floats, not {self.x.type}", help=f"convert first: `{self.name}(x as f32)`")
        return (Type(self.x.type.dtype, without(self.x.type, self.axis)),)


class Mean(OfFloats, name="mean"):
    """The sum over axes divided by their size; NaN of nothing."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)

    def evaluate(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.sum(x, axis=self.axis, dtype=np.float64) / count(x, self.axis)).astype(x.dtype)

    def expand(self) -> Value:
        return div(Sum(self.x, self.axis).result, size_value(self.x, self.axis))


class Var(OfFloats, name="var"):
    """The sum of (x - mean)^2 over axes divided by their size less `correction`."""

    correction: float = 0.0

    @classmethod
    def make(cls, x: Value, axis: Axes = None, correction: Number = 0, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes, fixed(correction, cls.name)).result, x, axes, keepdims)

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            mean = np.sum(wide, axis=self.axis, keepdims=True) / count(x, self.axis)
            return np.asarray(np.sum((wide - mean) ** 2, axis=self.axis) / (count(x, self.axis) - self.correction)).astype(x.dtype)

    def expand(self) -> Value:
        centred = sub(self.x, Mean.make(self.x, self.axis, keepdims=True))
        size = size_value(self.x, self.axis)
        if self.correction:
            size = sub(size, like(self.x, self.correction))
        return div(Sum(mul(centred, centred), self.axis).result, size)

    def gradient(self, g: Value) -> Cotangents:
        """2 (x - mean) / (n - correction): what goes by way of the mean sums to 0."""
        centred = sub(self.x, Mean.make(self.x, self.axis, keepdims=True))
        size = size_value(self.x, self.axis)
        if self.correction:
            size = sub(size, like(self.x, self.correction))
        return (mul(centred, kept(div(mul(like(self.x, 2), g), size), self.x, self.axis, True)),)


class Std(OfFloats, name="std"):
    """The square root of `var`."""

    correction: float = 0.0

    @classmethod
    def make(cls, x: Value, axis: Axes = None, correction: Number = 0, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes, fixed(correction, cls.name)).result, x, axes, keepdims)

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            mean = np.sum(wide, axis=self.axis, keepdims=True) / count(x, self.axis)
            var = np.sum((wide - mean) ** 2, axis=self.axis) / (count(x, self.axis) - self.correction)
            return np.asarray(np.sqrt(var)).astype(x.dtype)

    def expand(self) -> Value:
        return root(Var(self.x, self.axis, self.correction).result)


def root(x: Value) -> Value:
    """The square root, whose derivative is 0 at 0."""
    zero = equal(x, like(x, 0))
    return where(zero, like(x, 0), sqrt(where(zero, like(x, 1), x)))


class LogSumExp(OfFloats, name="logsumexp"):
    """log(sum(e^x)) over axes, from the largest: m + log(sum(e^(x - m))); -inf of nothing."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes).result, x, axes, keepdims)

    def evaluate(self, x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            top = np.max(wide, axis=self.axis, keepdims=True, initial=-np.inf)
            shift = np.where(np.isfinite(top), top, 0)
            total = np.log(np.sum(np.exp(wide - shift), axis=self.axis))
            return np.asarray(np.reshape(shift, total.shape) + total).astype(x.dtype)

    def expand(self) -> Value:
        shift = StopGradient(finite(Max(self.x, self.axis).result)).result
        spread = kept(shift, self.x, self.axis, True)
        return add(shift, log(Sum(exp(sub(self.x, spread)), self.axis).result))

    def gradient(self, g: Value) -> Cotangents:
        """softmax(x); 0 where all is -inf."""
        nothing = equal(self.result, like(self.result, -np.inf))
        total = kept(where(nothing, like(self.result, 0), self.result), self.x, self.axis, True)
        return (mul(kept(g, self.x, self.axis, True), exp(sub(self.x, total))),)


class Norm(OfFloats, name="norm"):
    """sum(|x|^ord)^(1 / ord) over axes, all where left out; inf and -inf the largest and least |x|, 0 how many are not 0.

    Sums in the order of `sum`; the order 2 is sqrt(sum(x^2)).  Of nothing 0, inf for an order below 0.
    The derivative is 0 where the norm is, and by elements that are 0.
    """

    ord: float

    @classmethod
    def make(cls, x: Value, ord: Number = 2, axis: Axes = None, keepdims: bool = False) -> Value:
        axes = axes_of(axis, x.type)
        return kept(cls(x, axes, fixed(ord, cls.name)).result, x, axes, keepdims)

    def infer(self) -> tuple[Type, ...]:
        if np.isnan(self.ord):
            raise OpError(f"norm of {self.x.type} has no order nan")
        return super().infer()

    def evaluate(self, x: Array) -> Array:
        sizes = np.abs(x)
        if np.isinf(self.ord):
            return np.max(sizes, axis=self.axis, initial=0) if self.ord > 0 else np.min(sizes, axis=self.axis, initial=np.inf)
        with np.errstate(all="ignore"):
            match self.ord:
                case 0:
                    return np.asarray(np.count_nonzero(x, axis=self.axis)).astype(x.dtype)
                case 1:
                    return np.sum(sizes, axis=self.axis)
                case 2:
                    return np.sqrt(np.sum(sizes * sizes, axis=self.axis))
                case p:
                    return np.asarray(np.sum(sizes.astype(np.float64) ** p, axis=self.axis) ** (1 / p)).astype(x.dtype)

    def expand(self) -> Value:
        x, sizes = self.x, absolute(self.x)
        if np.isinf(self.ord):
            return maximum(Max(sizes, self.axis).result, like(x, 0)) if self.ord > 0 else Min(sizes, self.axis).result
        match self.ord:
            case 0:
                return Sum(cast(not_equal(x, like(x, 0)), x.type.dtype), self.axis).result
            case 1:
                return Sum(sizes, self.axis).result
            case 2:
                return root(Sum(mul(x, x), self.axis).result)
            case p:
                return powered(Sum(powered(sizes, p), self.axis).result, 1 / p)


def powered(x: Value, p: float) -> Value:
    """x to the power p of an x that is not negative; the derivative is 0 at 0."""
    zero = equal(x, like(x, 0))
    return where(zero, like(x, 0 if p > 0 else np.inf), power(where(zero, like(x, 1), x), like(x, p)))


class CountNonzero(Function, name="count_nonzero"):
    """How many elements over the axes are not 0, in i64."""

    @classmethod
    def make(cls, x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
        return Sum.make(not_equal(x, like(x, 0)), axis, keepdims)


def count(x: Array, axis: tuple[int, ...]) -> np.float64:
    return np.float64(np.prod([x.shape[a] for a in axis]))


def size_value(x: Value, axes: tuple[int, ...]) -> Value:
    """How many elements the axes have, as a scalar of x's dtype."""
    return SizeValue((product(x.type.shape[a] for a in axes),), x.type.element).result
