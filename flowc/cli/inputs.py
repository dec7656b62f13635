"""What commands are given: files and the standard input, programs in either text, options that several commands take."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
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
IR_HEAD = "// flowc ir "


class Assignment(click.ParamType[tuple[str, str]]):
    """`name=what`."""

    name = "assignment"

    def __init__(self, shape: str) -> None:
        self.shape = shape

    def convert(self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, what = value.partition("=")
        if not (name and equals and what):
            self.fail(f"{value} is not of the form {self.shape}", param, ctx)
        return name, what

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.shape


class Dim(Assignment):
    """`N=32`."""

    name = "size"

    def __init__(self) -> None:
        super().__init__("NAME=SIZE")

    def convert(self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, size = super().convert(value, param, ctx)
        if not size.isdecimal():
            self.fail(f"{name} is a size, and {size} is none", param, ctx)
        return name, size


class Triple(click.ParamType[str]):
    """A target triple; `help` lists what there is."""

    name = "triple"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from flowc.cli.targets import listing

        if value == "help":
            click.echo(listing())
            click.get_current_context().exit()
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "TRIPLE"


def target_options(command: F) -> F:
    """`--target --cpu --features`."""
    for option in (
        click.option("--features", default="", metavar="F", help="What it has and lacks: +avx2,-fma."),
        click.option("--cpu", default="", metavar="CPU", help="The CPU; by default this one, for another triple the usual one."),
        click.option("--target", type=Triple(), default="", help="The machine to compile for; by default this one. `help` lists them."),
    ):
        command = option(command)
    return command


def dim_option(command: F) -> F:
    """`--dim N=32`, any number of times."""
    return click.option("--dim", "dims", type=Dim(), multiple=True, help="Fix a size of the program.")(command)


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


def options_of(target: Target | None = None, dims: tuple[tuple[str, str], ...] = (), **more: Any) -> Options:
    """The options of a compilation."""
    from flowc.options import Options

    return Options(dims={name: int(size) for name, size in dims}, target=target, cache=cache_folder(), **more)


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

    listed = ", ".join(graphs) or "none"
    if name is None and len(graphs) != 1:
        raise click.UsageError(f"Say which graph of {file}: {listed}." if graphs else f"{file} has no graph.")
    if name is None:
        return graphs[0]
    if name not in graphs:
        raise click.UsageError(f"{file} has no graph {name}: {did_you_mean(name, graphs) or f'its graphs are {listed}'}")
    return name


def graphs_of(module: Module) -> list[str]:
    """The names of a module's graphs; that which writes first values of the state is none."""
    return [f.name for f in module.funcs if f.name != "init" or not module.states]
