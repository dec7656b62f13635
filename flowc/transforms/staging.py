"""The operands a contraction wants: laws that let a kernel read a copy of an operand, or run over other axes, so that it tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from flowc.ir.core import Block, Op, Value, body, close, indices, walk
from flowc.ir.dims import Dim, Floor, Polynomial, at_least, at_most, ceil, dim, factors, least, linear, substitute
from flowc.ir.rewrite import Rewriter, key
from flowc.ir.types import below
from flowc.ops.define import substituted
from flowc.ops.kernel import Build, Kernel, Reduce, axes, flattened
from flowc.ops.tensor import Read
from flowc.target import Target


def staging(target: Target) -> Callable[[Kernel], Value | None]:
    """The law that gives contractions the operand layout the target's tile wants."""

    def stage(op: Kernel) -> Value | None:
        """A contraction = the same over a copy of an operand in which columns are unit steps, or in panels.

        Transposed operands and any einsum become the one case `tiling` knows.
        """
        by_element = len(op.body.params) == op.result.type.rank  # else its result is rows, whose axes are no kernel's
        if by_element and (split := phased_terms(op)) is not None:
            return over_phases(op, *split)
        for block in (op.body, *(inner.body for inner in op.body.ops if isinstance(inner, Build))):
            dot, pair = one_dot(block), dot_reads(block)
            axes = [p for p in block.params if p.type.below != 1]
            if dot is None or pair is None or not axes:
                continue
            if block is op.body and by_element and (order := turned(op, pair)) is not None:
                return over_order(op, order)
            if block is op.body and by_element and (split := phased(op, pair)) is not None:
                return over_phases(op, *split)
            for read in pair:
                if padded(read):
                    return over_padding(op, read)
            for x, y in (pair, pair[::-1]):
                stride = step(y, axes[-1])
                if step(x, axes[-1]) != 0 or stride in (0, None):
                    continue
                used = set(indices(y.at + y.inside))
                if not {v for v in used if v.op is not None or v not in op.body.captured} <= {*op.body.params, *axes, *dot.body.params}:
                    continue  # an index that is itself computed is none of a copy
                outer = tuple(dict.fromkeys(p for p in (*op.body.params, *axes[:-1]) if p in used and p is not axes[-1]))
                if any(map(ragged, (*outer, *dot.body.params, axes[-1]))):
                    continue  # a copy has one extent for all
                columns = target.tile_columns(y.result.type.dtype.bits)
                wide = not at_most(axes[-1].type.below or 0, columns)
                packs = target.packs or crowded(x, y, axes, dot.body.params[-1])
                terms = tuple(k for k in dot.body.params if k in used)  # what no term changes is read outside of the reduction
                if packs and wide and block is op.body and terms and step(y, dot.body.params[-1]) != columns:
                    return over_panels(op, y, outer, terms, axes[-1], columns)
                if stride != 1:
                    order = (*outer, *terms, axes[-1])
                    return over_copy(op, y, order, y, tuple(map(dim, order)))
        return None

    return stage


def over_panels(op: Kernel, y: Read, outer: tuple[Value, ...], ks: tuple[Value, ...], column: Value, width: int) -> Value:
    """The kernel with `y` read from a copy in panels of `width` columns."""
    wide = column.type.below or 0
    panel = Value(below(ceil(wide, width)), None, "panel")
    lane = Value(below(least(width, wide - dim(panel) * width)), None, "c")
    at, inside = (tuple(substitute(d, {column: dim(panel) * width + dim(lane)}) for d in ds) for ds in (y.at, y.inside))
    where = (*map(dim, outer), dim(column) // width, *map(dim, ks), dim(column) % width)
    return over_copy(op, y, (*outer, panel, *ks, lane), Read(y.tensor, at, inside), where)


CROWDED = 4096  # bytes between rows from which on they fall into the same few sets of a cache
MANY = 64  # rows that read what is packed


def crowded(x: Read, y: Read, axes: Iterable[Value], k: Value) -> bool:
    """Whether the rows of `y` are so far apart, and read by so many of `x`, that a copy in panels pays on any machine."""
    apart = step(y, k)
    reads = prod(a.type.below for a in axes if step(y, a) == 0 and step(x, a) != 0 and isinstance(a.type.below, int))
    return isinstance(apart, int) and y.result.type.dtype.bits * apart >= 8 * CROWDED and reads >= MANY


SHORT = 8  # columns: fewer do not fill a vector
WIDE = 32  # columns: more make a tile little better
PAYS = 64  # how often an element of a copy is read, so that making it is worth while
OPEN = 64  # what an extent not known is taken for


def turned(op: Kernel, pair: tuple[Read, Read]) -> tuple[Value, ...] | None:
    """The axes in an order that tiles, where the last one is short, or divided in the reads, as the window of a convolution is.

    Last come an axis of one operand alone and before it one of the other, the longest that there are.
    """
    axes = [p for p in op.body.params if p.type.below != 1]
    last, split = axes[-1], divided(pair)
    if last not in split and extent(last) >= SHORT:
        return None
    used = [set(indices(read.at)) for read in pair]
    own = [[a for a in axes if a in mine and a not in other and a not in split] for mine, other in (used, used[::-1])]
    if not all(own):
        return None
    ends = [max(reversed(alone), key=extent) for alone in own]
    every = (*axes, *(k for inner in op.body.ops if isinstance(inner, Reduce) for k in inner.body.params))
    copied = [step(r, a) != 1 and prod(extent(v) for v in every if v in mine) for r, a, mine in zip(pair, ends, used, strict=True)]
    n = max((0, 1), key=lambda n: (min(extent(ends[n]), WIDE), -copied[n]))
    column, row = ends[n], ends[1 - n]
    reads = prod(extent(a) for a in axes if a not in used[n])
    if last not in split and (extent(column) < 2 * extent(last) or copied[n] and reads < PAYS):
        return None
    return (*(p for p in op.body.params if p not in (row, column)), row, column)


def extent(axis: Value) -> int:
    n = axis.type.below
    return n if isinstance(n, int) else OPEN


def divided(reads: Iterable[Read]) -> dict[Value, tuple[int, int]]:
    """The axes that the reads divide by a number, that number, and what is added to the axis before: the gradient of a stride."""
    found: dict[Value, tuple[int, int]] = {}
    for read in reads:
        for d in read.at:
            for floor in (a for m in (d.terms if isinstance(d, Polynomial) else ()) for a, _ in factors(m)):
                match floor:
                    case Floor(of, int(by)):
                        for v in indices((of,)):
                            shift = of - dim(v)
                            if isinstance(shift, int):
                                found.setdefault(v, (by, shift % by))
                    case _:
                        pass
    return found


def over_order(op: Kernel, order: tuple[Value, ...]) -> Value:
    """The kernel over its axes in another order; then its elements in their own."""
    made = Kernel(body(order, op.body.results, (), op.body.captured), **op.common).result
    params = {p: Value(p.type, None, p.hint) for p in op.body.params}
    at = tuple(dim(params[p]) for p in order)
    return Kernel(close(tuple(params.values()), (Read(made, at).result,)), **op.common).result


def phased(op: Kernel, pair: tuple[Read, Read]) -> tuple[Value, int, int] | None:
    """An axis but the last, whose panels are divided too, that the reads divide; the number, and what is added before."""
    axes, split = [p for p in op.body.params if p.type.below != 1], divided(pair)
    found = next((a for a in axes[:-1] if a in split), None)
    if found is None or split[found][1] and any(inner.fails for inner in walk(op.body)):
        return None
    return found, *split[found]


def phased_terms(op: Kernel) -> tuple[Value, int, int] | None:
    """An axis that reads divide in the terms of a reduction which is no contraction, as in the derivative of a pool."""
    reads = [r for r in walk(op.body) if isinstance(r, Read)]
    terms = prod(extent(k) for inner in op.body.ops if isinstance(inner, Reduce) for k in inner.body.params)
    if terms == 1 or dot_reads(op.body) is not None or any(inner.fails for inner in walk(op.body)):
        return None
    split = divided(reads)
    found = next((a for a in op.body.params if a in split and any(step(r, a) is None for r in reads)), None)
    return None if found is None else (found, *split[found])


def over_phases(op: Kernel, axis: Value, by: int, shift: int) -> Value:
    """The kernel over ((axis + shift) // by, (axis + shift) % by), in which its reads are affine; then the axis joined.

    The quotient stays last where the axis was last; else joining is a view, if `by` divides the axis.  With a shift,
    elements before the first are computed and not used: their reads stay where something is.
    """
    n = axis.type.below or 0
    whole, phase = Value(below(ceil(n + shift, by)), None, axis.hint), Value(below(by), None, "r")
    both = (phase, whole) if axis is op.body.params[-1] else (whole, phase)
    params = tuple(q for p in op.body.params for q in (both if p is axis else (p,)))
    element = substituted(op.body.results[0], {axis: dim(whole) * by + dim(phase) - shift}, kept_inside)
    made = Kernel(body(params, (element,), (), op.body.captured), **op.common).result
    parts = {whole: (dim(axis) + shift) // by, phase: (dim(axis) + shift) % by}
    at = tuple(parts.get(p, dim(p)) for p in params)
    return Kernel(close(op.body.params, (Read(made, at).result,)), **op.common).result


def kept_inside(op: Op) -> Value | None:
    """A read that is not sure to stay in its tensor, with a guard."""
    match op:
        case Read(tensor, at, inside):
            edges = (e for d, n in zip(at, tensor.type.shape, strict=True) for e in (d, n - 1 - d))
            more = tuple(e for e in edges if not at_least(e, 0) and e not in inside)
            return Read(tensor, at, (*inside, *more)).result if more else None
        case _:
            return None


def ragged(index: Value) -> bool:
    """Whether the extent of an index varies with another index."""
    return any(v.op is None for v in indices((index.type.below or 0,)))


def padded(read: Read) -> bool:
    """Whether a guarded read asks only that its own indices be in range, and these have a known reach."""
    edges = {e for d, n in zip(read.at, read.tensor.type.shape, strict=True) for e in (d, n - 1 - d)}
    return bool(read.inside) and edges.issuperset(read.inside) and all(map(affine, read.at))


def affine(d: Dim) -> bool:
    """Whether `d` is a sum of multiples of indices, each of a known sign and along one extent."""
    steps = [linear(d, v) for v in indices((d,))]
    known = all(f is not None and not any(indices((f,))) and (at_least(f, 0) or at_least(-f, 0)) for f in steps)
    return known and not any(map(ragged, indices((d,))))


def over_padding(op: Kernel, y: Read) -> Value:
    """The kernel with a guarded read from a copy that has zeros around: its indices are in range again."""
    lows = tuple(reach(d)[0] for d in y.at)
    whole = axes(tuple(reach(d)[1] - low + 1 for d, low in zip(y.at, lows, strict=True)), "abcdef")
    at = tuple(dim(a) + low for a, low in zip(whole, lows, strict=True))
    moved = {d: a for d, a in zip(y.at, at, strict=True)} | {
        n - 1 - d: n - 1 - a for d, a, n in zip(y.at, at, y.tensor.type.shape, strict=True)
    }
    padded = Read(y.tensor, at, tuple(moved[d] for d in y.inside))
    return over_copy(op, y, whole, padded, tuple(d - low for d, low in zip(y.at, lows, strict=True)))


def reach(d: Dim) -> tuple[Dim, Dim]:
    """The least and the greatest value of an affine index."""
    low: Dim = d
    high: Dim = d
    for v in indices((d,)):
        last = (v.type.below or 1) - 1
        up = at_least(linear(d, v) or 0, 0)
        low, high = substitute(low, {v: 0 if up else last}), substitute(high, {v: last if up else 0})
    return low, high


def over_copy(op: Kernel, y: Read, order: tuple[Value, ...], element: Read, where: tuple[Dim, ...]) -> Value:
    """The kernel with `y` read at `where` in a copy that has, over `order`, the elements `element`."""
    copy = Kernel(close(order, (element.result,)), hints=("staged",), location=op.location, device=op.device).result
    moved = Read(copy, where)
    stored = (*op.body.captured, copy)
    rewriter = Rewriter(lambda o: moved.result if key(o) == key(y) else None, {v: v for v in (*stored, *op.body.params)})
    return Kernel(body(op.body.params, tuple(map(rewriter.settled, op.body.results)), (), stored), **op.common).result


def one_dot(block: Block) -> Reduce | None:
    """The block's dot, where that is its one reduction."""
    reductions = [op for op in block.ops if isinstance(op, Reduce)]
    return reductions[0] if [r.fold for r in reductions] == ["dot"] else None


def dot_reads(block: Block) -> tuple[Read, Read] | None:
    """The two reads of the block's one dot."""
    dot = one_dot(block)
    match dot.body.results if dot else ():
        case Value(Read() as x), Value(Read() as y):
            return x, y
        case _:
            return None


def step(read: Read, axis: Value) -> Dim | None:
    """How far in memory the read moves when `axis` moves by one."""
    return linear(flattened(read.at, read.tensor.type.shape), axis)
