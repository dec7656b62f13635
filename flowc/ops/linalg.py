"""Products of matrices."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type
from flowc.ops.kernel import fold
from flowc.ops.shape import reshape
from flowc.ops.tensor import Array, Tensor, assumed_equal, broadcast, one_dtype, read


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
