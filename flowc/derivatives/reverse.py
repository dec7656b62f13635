"""Reverse mode: values in, more values out; they are ordinary ops.

Runs before composites are expanded, so one may give a `gradient` of its own;
else its expansion is differentiated.  A primitive needs nothing but `at`: its
element is walked backwards, and the adjoint of each read is solved for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from flowc.derivatives import regions
from flowc.derivatives.adjoint import adjoint, zero
from flowc.derivatives.elements import summed, uses_backwards
from flowc.errors import OpError
from flowc.ir.core import Op, Value, derived_from, needed
from flowc.ir.dims import Dim, dim
from flowc.ops.control import Cond, Loop, Scan
from flowc.ops.derivative import After, Custom, Remat
from flowc.ops.elementwise import StopGradient
from flowc.ops.kernel import axes
from flowc.ops.pointwise import Elementwise
from flowc.ops.reduce import Sum
from flowc.ops.shape import broadcast_to, reshape
from flowc.ops.tensor import Tensor, read

Cotangents = dict[Value, list[Value]]


def pullback(seeds: Mapping[Value, Value], wrt: Sequence[Value]) -> tuple[Value, ...]:
    """The derivative of the sum of seed * y over all `seeds`, by each of `wrt` as if it were the only one.

    Seeds have the type of their y, results that of their entry of `wrt`; 0 where nothing depends on it.
    Raises `OpError` for an op that has no derivative, at its place.
    """
    return pulled_back(seeds, wrt, {})


def pulled_back(seeds: Mapping[Value, Value], wrt: Sequence[Value], outside: Mapping[Value, bool]) -> tuple[Value, ...]:
    """The same, where values of `outside` are not looked into; what they say is whether they are of interest."""
    smooth = active(seeds, wrt, outside)
    gathered: Cotangents = defaultdict(list)
    total: dict[Value, Value] = {}
    for y, seed in seeds.items():
        if y in smooth:
            gathered[y].append(seed)
    done: set[Op] = set()
    for value in reversed(smooth):
        op = value.op
        for v in op.results if op is not None and value not in outside else (value,):
            if v in gathered and v not in total:
                total[v] = titled(gathered[v], v)
        if op is None or value in outside or op in done or smooth.keys().isdisjoint(parents(op)) or not any(r in total for r in op.results):
            continue
        done.add(op)
        with derived_from(op, "d."):
            for operand, parts in cotangents(op, [total.get(r) for r in op.results], smooth).items():
                gathered[operand] += parts
    return tuple(total[x] if x in total else zero(x) for x in wrt)


def active(ys: Iterable[Value], wrt: Iterable[Value], outside: Mapping[Value, bool]) -> dict[Value, None]:
    """The floats that depend on one of `wrt` and that the `ys` depend on, each after what it uses."""
    known = dict(outside)
    wanted = set(wrt)
    for value in needed(ys, known):
        op = value.op
        known[value] = value in wanted or op is not None and any(known.get(v, False) for v in parents(op))
    return {v: None for v, on in known.items() if on and v.type.dtype.is_float}


def parents(op: Op) -> tuple[Value, ...]:
    """What a derivative of `op` is by."""
    match op:
        case StopGradient():
            return ()
        case Custom():
            return op.formals
        case After():
            return (op.value,)
        case _:
            return op.uses


def titled(parts: Sequence[Value], of: Value) -> Value:
    """The sum of the parts, named after the value whose cotangent it is, where it has no name of its own."""
    if of.op is not None:
        with derived_from(of.op, "d."):
            total = summed(parts)
    else:
        total = summed(parts)
    op = total.op
    if not of.hint or op is None or len(op.results) != 1 or not is_derived(op) or op.token is not None:
        return total
    return replace(op, hints=(f"d.{of.hint}",)).result


def is_derived(op: Op) -> bool:
    """Whether the op is unnamed, or named as a part of a derivative: `d.y.multiply`."""
    return not op.hint or op.hint.startswith("d.") and op.hint.rpartition(".")[2].isdigit() or op.hint.endswith(f".{op.name}")


def cotangents(op: Op, gs: Sequence[Value | None], smooth: Mapping[Value, None]) -> Cotangents:
    """The parts of the cotangents of each operand, in its own shape."""
    match op:
        case Scan():
            return regions.through_scan(pulled_back, op, gs, smooth)
        case Loop():
            return regions.through_loop(pulled_back, op, gs, smooth)
        case Cond():
            return regions.through_cond(pulled_back, op, gs, smooth)
        case Custom():
            return regions.through_custom(pulled_back, op, gs, smooth)
        case Remat():
            return regions.through_remat(pulled_back, op, gs, smooth)
        case After(value):
            return {value: [g for g in gs if g is not None]}
        case Tensor():
            (g,) = gs
            assert g is not None
            return through_tensor(op, g, smooth)
        case _:
            raise OpError(f"{op.name} has no derivative", location=op.location)


def through_tensor(op: Tensor, g: Value, smooth: Mapping[Value, None]) -> Cotangents:
    """By the op's rule, by its expansion, or by its element."""
    own = op.gradient(g)
    found: Cotangents = defaultdict(list)
    if own is not None:
        for x, part in zip(op.operands, own, strict=True):
            if part is not None and x in smooth:
                found[x].append(unbroadcast(part, x, op.result) if isinstance(op, Elementwise) else part)
        return found
    with derived_from(op, ""):
        expanded = op.expand()
    if expanded is not None:
        operands = [x for x in dict.fromkeys(op.operands) if x in smooth]
        outside = {x: x in smooth for x in op.operands}
        for x, part in zip(operands, pulled_back({expanded: g}, operands, outside), strict=True):
            found[x].append(part)
        return found
    if not op.indexed:
        raise OpError(f"{op.name} has no derivative", location=op.location)
    i = axes(op.result.type.shape)
    for use in uses_backwards(op.at(*map(dim, i)), read(g, *map(dim, i))):
        if use.read.tensor in smooth:
            found[use.read.tensor].append(adjoint(use.read, use.term, (*i, *use.inner)))
    return found


def unbroadcast(part: Value, x: Value, result: Value) -> Value:
    """The sum of `part`, which repeats to the shape of `result`, over the axes along which `x` is repeated to it."""
    part = broadcast_to(part, result.type.shape)
    lead = part.type.rank - x.type.rank
    shape: tuple[Dim, ...] = (*(1,) * lead, *x.type.shape)
    repeated = tuple(a for a, (n, m) in enumerate(zip(shape, part.type.shape, strict=True)) if a < lead or (n == 1 and m != 1))
    return reshape(Sum(part, repeated).result, x.type.shape) if repeated else reshape(part, x.type.shape)
