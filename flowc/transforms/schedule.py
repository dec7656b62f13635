"""Kernels to loops over buffers.  `tiling` decides, `Nest` builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from flowc.ir.core import Block, Func, Module, Op, Symbol, Value, body, indices, renamed, retyped, walk
from flowc.ir.dims import Dim, at_least, at_most, ceil, dim, linear, product, substitute
from flowc.ir.rewrite import Rewriter, Rules, block_key, rewrite, standing_for
from flowc.ir.types import Type, below
from flowc.ops.accumulate import Accumulate, Fetch
from flowc.ops.derivative import After
from flowc.ops.elementwise import Elementwise
from flowc.ops.kernel import LANES, Build, Kernel, Recurrence, Reduce, flattened, unflattened
from flowc.ops.loops import Alloc, For, Load, Store
from flowc.ops.plan import Call, Update, View
from flowc.ops.tensor import Read
from flowc.target import Target
from flowc.transforms.even import even
from flowc.transforms.staging import dot_reads, one_dot, staging, step

CHUNK = 4096


def schedule(module: Module, target: Target) -> Module:
    """Each kernel as a call of a loop nest; equal kernels are one."""
    maker = _Scheduler(target)
    staged = module.map(lambda fn: rewrite(fn, Rules((staging(target),))))
    funcs = tuple(replace(fn, body=maker.block(fn.body, {}), level="loops") for fn in staged.funcs)
    return replace(module, funcs=(*maker.kernels.values(), *funcs))


class _Scheduler:
    """Loop nests by name, each made once however often its kernel occurs."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.kernels: dict[str, Func] = {}
        self.named: dict[Any, str] = {}

    def block(self, block: Block, outer: dict[Value, Value]) -> Block:
        known = dict(outer)

        def value(v: Value) -> Value:
            return known.get(v, v)

        index = renamed(value)
        for p in block.params:
            type = retyped(p.type, index)
            known[p] = p if type is p.type else replace(p, type=type)
        made: list[Op] = []
        for op in block.ops:
            match op:
                case Kernel() if (view := viewed(op)) is not None:
                    new: Op = View(value(view[0]), (index(view[1]),), retyped(op.result.type, index), **op.common)
                case After():
                    new = View(value(op.value), (0,), retyped(op.result.type, index), **op.common)
                case Kernel():
                    new = self.call(op, known)
                case Recurrence():
                    new = self.recurrence(op, known)
                case Accumulate():
                    made.append(self.update(op, known))
                    known[op.result] = made[-1].results[-1]
                    continue
                case _:
                    new = op.rebuild(value, lambda b: self.block(b, known), index)
            known.update(zip(op.values, new.values, strict=True))
            made.append(new)
        return Block(tuple(map(value, block.params)), tuple(made), tuple(map(value, block.results)))

    def call(self, op: Kernel, known: dict[Value, Value]) -> Call:
        inputs = taken(op.body)
        same = block_key(op.body, standing_for(inputs))
        if same not in self.named:
            self.named[same] = name = f"{op.hint or 'kernel'}_{len(self.kernels)}"
            self.kernels[name] = nest(op, name, self.target)
        size = renamed(lambda v: known.get(v, v))
        types = tuple(retyped(r.type, size) for r in op.results)
        return Call(Symbol(self.named[same]), tuple(known.get(v, v) for v in inputs), types, **op.common)

    def recurrence(self, op: Recurrence, known: dict[Value, Value]) -> Call:
        from flowc.transforms.schedule_recurrence import recurrence_nest

        inputs = taken(op.first, op.body)
        blocks = (block_key(block, standing_for(inputs)) for block in (op.first, op.body))
        same = (type(op), op.backwards, op.ends, op.began, *blocks)
        if same not in self.named:
            self.named[same] = name = f"{op.hint or op.name}_{len(self.kernels)}"
            self.kernels[name] = recurrence_nest(op, name, self.target)
        size = renamed(lambda v: known.get(v, v))
        types = tuple(retyped(r.type, size) for r in op.results)
        return Call(Symbol(self.named[same]), tuple(known.get(v, v) for v in inputs), types, **op.common)

    def update(self, op: Accumulate, known: dict[Value, Value]) -> Update:
        """The call of a nest that changes a copy of `init`, made where that is still needed."""
        from flowc.transforms.schedule_accumulate import accumulation

        inputs = tuple(dict.fromkeys((*indices(op.init.type.shape), *taken(op.body))))
        same = (type(op), op.fold, op.init.type, block_key(op.body, standing_for(inputs)))
        if same not in self.named:
            self.named[same] = name = f"{op.hint or op.name}_{len(self.kernels)}"
            self.kernels[name] = accumulation(op, inputs, name, self.target)
        value = {v: known.get(v, v) for v in (op.init, *inputs)}
        wanted = (op.init, op.result) if isinstance(op, Fetch) else (op.result,)
        types = tuple(retyped(v.type, renamed(lambda v: known.get(v, v))) for v in wanted)
        made = Update(Symbol(self.named[same]), tuple(value[v] for v in inputs), types, value[op.init], **op.common)
        return replace(made, hints=("", *op.hints)) if len(types) > 1 else made


def taken(*blocks: Block) -> tuple[Value, ...]:
    """What a kernel is given: what its blocks capture, and the sizes known only during the run that the types of that speak of."""
    return tuple(dict.fromkeys(u for block in blocks for v in block.captured for u in (*indices(v.type.dims), v)))


def viewed(op: Kernel) -> tuple[Value, Dim] | None:
    """The stored value and offset that `op` is a view of: its element is a read at the same place plus a constant."""
    match op.body.results:
        case (Value(Read(source, at, ())),) if len(op.body.ops) == 1:
            start = flattened(at, source.type.shape) - flattened(tuple(map(dim, op.body.params)), op.result.type.shape)
            loose = any(v in op.body.params for v in indices((start,)))
            return None if loose or not at_least(start, 0) else (source, start)
        case _:
            return None


def nest(kernel: Kernel, name: str, target: Target) -> Func:
    """The loop nest of `kernel`; parameters are the buffers and sizes it reads, then the buffers it writes."""
    reads = taken(kernel.body)
    sizes: dict[Value, Value] = {}
    size = renamed(lambda v: sizes.get(v, v))
    for n, v in enumerate(reads):
        if v.type.below is not None:
            sizes[v] = Value(retyped(v.type, size), None, v.hint or f"in{n}")
    rewriter = Rewriter(scalar_forms(), {v: sizes.get(v, v) for v in reads})
    params = rewriter.params(kernel.body)
    given = [sizes.get(v, v) for v in reads]
    built = replace(kernel, body=body(params, tuple(map(rewriter.settled, kernel.body.results)), (), given))
    joined = 1 if staged(built) else contiguous(built)
    place: dict[Value, Value | Dim] = {
        v: v if v in sizes.values() else Value(buffer_type(retyped(v.type, size), joined > 1), None, v.hint or f"in{n}")
        for n, v in enumerate(given)
    }
    inputs = tuple(v for v in place.values() if isinstance(v, Value))
    outs = tuple(Value(buffer_type(r.type, joined > 1), None, f"out{n}" if n else "out") for n, r in enumerate(built.results))
    made = Nest(place, outs[0], target, joined)
    tiles = tiling(built, target)
    ops = made.contraction(built, tiles) if tiles else made.rows(built)
    return Func(name, Block((*inputs, *outs), tuple(ops), ()), (), "loops", kernel.location)


def buffer_type(type: Type, flat: bool) -> Type:
    """The buffer of a tensor, with all axes as one where the kernel runs along them as one; an index stays itself."""
    if type.below is not None:
        return type
    return (Type(type.dtype, (product(type.shape),)) if flat and type.rank > 1 else type).within("host")


def staged(kernel: Kernel) -> bool:
    """Whether the kernel has stages: reductions and row buffers."""
    return not kernel.body.params or any(isinstance(op, Build | Reduce) for op in kernel.body.ops)


@cache
def scalar_forms() -> Rules:
    """How kernels are made of what code has."""
    return Rules((scalar_form, even))


def scalar_form(op: Elementwise) -> Value | None:
    """a function = its polynomial, on scalars"""
    return None if op.result.type.shape else op.scalar()


@dataclass(frozen=True)
class Tiling:
    """The axes of a contraction: `columns` only one operand varies along, in unit steps, `rows` only the other."""

    rows: Value | None
    columns: Value
    rest: tuple[Value, ...]
    bits: int  # of an element

    def height(self, most: int) -> int:
        """Rows of a tile: at most `most`, and as equal as a known count allows."""
        m = self.rows.type.below if self.rows else 1
        return -(-m // -(-m // most)) if isinstance(m, int) and m else most


def tiling(kernel: Kernel, target: Target) -> Tiling | None:
    """The tile axes of a kernel whose element holds one dot of two reads, by their index maps alone."""
    dot, pair = one_dot(kernel.body), dot_reads(kernel.body)
    axes = [p for p in kernel.body.params if p.type.below != 1]
    if dot is None or pair is None or not axes:
        return None
    column = axes[-1]
    bits = pair[0].result.type.dtype.bits
    varying = set(indices(p.type.below or 0 for p in dot.body.params))  # a tile has one extent for all
    if column in varying:
        return None
    for x, y in (pair, pair[::-1]):
        if step(x, column) == 0 and lane_step(y, column, target.tile_columns(bits)) == 1:
            rows = [a for a in axes if step(y, a) == 0 and step(x, a) != 0 and a not in varying]
            row = rows[-1] if rows else None
            return Tiling(row, column, tuple(a for a in axes if a not in (row, column)), bits)
    return None


def lane_step(read: Read, axis: Value, width: int) -> Dim | None:
    """How far the read moves from one lane to the next when `axis` is split into `width` lanes."""
    lane, panel = Value(below(width), None, "c"), Value(below(ceil(axis.type.below or 0, width)), None, "panel")
    split = substitute(flattened(read.at, read.tensor.type.shape), {axis: dim(panel) * width + dim(lane)})
    return linear(split, lane)


def columnar(kernel: Kernel) -> bool:
    """Whether reductions read along the last axis in unit steps, not along their own index."""
    reduces = [op for op in kernel.body.ops if isinstance(op, Reduce)]
    found = [(r, op.body.params[-1]) for op in reduces for r in walk(op.body) if isinstance(r, Read)]
    last = kernel.body.params[-1:]
    return (
        bool(found and last)
        and all(step(r, last[0]) == 1 and step(r, k) != 1 for r, k in found)
        and not any(isinstance(op, Build) for op in kernel.body.ops)
    )


def contiguous(kernel: Kernel) -> int:
    """How many of the last axes can run as one: along their joined index every read moves in unit steps, or not at all."""
    axes = kernel.body.params
    found = [r for r in walk(kernel.body) if isinstance(r, Read)]
    for count in range(len(axes), 1, -1):
        extents = tuple(a.type.below or 0 for a in axes[-count:])
        run = Value(below(product(extents)), None, "p")
        split = dict(zip(axes[-count:], unflattened(dim(run), extents), strict=True))
        steps = [linear(substitute(flattened(r.at, r.tensor.type.shape), split), run) for r in found if not r.inside]
        if len(steps) == len(found) and all(s is not None and (s == 0 or s == 1) for s in steps):
            return count
    return 1


def parallel(axes: tuple[Value, ...], ops: Sequence[Op]) -> list[Op]:
    """The ops once for each index of `axes`, in any order."""
    made: list[Op] = list(ops)
    for axis in reversed(axes):
        made = [For((), "parallel", Block((axis,), tuple(made), ()))]
    return made


class Nest:
    """Loops over buffers; `place` says what kernel values became."""

    def __init__(self, place: dict[Value, Value | Dim], out: Value, target: Target, joined: int = 1) -> None:
        self.place, self.out, self.target = place, out, target
        self.joined = joined  # the last axes that run as one; above 1, buffers have one axis

    def rows(self, kernel: Kernel) -> list[Op]:
        """The outer axes as parallel loops; within, stage after stage, or the elements in lanes."""
        if columnar(kernel):
            return self.panels(kernel, max(self.target.columns, LANES))
        if not staged(kernel):
            return self.panels(kernel, CHUNK)
        ops = self.block(kernel.body) + self.stored(kernel.body.results[0], kernel.body.params)
        return parallel(kernel.body.params or (Value(below(1), None, "once"),), ops)

    def panels(self, kernel: Kernel, size: int) -> list[Op]:
        """The last `joined` axes as one, in pieces of `size`, shared by the tasks with the other axes; lanes within."""
        outer, tail = kernel.body.params[: -self.joined], kernel.body.params[-self.joined :]
        extents = tuple(a.type.below or 0 for a in tail)
        extent = product(extents)
        panel, lane = (
            Value(below(ceil(extent, size)), None, "panel"),
            Value(below(extent if at_most(extent, size) else size), None, tail[-1].hint),
        )
        whole = at_most(extent, size)
        position = dim(lane) if whole else dim(panel) * size + dim(lane)
        self.place.update(zip(tail, unflattened(position, extents), strict=True))
        ops = self.block(kernel.body)
        store = Store(self.value(kernel.body.results[0]), self.out, self.position(tuple(map(dim, kernel.body.params)), kernel.result.type))
        if whole:
            nest = For((extent,), "vector", Block((lane,), (*ops, store), ()))
        else:
            nest = For((extent - dim(panel) * size,), "vector", Block((lane,), (*ops, store), ()))
        return parallel(outer if whole and outer else (*outer, panel), [nest])

    def stored(self, value: Value, outer: tuple[Value, ...]) -> list[Op]:
        if isinstance(value.op, Build):
            return [self.lanes(value.op.body.params, value.op.body, self.out, (*outer, *value.op.body.params))]
        return [Store(self.value(value), self.out, tuple(self.index(dim(p)) for p in outer))]

    def lanes(self, axes: tuple[Value, ...], body: Block, to: Value, at: tuple[Value, ...]) -> Op:
        """Stores the body's result for every index of `axes`, the last one in lanes; an op stands in the innermost loop it depends on."""
        *outer, last = axes
        place = {op: max((n for n, axis in enumerate(axes) if axis in op.free), default=0) for op in body.ops}
        levels = [self.block(Block((), tuple(op for op in body.ops if place[op] == n), ())) for n in range(len(axes))]
        store = Store(self.value(body.results[0]), to, tuple(self.index(dim(a)) for a in at))
        nest = For((last.type.below or 0,), "vector", Block((last,), (*levels[-1], store), ()))
        for axis, ops in zip(outer[::-1], levels[-2::-1], strict=True):
            nest = For((), "serial", Block((axis,), (*ops, nest), ()))
        return nest

    def contraction(self, kernel: Kernel, tiles: Tiling) -> list[Op]:
        """Tiles of rows by columns, panel by panel, all shared by the tasks."""
        m: Dim = (tiles.rows.type.below or 0) if tiles.rows else 1
        n: Dim = tiles.columns.type.below or 0
        high = tiles.height(self.target.rows)
        wide = self.target.tile_columns(tiles.bits)
        panel, band = Value(below(ceil(n, wide)), None, "panel"), Value(below(ceil(m, high)), None, "band")
        row, column = Value(below(high), None, "r"), Value(below(wide), None, "c")
        top, left = dim(band) * high, dim(panel) * wide
        if tiles.rows:
            self.place[tiles.rows] = top + dim(row)
        self.place[tiles.columns] = left + dim(column)
        ops = self.block(kernel.body)
        at = tuple(self.index(dim(p)) for p in kernel.body.params)
        store = Store(self.value(kernel.body.results[0]), self.out, at)
        nest = For((m - top, n - left), "tile", Block((row, column), (*ops, store), ()))
        return parallel((*tiles.rest, panel, band), [nest])

    def block(self, block: Block) -> list[Op]:
        """The ops with reads as loads and local builds as buffers filled in lanes."""
        new: list[Op] = []
        for op in block.ops:
            match op:
                case Read(tensor, at, inside):
                    made: Op = Load(
                        self.value(tensor),
                        self.position(at, tensor.type),
                        tuple(map(self.index, inside)),
                        hints=op.hints,
                        location=op.location,
                    )
                case Reduce(fold, region):
                    params = tuple(map(self.param, region.params))
                    inner = self.block(region)
                    made = Reduce(
                        fold,
                        Block(params, tuple(inner), tuple(map(self.value, region.results))),
                        hints=op.hints,
                        location=op.location,
                    )
                case Build(region) if op.result not in block.results:
                    made = Alloc(op.result.type.within("local"), hints=op.hints)
                    new += [made, self.lanes(region.params, region, made.results[0], region.params)]
                    self.place[op.result] = made.results[0]
                    continue
                case Build():
                    continue
                case _:
                    made = op.rebuild(self.value, lambda b: b, self.index)
            new.append(made)
            self.place[op.results[0]] = made.results[0]
        return new

    def param(self, index: Value) -> Value:
        """The index of a reduction, whose extent may speak of what has another place."""
        type = retyped(index.type, self.index)
        if type is not index.type:
            self.place[index] = Value(type, None, index.hint)
        return self.value(index)

    def position(self, at: tuple[Dim, ...], type: Type) -> tuple[Dim, ...]:
        """Where an element of a tensor is in its buffer."""
        if self.joined > 1 and type.rank > 1:
            return (self.index(flattened(at, type.shape)),)
        return tuple(map(self.index, at))

    def value(self, old: Value) -> Value:
        new = self.place.get(old, old)
        assert isinstance(new, Value)
        return new

    def index(self, d: Dim) -> Dim:
        return renamed(lambda v: self.place.get(v, v))(d)
