"""Loops: shared by tasks, in order, in chunks of 64 lanes, register tiles."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flowc.codegen.llvm.frame import Axis
from flowc.codegen.llvm.memory import Memory
from flowc.codegen.llvm.scalars import steps
from flowc.ir.core import Block, Value, indices
from flowc.ir.dims import Dim, dim, least, product
from flowc.ir.types import below
from flowc.ops.kernel import LANES
from flowc.ops.loops import For


@dataclass(frozen=True)
class Span:
    """Indices from `begin`, a multiple of 64, below `stop`; `left` of them after the last whole chunk, where that is known."""

    begin: str
    stop: str
    left: int | None


class Loops(Memory):
    """Blocks inside loops."""

    def block(self, block: Block) -> None:
        raise NotImplementedError

    def parallel(self, op: For) -> None:
        """The task's share of this loop and of the parallel loops it holds alone."""
        loops = [op]
        while (inner := alone(loops[-1])) and not set(indices((extent_of(inner),))) & {f.body.params[0] for f in loops}:
            loops.append(inner)
        params, extents = [f.body.params[0] for f in loops], [extent_of(f) for f in loops]
        t, total = self.text, self.i64(product(extents))
        begin = t.value(f"sdiv i64 {t.value(f'mul i64 {total}, %task')}, %tasks")
        following = t.value("add i64 %task, 1")
        end = t.value(f"sdiv i64 {t.value(f'mul i64 {total}, {following}')}, %tasks")

        def once(name: str, _: list[str]) -> Sequence[str]:
            names = {params[0]: name}
            for p, n in reversed([*zip(params[1:], extents[1:], strict=True)]):
                size = self.i64(n)
                names[p] = t.value(f"srem i64 {names[params[0]]}, {size}")
                names[params[0]] = t.value(f"sdiv i64 {names[params[0]]}, {size}")
            self.nested_loops(params, names, loops[-1].body)
            return ()

        t.loop(begin, end, 1, (), (), once)

    def nested_loops(self, params: Sequence[Value], names: dict[Value, str], body: Block) -> None:
        if not params:
            self.block(body)
            return
        with self.loop_over(params[0], names[params[0]]):
            self.nested_loops(params[1:], names, body)

    def serial(self, op: For) -> None:
        (i,) = op.body.params

        def once(name: str, _: list[str]) -> Sequence[str]:
            with self.loop_over(i, name):
                self.block(op.body)
            return ()

        self.text.loop("0", self.i64(extent_of(op)), 1, (), (), once)

    def lanes(self, op: For) -> None:
        """Whole chunks of 64 lanes, then the rest under masks."""
        (lane,), end = op.body.params, extent_of(op)

        def once(carried: list[str], c: int) -> Sequence[str]:
            self.block(op.body)
            return ()

        self.chunks(lane, self.span(end), (), (), once)

    def span(self, end: Dim) -> Span:
        left = end % LANES
        return Span("0", self.i64(end), left if isinstance(left, int) else None)

    def chunks(
        self, lane: Value, span: Span, types: Sequence[str], first: Sequence[str], body: Callable[[list[str], int], Sequence[str]]
    ) -> list[str]:
        """`body(carried, c)` on every 64 lanes of the span, then on the vectors that are left, from vector `c` of the 64, masked."""
        t, parts = self.text, LANES // self.width

        def once(name: str, carried: list[str], masks: list[str | None], c: int = 0) -> list[str]:
            with self.in_lanes(lane, name, masks):
                return list(body(carried, c))

        whole = self.whole(span)
        carried = list(first)
        if whole != span.begin:
            carried = t.loop(span.begin, whole, LANES, types, carried, lambda i, c: once(i, c, [None] * parts))
        if span.left is not None:
            return once(whole, carried, self.lane_masks(str(span.left), -(-span.left // self.width))) if span.left else carried

        def rest(c: int, carried: list[str]) -> list[str]:
            """Vector `c` of the last chunk and those after it, as far as there are any."""
            if c == parts:
                return carried
            start = t.value(f"add i64 {whole}, {c * self.width}") if c else whole
            some = t.value(f"icmp slt i64 {start}, {span.stop}")
            left = t.value(f"sub i64 {span.stop}, {start}")
            return t.when(some, types, carried, lambda: rest(c + 1, once(start, carried, self.lane_masks(left, 1), c)))

        return rest(0, carried)

    @contextmanager
    def in_lanes(self, lane: Value, start: str, masks: list[str | None]) -> Generator[None]:
        """One more axis of the tile, in lanes from `start` on, a vector for each mask."""
        base = Value(below(0), None, "base")
        self.index[base], self.depth[base] = start, 1 + self.loops_around()
        with self.scope((*self.tile, Axis(lane, len(masks), dim(base))), masks):
            yield

    def whole(self, span: Span) -> str:
        """Where the last whole chunk of the span ends."""
        if span.begin == "0" and span.stop.isdecimal():
            return str(int(span.stop) // LANES * LANES)
        if span.left == 0:
            return span.stop
        return self.text.value(f"and i64 {span.stop}, -{LANES}")

    def lane_masks(self, limit: str, count: int) -> list[str | None]:
        """Which lanes are below `limit`, which is at most 64; None where all of a vector are known to be."""
        t = self.text
        if limit.isdigit() and int(limit) >= count * self.width:
            return [None] * count
        small = self.splat(t.value(f"trunc i64 {limit} to i32"), "i32")
        masks = [t.value(f"icmp slt {self.vector('i32')} {steps(self.width, 'i32', c * self.width)}, {small}") for c in range(count)]
        if limit.isdigit():
            self.single.update(mask for c, mask in enumerate(masks) if int(limit) - c * self.width == 1)
        return [*masks]


def alone(op: For) -> For | None:
    """The parallel loop that is all of a loop's body."""
    match op.body.ops:
        case (For(kind="parallel") as inner,):
            return inner
        case _:
            return None


def extent_of(op: For) -> Dim:
    """Where the one index of a loop ends."""
    extent = op.body.params[0].type.below or 0
    return least(op.limits[0], extent) if op.limits else extent
