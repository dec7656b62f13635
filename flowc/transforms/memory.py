"""Who lies where in the arena: when buffers live, what may be written over what, offsets.

Sizes stay symbolic: a buffer takes the place of a dead one where it provably
fits, for every size.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowc.ir.core import Block, Func, Op, Value, indices
from flowc.ir.dims import Dim, Polynomial, Size, at_most, atoms, ceil, evaluate, product, substitute
from flowc.ir.types import Type
from flowc.ops.kernel import flattened
from flowc.ops.loops import For, Load, Store
from flowc.ops.plan import Launch, Repeat, View, While

ALIGNMENT = 64  # bytes
TRIED = 128  # sizes of free blocks that are compared with a buffer
SAMPLES = (0, 1, 1000)


@dataclass(frozen=True)
class Lifetime:
    """A buffer, its bytes, the first and last op that touches it, and the buffers read last by that first op whose place it may take."""

    buffer: Value
    bytes: Dim
    first: int
    last: int
    over: tuple[Value, ...] = ()


def size_in_bytes(type: Type) -> Dim:
    """Rounded up to the alignment; a size known only during the run counts with its bound."""
    return ceil(type.dtype.bytes(product(map(bounded, type.shape))), ALIGNMENT) * ALIGNMENT


def bounded(size: Dim) -> Dim:
    """The size with those known only during the run at their largest."""
    return substitute(size, {v: (v.type.below or 1) - 1 for v in indices((size,))})


def lifetimes(ops: Sequence[Op], wanted: Sequence[Value], kernels: Mapping[str, Func]) -> list[Lifetime]:
    """When each buffer of `wanted` is in use; what a loop carries or reads from outside lives as long as the loop."""
    clock = _Clock(kernels)
    clock.visit(ops)
    first, last = clock.first, clock.last
    return [Lifetime(v, size_in_bytes(v.type), first[v], last[v], tuple(clock.over.get(v, ()))) for v in wanted if v in first]


class _Clock:
    """Counts ops; a view is its buffer, what a loop gives back is any of the buffers it carries."""

    def __init__(self, kernels: Mapping[str, Func]) -> None:
        self.kernels = kernels
        self.own: dict[str, dict[int, frozenset[int]]] = {}
        self.now = 0
        self.first: dict[Value, int] = {}
        self.last: dict[Value, int] = {}
        self.over: dict[Value, list[Value]] = {}
        self.roots: dict[Value, tuple[Value, ...]] = {}

    def visit(self, ops: Sequence[Op]) -> None:
        for op in ops:
            self.now += 1
            match op:
                case View(buffer):
                    self.roots[op.result] = self.of(buffer)
                case Launch():
                    self.launch(op)
                case _:
                    self.touch(op.operands)
                    if op.regions:
                        self.inside(op)

    def of(self, value: Value) -> tuple[Value, ...]:
        return self.roots.get(value, (value,))

    def touch(self, values: Sequence[Value]) -> None:
        for v in values:
            for root in self.of(v):
                self.first.setdefault(root, self.now)
                self.last[root] = self.now

    def launch(self, op: Launch) -> None:
        fresh = [v for v in op.buffers if v not in self.first]
        self.touch(op.buffers)
        if op.kernel not in self.own:
            self.own[op.kernel] = own_elements(self.kernels[op.kernel]) if op.kernel in self.kernels else {}
        for out, inputs in self.own[op.kernel].items():
            if op.buffers[out] in fresh:
                given = [op.buffers[n] for n in sorted(inputs)]
                others = {root for n, v in enumerate(op.buffers) if n not in inputs for root in self.of(v)}
                self.over[op.buffers[out]] = [v for v in dict.fromkeys(given) if self.of(v) == (v,) and v not in others]

    def inside(self, op: Op) -> None:
        began = self.now
        for region in op.regions:
            self.visit(region.ops)
            self.now += 1
            self.touch(region.results)
        self.now += 1
        outside = [root for region in op.regions for v in region.captured for root in self.of(v)]
        self.touch([root for root in outside if self.first.get(root, self.now) <= began])
        self.touch(op.operands)
        if isinstance(op, While | Repeat):
            handed = tuple(dict.fromkeys(root for v in (*op.carried, *op.body.results) for root in self.of(v)))
            self.roots.update(dict.fromkeys(op.results, handed))


def own_elements(kernel: Func) -> dict[int, frozenset[int]]:
    """For each parameter that is written, the parameters read only at the element then written, so that both may be one buffer."""
    params = {p: n for n, p in enumerate(kernel.body.params) if p.type.space}
    access = _Accesses(params)
    access.visit(kernel.body, ())
    found: dict[int, frozenset[int]] = {}
    for out, stores in access.stores.items():
        if len(stores) != 1:
            continue
        place, around = stores[0]
        if not all(a in set(indices((place,))) for a in around if a.type.below != 1) or any(v.op is not None for v in indices((place,))):
            continue
        bits = out.type.dtype.bits
        same = [p for p, places in access.loads.items() if p.type.dtype.bits == bits and all(at == place for at in places)]
        found[params[out]] = frozenset(params[p] for p in same if p not in access.stores)
    return found


@dataclass
class _Accesses:
    """Where parameters are read and written, as positions in their buffers; for a write, the loops around it."""

    params: Mapping[Value, int]
    loads: dict[Value, list[Dim]] = field(default_factory=dict[Value, list[Dim]])
    stores: dict[Value, list[tuple[Dim, tuple[Value, ...]]]] = field(default_factory=dict[Value, list[tuple[Dim, tuple[Value, ...]]]])

    def visit(self, block: Block, around: tuple[Value, ...]) -> None:
        for op in block.ops:
            match op:
                case Load(buffer, at) if buffer in self.params:
                    self.loads.setdefault(buffer, []).append(flattened(at, buffer.type.shape))
                case Store(_, buffer, at) if buffer in self.params:
                    self.stores.setdefault(buffer, []).append((flattened(at, buffer.type.shape), around))
                case For(body=body):
                    self.visit(body, (*around, *body.params))
                case _:
                    for region in op.regions:
                        self.visit(region, around)


def offsets(lives: Sequence[Lifetime]) -> tuple[dict[Value, Dim], Dim]:
    """A place for each buffer, and the bytes of all.

    In order of first use: over an input where that is allowed, else in the
    smallest free block that provably holds it, else at the end.
    """
    arena = _Arena()
    for life in sorted(lives, key=lambda life: life.first):
        arena.place(life)
    return arena.places, arena.total


@dataclass(eq=False)
class _Piece:
    """A stretch of the arena, between its neighbours; `holder` is the buffer in it, None where it is free."""

    offset: Dim
    bytes: Dim
    before: _Piece | None = None
    after: _Piece | None = None
    holder: Value | None = None


class _Arena:
    def __init__(self) -> None:
        self.total: Dim = 0
        self.places: dict[Value, Dim] = {}
        self.lives: dict[Value, Lifetime] = {}
        self.at: dict[Value, _Piece] = {}
        self.end: _Piece | None = None
        self.free: dict[Dim, dict[_Piece, None]] = {}
        self.dying: list[tuple[int, int, Value]] = []
        self.known: dict[tuple[Dim, Dim], bool] = {}
        self.samples: dict[Dim, tuple[int, ...]] = {}

    def place(self, life: Lifetime) -> None:
        while self.dying and self.dying[0][0] < life.first:
            self.release(heapq.heappop(self.dying)[2])
        if life.bytes == 0:
            self.places[life.buffer] = 0
            return
        piece = self.taken_over(life) or self.fitting(life.bytes) or self.grown(life.bytes)
        piece.holder = life.buffer
        self.places[life.buffer], self.at[life.buffer], self.lives[life.buffer] = piece.offset, piece, life
        heapq.heappush(self.dying, (life.last, len(self.places), life.buffer))

    def taken_over(self, life: Lifetime) -> _Piece | None:
        """The place of an input that the first op of `life` is the last to read."""
        for v in life.over:
            piece = self.at.get(v)
            if piece and piece.holder is v and self.lives[v].last == life.first and self.fits(life.bytes, piece.bytes):
                return piece
        return None

    def fitting(self, bytes: Dim) -> _Piece | None:
        """The free piece of that size, or the beginning of the smallest that holds it."""
        best = bytes if bytes in self.free else None
        if best is None:
            for size in list(self.free)[-TRIED:]:
                if self.fits(bytes, size) and (best is None or self.fits(size, best)):
                    best = size
        if best is None:
            return None
        piece = next(reversed(self.free[best]))
        self.withdraw(piece)
        if best != bytes:
            rest = _Piece(piece.offset + bytes, best - bytes, piece, piece.after)
            self.link(rest)
            piece.bytes = bytes
            self.offer(rest)
        return piece

    def grown(self, bytes: Dim) -> _Piece:
        """A piece at the end: the free one there made larger, or another."""
        end = self.end
        if end is not None and end.holder is None and self.fits(end.bytes, bytes):
            self.withdraw(end)
            self.total = self.total - end.bytes + bytes
            end.bytes = bytes
            return end
        piece = _Piece(self.total, bytes, end)
        self.total = self.total + bytes
        self.link(piece)
        return piece

    def release(self, buffer: Value) -> None:
        piece = self.at.pop(buffer)
        if piece.holder is not buffer:
            return
        piece.holder = None
        if piece.before is not None and piece.before.holder is None:
            self.withdraw(piece.before)
            piece = self.joined(piece.before, piece)
        if piece.after is not None and piece.after.holder is None:
            self.withdraw(piece.after)
            piece = self.joined(piece, piece.after)
        self.offer(piece)

    def joined(self, left: _Piece, right: _Piece) -> _Piece:
        left.bytes, left.after = left.bytes + right.bytes, right.after
        if right.after is None:
            self.end = left
        else:
            right.after.before = left
        return left

    def link(self, piece: _Piece) -> None:
        if piece.before is not None:
            piece.before.after = piece
        if piece.after is None:
            self.end = piece
        else:
            piece.after.before = piece

    def offer(self, piece: _Piece) -> None:
        self.free.setdefault(piece.bytes, {})[piece] = None

    def withdraw(self, piece: _Piece) -> None:
        del self.free[piece.bytes][piece]
        if not self.free[piece.bytes]:
            del self.free[piece.bytes]

    def fits(self, bytes: Dim, room: Dim) -> bool:
        """Whether `bytes <= room` is provable."""
        if any(a > b for a, b in zip(self.sampled(bytes), self.sampled(room), strict=True)):
            return False
        if (bytes, room) not in self.known:
            self.known[bytes, room] = at_most(bytes, room)
        return self.known[bytes, room]

    def sampled(self, d: Dim) -> tuple[int, ...]:
        """What `d` is for some sizes: where one is smaller, the rest need no proof."""
        if d not in self.samples:
            self.samples[d] = tuple(_at(d, n) for n in SAMPLES)
        return self.samples[d]


def _at(d: Dim, n: int) -> int:
    """`d` with every size `n` above its least value, or as near to it as its range allows."""
    named = [a for a in atoms(d) if isinstance(a, Size)] if isinstance(d, Polynomial) else []
    return evaluate(d, {s: s.low + n if s.high is None else min(s.low + n, s.high) for s in named})
