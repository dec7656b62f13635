"""Sizes: where an expression stands for a size, `/` rounds down, and `min`, `max` and `ceil_div` compare and divide."""

from __future__ import annotations

from flowc.ir.dims import Dim, Polynomial, at_least, ceil, floor, least
from flowc.lang import ast
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import MAX_BITS, MAX_TERMS, Mistake
from flowc.lang.elaborate.values import Wrong, describe, dim_text, known_dim
from flowc.source import Span

FUNCTIONS = ("min", "max", "ceil_div")


class Unclear(Exception):
    """What makes a size unknown is an error told already."""


def size(frame: Frame, node: ast.Expression) -> Dim:
    """The size an expression stands for; raises `Mistake` where it is none, `Unclear` where it is wrong."""
    match node:
        case ast.Binary(left, "+" | "-" | "*" | "/" | "//" | "%" as operator, right):
            return bounded(frame, arithmetic(frame, operator, size(frame, left), size(frame, right), node.span), node.span)
        case ast.Unary("-", operand):
            return -size(frame, operand)
        case ast.Call(ast.Name(name), arguments) if name in FUNCTIONS and all(a.name is None for a in arguments):
            return _function(frame, name, [size(frame, a.value) for a in arguments], node.span)
        case _:
            found = frame.value(node)
            if isinstance(found, Wrong):
                raise Unclear
            known = known_dim(found)
            if known is None:
                raise Mistake(f"a size is a whole number known when compiling, not {describe(found)}", node.span)
            return known


def number(frame: Frame, node: ast.Expression) -> int:
    """A size that is a number."""
    found = size(frame, node)
    if not isinstance(found, int):
        raise Mistake(f"this size is a number, not {dim_text(found)}", node.span)
    return found


def arithmetic(frame: Frame, operator: str, x: Dim, y: Dim, span: Span) -> Dim:
    match operator:
        case "+":
            return x + y
        case "-":
            return x - y
        case "*":
            return x * y
        case _:
            return divided(frame, operator, x, y, span)


def divided(frame: Frame, operator: str, x: Dim, y: Dim, span: Span) -> Dim:
    """x // y or x % y, which y, a size, must allow."""
    if y == 0:
        raise Mistake("a size is not divided by 0", span)
    if not at_least(y, 1) and not (isinstance(x, int) and isinstance(y, int)):
        if at_least(-y, 0):
            raise Mistake(f"a size is divided by a positive one, not {dim_text(y)}", span)
        frame.require_at_least(y, 1, span)
    return x - floor(x, y) * y if operator == "%" else floor(x, y)


def bounded(frame: Frame, d: Dim, span: Span) -> Dim:
    """d, where it is not beyond what a size may say."""
    if isinstance(d, int) and d.bit_length() > MAX_BITS:
        raise frame.report.refuse(f"this number has more than {MAX_BITS:,} bits", span)
    if isinstance(d, Polynomial) and len(d.terms) > MAX_TERMS:
        raise frame.report.refuse(f"this size has more than {MAX_TERMS:,} terms", span)
    return d


def _function(frame: Frame, name: str, arguments: list[Dim], span: Span) -> Dim:
    if name == "ceil_div":
        if len(arguments) != 2:
            raise Mistake(f"ceil_div takes 2 sizes, not {len(arguments)}", span)
        over, by = arguments
        divided(frame, "//", over, by, span)
        return ceil(over, by)
    if not arguments:
        raise Mistake(f"{name} takes sizes, and is given none", span)
    found = arguments[0]
    for other in arguments[1:]:
        found = least(found, other) if name == "min" else greatest(found, other)
    return found


def greatest(a: Dim, b: Dim) -> Dim:
    return -least(-a, -b)
