"""Diagonals of matrices: taken, summed, and matrices made of them."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, least
from flowc.ir.types import Type
from flowc.ops.arguments import Axis
from flowc.ops.einsum import Einsum
from flowc.ops.pointwise import Cotangents
from flowc.ops.reduce import Sum
from flowc.ops.slicing import Slice, greatest
from flowc.ops.tensor import Array, Function, Read, Tensor


class Diag(Tensor, name="diag"):
    """Of a vector the matrix with it on the k-th diagonal, else 0; of matrices, the last two axes, the k-th diagonal."""

    x: Value
    k: int
    moves = True
    exact = True

    @classmethod
    def make(cls, x: Value, k: Axis = 0) -> Value:
        if not x.type.rank:
            raise OpError(f"diag takes a vector or matrices, not {x.type}")
        return cls(x, k).result if x.type.rank == 1 else diagonal(x, k)

    def infer(self) -> tuple[Type, ...]:
        if self.x.type.rank != 1:
            raise OpError(f"diag makes a matrix of a vector, not of {self.x.type}")
        n = self.x.type.shape[0] + abs(self.k)
        return (Type(self.x.type.dtype, (n, n)),)

    def evaluate(self, x: Array) -> Array:
        return np.diag(x, self.k)

    def at(self, *i: Dim) -> Value:
        row, column = i
        beside = column - row - self.k
        return Read(self.x, (row if self.k >= 0 else column,), (beside, -beside)).result

    def gradient(self, g: Value) -> Cotangents:
        return (diagonal(g, self.k),)


class Trace(Function, name="trace"):
    """The sum of a diagonal of matrices, the last two axes; above the main one where `offset` is positive; bool counts in i64."""

    @classmethod
    def make(cls, x: Value, offset: Axis = 0) -> Value:
        if x.type.rank < 2:
            raise OpError(f"trace takes matrices, not {x.type}")
        return Sum.make(diagonal(x, offset), -1)  # type: ignore[return-value]


def diagonal(x: Value, k: int) -> Value:
    """The k-th diagonal of the last two axes, as the last axis."""
    rows, columns = x.type.shape[-2:]
    below, right = max(-k, 0), max(k, 0)
    n = greatest(least(rows - below, columns - right), 0)
    outer = x.type.shape[:-2]
    whole = below == right == 0 and rows == columns == n
    zeros, ones = (0,) * len(outer), (1,) * len(outer)
    square = x if whole else Slice(x, (*zeros, below, right), (*outer, n, n), (*ones, 1, 1)).result
    letters = ascii_lowercase[: len(outer)]
    return Einsum(f"{letters}zz->{letters}z", (square,)).result
