"""Register tiles: all indices at once, a variant of the code for each count that can occur."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.codegen.llvm.frame import Axis
from flowc.codegen.llvm.reduce import Reductions
from flowc.codegen.llvm.scalars import scalar_type
from flowc.ir.core import Block, Op, Value
from flowc.ir.dims import Dim, at_least, dim, least
from flowc.ops.elementwise import Elementwise
from flowc.ops.kernel import Reduce
from flowc.ops.loops import For

FEW = 8  # ops after a chain that are worth repeating in every variant


class Tiles(Reductions):
    """Loops whose indices are coordinates of the tile."""

    def tiles(self, op: For) -> None:
        """The register tile, once per number of rows and of lanes that can occur; a long epilogue once for all."""
        chain = long_epilogue(op.body)
        if chain is None:
            self.variants(op, lambda rows, vectors: self.block(op.body))
            return
        row, column = op.body.params
        vectors, scalar = extent_int(column) // self.width, scalar_type(chain.result.type.dtype)
        space = self.text.reserve(self.vector(scalar), extent_int(row) * vectors)

        def spilled(rows: int, wide: int) -> None:
            self.block(Block(op.body.params, (*needed_by(chain, op.body), chain), ()))
            for r in range(rows):
                for c in range(wide):
                    place = self.text.value(f"getelementptr {self.vector(scalar)}, ptr {space}, i64 {r * vectors + c}")
                    total = self.operand(chain.result, (r, c), True)
                    self.text.do(f"store {self.vector(scalar)} {total}, ptr {place}, align {chain.result.type.dtype.alignment}")

        self.variants(op, spilled)
        self.epilogue(op, chain, space)

    def epilogue(self, op: For, chain: Reduce, space: str) -> None:
        """What follows a chain, row by row, from the results in memory: a full row at once, else vector by vector."""
        (row, column), (down, across), t = op.body.params, op.limits, self.text
        rest = Block(op.body.params, tuple(o for o in op.body.ops if o is not chain), ())
        dtype, end = chain.result.type.dtype, self.i64(least(across, extent_int(column)))
        whole, most = t.value(f"and i64 {end}, {-self.width}"), extent_int(column)

        def once(start: str, masks: list[str | None]) -> Sequence[str]:
            with self.in_lanes(column, start, masks):
                self.on[chain.result] = frozenset({0})
                for c in range(len(masks)):
                    place = self.scalar(dim(row) * most + dim(column), (c,))
                    pointer = t.value(f"getelementptr {scalar_type(dtype)}, ptr {space}, i64 {place}")
                    loaded = t.value(f"load {self.type(dtype, True)}, ptr {pointer}, align {dtype.alignment}")
                    self.names[chain.result, (c,)] = loaded
                self.block(rest)
            return ()

        def in_parts() -> Sequence[str]:
            t.loop("0", whole, self.width, (), (), lambda start, _: once(start, [None]))
            left = t.value(f"sub i64 {end}, {whole}")
            some = t.value(f"icmp sgt i64 {left}, 0")
            t.when(some, (), (), lambda: once(whole, self.lane_masks(left, 1)))
            return ()

        def along(r: str, _: list[str]) -> Sequence[str]:
            with self.loop_over(row, r):
                full = t.value(f"icmp eq i64 {end}, {most}")
                t.when(full, (), (), lambda: once("0", [None] * (most // self.width)))
                t.when(t.value(f"xor i1 {full}, true"), (), (), in_parts)
            return ()

        t.loop("0", self.i64(least(down, extent_int(row))), 1, (), (), along)

    def variants(self, op: For, body: Callable[[int, int], None]) -> None:
        """`body(rows, vectors)` where so many rows and vectors of the tile are below the limits."""
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
                    body(rows, len(masks))
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


def long_epilogue(body: Block) -> Reduce | None:
    """The one chain of a block whose other ops are plain and many."""
    nested = [op for op in body.ops if op.regions]
    many = sum(isinstance(op, Elementwise) for op in body.ops) > FEW
    match nested:
        case [Reduce("dot") as chain] if many:
            return chain
        case _:
            return None


def needed_by(chain: Op, body: Block) -> list[Op]:
    """The ops of a block that an op of it depends on, in order."""
    wanted = dict.fromkeys(chain.uses)
    found: list[Op] = []
    for op in reversed(body.ops):
        if any(r in wanted for r in op.results):
            found.append(op)
            wanted.update(dict.fromkeys(op.uses))
    return found[::-1]


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
