"""Each law gives the same bits as what it replaces: zeros of both signs, infinities, NaN, denormals, ends of integers, random elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.ir.core import Func, Module, Op, Value, func
from flowc.ir.data import Scalar
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import Cast, Not, absolute, add, div, less, logical_and, maximum, minimum, mul, neg, sub, where
from flowc.ops.interpret import run
from flowc.ops.numerics import ends
from flowc.ops.shape import BroadcastTo, Reshape, Transpose
from flowc.ops.tensor import Constant, constant
from flowc.transforms.laws import LAWS
from flowc.transforms.simplify import simplify

Array = np.ndarray[Any, Any]
Term = Callable[[Value], Value]
NUMBERS = [DType.i8, DType.u8, DType.i16, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64, DType.f32, DType.f64]
FLOATS = [DType.f32, DType.f64]
INTEGERS = [d for d in NUMBERS if d.is_integer and d.is_signed]
SIGNED = [*INTEGERS, *FLOATS]
N = dim(Size("N", 0))


def special(dtype: DType, shape: tuple[int, ...]) -> Array:
    """Elements among which every odd one is, then random ones."""
    rng = np.random.default_rng(11)
    if dtype.is_float:
        info = np.finfo(dtype.numpy)
        odd = [0.0, -0.0, np.inf, -np.inf, np.nan, info.tiny, -info.tiny / 4, info.max, 1.0, -1.0, info.smallest_subnormal]
        drawn = rng.standard_normal(int(np.prod(shape)))
    else:
        low, high = dtype.limits()
        odd = [low, high, 0, 1, high - 1, low + 1]
        drawn = rng.integers(0, 100, int(np.prod(shape)))
    made = drawn.astype(dtype.numpy)
    made[: len(odd)] = np.array(odd, dtype.numpy)
    return made.reshape(shape)


def like(value: float, x: Value) -> Value:
    return constant(value, x.type.dtype)


def positive(x: Value) -> Value:
    return less(like(0, x), x)


def threes(x: Value) -> Value:
    """A constant over [6, N]."""
    return Constant(Scalar.of(3, x.type.dtype), Type(x.type.dtype, (6, N))).result


def zero(x: Value) -> float:
    return -0.0 if x.type.dtype.is_float else 0


def least(x: Value) -> Value:
    return like(ends(x.type.dtype)[0], x)


def turned(x: Value, order: tuple[int, ...] = (1, 0)) -> Value:
    return Transpose(x, order).result


def cube(x: Value) -> Value:
    return Reshape(x, (N, 3, 2)).result


def cast_op(x: Value) -> Value:
    """A cast that `cast` would leave out."""
    return Cast(x, x.type.dtype).result


# What each law matches, as a term of one tensor f(N, 6).
MATCHED: dict[str, tuple[Sequence[DType], Sequence[Term]]] = {
    "add_zero": (NUMBERS, [lambda x: add(x, like(zero(x), x)), lambda x: add(like(zero(x), x), x)]),
    "mul_one": (NUMBERS, [lambda x: mul(x, like(1, x)), lambda x: mul(like(1, x), x)]),
    "cast_to_itself": (NUMBERS, [cast_op]),
    "transpose_twice": (NUMBERS, [lambda x: turned(turned(x)), lambda x: turned(turned(cube(x), (1, 2, 0)), (2, 1, 0))]),
    "transpose_in_place": (NUMBERS, [lambda x: Transpose(x, (0, 1)).result]),
    "reshape_twice": (NUMBERS, [lambda x: Reshape(Reshape(x, (6 * N,)).result, (N, 3, 2)).result]),
    "reshape_to_itself": (NUMBERS, [lambda x: Reshape(x, (N, 6)).result]),
    "subtract_zero": (NUMBERS, [lambda x: sub(x, like(0, x))]),
    "divide_by_one": (FLOATS, [lambda x: div(x, like(1, x))]),
    "negate_twice": (SIGNED, [lambda x: neg(neg(x))]),
    "negate_a_difference": (INTEGERS, [lambda x: neg(sub(x, like(3, x)))]),
    "absolute_of_a_sign": (SIGNED, [lambda x: absolute(neg(x)), lambda x: absolute(absolute(x))]),
    "not_twice": (NUMBERS, [lambda x: Not(Not(positive(x)).result).result]),
    "the_same_twice": (NUMBERS, [lambda x: maximum(x, x), lambda x: minimum(x, x), lambda x: logical_and(positive(x), positive(x))]),
    "maximum_of_the_least": (NUMBERS, [lambda x: maximum(x, least(x)), lambda x: maximum(least(x), x)]),
    "minimum_of_the_most": (NUMBERS, [lambda x: minimum(x, like(ends(x.type.dtype)[1], x))]),
    "where_both_are_one": (NUMBERS, [lambda x: where(positive(x), x, x)]),
    "where_decided": (NUMBERS, [lambda x: where(constant(True, DType.bool), x, neg(x) if x.type.dtype in SIGNED else add(x, x))]),
    "broadcast_to_itself": (NUMBERS, [lambda x: BroadcastTo(x, (N, 6)).result]),
    "moved_constant": (NUMBERS, [lambda x: add(x, Reshape(threes(x), (N, 6)).result), lambda x: add(x, turned(threes(x)))]),
    "fold_constants": (NUMBERS, [lambda x: add(x, sub(like(3, x), like(5, x))), lambda x: mul(x, maximum(like(3, x), like(5, x)))]),
}  # fmt: skip

# What looks like a law and is none: bits would change.
NONE: dict[str, Term] = {
    "x + 0.0": lambda x: add(x, like(0.0, x)),
    "x * 0.0": lambda x: mul(x, like(0.0, x)),
    "x - x": lambda x: sub(x, x),
    "x / x": lambda x: div(x, x),
    "0.0 - x": lambda x: sub(like(0.0, x), x),
    "-(x - 3)": lambda x: neg(sub(x, like(3, x))),
    "x * 3 / 3": lambda x: div(mul(x, three := like(3, x)), three),
}


def graph(term: Term, dtype: DType) -> Func:
    x = Value(Type(dtype, (N, 6)), None, "x")
    return func("f", (x,), (term(x),))


def simplified(fn: Func) -> tuple[Func, list[str]]:
    """The function simplified, and the laws used."""
    used: list[str] = []

    def told(rule: Any, op: Op, found: Any) -> None:
        used.append(rule.__name__)

    return simplify(Module("m", (fn,)), told).func("f"), used


def bits(fn: Func, dtype: DType, n: int) -> list[bytes]:
    x = special(dtype, (4, 6))[:n]
    return [np.where(np.isnan(a), np.nan, a).tobytes() if a.dtype.kind == "f" else a.tobytes() for a in run(fn, [x], bits=True)]


def test_every_law_has_a_term_it_matches() -> None:
    assert sorted(law.__name__ for law in LAWS) == sorted(MATCHED)


@pytest.mark.parametrize("law", sorted(MATCHED))
def test_both_sides_of_a_law_have_the_same_bits(law: str) -> None:
    dtypes, terms = MATCHED[law]
    for dtype in dtypes:
        for term in terms:
            fn = graph(term, dtype)
            smaller, used = simplified(fn)
            assert law in used
            assert len(smaller.body.ops) < len(fn.body.ops)
            for n in (0, 1, 4):
                assert bits(smaller, dtype, n) == bits(fn, dtype, n)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.value)
@pytest.mark.parametrize("name", sorted(NONE))
def test_what_would_change_bits_is_no_law(name: str, dtype: DType) -> None:
    fn = graph(NONE[name], dtype)
    smaller, used = simplified(fn)
    assert used == [] and len(smaller.body.ops) == len(fn.body.ops)
    assert bits(smaller, dtype, 4) == bits(fn, dtype, 4)
