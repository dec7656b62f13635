"""The ranges of index names, inferred from the reads they stand in.

A name that stands alone as a subscript has that axis's size.  Any other runs
from 0 as far as every affine read stays inside, given the ranges known, names
from left to right.  While ranges are open, a name is an index without extent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowc.errors import Diagnostic, Note
from flowc.ir.core import Value
from flowc.ir.dims import Dim, at_least, atoms, floor, least, linear, show, substitute
from flowc.ir.types import DType, Type
from flowc.ops.tensor import differ, equal_sizes
from flowc.source import Span

OPEN = Type(DType.index)


@dataclass(frozen=True, eq=False)
class IndexName:
    """An index name, the index that stands for it while ranges are open, and its stated range, the end excluded."""

    name: str
    open: Value
    span: Span
    stated: tuple[Dim, Dim] | None = None


@dataclass(frozen=True)
class Access:
    """One subscript of a read: the index expression, the size of the axis, the text of both for messages."""

    at: Dim
    size: Dim
    text: str
    axis: int
    span: Span
    bounds: bool = True  # False: reads beyond the border, so only a lone name gives a range


@dataclass(frozen=True)
class Ranges:
    """First value and extent of each name, in the open indices of names before it; sizes that must be equal for that."""

    of: dict[Value, tuple[Dim, Dim]]
    assumed: tuple[tuple[Dim, Dim, Span], ...]


class RangeError(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def open_index(name: str) -> Value:
    return Value(OPEN, None, name)


def ranges(names: Sequence[IndexName], accesses: Sequence[Access]) -> Ranges:
    """The range of every name; raises `RangeError` where one is open or contradicts another."""
    found: dict[Value, tuple[Dim, Dim]] = {}
    assumed: list[tuple[Dim, Dim, Span]] = []
    for n in names:
        if n.stated is not None:
            low, high = n.stated
            found[n.open] = (low, high - low)
        elif lone := [a for a in accesses if _is_lone(a, n.open)]:
            found[n.open] = (0, lone[0].size)
            assumed += _agreeing(n, lone)
    for n in names:
        if n.open not in found:
            found[n.open] = (0, _furthest(n, accesses, found))
    return Ranges({n.open: found[n.open] for n in names}, tuple(assumed))


def _is_lone(access: Access, index: Value) -> bool:
    return isinstance(access.at, int) is False and linear(access.at, index) == 1 and equal_sizes(substitute(access.at, {index: 0}), 0)


def _agreeing(n: IndexName, lone: Sequence[Access]) -> list[tuple[Dim, Dim, Span]]:
    """The sizes that must be equal for `n` to have one range."""
    first = lone[0]
    for other in lone[1:]:
        if differ(first.size, other.size):
            notes = tuple(Note(f"{a.text} gives it the size of axis {a.axis}, {show(a.size)}", a.span) for a in (first, other))
            raise RangeError(Diagnostic(f"the range of {n.name} is {show(first.size)} and {show(other.size)}", n.span, notes))
    return [(first.size, a.size, a.span) for a in lone[1:] if not equal_sizes(first.size, a.size)]


def _furthest(n: IndexName, accesses: Sequence[Access], found: dict[Value, tuple[Dim, Dim]]) -> Dim:
    """The extent up to which every affine read with `n` stays inside, whatever the names with known ranges are."""
    ends: list[Dim] = []
    unclear: list[Access] = []
    for access in accesses:
        if not access.bounds or not any(a is n.open for a in atoms(access.at)):
            continue
        slope = linear(access.at, n.open)
        end = None if slope is None else _end(slope, substitute(access.at, {n.open: 0}), access.size, found)
        if end is None:
            unclear.append(access)
        else:
            ends.append(end)
    if unclear:
        notes = tuple(Note(f"{a.text} does not say where it ends", a.span) for a in unclear)
        raise RangeError(Diagnostic(f"the range of {n.name} is open", n.span, notes, help=_stating(n)))
    if not ends:
        raise RangeError(Diagnostic(f"the range of {n.name} is open: no read has it as a subscript", n.span, help=_stating(n)))
    extent = ends[0]
    for end in ends[1:]:
        extent = least(extent, end)
    return extent


def _stating(n: IndexName) -> str:
    return f"state it: `{n.name} in 0..N`, the end excluded"


def _end(slope: Dim, rest: Dim, size: Dim, found: dict[Value, tuple[Dim, Dim]]) -> Dim | None:
    """The first index at which `slope * index + rest` leaves `0..size`; None where that depends on something open."""
    if at_least(slope, 1):
        highest = extreme(rest, found, upwards=True)
        return None if highest is None else floor(size - 1 - highest, slope) + 1
    if at_least(-slope, 1):
        lowest = extreme(rest, found, upwards=False)
        return None if lowest is None else floor(lowest, -slope) + 1
    return None


def extreme(d: Dim, found: Mapping[Value, tuple[Dim, Dim]], upwards: bool) -> Dim | None:
    """The greatest or least value of `d` over the known ranges, or None where an index has none or its sign is unclear."""
    for index in reversed(list(found)):
        if not any(a is index for a in atoms(d)):
            continue
        slope = linear(d, index)
        if slope is None:
            return None
        rises = at_least(slope, 0)
        if not rises and not at_least(-slope, 0):
            return None
        low, extent = found[index]
        d = substitute(d, {index: low + extent - 1 if rises is upwards else low})
    return None if any(isinstance(a, Value) and a.type is OPEN for a in atoms(d)) else d
