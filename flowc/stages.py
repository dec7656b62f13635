"""The main road: text to a module, a module through every stage to native code."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowc.errors import CompileError, Diagnostic, OpError, UsageError, op_errors_placed
from flowc.ir.core import Module
from flowc.ir.dims import show, upper
from flowc.options import Options
from flowc.source import Source
from flowc.target import Target, host
from flowc.transforms.fuse import fuse
from flowc.transforms.place import place
from flowc.transforms.plan import plan
from flowc.transforms.schedule import schedule
from flowc.transforms.simplify import simplify
from flowc.transforms.specialise import specialise

if TYPE_CHECKING:
    from flowc.codegen.interface import Interface

Observer = Callable[[str, Module | str], None]
NESTED = 100  # regions within regions: transforms follow them by recursion
INSIDE = 64 << 20  # bytes of weights that code in this process carries itself; more stay where they are


@dataclass(frozen=True)
class Stage:
    """A named step from module to module."""

    name: str
    run: Callable[[Module, Target], Module]


STAGES = (
    Stage("simplify", lambda module, _: simplify(module)),
    Stage("place", lambda module, _: place(module)),
    Stage("layout", lambda module, _: module),
    Stage("fuse", lambda module, _: fuse(module)),
    Stage("schedule", schedule),
    Stage("plan", lambda module, _: plan(module)),
)
STAGE_NAMES = ("read", "elaborate", *(s.name for s in STAGES), "emit")


@dataclass(frozen=True)
class Compiled:
    """A module after the last stage that was run, and what the last of all made: LLVM text, an object, its description."""

    module: Module
    target: Target
    seconds: dict[str, float]
    text: str = ""
    code: bytes = b""
    interface: Interface | None = None


def elaborated(
    source: Source, options: Options | None = None, observe: Observer | None = None, opened: Callable[[Path], None] | None = None
) -> Module:
    """The module of a program: read, then elaborate; `opened` is told of each file it imports.

    Raises one `CompileError` with every mistake in it.
    """
    from flowc.lang.elaborate import ElaborateOptions, elaborate
    from flowc.lang.parse import parse

    with without_collector():
        program = parse(source)
        if observe:
            from flowc.lang.format import format

            observe("read", format(source))
        module = elaborate(program, source, ElaborateOptions(outside=bool(options and options.outside), opened=opened))
        if observe:
            observe("elaborate", module)
        return module


def compiled(module: Module, options: Options | None = None, observe: Observer | None = None, stop: str = "emit") -> Compiled:
    """`module` through the stages up to `stop`, for code in this process.

    Raises `CompileError` for what the user can mend, `UsageError` for options that do not fit.
    """
    options = options or Options()
    if options.precision != "strict":
        raise UsageError(f"precision {options.precision} is not there yet: there is strict")
    target, seconds = options.target or host(), dict[str, float]()
    with without_collector():
        try:
            module = specialise(module, options.dims)
        except OpError as error:
            raise UsageError(str(error) + (f": {error.help}" if error.help else "")) from None
        check_nesting(module)
        for stage in STAGES:
            begin = time.perf_counter()
            with op_errors_placed():
                module = stage.run(module, target)
            seconds[stage.name] = time.perf_counter() - begin
            if observe:
                observe(stage.name, module)
            if stage.name == stop:
                return Compiled(module, target, seconds)
        check_memory(module, options.memory_limit)
        return emitted(Compiled(module, target, seconds), observe)


def emitted(planned: Compiled, observe: Observer | None = None) -> Compiled:
    """The planned module as native code that Python can call."""
    from flowc.codegen import native
    from flowc.codegen.driver import emit
    from flowc.codegen.interface import interface, readable
    from flowc.codegen.python_entry import python_entry
    from flowc.codegen.weights import filled, weights

    begin = time.perf_counter()
    module, target = planned.module, planned.target
    where = "inside" if weights(module).bytes <= INSIDE else "table"
    found = interface(module, where)
    entries = [python_entry(s) for s in found.graphs if readable(s)]
    text = "\n".join([emit(module, target, where), *entries])
    if observe:
        observe("emit", text)
    code = native.optimise_and_emit(text, target)
    if where == "inside" and found.weights.blobs:
        code = filled(code, found.weights)
    seconds = planned.seconds | {"emit": time.perf_counter() - begin}
    return replace(planned, text=text, code=code, interface=found, seconds=seconds)


def check_nesting(module: Module) -> None:
    """Raises `CompileError` for a function with an op in more than `NESTED` regions."""
    for fn in module.funcs:
        ops = fn.body.ops
        for _ in range(NESTED + 1):
            ops = tuple(inner for op in ops for region in op.regions for inner in region.ops)
        if ops:
            message = f"branches and loops are nested more than {NESTED} deep"
            raise CompileError((Diagnostic(message, ops[0].location, help="a function called within a branch counts with its own"),))


def check_memory(module: Module, limit: int | None) -> None:
    """Raises `CompileError` for a planned graph whose workspace may be larger than `limit` bytes."""
    if limit is None:
        return
    for fn in module.funcs:
        if fn.level != "plan":
            continue
        peak = fn.body.params[-1].type.shape[0]
        most = upper(peak)
        if most is None or most > limit:
            size = f"{show(peak)} bytes" + (f", at most {most}" if most is not None and not isinstance(peak, int) else "")
            message = f"the workspace of {fn.name} is {size}, above the limit of {limit}"
            raise CompileError((Diagnostic(message, fn.location, help="declare smaller ranges of sizes, or fix them with --dim"),))


@contextmanager
def without_collector() -> Generator[None]:
    """The cyclic collector rests: values and ops are cycles that live as long as their module."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
