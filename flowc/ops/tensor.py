"""What a tensor-level op promises: types, meaning, index definition; and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from flowc.errors import OpError, counted
from flowc.ir.core import Op, Symbol, Value
from flowc.ir.data import Blob, Number, Scalar
from flowc.ir.dims import Dim, at_least, show
from flowc.ir.narrow import as_stored
from flowc.ir.types import DType, Type

Array = np.ndarray[Any, Any]


class BuiltIn:
    """What the language and Python call by name: `make`, whose signature is the user's."""

    name: ClassVar[str]
    public: ClassVar[bool] = True  # False: made by other ops only
    aliases: ClassVar[tuple[str, ...]] = ()
    infix: ClassVar[str] = ""  # the operator that means it
    theme: ClassVar[str] = ""  # where the reference has it; empty: where it has its module
    same: ClassVar[tuple[str, ...]] = ()  # the formals of `make` that share one dtype; empty: all that are tensors

    @classmethod
    def make(cls, *args: Any, **named: Any) -> Value | Dim | tuple[Value, ...]:
        raise NotImplementedError(cls.__name__)


class Function(BuiltIn):
    """A built-in that only other ops say, so that no op bears its name."""

    def __init_subclass__(cls, *, name: str) -> None:
        cls.name = name


class Tensor(Op, BuiltIn):
    """A pure op with one result.  Primitives give `evaluate` and `at`, composites `expand`.

    `make` takes the fields in order where the op does not say otherwise.
    """

    indexed: ClassVar[bool] = True  # an element can be said by index; False: the whole tensor comes from elsewhere
    moves: ClassVar[bool] = False  # only moves elements: no arithmetic, so free to repeat
    narrow: ClassVar[bool] = False  # f16 and bf16 are no numbers to it: it is defined on them as they are
    costly: ClassVar[bool] = False  # so dear that its elements are kept rather than computed twice
    exact: ClassVar[bool] = False  # `evaluate` has the bits of native code on every machine

    @classmethod
    def make(cls, *args: Any, **named: Any) -> Value:
        return cls(*args, **named).result

    def evaluate(self, *args: Any, **named: Any) -> Array:
        """Reference semantics on numpy arrays; also what constant folding runs where the op is exact."""
        raise NotImplementedError

    def at(self, *i: Dim) -> Value:
        """The result's element at index `i`, in scalar ops, `reduce`s and `read`s."""
        raise NotImplementedError

    def expand(self) -> Value | None:
        """The same value in simpler ops; None for a primitive."""
        return None

    def gradient(self, g: Value) -> Sequence[Value | None] | None:
        """The cotangent of each operand, in its own shape, where that of the result is `g`; None for one that has none.

        None altogether where `expand` or `at` say what the derivative is, as they mostly do.
        """
        return None

    def tangent(self, *along: Value | None) -> Value | None:
        """The tangent of the result along those of the operands, where neither `expand` nor `at` says it; None where it is 0."""
        raise OpError(f"{self.name} has no derivative", location=self.location)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        """Pairs of sizes that must be equal and could neither be proven so nor disproved: checks of the run."""
        return ()


class Constant(Tensor, name="constant"):
    """A scalar, or a scalar repeated over `type`."""

    value: Scalar
    type: Type
    public = False
    moves = True
    exact = True

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)

    def evaluate(self) -> Array:
        shape = tuple(d if isinstance(d, int) else 0 for d in self.type.shape)
        return np.full(shape, np.frombuffer(self.value.data, self.type.dtype.numpy)[0])

    def at(self, *i: Dim) -> Value:
        return Constant(self.value, self.type.element).result


class Weight(Tensor, name="weight"):
    """A constant array under its name outside; equal bytes are one."""

    symbol: Symbol
    blob: Blob
    type: Type
    public = False
    indexed = False
    narrow = True
    exact = True

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)

    def evaluate(self) -> Array:
        return self.blob.array


class Read(Op, name="read"):
    """One element of a tensor; 0 where one of `inside` is negative, whatever `at` is there."""

    tensor: Value
    at: tuple[Dim, ...]
    inside: tuple[Dim, ...] = ()
    level = "kernel"

    def infer(self) -> tuple[Type, ...]:
        if len(self.at) != len(self.tensor.type.shape):
            raise OpError(f"{self.tensor.type} has {counted(self.tensor.type.rank, 'axis')}, and is read at {len(self.at)}")
        return (self.tensor.type.element,)


class SizeValue(Tensor, name="size"):
    """A size or an index as a scalar."""

    value: tuple[Dim, ...]
    type: Type
    public = False
    moves = True

    def infer(self) -> tuple[Type, ...]:
        return (self.type,)

    def at(self, *i: Dim) -> Value:
        return SizeValue(self.value, self.type).result


def constant(value: Number, dtype: DType) -> Value:
    """A scalar constant, rounded once."""
    return Constant(Scalar.of(value, dtype), Type(dtype)).result


def constant_array(array: Array, dtype: DType) -> Value:
    """A constant tensor, named after its elements."""
    blob = Blob.of(as_stored(array, dtype), dtype)
    return Weight(Symbol(f"constant.{blob.digest[:12]}"), blob, Type(dtype, array.shape)).result


def like(x: Value, value: Number) -> Value:
    """`value` in the element type of `x`; it broadcasts."""
    return constant(value, x.type.dtype)


def number(value: Value) -> Number | None:
    """What a scalar constant, or one repeated, is; None for anything else."""
    return value.op.value.number if isinstance(value.op, Constant) else None


def is_constant(value: Value, wanted: Number) -> bool:
    """Whether `value` is the constant `wanted`, bit for bit."""
    return isinstance(value.op, Constant) and value.op.value == Scalar.of(wanted, value.type.dtype)


def read(x: Value, *i: Dim) -> Value:
    """Element `i` of `x`, broadcasting `x` over leading and length-1 axes."""
    own = i[len(i) - len(x.type.shape) :]
    return Read(x, tuple(0 if n == 1 else k for n, k in zip(x.type.shape, own, strict=True))).result


def broadcast(*types: Type) -> tuple[tuple[Dim, ...], tuple[tuple[Dim, Dim], ...]]:
    """The shape all of `types` repeat to, and the pairs of sizes that are assumed equal; raises `OpError` where they cannot be."""
    rank = max((len(t.shape) for t in types), default=0)
    shape: list[Dim] = [1] * rank
    assumed: list[tuple[Dim, Dim]] = []
    for t in types:
        for axis, n in enumerate(t.shape, rank - len(t.shape)):
            if n == 1:
                continue
            if shape[axis] == 1:
                shape[axis] = n
            elif not equal_sizes(shape[axis], n):
                assumed.append((shape[axis], n))
    for a, b in assumed:
        if differ(a, b):
            raise OpError(f"sizes {show(a)} and {show(b)} differ: {' and '.join(map(str, types))}")
    return tuple(shape), tuple(assumed)


def one_dtype(name: str, *types: Type) -> DType:
    """The dtype all of `types` have; raises `OpError` where they differ."""
    for t in types[1:]:
        if t.dtype is not types[0].dtype:
            raise OpError(f"{name} of {types[0]} and {t}: elements do not mix", help=f"convert one side: `... as {types[0].dtype.value}`")
    return types[0].dtype


def equal_sizes(a: Dim, b: Dim) -> bool:
    return a is b or a == b


def differ(a: Dim, b: Dim) -> bool:
    """Whether the two sizes are provably never equal."""
    return at_least(a - b, 1) or at_least(b - a, 1)


def assumed_equal(pairs: Sequence[tuple[Dim, Dim]], message: str) -> tuple[tuple[Dim, Dim], ...]:
    """The pairs that are not provably equal; raises `OpError` with `message` where one provably differs."""
    open_ = tuple((a, b) for a, b in pairs if not equal_sizes(a, b))
    if any(differ(a, b) for a, b in open_):
        raise OpError(message)
    return open_
