"""`flowc bench`: how long calls of a graph take, and how near that is to what the machine can do."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from flowc.cli.failures import not_yet
from flowc.cli.inputs import FILE, dim_option, feed_option, graph_named, graphs_of, json_option, module_of, options_of, source_of
from flowc.cli.stages import Watch
from flowc.cli.terminal import Progress, say, seconds_text

if TYPE_CHECKING:
    from flowc.cli.speed import Work
    from flowc.ir.core import Module
    from flowc.source import Source
    from flowc.stages import Compiled
    from flowc_runtime.signature import Signature

SAMPLES = 15
SAMPLE = 0.02  # seconds a sample lasts at least
LONG = 1.0  # seconds of a call of which fewer samples are enough
FEW = 3


def _threads(ctx: click.Context, param: click.Parameter, given: str | None) -> tuple[int, ...] | None:
    """Numbers of threads."""
    parts = given.split(",") if given is not None else []
    if not all(part.isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"{given} is no list of numbers of threads, as 1,2", ctx, param)
    return tuple(map(int, parts)) or None


@dataclass(frozen=True)
class Speed:
    """Of calls with so many threads: seconds, and what the machine can do with as many."""

    threads: int
    samples: tuple[float, ...]
    calls: int
    peak_flops: float  # a second, of f32
    peak_bytes: float  # a second, copied

    @property
    def seconds(self) -> float:
        return statistics.median(self.samples)


@click.command("bench")
@click.argument("model", type=FILE)
@click.argument("graph")
@dim_option
@feed_option
@click.option("--threads", callback=_threads, envvar="FLOWC_THREADS", metavar="1,2", help="Numbers of threads to measure.")
@click.option("--profile", is_flag=True, help="A table of the kernels (not there yet).")
@click.option("-o", "--output", metavar="T.json", help="A trace for Chrome, with --profile (not there yet).")
@json_option
def bench_command(
    model: str, graph: str, dims: dict[str, int], feeds: dict[str, str], threads: tuple[int, ...] | None,
    profile: bool, output: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure calls of a graph.

    The code is that for all sizes; --dim says those of the inputs, which hold floats in [0, 1), 0 or false where they are not fed.
    A multiply-add counts as two operations, any other op on floats as one; bytes are those that kernels read and write, each once.
    """
    from flowc_runtime.processors import available_threads

    if profile or output is not None:
        not_yet("flowc bench --profile")
    speeds, total = _measured(model, graph, dims, feeds, threads or (available_threads(),))
    if as_json:
        say(json.dumps([_described(speed, total) for speed in speeds], indent=2))
        return
    for speed in speeds:
        say(_line(speed, total))


def _measured(
    file: str, graph: str, dims: dict[str, int], feeds: Mapping[str, str], threads: Sequence[int]
) -> tuple[list[Speed], Work]:
    """How fast the graph is with each number of threads, and what a call does."""
    from flowc.cli.speed import peaks, work
    from flowc.executable import linked

    source = source_of(file)
    made, fused = _compiled(source, graph)
    programs = [linked(made, count) for count in threads]
    signature = next(s for s in programs[0].description.graphs if s.name == graph)
    sizes = _sizes(signature, dims)
    inputs = _inputs(signature, sizes, feeds)
    speeds: list[Speed] = []
    with Progress(len(threads) * SAMPLES, "samples") as progress:
        for n, (count, program) in enumerate(zip(threads, programs, strict=True)):
            call = program.model[graph]
            samples, calls = _samples(lambda call=call: call(*inputs), lambda done, n=n: progress.at(n * SAMPLES + done))
            speeds.append(Speed(count, samples, calls, *peaks(count)))
    return speeds, work(fused.func(graph), sizes)


def _compiled(source: Source, graph: str) -> tuple[Compiled, Module]:
    """The program as native code, and as kernels."""
    from flowc.ir.core import Module
    from flowc.stages import compiled

    left: dict[str, Module] = {}

    def observe(stage: str, what: Module | str) -> None:
        watch.observe(stage, what)
        if isinstance(what, Module):
            left[stage] = what

    options = options_of()
    with Watch() as watch:
        module = module_of(source, options, watch)
        graph_named(graphs_of(module), graph, source.name)
        return compiled(module, options, observe), left["fuse"]


def _sizes(signature: Signature, given: dict[str, int]) -> dict[str, int]:
    """Every size of the graph; one that is not said, or that it does not have, is wrong usage."""
    known = [size.name for size in signature.sizes]
    if unknown := [name for name in given if name not in known]:
        raise click.UsageError(f"{signature.name} has no size {unknown[0]}: its sizes are {', '.join(known) or 'none'}")
    if missing := [name for name in known if name not in given]:
        raise click.UsageError(f"Say the sizes of {signature.name}: {' '.join(f'--dim {name}=...' for name in missing)}.")
    return given


def _inputs(signature: Signature, sizes: Mapping[str, int], feeds: Mapping[str, str]) -> list[Any]:
    """What each input is: what it is fed, else floats in [0, 1), 0 and false."""
    import numpy as np

    from flowc.cli.arrays import fed
    from flowc_runtime.dtypes import numpy_dtype

    generator = np.random.default_rng(1)
    found: list[Any] = []
    for port in signature.inputs:
        dtype, shape = numpy_dtype(port.dtype), tuple(d.value(sizes) for d in port.shape)
        if port.name in feeds:
            found.append(fed(port.name, feeds[port.name]))
        else:
            found.append(generator.random(shape).astype(dtype) if dtype.kind not in "biu" else np.zeros(shape, dtype))
    return found


def _samples(call: Callable[[], object], done: Callable[[int], None]) -> tuple[tuple[float, ...], int]:
    """Seconds a call, of each sample, and the calls of a sample."""
    call()
    begin = time.perf_counter()
    call()
    once = time.perf_counter() - begin
    calls = max(1, round(SAMPLE / max(once, 1e-7)))
    found: list[float] = []
    for n in range(FEW if once > LONG else SAMPLES):
        done(n)
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - begin) / calls)
    return tuple(found), calls


def _line(speed: Speed, total: Work) -> str:
    flops, moved = total.flops / speed.seconds, total.bytes / speed.seconds
    if total.known:
        computed = f"{_billions(flops)} GFLOP/s ({flops / speed.peak_flops:.0%} of {_billions(speed.peak_flops)} measured)"
        rates = f"{computed}, {_billions(moved)} GB/s ({moved / speed.peak_bytes:.0%} of {_billions(speed.peak_bytes)} copied)"
    else:
        rates = "rates not known: a loop or a branch depends on data"
    spread = f"{seconds_text(min(speed.samples))} to {seconds_text(max(speed.samples))}"
    threads = f"{speed.threads} thread{'s' * (speed.threads != 1)}"
    return f"{threads}: {seconds_text(speed.seconds)} a call ({spread}), {rates}"


def _billions(number: float) -> str:
    return f"{number / 1e9:.3g}" if number < 1e12 else f"{number / 1e9:,.0f}"


def _described(speed: Speed, total: Work) -> dict[str, Any]:
    rates = {"flops": total.flops, "bytes": total.bytes} if total.known else {}
    return {
        "threads": speed.threads,
        "seconds": speed.seconds,
        "samples": list(speed.samples),
        "calls_of_a_sample": speed.calls,
        **rates,
        "peak_flops_per_second": speed.peak_flops,
        "peak_bytes_per_second": speed.peak_bytes,
    }
