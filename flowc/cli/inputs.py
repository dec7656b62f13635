"""What commands are given: files and the standard input, programs in either text, options that several commands take."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowc.cli.stages import Watch, level_of

if TYPE_CHECKING:
    from flowc.ir.core import Module
    from flowc.options import Options
    from flowc.source import Source, Span
    from flowc.target import Target

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
DIM = "NAME=SIZE"
IR_HEAD = "// flowc ir "


def assignments(shape: str) -> Callable[[click.Context, click.Parameter, Sequence[str]], dict[str, str]]:
    """Reads options of the form `name=what`, which `shape` shows; a name given twice is wrong usage."""

    def read(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for text in given:
            name, _, what = text.partition("=")
            if not (name and what):
                raise click.BadParameter(f"{text} is not of the form {shape}", ctx, param)
            if name in found:
                raise click.BadParameter(f"{name} is given twice", ctx, param)
            found[name] = what
        return found

    return read


def _dims(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, int]:
    """Sizes by name."""
    found = assignments(DIM)(ctx, param, given)
    for name, size in found.items():
        if not size.isdecimal():
            raise click.BadParameter(f"{name} is a size, and {size} is none", ctx, param)
    return {name: int(size) for name, size in found.items()}


def _triple(ctx: click.Context, param: click.Parameter, given: str) -> str:
    """A target triple; `help` lists what there is."""
    if given == "help":
        from flowc.cli.targets import listing

        click.echo(listing())
        ctx.exit()
    return given


def target_options(command: F) -> F:
    """`--target --cpu --features`."""
    for option in (
        click.option("--features", default="", metavar="F", help="What it has and lacks: +avx2,-fma."),
        click.option("--cpu", default="", metavar="CPU", help="The CPU; by default this one, for another triple the usual one."),
        click.option(
            "--target", callback=_triple, default="", metavar="TRIPLE", help="The machine; by default this one. help lists them."
        ),
    ):
        command = option(command)
    return command


def dim_option(command: F) -> F:
    """`--dim N=32`, any number of times."""
    return click.option("--dim", "dims", callback=_dims, multiple=True, metavar=DIM, help="Fix a size of the program.")(command)


def feed_option(command: F) -> F:
    """`--feed x=VALUE`, any number of times."""
    shape, told = "NAME=VALUE", "An input: a.npy, b.npz:key, 0.5, [1,2]."
    return click.option("--feed", "feeds", callback=assignments(shape), multiple=True, metavar=shape, help=told)(command)


def threads_option(command: F) -> F:
    """`--threads`."""
    option = click.option(
        "--threads", type=click.IntRange(1), envvar="FLOWC_THREADS", metavar="N", help="Most threads of a run; FLOWC_THREADS says it too."
    )
    return option(command)


def json_option(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def cache_folder() -> Path | bool:
    """Where compiled code is kept: FLOWC_CACHE names a folder, and nothing is kept where it is empty; else the user's own."""
    folder = os.environ.get("FLOWC_CACHE")
    return True if folder is None else Path(folder) if folder else False


def options_of(target: Target | None = None, dims: Mapping[str, int] | None = None, **more: Any) -> Options:
    """The options of a compilation."""
    from flowc.options import Options

    return Options(dims=dims or {}, target=target, cache=cache_folder(), **more)


def bytes_of(file: str) -> bytes:
    """What is in a file, or the standard input."""
    if file != "-":
        return Path(file).read_bytes()
    with click.open_file("-", "rb") as stream:
        return stream.read()


def source_of(file: str) -> Source:
    """The text of a file, or of the standard input; raises `CompileError` where it is not UTF-8."""
    from flowc.lang.parse import decoded

    name = "<stdin>" if file == "-" else file
    return decoded(bytes_of(file), name, None if file == "-" else Path(file))


def is_ir(source: Source) -> bool:
    """Whether a text is the IR's rather than the language's."""
    return source.text.startswith(IR_HEAD) or source.name.endswith(".fir")


def ir_module(source: Source) -> Module:
    """The verified module of a text of the IR; raises `CompileError`."""
    from flowc.ir.parser import parse_module
    from flowc.ops.catalog import catalog
    from flowc.transforms.verify import verify

    catalog()
    return verify(parse_module(source.text, source.name))


def module_of(source: Source, options: Options | None, watch: Watch) -> Module:
    """The module of a program, which may be written as IR of level graph; raises `CompileError`."""
    if is_ir(source):
        module = _graph_level(source)
    else:
        from flowc.lang.elaborate import ElaborateOptions, elaborate
        from flowc.stages import without_collector

        with without_collector():
            program = watch.read(source)
            module = elaborate(program, source, ElaborateOptions(outside=bool(options and options.outside)))
    watch.observe("elaborate", module)
    return module


def _graph_level(source: Source) -> Module:
    from flowc.errors import CompileError, Diagnostic

    module = ir_module(source)
    if level_of(module) != "graph":
        message = f"{source.name} is IR of level {level_of(module)}; compiling begins with that of level graph"
        raise CompileError((Diagnostic(message, None, help="flowc opt takes it on from any stage"),))
    refuse_absent(module)
    return module


def refuse_absent(module: Module) -> None:
    """Raises `CompileError` for arrays of which a text has only the hash."""
    from flowc.errors import CompileError, Diagnostic
    from flowc.ir.core import walk
    from flowc.ops.plan import WeightData
    from flowc.ops.tensor import Weight

    ops = [op for f in module.funcs for op in walk(f.body) if isinstance(op, Weight | WeightData) and op.blob.load is None]
    help = "compile the program itself: the text of the IR holds no large arrays"
    wrong = [Diagnostic(f"the elements of {op.symbol} are not at hand, only their hash", op.location, help=help) for op in ops]
    if wrong:
        raise CompileError(wrong)


@contextmanager
def named_as_given(source: Source, given: Source) -> Generator[None]:
    """Errors about `source` name it as the user did."""
    from flowc.errors import CompileError

    def shown(span: Span | None) -> Span | None:
        return replace(span, source=given) if span is not None and span.source is source else span

    try:
        yield
    except CompileError as error:
        told = [
            replace(d, span=shown(d.span), notes=tuple(replace(n, span=shown(n.span)) for n in d.notes)) for d in error.diagnostics
        ]
        raise CompileError(told) from None


@contextmanager
def options_at_fault() -> Generator[None]:
    """Options that do not fit the program are wrong usage."""
    from flowc.errors import UsageError

    try:
        yield
    except UsageError as error:
        raise click.UsageError(str(error).removeprefix("error: ")) from None


def stdin_once(files: tuple[str, ...]) -> None:
    """Refuses the standard input named twice."""
    if sum(file == "-" for file in files) > 1:
        raise click.UsageError("- stands for the standard input, which can be read once.")


def graph_named(graphs: list[str], name: str | None, file: str) -> str:
    """The graph that is asked for, the only one where none is; anything else is wrong usage."""
    from flowc.errors import did_you_mean

    listed = ", ".join(graphs)
    if not graphs:
        raise click.UsageError(f"{file} has no graph.")
    if name is None and len(graphs) > 1:
        raise click.UsageError(f"Say which graph of {file}: {listed}.")
    if name is None:
        return graphs[0]
    if name not in graphs:
        raise click.UsageError(f"{file} has no graph {name}: {did_you_mean(name, graphs) or f'its graphs are {listed}'}")
    return name


def graphs_of(module: Module) -> list[str]:
    """The names of a module's graphs; that which writes first values of the state is none."""
    return [f.name for f in module.funcs if f.name != "init" or not module.states]
