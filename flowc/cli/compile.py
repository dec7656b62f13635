"""`flowc compile`: a program to objects, libraries, texts and the C header."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowc.cli.failures import not_yet
from flowc.cli.inputs import (
    FILE,
    dim_option,
    graph_named,
    graphs_of,
    json_option,
    module_of,
    named_as_given,
    options_of,
    source_of,
    target_options,
    threads_option,
)
from flowc.cli.stages import NAMES, Watch, stage_or, text_of
from flowc.cli.terminal import bytes_text, coloured, say, seconds_text, table, tell

if TYPE_CHECKING:
    from flowc.ir.core import Module
    from flowc.ir.dims import Dim
    from flowc.options import Options

SUFFIXES = (".o", ".obj", ".a", ".so", ".dylib", ".dll", ".wasm", ".ll", ".s", ".fir", ".h")
SOFTWARE_FMA = "about 30 times as long, in software"  # measured with vectors of 16 bytes
OUTPUT: click.Path = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Request:
    """What was asked for: where to, which graph alone, sizes to fix, after which stage to stop."""

    output: Path | None
    graph: str | None
    dims: dict[str, int]
    stop: str
    place: str
    limit: int | None


@click.command("compile")
@click.argument("model", type=FILE)
@click.option("-o", "--output", type=OUTPUT, metavar="OUT", help=f"Its suffix chooses: {' '.join(SUFFIXES)}.")
@click.option("--graph", metavar="G", help="Only this graph of the program.")
@target_options
@dim_option
@threads_option
@click.option("--precision", type=click.Choice(["strict", "fast"]), default="strict", help="Orders of summation.", show_default=True)
@click.option("--memory-limit", type=click.IntRange(0), metavar="BYTES", help="Refuse a graph whose workspace may be larger.")
@click.option("--weights", type=click.Choice(["inside", "separate"]), default="inside", help="Where constant arrays go.", show_default=True)
@click.option("--time", "timed", is_flag=True, help="Tell the time of each stage.")
@click.option("--dump-after", callback=stage_or("all"), metavar="STAGE|all", help="Print the text after a stage, or all that differ.")
@click.option("--dump-dir", type=click.Path(file_okay=False, path_type=Path), metavar="D", help="Write these texts to files there.")
@click.option("--stop-after", callback=stage_or(), metavar="STAGE", help="Compile no further.")
@json_option
def compile_command(
    model: str, output: Path | None, graph: str | None, target: str, cpu: str, features: str, dims: dict[str, int],
    threads: int | None, precision: str, memory_limit: int | None, weights: str, timed: bool, dump_after: str | None, dump_dir: Path | None,
    stop_after: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compile a program to native code.

    Without -o it goes to an object and a C header beside the source.
    """
    from flowc.cli.targets import chosen

    if precision != "strict":
        not_yet("--precision fast")
    machine = chosen(target, cpu, features)
    if not machine.fma:
        name = f"{machine.triple} {machine.cpu}".rstrip()
        tell(coloured(f"warning: {name} has no fused multiply-add: products of matrices take {SOFTWARE_FMA}"))
    to = _output(model, output, stop_after)
    stop = stop_after or ("elaborate" if to is not None and to.suffix == ".fir" else "emit")
    _check_dump(dump_after, dump_dir, stop)
    request = Request(to, graph, dims, stop, weights, memory_limit)
    options = options_of(machine, threads=threads, weights=weights)
    watch = Watch(dump_after, dump_dir, len(NAMES[: NAMES.index(stop) + 1]))
    begin = time.perf_counter()
    with watch:
        module, written = _compiled(model, request, options, watch)
    elapsed = time.perf_counter() - begin
    report = _json_report if as_json else _report
    on_stdout = dump_after is None or dump_dir is not None
    report(module, [*written, *watch.written], watch.seconds if timed else {}, elapsed, say if on_stdout else tell)


def _output(model: str, output: Path | None, stop_after: str | None) -> Path | None:
    """Where to write; None where compiling stops before there is anything to write."""
    if output is None and stop_after not in (None, "emit"):
        return None
    if stop_after == "read" and output is not None:
        raise click.UsageError("--stop-after read leaves no IR to write; --dump-after read prints the program.")
    if output is None and model == "-":
        raise click.UsageError("Say with -o where to write what comes from the standard input.")
    to = output or Path(model).with_suffix(".o")
    if to.suffix == ".ptx":
        not_yet("code for GPUs, .ptx,")
    if to.suffix not in SUFFIXES:
        raise click.UsageError(f"There is no output of kind {to.suffix or to.name}: the suffixes are {', '.join(SUFFIXES)}.")
    if stop_after not in (None, "emit") and to.suffix != ".fir":
        raise click.UsageError(f"--stop-after {stop_after} leaves a text of the IR, which goes into a .fir file, not {to.name}.")
    if not to.parent.is_dir():
        raise click.UsageError(f"There is no folder {to.parent} to write {to.name} to.")
    return to


def _check_dump(after: str | None, folder: Path | None, stop: str) -> None:
    """Refuses dumps that would not come."""
    if folder is not None and after is None:
        raise click.UsageError("--dump-dir says where --dump-after writes: give it a stage, or all.")
    if after in NAMES and NAMES.index(after) > NAMES.index(stop):
        raise click.UsageError(f"There is nothing to dump after {after}: compiling stops after {stop}.")


def _compiled(model: str, request: Request, options: Options, watch: Watch) -> tuple[Module | None, list[Path]]:
    """The module after the last stage run, None where it was only read, and the files written."""
    given = source_of(model)
    source = given if given.path is None else replace(given, name=given.path.name)  # what is compiled does not depend on where it lies
    with named_as_given(source, given):
        if request.stop == "read":
            watch.read(source)
            return None, []
        module = _only(module_of(source, options, watch), request.graph, model)
        if model == "-" and request.output is not None:
            module = replace(module, name=request.output.stem)
        module = _lowered(module, request, options, watch)
        if request.stop == "emit":
            assert request.output is not None
            return module, _emitted(module, request, options, watch)
    if request.output is None:
        return module, []
    request.output.write_text(text_of(module), encoding="utf-8")
    return module, [request.output]


def _only(module: Module, graph: str | None, file: str) -> Module:
    """The module with one of its graphs."""
    if graph is None:
        return module
    graph_named(graphs_of(module), graph, file)
    others = [name for name in graphs_of(module) if name != graph]
    return replace(module, funcs=tuple(f for f in module.funcs if f.name not in others))


def _lowered(module: Module, request: Request, options: Options, watch: Watch) -> Module:
    """The module through the stages, without the last, which makes code."""
    from flowc.errors import OpError
    from flowc.stages import check_memory, compiled
    from flowc.transforms.specialise import specialise

    try:
        module = specialise(module, request.dims)
    except OpError as error:
        raise click.UsageError(f"{error}{': ' * bool(error.help)}{error.help}") from None
    if request.stop == "elaborate":
        return module
    module = compiled(module, options, watch.observe, stop=request.stop if request.stop != "emit" else "plan").module
    if request.stop in ("plan", "emit"):
        check_memory(module, request.limit)
    return module


def _emitted(module: Module, request: Request, options: Options, watch: Watch) -> list[Path]:
    """Writes what the suffix of the output names; gives the files."""
    from flowc.codegen.artifact import write
    from flowc.codegen.header import header
    from flowc.codegen.interface import interface

    assert request.output is not None and options.target is not None
    if watch.wants("emit"):
        from flowc.codegen.driver import emit

        watch.observe("emit", emit(module, options.target, request.place))
    if request.output.suffix == ".h":
        request.output.write_text(header(interface(module, request.place)), encoding="utf-8")
        written = [request.output]
    else:
        written = list(write(module, request.output, options.target, request.place))
    watch.lap("emit")
    return written


def _report(module: Module | None, written: Sequence[Path], seconds: dict[str, float], elapsed: float, say: Callable[[str], None]) -> None:
    """Says what was written, what each graph takes, how long it took."""
    for line in table([(str(path), bytes_text(path.stat().st_size)) for path in written]) if written else ():
        say(line)
    for graph, memory, launches in _graphs(module):
        number = bytes_text(memory) if isinstance(memory, int) else f"{_shown(memory)} bytes"
        say(f"{graph}: peak memory {number}, {launches} launch{'es' * (launches != 1)}")
    for line in table([(stage, seconds_text(took)) for stage, took in seconds.items()]) if seconds else ():
        say(line)
    say(f"compiled in {seconds_text(elapsed)}")


def _json_report(
    module: Module | None, written: Sequence[Path], seconds: dict[str, float], elapsed: float, say: Callable[[str], None]
) -> None:
    told = {
        "written": [{"path": str(path), "bytes": path.stat().st_size} for path in written],
        "graphs": [
            {"name": graph, "memory": memory if isinstance(memory, int) else _shown(memory), "launches": launches}
            for graph, memory, launches in _graphs(module)
        ],
        "seconds": elapsed,
    }
    say(json.dumps(told | ({"stages": seconds} if seconds else {}), indent=2, ensure_ascii=False))


def _shown(memory: Dim) -> str:
    from flowc.ir.dims import show

    return show(memory)


def _graphs(module: Module | None) -> list[tuple[str, Dim, int]]:
    """Name, peak memory and launches of each graph that is planned."""
    from flowc.ir.core import walk
    from flowc.ops.plan import Launch

    planned = [f for f in module.funcs if f.level == "plan"] if module is not None else []
    return [(f.name, f.body.params[-1].type.shape[0], sum(isinstance(op, Launch) for op in walk(f.body))) for f in planned]
