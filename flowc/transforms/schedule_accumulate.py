"""Values folded at places to loops: axes along which none meet in any order, or in lanes where they are adjacent, the others in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowc.ir.core import Block, Func, Op, Value, body, indices, renamed, retyped
from flowc.ir.dims import Dim, at_most, ceil, dim
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import below
from flowc.ops.accumulate import Accumulate, Fetch, folded
from flowc.ops.kernel import LANES
from flowc.ops.loops import For, Load, Store
from flowc.target import Target
from flowc.transforms.schedule import Nest, parallel, scalar_forms


def accumulation(op: Accumulate, inputs: tuple[Value, ...], name: str, target: Target) -> Func:
    """The loop nest over what `op` reads, then the buffer that it folds values into, then, of a fetch, that of its result."""
    given = parameters(inputs)
    size = renamed(lambda v: given.get(v, v))
    rewriter = Rewriter(scalar_forms(), {v: p if p.type.below is not None else v for v, p in given.items()})
    params = rewriter.params(op.body)
    init = Value(retyped(op.init.type, size), None)
    inner = [p if p.type.below is not None else v for v, p in given.items()]
    built = type(op)(init, op.fold, body(params, tuple(map(rewriter.settled, op.body.results)), (), inner))
    outs = [Value(init.type.within("host"), None, "out")]
    if isinstance(built, Fetch):
        outs.append(Value(built.result.type.within("host"), None, "before"))
    made = Nest({v: p for v, p in zip(inner, given.values(), strict=True)}, outs[0], target)
    ops = _loops(built, lambda: _step(built, made, inner, outs), made)
    return Func(name, Block((*given.values(), *outs), tuple(ops), ()), (), "loops", op.location)


def parameters(inputs: tuple[Value, ...]) -> dict[Value, Value]:
    """The parameters that stand for what is read: buffers, and indices."""
    found: dict[Value, Value] = {}
    size = renamed(lambda v: found.get(v, v))
    for n, v in enumerate(inputs):
        type = retyped(v.type, size)
        found[v] = Value(type if type.below is not None else type.within("host"), None, v.hint or f"in{n}")
    return found


@dataclass(frozen=True)
class Axes:
    """The indices of values by how they are run over: in any order, in lanes, in order."""

    free: tuple[Value, ...]
    lane: Value | None
    ordered: tuple[Value, ...]


def axes_of(op: Accumulate) -> Axes:
    """An index that is by itself the place along an axis, and within it, keeps its values apart from those of its others."""
    at, _ = op.places()
    params = [p for p in op.body.params if p.type.below != 1]
    alone: dict[Value, int] = {}
    for axis, (d, n) in enumerate(zip(at, op.init.type.shape, strict=True)):
        own = next((p for p in params if d == dim(p)), None)
        if own is not None and at_most(own.type.below or 0, n) and not set(indices((own.type.below or 0,))) & set(params):
            alone.setdefault(own, axis)
    last = [p for p, axis in alone.items() if axis == len(at) - 1 and not any(depends(d, p) for d in at[:-1])]
    lane = last[0] if last and not any(depends(p.type.below or 0, last[0]) for p in params) else None
    return Axes(tuple(p for p in params if p in alone and p is not lane), lane, tuple(p for p in params if p not in alone))


def depends(d: Dim, index: Value) -> bool:
    return any(v is index or v.op is not None and index in v.op.free for v in indices((d,)))


def _loops(op: Accumulate, step: Callable[[], list[Op]], nest: Nest) -> list[Op]:
    axes = axes_of(op)
    outer = axes.free or (Value(below(1), None, "once"),)
    if axes.lane is None:
        return parallel(outer, _in_order(axes.ordered, step()))
    extent = axes.lane.type.below or 0
    panel, lane = Value(below(ceil(extent, LANES)), None, "panel"), Value(below(LANES), None, axes.lane.hint)
    nest.place[axes.lane] = dim(panel) * LANES + dim(lane)
    steps = For((extent - dim(panel) * LANES,), "vector", Block((lane,), tuple(step()), ()))
    return parallel((*axes.free, panel), _in_order(axes.ordered, [steps]))


def _in_order(axes: tuple[Value, ...], ops: list[Op]) -> list[Op]:
    for axis in reversed(axes):
        ops = [For((), "serial", Block((axis,), tuple(ops), ()))]
    return ops


def _step(op: Accumulate, nest: Nest, inputs: list[Value], outs: list[Value]) -> list[Op]:
    """One value folded into the element at its place."""
    at, inside = op.places()
    computed = tuple(dict.fromkeys(v for v in indices((*at, *inside)) if v.op is not None))
    ops = nest.block(body(op.body.params, (op.body.results[0], *computed), (), inputs))
    value, place, guard = nest.value(op.body.results[0]), tuple(map(nest.index, at)), tuple(map(nest.index, inside))
    old = Load(nest.out, place, guard)
    if len(outs) > 1:
        ops += [old, Store(old.result, outs[1], tuple(nest.index(dim(p)) for p in op.body.params))]
    if op.fold != "set":
        value = folded(op.fold, old.result, value)
        assert value.op is not None
        ops += [value.op] if old in ops else [old, value.op]
    return [*ops, Store(value, nest.out, place, guard)]
