"""Products of matrices."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, product
from flowc.ir.types import DType, Type
from flowc.ops.kernel import fold
from flowc.ops.shape import reshape
from flowc.ops.tensor import Array, Tensor, assumed_equal, broadcast, one_dtype, read


class MatMul(Tensor, name="matmul"):
    """`result[..., i, j] = dot over k of x[..., i, k] * y[..., k, j]`: one fma chain in increasing k; leading axes broadcast.

    Of vectors, as in NumPy: a row on the left, a column on the right, that axis gone from the result.
    """

    x: Value
    y: Value

    infix = "@"

    def infer(self) -> tuple[Type, ...]:
        x, y = self.x.type, self.y.type
        one_dtype(self.name, x, y)
        if x.dtype is DType.bool:
            raise OpError(f"matmul of {x} and {y}: bool has no products to sum", help="convert first: `... as f32`")
        if x.rank < 2 or y.rank < 2:
            raise OpError(f"matmul takes matrices, not {x} and {y}")
        self.assumes()
        batch, _ = broadcast(Type(x.dtype, x.shape[:-2]), Type(y.dtype, y.shape[:-2]))
        return (Type(x.dtype, (*batch, x.shape[-2], y.shape[-1])),)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        x, y = self.x.type, self.y.type
        inner = assumed_equal([(x.shape[-1], y.shape[-2])], f"inner sizes differ: {x} times {y}")
        return (*inner, *broadcast(Type(x.dtype, x.shape[:-2]), Type(y.dtype, y.shape[:-2]))[1])

    @classmethod
    def make(cls, x: Value, y: Value) -> Value:
        if not x.type.rank or not y.type.rank:
            raise OpError(f"matmul takes vectors or matrices, not {x.type} and {y.type}", help="write * for a product with a scalar")
        left = reshape(x, (1, *x.type.shape)) if x.type.rank == 1 else x
        right = reshape(y, (*y.type.shape, 1)) if y.type.rank == 1 else y
        both = cls(left, right).result
        shape = both.type.shape
        shape = shape[:-2] + shape[-2:-1] * (x.type.rank > 1) + shape[-1:] * (y.type.rank > 1)
        return both if shape == both.type.shape else reshape(both, shape)

    def evaluate(self, x: Array, y: Array) -> Array:
        return x @ y

    def at(self, *i: Dim) -> Value:
        *b, i_, j = i
        lone = product(self.result.type.shape) == 1  # no free axis: the lanes keep a long dot fast
        by = "lanes" if lone else "dot"

        def term(k: Dim) -> tuple[Value, Value]:
            return read(self.x, *b, i_, k), read(self.y, *b, k, j)

        return fold(by, (self.x.type.shape[-1],), term)


def matmul(x: Value, y: Value) -> Value:
    """x @ y, of vectors and matrices as NumPy has it."""
    return MatMul.make(x, y)
