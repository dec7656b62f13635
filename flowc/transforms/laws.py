"""Algebraic laws that keep every bit: the docstring states each one, the body is its match."""

from __future__ import annotations

import numpy as np

from flowc.ir.core import Namer, Op, Value, close, indices, scope, walk
from flowc.ir.data import Scalar
from flowc.ir.dims import dim
from flowc.ir.types import DType
from flowc.ops.define import Define, define, substituted
from flowc.ops.elementwise import Abs, Add, And, Cast, Div, Maximum, Minimum, Mul, Neg, Not, Or, Sub, Where, cast
from flowc.ops.kernel import Reduce
from flowc.ops.narrow import widened, widens
from flowc.ops.numerics import ends
from flowc.ops.pointwise import Elementwise
from flowc.ops.shape import BroadcastTo, Reshape, Transpose
from flowc.ops.tensor import Constant, Read, Tensor, is_constant


def expand(op: Tensor) -> Value | None:
    """composite = its definition"""
    return op.expand()


def compute_in_f32(op: Tensor | Reduce) -> Value | None:
    """f(x) of f16 or bf16 = f(x as f32), rounded"""
    return widened(op) if widens(op) else None


def contract_in_f32(op: Define) -> Value | None:
    """a chain of products of (x[i, k] as f32) = one of (x as f32)[i, k], which reads memory and can be tiled"""
    chains = [inner for inner in walk(op.body) if isinstance(inner, Reduce) and inner.fold == "dot"]
    if not any(_converted_read(term) for chain in chains for term in chain.body.results):
        return None
    params = tuple(Value(p.type, None, p.hint) for p in op.body.params)

    def rule(inner: Op) -> Value | None:
        if not isinstance(inner, Reduce) or inner.fold != "dot" or not any(map(_converted_read, inner.body.results)):
            return None
        with scope(op.location, op.device, Namer(op.hint) if op.hint else None):
            terms = tuple(_converted_read(term) or term for term in inner.body.results)
        return Reduce(inner.fold, close(inner.body.params, terms), inner.start).result

    return define(params, substituted(op.body.results[0], dict(zip(op.body.params, map(dim, params), strict=True)), rule))


def _converted_read(term: Value) -> Value | None:
    """The element of the tensor in f32, where the term is an element of f16 or bf16 in f32, at an index that no tensor gives."""
    match term.op:
        case Cast(Value(Read(tensor, at, inside)), DType.f32) if tensor.type.dtype.is_narrow and all(v.op is None for v in indices(at)):
            return Read(cast(tensor, DType.f32), at, inside).result
        case _:
            return None


def add_zero(op: Add) -> Value | None:
    """x + -0.0 = x, and x + 0 = x of integers; x + 0.0 is not x where x is -0.0"""
    zero = -0.0 if op.x.type.dtype.is_float else 0
    if is_constant(op.y, zero) and op.x.type == op.result.type:
        return op.x
    if is_constant(op.x, zero) and op.y.type == op.result.type:
        return op.y
    return None


def mul_one(op: Mul) -> Value | None:
    """x * 1 = x"""
    if is_constant(op.y, 1) and op.x.type == op.result.type:
        return op.x
    if is_constant(op.x, 1) and op.y.type == op.result.type:
        return op.y
    return None


def subtract_zero(op: Sub) -> Value | None:
    """x - 0 = x; of floats x - 0.0 = x, for -0.0 too"""
    return op.x if is_constant(op.y, 0) and op.x.type == op.result.type else None


def divide_by_one(op: Div) -> Value | None:
    """x / 1 = x"""
    return op.x if is_constant(op.y, 1) and op.x.type == op.result.type else None


def negate_twice(op: Neg) -> Value | None:
    """-(-x) = x"""
    return op.x.op.x if isinstance(op.x.op, Neg) else None


def negate_a_difference(op: Neg) -> Value | None:
    """-(x - y) = y - x of integers; of floats the sign of a zero would differ"""
    match op.x.op:
        case Sub(x, y) if op.x.type.dtype.is_integer:
            return Sub(y, x).result
        case _:
            return None


def absolute_of_a_sign(op: Abs) -> Value | None:
    """|-x| = |x| and ||x|| = |x|"""
    match op.x.op:
        case Neg(x) | Abs(x):
            return Abs(x).result
        case _:
            return None


def not_twice(op: Not) -> Value | None:
    """!(!x) = x"""
    return op.x.op.x if isinstance(op.x.op, Not) else None


def the_same_twice(op: Maximum | Minimum | And | Or) -> Value | None:
    """max(x, x) = min(x, x) = (x && x) = (x || x) = x"""
    return op.x if op.x is op.y else None


def maximum_of_the_least(op: Maximum) -> Value | None:
    """max(x, -inf) = x, and max(x, the least integer) = x"""
    return _beside(op, ends(op.x.type.dtype)[0])


def minimum_of_the_most(op: Minimum) -> Value | None:
    """min(x, inf) = x, and min(x, the greatest integer) = x"""
    return _beside(op, ends(op.x.type.dtype)[1])


def _beside(op: Maximum | Minimum, end: float) -> Value | None:
    """The operand whose other is that constant, unless it repeats."""
    x = op.x if is_constant(op.y, end) else op.y if is_constant(op.x, end) else None
    return x if x is not None and x.type == op.result.type else None


def where_both_are_one(op: Where) -> Value | None:
    """where(c, x, x) = x"""
    return op.x if op.x is op.y and op.x.type == op.result.type else None


def where_decided(op: Where) -> Value | None:
    """where(true, x, y) = x and where(false, x, y) = y"""
    chosen = op.x if is_constant(op.condition, True) else op.y if is_constant(op.condition, False) else None
    return chosen if chosen is not None and chosen.type == op.result.type else None


def broadcast_to_itself(op: BroadcastTo) -> Value | None:
    """broadcast_to(x, shape of x) = x"""
    return op.x if op.x.type.shape == op.shape else None


def moved_constant(op: Transpose | Reshape | BroadcastTo) -> Value | None:
    """a constant repeated over a shape, moved = the constant repeated over the other shape"""
    return Constant(op.x.op.value, op.result.type).result if isinstance(op.x.op, Constant) else None


def cast_to_itself(op: Cast) -> Value | None:
    """x as its own dtype = x"""
    return op.x if op.x.type.dtype is op.dtype else None


def transpose_twice(op: Transpose) -> Value | None:
    """transpose(transpose(x, p), q) = transpose(x, p[q])"""
    match op.x.op:
        case Transpose(x, perm):
            order = tuple(perm[a] for a in op.perm)
            return x if order == tuple(range(len(order))) else Transpose(x, order).result
        case _:
            return None


def transpose_in_place(op: Transpose) -> Value | None:
    """transpose(x, [0, 1, ...]) = x"""
    return op.x if op.perm == tuple(range(len(op.perm))) else None


def reshape_twice(op: Reshape) -> Value | None:
    """reshape(reshape(x, a), b) = reshape(x, b)"""
    match op.x.op:
        case Reshape(x):
            return x if x.type.shape == op.shape else Reshape(x, op.shape).result
        case _:
            return None


def reshape_to_itself(op: Reshape) -> Value | None:
    """reshape(x, shape of x) = x"""
    return op.x if op.x.type.shape == op.shape else None


def fold_constants(op: Elementwise) -> Value | None:
    """f(constants) = constant, where numpy has the bits of native code"""
    if not op.exact or widens(op):
        return None
    scalars = [np.asarray(v.op.value.element) for v in op.operands if isinstance(v.op, Constant)]
    if len(scalars) < len(op.operands):
        return None
    return Constant(Scalar.stored(op.evaluate(*scalars), op.result.type.dtype), op.result.type).result


LAWS = (
    add_zero, subtract_zero, mul_one, divide_by_one, negate_twice, negate_a_difference, absolute_of_a_sign, not_twice,
    the_same_twice, maximum_of_the_least, minimum_of_the_most, where_both_are_one, where_decided, broadcast_to_itself,
    moved_constant, cast_to_itself,
    transpose_twice, transpose_in_place, reshape_twice, reshape_to_itself, fold_constants,
)  # fmt: skip
