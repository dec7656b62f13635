"""`flowc run`: a graph on arrays from files and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from flowc.cli.arrays import fed, json_of, line_of, whole, write_array
from flowc.cli.inputs import (
    FILE,
    assignments,
    dim_option,
    feed_option,
    graph_named,
    graphs_of,
    is_ir,
    json_option,
    module_of,
    options_at_fault,
    options_of,
    source_of,
    threads_option,
)
from flowc.cli.stages import Watch
from flowc.cli.terminal import Progress, say, tell
from flowc.errors import Error, UsageError, did_you_mean

if TYPE_CHECKING:
    from flowc.executable import Linked
    from flowc.ir.core import Module
    from flowc.options import Options
    from flowc.source import Source
    from flowc_runtime.signature import Signature

Array = np.ndarray[Any, Any]
LINES = 10  # that tell of a training
FEWEST = 20  # runs that are one
OUT = "NAME=FILE.npy"
WRITTEN: click.Path = click.Path(dir_okay=False, path_type=Path)
THERE: click.Path = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("run")
@click.argument("model", type=FILE)
@click.argument("graph", required=False)
@feed_option
@click.option("--fetch", "fetches", multiple=True, metavar="NAME", help="A value inside the graph, printed beside the results.")
@click.option("--out", "outs", callback=assignments(OUT), multiple=True, metavar=OUT, help="Write a result to a file.")
@click.option("--check-nan", is_flag=True, help="End with an error at the first value that is not a number.")
@click.option("--save", type=WRITTEN, metavar="FILE", help="Write params and states, as .safetensors.")
@click.option("--load", type=THERE, metavar="FILE", help="Begin with its params and states.")
@click.option("--repeat", type=click.IntRange(1), default=1, metavar="N", help="Run so often; states go on, scalars are told.")
@dim_option
@threads_option
@json_option
def run_command(
    model: str, graph: str | None, feeds: dict[str, str], fetches: tuple[str, ...], outs: dict[str, str],
    check_nan: bool, save: Path | None, load: Path | None, repeat: int, dims: dict[str, int], threads: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run a graph and print its results."""
    source, options = source_of(model), options_of(None, dims, threads=threads)
    program, module, name = _program(source, graph, options, fetches, check_nan)
    signature = next(s for s in program.description.graphs if s.name == name)
    results = list(module.func(name).outputs) if module is not None else []
    results = results or [port.name for port in signature.outputs]
    inputs = _inputs(signature, feeds)
    _check_outs(name, results, outs)
    kept = (program.model.params, program.model.state)
    if load is not None:
        from flowc.checkpoint import restore

        restore(kept, load)
    before = {key: array.copy() for part in kept for key, array in part.items()} if check_nan else {}
    arrays = _repeated(program.model[name], inputs, results, repeat, signature.stateful)
    if check_nan and module is not None:
        from flowc.cli.nan import refuse_nan

        refuse_nan(module.func(name), inputs, before, {**arrays, **kept[0], **kept[1]}, repeat)
    for what, file in outs.items():
        write_array(arrays[what], Path(file))
    if save is not None:
        from flowc import checkpoint

        checkpoint.save({**kept[0], **kept[1]}, save)
    if as_json:
        say(json.dumps({what: json_of(array) for what, array in arrays.items()}, indent=2, ensure_ascii=False))
    else:
        for what, array in arrays.items():
            say(line_of(what, array))


def _program(
    source: Source, graph: str | None, options: Options, fetches: Sequence[str], looked_into: bool
) -> tuple[Linked, Module | None, str]:
    """The program as native code, its module where values inside it are asked for, and the name of the graph that runs.

    Code comes from the cache where the program is that of the text.
    """
    with Watch() as watch, options_at_fault():
        if not (fetches or looked_into or is_ir(source)):
            from flowc.model import Model

            watch.journal.observe("source", source.text)
            model = Model(source, options, watch.observe)
            return model.linked, None, graph_named(list(model.graphs), graph, source.name)
        from flowc.executable import linked
        from flowc.stages import compiled

        module = module_of(source, options, watch)
        name = graph_named(graphs_of(module), graph, source.name)
        module = fetching(module, name, fetches) if fetches else module
        return linked(compiled(module, options, watch.observe), options.threads), module, name


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


def _inputs(signature: Signature, feeds: Mapping[str, str]) -> dict[str, Any]:
    """What each input is given; inputs without a feed, and feeds without an input, are wrong usage."""
    ports = {port.name: port for port in signature.inputs}
    for name in feeds:
        if name not in ports:
            near = did_you_mean(name, ports)
            raise click.UsageError(f"{signature.name} has no input {name}: {near or 'its inputs are ' + (', '.join(ports) or 'none')}")
    if missing := [f"{name}: {port}" for name, port in ports.items() if name not in feeds]:
        raise click.UsageError(f"{signature.name} takes {' and '.join(missing)}: give it with --feed.")
    return {name: fed(name, what) for name, what in feeds.items()}


def _check_outs(graph: str, results: Sequence[str], outs: Mapping[str, str]) -> None:
    """Refuses files for results that there are none of."""
    for name in outs:
        if name not in results:
            near = did_you_mean(name, results)
            raise click.UsageError(f"{graph} gives no {name}: {near or 'it gives ' + (', '.join(results) or 'nothing')}")


def _repeated(call: Callable[..., Any], inputs: Mapping[str, Any], results: Sequence[str], times: int, trains: bool) -> dict[str, Array]:
    """The results of the last of so many runs, by name.

    Where a run `trains`, that is has states, its scalars are told on the way: on a terminal in the bar, else on a few lines of stderr.
    """
    given: Any = None
    told, what = trains and times >= FEWEST, ""
    with Progress(times, "runs") as progress:
        for n in range(times):
            if told and progress.painter and n % (times // 100 + 1) == 0:
                what = scalars_of(given, results)
            progress.at(n, what)
            try:
                given = call(**inputs)
            except UsageError as error:
                raise Error(error.diagnostics) from None
            if told and not progress.painter and (n + 1) * LINES // times > n * LINES // times:
                tell(f"run {n + 1}/{times}: {scalars_of(given, results)}")
    return dict(zip(results, map(np.asarray, _listed(given, results)), strict=True))


def scalars_of(given: Any, results: Sequence[str]) -> str:
    """The results of a run that are scalars: `loss 0.25, step 7`."""
    arrays = {name: np.asarray(x) for name, x in zip(results, _listed(given, results), strict=True)} if given is not None else {}
    return ", ".join(f"{name} {whole(x)}" for name, x in arrays.items() if not x.ndim)


def _listed(given: Any, results: Sequence[str]) -> list[Any]:
    return [given] if len(results) == 1 else list(given or ())
