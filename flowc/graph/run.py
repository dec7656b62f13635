"""Running a lowered module: the one place that knows what executes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.ir.core import Module
from flowc.ops.interpret import run
from flowc.ops.tensor import Array

Runner = Callable[[Sequence[Array], dict[str, Array]], Sequence[Array]]


def compiled(module: Module) -> Runner:
    """What runs the module's one function on the inputs in order, and on the state by name, which changes when the run has passed."""
    (func,) = module.funcs
    return lambda arrays, state: run(func, arrays, state)
