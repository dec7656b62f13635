"""What each expression stands for."""

from __future__ import annotations

from types import EllipsisType

from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.lang import ast
from flowc.lang.elaborate import arithmetic, calls, control, definitions, lookup, reads, scans, types
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import MAX_DEPTH, MAX_ELEMENTS, Mistake
from flowc.lang.elaborate.sizes import Unclear
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
    known_dim,
)
from flowc.ops.index import index
from flowc.source import Span


def evaluate(frame: Frame, node: ast.Expression) -> Denotation:
    """What an expression stands for; a mistake in it is told, and it stands for nothing."""
    report = frame.report
    report.depth += 1
    if report.depth > MAX_DEPTH:
        raise report.refuse(f"this is nested more than {MAX_DEPTH:,} deep, with the functions it calls", node.span)
    try:
        return _evaluated(frame, node)
    except Mistake as mistake:
        report.add(mistake)
    except Unclear:
        pass
    finally:
        report.depth -= 1
    return WRONG


def _evaluated(frame: Frame, node: ast.Expression) -> Denotation:
    match node:
        case ast.Name(text):
            return lookup.bound(frame, text, node.span).denotation
        case ast.Integer(value) | ast.Bool(value) | ast.String(value):
            return value
        case ast.Decimal(text):
            return float(text.replace("_", ""))
        case ast.List(elements):
            return _list(frame, node, elements)
        case ast.Tuple():
            raise Mistake("tuples are no values", node.span, help="write `[a, b]` for a list, or give each its name: `a, b = f(x)`")
        case ast.Unary():
            return arithmetic.unary(frame, node)
        case ast.Binary():
            return arithmetic.binary(frame, node)
        case ast.Cast():
            return arithmetic.converted(frame, node)
        case ast.Field():
            return _field(frame, node)
        case ast.Call():
            return calls.called(frame, node)
        case ast.Subscript():
            return _subscript(frame, node)
        case ast.Reduce():
            return definitions.reduced(frame, node)
        case ast.If():
            return control.conditional(frame, node)
        case ast.Loop():
            return control.loop(frame, node)
        case ast.Scan():
            return scans.scan(frame, node)


def _list(frame: Frame, node: ast.List, elements: tuple[ast.Expression, ...]) -> Denotation:
    frame.build.elements += len(elements)
    if frame.build.elements > MAX_ELEMENTS:
        raise frame.report.refuse(f"more than {MAX_ELEMENTS:,} numbers are written out", node.span, "keep them in a weight file")
    items = tuple([types.counted_as(frame, frame.value(e), e.span) for e in elements])
    if any(isinstance(x, Wrong) for x in items):
        return WRONG
    for x, e in zip(items, elements, strict=True):
        if isinstance(x, Several):
            raise Mistake(f"a list holds values, not {describe(x)}", e.span, help="unpack them first: `a, b = ...`")
    return Listed(items)


def _field(frame: Frame, node: ast.Field) -> Denotation:
    chain = lookup.dotted(node)
    if chain is not None:
        found = lookup.imported(frame, *chain, node.span)
        if found is not None:
            return found
    x = frame.value(node.value)
    if isinstance(x, Wrong):
        return WRONG
    what = types.source_text(node.value)
    ways = {
        "shape": f"`size({what}, axis)`",
        "T": f"`transpose({what})`",
        "ndim": f"`rank({what})`",
        "dtype": f"`{what} as f32` to convert",
    }
    help = f"write {ways[node.name.text]}" if node.name.text in ways else ""
    raise Mistake(f"{what} is {describe(x)} and has no field {node.name.text}", node.span, help=help)


def _subscript(frame: Frame, node: ast.Subscript) -> Denotation:
    chain = lookup.dotted(node)
    if chain is not None:
        found = lookup.imported(frame, *chain, node.span)
        if found is not None:
            return found
    known = frame.reading.bases.get(id(node.value)) if frame.reading is not None else None
    x = known if known is not None else frame.value(node.value)
    parts = [_part(frame, s) for s in node.subscripts]
    if isinstance(x, Wrong) or any(isinstance(p, Wrong) for p in parts):
        return WRONG
    if isinstance(x, Listed):
        x = types.strong(frame, x, node.value.span)
    if not isinstance(x, Value):
        text = types.source_text(node.value)
        raise Mistake(f"{text} is {describe(x)} and has no axes to subscript", node.span)
    if frame.reading is not None and any(isinstance(p, Element | Affine) for p in parts):
        nodes = reads.subscript_nodes(node.subscripts)
        return reads.element(frame, node, x, [p for p in parts if not isinstance(p, slice | EllipsisType | None)][: len(nodes)])
    subscripts = [_of_tensor(frame, p, s.span) for p, s in zip(parts, node.subscripts, strict=True)]
    given = calls.Arguments((x,), (node.value,))
    lazy = bool(frame.calls) and frame.region.kind in ("if", "loop", "scan")  # a call gave sizes for which this need not run
    return frame.make(node.span, lambda: index(x, subscripts, lazy), calls.declarations(frame, given))


Part = Denotation | slice | EllipsisType | None


def _part(frame: Frame, s: ast.Expression | ast.Slice | ast.NewAxis | ast.AnyAxes) -> Part:
    match s:
        case ast.AnyAxes():
            return ...
        case ast.NewAxis():
            return None
        case ast.Slice(start, stop, step):
            return slice(*(None if bound is None else _bound(frame, bound) for bound in (start, stop, step)))
        case _:
            return frame.value(s)


def _bound(frame: Frame, node: ast.Expression) -> Dim:
    x = frame.value(node)
    if isinstance(x, Wrong):
        raise Unclear
    known = None if isinstance(x, Affine) and frame.reading is not None else known_dim(x)
    if known is None:
        raise Mistake(f"the bound of a slice is a size known when compiling, not {describe(x)}", node.span)
    return known


def _of_tensor(frame: Frame, part: Part, span: Span) -> Dim | slice | EllipsisType | Value | None:
    match part:
        case slice() | EllipsisType() | None:
            return part
        case Value():
            known = known_dim(part)
            return part if known is None else known
        case Listed():
            found = types.strong(frame, part, span)
            assert isinstance(found, Value)
            return found
        case _:
            known = known_dim(part)
            if known is None or not is_index_like(part):
                raise Mistake(f"a subscript is an integer, a slice or a tensor of integers or bool, not {describe(part)}", span)
            return known
