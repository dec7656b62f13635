"""Tensors from nothing: of one number, of counts, of ones in places."""

from __future__ import annotations

import math

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.data import Scalar
from flowc.ir.dims import Dim, Polynomial, ceil, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Axis, Number, Shape, Size, Weak
from flowc.ops.elementwise import add, cast, equal, greater_equal, less_equal, mul, where
from flowc.ops.literal import literal, weak_dtype, weak_text
from flowc.ops.shape import axis_of, broadcast_to, unsqueeze
from flowc.ops.slicing import greatest
from flowc.ops.tensor import Array, Constant, Function, SizeValue, Tensor, like, number


def full(shape: tuple[Dim, ...], value: Value) -> Value:
    """The scalar in every place of a shape."""
    known = number(value)
    if known is None or value.type.rank:
        return broadcast_to(value, shape)
    return Constant(Scalar.of(known, value.type.dtype), Type(value.type.dtype, shape)).result


class Zeros(Function, name="zeros"):
    """0 in every place."""

    @classmethod
    def make(cls, shape: Shape, dtype: DType = DType.f32) -> Value:
        return full(shape, _number(0, dtype))


class Ones(Function, name="ones"):
    """1 in every place."""

    @classmethod
    def make(cls, shape: Shape, dtype: DType = DType.f32) -> Value:
        return full(shape, _number(1, dtype))


def _number(value: int, dtype: DType) -> Value:
    return literal(bool(value) if dtype is DType.bool else value, dtype)


class Full(Function, name="full"):
    """A scalar in every place, in `dtype` or its own."""

    same = ("value", "dtype")

    @classmethod
    def make(cls, shape: Shape, value: Value, dtype: DType | None = None) -> Value:
        if value.type.rank:
            raise OpError(f"full repeats a scalar, not {value.type}", help="write broadcast_to")
        return full(shape, value if dtype is None else cast(value, dtype))


class ZerosLike(Function, name="zeros_like"):
    """0 in every place of the shape and dtype of x."""

    @classmethod
    def make(cls, x: Value) -> Value:
        return full(x.type.shape, _number(0, x.type.dtype))


class OnesLike(Function, name="ones_like"):
    """1 in every place of the shape and dtype of x."""

    @classmethod
    def make(cls, x: Value) -> Value:
        return full(x.type.shape, _number(1, x.type.dtype))


class FullLike(Function, name="full_like"):
    """A scalar in every place of the shape of x, in its dtype."""

    @classmethod
    def make(cls, x: Value, value: Value) -> Value:
        return full(x.type.shape, value)


class Iota(Tensor, name="iota"):
    """`result[..., i, ...] = i` along one axis."""

    axis: int
    type: Type
    moves = True
    exact = True

    @classmethod
    def make(cls, shape: Shape, axis: Axis = 0, dtype: DType = DType.i64) -> Value:
        type = Type(dtype, shape)
        return cls(axis_of(axis, type), type).result

    def infer(self) -> tuple[Type, ...]:
        if not (self.type.dtype.is_integer or self.type.dtype.is_float):
            raise OpError(f"iota counts in integers or floats, not {self.type.dtype.value}")
        return (self.type,)

    def evaluate(self) -> Array:
        shape = [d if isinstance(d, int) else 0 for d in self.type.shape]
        along = np.arange(shape[self.axis]).reshape([-1 if a == self.axis else 1 for a in range(len(shape))])
        return np.broadcast_to(along, shape).astype(self.type.dtype.numpy)

    def at(self, *i: Dim) -> Value:
        return SizeValue((i[self.axis],), self.type.element).result


def iota(shape: tuple[Dim, ...], axis: int, dtype: DType = DType.i64) -> Value:
    return Iota(axis, Type(dtype, shape)).result


class Arange(Function, name="arange"):
    """start, start + step, ... before `stop`; from 0 where one number is given; element i is start + i * step."""

    @classmethod
    def make(cls, start: Number, stop: Number | None = None, step: Number = 1, dtype: DType | None = None) -> Value:
        begin, end = (0, start) if stop is None else (start, stop)
        own = dtype or weak_dtype([begin, end, step]) or DType.i32
        count = _count(begin, end, step)
        positions = iota((count,), 0, own)
        return add(literal(begin, own), mul(positions, literal(step, own)))


def _count(begin: Weak, end: Weak, step: Weak) -> Dim:
    """How many numbers there are from `begin` before `end`."""
    if isinstance(step, Polynomial) or not step:
        raise OpError(f"the step of arange is a number other than 0, not {weak_text(step)}")
    if any(isinstance(x, float) for x in (begin, end, step)):
        if isinstance(begin, Polynomial) or isinstance(end, Polynomial):
            size = begin if isinstance(begin, Polynomial) else end
            raise OpError(f"arange of the size {show(size)} and fractions: its length is not known", help="write iota")  # type: ignore[arg-type]
        steps = (end - begin) / step
        if not math.isfinite(steps):
            raise OpError(f"arange from {weak_text(begin)} to {weak_text(end)} by {weak_text(step)} has no end")
        return max(math.ceil(steps), 0)
    whole = int(step)
    extent = end - begin if whole > 0 else begin - end  # type: ignore[operator]
    return greatest(ceil(extent, abs(whole)), 0)  # type: ignore[arg-type]


class Linspace(Function, name="linspace"):
    """`n` numbers evenly from a to b, both included: element i is a + i * ((b - a) / (n - 1))."""

    @classmethod
    def make(cls, a: Number, b: Number, n: Size, dtype: DType = DType.f32) -> Value:
        if isinstance(a, Polynomial) or isinstance(b, Polynomial) or not isinstance(n, int):
            given: dict[str, Number] = {"a": a, "b": b, "n": n}
            name, size = next((name, show(x)) for name, x in given.items() if isinstance(x, Polynomial))  # type: ignore[arg-type]
            raise OpError(f"{name} of linspace is a number known when the program is compiled, not the size {size}")
        step = (b - a) / (n - 1) if n > 1 else 0.0
        return add(literal(float(a), dtype), mul(iota((n,), 0, dtype), literal(step, dtype)))


class Eye(Function, name="eye"):
    """1 on the diagonal of n rows and columns, else 0."""

    @classmethod
    def make(cls, n: Size, dtype: DType = DType.f32) -> Value:
        rows, columns = iota((n, 1), 0), iota((1, n), 1)
        return cast(equal(rows, columns), dtype)


class OneHot(Tensor, name="one_hot"):
    """1 where the index along a new axis is the id, else 0; an id out of range has none."""

    ids: Value
    depth: tuple[Dim, ...]
    dtype: DType
    axis: int
    exact = True

    @classmethod
    def make(cls, ids: Value, depth: Size, dtype: DType = DType.f32, axis: Axis = -1) -> Value:
        return cls(ids, (depth,), dtype, axis_of(axis, Type(dtype, (*ids.type.shape, depth)))).result

    def infer(self) -> tuple[Type, ...]:
        if not self.ids.type.dtype.is_integer:
            raise OpError(f"ids of one_hot are integers, not {self.ids.type}")
        shape = self.ids.type.shape
        return (Type(self.dtype, (*shape[: self.axis], *self.depth, *shape[self.axis :])),)

    def evaluate(self, ids: Array) -> Array:
        (depth,) = self.depth
        assert isinstance(depth, int)
        along = np.arange(depth).reshape([-1 if a == self.axis else 1 for a in range(ids.ndim + 1)])
        return np.equal(np.expand_dims(ids, self.axis), along).astype(self.dtype.numpy)

    def expand(self) -> Value:
        rank = self.ids.type.rank + 1
        shape = tuple(self.depth[0] if a == self.axis else 1 for a in range(rank))
        ids = unsqueeze(cast(self.ids, DType.i64), self.axis)
        return cast(equal(ids, iota(shape, self.axis)), self.dtype)


class Tril(Function, name="tril"):
    """The elements on and below the k-th diagonal of the last two axes; 0 above."""

    theme = "Shape"

    @classmethod
    def make(cls, x: Value, k: Axis = 0) -> Value:
        return _triangle(x, k, upper=False)


class Triu(Function, name="triu"):
    """The elements on and above the k-th diagonal of the last two axes; 0 below."""

    theme = "Shape"

    @classmethod
    def make(cls, x: Value, k: Axis = 0) -> Value:
        return _triangle(x, k, upper=True)


def _triangle(x: Value, k: int, upper: bool) -> Value:
    if x.type.rank < 2:
        raise OpError(f"a triangle is of matrices, not of {x.type}")
    rows, columns = x.type.shape[-2:]
    diagonal = add(iota((rows, 1), 0), like(iota((1, 1), 0), k))
    along = iota((1, columns), 1)
    return where((greater_equal if upper else less_equal)(along, diagonal), x, like(x, False if x.type.dtype is DType.bool else 0))
