"""From reductions to the tree: the method that has a rule's name builds what `grammar/flow.lark` reads by it.

What the grammar alone cannot refuse is refused here: names that are reserved,
targets that cannot be bound, attributes and versions that are not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.errors import Diagnostic, Note, did_you_mean
from flowc.lang import ast
from flowc.lang.lexer import Errors, Token, quoted
from flowc.source import Span

VERSIONS = ("1.0",)
IMPORTS = ("weights", "onnx", "stablehlo")
CONSTANTS = ("inf", "nan", "pi", "e")
ATTRIBUTES = ("remat", "inline", "name", "pipeline", "replicate")
ARGUMENTS = {"pipeline": ("stages", "microbatches"), "replicate": ("devices", "axis")}
ESCAPE = re.compile(r"\\(.)")
ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


class Builder:
    """Builds the nodes of one text."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.ranged_names: list[ast.IndexName] = []  # read in subscripts of a statement that is not yet built

    def build(self, rule: str, children: Sequence[Any], begin: int, end: int) -> Any:
        """What `rule` makes of its children, which stand at `begin` to `end`; a rule without a name collects."""
        if not rule:
            return _collected(children)
        if any(type(child) is _Chain for child in children):
            children = _flat(children)
        built = getattr(self, rule)(Span(self.errors.source, begin, end), *children)
        if self.ranged_names and isinstance(built, ast.Attributed):
            self._refuse_ranges()
        return built

    def forget(self) -> None:
        """The statement at hand is given up."""
        self.ranged_names.clear()

    # The file and its definitions.

    def start(self, span: Span, version: str | None, *items: ast.Item) -> ast.Program:
        return ast.Program(version, items, span=span)

    def header(self, span: Span, number: Token) -> str:
        if number.text not in VERSIONS:
            known = f"the known version is {VERSIONS[0]}" if len(VERSIONS) == 1 else f"the known versions are {', '.join(VERSIONS)}"
            self._wrong(f"version {number.text} of the language is not known", self._at(number), help=known)
        return number.text

    def import_(self, span: Span, kind: Token | None, path: Token, name: Token, sha256: Token | None) -> ast.Import:
        if kind is not None and kind.text not in IMPORTS:
            near = did_you_mean(kind.text, IMPORTS) or f"the kinds are {', '.join(IMPORTS)}; a .flow file states none"
            self._wrong(f"there is no import of the kind {quoted(kind.text)}", self._at(kind), help=near)
        stated = None if sha256 is None else self._string(sha256)
        return ast.Import("flow" if kind is None else kind.text, self._string(path), self._bound(name), stated, span=span)

    def dim(self, span: Span, attributes: Attributes, names: Names, limits: Limits | None) -> ast.Dim:
        low, high = limits or (None, None)
        return ast.Dim(names, low, high, attributes=attributes, span=span)

    def names(self, span: Span, *names: Token) -> Names:
        return tuple(map(self._bound, names))

    def dim_range(self, span: Span, low: ast.Expression, high: ast.Expression | None) -> Limits:
        return low, high

    def const(self, span: Span, attributes: Attributes, name: Token, type: ast.Type | None, value: ast.Expression) -> ast.Const:
        return ast.Const(self._bound(name), type, value, attributes=attributes, span=span)

    def param(self, span: Span, attributes: Attributes, name: Token, type: ast.Type, value: ast.Expression | None) -> ast.Param:
        return ast.Param(self._bound(name), type, value, attributes=attributes, span=span)

    def state(self, span: Span, attributes: Attributes, name: Token, type: ast.Type, value: ast.Expression | None) -> ast.State:
        return ast.State(self._bound(name), type, value, attributes=attributes, span=span)

    def device(self, span: Span, name: Token, kind: Token, arguments: Arguments) -> ast.Device:
        return ast.Device(self._bound(name), self._name(kind), arguments, span=span)

    def fn(
        self,
        span: Span,
        attributes: Attributes,
        name: Token,
        generics: Names | None,
        formals: Formals,
        results: Results,
        body: ast.Block,
        derivative: ast.Derivative | None,
    ) -> ast.Fn:
        bound = self._bound(name)
        return ast.Fn(bound, generics or (), formals, results, body, derivative, attributes=attributes, span=span)

    def graph(self, span: Span, attributes: Attributes, name: Token, formals: Formals, results: Results, body: ast.Block) -> ast.Graph:
        return ast.Graph(self._bound(name), formals, results, body, attributes=attributes, span=span)

    def test(self, span: Span, title: Token, body: ast.Block) -> ast.Test:
        return ast.Test(self._string(title), body, span=span)

    def generics(self, span: Span, names: Names) -> Names:
        return names

    def formals(self, span: Span, *formals: ast.Formal) -> Formals:
        return formals

    def formal(self, span: Span, name: Token, type: ast.Type, default: ast.Expression | None) -> ast.Formal:
        return ast.Formal(self._bound(name), type, default, span=span)

    def results(self, span: Span, *results: ast.Result) -> Results:
        return results

    def result(self, span: Span, name: Token | None, type: ast.Type) -> ast.Result:
        return ast.Result(None if name is None else self._bound(name), type, span=span)

    def derivative(self, span: Span, formals: Formals, results: Results, body: ast.Block) -> ast.Derivative:
        return ast.Derivative(formals, results, body, span=span)

    # Types.

    def type(self, span: Span, dtype: Token, shape: tuple[ast.Size, ...] | None) -> ast.Type:
        return ast.Type(self._name(dtype), shape or (), span=span)

    def shape(self, span: Span, *sizes: ast.Size) -> tuple[ast.Size, ...]:
        return sizes

    def any_axes(self, span: Span) -> ast.AnyAxes:
        return ast.AnyAxes(span=span)

    def dynamic(self, span: Span, bound: ast.Expression | None) -> ast.DynamicSize:
        return ast.DynamicSize(bound, span=span)

    # Statements.

    def block(self, span: Span, *statements: ast.Statement) -> ast.Block:
        return ast.Block(statements, span=span)

    def bind(self, span: Span, attributes: Attributes, *parts: Any) -> ast.Bind | ast.Define:
        *targets, value = parts
        if len(targets) == 1 and isinstance(targets[0], _Indexed):
            indexed: _Indexed = targets[0]
            return ast.Define(indexed.name, indexed.indices, value, attributes=attributes, span=span)
        for indexed in (target for target in targets if isinstance(target, _Indexed)):
            self._wrong("a definition by index binds one name", indexed.name.span, help="write a statement for each name")
        bound = tuple(target for target in targets if isinstance(target, ast.Target))
        return ast.Bind(bound, value, attributes=attributes, span=span)

    def target(self, span: Span, expression: ast.Expression, type: ast.Type | None) -> ast.Target | _Indexed:
        match expression:
            case ast.Name():
                self._free(expression)
                return ast.Target(expression, type, span=span)
            case ast.Subscript(ast.Name() as name, subscripts):
                self._free(name)
                if type is not None:
                    self._wrong("a definition by index states no type: it has that of its elements", type.span)
                return _Indexed(name, tuple(map(self._index, subscripts)))
            case _:
                self._wrong("this cannot be bound", span, help="what stands left of = is a name, h, or a definition by index, y[i, j]")
                return ast.Target(ast.Name("", span=span), None, span=span)

    def write(self, span: Span, attributes: Attributes, target: ast.Expression, value: ast.Expression) -> ast.Write:
        if not isinstance(target, ast.Name):
            self._wrong("only a param or a state can be written", target.span, help="what stands left of := is its name")
            target = ast.Name("", span=target.span)
        return ast.Write(target, value, attributes=attributes, span=span)

    def return_(self, span: Span, attributes: Attributes, values: Expressions) -> ast.Return:
        return ast.Return(values, attributes=attributes, span=span)

    def yield_(self, span: Span, attributes: Attributes, values: Expressions, emitted: Expressions | None) -> ast.Yield:
        return ast.Yield(values, emitted or (), attributes=attributes, span=span)

    def emit(self, span: Span, attributes: Attributes, emitted: Expressions) -> ast.Yield:
        return ast.Yield((), emitted, attributes=attributes, span=span)

    def assert_(
        self, span: Span, attributes: Attributes, condition: ast.Expression, within: ast.Expression | None, message: Token | None
    ) -> ast.Assert:
        said = None if message is None else self._string(message)
        return ast.Assert(condition, within, said, attributes=attributes, span=span)

    def on(self, span: Span, attributes: Attributes, device: Token, body: ast.Block) -> ast.On:
        return ast.On(self._name(device), body, attributes=attributes, span=span)

    def evaluate(self, span: Span, attributes: Attributes, value: ast.Expression) -> ast.Evaluate:
        return ast.Evaluate(value, attributes=attributes, span=span)

    def attributes(self, span: Span, *attributes: ast.Attribute) -> Attributes:
        return attributes

    def attribute(self, span: Span, name: Token, arguments: Arguments | None) -> ast.Attribute:
        self._check_attribute(name, arguments)
        return ast.Attribute(self._name(name), arguments or (), span=span)

    def exprs(self, span: Span, *values: ast.Expression) -> Expressions:
        return values

    # Expressions.

    def if_(self, span: Span, condition: ast.Expression, then: ast.Block, otherwise: ast.Block | ast.If) -> ast.If:
        return ast.If(condition, then, otherwise, span=span)

    def loop(self, span: Span, carries: Carries, condition: ast.Expression, limit: ast.Expression | None, body: ast.Block) -> ast.Loop:
        return ast.Loop(carries, condition, limit, body, span=span)

    def scan(self, span: Span, sequences: tuple[ast.Each, ...], carries: Carries | None, body: ast.Block) -> ast.Scan:
        return ast.Scan(sequences, carries or (), body, span=span)

    def carries(self, span: Span, *carries: ast.Carry) -> Carries:
        return carries

    def carry(self, span: Span, name: Token, type: ast.Type | None, initial: ast.Expression) -> ast.Carry:
        return ast.Carry(self._bound(name), type, initial, span=span)

    def sequences(self, span: Span, *sequences: ast.Each) -> tuple[ast.Each, ...]:
        return sequences

    def each(self, span: Span, name: Token, values: ast.Expression | ast.Range, along: ast.Expression | None = None) -> ast.Each:
        return ast.Each(self._bound(name), values, along, span=span)

    def reduce(self, span: Span, reducer: Token, indices: tuple[ast.IndexName, ...], body: ast.Expression) -> ast.Reduce:
        return ast.Reduce(self._name(reducer), indices, body, span=span)

    def indices(self, span: Span, *indices: ast.IndexName) -> tuple[ast.IndexName, ...]:
        return indices

    def index_name(self, span: Span, name: Token, range: ast.Range | None) -> ast.IndexName:
        return ast.IndexName(self._bound(name), range, span=span)

    def range(self, span: Span, start: ast.Expression, end: ast.Expression) -> ast.Range:
        return ast.Range(start, end, span=span)

    def binary(self, span: Span, left: ast.Expression, operator: Token, right: ast.Expression) -> ast.Binary:
        return ast.Binary(left, operator.text, right, span=span)

    def negated(self, span: Span, operator: Token, operand: ast.Expression) -> ast.Unary:
        return ast.Unary(operator.text, operand, span=span)

    def call(self, span: Span, function: ast.Expression, arguments: Arguments) -> ast.Call:
        return ast.Call(function, arguments, span=span)

    def subscript(self, span: Span, value: ast.Expression, *subscripts: Any) -> ast.Subscript:
        return ast.Subscript(value, subscripts, span=span)

    def field(self, span: Span, value: ast.Expression, name: ast.Name) -> ast.Field:
        return ast.Field(value, name, span=span)

    def cast(self, span: Span, value: ast.Expression, dtype: Token) -> ast.Cast:
        return ast.Cast(value, self._name(dtype), span=span)

    def arguments(self, span: Span, *arguments: ast.Argument) -> Arguments:
        given: dict[str, Span] = {}
        for argument in arguments:
            if argument.name is None:
                if given:
                    self._wrong("an argument without a name follows one with a name", argument.span, help="arguments by name come last")
            elif argument.name.text in given:
                note = Note("it is given here first", given[argument.name.text])
                self._wrong(f"the argument {quoted(argument.name.text)} is given twice", argument.name.span, (note,))
            else:
                given[argument.name.text] = argument.name.span
        return arguments

    def argument(self, span: Span, name: ast.Name | None, value: ast.Expression) -> ast.Argument:
        return ast.Argument(name, value, span=span)

    def slice(self, span: Span, start: ast.Expression | None, stop: ast.Expression | None, step: ast.Expression | None) -> ast.Slice:
        return ast.Slice(start, stop, step, span=span)

    def ranged(self, span: Span, name: ast.Expression, range: ast.Range) -> ast.IndexName:
        if not isinstance(name, ast.Name):
            self._wrong("a range belongs to the name of an index", name.span)
            return ast.IndexName(ast.Name("", span=name.span), range, span=span)
        index = ast.IndexName(name, range, span=span)
        self.ranged_names.append(index)
        return index

    def new_axis(self, span: Span) -> ast.NewAxis:
        return ast.NewAxis(span=span)

    def name(self, span: Span, token: Token) -> ast.Name:
        return ast.Name(token.text, span=span)

    def word(self, span: Span, token: Token) -> ast.Name:
        return ast.Name(token.text, span=span)

    def number(self, span: Span, token: Token) -> ast.Integer | ast.Decimal:
        digits = token.text.replace("_", "")
        if digits.startswith("0x"):
            return ast.Integer(int(digits, 16), token.text, span=span)
        return ast.Integer(int(digits), token.text, span=span) if digits.isdigit() else ast.Decimal(token.text, span=span)

    def string(self, span: Span, token: Token) -> ast.String:
        return self._string(token)

    def true(self, span: Span) -> ast.Bool:
        return ast.Bool(True, span=span)

    def false(self, span: Span) -> ast.Bool:
        return ast.Bool(False, span=span)

    def tuple_(self, span: Span, *elements: ast.Expression) -> ast.Tuple:
        return ast.Tuple(elements, span=span)

    def list_(self, span: Span, *elements: ast.Expression) -> ast.List:
        return ast.List(elements, span=span)

    def _at(self, token: Token) -> Span:
        return Span(self.errors.source, token.begin, token.end)

    def _name(self, token: Token) -> ast.Name:
        return ast.Name(token.text, span=self._at(token))

    def _bound(self, token: Token) -> ast.Name:
        name = self._name(token)
        self._free(name)
        return name

    def _free(self, name: ast.Name) -> None:
        if name.text in CONSTANTS:
            self._wrong(f"{quoted(name.text)} is a constant of the language and names nothing else", name.span)

    def _index(self, subscript: Any) -> ast.IndexName:
        """What stands between the brackets of a definition's target."""
        match subscript:
            case ast.IndexName(name):
                self.ranged_names = [index for index in self.ranged_names if index is not subscript]
                self._free(name)
                return subscript
            case ast.Name():
                self._free(subscript)
                return ast.IndexName(subscript, None, span=subscript.span)
            case _:
                self._wrong("an index of a definition is a name", subscript.span, help="write y[i] = ... or y[i in 0..N] = ...")
                return ast.IndexName(ast.Name("", span=subscript.span), None, span=subscript.span)

    def _refuse_ranges(self) -> None:
        for index in self.ranged_names:
            help = "write y[i in 0..N] = ... or reduce sum i in 0..N: ..."
            self._wrong("a range stands only in the target of a definition", index.span, help=help)
        self.ranged_names.clear()

    def _string(self, token: Token) -> ast.String:
        for found in ESCAPE.finditer(token.text):
            if found[1] not in ESCAPES:
                span = Span(self.errors.source, token.begin + found.start(), token.begin + found.end())
                self._wrong(f"{quoted(found[0])} stands for no character", span, help=r'the escapes are \" \\ \n \t')
        value = ESCAPE.sub(lambda found: ESCAPES.get(found[1], ""), token.text[1:-1])
        return ast.String(value, span=self._at(token))

    def _check_attribute(self, name: Token, arguments: Arguments | None) -> None:
        known = ", ".join(f"@{attribute}" for attribute in ATTRIBUTES)
        match name.text:
            case "name":
                fits = arguments is not None and len(arguments) == 1 and isinstance(arguments[0].value, ast.String)
                wanted = 'one string: @name("head")'
            case "pipeline" | "replicate":
                fits = arguments is not None and all(a.name is not None and a.name.text in ARGUMENTS[name.text] for a in arguments)
                wanted = "arguments by name: " + ", ".join(ARGUMENTS[name.text])
            case "remat" | "inline":
                fits, wanted = not arguments, "no arguments"
            case _:
                near = did_you_mean(name.text, ATTRIBUTES) or f"the attributes are {known}"
                self._wrong(f"there is no attribute @{name.text}", self._at(name), help=near)
                return
        if not fits:
            self._wrong(f"@{name.text} takes {wanted}", self._at(name))

    def _wrong(self, message: str, span: Span, notes: tuple[Note, ...] = (), help: str = "") -> None:
        self.errors.report(Diagnostic(message, span, notes, help=help))


Attributes = tuple[ast.Attribute, ...]
Arguments = tuple[ast.Argument, ...]
Names = tuple[ast.Name, ...]
Limits = tuple[ast.Expression, ast.Expression | None]
Formals = tuple[ast.Formal, ...]
Results = tuple[ast.Result, ...]
Carries = tuple[ast.Carry, ...]
Expressions = tuple[ast.Expression, ...]


@dataclass(frozen=True)
class _Indexed:
    """The target of a definition by index."""

    name: ast.Name
    indices: tuple[ast.IndexName, ...]


@dataclass(frozen=True)
class _Chain:
    """What rules without a name have collected: what came before, and more."""

    before: _Chain | None
    more: tuple[Any, ...]


def _collected(children: Sequence[Any]) -> _Chain:
    if children and type(children[0]) is _Chain:
        return _Chain(children[0], tuple(_flat(children[1:])))
    return _Chain(None, tuple(_flat(children)))


def _flat(children: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for child in children:
        if type(child) is not _Chain:
            flat.append(child)
            continue
        parts: list[tuple[Any, ...]] = []
        chain: _Chain | None = child
        while chain is not None:
            parts.append(chain.more)
            chain = chain.before
        for part in reversed(parts):
            flat += part
    return flat
