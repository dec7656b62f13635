"""Graph to graph: every op has a device.  There is one so far, the CPU that runs the graph."""

from __future__ import annotations

from flowc.errors import CompileError, Diagnostic
from flowc.ir.core import Module, walk

HERE = ("", "cpu", "cpu:0", "cpu(0)")


def place(module: Module) -> Module:
    """The module as it is; raises `CompileError` for each op that the user put on a device there is no code for yet."""
    wrong = {
        (op.device, op.location): Diagnostic(
            f"code for {op.device} is not there yet", op.location, help="flowc places everything on cpu(0)"
        )
        for fn in module.funcs
        for op in walk(fn.body)
        if op.device not in HERE
    }
    if wrong:
        raise CompileError(tuple(wrong.values()))
    return module
