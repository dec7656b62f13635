"""Folds of one length for all lanes: what is computed side by side runs through equally many terms."""

from __future__ import annotations

from flowc.errors import OpError
from flowc.ir.core import Op, Value, close, indices, walk
from flowc.ir.dims import Dim, Floor, Least, atoms, dim, factors, floor, least, product, show, substitute
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import below
from flowc.ops.define import guarded, substituted
from flowc.ops.elementwise import where
from flowc.ops.kernel import Inside, Reduce, start_of
from flowc.ops.tensor import like


def even(op: Reduce) -> Value | None:
    """a fold whose length varies with the index of one around it = one over the longest, of terms that change nothing beyond its own"""
    own = frozenset(op.body.params)
    if not any(isinstance(inner, Reduce) and varies(inner, own) for inner in walk(op.body)):
        return None

    def longest(inner: Op) -> Value | None:
        return evened(inner, own) if isinstance(inner, Reduce) and varies(inner, own) else None

    outside = {v: v for v in (*op.body.captured, *op.body.params)}
    again = Rewriter(longest, outside)
    results = tuple(map(again.settled, op.body.results))
    return Reduce(op.fold, close(op.body.params, results), op.start, **op.common).result


def varies(op: Reduce, own: frozenset[Value]) -> bool:
    """Whether the length of a fold speaks of one of the indices."""
    return any(v in own for p in op.body.params for v in indices((extent(p),)))


def evened(op: Reduce, own: frozenset[Value]) -> Value:
    """The fold over as many terms as it has for any of the indices."""
    params: list[Value] = []
    inside: list[Dim] = []
    swap: dict[Value, Value | Dim] = {}
    for p in op.body.params:
        length = substitute(extent(p), {v: dim(w) for v, w in swap.items() if isinstance(w, Value)})
        wide = Value(below(reach(length, own, True)), None, p.hint)
        inside += [length - 1 - dim(wide)] if any(v in own for v in indices((length,))) else []
        params.append(wide)
        swap[p] = dim(wide) if wide.type.below == 1 else wide
    nothing = 0 if op.fold in ("dot", "lanes") else start_of(op.fold, op.body.results[0].type.dtype)
    terms = [substituted(r, swap) for r in op.body.results]
    guards = tuple(inside)
    held = [where(Inside(guards).result, guarded(t, guards), like(t, nothing)) for t in terms]
    return Reduce(op.fold, close(tuple(params), tuple(held)), op.start, **op.common).result


def reach(d: Dim, own: frozenset[Value], up: bool) -> Dim:
    """A size that `d` is never above, or below, whatever the indices `own` are; raises `OpError` where none is found."""
    if isinstance(d, int):
        return d
    total: Dim = 0
    for monomial, c in d.terms.items():
        part: Dim = c
        for atom, power in factors(monomial):
            moves = any(v in own for v in atoms(dim(atom)))
            if moves and power > 1:
                raise OpError(f"a fold of {show(d)} terms has no length that all its neighbours share")
            one = furthest(atom, own, up == (c > 0)) if moves else dim(atom)
            part = part * product([one] * power)
        total = total + part
    return total


def furthest(atom: object, own: frozenset[Value], up: bool) -> Dim:
    """The greatest or least value of what is an index, a quotient or a minimum."""
    match atom:
        case Floor(of, by) if not any(v in own for v in atoms(by)):
            return floor(reach(of, own, up), by)
        case Least(of, by):
            return least(reach(of, own, up), reach(by, own, up))
        case Value():
            return extent(atom) - 1 if up else 0
        case _:
            raise OpError(f"a fold whose length is divided by an index, {show(dim(atom))}, has none that all its neighbours share")


def extent(index: Value) -> Dim:
    return index.type.below if index.type.below is not None else 1
