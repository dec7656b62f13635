"""`flowc run`: a graph on arrays from files and the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from flowc.cli.arrays import fed, json_of, line_of, write_array
from flowc.cli.inputs import (
    FILE,
    Assignment,
    dim_option,
    graph_named,
    graphs_of,
    is_ir,
    json_option,
    module_of,
    options_of,
    source_of,
    threads_option,
)
from flowc.cli.stages import Watch
from flowc.cli.terminal import Progress, say
from flowc.errors import Error, UsageError, did_you_mean

if TYPE_CHECKING:
    from flowc.executable import Linked
    from flowc.ir.core import Module
    from flowc.options import Options
    from flowc.source import Source
    from flowc_runtime.signature import Signature

Array = np.ndarray[Any, Any]
WRITTEN: click.Path = click.Path(dir_okay=False, path_type=Path)
THERE: click.Path = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("run")
@click.argument("model", type=FILE)
@click.argument("graph", required=False)
@click.option("--feed", "feeds", type=Assignment("NAME=VALUE"), multiple=True, help="An input: a.npy, b.npz:key, 0.5, [1,2].")
@click.option("--fetch", "fetches", multiple=True, metavar="NAME", help="A value inside the graph, printed beside the results.")
@click.option("--out", "outs", type=Assignment("NAME=FILE.npy"), multiple=True, help="Write a result to a file.")
@click.option("--check-nan", is_flag=True, help="End with an error at the first value that is not a number.")
@click.option("--save", type=WRITTEN, metavar="FILE", help="Write params and states, as .safetensors.")
@click.option("--load", type=THERE, metavar="FILE", help="Begin with its params and states.")
@click.option("--repeat", type=click.IntRange(1), default=1, metavar="N", help="Run so often; states go on.")
@dim_option
@threads_option
@json_option
def run_command(
    model: str, graph: str | None, feeds: tuple[tuple[str, str], ...], fetches: tuple[str, ...], outs: tuple[tuple[str, str], ...],
    check_nan: bool, save: Path | None, load: Path | None, repeat: int, dims: tuple[tuple[str, str], ...], threads: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Compile a program in memory, run one of its graphs, print the results."""
    source, options = source_of(model), options_of(None, dims, threads=threads)
    module = None
    with Watch() as watch:
        if fetches or check_nan or is_ir(source):
            module = module_of(source, options, watch)
            graph = graph_named(graphs_of(module), graph, model)
            module = fetching(module, graph, fetches) if fetches else module
            program = _linked(source, module, options, watch)
        else:
            program = _kept(source, graph, options, watch)
    signature = _signature(program, graph, model)
    inputs = _inputs(signature, feeds)
    results = [port.name for port in signature.outputs]
    for what, _ in outs:
        if what not in results:
            near = did_you_mean(what, results)
            raise click.UsageError(f"{signature.name} gives no {what}: {near or 'it gives ' + ', '.join(results)}")
    if load is not None:
        from flowc.checkpoint import restore

        restore((program.model.params, program.model.state), load)
    before = {**program.model.params, **program.model.state}
    before = {key: array.copy() for key, array in before.items()} if check_nan else {}
    arrays = _repeated(program, signature, inputs, repeat)
    if check_nan and module is not None:
        from flowc.cli.nan import refuse_nan

        refuse_nan(module.func(signature.name), inputs, before, {**arrays, **program.model.params, **program.model.state}, repeat)
    for what, file in outs:
        write_array(arrays[what], Path(file))
    if save is not None:
        from flowc.checkpoint import save as written

        written({**program.model.params, **program.model.state}, save)
    if as_json:
        say(json.dumps({what: json_of(array) for what, array in arrays.items()}, indent=2, ensure_ascii=False))
        return
    for what, array in arrays.items():
        say(line_of(what, array))


def fetching(module: Module, graph: str, fetches: Sequence[str]) -> Module:
    """The module whose graph also gives the values of these names; one that is no value of the graph is wrong usage."""
    fn = module.func(graph)
    outputs = list(fn.outputs) or [r.hint for r in fn.body.results]
    values = {v.hint: v for v in (*fn.body.params, *(r for op in fn.body.ops for r in op.results)) if v.hint}
    more = [name for name in dict.fromkeys(fetches) if name not in outputs]
    for name in more:
        if name not in values:
            near = did_you_mean(name, values)
            raise click.UsageError(f"{graph} has no value {name}: {near or 'its values are ' + ', '.join(values)}")
    block = replace(fn.body, results=(*fn.body.results, *(values[name] for name in more)))
    fetched = replace(fn, body=block, outputs=(*outputs, *more))
    return replace(module, funcs=tuple(fetched if f is fn else f for f in module.funcs))


def _kept(source: Source, graph: str | None, options: Options, watch: Watch) -> Linked:
    """The program as native code, from the cache where it is there."""
    from flowc.model import Model

    watch.journal.observe("source", source.text)
    model = Model(source, options, watch.observe)
    graph_named(list(model.graphs), graph, source.name)
    return model.linked


def _linked(source: Source, module: Module, options: Options, watch: Watch) -> Linked:
    """A module as native code."""
    from flowc.stages import compiled
    from flowc.executable import linked

    return linked(compiled(module, options, watch.observe), options.threads, {source.name: source})


def _signature(program: Linked, graph: str | None, file: str) -> Signature:
    """The graph that runs."""
    graphs = {signature.name: signature for signature in program.description.graphs}
    return graphs[graph_named(list(graphs), graph, file)]


def _inputs(signature: Signature, feeds: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What each input is given; inputs without a feed, and feeds without an input, are wrong usage."""
    ports = {port.name: port for port in signature.inputs}
    for name, _ in feeds:
        if name not in ports:
            near = did_you_mean(name, ports)
            raise click.UsageError(f"{signature.name} has no input {name}: {near or 'its inputs are ' + (', '.join(ports) or 'none')}")
    if missing := [f"{name}: {port}" for name, port in ports.items() if name not in dict(feeds)]:
        raise click.UsageError(f"{signature.name} takes {' and '.join(missing)}: give it with --feed.")
    return {name: fed(name, what) for name, what in feeds}


def _repeated(program: Linked, signature: Signature, inputs: Mapping[str, Any], times: int) -> dict[str, Array]:
    """The results of the last of so many runs, by name."""
    call = getattr(program.model, signature.name)
    given: Any = None
    with Progress(times, "runs") as progress:
        for n in range(times):
            progress.at(n)
            try:
                given = call(**inputs)
            except UsageError as error:
                raise Error(error.diagnostics) from None
    names = [port.name for port in signature.outputs]
    results = [given] if len(names) == 1 else list(given or ())
    return {name: np.asarray(array) for name, array in zip(names, results, strict=True)}
