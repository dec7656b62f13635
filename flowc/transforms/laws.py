"""Algebraic laws that keep every bit: the docstring states each one, the body is its match."""

from __future__ import annotations

from flowc.ir.core import Value
from flowc.ops.elementwise import Add, Cast, Elementwise, Mul
from flowc.ops.shape import Reshape, Transpose
from flowc.ops.tensor import Tensor, constant, is_constant, number


def expand(op: Tensor) -> Value | None:
    """composite = its definition"""
    return op.expand()


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
    if not op.exact or op.result.type.shape or any(number(v) is None for v in op.operands):
        return None
    value = op.evaluate(*(v.op.evaluate() for v in op.operands if isinstance(v.op, Tensor)))
    return constant(value.item(), op.result.type.dtype)


LAWS = (
    add_zero, mul_one, cast_to_itself, transpose_twice, transpose_in_place, reshape_twice, reshape_to_itself, fold_constants,
)  # fmt: skip
