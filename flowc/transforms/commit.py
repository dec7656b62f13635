"""When a run stores to state: every check and every read of an old value comes before the first store.

An update is computed over the old value where nothing after its first store can
fail, be cancelled or read that value; else it is computed in the arena and
copied when the run has passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.errors import CompileError, Diagnostic
from flowc.ir.core import Func, Op, State, Value, walk
from flowc.ops.control import Cond, Loop, Scan, StateRead, StateWrite
from flowc.ops.plan import Call, Update, View
from flowc.transforms.memory import ALIGNMENT, own_elements

Updates = Mapping[Value, tuple[str, ...]]  # the states each value is written to


def state_offsets(states: Sequence[State]) -> tuple[dict[str, int], int]:
    """The byte at which each state lies in the block of all, and the bytes of the block; raises `CompileError` for a size of the run."""
    found: dict[str, int] = {}
    total = 0
    for state in states:
        found[state.name] = total
        count = 1
        for d in state.type.shape:
            if not isinstance(d, int):
                message = f"{state.kind} {state.name} is {state.type}: its sizes are not numbers, but it is made before any run"
                raise CompileError([Diagnostic(message, state.location, help="write numbers or `const`s in its type")])
            count *= d
        bytes = state.type.dtype.bytes(count)
        assert isinstance(bytes, int)
        total += -(-bytes // ALIGNMENT) * ALIGNMENT
    return found, total


def updates(ops: Sequence[Op]) -> dict[Value, tuple[str, ...]]:
    """What is written to which states; raises `CompileError` where one is written twice."""
    found: dict[Value, tuple[str, ...]] = {}
    written: dict[str, Op] = {}
    for op in ops:
        if isinstance(op, StateWrite):
            if op.symbol in written:
                raise CompileError([Diagnostic(f"{op.symbol} is written twice in one run", op.location)])
            written[op.symbol] = op
            found[op.value] = (*found.get(op.value, ()), op.symbol)
    return found


def updates_last(ops: Sequence[Op], updates: Updates) -> list[Op]:
    """The ops with those that compute updates, and what needs them, after all others."""
    late = {v for v in updates if state_of(v) is None}
    for op in ops:
        if any(v in late for v in (*op.values, *op.uses)):
            late.update(op.values)
    return sorted(ops, key=lambda op: any(v in late for v in op.values) or isinstance(op, StateWrite))


def in_place(ops: Sequence[Op], updates: Updates, kernels: Mapping[str, Func]) -> dict[Value, str]:
    """The updates that are computed over the old value of a state."""
    found: dict[Value, str] = {}
    read_later: set[str] = set()
    for op in reversed(ops):
        if isinstance(op, StateWrite | StateRead):
            continue
        if may_stop(op, kernels):
            break
        if isinstance(op, Call):
            for n, result in enumerate(op.results):
                own = next((s for s in updates.get(result, ()) if s not in read_later and own_element(op, n, s, kernels)), None)
                if own is not None:
                    found[result] = own
        read_later.update(s for v in op.uses if (s := state_of(v)) is not None)
    return found


def may_stop(op: Op, kernels: Mapping[str, Func]) -> bool:
    """Whether the run may end in or right after `op`: checks, and loops and branches, between whose launches it can be cancelled."""
    if isinstance(op, Call):
        return any(inner.fails for inner in walk(kernels[op.kernel].body))
    return op.fails or isinstance(op, Loop | Scan | Cond)


def own_element(op: Call, result: int, state: str, kernels: Mapping[str, Func]) -> bool:
    """Whether the kernel reads the state, and other results' states, so that it may be written as it goes."""
    reads = {n for n, v in enumerate(op.inputs) if state_of(v) == state}
    own = None if isinstance(op, Update) else own_elements(kernels[op.kernel]).get(len(op.inputs) + result)
    whole = all(isinstance(op.inputs[n].op, StateRead) for n in reads)
    return not reads or own is not None and whole and reads <= own


def state_of(value: Value) -> str | None:
    """The state that `value` is, or is a view of."""
    while isinstance(value.op, View):
        value = value.op.buffer
    return value.op.symbol if isinstance(value.op, StateRead) else None

