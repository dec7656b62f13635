"""if and loop: blocks with values, the writes of an if made one conditional write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.errors import Note, counted
from flowc.ir.core import Block, Namer, Value
from flowc.ir.types import DType, Type
from flowc.lang import ast
from flowc.lang.elaborate import arithmetic, sizes, types
from flowc.lang.elaborate.context import Bound, Frame, Names, Outcome, Region
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import WRONG, Affine, Denotation, Element, Several, Wrong, describe, is_weak
from flowc.ops.control import Cond, Loop
from flowc.ops.elementwise import where
from flowc.ops.shape import Reshape
from flowc.ops.tensor import differ, equal_sizes
from flowc.source import Span


def conditional(frame: Frame, node: ast.If) -> Denotation:
    """`if c { yield a } else { yield b }`: only one side runs."""
    x = frame.value(node.condition)
    if frame.reading is not None:
        return _of_elements(frame, node, x)
    which = None if isinstance(x, Wrong) else _truth(frame, x, node.condition.span, "an if")
    sides = [_side(frame, block) for block in (node.then, node.otherwise)]
    outcomes = [outcome for _, _, outcome in sides]
    if which is None or any(isinstance(v, Wrong) for o in outcomes for v in o.values or ()):
        return WRONG if _count(outcomes) == 1 else Several((WRONG,) * _count(outcomes))
    regions = (sides[0][1], sides[1][1])
    yielded = _matched(frame, node, sides)
    names = dict.fromkeys((*regions[0].writes, *regions[1].writes))
    blocks = [
        frame.build.block(region, (), (*values, *(_next(frame, region, name) for name in names)))
        for region, values in zip(regions, yielded, strict=True)
    ]
    cond = frame.make(node.span, lambda: Cond(which, *blocks, hints=(*_hints(frame, len(yielded[0])), *(f"{name}.if" for name in names))))
    if cond.token is not None:
        frame.region.roots.append(cond.token)
    values = cond.results[: len(yielded[0])]
    for name, value in zip(names, cond.results[len(values) :], strict=True):
        write = regions[0].writes.get(name) or regions[1].writes[name]
        frame.write(name, replace(write, value=value))
    return values[0] if len(values) == 1 else Several(values)


def _truth(frame: Frame, x: Denotation, span: Span, what: str) -> Value:
    value = types.tensor(frame, x, span)
    if value.type != Type(DType.bool):
        help = "reduce it: `any(...)` or `all(...)`" if value.type.dtype is DType.bool else "compare it: `... != 0`"
        raise Mistake(f"the condition of {what} is a bool scalar, not {describe(value)}", span, help=help)
    return value


Side = tuple[Frame, Region, Outcome]


def _side(frame: Frame, block: ast.Block | ast.If) -> Side:
    """One side of an if, in a region and with names of its own; `else if` is a block that yields the other if."""
    region = Region("if", len(frame.build.made))
    inner = frame.within(region=region, names=Names(frame.names))
    if isinstance(block, ast.Block):
        outcome = inner.run(inner, block)
        if outcome.kind == "return":
            raise Mistake(
                "return ends a function, and this is a block of an if", outcome.span, help="write `yield`, and return the value of the if"
            )
        refuse_emit(outcome)
        return inner, region, outcome
    x = inner.evaluate(inner, block)
    inner.check()
    values = x.items if isinstance(x, Several) else (x,)
    return inner, region, Outcome(values, "yield", block.span, (block.span,) * len(values))


def _count(outcomes: Sequence[Outcome]) -> int:
    return max(len(o.values or ()) for o in outcomes)


def _matched(frame: Frame, node: ast.If, sides: Sequence[Side]) -> list[tuple[Value, ...]]:
    """What both sides yield, as values of the same types."""
    (_, _, then), (_, _, otherwise) = sides
    if len(then.values or ()) != len(otherwise.values or ()):
        note = Note(f"this side yields {len(then.values or ())}", then.span or node.then.span)
        raise Mistake(
            f"one side of the if yields {counted(len(then.values or ()), 'value')}, the other {len(otherwise.values or ())}",
            otherwise.span or node.otherwise.span,
            (note,),
        )
    found: tuple[list[Value], list[Value]] = ([], [])
    for n, (x, y) in enumerate(zip(then.values or (), otherwise.values or (), strict=True)):
        spans = then.places[n], otherwise.places[n]
        x, y = arithmetic.same_dtype(sides[0][0], (x, y), spans)
        values = [types.tensor(inner, v, span) for (inner, _, _), v, span in zip(sides, (x, y), spans, strict=True)]
        if values[0].type != values[1].type:
            values[1] = alike(sides[1][0], values[1], values[0].type, spans, "both sides of an if have the same types: they yield", "")
        for side, value in zip(found, values, strict=True):
            side.append(value)
    return [tuple(side) for side in found]


def alike(frame: Frame, x: Value, type: Type, spans: tuple[Span, Span], message: str, then: str) -> Value:
    """x where its sizes may be those of `type`: what is not provable is checked."""
    note = Note(f"this is {describe(Value(type, None))}", spans[0])
    apart = x.type.dtype is not type.dtype or x.type.rank != type.rank
    if apart or any(differ(a, b) or types.is_during(a) != types.is_during(b) for a, b in zip(x.type.shape, type.shape, strict=True)):
        raise Mistake(f"{message} {describe(Value(type, None))} and {then}{describe(x)}", spans[1], (note,))
    for a, b in zip(x.type.shape, type.shape, strict=True):
        frame.require_equal(a, b, spans[1])
    if all(equal_sizes(a, b) for a, b in zip(x.type.shape, type.shape, strict=True)):
        return x
    return frame.make(spans[1], lambda: Reshape(x, type.shape).result)


def _next(frame: Frame, region: Region, name: str) -> Value:
    """What a side writes to a state, which is the old value where it writes nothing."""
    return region.writes[name].value if name in region.writes else frame.build.shared[name]


def _hints(frame: Frame, count: int) -> tuple[str, ...]:
    """Names for the results of control flow: the statement's targets where they are its whole value."""
    if len(frame.targets) == count:
        return frame.targets
    return tuple(frame.namers[0]("if") for _ in range(count)) if frame.namers else ("",) * count


def _of_elements(frame: Frame, node: ast.If, x: Denotation) -> Denotation:
    """An if inside a definition by index: per element, its reads made only where its condition holds."""
    if isinstance(x, Wrong):
        return WRONG
    reading = frame.reading
    assert reading is not None
    if isinstance(x, Value):
        x = Element(types.scalar(frame, x, node.condition.span))
    if not isinstance(x, bool) and not (isinstance(x, Element) and x.value.type.dtype is DType.bool):
        raise Mistake(f"the condition of an if is a bool scalar, not {describe(x)}", node.condition.span, help="compare it: `... != 0`")
    facts = (x.then, x.otherwise) if isinstance(x, Element) else ((), ())
    with frame.making(node.condition.span):
        holds = (x.value, arithmetic.inverted(x.value)) if isinstance(x, Element) else (None, None)
        both = [arithmetic.conjunction(reading.holds, h) for h in holds]
    values: list[Denotation] = []
    places: list[Span] = []
    for block, fact, hold in zip((node.then, node.otherwise), facts, both, strict=True):
        inner = frame.within(reading=replace(reading, facts=(*reading.facts, *fact), holds=hold))
        _, region, outcome = _side(inner, block)
        if outcome.values is None or len(outcome.values) != 1:
            raise Mistake("each side of an if yields the one value of the element", outcome.span or block.span)
        values.append(outcome.values[0])
        places.append(outcome.places[0])
        frame.region.roots.extend(region.roots)
    if any(isinstance(v, Wrong) for v in values):
        return WRONG
    if isinstance(x, bool):
        return values[0] if x else values[1]
    then, otherwise = (types.scalar(frame, v, s) for v, s in zip(_elements(frame, values, places), places, strict=True))
    if then.type != otherwise.type:
        note = Note(f"this is {describe(then)}", places[0])
        raise Mistake(f"both sides of an if have the same types: they yield {describe(then)} and {describe(otherwise)}", places[1], (note,))
    return Element(frame.make(node.span, lambda: where(x.value, then, otherwise)))


def _elements(frame: Frame, values: Sequence[Denotation], places: Sequence[Span]) -> list[Value | Element | Affine]:
    """The two values of an element, a number in the dtype of the other side."""
    found: list[Value | Element | Affine] = []
    for x, span in zip(arithmetic.same_dtype(frame, values, places), places, strict=True):
        found.append(types.strong(frame, x, span))
    return found


def loop(frame: Frame, node: ast.Loop) -> Denotation:
    """`loop (v = v0) while c limit n { ... yield v1 }`: its value is the last carries."""
    if frame.reading is not None:
        raise Mistake("a definition by index has no loop inside", node.span, help="loop over the whole tensor, in a statement of its own")
    init = first_values(frame, node.carries)
    limit = () if node.limit is None else (sizes.size(frame, node.limit),)
    if init is None:
        return WRONG
    condition = _condition(frame, node, init)
    body = _body(frame, node, init)
    if condition is None or body is None:
        return WRONG
    made = frame.make(node.span, lambda: Loop(init, limit, condition, body, hints=carried_names(frame, node.carries, "loop")))
    if made.token is not None:
        frame.region.roots.append(made.token)
    return made.results[0] if len(made.results) == 1 else Several(made.results)


def carried_names(frame: Frame, carries: Sequence[ast.Carry], what: str, emitted: Sequence[str] = ()) -> tuple[str, ...]:
    """Names for what a loop or scan gives: the statement's targets where they are its whole value."""
    if len(frame.targets) == len(carries) + len(emitted):
        return frame.targets
    target = frame.namers[0].target if frame.namers else what
    return tuple(f"{target}.{name}" for name in (*(c.name.text for c in carries), *emitted))


def first_values(frame: Frame, carries: Sequence[ast.Carry]) -> tuple[Value, ...] | None:
    """The carries' first values, in their stated types; None where one is wrong."""
    found = [_first(frame, carry) for carry in carries]
    return None if any(x is None for x in found) else tuple(x for x in found if x is not None)


def _first(frame: Frame, carry: ast.Carry) -> Value | None:
    at = frame.within(targets=(), namers=(Namer(f"{frame.prefix}{carry.name.text}"),))
    x = at.value(carry.initial)
    if carry.type is not None and not isinstance(x, Wrong):
        x = types.fitted(at, x, types.pattern(frame, carry.type), carry.name.text, carry.initial.span, frame.rest)
    return None if isinstance(x, Wrong) else types.tensor(at, x, carry.initial.span)


def _inside(frame: Frame, node: ast.Loop, init: Sequence[Value]) -> tuple[Frame, Region, tuple[Value, ...]]:
    """A region of the loop, in which the carries' names hold the previous iteration."""
    region = Region("loop", len(frame.build.made))
    names = Names(frame.names)
    params = tuple(Value(v.type, None, c.name.text) for v, c in zip(init, node.carries, strict=True))
    for carry, param in zip(node.carries, params, strict=True):
        if carry.name.text in names.here:
            raise Mistake(
                f"{carry.name.text} is carried twice",
                carry.name.span,
                (Note("it is carried here first", names.here[carry.name.text].span),),
            )
        names.here[carry.name.text] = Bound(param, carry.name.span, "carry")
        frame.build.bound[param] = None
    return frame.within(region=region, names=Names(names), looping="loop", targets=()), region, params


def _condition(frame: Frame, node: ast.Loop, init: Sequence[Value]) -> Block | None:
    inner, region, params = _inside(frame, node, init)
    inner = inner.within(namers=(Namer(f"{frame.prefix}while"),))
    x = inner.evaluate(inner, node.condition)
    inner.check()
    if isinstance(x, Wrong):
        return None
    return frame.build.block(region, params, (_truth(inner, x, node.condition.span, "a loop"),))


def _body(frame: Frame, node: ast.Loop, init: Sequence[Value]) -> Block | None:
    inner, region, params = _inside(frame, node, init)
    outcome = inner.run(inner.within(targets=frame.targets), node.body)
    if outcome.kind == "return":
        raise Mistake(
            "return ends a function, and this is the block of a loop", outcome.span, help="write `yield`, and return the value of the loop"
        )
    refuse_emit(outcome)
    values = next_values(inner, node.carries, init, outcome, node.body, "loop")
    return None if values is None else frame.build.block(region, params, values)


def refuse_emit(outcome: Outcome) -> None:
    """Raises `Mistake` where a block that is no scan's emits."""
    if outcome.emitted:
        raise Mistake("emit belongs to scan, which stacks what each step emits", outcome.emitted_places[0])


def next_values(
    frame: Frame, carries: Sequence[ast.Carry], init: Sequence[Value], outcome: Outcome, body: ast.Block, what: str
) -> tuple[Value, ...] | None:
    """What the block of a loop or scan yields, as values of the types that are carried; None where one is wrong."""
    values = outcome.values or ()
    if len(values) != len(init):
        note = Note(f"it carries {', '.join(c.name.text for c in carries)}", carries[0].span)
        raise Mistake(
            f"a {what} yields the next value of each carry: {len(init)} here, not {len(values)}", outcome.span or body.span, (note,)
        )
    if any(isinstance(v, Wrong) for v in values):
        return None
    results: list[Value] = []
    for x, first, carry, span in zip(values, init, carries, outcome.places, strict=True):
        x = types.strong(frame, x, span, first.type.dtype, _begins(carry, first)) if is_weak(x) else x
        value = types.tensor(frame, x, span)
        if value.type != first.type:
            message = f"{carry.name.text} keeps its type in a {what}: it begins as"
            value = alike(frame, value, first.type, (carry.span, span), message, "goes on as ")
        results.append(value)
    return tuple(results)


def _begins(carry: ast.Carry, first: Value) -> Note:
    return Note(f"{carry.name.text} begins as {describe(first)}", carry.span)
