"""Calls: of built-in functions, of the few functions that are part of the language, and of functions of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowc.errors import Note, OpError, did_you_mean
from flowc.ir.core import Value
from flowc.lang import ast
from flowc.lang.elaborate import derivatives, expand, lookup, reads, sizes, types
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import Mistake, missing
from flowc.lang.elaborate.units import Unit, place
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
    type_of,
    type_text,
)
from flowc.ops.call import ArgumentError, built_ins, call, parameters
from flowc.ops.named import NAMED
from flowc.ops.pointwise import Elementwise
from flowc.ops.tensor import BuiltIn
from flowc.source import Span

MAX_NOTES = 8  # of one mistake
# What NumPy and PyTorch call functions of the language.
ELSEWHERE = {"bmm": "matmul", "cat": "concat", "mm": "matmul", "rand": "uniform", "randn": "normal", "view": "reshape"}
CONVERSIONS = {**lookup.SPELLINGS, "astype": "f32", "to": "f32", "type": "f32"}


@dataclass(frozen=True)
class Arguments:
    """What a call is given, with the expressions it comes from."""

    positional: tuple[Denotation, ...]
    nodes: tuple[ast.Expression, ...]
    keyword: Mapping[str, Denotation] = field(default_factory=dict[str, Denotation])
    named: Mapping[str, ast.Expression] = field(default_factory=dict[str, ast.Expression])

    @property
    def all(self) -> list[Denotation]:
        return [*self.positional, *self.keyword.values()]

    def node(self, place: int | str | None) -> ast.Expression | None:
        if isinstance(place, str):
            return self.named.get(place)
        return self.nodes[place] if place is not None and place < len(self.nodes) else None


def called(frame: Frame, node: ast.Call) -> Denotation:
    """The result of a call."""
    match node.function:
        case ast.Name(name) if name == "at":
            return reads.bordered(frame, node)
        case ast.Name(name) if name in frame.unit.functions:
            return expand.expanded(frame, frame.unit, frame.unit.functions[name], name, node)
        case ast.Name(name) if name in derivatives.FUNCTIONS:
            return derivatives.derivative(frame, name, node)
        case ast.Name("check_grad"):
            raise Mistake("check_grad compares in a test, in a statement of its own", node.span, help="check_grad(f, x, within=1e-3)")
        case ast.Name(name) if name in built_ins() or name in sizes.FUNCTIONS:
            return _named(frame, name, evaluated(frame, node), node)
        case ast.Name(name):
            evaluated(frame, node)  # for what is wrong in them
            raise _no_function(frame, name, node.function.span)
        case _:
            return _member(frame, node)


def _no_function(frame: Frame, name: str, span: Span) -> Mistake:
    bound = frame.names.get(name)
    if bound is not None and not isinstance(bound.denotation, Wrong):
        return Mistake(f"{name} is {describe(bound.denotation)} and cannot be called", span)
    if name in NAMED:
        return missing(name, span)
    known = [*frame.unit.functions, *built_ins(), *sizes.FUNCTIONS, *derivatives.FUNCTIONS, "at", "check_grad"]
    if name in CONVERSIONS:
        return Mistake(f"there is no function {name}", span, help=_conversion(name))
    help = f'did you mean "{ELSEWHERE[name]}"?' if name in ELSEWHERE else did_you_mean(name, known)
    return Mistake(f"there is no function {name}", span, help=help)


def _conversion(name: str) -> str:
    return f"`as` converts: `x as {CONVERSIONS[name]}`"


def _member(frame: Frame, node: ast.Call) -> Denotation:
    """A call of a function of another file."""
    chain = lookup.dotted(node.function)
    if chain is None:
        raise Mistake("only functions are called, by their name", node.function.span)
    (head, parts), unit = chain, frame.unit
    if frame.names.get(head.text) is None and head.text in unit.imports:
        path = (head.text, *parts)
        found = function_of(frame, path)
        if found is not None:
            unit, decl = found
            return expand.expanded(frame, unit, decl, decl.name.text, node)
        while len(path) > 1 and isinstance(inner := unit.imports.get(path[0]), Unit):
            unit, path = inner, path[1:]
        raise Mistake(
            f"{unit.source.name} has no function {'.'.join(path)}", node.function.span, help=did_you_mean(path[0], unit.functions)
        )
    if head.text in frame.unit.values and head.text not in frame.unit.imports and isinstance(frame.unit.values[head.text], ast.Import):
        return WRONG
    raise Mistake("only functions are called, by their name", node.function.span, help=_by_name(frame, head, parts, node))


def function_of(frame: Frame, path: Sequence[str]) -> tuple[Unit, ast.Fn | ast.Graph] | None:
    """The function of a file that `m.f` names, and its file; None where there is none."""
    unit, (*imports, name) = frame.unit, path
    for step in imports:
        inner = unit.imports.get(step)
        if not isinstance(inner, Unit):
            return None
        unit = inner
    return (unit, unit.functions[name]) if name in unit.functions else None


def _by_name(frame: Frame, head: ast.Name, parts: Sequence[str], node: ast.Call) -> str:
    """How `x.relu()` and `torch.relu(x)` are written."""
    if parts[-1] in CONVERSIONS:
        return _conversion(parts[-1])
    name = ELSEWHERE.get(parts[-1], parts[-1])
    if name not in built_ins():
        return ""
    if frame.names.get(head.text) is None and head.text not in frame.unit.values:
        return f"functions stand alone: `{name}({', '.join(types.source_text(a.value) for a in node.arguments)})`"
    return f"functions stand before their arguments: `{name}({'.'.join([head.text, *parts[:-1]])})`"


def evaluated(frame: Frame, node: ast.Call) -> Arguments:
    """The arguments of a call; each is given once by name, which reading the text has seen to."""
    positional: list[ast.Expression] = []
    named: dict[str, ast.Expression] = {}
    for argument in node.arguments:
        if argument.name is None:
            positional.append(argument.value)
        else:
            named[argument.name.text] = argument.value
    values = [frame.value(n) for n in positional]
    return Arguments(tuple(values), tuple(positional), {k: frame.value(n) for k, n in named.items()}, named)


def _named(frame: Frame, name: str, given: Arguments, node: ast.Call) -> Denotation:
    if any(isinstance(x, Wrong) for x in given.all):
        return WRONG
    if name in sizes.FUNCTIONS and _compares(name, given):
        found = sizes.size(frame, node)
        return Affine(found) if any(isinstance(x, Affine) for x in given.positional) else found
    if name in ("min", "max") and len(given.positional) > 1:
        values = ", ".join(types.source_text(n) for n in given.nodes)
        help = f"write `{name}imum({values})` for the {'smaller' if name == 'min' else 'larger'} of two, `{name}(x, axis=0)` to reduce"
        raise Mistake(f"{name} takes one value, its axis by keyword", node.span, help=help)
    return built_in(frame, built_ins()[name], given, node.span)


def _compares(name: str, given: Arguments) -> bool:
    """Whether min or max compares sizes rather than reducing a value."""
    return not given.keyword and all(map(is_index_like, given.positional)) and (name == "ceil_div" or len(given.positional) > 1)


def built_in(frame: Frame, cls: type[BuiltIn], given: Arguments, span: Span) -> Denotation:
    """The result of a built-in function, or of the operator that means it."""
    if any(isinstance(x, Wrong) for x in given.all):
        return WRONG
    if frame.reading is None and any(isinstance(x, Affine) for x in given.all):
        given = _counted(frame, given)
    if any(isinstance(x, Element | Affine) for x in given.all):
        return _on_elements(frame, cls, given, span)
    positional = [_argument(x, n.span) for x, n in zip(given.positional, given.nodes, strict=True)]
    keyword = {k: _argument(x, given.named[k].span) for k, x in given.keyword.items()}
    result = _result(frame, cls, positional, _initialising(frame, cls, positional, keyword), given, span)
    return result


def _counted(frame: Frame, given: Arguments) -> Arguments:
    """The arguments, those that number the steps of a scan as scalars."""
    positional = tuple(types.counted_as(frame, x, n.span) for x, n in zip(given.positional, given.nodes, strict=True))
    keyword = {k: types.counted_as(frame, x, given.named[k].span) for k, x in given.keyword.items()}
    return replace(given, positional=positional, keyword=keyword)


def _argument(x: Denotation, span: Span) -> Any:
    match x:
        case Listed():
            return types.plain(x, span)
        case Several():
            raise Mistake(f"this wants one value, not {describe(x)}", span, help="unpack them first: `a, b = ...`")
        case _:
            return x


def _initialising(frame: Frame, cls: type[BuiltIn], positional: Sequence[Any], keyword: dict[str, Any]) -> dict[str, Any]:
    """The keywords, with shape and dtype of the state that is initialised where the call leaves them out."""
    if frame.initial is None:
        return keyword
    formals = [p.name for p in parameters(cls)]
    if "shape" not in formals or "shape" in keyword or formals.index("shape") < len(positional):
        return keyword
    declared = {"shape": list(frame.initial.shape), "dtype": frame.initial.dtype}
    free = [n for n in formals[len(positional) :] if n in declared and n not in keyword]
    return {**{n: declared[n] for n in free}, **keyword}


def _on_elements(frame: Frame, cls: type[BuiltIn], given: Arguments, span: Span) -> Denotation:
    """A built-in inside a definition by index, on one element of each argument."""
    if not issubclass(cls, Elementwise):
        raise Mistake(
            f"{cls.name} works on tensors, and a definition by index has elements",
            span,
            help="reduce with `reduce sum k: ...`, or bind the tensor before",
        )
    operands = [p.name for p in parameters(cls) if p.kind.name == "tensor"]
    names = [p.name for p in parameters(cls)]
    positional = [
        _scalar(frame, x, n.span, names[k : k + 1], operands) for k, (x, n) in enumerate(zip(given.positional, given.nodes, strict=True))
    ]
    keyword = {k: _scalar(frame, x, given.named[k].span, [k], operands) for k, x in given.keyword.items()}
    result = _result(frame, cls, positional, keyword, given, span)
    assert isinstance(result, Value)
    return Element(result)


def _scalar(frame: Frame, x: Denotation, span: Span, name: list[str], operands: list[str]) -> Any:
    if name and name[0] in operands and not is_weak(x):
        if not isinstance(x, Value | Element | Affine):
            raise Mistake(f"a definition by index works on elements, not {describe(x)}", span)
        return types.scalar(frame, x, span)
    return _argument(x, span)


def _result(frame: Frame, cls: type[BuiltIn], positional: list[Any], keyword: dict[str, Any], given: Arguments, span: Span) -> Denotation:
    try:
        with frame.making(span):
            found = call(cls, positional, keyword)
        return Several(found) if isinstance(found, tuple) else found
    except ArgumentError as error:
        node = None if cls.infix and len(given.nodes) == 2 else given.node(error.argument)
        raise Mistake(str(error), node.span if node is not None else span, _culprits(frame, given, error.argument), error.help) from None
    except OpError as error:
        told = [Note(text, at) for text, at in error.notes if isinstance(at, Span)]
        raise Mistake(str(error), span, [*told, *declarations(frame, given)], error.help) from None


def _culprits(frame: Frame, given: Arguments, place: int | str | None) -> list[Note]:
    """Where the tensors come from, where the argument at fault is one of them."""
    x = given.keyword.get(place) if isinstance(place, str) else given.positional[place] if place is not None else None
    return declarations(frame, given) if x is not None and type_of(x) is not None else []


def declarations(frame: Frame, given: Arguments) -> list[Note]:
    """For the arguments, and items of lists, that are names: where they come from, and with which types; some of many."""
    notes: list[Note] = []
    pairs = [*zip(given.nodes, given.positional, strict=True), *((given.named[k], x) for k, x in given.keyword.items())]
    for node, x in (each for pair in pairs for each in _items(*pair)):
        type = type_of(x)
        chain = lookup.dotted(node)
        name = node.text if isinstance(node, ast.Name) else chain[0].text if chain is not None else None
        if type is None or name is None:
            continue
        bound = frame.names.get(name)
        span = bound.span if bound is not None else place(frame.unit.values[name], name) if name in frame.unit.values else None
        word = "is declared" if bound is None or bound.kind in ("input", "formal", "carry") else "is"
        if span is not None and not isinstance(x, Affine):
            text = types.source_text(node)
            note = Note(f"{text} {word if chain is None else 'is'} {type_text(type)}", span)
            if note not in notes:
                notes.append(note)
    return notes[:MAX_NOTES]


def _items(node: ast.Expression, x: Denotation) -> Iterator[tuple[ast.Expression, Denotation]]:
    """An argument, or the items of a list."""
    if isinstance(node, ast.List) and isinstance(x, Listed):
        for each in zip(node.elements, x.items, strict=True):
            yield from _items(*each)
    else:
        yield node, x
