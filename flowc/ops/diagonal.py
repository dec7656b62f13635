"""Diagonals of matrices: taken, summed, and matrices made of them."""

from __future__ import annotations

from string import ascii_lowercase

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import least
from flowc.ir.types import DType
from flowc.ops.arguments import Axis
from flowc.ops.einsum import Einsum
from flowc.ops.elementwise import add, equal, where
from flowc.ops.make import iota
from flowc.ops.pad import Pad
from flowc.ops.reduce import Sum
from flowc.ops.shape import unsqueeze
from flowc.ops.slicing import Slice, greatest
from flowc.ops.tensor import Function, like


class Diag(Function, name="diag"):
    """Of a vector the matrix with it on the k-th diagonal, else 0; of matrices, the last two axes, the k-th diagonal."""

    @classmethod
    def make(cls, x: Value, k: Axis = 0) -> Value:
        if not x.type.rank:
            raise OpError(f"diag takes a vector or matrices, not {x.type}")
        return _matrix(x, k) if x.type.rank == 1 else diagonal(x, k)


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


def _matrix(x: Value, k: int) -> Value:
    zero = like(x, False if x.type.dtype is DType.bool else 0)
    run = Pad(x, zero, (max(-k, 0),), (max(k, 0),)).result if k else x
    (n,) = run.type.shape
    rows, columns = iota((n, 1), 0), iota((1, n), 1)
    return where(equal(columns, add(rows, like(rows, k))), unsqueeze(run, 1), zero)
