"""Recurrences to loops: pieces of the elements in parallel, in each the steps in order, the elements of a piece in lanes.

What a piece carries lies in local buffers, of as many elements as the first level of cache holds beside what the steps read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowc.ir.core import Block, Func, Op, Value, body, renamed, retyped
from flowc.ir.dims import Dim, at_most, ceil, dim, product
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import Type, below
from flowc.ops.kernel import LANES, Kernel, Recurrence, unflattened
from flowc.ops.loops import Alloc, For, Load, Store
from flowc.target import Target
from flowc.transforms.schedule import Nest, buffer_type, contiguous, parallel, scalar_forms, taken

PIECES = 8  # of a known number of elements, for the tasks to share
HELD = 16_384  # bytes of what a piece carries
LEAST = 256  # elements of a piece: shorter rows are read too slowly


def recurrence_nest(op: Recurrence, name: str, target: Target) -> Func:
    """The loop nest of `op`; parameters are the buffers and sizes it reads, then the buffers it writes."""
    reads = taken(op.first, op.body)
    given: dict[Value, Value] = {}
    index = renamed(lambda v: given.get(v, v))
    for n, v in enumerate(reads):
        if v.type.below is not None:
            given[v] = Value(retyped(v.type, index), None, v.hint or f"in{n}")
    first, round = (_scalar(block, given) for block in (op.first, op.body))
    rank = len(op.first.params)
    joined = min(contiguous(Kernel(Block(b.params[:rank], b.ops, b.results[:1]))) for b in (first, round)) if rank else 1
    place: dict[Value, Value | Dim] = {}
    for n, v in enumerate(reads):
        held = Value(buffer_type(retyped(v.type, index), joined > 1), None, v.hint or f"in{n}")
        place[given.get(v, v)] = given.get(v, held)
    types = [retyped(r.type, index) for r in op.results]
    outs = tuple(Value(buffer_type(t, joined > 1), None, f"out{n}" if n else "out") for n, t in enumerate(types))
    ops = _Pieces(op, first, round, tuple(zip(outs, types, strict=True)), place, joined, target).loops()
    inputs = tuple(v for v in place.values() if isinstance(v, Value))
    return Func(name, Block((*inputs, *outs), tuple(ops), ()), (), "loops", op.location)


def _scalar(block: Block, given: Mapping[Value, Value]) -> Block:
    """The block over the kernel's own sizes, its functions as arithmetic."""
    rewriter = Rewriter(scalar_forms(), {v: given.get(v, v) for v in block.captured})
    params = rewriter.params(block)
    results = tuple(map(rewriter.settled, block.results))
    return body(params, results, (), [given.get(v, v) for v in block.captured])


@dataclass(frozen=True)
class _Pieces:
    """The loops of one recurrence; `place` says what its inputs became, `outs` where its results go, with their types."""

    op: Recurrence
    first: Block
    round: Block
    outs: tuple[tuple[Value, Type], ...]
    place: dict[Value, Value | Dim]
    joined: int  # the last axes that run as one
    target: Target

    def loops(self) -> list[Op]:
        op, rank = self.op, len(self.first.params)
        axes, step, scalars = self.round.params[:rank], self.round.params[rank], self.round.params[rank + 1 :]
        outer = axes[: -self.joined] if rank else ()
        self.place.update((old, dim(new)) for old, new in zip(self.first.params, outer, strict=False))
        extent = product(a.type.below or 0 for a in axes[len(outer) :])
        size = self.size(extent)
        panel = Value(below(ceil(extent, size)), None, "panel")
        held = [Alloc(Type(s.type.dtype, (size,) if rank else (), "local"), hints=(s.hint,)) for s in scalars]
        steps = step.type.below or 0
        turn = Value(below(steps), None, step.hint)
        at_step = steps - 1 - dim(turn) if op.backwards else dim(turn)
        stacks = self.outs[len(op.ends) :]

        def begin(nest: Nest, lane: tuple[Dim, ...]) -> list[Op]:
            ops = nest.block(self.first)
            return [*ops, *(Store(nest.value(v), b.result, lane) for v, b in zip(self.first.results, held, strict=True))]

        def go_on(nest: Nest, lane: tuple[Dim, ...]) -> list[Op]:
            nest.place[step] = at_step
            loads = [Load(b.result, lane, hints=(s.hint,)) for s, b in zip(scalars, held, strict=True)]
            nest.place.update(zip(scalars, (load.result for load in loads), strict=True))
            ops = nest.block(self.round)
            kept = (*self.round.results[len(scalars) :], *(scalars[n] for n in op.began))
            at = (at_step, *map(dim, axes))
            told = [Store(nest.value(v), out, nest.position(at, type)) for v, (out, type) in zip(kept, stacks, strict=True)]
            carried = [Store(nest.value(v), b.result, lane) for v, b in zip(self.round.results, held, strict=False)]
            return [*loads, *ops, *told, *carried]

        def end(nest: Nest, lane: tuple[Dim, ...]) -> list[Op]:
            loads = [Load(held[n].result, lane) for n in op.ends]
            at = tuple(map(dim, axes))
            stores = [Store(v.result, out, nest.position(at, type)) for v, (out, type) in zip(loads, self.outs, strict=False)]
            return [*loads, *stores]

        rounds = For((), "serial", Block((turn,), tuple(self.lanes(axes, panel, extent, size, go_on)), ()))
        begins = self.lanes(self.first.params, panel, extent, size, begin)
        ends = self.lanes(axes, panel, extent, size, end) if op.ends else []
        whole = at_most(extent, size)
        return parallel(outer if whole and outer else (*outer, panel), [*held, *begins, rounds, *ends])

    def size(self, extent: Dim) -> int:
        """Elements of a piece: few enough to be held, many enough for rows that are read at speed."""
        bytes = sum(v.type.dtype.bits // 8 for v in self.first.results)
        most = max(HELD // bytes // LANES * LANES, LANES)
        if not isinstance(extent, int):
            return min(most, 4 * LEAST)
        share = ceil(ceil(extent, PIECES), LANES) * LANES
        assert isinstance(share, int)
        return max(min(extent, most, max(share, LEAST)), 1)

    def lanes(
        self, axes: tuple[Value, ...], panel: Value, extent: Dim, size: int, made: Callable[[Nest, tuple[Dim, ...]], list[Op]]
    ) -> list[Op]:
        """What is `made` for the elements of a piece, in lanes; for the one element there is where there are no axes."""
        nest = Nest(dict(self.place), self.outs[0][0], self.target, self.joined)
        if not axes:
            return made(nest, ())
        tail = axes[-self.joined :]
        lane = Value(below(size), None, tail[-1].hint)
        place = dim(panel) * size + dim(lane)
        nest.place.update(zip(tail, unflattened(place, tuple(a.type.below or 0 for a in tail)), strict=True))
        return [For((extent - dim(panel) * size,), "vector", Block((lane,), tuple(made(nest, (dim(lane),))), ()))]
