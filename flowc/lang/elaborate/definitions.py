"""Definitions by index: the ranges of their names, their elements, and reductions in the order the language fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowc.errors import Note, did_you_mean
from flowc.ir.core import Value, close
from flowc.ir.dims import Dim, at_least, atoms, dim, substitute
from flowc.ir.types import DType, below
from flowc.lang import ast
from flowc.lang.elaborate import reads, types
from flowc.lang.elaborate.context import Bound, Frame, Names, Reading
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.sizes import greatest
from flowc.lang.elaborate.solve import solve
from flowc.lang.elaborate.values import WRONG, Affine, Denotation, Element, Wrong, dim_text
from flowc.ops.define import define, substituted
from flowc.ops.elementwise import cast
from flowc.ops.kernel import Reduce, fold
from flowc.source import Span

Found = tuple[Value, Dim, Dim]  # the open index of a name, its first value and extent
REDUCERS = ("sum", "prod", "max", "min", "any", "all")


def defined(frame: Frame, node: ast.Define) -> Denotation:
    """`y[i, j] = e`: the tensor with e at each index."""
    if frame.reading is not None:
        raise Mistake("a definition by index stands in no other", node.span, help="give it to a function of whole tensors, outside")
    _distinct(node.indices)
    solved = solve(frame, node.indices, node.value)
    params, names, real = _indices(frame, node.indices, solved.own, {}, first=True)
    for p, n in zip(params, node.indices, strict=True):
        _of_result(p, n)
    reading = Reading(solved.reduces, real, solved.bases, free=_is_free(params))
    inner = frame.within(reading=reading, names=names, targets=())
    x = inner.evaluate(inner, node.value)
    if isinstance(x, Wrong):
        return WRONG
    element = types.scalar(inner, types.strong(inner, x, node.value.span), node.value.span)
    return frame.make(node.span, lambda: define(params, element))


def _of_result(p: Value, n: ast.IndexName) -> None:
    extent = p.type.below
    assert extent is not None
    if not isinstance(extent, int) and any(isinstance(a, Value) and a.op is None for a in atoms(extent)):
        raise Mistake(f"the range of {n.name.text} depends on another index: a tensor has one size along each axis", n.span)


def reduced(frame: Frame, node: ast.Reduce) -> Denotation:
    """`reduce sum k: e`, alone a scalar of the graph, inside a definition an element."""
    name = node.reducer.text
    if name not in REDUCERS:
        raise Mistake(
            f"there is no reducer {name}", node.reducer.span, help=did_you_mean(name, REDUCERS) or f"the reducers are {', '.join(REDUCERS)}"
        )
    _distinct(node.indices)
    if frame.reading is not None:
        element = _reduced(frame, node)
        return WRONG if element is None else Element(element)
    inner = frame.within(reading=Reading({}, {}, {}), targets=())
    element = _reduced(inner, node)
    return WRONG if element is None else frame.make(node.span, lambda: define((), element))


def _reduced(frame: Frame, node: ast.Reduce) -> Value | None:
    """The element a reduction is; None where something in it is wrong."""
    reading = frame.reading
    assert reading is not None
    found = reading.ranges.get(id(node))
    if found is None:
        solved = solve(frame, node.indices, node.body)
        found = solved.own
        reading = replace(reading, ranges={**reading.ranges, **solved.reduces}, bases={**reading.bases, **solved.bases})
    params, names, real = _indices(frame, node.indices, found, reading.real, first=False)
    for p in params:
        assert p.type.below is not None
        if any(a is q for a in _atoms(p.type.below) for q in params):
            raise Mistake("the bounds of one reduce depend on one another", node.span, help="nest two: `reduce sum i: (reduce sum j: ...)`")
    within = replace(reading, real=real, free=reading.free or _is_free(params))
    return _folded(frame.within(reading=within, names=names, targets=()), node, params, reading.free)


def _atoms(d: Dim) -> list[Any]:
    return [] if isinstance(d, int) else list(atoms(d))


def _is_free(params: Sequence[Value]) -> bool:
    return any(p.type.below != 1 for p in params)


def _folded(frame: Frame, node: ast.Reduce, params: tuple[Value, ...], free: bool) -> Value | None:
    """The fold in the order that the language fixes: a sum of products of two reads is a chain of fused multiply-adds."""
    body = node.body
    product = isinstance(body, ast.Binary) and body.operator == "*" and reads.is_read(body.left) and reads.is_read(body.right)
    if node.reducer.text == "sum" and product:
        assert isinstance(body, ast.Binary)
        pair = (frame.value(body.left), frame.value(body.right))
        if any(isinstance(x, Wrong) for x in pair):
            return None
        x, y = (types.scalar(frame, types.strong(frame, v, n.span), n.span) for v, n in zip(pair, (body.left, body.right), strict=True))
        if x.type == y.type and x.type.dtype.is_float:
            return frame.make(node.span, lambda: _fold("dot" if free else "lanes", params, (x, y)))
    x = frame.value(body)
    if isinstance(x, Wrong):
        return None
    element = types.scalar(frame, types.strong(frame, x, body.span), body.span)
    return frame.make(node.span, lambda: _fold(node.reducer.text, params, (_reducible(node, element),)))


def _reducible(node: ast.Reduce, x: Value) -> Value:
    name, dtype = node.reducer.text, x.type.dtype
    if name in ("any", "all") and dtype is not DType.bool:
        raise Mistake(f"reduce {name} takes bool, not {dtype.value}", node.body.span, help="compare it: `... != 0`")
    if name == "prod" and dtype is DType.bool:
        raise Mistake("reduce prod takes numbers, not bool", node.body.span, help="write `reduce all`")
    return cast(x, DType.i64) if name == "sum" and dtype is DType.bool else x


def _fold(by: str, params: tuple[Value, ...], terms: tuple[Value, ...]) -> Value:
    if by == "dot" or len(params) == 1:
        return Reduce(by, close(params, terms)).result
    extents = tuple(p.type.below for p in params)

    def term(*at: Dim) -> Any:
        known = dict(zip(params, at, strict=True))
        found = tuple(substituted(t, known) for t in terms)
        return found[0] if len(found) == 1 else found

    return fold(by, extents, term)  # type: ignore[arg-type]


def _distinct(indices: Sequence[ast.IndexName]) -> None:
    seen: dict[str, Span] = {}
    for n in indices:
        if n.name.text in seen:
            raise Mistake(f"the index {n.name.text} stands twice", n.name.span, (Note("it stands here first", seen[n.name.text]),))
        seen[n.name.text] = n.name.span


def _indices(
    frame: Frame, nodes: Sequence[ast.IndexName], found: Sequence[Found], real: Mapping[Value, Dim], first: bool
) -> tuple[tuple[Value, ...], Names, Mapping[Value, Dim]]:
    """An index for each name, the names in scope, and what now stands for open indices."""
    names = Names(frame.names)
    params: list[Value] = []
    for n, (open_, low, extent) in zip(nodes, found, strict=True):
        low, extent = substitute(low, real), substitute(extent, real)
        if first and low != 0:
            help = f"write `{n.name.text} + {dim_text(low)}` where it is used"
            raise Mistake(f"a result's index starts at 0, not at {dim_text(low)}", n.span, help=help)
        if not first and not at_least(extent, 0):
            extent = greatest(extent, 0)
        param = Value(below(extent), None, n.name.text)
        params.append(param)
        names.here[n.name.text] = Bound(Affine(dim(param) + low), n.name.span, "index")
        real = {**real, open_: dim(param) + low}
    return tuple(params), names, real
