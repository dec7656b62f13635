"""scan: a block for each slice of some sequences, or each number of a range, that hands on carries and emits values to stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowc.derivatives.checkpoint import chunked
from flowc.errors import Note, counted
from flowc.ir.core import Block, Op, Value, indices, needed
from flowc.ir.dims import Dim, at_least, dim
from flowc.ir.types import Type, below
from flowc.lang import ast
from flowc.lang.elaborate import control, sizes, types
from flowc.lang.elaborate.context import Bound, Frame, Names, Outcome, Region
from flowc.lang.elaborate.report import Mistake
from flowc.lang.elaborate.values import WRONG, Affine, Denotation, Several, Wrong, describe, dim_text
from flowc.ops.control import Scan
from flowc.ops.shape import Reshape, Transpose
from flowc.ops.tensor import differ
from flowc.source import Span


@dataclass(frozen=True)
class Steps:
    """What a name in the head of a scan takes: the slices of `values` along axis 0, or the numbers from `first` on."""

    node: ast.Each
    length: Dim
    values: Value | None = None
    first: Dim = 0


def scan(frame: Frame, node: ast.Scan, remat: bool = False) -> Denotation:
    """`scan (x in xs along 0; h = h0) { ... yield h1 emit y }`: the last carries, then what was emitted, stacked.

    With `remat`, reverse mode keeps the carries of some steps and computes those between again.
    """
    if frame.reading is not None:
        raise Mistake("a definition by index has no scan inside", node.span, help="scan the whole tensor, in a statement of its own")
    _distinct(node)
    found = [_steps(frame, each) for each in node.sequences]
    init = control.first_values(frame, node.carries)
    taken = [each for each in found if each is not None]
    if init is None or len(taken) < len(found):
        return WRONG
    taken = _of_one_length(frame, taken)
    length = taken[0].length
    frame.require_at_least(length, 0, node.sequences[0].values.span)
    body = _body(frame, node, taken, init)
    if body is None:
        return WRONG
    block, emitted = body
    xs = tuple(each.values for each in taken if each.values is not None)
    hints = control.carried_names(frame, node.carries, "scan", emitted)
    made = frame.make(node.span, lambda: Scan(xs, init, (length,), block, hints=hints))
    results = made.results
    if remat:
        results = frame.make(node.span, lambda: chunked(made))
        frame.region.roots += _checks(results, frame.build.made)
    elif made.token is not None:
        frame.region.roots.append(made.token)
    return results[0] if len(results) == 1 else Several(results)


def _checks(results: Sequence[Value], made: Sequence[Op]) -> list[Value]:
    """The tokens of the scans that the results of one in chunks are made of."""
    reached: dict[Value, None] = {}
    own = {op for op in made if isinstance(op, Scan) and op.token is not None}
    if own:
        for v in needed(results, reached):
            reached[v] = None
    return [op.token for op in made if op in own and op.results[0] in reached and op.token is not None]


def _distinct(node: ast.Scan) -> None:
    seen: dict[str, ast.Name] = {}
    for name in (*(each.name for each in node.sequences), *(carry.name for carry in node.carries)):
        if name.text in seen:
            note = Note("it stands here first", seen[name.text].span)
            raise Mistake(f"{name.text} stands twice in the head of a scan", name.span, (note,))
        seen[name.text] = name


def _steps(frame: Frame, each: ast.Each) -> Steps | None:
    """What one name takes, the axis it goes along moved to the front; None where that is wrong."""
    if isinstance(each.values, ast.Range):
        first, end = (sizes.size(frame, bound) for bound in (each.values.start, each.values.end))
        length = end - first
        if at_least(-length, 1):
            raise Mistake(f"the range {dim_text(first)}..{dim_text(end)} of {each.name.text} ends before it begins", each.values.span)
        if any(indices((length,))):
            text = f"{each.name.text} takes {dim_text(length)} steps, which is not known when the run begins"
            raise Mistake(text, each.values.span, help="repeat with a loop")
        return Steps(each, length, first=first)
    x = frame.value(each.values)
    along = 0 if each.along is None else sizes.number(frame, each.along)
    if isinstance(x, Wrong):
        return None
    xs = types.tensor(frame, x, each.values.span)
    rank = xs.type.rank
    if not rank:
        raise Mistake(f"a scan takes the slices of a tensor, and this is {describe(xs)}", each.values.span, help="count: `i in 0..N`")
    if not -rank <= along < rank:
        assert each.along is not None
        axes = "one axis" if rank == 1 else counted(rank, "axis")
        raise Mistake(f"{types.source_text(each.values)} is {describe(xs)} and has {axes}: no axis {along}", each.along.span)
    axis = along % rank
    if axis:
        order = (axis, *(a for a in range(rank) if a != axis))
        xs = frame.make(each.values.span, lambda: Transpose(xs, order).result)
    return Steps(each, xs.type.shape[0], xs)


def _of_one_length(frame: Frame, taken: Sequence[Steps]) -> list[Steps]:
    """All with the length of the first: what is not provable of it is checked when the run begins."""
    first = taken[0]
    found = [first]
    for each in taken[1:]:
        other = next((t for t in taken[: taken.index(each)] if differ(t.length, each.length)), None)
        if other is not None:
            note = Note(f"{other.node.name.text} takes {_so_many(other.length)}", other.node.span)
            text = f"the sequences of a scan have one length: {each.node.name.text} takes {_so_many(each.length)}"
            raise Mistake(text, each.node.span, (note,))
        frame.require_equal(first.length, each.length, each.node.span)
        found.append(_lengthened(frame, each, first.length))
    return found


def _lengthened(frame: Frame, each: Steps, length: Dim) -> Steps:
    """The same steps, their number said as `length`, which it equals."""
    values = each.values
    if values is not None and values.type.shape[0] != length:
        shape = (length, *values.type.shape[1:])
        xs = values
        values = frame.make(each.node.values.span, lambda: Reshape(xs, shape).result)
    return Steps(each.node, length, values, each.first)


def _body(frame: Frame, node: ast.Scan, taken: Sequence[Steps], init: Sequence[Value]) -> tuple[Block, tuple[str, ...]] | None:
    """The block of one step, and names for what it emits; None where something in it is wrong."""
    frame.check()
    region = Region("scan", len(frame.build.made))
    counter = next((each.node.name.text for each in taken if each.values is None), "step")
    step = Value(below(taken[0].length), None, counter)
    slices, names = _head(frame, taken, step)
    carries = tuple(Value(v.type, None, c.name.text) for v, c in zip(init, node.carries, strict=True))
    for carry, param in zip(node.carries, carries, strict=True):
        names.here[carry.name.text] = Bound(param, carry.name.span, "carry")
    frame.build.bound.update(dict.fromkeys((*slices, *carries)))
    inner = frame.within(region=region, names=Names(names), looping="scan", targets=())
    outcome = inner.run(inner.within(targets=frame.targets), node.body)
    _ends(node, outcome)
    following = control.next_values(inner, node.carries, init, outcome, node.body, "scan") if node.carries else ()
    if following is None or any(isinstance(x, Wrong) for x in outcome.emitted):
        return None
    places = outcome.emitted_places
    given = tuple(types.tensor(inner, x, span) for x, span in zip(outcome.emitted, places, strict=True))
    inner.check()
    block = frame.build.block(region, (step, *slices, *carries), (*following, *given))
    inside = {v for op in block.ops for v in op.values} | {step}
    for x, span in zip(given, places, strict=True):
        if any(v in inside for v in indices(x.type.shape)):
            raise Mistake(f"a scan stacks values of one type, and the sizes of this {describe(x)} change from step to step", span)
    return block, _names_of(places)


def _head(frame: Frame, taken: Sequence[Steps], step: Value) -> tuple[tuple[Value, ...], Names]:
    """The slices that a step takes, and the names of the head, those of carries left out."""
    names = Names(frame.names)
    slices: list[Value] = []
    for each in taken:
        name = each.node.name
        if each.values is None:
            names.here[name.text] = Bound(Affine(each.first + dim(step)), name.span, "index")
            continue
        param = Value(Type(each.values.type.dtype, each.values.type.shape[1:]), None, name.text)
        slices.append(param)
        names.here[name.text] = Bound(param, name.span, "carry")
    return tuple(slices), names


def _ends(node: ast.Scan, outcome: Outcome) -> None:
    """Raises `Mistake` where the block does not end as that of a scan."""
    span = outcome.span or node.body.span
    if outcome.kind == "return":
        raise Mistake(
            "return ends a function, and this is the block of a scan", span, help="write `yield`, and return the value of the scan"
        )
    if node.carries:
        return
    if outcome.values:
        raise Mistake(
            "this scan carries nothing that it could yield", outcome.places[0], help="emit the value, or carry it: `scan (...; h = h0)`"
        )
    if not outcome.emitted:
        raise Mistake("a scan without carries emits what it stacks", span, help="end its block with `emit`")


def _names_of(emitted: Sequence[Span]) -> tuple[str, ...]:
    """Names for the stacks: of the values that are emitted, where these have one."""
    return tuple(e.text if e.text.isidentifier() else "emit" + f".{n + 1}" * (n > 0) for n, e in enumerate(emitted))


def _so_many(length: Dim) -> str:
    return counted(length, "step") if isinstance(length, int) else f"{dim_text(length)} steps"
