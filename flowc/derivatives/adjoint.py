"""The adjoint of a read: the tensor of cotangents of what it reads.

`x[m(i, k)]` with cotangent c(i, k) has the adjoint `dx[p] = sum of c(i, k) over
all (i, k) with m(i, k) = p`.  Where `m` can be turned round this is a definition
by index; where it is computed from data the cotangents are added up at their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowc.derivatives.solve import solve
from flowc.ir.core import Value, body, close, indices, retyped
from flowc.ir.data import Scalar
from flowc.ir.dims import Dim, at_least, dim, substitute
from flowc.ir.types import DType, Type
from flowc.ops.accumulate import Accumulate
from flowc.ops.define import define, guarded, scalars, substituted, tensors
from flowc.ops.elementwise import mul
from flowc.ops.kernel import Inside, Reduce, axes
from flowc.ops.shape import broadcast_to
from flowc.ops.tensor import Constant, Read, SizeValue

Term = tuple[Value, ...]  # a scalar, or the two factors of a term of a dot


def zero(x: Value) -> Value:
    """0 in every place of the type of `x`."""
    return Constant(Scalar.of(0, x.type.dtype), x.type).result


def adjoint(use: Read, term: Term, unknown: Sequence[Value]) -> Value:
    """The tensor, at p, of the sum of `term` over all indices at which `use` reads element p."""
    if any(v.op is not None and not v.op.free.isdisjoint(unknown) for v in indices(use.at)):
        return added_up(use, term, unknown)
    p = axes(use.tensor.type.shape)
    s = solve(p, use.at, unknown)
    asked = substituted(Inside((*s.inside, *use.inside)).result, s.solved).op
    inside = tuple(d for d in asked.dims if not at_least(d, 0)) if isinstance(asked, Inside) else ()
    parts = [substituted(t, s.solved) for t in term]
    if len(parts) == 2 and s.free:
        other = borders(parts[1], inside)
        first = guarded(parts[0], tuple(d for d in inside if d not in other))
        second = guarded(parts[1], other or needs(parts[1], inside))
        return define(p, Reduce("dot", close(tuple(s.free), (first, second))).result)
    element = summed_over(s.free, guarded(whole(parts), inside))
    if isinstance(element.op, Read) and not element.op.at and not element.op.inside:
        return broadcast_to(element.op.tensor, use.tensor.type.shape)
    return define(p, element)


def added_up(use: Read, term: Term, unknown: Sequence[Value]) -> Value:
    """The same where a place is computed from data: in order of the indices it depends on, the cotangent is added at the place."""
    spoken: dict[Value, None] = {}
    for v in indices((*use.at, *use.inside)):
        spoken.update(dict.fromkeys((v,) if v.op is None else v.op.free))
    domain = tuple(v for v in unknown if v in spoken and v.type.below != 1)
    rest = [v for v in unknown if v not in spoken and v.type.below != 1]
    if len(term) == 2 and rest:
        value = Reduce("dot", close(tuple(rest), term)).result
    else:
        value = summed_over(rest, whole(term))
    fresh: dict[Value, Dim] = {}
    for v in domain:
        type = retyped(v.type, lambda d: substitute(d, fresh))
        fresh[v] = dim(Value(type, None, v.hint))
    given = {v: v for v in tensors(value)}
    places = [SizeValue((d,), Type(DType.i64)).result for d in use.at]
    turned = [substituted(v, {**fresh, **given}) for v in (guarded(value, use.inside), *places)]
    params = tuple(next(iter(indices((d,)))) for d in fresh.values())
    outside = {v: None for t in turned for v in tensors(t)}
    return Accumulate(zero(use.tensor), "sum", body(params, tuple(turned), (), outside)).result


def whole(term: Sequence[Value]) -> Value:
    return term[0] if len(term) == 1 else mul(*term)


def summed_over(free: Sequence[Value], element: Value) -> Value:
    """The element summed over indices, the last one innermost."""
    for v in reversed(free):
        element = Reduce("sum", close((v,), (element,))).result
    return element


def borders(term: Value, inside: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The guards that only ask that a read stay in its tensor, if they make it safe; one factor of a product needs each guard."""
    if not isinstance(term.op, Read):
        return ()
    edges = [e for d, n in zip(term.op.at, term.op.tensor.type.shape, strict=True) for e in (d, n - 1 - d)]
    return tuple(d for d in inside if d in edges) if all(e in inside or at_least(e, 0) for e in edges) else ()


def needs(term: Value, inside: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """`inside`, if without it `term` might read beyond a tensor."""
    reads = [v.op for v in scalars((term,)) if isinstance(v.op, Read)]
    safe = all(at_least(d, 0) and at_least(n - 1 - d, 0) for r in reads for d, n in zip(r.at, r.tensor.type.shape, strict=True))
    return () if safe else inside
