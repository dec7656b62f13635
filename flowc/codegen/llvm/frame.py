"""What a kernel under construction knows: the tile around an op, the coordinates of the tile, the name of every value there.

A tile has unrolled axes and at most one axis in lanes, its last.  An op is
emitted once per coordinate of the axes it depends on, on vectors where it
depends on the lanes.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flowc.codegen.llvm.dims import integer, ordered
from flowc.codegen.llvm.scalars import literal, scalar_type, steps, vector_type, words
from flowc.codegen.llvm.support import Support
from flowc.codegen.text import Text
from flowc.ir.core import Op, Value, indices
from flowc.ir.dims import Dim, Floor, Least, Monomial, at_least, atoms, dim, linear, substitute
from flowc.ir.types import DType
from flowc.ops.elementwise import Code, Elementwise
from flowc.ops.tensor import Constant

Spot = tuple[int | None, ...]
Coordinate = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """One axis of the tile: `count` coordinates, each an index or, in lanes, as many indices as there are lanes, from `base` on."""

    index: Value
    count: int
    base: Dim | None = None


class Frame:
    """Names of values and indices; scalars and vectors of index expressions; code of single ops."""

    def __init__(self, text: Text, lanes: int, support: Support) -> None:
        self.text, self.width, self.support = text, lanes, support
        self.index: dict[Any, str] = {}  # sizes, loop indices and computed indices as i64
        self.depth: dict[Any, int] = {}  # how many loops are around an index
        self.around: tuple[Value, ...] = ()  # indices of the loops around, outermost first
        self.names: dict[tuple[Value, Spot], str] = {}
        self.on: dict[Value, frozenset[int]] = {}  # axes of the tile a value varies along
        self.tile: tuple[Axis, ...] = ()
        self.masks: list[str | None] = []  # of each vector of the lane axis
        self.single: set[str] = set()  # masks that are known to hold for the first lane alone

    # The tile

    @contextmanager
    def scope(self, tile: tuple[Axis, ...], masks: list[str | None]) -> Generator[None]:
        """A tile for the time of a block; names made inside end with it."""
        old = (self.tile, self.masks, self.names, self.on, self.around)
        self.names, self.on = dict(self.names), dict(self.on)
        self.around += tuple(axis.index for axis in tile if axis not in self.tile)
        self.tile, self.masks = tile, masks
        yield
        self.tile, self.masks, self.names, self.on, self.around = old

    @contextmanager
    def loop_over(self, index: Value, name: str) -> Generator[None]:
        """A loop whose index has the name."""
        old = self.around
        self.index[index], self.depth[index] = name, 1 + self.loops_around()
        self.around = (*old, index)
        yield
        self.around = old

    def loops_around(self) -> int:
        return max((self.depth[p] for p in self.around if p in self.depth), default=0)

    def coordinates(self) -> Iterator[Coordinate]:
        return itertools.product(*(range(axis.count) for axis in self.tile))

    def lane_axis(self) -> int:
        return len(self.tile) - 1 if self.tile and self.tile[-1].base is not None else -1

    def project(self, coordinate: Spot, on: frozenset[int]) -> Spot:
        """The part of a coordinate that a value on these axes depends on."""
        return tuple(c if n in on else None for n, c in enumerate(coordinate))[: max(on, default=-1) + 1]

    def depends(self, op: Op) -> frozenset[int]:
        axes = {axis.index: n for n, axis in enumerate(self.tile)}
        return frozenset(axes[v] for v in op.uses if v in axes).union(*(self.on.get(v, frozenset()) for v in op.uses))

    def spots(self, on: frozenset[int]) -> dict[Spot, Coordinate]:
        """The distinct places of a value on these axes, with a coordinate of each."""
        found: dict[Spot, Coordinate] = {}
        for coordinate in self.coordinates():
            found.setdefault(self.project(coordinate, on), coordinate)
        return found

    def mask(self, coordinate: Coordinate) -> str | None:
        """Which lanes there are; None for all."""
        return self.masks[coordinate[-1]] if self.lane_axis() >= 0 else None

    # Values

    def operand(self, value: Value, coordinate: Spot, lanes: bool) -> str:
        if isinstance(value.op, Constant):
            return literal(value.op.value.number, value.type.dtype, self.width if lanes else 0)
        on = self.on.get(value, frozenset())
        name = self.names[value, self.project(coordinate, on)]
        if lanes and self.lane_axis() not in on:
            return self.splat(name, scalar_type(value.type.dtype))
        return name

    def type(self, dtype: DType, lanes: bool) -> str:
        return self.vector(scalar_type(dtype)) if lanes else scalar_type(dtype)

    def vector(self, scalar: str) -> str:
        return vector_type(scalar, self.width)

    def splat(self, name: str, scalar: str) -> str:
        vector, zeros = self.vector(scalar), self.vector("i32")
        one = self.text.value(f"insertelement {vector} poison, {scalar} {name}, i64 0")
        return self.text.value(f"shufflevector {vector} {one}, {vector} poison, {zeros} zeroinitializer")

    def code(self, code: Code, operand: DType, result: DType, lanes: bool, **operands: str) -> str:
        """The name of the last line's value."""
        known: dict[str, Any] = {**words(operand, result, self.width if lanes else 0), **operands}
        made = ""
        for n, line in enumerate(code):
            known[f"r{n}"] = made = self.text.value(self.support.line(line.format_map(known)))
        return made

    def apply(self, kind: type[Elementwise], dtype: DType, lanes: bool, **operands: str) -> str:
        """An op whose result has its operands' dtype."""
        return self.code(kind.code_for(dtype), dtype, dtype, lanes, **operands)

    def both(self, x: str | None, y: str | None, lanes: bool) -> str | None:
        """Where both hold; None says everywhere."""
        if x is None or y is None:
            return x or y
        return self.text.value(f"and {self.vector('i1') if lanes else 'i1'} {x}, {y}")

    def anywhere(self, mask: str) -> str:
        return self.text.value(f"call i1 @llvm.vector.reduce.or.v{self.width}i1({self.vector('i1')} {mask})")

    # Sizes and indices

    def i64(self, d: Dim) -> str:
        return integer(self.text, self.index, d, self.term_depth)

    def term_depth(self, monomial: Monomial) -> int:
        found = [b for a, _ in monomial for b in ([*atoms(a.of), *atoms(a.by)] if isinstance(a, Floor | Least) else [a])]
        return max((self.depth.get(a, 0) for a in found), default=0)

    def moves(self, d: Dim) -> bool:
        """Whether `d` differs from lane to lane."""
        axis = self.lane_axis()
        return axis >= 0 and any(v is self.tile[axis].index or axis in self.on.get(v, ()) for v in indices((d,)))

    def located(self, d: Dim, coordinate: Coordinate, lane: Dim = 0) -> Dim:
        """`d` at one coordinate and lane, in indices that have names there."""
        for v in indices((d,)):
            if v.op is not None:
                self.name_computed(v, coordinate)
        known: dict[Any, Dim] = {}
        for axis, c in zip(self.tile, coordinate, strict=True):
            known[axis.index] = c if axis.base is None else axis.base + c * self.width + lane
        return substitute(d, known)

    def name_computed(self, v: Value, coordinate: Coordinate) -> None:
        if self.lane_axis() in self.on.get(v, ()):
            return
        self.index[v] = self.operand(v, coordinate, False)

    def scalar(self, d: Dim, coordinate: Coordinate, lane: Dim = 0) -> str:
        """An index expression at one coordinate and lane."""
        return self.i64(self.located(d, coordinate, lane))

    def lanes_of(self, d: Dim, coordinate: Coordinate) -> str:
        """An index expression in lanes."""
        if not self.moves(d):
            return self.splat(self.scalar(d, coordinate), "i64")
        axis = self.tile[self.lane_axis()]
        slope = linear(d, axis.index)
        if isinstance(slope, int) and not self.computed_in_lanes(d):
            first = self.splat(self.scalar(d, coordinate), "i64")
            return self.text.value(f"add {self.vector('i64')} {first}, {steps(self.width, by=slope)}")
        return self.composed(d, coordinate)

    def computed_in_lanes(self, d: Dim) -> bool:
        return any(v.op is not None and self.lane_axis() in self.on.get(v, ()) for v in indices((d,)))

    def composed(self, d: Dim, coordinate: Coordinate) -> str:
        """A polynomial in lanes, term by term; what is the same in all lanes is added first."""
        t, vector = self.text, self.vector("i64")
        terms = ordered(d, self.index, self.term_depth)
        still = [(m, c) for m, c in terms if not self.moves(_term(m, c))]
        total = self.splat(self.scalar(sum((_term(m, c) for m, c in still), 0), coordinate), "i64") if still else ""
        for monomial, c in terms:
            if (monomial, c) in still:
                continue
            part = ""
            for atom, power in sorted(monomial, key=lambda factor: self.order(factor[0])):
                one = self.atom_in_lanes(atom, coordinate)
                for _ in range(power):
                    part = t.value(f"mul {vector} {one}, {part}") if part else one
            if c != 1:
                part = t.value(f"mul {vector} {part}, splat (i64 {c})")
            total = t.value(f"add {vector} {total}, {part}") if total else part
        return total

    def order(self, atom: Any) -> str:
        return self.index.get(atom) or str(atom)

    def atom_in_lanes(self, atom: Any, coordinate: Coordinate) -> str:
        t, vector = self.text, self.vector("i64")
        if not isinstance(atom, Floor | Least):
            computed = isinstance(atom, Value) and atom.op is not None
            return self.operand(atom, coordinate, True) if computed else self.lanes_of(dim(atom), coordinate)
        of, by = self.lanes_of(atom.of, coordinate), self.lanes_of(atom.by, coordinate)
        if isinstance(atom, Least):
            return t.value(f"call {vector} @llvm.smin.v{self.width}i64({vector} {of}, {vector} {by})")
        if not at_least(atom.by, 1):  # of an axis of 0, which has no index
            by = t.value(f"call {vector} @llvm.smax.v{self.width}i64({vector} {by}, {vector} splat (i64 1))")
        quotient = t.value(f"sdiv {vector} {of}, {by}")
        if at_least(atom.of, 0):
            return quotient
        negative = t.value(f"icmp slt {vector} {t.value(f'srem {vector} {of}, {by}')}, zeroinitializer")
        less = t.value(f"sext {self.vector('i1')} {negative} to {vector}")
        return t.value(f"add {vector} {quotient}, {less}")


def _term(monomial: Monomial, c: int) -> Dim:
    total: Dim = c
    for atom, power in monomial:
        for _ in range(power):
            total = total * dim(atom)
    return total

