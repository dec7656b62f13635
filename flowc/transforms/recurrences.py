"""Scans that carry elements, not tensors, as one kernel: each element goes through all the steps on its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from flowc.ir.core import Block, Op, Value, body, needed, renamed, retyped
from flowc.ir.dims import dim
from flowc.ir.rewrite import Found, Rewriter
from flowc.ir.types import Type
from flowc.ops.control import Scan
from flowc.ops.define import define, guarded
from flowc.ops.kernel import Recurrence, Reduce, axes
from flowc.ops.tensor import Constant, Read
from flowc.transforms.elements import SIMPLER, element_of, said_by_index

MOST_OPS = 256  # of a step, all of which are one kernel's code


def recurrence(op: Scan, memory: Mapping[Value, Value], used: Collection[Value]) -> dict[Value, Value] | None:
    """What the results of `op` that are `used` become, where its body is elementwise in what it carries; else None.

    Carried and emitted tensors have one shape, an element of each is made of the carried elements
    at the same index alone, without reductions, and nothing in it fails.  `memory` says what stored values became.
    """
    shapes = {v.type.shape: None for v in (*op.init, *op.emits)}
    if not op.init or len(shapes) > 1 or not plain(op):
        return None
    index = renamed(lambda v: memory.get(v, v))
    step = replace(op.step, type=retyped(op.step.type, index))
    at = axes(tuple(map(index, op.init[0].type.shape)))
    round = _Round(op, memory, step, at)
    following = [round.element(v) for v in op.body.results]
    elements = dict(zip(op.body.results, following, strict=True))
    if round.others or any(_folds(v) for v in following):
        return None
    count = len(op.init)
    ends = tuple(n for n in range(count) if op.results[n] in used)
    emitted: dict[Value, list[Value]] = {}
    for value, result in zip((*op.emits, *(op.carries if op.stacked else ())), op.results[count:], strict=True):
        if result in used:
            emitted.setdefault(value, []).append(result)
    began = tuple(n for n, p in enumerate(op.carries) if p in emitted)
    emits = [v for v in emitted if v not in op.carries]
    results = (*following[:count], *(elements[v] for v in emits))
    given = [v for v in round.known.values() if not isinstance(v.op, Constant)]
    wanted = [[op.results[n]] for n in ends] + [emitted[v] for v in (*emits, *(op.carries[n] for n in began))]
    made = Recurrence(
        tuple(map(index, op.steps)),
        begun(op, memory),
        body((*at, step, *round.scalars.values()), results, (), given),
        op.backwards,
        ends,
        began,
        hints=tuple(rs[0].hint for rs in wanted),
        location=op.location,
        device=op.device,
    )
    return {r: new for rs, new in zip(wanted, made.results, strict=True) for r in rs}


def apart(op: Scan) -> Found:
    """scan that carries nothing { ... } = its elements at each step"""
    if op.init or op.xs or not plain(op):
        return None
    made: list[Value] = []
    for emitted in op.emits:
        step, at = replace(op.step), axes(emitted.type.shape)
        element = _Round(op, {}, step, at).element(emitted)
        if _folds(element):
            return None
        made.append(define((step, *at), element))
    return tuple(made)


def plain(op: Scan) -> bool:
    """Whether a step is a few ops that are said by index and do not fail."""
    return len(op.body.ops) <= MOST_OPS and all(said_by_index(o) and not o.fails for o in op.body.ops) and not op.body.roots


def begun(op: Scan, memory: Mapping[Value, Value]) -> Block:
    """The elements that the first step begins with."""
    own = axes(tuple(map(renamed(lambda v: memory.get(v, v)), op.init[0].type.shape)))
    at = tuple(map(dim, own))
    elements = (element_of(v.op, at) if isinstance(v.op, Constant) else Read(memory[v], at).result for v in op.init)
    return body(own, tuple(elements), (), [memory[v] for v in op.init])


class _Round:
    """Elements of the body of a scan at the indices `at`; `others` are reads of carried values at other ones."""

    def __init__(self, op: Scan, memory: Mapping[Value, Value], step: Value, at: tuple[Value, ...]) -> None:
        self.at = tuple(map(dim, at))
        self.scalars = {p: Value(Type(p.type.dtype), None, p.hint) for p in op.carries}
        self.others: list[Read] = []
        self.known = {v: v if isinstance(v.op, Constant) else memory.get(v, v) for v in op.body.captured}
        self.own = {v: v for o in op.body.ops for v in o.results}
        stay = (*self.known.values(), *self.scalars.values(), *op.carries, step, *at)
        self.rewriter = Rewriter(self.inline, {**{v: v for v in stay}, **self.own, **self.known, op.step: step})

    def element(self, value: Value) -> Value:
        return self.rewriter.settled(Read(value, self.at).result)

    def inline(self, op: Op) -> Found:
        if not isinstance(op, Read):
            return SIMPLER(op)
        scalar, source = self.scalars.get(op.tensor), op.tensor.op
        if scalar is not None:
            if op.at != self.at or op.inside:
                self.others.append(op)
            return scalar
        if not said_by_index(source) or op.tensor not in self.own and not isinstance(source, Constant):
            return None
        return guarded(element_of(source, op.at), op.inside)


def _folds(element: Value) -> bool:
    """Whether an element has a reduction in it, or can fail."""
    known: set[Value] = set()
    for v in needed((element,), known):
        known.add(v)
        if v.op is not None and (v.op.fails or isinstance(v.op, Reduce)):
            return True
    return False
