"""Operators: on numbers without a dtype exactly, on index expressions in their algebra, on the rest by the built-in they mean."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

import numpy as np

from flowc.ir.core import Value
from flowc.ir.dims import Dim, Polynomial, at_least
from flowc.ir.types import DType
from flowc.lang import ast
from flowc.lang.elaborate import calls, lookup, sizes, types
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import MAX_BITS, Mistake
from flowc.lang.elaborate.values import (
    WRONG,
    Affine,
    Denotation,
    Element,
    Listed,
    Several,
    Wrong,
    describe,
    is_index_like,
    is_weak,
    scalar_of,
    type_of,
)
from flowc.ops.call import built_ins, infix
from flowc.ops.elementwise import cast
from flowc.ops.kernel import Inside
from flowc.ops.literal import literal
from flowc.source import Span

Known = bool | int | float
COMPARISONS: dict[str, Callable[[Known, Known], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def binary(frame: Frame, node: ast.Binary) -> Denotation:
    """A chain of operators of one precedence is as deep as it is long, so its left side is walked, not recursed into."""
    chain: list[ast.Binary] = []
    left: ast.Expression = node
    while isinstance(left, ast.Binary):
        chain.append(left)
        left = left.left
    found = frame.value(left)
    for step in reversed(chain):
        other = frame.value(step.right)
        try:
            found = applied(frame, step, found, other)
        except Mistake as mistake:
            frame.report.add(mistake)
            found = WRONG
    return found


def applied(frame: Frame, node: ast.Binary, x: Denotation, y: Denotation) -> Denotation:
    """`x operator y`."""
    if isinstance(x, Wrong) or isinstance(y, Wrong):
        return WRONG
    symbol, span = node.operator, node.span
    if isinstance(x, bool | int | float) and isinstance(y, bool | int | float):
        return known(frame, symbol, x, y, span)
    if is_index_like(x) and is_index_like(y) and symbol not in ("&&", "||"):
        found = affine(frame, symbol, x, y, span)
        if found is not None:
            return found
    if symbol in ("&&", "||"):
        wrong = next((t for side in (x, y) if (t := type_of(side)) is not None and t.dtype is not DType.bool), None)
        if wrong is not None:
            raise Mistake(f"{symbol} takes bool, not {wrong}", span, help="compare first: `x != 0`")
    result = calls.built_in(frame, infix(symbol), calls.Arguments((x, y), (node.left, node.right)), span)
    if isinstance(result, Element) and symbol in ("&&", "||"):
        return _joined(symbol, result.value, x, y)
    return result


def _joined(symbol: str, value: Value, x: Denotation, y: Denotation) -> Element:
    then = tuple(f for side in (x, y) if isinstance(side, Element) for f in side.then)
    otherwise = tuple(f for side in (x, y) if isinstance(side, Element) for f in side.otherwise)
    return Element(value, then, ()) if symbol == "&&" else Element(value, (), otherwise)


def known(frame: Frame, symbol: str, x: Known, y: Known, span: Span) -> Known:
    """An operator on literals: integers exactly, others in f64."""
    if symbol in COMPARISONS:
        return COMPARISONS[symbol](x, y)
    if symbol in ("&&", "||"):
        if not isinstance(x, bool) or not isinstance(y, bool):
            other = y if isinstance(x, bool) else x
            raise Mistake(f"{symbol} takes bool, not {describe(other)}", span)
        return x and y if symbol == "&&" else x or y
    if isinstance(x, bool) or isinstance(y, bool):
        raise Mistake(f"{symbol} takes numbers, not bool", span, help="convert it: `... as i32`")
    if isinstance(x, int) and isinstance(y, int):
        return _whole(frame, symbol, x, y, span)
    a, b = float_of(x, span), float_of(y, span)
    functions: dict[str, Callable[[np.float64, np.float64], np.float64]] = {
        "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.remainder, "**": np.power,
    }  # fmt: skip
    if symbol not in functions:
        raise Mistake(f"{symbol} takes matrices, not {describe(x)}", span)
    with np.errstate(all="ignore"):
        return float(functions[symbol](np.float64(a), np.float64(b)))


def float_of(x: Known, span: Span) -> float:
    try:
        return float(x)
    except OverflowError:
        raise Mistake("this number is beyond f64", span) from None


def _whole(frame: Frame, symbol: str, x: int, y: int, span: Span) -> int:
    match symbol:
        case "+":
            found = x + y
        case "-":
            found = x - y
        case "*":
            found = x * y
        case "//":
            found = x // y if y else 0
        case "%":
            found = x % y if y else 0
        case "**" if y < 0:
            found = x ** (y % 2) if x in (1, -1) else 0
        case "**":
            if abs(x) > 1 and y * x.bit_length() > 2 * MAX_BITS:
                raise frame.report.refuse(f"this number has more than {MAX_BITS:,} bits", span)
            found = x**y
        case "/":
            raise Mistake("/ of integers is inexact", span, help="write `//` to round down, or a decimal point: `1.0 / 2`")
        case _:
            raise Mistake(f"{symbol} takes matrices, not numbers", span)
    if found.bit_length() > MAX_BITS:
        raise frame.report.refuse(f"this number has more than {MAX_BITS:,} bits", span)
    return found


def affine(frame: Frame, symbol: str, x: Denotation, y: Denotation, span: Span) -> Denotation | None:
    """An operator on index expressions and sizes, where its result is one; None where it is not."""
    a, b = _dim(x), _dim(y)
    strong = isinstance(x, Affine) or isinstance(y, Affine)
    if symbol in COMPARISONS:
        return _comparison(frame, symbol, a, b, span) if strong and frame.reading is not None else _decided(symbol, a, b)
    match symbol:
        case "+" | "-" | "*":
            found = sizes.arithmetic(frame, symbol, a, b, span)
        case "//" | "%" if at_least(b, 1):
            found = sizes.divided(frame, symbol, a, b, span)
        case "**" if isinstance(b, int) and 0 <= b <= 8:
            found = 1
            for _ in range(b):
                found = sizes.bounded(frame, found * a, span)
        case "/":
            raise Mistake(
                f"/ of {describe(x)} and {describe(y)}: integers have no exact quotient",
                span,
                help="write `//` to round down, or convert: `... as f32`",
            )
        case _:
            return None
    found = sizes.bounded(frame, found, span)
    return Affine(found) if strong else found


def _dim(x: Denotation) -> Dim:
    if isinstance(x, Affine):
        return x.dim
    assert isinstance(x, int | Polynomial)
    return x


def _decided(symbol: str, a: Dim, b: Dim) -> bool | None:
    """A comparison of sizes that holds, or does not, whatever the sizes are."""
    below, above = at_least(b - a, 1), at_least(a - b, 1)
    not_above, not_below = at_least(b - a, 0), at_least(a - b, 0)
    match symbol:
        case "==" | "!=":
            equal = True if not_above and not_below else False if below or above else None
            return equal if equal is None else equal == (symbol == "==")
        case "<" | ">=":
            less = True if below else False if not_below else None
            return less if less is None else less == (symbol == "<")
        case _:
            more = True if above else False if not_above else None
            return more if more is None else more == (symbol == ">")


def _comparison(frame: Frame, symbol: str, a: Dim, b: Dim, span: Span) -> Denotation:
    """A comparison of index expressions: a bool that says which sizes are not negative."""
    decided = _decided(symbol, a, b)
    if decided is not None:
        return decided
    then: dict[str, tuple[Dim, ...]] = {
        "<": (b - a - 1,), "<=": (b - a,), ">": (a - b - 1,), ">=": (a - b,), "==": (a - b, b - a), "!=": (),
    }  # fmt: skip
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
    holds, fails = then[symbol], then[opposite[symbol]]
    with frame.making(span):
        if symbol == "!=":
            value = built_ins()["logical_not"].make(Inside(fails).result)
            assert isinstance(value, Value)
        else:
            value = Inside(holds).result
    return Element(value, holds, fails)


def unary(frame: Frame, node: ast.Unary) -> Denotation:
    """`-x` and `!x`, however many stand in a row."""
    symbols: list[ast.Unary] = []
    operand: ast.Expression = node
    while isinstance(operand, ast.Unary):
        symbols.append(operand)
        operand = operand.operand
    found = frame.value(operand)
    for step in reversed(symbols):
        found = _negated(frame, step, found)
    return found


def _negated(frame: Frame, node: ast.Unary, x: Denotation) -> Denotation:
    name = "logical_not" if node.operator == "!" else "negative"
    match x:
        case Wrong():
            return x
        case bool() if node.operator == "!":
            return not x
        case int() | float() | Polynomial() if node.operator == "-" and not isinstance(x, bool):
            return -x
        case Affine(dim) if node.operator == "-":
            return Affine(-dim)
        case _:
            found = calls.built_in(frame, built_ins()[name], calls.Arguments((x,), (node.operand,)), node.span)
            if isinstance(found, Element) and isinstance(x, Element):
                return Element(found.value, x.otherwise, x.then)
            return found


def converted(frame: Frame, node: ast.Cast) -> Denotation:
    """`x as dtype`: a literal is rounded once."""
    x = types.counted_as(frame, frame.value(node.value), node.value.span)
    bound = frame.names.get(node.dtype.text)
    known = bound.denotation if bound is not None else None
    dtype = known if isinstance(known, DType) else lookup.dtype(node.dtype.text, node.dtype.span)
    match x:
        case Wrong():
            return x
        case float() if dtype.is_integer:
            return frame.make(node.span, lambda: literal(_truncated(x, dtype), dtype))
        case bool() if dtype is not DType.bool:
            return frame.make(node.span, lambda: literal(int(x) if dtype.is_integer else float(x), dtype))
        case int() | float() if dtype is DType.bool:
            return frame.make(node.span, lambda: literal(x != 0, dtype))
        case bool() | int() | float() | Polynomial():
            return frame.make(node.span, lambda: literal(x, dtype))
        case Affine(dim):
            return x if dtype is DType.i64 else Element(frame.make(node.span, lambda: cast(scalar_of(dim), dtype)))
        case Element(value):
            return Element(frame.make(node.span, lambda: cast(value, dtype)))
        case Value():
            return frame.make(node.span, lambda: cast(x, dtype))
        case Listed():
            return types.strong(frame, x, node.span, dtype)
        case _:
            help = "unpack them first: `a, b = ...`" if isinstance(x, Several) else ""
            raise Mistake(f"as converts a value, not {describe(x)}", node.span, help=help)


def _truncated(x: float, dtype: DType) -> int:
    """A float as an integer: towards 0, at most what the dtype holds, 0 for NaN."""
    low, high = dtype.limits()
    if math.isnan(x):
        return 0
    return low if x <= low else high if x >= high else int(x)


def same_dtype(frame: Frame, xs: Sequence[Denotation], spans: Sequence[Span]) -> list[Denotation]:
    """The numbers among xs in the dtype of the rest."""
    strong = next((t for x in xs if (t := type_of(x)) is not None), None)
    if strong is None:
        if any(isinstance(x, float) for x in xs) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in xs):
            return [float_of(x, span) if isinstance(x, int) else x for x, span in zip(xs, spans, strict=True)]
        return list(xs)
    return [types.strong(frame, x, s, strong.dtype) if is_weak(x) or isinstance(x, Listed) else x for x, s in zip(xs, spans, strict=True)]


def inverted(x: Value) -> Value:
    """A bool scalar's opposite."""
    result = built_ins()["logical_not"].make(x)
    assert isinstance(result, Value)
    return result


def conjunction(x: Value | None, y: Value | None) -> Value | None:
    """What holds where both do; None holds everywhere."""
    if x is None or y is None:
        return x if y is None else y
    result = infix("&&").make(x, y)
    assert isinstance(result, Value)
    return result
