"""Running a lowered module natively: the one place of this folder that knows what executes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.ir.core import Module, walk
from flowc.ops.control import StateRead, StateWrite
from flowc.ops.tensor import Array

Runner = Callable[[Sequence[Array], dict[str, Array]], Sequence[Array]]


def compiled(module: Module) -> Runner:
    """What runs the module's one function on the inputs in order, and on the state by name, which changes when the run has passed.

    State lies in the memory of the program that wrote it last: one that runs again and again copies nothing.
    """
    from flowc.executable import linked
    from flowc.stages import compiled as through_all_stages

    (func,) = module.funcs
    reads = dict.fromkeys(op.symbol for op in walk(func.body) if isinstance(op, StateRead))
    writes = dict.fromkeys(op.symbol for op in walk(func.body) if isinstance(op, StateWrite))
    code = linked(through_all_stages(module), None)
    own = {**code.model.params, **code.model.state}
    function = getattr(code.model, func.name)

    def run(arrays: Sequence[Array], state: dict[str, Array]) -> Sequence[Array]:
        for name in reads:
            if state[name] is not own[name]:
                own[name][...] = state[name]
        results = function(*arrays)
        state.update({name: own[name] for name in writes})
        match len(func.body.results):
            case 0:
                return ()
            case 1:
                return (results,)
            case _:
                return results

    return run
