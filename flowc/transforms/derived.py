"""What derivatives leave behind, made plain: values that said how to differentiate, loops that are there with their stacks and without."""

from __future__ import annotations

from dataclasses import replace

from flowc.ir.core import Func, Value, walk
from flowc.ir.rewrite import key
from flowc.ops.control import Loop, Scan
from flowc.ops.derivative import Custom, Remat


def derived(op: Custom | Remat) -> tuple[Value, ...]:
    """what says how to differentiate = its values, once that is done"""
    return op.primals if isinstance(op, Custom) else op.body.results


def stacks_shared(fn: Func) -> dict[Value, Value]:
    """The results of loops and scans that are there with their stacks too, as the results of those."""
    found = [op for op in walk(fn.body) if isinstance(op, Loop | Scan)]
    with_stacks = {key(replace(op, stacked=False)): op for op in found if op.stacked}
    if not with_stacks:
        return {}
    same = ((op, with_stacks.get(key(op))) for op in found if not op.stacked)
    return {r: s for op, other in same if other is not None for r, s in zip(op.results, other.results, strict=False)}
