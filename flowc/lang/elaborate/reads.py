"""Reads of single elements inside definitions by index: proven in range, checked during the run, or beyond the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowc.errors import Note, counted
from flowc.ir.core import Value
from flowc.ir.dims import Dim, Polynomial, at_least, atoms, dim, floor, least
from flowc.ir.types import DType
from flowc.lang import ast
from flowc.lang.elaborate import arithmetic, types
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.proof import proof
from flowc.lang.elaborate.ranges import extreme
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.sizes import greatest
from flowc.lang.elaborate.values import WRONG, Denotation, Element, Wrong, describe, dim_text, is_index_like, known_dim, scalar_of
from flowc.ops.accumulate import Slot
from flowc.ops.call import infix
from flowc.ops.elementwise import add, cast, greater_equal, less, logical_and, maximum, minimum, sub, where
from flowc.ops.kernel import Checked, Inside
from flowc.ops.literal import literal
from flowc.ops.tensor import Read, constant
from flowc.source import Span

BORDERS = ("clamp", "wrap", "reflect")


@dataclass(frozen=True, eq=False)
class At:
    """A subscript of an element: an index expression, or an integer computed during the run."""

    at: Dim | Value
    node: ast.Expression


def element(frame: Frame, node: ast.Subscript, x: Value, subscripts: Sequence[Denotation]) -> Denotation:
    """`x[i, j + 1]`: every subscript provably in range, or checked where it is computed during the run."""
    places = subscript_nodes(node.subscripts)
    ats = _ats(frame, x, places, subscripts, node.value, node.span)
    reading = frame.reading
    assert reading is not None
    index: list[Dim] = []
    used: list[Dim] = []
    for axis, (at, size) in enumerate(zip(ats, x.type.shape, strict=True)):
        if isinstance(at.at, Value):
            found, guard = _checked(frame, at, size, node.value)
            index.append(found)
            used += guard
            continue
        d = at.at + size if isinstance(at.at, int) and at.at < 0 else at.at
        for bound, past in ((d, False), (size - 1 - d, True)):
            facts = proof(bound, reading.facts)
            if facts is None:
                raise _out(at, node, d, size, axis, past)
            used += facts
        index.append(d)
    with frame.making(node.span):
        return Element(Read(x, tuple(index), tuple(dict.fromkeys(used))).result)


def subscript_nodes(subscripts: Sequence[ast.Expression | ast.Slice | ast.NewAxis | ast.AnyAxes]) -> list[ast.Expression]:
    """The subscripts of an element, which are all expressions."""
    found: list[ast.Expression] = []
    for s in subscripts:
        if isinstance(s, ast.Slice | ast.NewAxis | ast.AnyAxes):
            raise Mistake("an element has one index for each axis: no slice, `new` or `...` beside an index name", s.span)
        found.append(s)
    return found


def _ats(
    frame: Frame, x: Value, nodes: Sequence[ast.Expression], subscripts: Sequence[Denotation], base: ast.Expression, span: Span
) -> list[At]:
    if len(nodes) != x.type.rank:
        raise wrong_count(x, len(nodes), base, span)
    return [_at(frame, s, n) for s, n in zip(subscripts, nodes, strict=True)]


def wrong_count(x: Value, given: int, base: ast.Expression, span: Span) -> Mistake:
    """The mistake of a read with another number of subscripts than the tensor has axes."""
    text = types.source_text(base)
    axes = "its one axis" if x.type.rank == 1 else f"each of its {counted(x.type.rank, 'axis')}"
    return Mistake(f"an element of {text} has an index for {axes}, not {given}: {text} is {describe(x)}", span)


def _at(frame: Frame, x: Denotation, node: ast.Expression) -> At:
    if is_index_like(x):
        d = known_dim(x)
        assert d is not None
        return At(d, node)
    known = known_dim(x)
    if known is not None:
        return At(known, node)
    if not isinstance(x, Value | Element):
        raise Mistake(f"a subscript is an integer, not {describe(x)}", node.span)
    value = types.scalar(frame, x, node.span)
    if not value.type.dtype.is_integer:
        raise Mistake(f"a subscript is an integer, not {describe(value)}", node.span, help="convert it: `... as i64`")
    return At(value, node)


def _checked(frame: Frame, at: At, size: Dim, base: ast.Expression) -> tuple[Dim, tuple[Dim, ...]]:
    """A computed index below `size`, negative ones from the end, and what its read is guarded by.

    Where a condition around does not hold it is not looked at.
    """
    reading = frame.reading
    assert reading is not None and isinstance(at.at, Value)
    told = f"{types.source_text(at.node)} indexes {types.source_text(base)}"
    with frame.making(at.node.span):
        value = cast(at.at, DType.i64)
        zero = constant(0, DType.i64)
        if reading.holds is None:
            return dim(Checked(value, (size,), told).result), ()
        if at_least(size, 1):
            return dim(Checked(where(reading.holds, value, zero), (size,), told).result), ()
        asked = dim(Slot(where(reading.holds, zero, constant(-1, DType.i64)), (1,)).result) - 1
        return dim(Checked(value, (size,), told, (asked,)).result), (asked,)


def _known(value: Value, size: Dim, told: str) -> tuple[Dim, tuple[Dim, ...]]:
    """An index that is 0 where nothing asks for it, which an axis that may be empty does not have: there the read is guarded."""
    if at_least(size, 1):
        return dim(Checked(value, (size,), told).result), ()
    return dim(Checked(value, (greatest(size, 1),), told).result), (size - 1,)


def _out(at: At, node: ast.Subscript, d: Dim, size: Dim, axis: int, past: bool) -> Mistake:
    """The mistake of a read that may leave its tensor."""
    text, base = types.source_text(at.node), types.source_text(node.value)
    furthest = _furthest(d, past)
    reaches = f", and {text} reaches {dim_text(furthest)}" if furthest is not None and dim_text(furthest) != text else ""
    goes = f"may be {dim_text(size)} or more" if past else "may be negative"
    if isinstance(d, int):
        goes, reaches = "may not be there", ""
    inside = f"axis {axis} of {base} has the size {dim_text(size)}"
    call = f"at({base}, {', '.join(types.source_text(n) for n in node.subscripts)}, outside=...)"
    return Mistake(
        f"{text} {goes}: {inside}{reaches}", at.node.span, help=f"state a range that stays inside, or read beyond the border: `{call}`"
    )


def _furthest(d: Dim, past: bool) -> Dim | None:
    """The greatest or least value of an index expression over its indices, where that is plain."""
    if not isinstance(d, Polynomial):
        return d
    known = {a: (0, a.type.below) for a in atoms(d) if isinstance(a, Value) and a.type.below is not None}
    return extreme(d, known, past) if known else None


def bordered(frame: Frame, node: ast.Call) -> Denotation:
    """`at(x, i - 1, j, outside=0.0)`: a read that may leave its tensor."""
    positional = [a.value for a in node.arguments if a.name is None]
    named = {a.name.text: a.value for a in node.arguments if a.name is not None}
    if list(named) != ["outside"] or len(positional) < 2:
        raise Mistake("at reads beyond the border: `at(x, i - 1, j, outside=0.0)`", node.span)
    if frame.reading is None:
        raise Mistake("at reads an element inside a definition by index", node.span, help="write `y[i] = at(x, i - 1, outside=0.0)`")
    base, *nodes = positional
    x = frame.reading.bases.get(id(base)) or frame.value(base)
    subscripts = [frame.value(n) for n in nodes]
    outside = frame.value(named["outside"])
    if any(isinstance(v, Wrong) for v in (x, outside, *subscripts)):
        return WRONG
    if not isinstance(x, Value):
        raise Mistake(f"at reads a tensor, not {describe(x)}", base.span)
    ats = _ats(frame, x, nodes, subscripts, base, node.span)
    if isinstance(outside, str):
        return _folded(frame, x, ats, outside, named["outside"].span, node)
    return _valued(frame, x, ats, outside, named["outside"].span, node)


def _folded(frame: Frame, x: Value, ats: Sequence[At], border: str, place: Span, node: ast.Call) -> Element:
    """A read beyond the border that finds an element inside."""
    if border not in BORDERS:
        raise Mistake(f'outside is a value or one of {", ".join(BORDERS)}, not "{border}"', place)
    index: list[Dim] = []
    for at, size in zip(ats, x.type.shape, strict=True):
        d = at.at
        if not isinstance(d, Value) and proof(d, ()) is not None and proof(size - 1 - d, ()) is not None:
            index.append(d)
            continue
        frame.require_at_least(size, 1, node.span)
        if isinstance(d, Value):
            with frame.making(at.node.span):
                inside = _computed_inner(cast(d, DType.i64), scalar_of(size), border)
                index.append(dim(Checked(inside, (size,), types.source_text(at.node)).result))
            continue
        if not at_least(size, 1) and size != 0 and border == "wrap":
            size = greatest(size, 1)
        index.append(_inner(d, size, border))
    with frame.making(node.span):
        return Element(Read(x, tuple(index)).result)


def _inner(d: Dim, size: Dim, border: str) -> Dim:
    """The index inside that an index beyond the border stands for."""
    if border == "clamp":
        return greatest(least(d, size - 1), 0)
    if border == "wrap":
        return d - floor(d, size) * size
    period = greatest(2 * size - 2, 1)
    back = d - floor(d, period) * period
    return least(back, period - back) if size != 1 else 0


def _computed_inner(i: Value, size: Value, border: str) -> Value:
    """The same for an index computed during the run."""
    one, zero = constant(1, DType.i64), constant(0, DType.i64)
    last = sub(size, one)
    if border == "clamp":
        return maximum(minimum(i, last), zero)
    if border == "wrap":
        return _remainder(i, size)
    period = maximum(add(last, last), one)
    back = _remainder(i, period)
    return minimum(back, sub(add(last, last), back))


def _remainder(i: Value, by: Value) -> Value:
    found = infix("%").make(i, by)
    assert isinstance(found, Value)
    return found


def _valued(frame: Frame, x: Value, ats: Sequence[At], outside: Denotation, place: Span, node: ast.Call) -> Element:
    """A read that gives a value beyond the border."""
    index: list[Dim] = []
    inside: list[Dim] = []
    holds: Value | None = None
    for at, size in zip(ats, x.type.shape, strict=True):
        d = at.at
        if isinstance(d, Value):
            with frame.making(at.node.span):
                i = cast(d, DType.i64)
                there = logical_and(greater_equal(i, constant(0, DType.i64)), less(i, scalar_of(size)))
                holds = arithmetic.conjunction(holds, there)
                found, guard = _known(where(there, i, constant(0, DType.i64)), size, types.source_text(at.node))
            index.append(found)
            inside += guard
            continue
        index.append(d)
        inside += [bound for bound in (d, size - 1 - d) if proof(bound, ()) is None]
    with frame.making(node.span):
        read = Read(x, tuple(index), tuple(inside)).result
        holds = arithmetic.conjunction(holds, Inside(tuple(inside)).result if inside else None)
    if isinstance(outside, bool | int | float) and not (isinstance(outside, float) and str(outside) == "-0.0"):
        value = frame.make(place, lambda: literal(outside, x.type.dtype))
        if outside == 0 and not any(isinstance(at.at, Value) for at in ats):
            return Element(read)
    else:
        value = types.scalar(frame, types.strong(frame, outside, place, x.type.dtype), place)
        if value.type != read.type:
            note = Note(f"the tensor is {describe(x)}", node.span)
            raise Mistake(f"outside is {describe(value)}, and the elements are {read.type.dtype.value}", place, (note,))
    if holds is None:
        return Element(read)
    return Element(frame.make(node.span, lambda: where(holds, read, value)))


def is_read(node: ast.Expression) -> bool:
    """Whether an expression is written as a read of one element."""
    match node:
        case ast.Subscript():
            return True
        case ast.Call(ast.Name("at")):
            return True
        case _:
            return False
