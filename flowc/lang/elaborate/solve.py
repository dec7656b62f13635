"""One look through a definition by index before it is elaborated: its index names, its reads, and the ranges these give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, dim
from flowc.lang import ast
from flowc.lang.elaborate import lookup, reads, sizes, types
from flowc.lang.elaborate.context import Bound, Frame, Names
from flowc.lang.elaborate.ranges import Access, IndexName, RangeError, open_index, ranges
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.sizes import Unclear
from flowc.lang.elaborate.values import Affine, Denotation, known_dim

Found = tuple[Value, Dim, Dim]
Scope = Mapping[str, Value | None]  # index names by open index; None hides a name that is bound inside


@dataclass(frozen=True)
class Solved:
    """The ranges of a definition's own names, those of the reduces in it, and the tensors it reads, by the nodes' identity."""

    own: tuple[Found, ...]
    reduces: dict[int, tuple[Found, ...]]
    bases: dict[int, Denotation]


@dataclass
class _Look:
    """What is found on the way: index names in order with the reduce they belong to, reads, tensors read.

    miscounted: the first read by index names with another number of subscripts than the tensor has axes, which says nothing of ranges.
    """

    frame: Frame
    names: list[tuple[int | None, IndexName]] = field(default_factory=list[tuple[int | None, IndexName]])
    accesses: list[Access] = field(default_factory=list[Access])
    bases: dict[int, Denotation] = field(default_factory=dict[int, Denotation])
    miscounted: Mistake | None = None

    def named(self, owner: int | None, indices: Sequence[ast.IndexName], scope: Scope) -> Scope:
        """The scope with the index names, whose stated bounds may speak of names before."""
        for n in indices:
            stated = None if n.range is None else (self.size(n.range.start, scope), self.size(n.range.end, scope))
            index = IndexName(n.name.text, open_index(n.name.text), n.name.span, stated)
            self.names.append((owner, index))
            scope = {**scope, n.name.text: index.open}
        return scope

    def size(self, node: ast.Expression, scope: Scope) -> Dim:
        names = Names(self.frame.names)
        for name, index in scope.items():
            if index is not None:
                names.here[name] = Bound(Affine(dim(index)), node.span, "index")
        try:
            return sizes.size(self.frame.within(names=names), node)
        except Mistake as mistake:
            help = "a range that depends on data is a condition: `if k < n { ... } else { ... }`"
            raise Mistake(
                mistake.diagnostic.message, mistake.diagnostic.span, mistake.diagnostic.notes, mistake.diagnostic.help or help
            ) from None

    def expression(self, node: Any, scope: Scope) -> None:
        match node:
            case ast.Subscript():
                self.read(node, node.value, node.subscripts, scope, bounds=True)
            case ast.Call(ast.Name("at"), arguments) if arguments:
                self.read(node, arguments[0].value, [a.value for a in arguments[1:] if a.name is None], scope, bounds=False)
                for argument in arguments:
                    if argument.name is not None:
                        self.expression(argument.value, scope)
            case ast.Reduce():
                self.expression(node.body, self.named(id(node), node.indices, scope))
            case ast.Block():
                for statement in node.statements:
                    self.expression(statement, scope)
                    for name in _bound_by(statement):
                        scope = {**scope, name: None}
            case tuple():
                for item in node:  # pyright: ignore[reportUnknownVariableType]
                    self.expression(item, scope)
            case ast.Node():
                for f in fields(node):
                    if f.name != "span":
                        self.expression(getattr(node, f.name), scope)
            case _:
                pass

    def read(self, node: ast.Expression, base: ast.Expression, subscripts: Sequence[Any], scope: Scope, bounds: bool) -> None:
        """Notes what the subscripts of a read say of the index names."""
        x = self.base(base, scope)
        if isinstance(x, Value) and x.type.rank == len(subscripts):
            for axis, (place, size) in enumerate(zip(subscripts, x.type.shape, strict=True)):
                at = affine(self.frame, place, scope)
                if at is not None:
                    text = f"{types.source_text(base)}[{', '.join(types.source_text(s) for s in subscripts)}]"
                    self.accesses.append(Access(at, size, text, axis, place.span, bounds))
        elif x is None:
            self.expression(base, scope)
        elif isinstance(x, Value) and self.miscounted is None and any(n.text in scope for s in subscripts for n in types.names_in(s)):
            self.miscounted = reads.wrong_count(x, len(subscripts), base, node.span)
        for place in subscripts:
            self.expression(place, scope)

    def base(self, node: ast.Expression, scope: Scope) -> Denotation | None:
        """The tensor that is read, evaluated once; None where it depends on index names or on names bound inside."""
        if id(node) not in self.bases:
            if any(name.text in scope for name in types.names_in(node)):
                return None
            self.bases[id(node)] = self.frame.value(node)
        return self.bases[id(node)]


def _bound_by(statement: ast.Statement) -> list[str]:
    match statement:
        case ast.Bind(targets):
            return [t.name.text for t in targets]
        case ast.Define(name):
            return [name.text]
        case _:
            return []


def affine(frame: Frame, node: Any, scope: Scope) -> Dim | None:
    """The index expression a subscript is, in open indices; None where it is none."""
    match node:
        case ast.Integer(value):
            return value
        case ast.Name(text):
            if text in scope:
                index = scope[text]
                return None if index is None else dim(index)
            told = text in frame.build.unknown
            try:
                return known_dim(lookup.bound(frame, text, node.span).denotation)
            except (Mistake, Unclear):
                if not told:
                    frame.build.unknown.pop(text, None)  # told where the read is elaborated, which sees more names
                return None
        case ast.Unary("-", operand):
            x = affine(frame, operand, scope)
            return None if x is None else -x
        case ast.Binary(left, "+" | "-" | "*" | "//" | "%" as operator, right):
            x, y = affine(frame, left, scope), affine(frame, right, scope)
            if x is None or y is None or operator in ("//", "%") and not at_least(y, 1):
                return None
            return sizes.arithmetic(frame, operator, x, y, node.span)
        case _:
            return None


def solve(frame: Frame, indices: Sequence[ast.IndexName], body: ast.Expression) -> Solved:
    """The range of every index name of a definition or reduction and of the reduces in it."""
    look = _Look(frame)
    look.expression(body, look.named(None, indices, {}))
    own = [n for owner, n in look.names if owner is None]
    inner = [n for owner, n in look.names if owner is not None]
    try:
        found = ranges([*own, *inner], look.accesses)
    except RangeError as error:
        if look.miscounted is not None:
            raise look.miscounted from None
        diagnostic = error.diagnostic
        raise Mistake(diagnostic.message, diagnostic.span, diagnostic.notes, diagnostic.help) from None
    for a, b, span in found.assumed:
        frame.require_equal(a, b, span)
    reduces: dict[int, tuple[Found, ...]] = {}
    for owner, n in look.names:
        if owner is not None:
            reduces[owner] = (*reduces.get(owner, ()), (n.open, *found.of[n.open]))
    return Solved(tuple((n.open, *found.of[n.open]) for n in own), reduces, look.bases)
