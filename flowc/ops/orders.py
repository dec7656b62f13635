"""Random orders and random directions: permutations, orthogonal matrices."""

from __future__ import annotations

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value, body
from flowc.ir.dims import Dim, dim, product, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Seed, Shape, Size
from flowc.ops.control import Scan
from flowc.ops.define import define
from flowc.ops.elementwise import cast, div, mul, sqrt, sub, where
from flowc.ops.integers import bit_or, shift_left
from flowc.ops.kernel import Inside, axes
from flowc.ops.linalg import matmul
from flowc.ops.random import Normal, Random
from flowc.ops.reduce import Sum
from flowc.ops.shape import Transpose, reshape
from flowc.ops.sort import ArgSort
from flowc.ops.tensor import Array, Function, constant, like, read


class Words(Random, name="random_words"):
    """The words of each element as one u64, the first one above."""

    type: Type
    public = False
    floats = False
    exact = True

    def infer(self) -> tuple[Type, ...]:
        return self.checked(self.type)

    def evaluate(self, seed: Array) -> Array:
        high, low = self.drawn_of(seed)
        return (high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)).reshape(self.type.shape)  # type: ignore[arg-type]

    def at(self, *i: Dim) -> Value:
        high, low = (cast(w, DType.u64) for w in self.drawn(i))
        return bit_or(shift_left(high, like(high, 32)), low)


class Permutation(Function, name="permutation"):
    """The integers below n in a random order, as i64: the positions of the elements' words, 64 bits each, in ascending order."""

    @classmethod
    def make(cls, n: Size, seed: Seed) -> Value:
        return ArgSort(Words(seed, Type(DType.u64, (n,))).result, 0, False).result


class Orthogonal(Function, name="orthogonal"):
    """A matrix whose rows, or columns where they are fewer, are orthonormal (Saxe, McClelland, Ganguli 2014).

    A tensor of more axes is a matrix of its first axis by all others. Normal numbers row by row, from each of which those before
    are taken away, twice (Gram and Schmidt; Giraud, Langou, Rozloznik 2005), and which is divided by its length.
    """

    @classmethod
    def make(cls, dtype: DType, shape: Shape, seed: Seed) -> Value:
        if len(shape) < 2:
            raise OpError(f"orthogonal fills a tensor of two sizes or more, not [{', '.join(map(show, shape))}]")
        if dtype not in (DType.f32, DType.f64):
            help = f"convert the result: `orthogonal(f32, ...) as {dtype.value}`"
            raise OpError(f"orthogonal gives f32 or f64, not {dtype.value}", help=help)
        rows, columns = shape[0], product(shape[1:])
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise OpError(f"orthogonal fills a tensor of known sizes, not [{', '.join(map(show, shape))}]")
        few, many = sorted((rows, columns))
        made = orthonormal_rows(Normal(seed, 0.0, 1.0, Type(dtype, (few, many))).result)
        return reshape(made if rows <= columns else Transpose(made, (1, 0)).result, shape)


def orthonormal_rows(x: Value) -> Value:
    """The rows of x without their parts along the rows before, of length 1."""
    count, length = x.type.shape
    (step,) = axes((count,))
    row, held = (Value(Type(x.type.dtype, shape), None, hint) for shape, hint in (((length,), "row"), ((count, length), "rows")))
    own = row
    for _ in range(2):
        own = sub(own, matmul(matmul(held, own), held))
    own = div(own, sqrt(Sum(mul(own, own), (0,)).result))
    i, j = axes((count, length))
    here = Inside((dim(i) - dim(step), dim(step) - dim(i))).result
    grown = define((i, j), where(here, read(own, dim(j)), read(held, dim(i), dim(j))))
    none = constant(0, x.type.dtype)
    first = define(axes((count, length)), none)
    return Scan((x,), (first,), (count,), body((step, row, held), (grown,)), hints=("rows",)).results[0]
