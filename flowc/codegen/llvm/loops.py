"""Loops: shared by tasks, in order, in chunks of 64 lanes, register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowc.codegen.llvm.frame import Axis
from flowc.codegen.llvm.memory import Memory
from flowc.codegen.llvm.scalars import steps
from flowc.ir.core import Block, Value, indices
from flowc.ir.dims import Dim, at_least, dim, least, product
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
        base = Value(below(0), None, "base")

        def once(name: str, carried: list[str], masks: list[str | None], c: int = 0) -> list[str]:
            with self.scope((*self.tile, Axis(lane, len(masks), dim(base))), masks):
                self.index[base] = name
                self.depth[base] = 1 + self.loops_around()
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

    def whole(self, span: Span) -> str:
        """Where the last whole chunk of the span ends."""
        if span.begin == "0" and span.stop.isdecimal():
            return str(int(span.stop) // LANES * LANES)
        if span.left == 0:
            return span.stop
        return self.text.value(f"and i64 {span.stop}, -{LANES}")

    def rows(self, op: For) -> None:
        """All rows of a band at once, once per number of rows that can occur."""
        (row,), (limit,), t = op.body.params, op.limits, self.text
        most, done = extent_int(row), t.name("banded")
        for rows, _ in variants(limit, most):
            onward, other = t.name("band"), t.name("next")
            t.branch(self.differs(limit, rows, most) or "true", onward, other)
            t.at(onward)
            with self.scope((Axis(row, rows),), []):
                self.block(op.body)
            t.jump(done)
            t.at(other)
        t.jump(done)
        t.at(done)

    def tiles(self, op: For) -> None:
        """The register tile, once per number of rows and of lanes that can occur."""
        (row, column), (down, across), t = op.body.params, op.limits, self.text
        done, most, tall = t.name("tiled"), extent_int(column), extent_int(row)
        for rows, _ in variants(down, tall):
            for wide, masked in variants(across, most, self.width):
                here = t.name("next")
                for test in filter(None, (self.differs(down, rows, tall), self.differs(across, wide, most, masked))):
                    onward = t.name("tile")
                    t.branch(test, onward, here)
                    t.at(onward)
                masks: list[str | None] = [None] * (wide // self.width)
                if masked:
                    masks = self.lane_masks(self.i64(across), wide // self.width)
                with self.scope((Axis(row, rows), Axis(column, len(masks), 0)), masks):
                    self.block(op.body)
                t.jump(done)
                t.at(here)
        t.jump(done)
        t.at(done)

    def differs(self, limit: Dim, count: int, most: int, masked: bool = False) -> str | None:
        """The test that picks a variant; None where there is but one."""
        if at_least(limit - most, 0):
            return None
        if masked:
            return self.text.value(f"icmp eq i64 {self.i64((limit + self.width - 1) // self.width)}, {count // self.width}")
        return self.text.value(f"icmp {'eq' if count < most else 'sge'} i64 {self.i64(limit)}, {count}")

    def lane_masks(self, limit: str, count: int) -> list[str | None]:
        """Which lanes are below `limit`, which is at most 64."""
        t = self.text
        small = self.splat(t.value(f"trunc i64 {limit} to i32"), "i32")
        return [t.value(f"icmp slt {self.vector('i32')} {steps(self.width, 'i32', c * self.width)}, {small}") for c in range(count)]


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


def extent_int(index: Value) -> int:
    extent = index.type.below
    assert isinstance(extent, int), f"the extent of {index} in a register tile is a number, not {extent}"
    return extent


def variants(limit: Dim, most: int, step: int = 1) -> list[tuple[int, bool]]:
    """How many of a tile's indices can be below `limit`, in steps, and whether not all of the last step are."""
    if at_least(limit - most, 0):
        return [(most, False)]
    rest = limit % most
    full = [] if at_least(most - 1 - limit, 0) else [(most, False)]
    parts = range(step, most + step, step) if not isinstance(rest, int) else [-(-rest // step) * step] if rest else []
    return full + [(n, True) for n in parts if step > 1 or n < most]
