"""Scans before kernels: they read their sequences where these lie, and carry and emit only what is read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from flowc.ir.core import Block, Func, Op, Value, body, renamed, retyped, walk
from flowc.ir.dims import dim
from flowc.ir.rewrite import Found, Rewriter, Rules, rewrite
from flowc.ops.control import Scan
from flowc.ops.define import define
from flowc.ops.kernel import axes
from flowc.ops.tensor import Constant, Read
from flowc.transforms.recurrences import apart


def prepared(fn: Func) -> Func:
    """`fn` with scans that have no sequences, carry something, and have nothing in them that no one reads."""
    if not any(isinstance(op, Scan) for op in walk(fn.body)):
        return fn
    fn = rewrite(fn, Rules((read_where_they_lie, apart)))
    return replace(fn, body=_Needed().block(fn.body))


def read_where_they_lie(op: Scan) -> Found:
    """scan over xs { ... slice ... } = scan { ... xs[step] ... }"""
    if not op.xs:
        return None
    known = {v: v for v in (*op.body.captured, op.step, *op.carries)}
    known |= {p: sliced(x, op.step) for p, x in zip(op.slices, op.xs, strict=True)}
    inner = Rewriter(lambda _: None, known)
    results, roots = (tuple(map(inner.settled, vs)) for vs in (op.body.results, op.body.roots))
    return replace(op, xs=(), body=body((op.step, *op.carries), results, roots, (*op.body.captured, *op.xs))).values


def sliced(x: Value, step: Value) -> Value:
    """`x[step, ...]`, defined by index."""
    if isinstance(x.op, Constant):
        return Constant(x.op.value, replace(x.type, shape=x.type.shape[1:])).result
    own = axes(x.type.shape[1:])
    return define(own, Read(x, (dim(step), *map(dim, own))).result)


class _Needed:
    """Blocks without what nothing needs; `known` says what values became."""

    def __init__(self) -> None:
        self.known: dict[Value, Value] = {}

    def block(self, old: Block) -> Block:
        needed = dict.fromkeys((*old.results, *old.roots))
        kept: list[tuple[Op, dict[Value, Value]]] = []
        for op in reversed(old.ops):
            if any(v in needed for v in op.values):
                left, became = narrowed(op, needed) if isinstance(op, Scan) else (op, {})
                needed.update(dict.fromkeys(left.uses))
                kept.append((left, became))
        index = renamed(self.value)
        params = tuple(replace(p, type=retyped(p.type, index)) for p in old.params)
        self.known.update(zip(old.params, params, strict=True))
        made: list[Op] = []
        for op, became in reversed(kept):
            new = op.rebuild(self.value, self.region, index)
            self.known.update(zip(op.values, new.values, strict=True))
            self.known.update((r, self.value(v)) for r, v in became.items())
            made.append(new)
        return Block(params, tuple(made), tuple(map(self.value, old.results)))

    def region(self, old: Block) -> Block:
        """A block within another, where what stands in both, as constants may, is another value."""
        around = dict(self.known)
        made = self.block(old)
        self.known = around
        return made

    def value(self, v: Value) -> Value:
        return self.known.get(v, v)


def narrowed(op: Scan, needed: Collection[Value]) -> tuple[Scan, dict[Value, Value]]:
    """The scan with the carries and the emits that `needed` and each other ask for, and what results became of which of its own."""
    count, own = len(op.init), list(op.results)
    ends, stacks, began = own[:count], own[count : count + len(op.emits)], own[count + len(op.emits) :]
    emits = [n for n, r in enumerate(stacks) if r in needed]
    carries = [n for n in range(count) if ends[n] in needed or began and began[n] in needed]
    while True:
        results = (*(op.body.results[n] for n in carries), *(op.emits[n] for n in emits))
        used = reached(op.body, results)
        more = [n for n, p in enumerate(op.carries) if p in used and n not in carries]
        if not more:
            break
        carries = sorted((*carries, *more))
    stacked = any(r in needed for r in began)
    kept = [*(ends[n] for n in carries), *(stacks[n] for n in emits), *(began[n] for n in carries if stacked)]
    ops = tuple(inner for inner in op.body.ops if any(v in used for v in inner.values))
    made = replace(
        op,
        init=tuple(op.init[n] for n in carries),
        body=Block((op.step, *(op.carries[n] for n in carries)), ops, results),
        stacked=stacked,
        hints=tuple(r.hint for r in kept),
    )
    return made, dict(zip(kept, made.results, strict=True))


def reached(block: Block, results: tuple[Value, ...]) -> set[Value]:
    """The values of a block that these results and its roots need."""
    needed = {*results, *block.roots}
    for op in reversed(block.ops):
        if any(v in needed for v in op.values):
            needed.update(op.uses)
    return needed
