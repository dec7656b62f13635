"""Graph to graph: f16 and bf16 computed in f32, composites expanded, laws applied, constants folded, equal values joined."""

from __future__ import annotations

from collections.abc import Callable

from flowc.ir.core import Module, Op
from flowc.ir.rewrite import Found, Rule, Rules, rewrite
from flowc.transforms.derived import derived, stacks_shared
from flowc.transforms.laws import LAWS, compute_in_f32, contract_in_f32, expand

Trace = Callable[[Rule, Op, Found], None]


def simplify(module: Module, trace: Trace | None = None) -> Module:
    """The same bits from fewer, simpler ops."""
    rules = Rules((compute_in_f32, contract_in_f32, expand, derived, *LAWS), trace)
    return module.map(lambda fn: rewrite(fn, rules, stacks_shared(fn)))
