"""grad, vjp and jvp: what they are given, and the values that differentiate it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import pullback
from flowc.errors import Note, OpError, did_you_mean
from flowc.ir.core import Value, needed
from flowc.lang import ast
from flowc.lang.elaborate import control, lookup, titles, types
from flowc.lang.elaborate.context import Frame
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import WRONG, Denotation, Listed, Several, Wrong, describe, is_weak
from flowc.ops.literal import literal
from flowc.source import Span

FUNCTIONS: dict[str, tuple[str, ...]] = {"grad": ("loss", "wrt"), "vjp": ("y", "wrt", "seed"), "jvp": ("y", "wrt", "tangent")}


@dataclass(frozen=True)
class Entry:
    """A value that a derivative is given, alone or in a list."""

    value: Value
    node: ast.Expression

    @property
    def text(self) -> str:
        return types.source_text(self.node)


def derivative(frame: Frame, name: str, node: ast.Call) -> Denotation:
    """`grad(loss, wrt=[a, b])`, `vjp(y, wrt=[...], seed=[...])`, `jvp(y, wrt=[...], tangent=[...])`: one value for each entry."""
    if frame.reading is not None:
        raise Mistake("a definition by index takes no derivative", node.span, help="take it of whole tensors, in a statement of its own")
    given = _given(name, node)
    ys = _entries(frame, given[FUNCTIONS[name][0]])
    wrt = _entries(frame, given["wrt"], known={} if ys is None else _inner_values(ys))
    along = _nodes(given[FUNCTIONS[name][2]]) if name != "grad" else []
    moved = [frame.value(n) for n in along]
    if ys is None or wrt is None or any(isinstance(x, Wrong) for x in moved):
        return WRONG
    for what, entries in ((FUNCTIONS[name][0], ys), ("wrt", wrt)):
        _of_floats(name, what, entries)
    begin = len(frame.build.made)
    match name:
        case "grad":
            seeds = {_loss(ys, given["loss"]).value: _one(frame, ys[0])}
            found = made(frame, node, lambda: pullback(seeds, [w.value for w in wrt]))
        case "vjp":
            _distinct(name, "y", ys)
            seeds = _paired(frame, ("seed", "y"), ys, list(zip(moved, along, strict=True)), given["seed"])
            found = made(frame, node, lambda: pullback(seeds, [w.value for w in wrt]))
        case _:
            _distinct(name, "wrt", wrt)
            tangents = _paired(frame, ("tangent", "wrt"), wrt, list(zip(moved, along, strict=True)), given["tangent"])
            found = made(frame, node, lambda: pushforward([y.value for y in ys], tangents))
    if frame.build.several_losses and ys[0].value.hint:
        with frame.making(node.span):
            found = titles.titled(found, frame.build.made[begin:], ys[0].value.hint)
    return found[0] if len(found) == 1 else Several(found)


def _given(name: str, node: ast.Call) -> dict[str, ast.Expression]:
    """The arguments by name."""
    formals = FUNCTIONS[name]
    shown = f"{name}({', '.join([formals[0], *(f'{f}=[...]' for f in formals[1:])])})"
    found: dict[str, ast.Expression] = {}
    for n, argument in enumerate(node.arguments):
        if argument.name is None and n >= len(formals):
            raise Mistake(f"{name} takes {len(formals)} arguments, not {len(node.arguments)}", argument.span, help=shown)
        key = formals[n] if argument.name is None else argument.name.text
        if key not in formals:
            raise Mistake(f"{name} has no argument {key}", argument.span, help=did_you_mean(key, formals) or shown)
        if key in found:
            raise Mistake(f"{name} is given {key} twice", argument.span, (Note("it is given here first", found[key].span),))
        found[key] = argument.value
    lacking = [f for f in formals if f not in found]
    if lacking:
        raise Mistake(f"{name} lacks {' and '.join(lacking)}", node.span, help=shown)
    return found


def _nodes(node: ast.Expression) -> list[ast.Expression]:
    return list(node.elements) if isinstance(node, ast.List) else [node]


def _entries(frame: Frame, node: ast.Expression, known: dict[str, Value] | None = None) -> list[Entry] | None:
    """The values of a list, or the one value given without; `known` are values inside calls, by name.  None where one is wrong."""
    nodes = _nodes(node)
    if not nodes:
        raise Mistake("this list is empty: a derivative is of something, by something", node.span)
    found: list[Entry] = []
    for n in nodes:
        inner = _inner(frame, n, known or {})
        x = frame.value(n) if inner is None else inner
        if isinstance(x, Wrong):
            return None
        if is_weak(x):
            number = f"{describe(x)}, which depends on nothing, and nothing depends on it"
            if isinstance(n, ast.Name):
                help = f"make it a value: `{n.text} = {describe(x).removeprefix('the number ')} as f32`"
                raise Mistake(f"{n.text} is {number}", n.span, help=help)
            raise Mistake(number, n.span, help="name a value of floats")
        if isinstance(x, Listed | Several):
            raise Mistake(f"this wants one value, not {describe(x)}", n.span, help="name each value in one list: `[a, b]`")
        found.append(Entry(types.tensor(frame, x, n.span), n))
    return found


def _inner_values(ys: Sequence[Entry]) -> dict[str, Value]:
    """The values that the ys are computed from, by name; those inside blocks are not among them."""
    known: dict[Value, None] = {}
    found: dict[str, Value] = {}
    for value in needed([y.value for y in ys], known):
        known[value] = None
        if value.op is not None and value.hint:
            found[value.hint] = value
    return found


def _inner(frame: Frame, node: ast.Expression, known: dict[str, Value]) -> Value | None:
    """The value inside a call that `h.y` names; None for any other expression."""
    chain = lookup.dotted(node) if isinstance(node, ast.Field) else None
    if chain is None:
        return None
    head, parts = chain
    bound = frame.names.get(head.text)
    if bound is None:
        return None
    name = frame.prefix + ".".join([head.text, *parts])
    own = [".".join([bound.denotation.hint, *parts])] if isinstance(bound.denotation, Value) else []  # as `@name` says
    found = next((known[n] for n in (name, *own) if n in known), None)
    if found is not None:
        return found
    near = did_you_mean(name, known)
    raise Mistake(f"what is differentiated uses no value {types.source_text(node)}", node.span, help=near)


def _of_floats(name: str, what: str, entries: Sequence[Entry]) -> None:
    for e in entries:
        if not e.value.type.dtype.is_float:
            by = " by" if what == "wrt" else " of"
            raise Mistake(f"{name}{by} {e.text}, which is {describe(e.value)}: only floats have derivatives", e.node.span)


def _loss(ys: Sequence[Entry], node: ast.Expression) -> Entry:
    """The one scalar that grad is of."""
    if len(ys) > 1:
        raise Mistake(f"grad is of one loss, not {len(ys)}", node.span, help="add them up, or use vjp")
    (loss,) = ys
    if loss.value.type.rank:
        help = f"reduce it: `sum({loss.text})`, `mean({loss.text})`; or use vjp, with a seed"
        raise Mistake(f"the loss of grad is a scalar, and {loss.text} is {describe(loss.value)}", loss.node.span, help=help)
    return loss


def _one(frame: Frame, loss: Entry) -> Value:
    return frame.make(loss.node.span, lambda: literal(1, loss.value.type.dtype))


def _distinct(name: str, what: str, entries: Sequence[Entry]) -> None:
    seen: dict[Value, Entry] = {}
    for e in entries:
        if e.value in seen:
            note = Note("it is given here first", seen[e.value].node.span)
            raise Mistake(f"{e.text} stands twice in {what} of {name}", e.node.span, (note,))
        seen[e.value] = e


Moved = tuple[Denotation, ast.Expression]


def _paired(
    frame: Frame, what: tuple[str, str], entries: Sequence[Entry], moved: Sequence[Moved], node: ast.Expression
) -> dict[Value, Value]:
    """A seed or tangent for each entry, of its type: what is not provable of the sizes is checked."""
    one, other = what
    if len(moved) != len(entries):
        note = Note(f"{other} has {len(entries)}", entries[0].node.span)
        raise Mistake(f"{one} has one value for each of {other}: {len(entries)} here, not {len(moved)}", node.span, (note,))
    found: dict[Value, Value] = {}
    for e, (x, n) in zip(entries, moved, strict=True):
        type = e.value.type
        weak = is_weak(x) or isinstance(x, Listed)
        value = types.tensor(frame, types.strong(frame, x, n.span, type.dtype if weak else None), n.span)
        if value.type != type:
            value = control.alike(frame, value, type, (e.node.span, n.span), f"the {one} of {e.text} has its type,", "not ")
        found[e.value] = value
    return found


def made(frame: Frame, node: ast.Call, make: Callable[[], tuple[Value, ...]]) -> tuple[Value, ...]:
    """What `make` gives; what has no derivative is a mistake at the call, with a note where it stands."""
    try:
        with frame.making(node.span):
            return make()
    except OpError as error:
        notes = [Note("it stands here", error.location)] if error.location is not None else []
        notes += [Note(text, at) for text, at in error.notes if isinstance(at, Span)]
        raise Mistake(str(error), node.span, notes, error.help) from None
