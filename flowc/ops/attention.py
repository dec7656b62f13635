"""Attention, and positions as rotations."""

from __future__ import annotations

import math

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, floor, show
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Number, fixed
from flowc.ops.elementwise import add, cast, div, greater_equal, mul, sqrt, sub, where
from flowc.ops.functions import Cos, Sin, exp
from flowc.ops.join import concat
from flowc.ops.linalg import matmul
from flowc.ops.make import iota
from flowc.ops.nn import Softmax, floats
from flowc.ops.reduce import size_value
from flowc.ops.shape import Transpose, unsqueeze
from flowc.ops.slicing import sliced
from flowc.ops.tensor import Array, Tensor, assumed_equal, broadcast, constant, like, one_dtype


class Attention(Tensor, name="attention"):
    """softmax(q @ k^T * scale) @ v over keys, with q [..., T, D], k [..., S, D], v [..., S, E]; leading axes, such as heads, repeat.

    A mask repeats to [..., T, S]: where a bool one is false the key is not seen, one of floats
    is added before the softmax.  With `causal` query t sees the keys up to t.  NaN where a query
    sees no key.  `scale` is 1 / sqrt(D) where left out.
    """

    q: Value
    k: Value
    v: Value
    scale: Value
    masks: tuple[Value, ...]
    causal: bool
    same = ("q", "k", "v")

    @classmethod
    def make(
        cls, q: Value, k: Value, v: Value, mask: Value | None = None, causal: bool = False, scale: Number | None = None
    ) -> Value:  # fmt: skip
        floats(cls.name, q)
        if not q.type.rank:
            raise OpError(f"q of attention has two axes or more, T D, not {q.type}")
        if scale is not None:
            by = like(q, fixed(scale, cls.name))
        elif isinstance(q.type.shape[-1], int):
            by = like(q, 1 / math.sqrt(max(q.type.shape[-1], 1)))
        else:
            by = div(like(q, 1), sqrt(size_value(q, (q.type.rank - 1,))))
        return cls(q, k, v, by, () if mask is None else (mask,), causal).result

    @property
    def mask(self) -> Value | None:
        return self.masks[0] if self.masks else None

    def infer(self) -> tuple[Type, ...]:
        q, k, v = self.q.type, self.k.type, self.v.type
        floats(self.name, self.q)
        one_dtype(self.name, q, k, v)
        for what, names, type in (("q", "T D", q), ("k", "S D", k), ("v", "S E", v)):
            if type.rank < 2:
                raise OpError(f"{what} of attention has two axes or more, {names}, not {type}")
        if self.mask is not None and self.mask.type.dtype not in (DType.bool, q.dtype):
            raise OpError(f"a mask of attention is bool or {q.dtype.value}, not {self.mask.type}")
        self.assumes()
        return (Type(q.dtype, (*self.leading()[0], q.shape[-2], v.shape[-1])),)

    def leading(self) -> tuple[tuple[Dim, ...], tuple[tuple[Dim, Dim], ...]]:
        """The leading axes of the result, and the pairs of sizes that are assumed equal for it."""
        given = [x.type for x in (self.q, self.k, self.v, *self.masks)]
        try:
            return broadcast(*(Type(t.dtype, t.shape[:-2]) for t in given))
        except OpError:
            raise OpError(f"leading sizes of attention differ: {' and '.join(map(str, given))}") from None

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        q, k, v = self.q.type, self.k.type, self.v.type
        pairs = assumed_equal([(q.shape[-1], k.shape[-1])], f"q and k of attention end in one size, not {q} and {k}")
        pairs += assumed_equal([(k.shape[-2], v.shape[-2])], f"k and v of attention have as many keys, not {k} and {v}")
        if self.mask is not None:
            wanted = (q.shape[-2], k.shape[-2])
            own = self.mask.type.shape[-2:]
            facing = [(m, n) for m, n in zip(own[::-1], wanted[::-1], strict=False) if m != 1]
            message = f"a mask of attention ends in {show(wanted[0])}, {show(wanted[1])} for q {q} and k {k}, and is {self.mask.type}"
            pairs += assumed_equal(facing, message)
        return (*pairs, *self.leading()[1])

    def evaluate(self, q: Array, k: Array, v: Array, scale: Array, *masks: Array) -> Array:
        wide = [a.astype(np.float64) for a in (q, k, v)]
        with np.errstate(all="ignore"):
            scores = wide[0] @ np.swapaxes(wide[1], -1, -2) * scale
            for mask in masks:
                scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
            if self.causal:
                scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
            z = np.exp(scores - np.max(scores, axis=-1, keepdims=True, initial=-np.inf))
            return np.asarray(z / np.sum(z, axis=-1, keepdims=True) @ wide[2], q.dtype)

    def expand(self) -> Value:
        rank = self.k.type.rank
        turned = Transpose(self.k, (*range(rank - 2), rank - 1, rank - 2)).result
        scores = mul(matmul(self.q, turned), self.scale)
        hidden = like(scores, -math.inf)
        if self.mask is not None:
            scores = where(self.mask, scores, hidden) if self.mask.type.dtype is DType.bool else add(scores, self.mask)
        if self.causal:
            queries, keys = scores.type.shape[-2:]
            scores = where(greater_equal(iota((queries, 1), 0), iota((1, keys), 1)), scores, hidden)
        return matmul(Softmax(scores, scores.type.rank - 1).result, self.v)


class Rope(Tensor, name="rope"):
    """x [..., T, D] with its halves as pairs: pair k of position p turned by p * base^(-2k / D) (Su et al. 2021).

    `result[..., k] = x[..., k] * cos - x[..., k + D / 2] * sin`, and `x[..., k + D / 2] * cos + x[..., k] * sin` in the
    second half.  Positions repeat to [..., T].  The powers are computed in f64 and rounded to the dtype, as the angles are.
    """

    x: Value
    positions: Value
    base: float
    same = ("x",)

    @classmethod
    def make(cls, x: Value, positions: Value, base: Number = 10000.0) -> Value:
        return cls(x, positions, fixed(base, cls.name)).result

    def infer(self) -> tuple[Type, ...]:
        x, positions = self.x.type, self.positions.type
        floats(self.name, self.x)
        if not 0 < self.base < math.inf:
            raise OpError(f"base of rope is a finite number above 0, not {self.base:g}")
        if x.rank < 2:
            raise OpError(f"x of rope has two axes or more, T D, not {x}")
        if not positions.dtype.is_integer and positions.dtype is not x.dtype:
            raise OpError(f"positions of rope are integers or {x.dtype.value}, not {positions}")
        self.assumes()
        return (x,)

    @property
    def half(self) -> Dim:
        return floor(self.x.type.shape[-1], 2)

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        x, positions = self.x.type, self.positions.type
        pairs = assumed_equal([(self.half * 2, x.shape[-1])], f"rope turns pairs, and the last axis of {x} has {show(x.shape[-1])}")
        message = f"positions of rope repeat to {Type(positions.dtype, x.shape[:-1])} beside {x}, and are {positions}"
        if positions.rank >= x.rank:
            raise OpError(message)
        own = zip(positions.shape, x.shape[x.rank - 1 - positions.rank : -1], strict=True)
        return pairs + assumed_equal([(p, n) for p, n in own if p != 1], message)

    def evaluate(self, x: Array, positions: Array) -> Array:
        half = x.shape[-1] // 2
        wide = x.astype(np.float64)
        turns = np.asarray(self.base ** (np.arange(half, dtype=np.float64) / -max(half, 1)), x.dtype)
        with np.errstate(all="ignore"):
            angle = positions[..., None] * np.asarray(turns, np.float64)
            c, s, a, b = np.cos(angle), np.sin(angle), wide[..., :half], wide[..., half:]
            return np.asarray(np.concatenate([a * c - b * s, b * c + a * s], axis=-1), x.dtype)

    def expand(self) -> Value:
        dtype, rank = self.x.type.dtype, self.x.type.rank
        count = iota((self.half,), 0, DType.f64)
        turns = cast(exp(mul(div(count, size_value(count, (0,))), constant(-math.log(self.base), DType.f64))), dtype)
        angle = mul(unsqueeze(cast(self.positions, dtype), -1), turns)
        c, s = Cos(angle).result, Sin(angle).result
        along = [slice(None)] * (rank - 1)
        a, b = sliced(self.x, [*along, slice(0, self.half)]), sliced(self.x, [*along, slice(self.half, 2 * self.half)])
        return concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], -1)
