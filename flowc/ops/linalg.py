"""Products of matrices and of other tensors."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from flowc.errors import OpError, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Facing
from flowc.ops.einsum import Einsum
from flowc.ops.kernel import fold
from flowc.ops.shape import axis_of, reshape
from flowc.ops.tensor import Array, Function, Tensor, assumed_equal, broadcast, differ, one_dtype, read


class MatMul(Tensor, name="matmul"):
    """`result[..., i, j] = dot over k of x[..., i, k] * y[..., k, j]`: one fma chain in increasing k; leading axes broadcast.

    Of vectors, as in NumPy: a row on the left, a column on the right, that axis gone from
    the result.  Of two vectors (`lanes`) the sum is in the order of `sum`, each term by fma.
    """

    x: Value
    y: Value
    lanes: bool = False

    infix = "@"

    @classmethod
    def make(cls, x: Value, y: Value) -> Value:
        if not x.type.rank or not y.type.rank:
            raise OpError(f"matmul takes vectors or matrices, not {x.type} and {y.type}", help="write * for a product with a scalar")
        fits(x.type, y.type)
        row, column = x.type.rank == 1, y.type.rank == 1
        left = reshape(x, (1, *x.type.shape)) if row else x
        right = reshape(y, (*y.type.shape, 1)) if column else y
        both = cls(left, right, row and column).result
        shape = both.type.shape
        return reshape(both, shape[:-2] + shape[-2:-1] * (not row) + shape[-1:] * (not column))

    def infer(self) -> tuple[Type, ...]:
        x, y = self.x.type, self.y.type
        if x.rank < 2 or y.rank < 2:
            raise OpError(f"matmul takes matrices, not {x} and {y}")
        fits(x, y)
        return (Type(x.dtype, (*leading(x, y)[0], x.shape[-2], y.shape[-1])),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        return fits(self.x.type, self.y.type)

    def evaluate(self, x: Array, y: Array) -> Array:
        return x @ y

    def at(self, *i: Dim) -> Value:
        *b, i_, j = i

        def term(k: Dim) -> tuple[Value, Value]:
            return read(self.x, *b, i_, k), read(self.y, *b, k, j)

        return fold("lanes" if self.lanes else "dot", (self.x.type.shape[-1],), term)


def fits(x: Type, y: Type) -> tuple[tuple[Dim, Dim], ...]:
    """The pairs of sizes assumed equal where x is multiplied by y; raises `OpError` where it cannot be."""
    one_dtype("matmul", x, y)
    if x.dtype is DType.bool:
        raise OpError(f"matmul of {x} and {y}: bool has no products to sum", help="convert first: `... as f32`")
    inner = assumed_equal([(x.shape[-1], y.shape[-2 if y.rank > 1 else -1])], f"inner sizes differ: {x} times {y}")
    return (*inner, *leading(x, y)[1])


def leading(x: Type, y: Type) -> tuple[tuple[Dim, ...], tuple[tuple[Dim, Dim], ...]]:
    """The leading sizes of a product, and the pairs of sizes assumed equal for it."""
    try:
        return broadcast(Type(x.dtype, x.shape[:-2]), Type(y.dtype, y.shape[:-2]))
    except OpError:
        raise OpError(f"leading sizes differ: {x} times {y}") from None


def matmul(x: Value, y: Value) -> Value:
    """x @ y, of vectors and matrices as NumPy has it."""
    return MatMul.make(x, y)


class Dot(Function, name="dot"):
    """The sum of products of two vectors in the order of `sum`, each term by fma; x @ y of vectors and matrices."""

    @classmethod
    def make(cls, x: Value, y: Value) -> Value:
        for own in (x.type, y.type):
            if own.rank not in (1, 2):
                raise OpError(f"dot takes vectors and matrices, not {own}", help="write * for a scalar, matmul or tensordot for more axes")
        return matmul(x, y)


class Outer(Function, name="outer"):
    """`result[i, j] = x[i] * y[j]` of two vectors."""

    @classmethod
    def make(cls, x: Value, y: Value) -> Value:
        for own in (x.type, y.type):
            if own.rank != 1:
                raise OpError(f"outer takes vectors, not {own}")
        return Einsum.make("i,j->ij", x, y)


class TensorDot(Function, name="tensordot"):
    """The sum of products over axes of x and of y that face each other: lists of both, or how many last ones of x and first ones of y."""

    @classmethod
    def make(cls, x: Value, y: Value, axes: Facing = 2) -> Value:
        left, right = _facing(x.type, y.type, axes)
        pairs = list(zip(left, right, strict=True))
        for a, b in pairs:
            n, m = x.type.shape[a], y.type.shape[b]
            if n != 1 and m != 1 and differ(n, m):
                raise OpError(f"tensordot of {x.type} and {y.type}: axis {a} of the first has {show(n)}, axis {b} of the second {show(m)}")
        if x.type.rank + y.type.rank - len(pairs) > len(ascii_letters):
            raise OpError(f"tensordot of {x.type} and {y.type}: these are too many axes")
        letters = iter(ascii_letters)
        first = "".join(next(letters) for _ in x.type.shape)
        facing = {b: first[a] for a, b in pairs}
        second = "".join(facing[b] if b in facing else next(letters) for b in range(y.type.rank))
        free = [c for a, c in enumerate(first) if a not in left] + [c for b, c in enumerate(second) if b not in right]
        return Einsum.make(f"{first},{second}->{''.join(free)}", x, y)


def _facing(x: Type, y: Type, axes: int | Sequence[int | tuple[int, ...]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of x and of y that face each other, from the front."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.rank, y.rank):
            raise OpError(f"tensordot of {x} and {y} over {counted(axes, 'axis')}: there are not so many")
        return tuple(range(x.rank - axes, x.rank)), tuple(range(axes))
    named = [(own,) if isinstance(own, int) else own for own in axes]
    left, right = (tuple(axis_of(a, t) for a in own) for own, t in zip(named, (x, y), strict=True))
    if len(left) != len(right):
        raise OpError(f"tensordot of {x} and {y}: {counted(len(left), 'axis')} of the first face {len(right)} of the second")
    for own, given, t in ((left, named[0], x), (right, named[1], y)):
        if len(set(own)) != len(own):
            raise OpError(f"axes names an axis of {t} twice: {list(given)}")
    return left, right
