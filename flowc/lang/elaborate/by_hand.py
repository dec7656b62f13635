"""Derivatives by hand: the block after a function that says its reverse derivative, formals and inner values visible."""

from __future__ import annotations

from collections.abc import Sequence

from flowc.errors import Note
from flowc.ir.core import Block, Namer, Value
from flowc.lang import ast
from flowc.lang.elaborate import control, expand, types
from flowc.lang.elaborate.context import Bound, Frame, Names, Region
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import Denotation, Element, Wrong, describe, type_of
from flowc.ops.derivative import Custom
from flowc.source import Span


def with_derivative(
    frame: Frame, decl: ast.Fn, name: str, derivative: ast.Derivative, results: Sequence[Denotation], call: Span
) -> list[Denotation]:
    """The results of an expanded function, differentiated as its `derivative` block says."""
    formals = [frame.names.here[f.name.text].denotation for f in decl.formals]
    if any(isinstance(x, Wrong) for x in (*formals, *results)):
        return list(results)
    if frame.reading is not None and any(isinstance(x, Element) for x in formals):
        text = f"{name} has a derivative by hand, which is of whole tensors, and a definition by index has elements"
        raise Mistake(text, call, (Note("it stands here", derivative.span),), "call it on the whole tensor, in a statement of its own")
    primals = tuple(types.tensor(frame, x, call) for x in results)
    smooth = [f for f, x in zip(decl.formals, formals, strict=True) if is_float(x)]
    _counts(decl, derivative, smooth, len(primals))
    block = _backward(frame, derivative, smooth, primals)
    if block is None:
        return list(results)
    given = tuple(types.tensor(frame, x, f.span) for f, x in zip(decl.formals, formals, strict=True))
    made = frame.make(call, lambda: Custom(primals, given, block, hints=tuple(v.hint for v in primals)))
    return list(made.results)


def is_float(x: Denotation) -> bool:
    type = type_of(x)
    return type is not None and type.dtype.is_float


def _counts(decl: ast.Fn, derivative: ast.Derivative, smooth: Sequence[ast.Formal], primals: int) -> None:
    """Raises `Mistake` where the block takes or gives another number of values than the function has results and formals of floats."""
    if len(derivative.results) != len(smooth):
        names = ", ".join(f.name.text for f in smooth) or "none"
        place = derivative.results[0].span if derivative.results else derivative.span
        raise Mistake(f"a derivative has one result per differentiable formal: {names}", place)
    if len(derivative.formals) != primals:
        note = Note(f"{decl.name.text} gives {primals}", decl.results[0].span if decl.results else decl.name.span)
        place = derivative.formals[primals].span if len(derivative.formals) > primals else derivative.span
        raise Mistake(f"a derivative takes one formal per result, {primals} here, not {len(derivative.formals)}", place, (note,))
    for formal in derivative.formals:
        if formal.default is not None:
            raise Mistake(f"{formal.name.text} is what reverse mode gives, and has no default", formal.default.span)


def _backward(frame: Frame, derivative: ast.Derivative, smooth: Sequence[ast.Formal], primals: Sequence[Value]) -> Block | None:
    """The block from the cotangents of the results to those of the formals; None where something in it is wrong."""
    frame.check()
    region = Region("derivative", len(frame.build.made))
    names = Names(frame.names)
    params: list[Value] = []
    for formal, primal in zip(derivative.formals, primals, strict=True):
        if formal.name.text in names.here:
            note = Note("it stands here first", names.here[formal.name.text].span)
            raise Mistake(f"{formal.name.text} stands twice in the signature of a derivative", formal.name.span, (note,))
        dy = Value(primal.type, None, formal.name.text)
        names.here[formal.name.text] = Bound(_fitted(frame, dy, formal), formal.name.span, "formal")
        params.append(dy)
    frame.build.bound.update(dict.fromkeys(params))
    targets = tuple(f"d.{frame.prefix}{formal.name.text}" for formal in smooth)
    inner = frame.within(region=region, names=Names(names), targets=targets, namers=tuple(map(Namer, targets)), prefix=f"d.{frame.prefix}")
    inner = inner.within(returning=inner)
    found = expand.results_of(inner, derivative, inner.run(inner, derivative.body))
    inner.check()
    if any(isinstance(x, Wrong) for x in found):
        return None
    _pure(region, derivative)
    results: list[Value] = []
    for x, formal, result in zip(found, smooth, derivative.results, strict=True):
        value = types.tensor(inner, x, result.span)
        of = frame.names.here[formal.name.text].denotation
        type = type_of(of)
        assert type is not None
        if value.type != type:
            message = f"a derivative by {formal.name.text} has its type,"
            value = control.alike(inner, value, type, (formal.span, result.span), message, "not ")
        results.append(value)
    return frame.build.block(region, tuple(params), tuple(results))


def _fitted(frame: Frame, dy: Value, formal: ast.Formal) -> Denotation:
    pattern = types.pattern(frame, formal.type)
    try:
        return types.fitted(frame, dy, pattern, formal.name.text, formal.span, frame.rest)
    except Mistake:
        text = f"{formal.name.text} has the type of the result that it is of, {describe(dy)} and not {pattern}"
        raise Mistake(text, formal.type.span) from None


def _pure(region: Region, derivative: ast.Derivative) -> None:
    """Raises `Mistake` where the block does more than compute."""
    for name, write in region.writes.items():
        raise Mistake(f"a derivative writes no state, and {name} is written", write.span)
    for root in region.roots:
        place = root.op.location if root.op is not None else None
        raise Mistake("a derivative checks nothing", place or derivative.span, help="check what the function is given, in its body")
