"""Where a run can fail: every check of a module's plans and kernels, numbered in the order in which a run meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from flowc.ir.core import Func, Module, Op, walk
from flowc.ops.plan import CheckRange, Launch, While
from flowc_runtime.abi import KINDS


class Kind(IntEnum):
    """What a graph's C function returns, and what `flow_message` says of it."""

    DONE = 0
    SIZE = 1
    INDEX = 2
    LIMIT = 3
    ASSERT = 4
    MISALIGNED = 5
    OVERLAP = 6
    CANCELLED = 7


MESSAGES = ("done", *KINDS)
NOWHERE = -1  # the site of what is no check of the program


@dataclass(frozen=True)
class Sites:
    """Texts by number, and the numbers of checks and of graphs' parameters.

    Of several failures of a run the lowest number is told, so numbers follow the run: sizes, parameters, then the rest.
    """

    texts: tuple[str, ...]
    of: Mapping[Op, int]
    params: Mapping[tuple[str, str], int]  # by graph and name


def sites(module: Module) -> Sites:
    """The sites of a planned module."""
    kernels = {f.name: f for f in module.funcs if f.level == "loops"}
    texts: list[str] = []
    of: dict[Op, int] = {}
    params: dict[tuple[str, str], int] = {}

    def add(place: object, what: str) -> int:
        texts.append(f"{place or module.name}: {what}")
        return len(texts) - 1

    for fn in graphs(module):
        checks = [op for op in _checks(fn, kernels) if op not in of]
        early = next((n for n, op in enumerate(checks) if not isinstance(op, CheckRange)), len(checks))
        for op in checks[:early]:
            of[op] = add(op.location or fn.location, str(op.attributes.get("what", op.name)))
        for param in fn.body.params:
            params[fn.name, param.hint] = add(fn.location, f"{fn.name}'s {param.hint}")
        for op in checks[early:]:
            of[op] = add(op.location or fn.location, str(op.attributes.get("what", op.name)))
    return Sites(tuple(texts), of, params)


def graphs(module: Module) -> tuple[Func, ...]:
    """The planned graphs."""
    return tuple(f for f in module.funcs if f.level == "plan")


def _checks(fn: Func, kernels: Mapping[str, Func]) -> Iterator[Op]:
    seen: set[str] = set()
    for op in walk(fn.body):
        match op:
            case Launch(kernel=kernel):
                if kernel not in seen:
                    seen.add(kernel)
                    yield from (inner for inner in walk(kernels[kernel].body) if inner.fails)
            case While(limit=()):
                pass
            case _ if op.fails:
                yield op
            case _:
                pass
