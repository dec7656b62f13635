"""Random graphs of everything a program can call, and the arrays to run them on.

A graph grows from a seed: each step calls a built-in of the registry, in one of a
few ways by hand where its arguments must agree with each other, on values made
before.  What an op refuses is tried again with other arguments.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Block, Func, Value, close, func, indices, walk
from flowc.ir.dims import Dim, Size, dim, evaluate, product
from flowc.ir.narrow import rounded
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Kind
from flowc.ops.call import REQUIRED, Parameter, built_ins, call, parameters
from flowc.ops.control import CheckEqual, Cond, Loop
from flowc.ops.elementwise import Cast, add, less
from flowc.ops.reduce import Sum
from flowc.ops.slicing import sliced
from flowc.ops.tensor import BuiltIn, Tensor, constant

Array = np.ndarray[Any, Any]
N = dim(Size("N", 0))
DTYPES = (
    *(DType.f32,) * 4, DType.f64, DType.f64, DType.f16, DType.bf16, DType.i32, DType.i32, DType.i64, DType.u8, DType.i8, DType.u64,
    DType.bool,
)  # fmt: skip
SHAPES: tuple[tuple[Dim, ...], ...] = ((N,), (N, 3), (N, 1), (3, N), (5,), (3, 5), (4, 4), (2, 3, N), (), (1, 5), (70,), (0, 3))
BIGGEST = 100_000  # elements of a value at N = 64
CALLED = {cls.name: cls for cls in built_ins().values() if cls.name not in ("rank", "size")}
TEXTS = {
    "subscripts": ("...->...", "i...->...i", "ii->i", "...,...", "i...,i...->...", "...i,...j->...ij", "ij,jk", "ij,kj,k", "i,i", "ij,ij"),
    "mode": ("constant", "edge", "reflect", "wrap"),
}
RANDOM_NUMBERS = ("normal", "glorot_normal", "he_normal")


@dataclass
class Grower:
    """Values of a graph in the making; the same seed makes the same graph."""

    seed: int
    without: frozenset[str] = frozenset()
    params: list[Value] = field(default_factory=list[Value])
    values: list[Value] = field(default_factory=list[Value])

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.called = [cls for name, cls in CALLED.items() if name not in self.without]
        self.values.append(Value(Type(self.random.choice(DTYPES), (N,)), None, "x"))  # which tells N
        for n in range(self.random.randint(1, 3)):
            self.values.append(Value(Type(self.random.choice(DTYPES), self.random.choice(SHAPES)), None, f"x{n}"))
        self.values.append(Value(Type(DType.i64, self.random.choice(((N,), (4,), ()))), None, "ids"))
        self.params = [*self.values]

    def graph(self, steps: int) -> Func:
        """A function of so many calls, whose results are some of the values no other one uses."""
        for _ in range(steps):
            self.step()
        used = {v for made in self.values if made.op for v in made.op.uses}
        ends = [v for v in self.values if v not in used and v.op is not None] or self.values[-1:]
        return self.function(tuple(self.result(v) for v in ends[-3:]))

    def function(self, results: tuple[Value, ...]) -> Func:
        made = func("f", (), results).body
        assumed = dict.fromkeys(pair for op in walk(made) if isinstance(op, Tensor) for pair in op.assumes())
        checks = [CheckEqual(pair, f"{pair[0]} equals {pair[1]}").token for pair in assumed]
        return func("f", tuple(p for p in self.params if p in made.captured or p.hint == "x"), results, [c for c in checks if c])

    def result(self, value: Value) -> Value:
        """The value, or the sum of one whose size only the run knows; bf16 as f32, where NaN shows."""
        if value.type.dtype is DType.bf16:
            value = Cast(value, DType.f32).result
        if not any(indices(value.type.shape)):
            return value
        return Sum.make(value if value.type.dtype is not DType.bool else Cast(value, DType.i64).result)

    def step(self) -> None:
        ways: list[Callable[[], Value]] = [self.cast, self.slice, self.reshape, self.cond, self.loop]
        for _ in range(50):
            try:
                made = self.random.choice(ways)() if self.random.random() < 0.2 else self.built_in(self.random.choice(self.called))
            except OpError:
                continue
            fits = [v for v in (made if isinstance(made, tuple) else (made,)) if isinstance(v, Value) and small(v)]
            if fits:
                self.values += fits
                return

    def value(self, want: Callable[[Value], bool] = lambda v: True) -> Value:
        """One of the values, rather a late one."""
        fit = [v for v in self.values if want(v)]
        if not fit:
            raise OpError("no value fits")
        return fit[-1 - int(len(fit) * self.random.random() ** 2)]

    # Calls

    def built_in(self, cls: type[BuiltIn]) -> Any:
        formals = parameters(cls)
        first: Value | None = None
        positional: dict[str, Any] = {}
        for p in formals:
            if p.default is not REQUIRED and self.random.random() < 0.4:
                continue
            made = self.argument(p, first)
            if isinstance(made, Value) and first is None:
                first = made
            if isinstance(made, list) and first is None and made and isinstance(made[0], Value):
                first = made[0]
            positional[p.name] = made
        return call(cls, (), positional)

    def argument(self, p: Parameter, first: Value | None) -> Any:
        rank = first.type.rank if first is not None else 2
        match p.kind:
            case Kind.tensor:
                return self.tensor(p, first)
            case Kind.tensors:
                x = self.value()
                return [x, *(self.alike(x) for _ in range(self.random.randint(0, 2)))]
            case Kind.size:
                return self.random.choice((1, 3, 7, N)) if p.name not in ("low", "high") else (1, 9)[p.name == "high"]
            case Kind.shape:
                return list(self.value().type.shape) if self.random.random() < 0.5 else [self.random.choice((1, 3, 5, N)), 5]
            case Kind.parts:
                return self.random.choice((1, 3, 5, [1, 2], [2, 3]))
            case Kind.pairs:
                return [[self.random.randint(0, 2), self.random.randint(0, 2)] for _ in range(rank)]
            case Kind.axis:
                return self.random.randint(-max(rank, 1), max(rank - 1, 0))
            case Kind.axes:
                return self.random.choice([None, *range(-rank, rank), *([[0, rank - 1]] if rank > 1 else [])])
            case Kind.facing:
                return self.random.choice((0, 1, 2, [0, 0], [[-1], [0]], [[0, 1], [1, 0]]))
            case Kind.order:
                return self.random.sample(range(rank), rank)
            case Kind.dtype:
                return self.random.choice(DTYPES)
            case Kind.number:
                return self.random.choice((0, 1, 2, -1, 0.5, 3))
            case Kind.bool:
                return self.random.random() < 0.5
            case Kind.text:
                return self.random.choice(TEXTS[p.name]) if p.name in TEXTS else p.default if isinstance(p.default, str) else ""

    def tensor(self, p: Parameter, first: Value | None) -> Any:
        if p.name == "ids":
            return self.value(lambda v: v.type.dtype is DType.i64)
        if p.dtype is not None:
            return self.random.randint(0, 9)
        if first is None:
            return self.value()
        if self.random.random() < 0.2:
            return self.random.choice((0, 1, 2, -1, 0.5))
        return self.alike(first)

    def alike(self, x: Value) -> Value:
        """A value of the same dtype, rather one of another shape."""
        return self.value(lambda v: v.type.dtype is x.type.dtype)

    def cast(self) -> Value:
        return Cast(self.value(), self.random.choice(DTYPES)).result

    def slice(self) -> Value:
        x = self.value(lambda v: v.type.rank > 0)
        cuts = (None, None, None, 1, 2, -1)
        parts = [slice(self.random.choice(cuts), self.random.choice(cuts), self.random.choice((1, 1, 2, -1))) for _ in x.type.shape]
        return sliced(x, parts)

    def reshape(self) -> Value:
        x = self.value()
        shape = [*x.type.shape]
        match self.random.randint(0, 3):
            case 0:
                shape = [product(shape)]
            case 1:
                shape.insert(self.random.randint(0, len(shape)), 1)
            case 2:
                shape = shape[::-1]
            case _ if len(shape) > 1:
                shape[:2] = [shape[0] * shape[1]]
            case _:
                shape = [1, *shape, 1]
        return call(built_ins()["reshape"], (x, shape), {})  # type: ignore[return-value]

    # Control

    def cond(self) -> Value:
        """One of two values of a type by a sum's sign; each side computes something of its own."""
        x = self.value(lambda v: v.type.dtype.is_float and not any(indices(v.type.shape)))
        which = less(Sum.make(x), constant(0, x.type.dtype))
        sides = tuple(Block((), tuple(op for op in (v.op,) if op), (v,)) for v in (add(x, x), built(x, "negative")))
        return Cond(which, *sides).result

    def loop(self) -> Value:
        """A value of its type after a few rounds."""
        x = self.value(lambda v: v.type.dtype.is_float and not any(indices(v.type.shape)))
        y = self.value(lambda v: v.type == x.type)
        (asked, n), (held, m) = (
            (Value(x.type, None, "v"), Value(Type(DType.i64), None, "n")) for _ in range(2)
        )  # a region has parameters of its own
        one = constant(1, DType.i64)
        condition = close((asked, n), (less(n, constant(self.random.randint(0, 3), DType.i64)),))
        turned = self.random.choice((add(held, y), built(held, "negative"), y))
        return Loop((x, constant(0, DType.i64)), (9,), condition, close((held, m), (turned, add(m, one)))).results[0]


def built(x: Value, name: str) -> Value:
    made = call(built_ins()[name], (x,), {})
    assert isinstance(made, Value)
    return made


def small(value: Value) -> bool:
    """Whether the value is small enough to test at N = 64."""
    if any(indices(value.type.shape)):
        return True
    return value.type.rank < 5 and evaluate(product(value.type.shape), {size: 64 for size in (Size("N", 0),)}) <= BIGGEST


def elements(rng: np.random.Generator, param: Value, named: Mapping[str, int]) -> Array:
    """Elements for a parameter: among floats NaN, infinities, denormals and zeros of both signs; the integers of `ids` are small."""
    shape = tuple(evaluate(d, {Size(name, 0): n for name, n in named.items()}) for d in param.type.shape)
    dtype = param.type.dtype
    if param.hint == "ids":
        return rng.integers(-1, 3, shape)
    if dtype is DType.bool:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.is_narrow:
        return rounded(elements(rng, replace(param, type=replace(param.type, dtype=DType.f32)), named), dtype)
    if dtype.is_float:
        made = (2 * rng.standard_normal(shape)).astype(dtype.numpy)
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, np.finfo(dtype.numpy).tiny / 4], dtype.numpy)
        return np.where(rng.random(shape) < rng.choice([0, 0.1]), rng.choice(special, shape), made)
    low, high = dtype.limits()
    return np.where(rng.random(shape) < 0.2, rng.choice(np.array([low, high], dtype.numpy), shape), rng.integers(0, 9, shape, dtype.numpy))
