"""A function of scalars as machine code over arrays, at any number of lanes, and in numpy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from flowc.codegen.llvm.scalars import literal, scalar_type, vector_type, words
from flowc.codegen.llvm.support import ATTRIBUTES, Support
from flowc.codegen.native import load
from flowc.codegen.text import Text
from flowc.ir.core import Op, Value, body
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import Elementwise
from flowc.ops.tensor import Constant
from flowc.target import Target, host

Array = np.ndarray[Any, Any]
Function = Callable[..., Value]


def compiled(function: Function, dtype: DType, lanes: int, operands: int = 1, target: Target | None = None) -> Callable[..., Array]:
    """The function over flat arrays of one length; 0 lanes mean scalar code."""
    target = target or host()
    library = load(code(function, dtype, lanes, operands, target), target, level=2)
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (operands + 1), ctypes.c_int64)(library.address("apply"))

    def apply(*arrays: Array) -> Array:
        count, step = arrays[0].size, max(lanes, 1)
        padded = [np.concatenate([np.asarray(a, dtype.numpy), np.ones(-count % step, dtype.numpy)]) for a in arrays]
        result = np.empty_like(padded[0])
        entry(result.ctypes.data, *(a.ctypes.data for a in padded), result.size)
        return result[:count]

    apply.library = library  # type: ignore[attr-defined]  # the code lives as long as the function
    return apply


def code(function: Function, dtype: DType, lanes: int, operands: int, target: Target) -> str:
    """LLVM text of `void apply(ptr results, ptr operands..., i64 count)`."""
    support, element, vector = Support(target), scalar_type(dtype), vector_type(scalar_type(dtype), lanes)
    t = Text(f"define void @apply(ptr %out, {''.join(f'ptr %in{n}, ' for n in range(operands))}i64 %count) #0")

    def step(i: str, carried: list[str]) -> list[str]:
        params, ops, result = scalar_ops(function, dtype, operands)
        at = [t.value(f"getelementptr {element}, ptr %in{n}, i64 {i}") for n in range(operands)]
        names = {p: t.value(f"load {vector}, ptr {a}, align {dtype.alignment}") for p, a in zip(params, at, strict=True)}
        for op in ops:
            names[op.results[0]] = lines(op, names)
        where = t.value(f"getelementptr {element}, ptr %out, i64 {i}")
        t.do(f"store {vector} {names[result]}, ptr {where}, align {dtype.alignment}")
        return carried

    def lines(op: Op, names: dict[Value, str]) -> str:
        if isinstance(op, Constant):
            return literal(op.value.number, op.type.dtype, lanes)
        assert isinstance(op, Elementwise)
        known: dict[str, Any] = {n: names[getattr(op, n)] for n in op.of_kind("operand")}
        known |= words(op.operands[-1].type.dtype, op.result.type.dtype, lanes)
        for n, line in enumerate(op.code()):
            known["last"] = known[f"r{n}"] = t.value(support.line(line.format_map(known)))
        return known["last"]

    t.loop("0", "%count", max(lanes, 1), [], [], step)
    t.do("ret void")
    return "\n".join([str(t), str(support), ATTRIBUTES])


def evaluated(function: Function, dtype: DType, *arrays: Array) -> Array:
    """The function in numpy, op by op."""
    params, ops, result = scalar_ops(function, dtype, len(arrays))
    values = dict(zip(params, arrays, strict=True))
    for op in ops:
        assert isinstance(op, Constant | Elementwise)
        values[op.results[0]] = op.evaluate(*(values[v] for v in op.operands))
    return values[result]


def scalar_ops(function: Function, dtype: DType, operands: int) -> tuple[tuple[Value, ...], tuple[Op, ...], Value]:
    """The parameters, the ops in order, and the result."""
    params = tuple(Value(Type(dtype), None, f"x{n}") for n in range(operands))
    result = function(*params)
    return params, body(params, (result,)).ops, result
