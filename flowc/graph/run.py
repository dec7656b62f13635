"""Running a lowered module natively: the one place of this folder that knows what executes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowc.ir.core import Module, walk
from flowc.ops.control import StateRead, StateWrite
from flowc.ops.tensor import Array

if TYPE_CHECKING:
    from flowc.executable import Linked

Runner = Callable[[Sequence[Array], dict[str, Array]], Sequence[Array]]


def compiled(module: Module) -> Runner:
    """What runs the module's one function on the inputs in order, and on the state by name, which changes when the run has passed."""
    from flowc.executable import linked
    from flowc.stages import compiled as through_all_stages

    (func,) = module.funcs
    reads = dict.fromkeys(op.symbol for op in walk(func.body) if isinstance(op, StateRead))
    writes = dict.fromkeys(op.symbol for op in walk(func.body) if isinstance(op, StateWrite))
    code = linked(through_all_stages(module), None)
    code.model.owned()
    own = {**code.model.params, **code.model.state}
    return Native(code, code.model[func.name], len(func.body.results), tuple(reads), tuple(writes), own)


@dataclass(frozen=True)
class Native:
    """A function in native code, which lives as long as this object, as do the arrays it holds.

    State lies in the memory of the program that wrote it last: one that runs again and again copies nothing.
    """

    code: Linked
    function: Callable[..., Any]
    results: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    own: Mapping[str, Array]

    def __call__(self, arrays: Sequence[Array], state: dict[str, Array]) -> Sequence[Array]:
        for name in self.reads:
            if state[name] is not self.own[name]:
                self.own[name][...] = state[name]
        results = self.function(*arrays)
        state.update({name: self.own[name] for name in self.writes})
        match self.results:
            case 0:
                return ()
            case 1:
                return (results,)
            case _:
                return results
