"""Reductions: 64 partial folds and their tree in blocks of terms, and chains of multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.codegen.llvm.folds import Fold, State, multiply_add
from flowc.codegen.llvm.frame import Coordinate
from flowc.codegen.llvm.loops import Loops, Span
from flowc.codegen.llvm.scalars import literal, rotation, stored_type
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, at_most, dim
from flowc.ir.types import DType
from flowc.ops.kernel import BLOCK, LANES, Reduce


class Reductions(Loops):
    """Results of folds, for each coordinate they vary along."""

    def reduce(self, op: Reduce) -> None:
        self.on[op.result] = self.depends(op)
        if op.fold == "dot":
            self.chain(op)
            return
        fold = Fold(op.fold, op.body.results[0].type.dtype)
        lanes = self.lane_axis() >= 0
        end = op.body.params[0].type.below or 0
        partial = self.down_columns if lanes else self.along_rows
        spots = self.spots(self.on[op.result])
        results = self.blocked(fold, end, len(spots), lanes, lambda span: partial(op, fold, span))
        for spot, state in zip(spots, results, strict=True):
            found = fold.result(self, state, lanes)
            if not at_least(end, 1):
                dtype = op.result.type.dtype
                none = self.splat(fold.nothing(), self.type(dtype, False)) if lanes else fold.nothing()
                some = self.text.value(f"icmp sgt i64 {self.i64(end)}, 0")
                type = self.type(dtype, lanes)
                found = self.text.value(f"select i1 {some}, {type} {found}, {type} {none}")
            self.names[op.result, spot] = found

    def blocked(self, fold: Fold, end: Dim, count: int, lanes: bool, partial: Callable[[Span], list[State]]) -> list[State]:
        """`count` folds of the terms below `end`, in blocks whose results are joined in order."""
        t = self.text
        if at_most(end, BLOCK):
            return partial(self.span(end))
        stop, left = self.i64(end), end % LANES

        def block(begin: str, totals: list[str]) -> list[str]:
            following = t.value(f"add i64 {begin}, {BLOCK}")
            last = t.value(f"call i64 @llvm.smin.i64(i64 {following}, i64 {stop})")
            made = partial(Span(begin, last, 0 if left == 0 else None))
            old = states(totals, len(fold.parts))
            return [v for x, y in zip(old, made, strict=True) for v in fold.join(self, x, y, lanes)]

        types = [self.type(part, lanes) for part in fold.parts]
        first = [self.splat(v, self.type(p, False)) if lanes else v for v, p in zip(fold.neutral(), fold.parts, strict=True)]
        return states(t.loop("0", stop, BLOCK, types * count, first * count, block), len(fold.parts))

    def along_rows(self, op: Reduce, fold: Fold, span: Span) -> list[State]:
        """64 partial folds in lanes, lane = index mod 64, then the tree; for each spot the fold depends on."""
        (k,) = op.body.params
        parts, width = LANES // self.width, len(fold.parts)
        rows = list(self.spots(self.on[op.result]).values())
        types = [self.type(part, True) for part in fold.parts]

        def step(totals: list[str], start: int) -> list[str]:
            self.block(op.body)
            made = list(totals)
            for n, row in enumerate(rows):
                for c, mask in enumerate(self.masks):
                    at = (n * parts + start + c) * width
                    old = totals[at : at + width]
                    terms = [self.operand(term, (*row, c), True) for term in op.body.results]
                    index = self.lanes_of(dim(k), (*row, c)) if width > 1 else ""
                    new = fold.take(self, old, terms, index, True)
                    made[at : at + width] = new if mask is None else self.where(mask, types, new, old)
            return made

        count = parts * len(rows)
        totals = states(self.chunks(k, span, types * count, fold.start(self.width) * count, step), width)
        return [self.tree(fold, totals[n * parts : (n + 1) * parts]) for n in range(len(rows))]

    def where(self, mask: str, types: Sequence[str], new: State, old: State) -> State:
        truth = self.vector("i1")
        return [self.text.value(f"select {truth} {mask}, {t} {a}, {t} {b}") for t, a, b in zip(types, new, old, strict=True)]

    def tree(self, fold: Fold, totals: list[State]) -> State:
        """The partial folds of 64 lanes joined: lane n with lane n + 32, then 16, 8, 4, 2, 1."""
        while len(totals) > 1:
            half = len(totals) // 2
            totals = [fold.join(self, x, y, True) for x, y in zip(totals[:half], totals[half:], strict=True)]
        (total,), half = totals, self.width // 2
        types = [self.type(part, True) for part in fold.parts]
        while half:
            moved = [
                self.text.value(f"shufflevector {type} {v}, {type} poison, {rotation(self.width, half)}")
                for type, v in zip(types, total, strict=True)
            ]
            total, half = fold.join(self, total, moved, True), half // 2
        return [self.text.value(f"extractelement {type} {v}, i64 0") for type, v in zip(types, total, strict=True)]

    def down_columns(self, op: Reduce, fold: Fold, span: Span) -> list[State]:
        """The same 64 partial folds where the lanes hold other elements: one after the other, the tree in memory."""
        (k,), t = op.body.params, self.text
        spots = self.spots(self.on[op.result])
        spaces = [[t.reserve(self.vector(stored_type(part)), LANES) for part in fold.parts] for _ in spots]
        types = [self.type(part, True) for part in fold.parts]

        def lane(offset: str, _: list[str]) -> Sequence[str]:
            def step(i: str, totals: list[str]) -> list[str]:
                with self.loop_over(k, i), self.scope(self.tile, self.masks):
                    self.block(op.body)
                    index = self.splat(i, "i64") if len(types) > 1 else ""
                    made: list[str] = []
                    for spot, old in zip(spots.values(), states(totals, len(types)), strict=True):
                        terms = [self.operand(term, spot, True) for term in op.body.results]
                        made += fold.take(self, old, terms, index, True)
                    return made

            begin = offset if span.begin == "0" else t.value(f"add i64 {span.begin}, {offset}")
            first = fold.start(self.width) * len(spots)
            totals = states(t.loop(begin, span.stop, LANES, types * len(spots), first, step), len(types))
            for space, total in zip(spaces, totals, strict=True):
                self.put(fold, space, offset, total)
            return ()

        t.loop("0", str(LANES), 1, (), (), lane)
        half = LANES // 2
        while half:
            self.join_halves(fold, spaces, half)
            half //= 2
        return [self.held(fold, space, "0") for space in spaces]

    def join_halves(self, fold: Fold, spaces: list[State], half: int) -> None:
        """Lane n joined with lane n + half, in memory."""

        def join(lane: str, _: list[str]) -> Sequence[str]:
            far = self.text.value(f"add i64 {lane}, {half}")
            for space in spaces:
                self.put(fold, space, lane, fold.join(self, self.held(fold, space, lane), self.held(fold, space, far), True))
            return ()

        self.text.loop("0", str(half), 1, (), (), join)

    def put(self, fold: Fold, space: State, at: str, state: State) -> None:
        for part, pointer, value in zip(fold.parts, space, state, strict=True):
            vector = self.vector(stored_type(part))
            stored = self.text.value(f"zext {self.vector('i1')} {value} to {vector}") if part is DType.bool else value
            self.text.do(f"store {vector} {stored}, ptr {self.slot(vector, pointer, at)}, align {part.alignment}")

    def held(self, fold: Fold, space: State, at: str) -> State:
        vectors = [self.vector(stored_type(part)) for part in fold.parts]
        return [
            self.register(self.text.value(f"load {v}, ptr {self.slot(v, pointer, at)}, align {part.alignment}"), part, True)
            for v, pointer, part in zip(vectors, space, fold.parts, strict=True)
        ]

    def slot(self, vector: str, pointer: str, at: str) -> str:
        return self.text.value(f"getelementptr {vector}, ptr {pointer}, i64 {at}")

    def chain(self, op: Reduce) -> None:
        """One chain of multiply-adds per element, in increasing index, one accumulator per coordinate."""
        x, y = op.body.results
        on, dtype = self.on[op.result], x.type.dtype
        lanes = self.lane_axis() in on
        spots = self.spots(on)
        types = [self.type(dtype, lanes)] * len(spots)

        def inside(params: tuple[Value, ...], totals: list[str]) -> list[str]:
            if params:

                def once(i: str, carried: list[str]) -> list[str]:
                    with self.loop_over(params[0], i):
                        return inside(params[1:], carried)

                return self.text.loop("0", self.i64(params[0].type.below or 0), 1, types, totals, once)
            with self.scope(self.tile, self.masks):
                self.block(op.body)
                return [
                    multiply_add(self, dtype, self.operand(x, s, lanes), self.operand(y, s, lanes), total, lanes)
                    for s, total in zip(spots.values(), totals, strict=True)
                ]

        start = op.start[0] if op.start else None
        first = [self.first_of(start, dtype, s, lanes) for s in spots.values()]
        self.names.update(zip(((op.result, s) for s in spots), inside(op.body.params, first), strict=True))

    def first_of(self, start: Value | None, dtype: DType, coordinate: Coordinate, lanes: bool) -> str:
        return literal(0, dtype, self.width if lanes else 0) if start is None else self.operand(start, coordinate, lanes)


def states(flat: Sequence[str], width: int) -> list[State]:
    return [list(flat[n : n + width]) for n in range(0, len(flat), width)]
