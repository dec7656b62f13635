"""Graph to graph: composites expanded, laws applied, constants folded, equal values joined."""

from __future__ import annotations

from collections.abc import Callable

from flowc.ir.core import Module, Op
from flowc.ir.rewrite import Found, Rule, Rules, rewrite
from flowc.transforms.laws import LAWS, expand

Trace = Callable[[Rule, Op, Found], None]


def simplify(module: Module, trace: Trace | None = None) -> Module:
    """The same bits from fewer, simpler ops."""
    rules = Rules((expand, *LAWS), trace)
    return module.map(lambda fn: rewrite(fn, rules))
