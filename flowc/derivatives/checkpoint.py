"""Scans in chunks: reverse mode then keeps the carried values of each chunk's beginning, and computes those between again."""

from __future__ import annotations

from math import isqrt

from flowc.ir.core import Block, Value, body
from flowc.ir.dims import Dim, dim, upper
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import Type, below
from flowc.ops.control import Scan
from flowc.ops.join import concat
from flowc.ops.shape import reshape
from flowc.ops.slicing import Slice

CHUNK = 32  # steps, where nothing bounds how many there are


def chunked(op: Scan) -> tuple[Value, ...]:
    """The results of the scan in chunks of ceil(sqrt(T)) steps, T how many there can be, and a last one of what is left."""
    steps = op.steps[0]
    most = steps if isinstance(steps, int) else upper(steps)
    size = CHUNK if most is None else isqrt(max(most - 1, 0)) + 1
    whole = steps // size
    rest = steps - whole * size
    carried, m = op.init, len(op.init)
    emitted = dict[str, tuple[Value, ...]]()
    for part in ("rest", "chunks") if op.backwards else ("chunks", "rest"):
        if (whole if part == "chunks" else rest) == 0:
            continue
        results = _chunks(op, carried, whole, size) if part == "chunks" else _stretch(op, carried, whole * size, rest)
        carried, emitted[part] = results[:m], results[m:]
    pieces = zip(*(emitted[part] for part in ("chunks", "rest") if part in emitted), strict=True)
    return (*carried, *(concat(list(p), 0) for p in pieces))


def _chunks(op: Scan, init: tuple[Value, ...], count: Dim, size: int) -> tuple[Value, ...]:
    """A scan over the first chunks, whose body is a scan over the steps of one."""
    xs = [reshape(_cut(x, 0, count * size), (count, size, *x.type.shape[1:])) for x in op.xs]
    chunk = Value(below(count), None, "chunk")
    slices = tuple(Value(Type(x.type.dtype, x.type.shape[1:]), None, x.hint) for x in xs)
    carries = tuple(Value(v.type, None, v.hint) for v in op.carries)
    inner = Scan(slices, carries, (size,), _from(op, dim(chunk) * size, size), op.backwards)
    block = body((chunk, *slices, *carries), inner.results, (), tuple(op.body.captured))
    made = Scan(tuple(xs), init, (count,), block, op.backwards).results
    m = len(init)
    return (*made[:m], *(reshape(y, (count * size, *y.type.shape[2:])) for y in made[m:]))


def _stretch(op: Scan, init: tuple[Value, ...], first: Dim, length: Dim) -> tuple[Value, ...]:
    """The scan over some of its steps."""
    xs = tuple(_cut(x, first, length) for x in op.xs)
    return Scan(xs, init, (length,), _from(op, first, length), op.backwards).results


def _from(op: Scan, first: Dim, length: Dim) -> Block:
    """The body of a scan over `length` steps, the first of which is step `first` of `op`."""
    t = Value(below(length), None, op.step.hint)
    params = tuple(Value(p.type, None, p.hint) for p in op.body.params[1:])
    known = {v: v for v in op.body.captured} | dict(zip(op.body.params[1:], params, strict=True))
    again = Rewriter(lambda _: None, {**known, op.step: first + dim(t)})  # type: ignore[dict-item]
    results = tuple(map(again.settled, op.body.results))
    roots = tuple(map(again.settled, op.body.roots))
    return body((t, *params), results, roots, (*op.body.captured,))


def _cut(x: Value, first: Dim, count: Dim) -> Value:
    lead = (0,) * (x.type.rank - 1)
    return Slice(x, (first, *lead), (count, *x.type.shape[1:]), (1,) * x.type.rank).result
