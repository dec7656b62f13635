"""Types as written, and how arguments and results meet them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from flowc.errors import Note, OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim, Polynomial, at_least, atoms, dim, linear, substitute
from flowc.ir.types import DType, Type
from flowc.lang import ast
from flowc.lang.elaborate import lookup, sizes
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import (
    WRONG,
    Affine,
    Denotation,
    Element,
    Listed,
    Weak,
    Wrong,
    describe,
    dim_text,
    is_weak,
    scalar_of,
    type_of,
)
from flowc.ops.literal import listed, literal, settled
from flowc.ops.shape import Reshape
from flowc.ops.tensor import Constant, Read, differ, equal_sizes
from flowc.source import Span

DTYPE_LIKE = re.compile(r"(bool|u?int\d*|float\d*|double|half|complex\d*|[fiuc]\d+|bf\d+|f\d+e\d+m\d+)$")


@dataclass(frozen=True)
class Rest:
    """`...`: any leading axes, the same in all places of one signature."""


@dataclass(frozen=True)
class During:
    """`?..bound`: a size known only during the run."""

    bound: Dim | None


@dataclass(frozen=True)
class Pattern:
    """A type as written: a dtype, or the name of a dtype parameter; sizes, perhaps with open parameters."""

    dtype: DType | str
    shape: tuple[Dim | Rest | During, ...]
    node: ast.Type

    def __str__(self) -> str:
        return source_text(self.node)


def source_text(node: ast.Node) -> str:
    """What the node is in its file, on one line."""
    text = re.sub(r"\s+", " ", node.span.text)
    return text if len(text) <= 60 else text[:57] + "..."


def pattern(frame: Frame, node: ast.Type, dtypes: Mapping[str, DType | str] | None = None) -> Pattern:
    """The pattern a type is where sizes stand for what `frame` says; `dtypes` holds dtype parameters."""
    known = dtypes or {}
    found = frame.names.get(node.dtype.text)
    kind: DType | str
    if node.dtype.text in known:
        kind = known[node.dtype.text]
    elif found is not None and isinstance(found.denotation, DType):
        kind = found.denotation
    else:
        kind = lookup.dtype(node.dtype.text, node.dtype.span)
    return Pattern(kind, tuple(_axis(frame, axis) for axis in node.shape), node)


def _axis(frame: Frame, axis: ast.Size) -> Dim | Rest | During:
    match axis:
        case ast.AnyAxes():
            return Rest()
        case ast.DynamicSize(bound):
            return During(None if bound is None else sizes.size(frame, bound))
        case _:
            return sizes.size(frame, axis)


def concrete(frame: Frame, pattern: Pattern) -> Type:
    """The type of a value that comes from outside: an input, a state."""
    shape: list[Dim] = []
    for axis, node in zip(pattern.shape, pattern.node.shape, strict=True):
        match axis:
            case Rest():
                raise Mistake("any leading axes, `...`, are for fn: the axes here are known", node.span)
            case During():
                raise Mistake("a size known only during the run is one of a result", node.span, help="give the size a name")
            case _:
                if at_least(-axis, 1):
                    raise Mistake(f"the size {dim_text(axis)} is negative", node.span)
                frame.require_at_least(axis, 0, node.span)
                shape.append(axis)
    assert isinstance(pattern.dtype, DType)
    type = Type(pattern.dtype, tuple(shape))
    frame.require_holdable(type, pattern.node.span)
    return type


def names_in(node: Any) -> Iterator[ast.Name]:
    """Every name an expression or type speaks of as a value, in order."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, ast.Call):
        for argument in node.arguments:
            yield from names_in(argument.value)
    elif isinstance(node, ast.Type):
        yield from names_in(node.shape)
    elif isinstance(node, ast.Field | ast.Cast):
        yield from names_in(node.value)
    elif isinstance(node, ast.Node):
        for f in fields(node):
            if f.name != "span":
                yield from names_in(getattr(node, f.name))
    elif isinstance(node, tuple):
        for item in node:  # pyright: ignore[reportUnknownVariableType]
            yield from names_in(item)


def is_dtype_parameter(name: str, generics: Sequence[str]) -> bool:
    """Whether a name in dtype position, that no dtype has, is a parameter rather than a slip of the pen."""
    return name in generics or not (name in lookup.DTYPES or name in lookup.LATER or DTYPE_LIKE.match(name))


@dataclass(frozen=True)
class Given:
    """An argument with its formal."""

    name: str
    pattern: Pattern
    argument: Denotation
    span: Span


@dataclass(frozen=True)
class Unified:
    """What the parameters of a call are, and its arguments as values of the formals' types."""

    dtypes: dict[str, DType]
    sizes: dict[Value, Dim]
    rest: tuple[Dim, ...] | None
    arguments: dict[str, Denotation]


def unify(frame: Frame, function: str, given: Sequence[Given]) -> Unified:
    """What the open sizes and dtypes of the formals must be for the arguments to fit; the rest becomes checks of the run."""
    dtypes = _dtypes(function, given)
    arguments = {g.name: _strong(frame, function, g, dtypes) for g in given}
    found: dict[Value, Dim] = {}
    rest: tuple[Dim, ...] | None = None
    equations: list[tuple[Dim, Dim, Given]] = []
    for g in given:
        type = type_of(arguments[g.name])
        if type is None:
            continue
        if type.dtype is not _dtype(g.pattern, dtypes):
            fits = type.rank == len(g.pattern.shape) or any(isinstance(axis, Rest) for axis in g.pattern.shape)
            help = f"convert it: `... as {_dtype(g.pattern, dtypes).value}`" if fits else ""
            raise _unfit(function, g, arguments[g.name], help=help)
        leading, own = _split(function, g, arguments[g.name], type)
        if leading is not None:
            if rest is not None and (len(rest) != len(leading) or any(differ(a, b) for a, b in zip(rest, leading, strict=True))):
                raise _unfit(function, g, arguments[g.name], f"`...` is [{', '.join(map(dim_text, rest))}] in an argument before")
            for a, b in zip(rest or (), leading, strict=rest is not None):
                frame.require_equal(a, b, g.span)
            rest = rest if rest is not None else leading
        equations += [(p, a, g) for p, a in own]
    for p, a, _ in equations:
        if isinstance(p, Polynomial) and (open_ := _lone(p)) is not None:
            found.setdefault(open_, a)
    _solve(equations, found)
    for p, a, g in equations:
        _agree(frame, function, substitute(p, found), p, a, g, arguments[g.name])
    return Unified(dtypes, found, rest, arguments)


def _dtypes(function: str, given: Sequence[Given]) -> dict[str, DType]:
    """The dtype parameters: strong arguments decide, numbers alone take i32 or f32."""
    found: dict[str, DType] = {}
    for g in given:
        type = type_of(g.argument)
        if isinstance(g.pattern.dtype, str) and type is not None:
            found.setdefault(g.pattern.dtype, type.dtype)
    for g in given:
        if isinstance(g.pattern.dtype, str) and is_weak(g.argument):
            own = DType.f32 if isinstance(g.argument, float) else DType.bool if isinstance(g.argument, bool) else None
            own = own or (DType.i64 if isinstance(g.argument, Polynomial) else DType.i32)
            found.setdefault(g.pattern.dtype, own)
        elif isinstance(g.pattern.dtype, str) and isinstance(g.argument, Listed):
            found.setdefault(g.pattern.dtype, DType.f32)
    return found


def _dtype(pattern: Pattern, dtypes: Mapping[str, DType]) -> DType:
    return dtypes[pattern.dtype] if isinstance(pattern.dtype, str) else pattern.dtype


def _strong(frame: Frame, function: str, g: Given, dtypes: Mapping[str, DType]) -> Denotation:
    """The argument, a number or list in the formal's dtype."""
    argument = g.argument
    if is_weak(argument) and g.pattern.shape and not isinstance(g.pattern.shape[0], Rest):
        raise _unfit(function, g, argument)
    try:
        match argument:
            case bool() | int() | float() | Polynomial():
                with frame.making(g.span):
                    return literal(argument, _dtype(g.pattern, dtypes))
            case Listed():
                with frame.making(g.span):
                    return listed(plain(argument, g.span), _dtype(g.pattern, dtypes))
            case Value() | Element() | Affine():
                return argument
            case _:
                raise _unfit(function, g, argument)
    except OpError as error:
        raise Mistake(f"{g.name} of {function} is {g.pattern}: {error}", g.span, (_declared(g),), error.help) from None


def plain(x: Listed, span: Span) -> list[Any]:
    """A list as the ops take it."""
    items: list[Any] = []
    for item in x.items:
        if isinstance(item, Listed):
            items.append(plain(item, span))
        elif isinstance(item, Element | Affine):
            raise Mistake("a list holds no elements of a definition by index", span, help="give the list's axis an index name of its own")
        elif isinstance(item, Value) or is_weak(item):
            items.append(item)
        else:
            raise Mistake(f"a list holds numbers or tensors, not {describe(item)}", span)
    return items


def _split(function: str, g: Given, argument: Denotation, type: Type) -> tuple[tuple[Dim, ...] | None, list[tuple[Dim, Dim]]]:
    """The axes `...` stands for, None where there is none; and the other axes beside what they are."""
    own = [p for p in g.pattern.shape if not isinstance(p, Rest)]
    open_ = len(own) < len(g.pattern.shape)
    if len(own) > type.rank or not open_ and len(own) != type.rank:
        raise _unfit(function, g, argument)
    leading = type.shape[: type.rank - len(own)]
    pairs: list[tuple[Dim, Dim]] = []
    for p, a in zip(own, type.shape[len(leading) :], strict=True):
        if isinstance(p, During):
            if not is_during(a) or p.bound is not None and not at_least(p.bound - a, 0):
                raise _unfit(function, g, argument)
        else:
            assert not isinstance(p, Rest)
            pairs.append((p, a))
    return (leading if open_ else None), pairs


def is_during(d: Dim) -> bool:
    """Whether a size is known only during the run."""
    return isinstance(d, Polynomial) and any(isinstance(a, Value) for a in atoms(d))


def _lone(p: Polynomial) -> Value | None:
    opens = [a for a in atoms(p) if isinstance(a, Value) and a.type.below is None]
    return opens[0] if len(opens) == 1 and p == dim(opens[0]) else None


def opens_in(d: Dim) -> list[Value]:
    """The parameters that a size of a signature speaks of."""
    return list(dict.fromkeys(a for a in atoms(d) if isinstance(a, Value) and a.type.below is None)) if isinstance(d, Polynomial) else []


def _solve(equations: Sequence[tuple[Dim, Dim, Given]], found: dict[Value, Dim]) -> None:
    """Finds parameters that stand alone in no place, from sizes in which they are added: `N + 2` is 10 where N is 8."""
    for _ in equations:
        before = len(found)
        for p, a, _g in equations:
            p = substitute(p, found)
            left = opens_in(p)
            slope = linear(p, left[0]) if len(left) == 1 else None
            if slope in (1, -1):
                found[left[0]] = (a - substitute(p, {left[0]: 0})) * slope  # type: ignore[operator]
        if len(found) == before:
            return


def _agree(frame: Frame, function: str, p: Dim, written: Dim, a: Dim, g: Given, argument: Denotation) -> None:
    if opens_in(p):
        name = dim_text(p)
        raise Mistake(f"{name} of {function} does not follow from the arguments", g.span, (_declared(g),))
    if differ(p, a):
        where = "" if equal_sizes(p, written) or isinstance(written, int) else f" with {dim_text(written)} = {dim_text(p)}"
        raise _unfit(function, g, argument, where=where)
    frame.require_equal(p, a, g.span)


def _unfit(function: str, g: Given, argument: Denotation, more: str = "", help: str = "", where: str = "") -> Mistake:
    message = f"{g.name} of {function} is {g.pattern}{where}, not {describe(argument)}"
    return Mistake(message + (f": {more}" if more else ""), g.span, (_declared(g),), help)


def _declared(g: Given) -> Note:
    return Note(f"{g.name} is declared {g.pattern}", g.pattern.node.span)


def fitted(frame: Frame, x: Denotation, pattern: Pattern, what: str, span: Span, rest: tuple[Dim, ...] | None = None) -> Denotation:
    """x as a value of the stated type; raises `Mistake` where it is of another."""
    if isinstance(x, Wrong):
        return WRONG
    assert isinstance(pattern.dtype, DType)
    note = Note(f"{what} is declared {pattern}", pattern.node.span)
    x = strong(frame, x, span, pattern.dtype, note)
    type = type_of(x)
    assert type is not None
    own = tuple(d for axis in pattern.shape for d in ((rest or ()) if isinstance(axis, Rest) else (axis,)))
    open_ = rest is None and any(isinstance(axis, Rest) for axis in pattern.shape)
    if open_:
        own = tuple(d for d in own if not isinstance(d, Rest))
    have = type.shape[len(type.shape) - len(own) :] if open_ else type.shape
    if type.dtype is not pattern.dtype or len(have) != len(own):
        help = f"convert it: `... as {pattern.dtype.value}`" if type.dtype is not pattern.dtype and len(have) == len(own) else ""
        raise Mistake(f"{what} is {pattern}, not {describe(x)}", span, (note,), help)
    target: list[Dim] = list(type.shape[: type.rank - len(own)])
    for a, d in zip(have, own, strict=True):
        target.append(_axis_fitted(frame, a, d, f"{what} is {pattern}, not {describe(x)}", span, note))
    if isinstance(x, Value) and any(not equal_sizes(a, b) for a, b in zip(type.shape, target, strict=True)):
        return frame.make(span, lambda: Reshape(x, tuple(target)).result)
    return x


def _axis_fitted(frame: Frame, a: Dim, d: Dim | Rest | During, message: str, span: Span, note: Note) -> Dim:
    if isinstance(d, During):
        if not is_during(a):
            raise Mistake(message, span, (note,), help=f"the size {dim_text(a)} is known at entry: write it")
        if d.bound is not None and not at_least(d.bound - a, 0):
            raise Mistake(f"{message}: the size is not provably at most {dim_text(d.bound)}", span, (note,))
        return a
    assert not isinstance(d, Rest)
    if is_during(a) and not is_during(d) and not equal_sizes(a, d):
        raise Mistake(f"{message}: the size is known only during the run", span, (note,), help=f"write `?..{dim_text(d)}`")
    if differ(a, d):
        raise Mistake(message, span, (note,))
    frame.require_equal(a, d, span)
    return d


def strong(frame: Frame, x: Denotation, span: Span, dtype: DType | None = None, note: Note | None = None) -> Value | Element | Affine:
    """x as a value: a number or list in `dtype`, else in what it is alone."""
    try:
        match x:
            case Value() | Element() | Affine():
                return x
            case bool() | int() | float() | Polynomial():
                with frame.making(span):
                    return settled(x) if dtype is None else literal(x, dtype)
            case Listed():
                with frame.making(span):
                    return listed(plain(x, span), dtype)
            case _:
                raise Mistake(f"this wants a value, not {describe(x)}", span, (note,) if note else ())
    except OpError as error:
        raise Mistake(str(error), span, (note,) if note else (), error.help) from None


def tensor(frame: Frame, x: Denotation, span: Span) -> Value:
    """x as a tensor of the graph."""
    found = counted_as(frame, strong(frame, x, span), span)
    if isinstance(found, Value):
        return found
    raise Mistake("an index name stands in definitions by index only", span)


def counted_as(frame: Frame, x: Denotation, span: Span) -> Denotation:
    """x, an index expression of the steps of a scan as the i64 scalar it is outside definitions by index."""
    if isinstance(x, Affine) and frame.reading is None:
        with frame.making(span):
            return scalar_of(x.dim)
    return x


def scalar(frame: Frame, x: Value | Element | Affine | Weak, span: Span, dtype: DType | None = None) -> Value:
    """x as an element inside a definition by index."""
    match x:
        case Element(value):
            return value
        case Affine(dim):
            with frame.making(span):
                return scalar_of(dim)
        case Value(op=Constant()) if not x.type.rank:
            return x
        case Value():
            if x.type.rank:
                raise Mistake(
                    f"a definition by index works on elements, and this is {describe(x)}", span, help="subscript it by index names"
                )
            with frame.making(span):
                return Read(x, ()).result
        case _:
            with frame.making(span):
                return settled(x) if dtype is None else literal(x, dtype)
