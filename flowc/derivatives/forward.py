"""Forward mode: the tangent of each value from those of what it is computed from, op by op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowc.derivatives.adjoint import zero
from flowc.derivatives.elements import element_tangent, summed
from flowc.derivatives.regions import fresh, inlined
from flowc.derivatives.reverse import active, parents, pulled_back, titled
from flowc.errors import OpError
from flowc.ir.core import Block, Op, Value, body, derived_from, needed
from flowc.ir.dims import dim
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import below
from flowc.ops.control import Cond, Loop, Scan
from flowc.ops.define import define
from flowc.ops.derivative import After, Custom, Remat
from flowc.ops.kernel import axes
from flowc.ops.pointwise import Elementwise
from flowc.ops.shape import broadcast_to
from flowc.ops.tensor import Read, Tensor

Tangents = Mapping[Value, Value]


def pushforward(ys: Sequence[Value], tangents: Tangents) -> tuple[Value, ...]:
    """The derivative of each y along the `tangents` of some values together, each as if it were the only one.

    Tangents have the type of their value; 0 where nothing depends on one.  Raises `OpError` for an op that has no derivative.
    """
    found = pushed(ys, tangents, {})
    return tuple(t if t is not None else zero(y) for y, t in zip(ys, found, strict=True))


def pushed(ys: Sequence[Value], tangents: Tangents, outside: Mapping[Value, bool]) -> tuple[Value | None, ...]:
    """The same, with None for 0, where values of `outside` are not looked into."""
    along = {v: t for v, t in tangents.items() if v.type.dtype.is_float}
    given = dict(along)
    done: set[Op] = set()
    for value in active(ys, tangents, outside):
        op = value.op
        if op is None or value in outside or op in done or along.keys().isdisjoint(parents(op)):
            continue
        done.add(op)
        with derived_from(op, "d."):
            for r, t in zip(op.results, tangents_of(op, along), strict=True):
                parts = [p for p in (given.get(r), t) if p is not None]
                if parts:
                    along[r] = titled(parts, r)
    return tuple(along.get(y) for y in ys)


def tangents_of(op: Op, along: Tangents) -> Sequence[Value | None]:
    """The tangent of each result of one op."""
    match op:
        case Scan():
            return through_scan(op, along)
        case Loop():
            return through_loop(op, along)
        case Cond():
            return through_cond(op, along)
        case Custom():
            return through_custom(op, along)
        case Remat():
            return pushed(op.body.results, along, {v: v in along for v in op.body.captured})
        case After(value):
            return [along.get(value)]
        case Tensor():
            return [through_tensor(op, along)]
        case _:
            raise OpError(f"{op.name} has no derivative", location=op.location)


def through_tensor(op: Tensor, along: Tangents) -> Value | None:
    if isinstance(op, Elementwise):
        parts: list[Value] = []
        for n, x in enumerate(op.operands):
            own = op.gradient(along[x]) if x in along else None
            if own is None and x in along:
                break
            part = own[n] if own is not None else None
            parts += [] if part is None else [part]
        else:
            return broadcast_to(summed(parts), op.result.type.shape) if parts else None
    with derived_from(op, ""):
        expanded = op.expand()
    if expanded is not None:
        return pushed([expanded], {x: along[x] for x in op.operands if x in along}, {x: x in along for x in op.operands})[0]
    if not op.indexed:
        return op.tangent(*(along.get(x) for x in op.operands))
    i = axes(op.result.type.shape)

    def of_read(use: Read) -> Value | None:
        return Read(along[use.tensor], use.at, use.inside).result if use.tensor in along else None

    element = element_tangent(op.at(*map(dim, i)), of_read)
    return None if element is None else define(i, element)


class _Doubled:
    """A region's parameters and results beside their tangents, its ops over parameters of their own."""

    def __init__(
        self, block: Block, params: Sequence[Value], moving: Sequence[Value], along: Tangents, known: Mapping[Value, Value]
    ) -> None:
        captured = tuple(block.captured)
        self.params = dict(zip(params, fresh(params), strict=True))
        self.moving = {v: Value(v.type, None, f"d.{v.hint}" if v.hint else "") for v in moving}
        again = Rewriter(lambda _: None, {v: v for v in captured} | self.params | dict(known))
        self.results = tuple(map(again.settled, block.results))
        outside = {v: v in along for v in captured} | {self.params[v]: v in self.moving for v in params}
        tangents = {v: along[v] for v in captured if v in along} | {self.params[v]: d for v, d in self.moving.items()}
        self.tangents = pushed(self.results, tangents, outside)
        self.given = (*captured, *(along[v] for v in captured if v in along))


def through_scan(op: Scan, along: Tangents) -> Sequence[Value | None]:
    """A scan that carries tangents beside its floats."""
    m = len(op.init)
    floats = [n for n, v in enumerate(op.init) if v.type.dtype.is_float]
    sliced = [n for n, x in enumerate(op.xs) if x in along]
    t = Value(below(op.steps[0]), None, op.step.hint)
    moving = [*(op.slices[n] for n in sliced), *(op.carries[n] for n in floats)]
    d = _Doubled(op.body, (*op.slices, *op.carries), moving, along, {op.step: t})
    d_next = [x if x is not None else zero(op.init[n]) for n, x in enumerate(d.tangents[:m]) if n in floats]
    d_emits = {n: x for n, x in enumerate(d.tangents[m:]) if x is not None}
    params = (
        t, *(d.params[v] for v in op.slices), *(d.moving[op.slices[n]] for n in sliced),
        *(d.params[v] for v in op.carries), *(d.moving[op.carries[n]] for n in floats),
    )  # fmt: skip
    block = body(params, (*d.results[:m], *d_next, *d.results[m:], *d_emits.values()), (), d.given)
    d_init = tuple(along.get(op.init[n]) or zero(op.init[n]) for n in floats)
    made = Scan((*op.xs, *(along[op.xs[n]] for n in sliced)), (*op.init, *d_init), op.steps, block, op.backwards, op.stacked).results
    e, f = len(op.emits), len(floats)
    ends = dict(zip(floats, made[m : m + f], strict=True))
    emitted = dict(zip(d_emits, made[m + f + e :], strict=False))
    began = dict(zip(floats, made[m + f + e + len(d_emits) + m :], strict=False)) if op.stacked else {}
    return [*map(ends.get, range(m)), *map(emitted.get, range(e)), *(map(began.get, range(m)) if op.stacked else ())]


def through_loop(op: Loop, along: Tangents) -> Sequence[Value | None]:
    """A loop that carries tangents beside its floats; nothing is kept, so it needs no limit."""
    m, carries = len(op.init), op.body.params
    floats = [n for n, v in enumerate(op.init) if v.type.dtype.is_float]
    d = _Doubled(op.body, carries, [carries[n] for n in floats], along, {})
    d_next = [x if x is not None else zero(op.init[n]) for n, x in enumerate(d.tangents) if n in floats]
    moving = tuple(d.moving[carries[n]] for n in floats)
    block = body((*(d.params[v] for v in carries), *moving), (*d.results, *d_next), (), d.given)
    condition = replace(op.condition, params=(*op.condition.params, *fresh(moving)))
    d_init = tuple(along.get(op.init[n]) or zero(op.init[n]) for n in floats)
    made = Loop((*op.init, *d_init), op.limit, condition, block, op.stacked).results
    ends = dict(zip(floats, made[m : m + len(floats)], strict=True))
    began = dict(zip(floats, made[m + len(floats) + 1 + m :], strict=False)) if op.stacked else {}
    return [*map(ends.get, range(m)), *((None, *map(began.get, range(m))) if op.stacked else ())]


def through_cond(op: Cond, along: Tangents) -> Sequence[Value | None]:
    """The tangents of the side that runs."""
    found = [pushed(side.results, along, {v: v in along for v in side.captured}) for side in (op.then, op.orelse)]
    some = [n for n, pair in enumerate(zip(*found, strict=True)) if any(t is not None for t in pair)]

    def side(block: Block, tangents: Sequence[Value | None]) -> Block:
        parts = tuple(t if t is not None else zero(block.results[n]) for n in some for t in (tangents[n],))
        return body((), parts, (), (*block.captured, *(along[v] for v in block.captured if v in along)))

    made = Cond(op.which, side(op.then, found[0]), side(op.orelse, found[1]))
    moved = dict(zip(some, made.results, strict=True))
    return [moved.get(n) for n in range(len(op.results))]


def through_custom(op: Custom, along: Tangents) -> Sequence[Value | None]:
    """The transpose of the derivative by hand, which is linear in its cotangents."""
    dys = fresh(op.primals)
    given = {v: False for v in op.backward.captured}
    seeds = {d: along[x] for x, d in zip(op.wanted, inlined(op.backward, dys), strict=True) if x in along}
    found = pulled_back(seeds, dys, given) if seeds else tuple(map(zero, dys))
    reached = dict.fromkeys((*op.backward.captured, *along.values()), True)
    for v in needed(found, reached):
        reached[v] = True
        if v in dys:
            message = "the derivative by hand is not linear in what it takes, so that it has no transpose for jvp"
            raise OpError(message, location=op.location)
    return found
