"""What attributes mean, and before what they may stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flowc.ir.core import Value
from flowc.lang import ast
from flowc.lang.elaborate import scans, types
from flowc.lang.elaborate.context import Frame, Names, Region
from flowc.lang.elaborate.report import Mistake, missing
from flowc.lang.elaborate.values import Denotation, Several
from flowc.ops.derivative import Remat

LATER = ("pipeline", "replicate")
BINDING = ("remat", "name")  # stand before what binds a value


def checked(item: ast.Attributed) -> None:
    """Raises `Mistake` at an attribute that means nothing where it stands, or is not there yet."""
    for attribute in item.attributes:
        name = attribute.name.text
        if name in LATER:
            raise missing(f"@{name}", attribute.span)
        if isinstance(item, ast.Bind | ast.Define) or name == "inline" and isinstance(item, ast.Fn):
            continue
        help = "give it to the values inside: `@remat h = ...`" if name == "remat" and isinstance(item, ast.Fn | ast.Graph) else ""
        if name == "remat" and isinstance(item, ast.Return | ast.Yield):
            help = "bind the value first, and give it to that: `@remat y = ...`"
        raise Mistake(f"@{name} stands before a statement that binds a value, not before {_what(item)}", attribute.span, help=help)


def _what(item: ast.Attributed) -> str:
    match item:
        case ast.Write():
            return ":="
        case ast.Evaluate():
            return "an expression"
        case ast.On():
            return "on"
        case _:
            return type(item).__name__.lower()


def given_name(statement: ast.Attributed) -> str | None:
    """The name that `@name("...")` gives the statement's value."""
    for attribute in statement.attributes:
        if attribute.name.text != "name":
            continue
        argument = attribute.arguments[0].value
        assert isinstance(argument, ast.String)
        if not argument.value:
            raise Mistake("@name gives an empty name", argument.span, help='write a name, `@name("head")`, or leave the attribute out')
        return argument.value
    return None


def value(frame: Frame, statement: ast.Bind | ast.Define, evaluate: Callable[[Frame], Denotation]) -> Denotation:
    """What the right side of a statement stands for; with `@remat` reverse mode computes it again rather than keep what it is made of."""
    remat = next((a for a in statement.attributes if a.name.text == "remat"), None)
    if remat is None:
        return evaluate(frame)
    if frame.reading is not None:
        raise Mistake("@remat is of whole tensors, and a definition by index has elements", remat.span)
    if isinstance(statement.value, ast.Scan):
        return scans.scan(frame, statement.value, remat=True)
    return _again(frame, statement, evaluate)


def _again(frame: Frame, statement: ast.Bind | ast.Define, evaluate: Callable[[Frame], Denotation]) -> Denotation:
    frame.check()
    begin = len(frame.build.made)
    region = Region("remat", begin)
    inner = frame.within(region=region, names=Names(frame.names))
    x = evaluate(inner)
    inner.check()
    items = x.items if isinstance(x, Several) else (x,)
    inside = {v for op in frame.build.made[begin:] for v in op.values}
    values = tuple(v for v in items if isinstance(v, Value) and v in inside)
    written = {name: write for name, write in region.writes.items()}
    if not values and not written:
        frame.region.roots += region.roots
        return x
    block = frame.build.block(region, (), (*values, *(types.tensor(inner, w.value, w.span) for w in written.values())))
    names = dict(zip(items, frame.targets, strict=False)) if len(items) == len(frame.targets) else {}
    hints = (*(names.get(v, v.hint) for v in values), *(f"{name}.remat" for name in written))
    made = frame.make(statement.span, lambda: Remat(block, hints=hints))
    if made.token is not None:
        frame.region.roots.append(made.token)
    for name, result in zip(written, made.results[len(values) :], strict=True):
        frame.write(name, replace(written[name], value=result))
    outside = dict(zip(values, made.results, strict=False))
    found = tuple(outside.get(v, v) if isinstance(v, Value) else v for v in items)
    return Several(found) if isinstance(x, Several) else found[0]
