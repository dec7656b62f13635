"""Contractions of a scan's steps as one contraction after it: the sum over t of `sum over k of x_t[k] * y_t[k]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from flowc.ir.core import Op, Value, close, indices, retyped
from flowc.ir.dims import Dim, dim, substitute
from flowc.ir.types import below
from flowc.ops.define import Define, define, substituted, tensors
from flowc.ops.kernel import Reduce, axes, fold
from flowc.ops.tensor import Read


@dataclass(frozen=True)
class Lifted:
    """The values of a step whose stacks the whole sum reads, and the sum from those stacks."""

    stacked: tuple[Value, ...]
    build: Callable[[Mapping[Value, Value]], Value]


def lifted(part: Value, t: Value, count: Dim, outside: Set[Value]) -> Lifted | None:
    """How the sum over all steps of `part` is one definition after them; None where it is not a sum over an index of its own."""
    op = part.op
    if not isinstance(op, Define) or not isinstance(op.body.results[0].op, Reduce):
        return None
    p = axes(part.type.shape)
    reduce = substituted(op.body.results[0], dict(zip(op.body.params, map(dim, p), strict=True))).op
    if not isinstance(reduce, Reduce) or reduce.start or reduce.fold not in ("dot", "sum"):
        return None
    ks = reduce.body.params
    if any(any(indices((k.type.below or 0,))) for k in ks):
        return None
    inner = tuple(v for v in tensors(reduce.result) if v not in outside)
    if not inner or any(v.type.below is not None for v in inner):
        return None

    def build(stacks: Mapping[Value, Value]) -> Value:
        def term(now: Dim, *at: Dim) -> tuple[Value, ...]:
            moved = dict(zip(ks, at, strict=True)) | {t: now}

            def whole(op: Op) -> Value | None:
                if not isinstance(op, Read) or op.tensor not in stacks:
                    return None
                return Read(stacks[op.tensor], (now, *op.at), op.inside).result

            keep = {v: v for v in (*stacks.values(), *outside)}
            return tuple(substituted(r, {**keep, **moved}, whole) for r in reduce.body.results)

        if reduce.fold == "sum":
            return define(p, fold("sum", (count, *(k.type.below or 0 for k in ks)), lambda *i: term(*i)[0]))
        now = Value(below(count), None, t.hint)
        own = tuple(Value(retyped(k.type, lambda d: substitute(d, {t: dim(now)})), None, k.hint) for k in ks)
        return define(p, Reduce("dot", close((now, *own), term(dim(now), *map(dim, own)))).result)

    return Lifted(inner, build)
