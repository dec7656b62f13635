"""Derivatives of one element of a tensor by what it reads: its scalars backwards, or forwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowc.derivatives.adjoint import Term
from flowc.ir.core import Block, Op, Value, close
from flowc.ir.dims import dim
from flowc.ops.define import scalars, substituted
from flowc.ops.elementwise import add, div, equal, mul, where
from flowc.ops.kernel import PAIRS, Inside, Reduce
from flowc.ops.pointwise import Elementwise
from flowc.ops.tensor import Read, like


@dataclass(frozen=True)
class Use:
    """A read in an element, the reduction indices around it, and its cotangent for one choice of them."""

    read: Read
    inner: tuple[Value, ...]
    term: Term


def summed(parts: Sequence[Value]) -> Value:
    """The sum of at least one part, in order."""
    total = parts[0]
    for part in parts[1:]:
        total = add(total, part)
    return total


def plain(element: Value) -> Value:
    """The element in ops that say their derivative, its regions over fresh indices."""

    def rule(op: Op) -> Value | None:
        return op.expand() if isinstance(op, Elementwise) and op.gradient(op.result) is None else None

    return substituted(element, {}, rule)


def uses_backwards(element: Value, g: Value) -> list[Use]:
    """Each read that the element depends on smoothly, where its own cotangent is `g`."""
    element = plain(element)
    found: list[Use] = []
    todo: list[tuple[Sequence[Value], dict[Value, list[Term]], tuple[Value, ...]]] = [((element,), {element: [(g,)]}, ())]
    while todo:
        results, given, inner = todo.pop()
        terms: dict[Value, list[Term]] = defaultdict(list, given)
        for value in scalars(results)[::-1]:
            op, own = value.op, terms.get(value)
            if not own or op is None or not value.type.dtype.is_float:
                continue
            if isinstance(op, Read):
                found += [Use(op, inner, t) for t in own]
                continue
            c = summed([t[0] if len(t) == 1 else mul(*t) for t in own])
            match op:
                case Elementwise():
                    for operand, part in zip(op.operands, op.gradient(c) or (), strict=True):
                        if part is not None:
                            terms[operand].append((part,))
                case Reduce():
                    body, parts = backwards_into(op, c)
                    todo.append((body.results, parts, (*inner, *body.params)))
                case _:
                    pass
    return found


def backwards_into(op: Reduce, c: Value) -> tuple[Block, dict[Value, list[Term]]]:
    """The region of a reduction and the cotangents of its results, where the reduction's own is `c`."""
    body = op.body if op.fold in (*PAIRS, "sum") else afresh(op)
    if op.fold in PAIRS:
        x, y = body.results
        return body, {x: [(mul(c, like(c, 2)), x)]} if x is y else {x: [(c, y)], y: [(c, x)]}
    (term,) = body.results
    match op.fold:
        case "sum":
            return body, {term: [(c,)]}
        case "max" | "min":
            return body, {term: [(mul(c, share(op, term)),)]}
        case "prod":
            return body, {term: [(mul(c, product_of_others(op, body.params[0])),)]}
        case _:
            return body, {}


def afresh(op: Reduce) -> Block:
    """The region of a reduction over an index of its own, so that the reduction can be spoken of in it."""
    again = substituted(op.result, {}).op
    assert isinstance(again, Reduce)
    return again.body


def share(op: Reduce, term: Value) -> Value:
    """How much of the cotangent of a largest or smallest element the term gets: those tied share it equally."""
    one, none = like(term, 1), like(term, 0)
    tied = where(equal(term, op.result), one, none)
    other = afresh(op)
    count = Reduce("sum", close(other.params, (where(equal(other.results[0], op.result), one, none),))).result
    return div(tied, count)


def product_of_others(op: Reduce, own: Value) -> Value:
    """The product of all terms but the one at the index `own`, which no zero among them spoils."""
    other = afresh(op)
    (k,), (term,) = other.params, other.results
    same = Inside((dim(k) - dim(own), dim(own) - dim(k))).result
    return Reduce("prod", close((k,), (where(same, like(term, 1), term),))).result


def element_tangent(element: Value, of_read: Callable[[Read], Value | None]) -> Value | None:
    """The tangent of an element, from those of its reads; None where it is 0."""
    return _tangent(plain(element), of_read)


def _tangent(element: Value, of_read: Callable[[Read], Value | None]) -> Value | None:
    known: dict[Value, Value | None] = {}
    for value in scalars((element,)):
        parts: list[Value | None] = []
        match value.op:
            case Read() as op:
                parts = [of_read(op)]
            case Elementwise() as op if value.type.dtype.is_float:
                for n, x in enumerate(op.operands):
                    t = known.get(x)
                    parts.append((op.gradient(t) or ())[n] if t is not None else None)
            case Reduce() as op if value.type.dtype.is_float:
                parts = _tangents_of(op, of_read)
            case _:
                pass
        some = [p for p in parts if p is not None]
        known[value] = summed(some) if some else None
    return known[element]


def _tangents_of(op: Reduce, of_read: Callable[[Read], Value | None]) -> list[Value | None]:
    """The parts of the tangent of a reduction."""
    made: list[Value | None] = []
    if op.fold in PAIRS:
        x, y = op.body.results
        for one, other in ((x, y), (y, x)):
            t = _tangent(one, of_read)
            made.append(substituted(Reduce(op.fold, close(op.body.params, (t, other))).result, {}) if t is not None else None)
        return made
    body = afresh(op)
    (term,) = body.results
    t = _tangent(term, of_read)
    if t is None:
        return []
    match op.fold:
        case "sum":
            weighed = t
        case "max" | "min":
            weighed = mul(t, share(op, term))
        case "prod":
            weighed = mul(t, product_of_others(op, body.params[0]))
        case _:
            return []
    return [Reduce("sum", close(body.params, (weighed,))).result]
