"""Graph to graph: named sizes fixed to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowc.errors import OpError, did_you_mean
from flowc.ir.core import Func, Module, body
from flowc.ir.printer import sizes
from flowc.ir.rewrite import Rewriter


def specialise(module: Module, dims: Mapping[str, int]) -> Module:
    """The module with each size named in `dims` that number; raises `OpError` for a size it does not have or a number out of range."""
    if not dims:
        return module
    known = {s.name: s for f in module.funcs for s in sizes(f)}
    for name, value in dims.items():
        if name not in known:
            raise OpError(
                f"there is no size {name} to fix", help=did_you_mean(name, known) or f"the sizes are {', '.join(known) or '(none)'}"
            )
        size = known[name]
        if value < size.low or size.high is not None and value > size.high:
            raise OpError(f"{name}={value} is not in {size.low}..{'' if size.high is None else size.high}")
    return module.map(lambda fn: _fixed(fn, dims))


def _fixed(fn: Func, dims: Mapping[str, int]) -> Func:
    rewriter = Rewriter(lambda op: None, sizes={s: dims[s.name] for s in sizes(fn) if s.name in dims})
    params = rewriter.params(fn.body)
    roots = tuple(rewriter.settled(r) for r in fn.body.roots)
    results = tuple(rewriter.settled(r) for r in fn.body.results)
    return replace(fn, body=body(params, results, roots))
