"""`flowc check`: all that is wrong with programs, and of those that are right what is checked during a run and what sizes may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from flowc.cli.inputs import FILE, graphs_of, json_option, module_of, options_of, source_of, stdin_once
from flowc.cli.pin import pinned
from flowc.cli.stages import Watch
from flowc.cli.terminal import Progress, coloured, say
from flowc.errors import CompileError, Diagnostic, render

if TYPE_CHECKING:
    from flowc.ir.core import Func, Module, Op


@click.command("check")
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--pin", is_flag=True, help="First write the SHA-256 of each file they import into the programs.")
@json_option
def check_command(files: tuple[str, ...], pin: bool, as_json: bool) -> None:
    """Tell mistakes, checks of a run, size ranges."""
    stdin_once(files)
    if pin and "-" in files:
        raise click.UsageError("--pin changes files in place, and - is none.")
    wrong: list[Diagnostic] = []
    told: list[dict[str, Any]] = []
    with Progress(len(files), "files") as progress:
        for n, file in enumerate(files):
            progress.at(n, file)
            fixed: dict[str, Any] = {}
            try:
                fixed |= {"pinned": pinned(file)} if pin else {}
                told.append({"file": file, **fixed, "graphs": _graphs(_checked(file))})
            except CompileError as error:
                wrong += error.diagnostics
                told.append({"file": file, **fixed, "errors": [_plain(d) for d in error.diagnostics]})
    if as_json:
        say(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for entry in told:
            _say(entry)
    if any(d.severity == "error" for d in wrong):
        raise CompileError(wrong)
    if wrong:
        say(coloured(render(wrong)))


def _checked(file: str) -> Module:
    """The module of a program that compiles; raises `CompileError` for one that does not."""
    from flowc.codegen.interface import interface
    from flowc.stages import compiled

    options = options_of()
    module = module_of(source_of(file), options, watch := Watch())
    interface(compiled(module, options, watch.observe, stop="plan").module)
    return module


def _graphs(module: Module) -> list[dict[str, Any]]:
    return [_graph(module.func(name)) for name in graphs_of(module)]


def _graph(fn: Func) -> dict[str, Any]:
    """A graph's name, the ranges of its sizes and of those its results are made of, and the checks of its run."""
    from flowc.ir.core import walk
    from flowc.ops.accumulate import Accumulate
    from flowc.ops.define import Define

    failing = [op for op in walk(fn.body) if op.fails and not isinstance(op, Define | Accumulate)]  # whose regions say what is checked
    checks = [(str(op.location or fn.location or ""), what) for op in failing if (what := _what(op))]
    listed = [{"place": place, "what": what} for place, what in dict.fromkeys(checks)]
    return {"name": fn.name, "sizes": dict(_ranges(fn)), "checks": listed}


def _ranges(fn: Func) -> Iterator[tuple[str, str]]:
    """The named sizes, then the sizes computed from them that inputs or results have, with what they are proven to lie in."""
    from flowc.ir.core import indices
    from flowc.ir.dims import Polynomial, lower, show, upper
    from flowc.ir.printer import sizes

    def text(low: int | None, high: int | None) -> str:
        return f"{'' if low is None else low}..{'' if high is None else high}"

    for size in sizes(fn):
        yield size.name, text(size.low, size.high)
    names = [size.name for size in sizes(fn)]
    results = zip(fn.outputs or [r.hint for r in fn.body.results], fn.body.results, strict=True)
    for name, v in [*((p.hint, p) for p in fn.body.params), *results]:
        for axis, d in enumerate(v.type.shape):
            if isinstance(d, Polynomial) and show(d) not in names:
                known = not any(indices((d,)))
                yield show(d) if known else f"axis {axis} of {name}", text(lower(d), upper(d))


def _what(op: Op) -> str:
    """What a check wants; nothing where it always has it."""
    from flowc.ops.control import Loop

    if isinstance(op, Loop):
        from flowc.ir.dims import show

        return f"the loop ends within {show(op.limit[0])} rounds" if op.limit else "the loop ends"
    what = op.attributes.get("what", op.name)
    return ", ".join(filter(None, what)) if isinstance(what, tuple) else str(what)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _plain(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    place = {"file": span.source.name, "line": span.line, "column": span.column} if span is not None else {}
    return {"severity": diagnostic.severity, "message": diagnostic.message, **place, "help": diagnostic.help}


def _say(entry: dict[str, Any]) -> None:
    for name in entry.get("pinned", ()):
        say(f"{entry['file']}: pinned {name}")
    if "errors" in entry:
        return
    say(f"{entry['file']}: no errors")
    for graph in entry["graphs"]:
        say(f"  graph {graph['name']}")
        for size, bounds in graph["sizes"].items():
            say(f"    {size} in {bounds}")
        for check in graph["checks"]:
            say(f"    checked during the run: {check['what']} ({check['place']})")
