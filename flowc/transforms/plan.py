"""Scheduled calls to a plan: buffers in one arena, views, launches, loops and branches over launches.

`lifetimes` and `offsets` decide; `plan` builds.  Sizes stay symbolic: a buffer
takes the place of a dead one where it provably fits, for every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowc.ir.core import Block, Func, Module, Op, Symbol, Value, indices, renamed
from flowc.ir.dims import Dim, at_most, ceil, dim, product, substitute
from flowc.ir.printer import sizes
from flowc.ir.types import Type
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, Cond, DynamicSize, Loop
from flowc.ops.kernel import axes
from flowc.ops.loops import For, Load, Store
from flowc.ops.plan import BYTES, Call, CheckRange, CheckTrue, If, Launch, SizeOf, View, While

ALIGNMENT = 64  # bytes


def plan(module: Module) -> Module:
    """Each graph as a driver over buffers; its last parameter is the workspace, whose type is the exact peak in bytes."""
    kernels = {f.name: f for f in module.funcs if not _is_graph(f)}
    copies: dict[Type, Func] = {}
    graphs = [_Planner(fn, module, copies).planned() for fn in module.funcs if _is_graph(fn)]
    return replace(module, funcs=(*kernels.values(), *copies.values(), *graphs))


def _is_graph(fn: Func) -> bool:
    return not any(p.type.space for p in fn.body.params) and not any(isinstance(op, For) for op in fn.body.ops)


@dataclass(frozen=True)
class Lifetime:
    """A buffer, its bytes, and the first and last op that touches it."""

    buffer: Value
    bytes: Dim
    first: int
    last: int


def lifetimes(ops: Sequence[Op], wanted: Sequence[Value]) -> list[Lifetime]:
    """When each buffer is in use; what a loop carries or reads from outside lives as long as the loop."""
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    clock = 0

    def touch(values: Sequence[Value], now: int) -> None:
        for v in values:
            if isinstance(v.op, View | While):
                touch(v.op.operands, now)
            first.setdefault(v, now)
            last[v] = max(now, last.get(v, 0))

    def visit(ops: Sequence[Op]) -> None:
        nonlocal clock
        for op in ops:
            clock += 1
            began = dict(first)
            touch(op.operands, clock)
            for region in op.regions:
                visit(region.ops)
                touch(region.results, clock)
            if op.regions:
                clock += 1
                touch([v for r in op.regions for v in r.captured if v in began or v in op.operands], clock)
                touch(op.operands, clock)

    visit(ops)
    return [Lifetime(v, size_in_bytes(v.type), first[v], last[v]) for v in wanted if v in first]


def size_in_bytes(type: Type) -> Dim:
    """Rounded up to the alignment; a size known only during the run counts with its bound."""
    return ceil(type.dtype.bytes(product(map(bounded, type.shape))), ALIGNMENT) * ALIGNMENT


def bounded(size: Dim) -> Dim:
    """The size with those known only during the run at their largest."""
    return substitute(size, {v: (v.type.below or 1) - 1 for v in indices((size,))})


def offsets(lives: Sequence[Lifetime]) -> tuple[dict[Value, Dim], Dim]:
    """A place for each buffer: the smallest dead slot it provably fits, else one at the end."""
    slots: list[tuple[Dim, Dim, int]] = []  # offset, bytes, last use
    places: dict[Value, Dim] = {}
    total: Dim = 0
    for life in sorted(lives, key=lambda life: life.first):
        fits = [n for n, (_, size, last) in enumerate(slots) if last < life.first and at_most(life.bytes, size)]
        best = next((n for n in fits if all(at_most(slots[n][1], slots[m][1]) for m in fits)), fits[0] if fits else None)
        if best is None:
            best = len(slots)
            slots.append((total, life.bytes, 0))
            total = total + life.bytes
        places[life.buffer] = slots[best][0]
        slots[best] = (*slots[best][:2], life.last)
    return places, total


class _Planner:
    """Plan ops over buffers that have no place yet."""

    def __init__(self, fn: Func, module: Module, copies: dict[Type, Func]) -> None:
        self.fn, self.module, self.copies = fn, module, copies
        self.ops: list[Op] = []
        self.place: dict[Value, Value] = {}
        self.wanted: list[Value] = []

    def planned(self) -> Func:
        fn = self.fn
        params = tuple(self.buffer(p) for p in fn.body.params)
        results = fn.body.results
        names = fn.outputs or tuple(r.hint for r in results)
        outs = tuple(
            Value(r.type.within("host"), None, self.fresh(name, n)) for n, (r, name) in enumerate(zip(results, names, strict=True))
        )
        self.block(fn.body, first_of(results, outs))
        for result, out in zip(results, outs, strict=True):
            self.copied(result, out)
        places, total = offsets(lifetimes(self.ops, self.wanted))
        arena = Value(replace(BYTES, shape=(total,)), None, "workspace")
        views = {v: View(arena, (at,), v.type, hints=(v.hint,)).result for v, at in places.items()}
        ops = _over(self.ops, views)
        body = Block((*params, *outs, arena), (*size_checks(fn), *(v.op for v in views.values() if v.op), *ops), ())
        return replace(fn, body=body, level="plan", outputs=())

    def fresh(self, hint: str, n: int) -> str:
        return hint if hint and all(p.hint != hint for p in self.fn.body.params) else f"out{n}"

    def buffer(self, value: Value) -> Value:
        self.place[value] = Value(value.type.within("host"), None, value.hint)
        return self.place[value]

    def temporary(self, value: Value) -> Value:
        made = self.buffer(value)
        self.wanted.append(made)
        return made

    def block(self, block: Block, into: dict[Value, Value]) -> None:
        """Launches for the ops of `block`; results named in `into` are written there."""
        for op in block.ops:
            self.op(op, into)

    def op(self, op: Op, into: dict[Value, Value]) -> None:
        index = renamed(lambda v: self.place.get(v, v))
        match op:
            case View(source, start) if op.result not in into:
                made = View(self.place[source], tuple(map(index, start)), op.type.within("host"), **op.common)
                self.place[op.result] = made.result
                self.ops.append(made)
            case View():
                self.copied_view(op, into[op.result])
            case Call(kernel, inputs):
                outs = tuple(into.get(r) or self.temporary(r) for r in op.results)
                self.place.update(zip(op.results, outs, strict=True))
                self.ops.append(Launch((*(self.place[v] for v in inputs), *outs), kernel, location=op.location, device=op.device))
            case Loop():
                self.loop(op)
            case Cond():
                self.cond(op)
            case Assert(condition, what):
                self.ops.append(CheckTrue(self.place[condition], what, location=op.location))
            case CheckEqual((a, b), what):
                self.ops.append(CheckRange((index(b), index(a), index(b)), what, location=op.location))
            case CheckAtLeast((a, low), what):
                self.ops.append(CheckRange((index(low), index(a)), what, location=op.location))
            case DynamicSize(count, bound):
                made = SizeOf(self.place[count], bound, **op.common)
                self.place[op.result] = made.result
                self.ops.append(made)
            case _:
                raise NotImplementedError(f"planning {op.name}")

    def copied_view(self, op: View, out: Value) -> None:
        view = View(self.place[op.buffer], op.offset, op.type.within("host"))
        self.ops.append(view)
        self.copy(view.result, out)
        self.place[op.result] = out

    def copied(self, value: Value, out: Value) -> None:
        """`value` in `out`, by a copy where it is elsewhere."""
        if self.place[value] is not out:
            self.copy(self.place[value], out)

    def copy(self, source: Value, out: Value) -> None:
        kernel = self.copies.get(out.type)
        if kernel is None:
            kernel = self.copies[out.type] = copy_kernel(out.type, f"copy_{len(self.copies)}")
        extra = tuple(dict.fromkeys(indices(out.type.shape)))
        self.ops.append(Launch((*extra, source, out), Symbol(kernel.name)))

    def region(self, block: Block, outs: Sequence[Value] = ()) -> Block:
        """The plan of `block`, whose results end up in `outs`, where given."""
        outer, self.ops = self.ops, []
        kept = dict(self.place)
        self.block(block, first_of(block.results, outs))
        for result, out in zip(block.results, outs, strict=False):
            self.copied(result, out)
        made, self.ops = tuple(self.ops), outer
        results = tuple(self.place[r] for r in block.results)
        self.place = kept
        return Block((), made, results)

    def loop(self, op: Loop) -> None:
        """Two buffers per carried value: a round reads one, writes the other, and yields them swapped."""
        pairs = [
            (self.temporary(Value(v.type, None, r.hint or "carried")), self.temporary(Value(v.type, None, f"{r.hint or 'carried'}.next")))
            for v, r in zip(op.init, op.results, strict=True)
        ]
        for value, (now, _) in zip(op.init, pairs, strict=True):
            self.copied(value, now)
        carried = tuple(b for pair in pairs for b in pair)

        def params() -> tuple[Value, ...]:
            return tuple(Value(b.type, None, b.hint) for b in carried)

        asks, does = params(), params()
        self.place.update(zip(op.condition.params, asks[::2], strict=True))
        condition = self.region(op.condition)
        self.place.update(zip(op.body.params, does[::2], strict=True))
        body = self.region(op.body, does[1::2])
        swapped = tuple(b for now, spare in zip(does[::2], does[1::2], strict=True) for b in (spare, now))
        made = While(
            carried, op.limit, "the loop reaches its limit", replace(condition, params=asks), Block(does, body.ops, swapped), **op.common
        )
        self.ops.append(made)
        self.place.update(zip(op.results, made.results[::2], strict=True))

    def cond(self, op: Cond) -> None:
        """Both sides write the same buffers."""
        outs = [self.temporary(r) for r in op.results]
        which = self.place[op.which]
        sides = [self.region(side, outs) for side in (op.then, op.orelse)]
        self.ops.append(If(which, *(replace(s, results=()) for s in sides), **op.common))
        self.place.update(zip(op.results, outs, strict=True))


def size_checks(fn: Func) -> tuple[Op, ...]:
    """Each named size is in its range."""
    return tuple(
        CheckRange((s.low, dim(s)) if s.high is None else (s.low, dim(s), s.high), s.name, location=fn.location) for s in sizes(fn)
    )


def copy_kernel(type: Type, name: str) -> Func:
    """A loop nest that copies a buffer."""
    extra = tuple(dict.fromkeys(indices(type.shape)))
    source, out = Value(type, None, "in"), Value(type, None, "out")
    index = axes(type.shape) or axes((1,))
    at = tuple(map(dim, index)) if type.shape else ()
    load = Load(source, at)
    ops: list[Op] = [load, Store(load.result, out, at)]
    for n, i in reversed([*enumerate(index)]):
        kind = "vector" if n == len(index) - 1 and n else "serial" if n else "parallel"
        ops = [For((i.type.below or 0,) if kind == "vector" else (), kind, Block((i,), tuple(ops), ()))]
    return Func(name, Block((*extra, source, out), tuple(ops), ()), (), "loops")


def first_of(values: Sequence[Value], outs: Sequence[Value]) -> dict[Value, Value]:
    """Where each value is written first; a value wanted twice is copied from there."""
    return dict(reversed([*zip(values, outs, strict=False)]))


def _over(ops: Sequence[Op], to: dict[Value, Value]) -> tuple[Op, ...]:
    """`ops` with buffers replaced by what `to` says."""
    known = dict(to)
    index = renamed(lambda v: known.get(v, v))

    def block(old: Block) -> Block:
        return Block(old.params, _over(old.ops, known), tuple(known.get(r, r) for r in old.results))

    made: list[Op] = []
    for op in ops:
        new = op.rebuild(lambda v: known.get(v, v), block, index)
        known.update(zip(op.results, new.results, strict=True))
        made.append(new)
    return tuple(made)
