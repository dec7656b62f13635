"""What ops assume of sizes, as checks of the run; the wording is that of the language's front end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowc.errors import CompileError, Diagnostic
from flowc.ir.core import Op, Value, indices, scope
from flowc.ir.dims import Dim, at_least, show
from flowc.ops.control import CheckAtLeast, CheckEqual
from flowc.ops.tensor import Tensor, differ, equal_sizes
from flowc.source import Span

Check = CheckEqual | CheckAtLeast


def checks(ops: Iterable[Op]) -> list[Check]:
    """What must hold for `ops` to mean anything, each once, in order; raises `CompileError` where it never does."""
    found: dict[tuple[str, Dim, Dim], Check] = {}
    for op in ops:
        if isinstance(op, Tensor):
            found.update((key, made) for key, made in _assumed(op) if key not in found)
    return list(found.values())


def during(check: Check) -> bool:
    """Whether the check speaks of a size known only during the run."""
    return any(True for _ in indices(check.dims))


def tokens(made: Iterable[Check]) -> tuple[Value, ...]:
    return tuple(check.token for check in made if check.token is not None)


def _assumed(op: Tensor) -> Iterator[tuple[tuple[str, Dim, Dim], Check]]:
    for a, b in op.assumes():
        if differ(a, b):
            raise _never(f"the sizes {_text(a)} and {_text(b)} differ", op.location)
        if not equal_sizes(a, b):
            with scope(op.location):
                yield ("equal", a, b), CheckEqual((a, b), f"{_text(a)} equals {_text(b)}")
    for d in op.result.type.shape:
        if at_least(-d, 1):
            raise _never(f"the size {_text(d)} is below 0", op.location)
        if not at_least(d, 0):
            with scope(op.location):
                yield ("least", d, 0), CheckAtLeast((d, 0), f"{_text(d)} is at least 0")


def _never(message: str, place: Span | None) -> CompileError:
    return CompileError((Diagnostic(message, place),))


def _text(d: Dim) -> str:
    return show(d, False, lambda a: (a.hint or "?") if isinstance(a, Value) else str(a))
