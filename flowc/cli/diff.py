"""`flowc diff`: what differs between two programs, or between stages of one, in their structure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

import click

from flowc.cli.failures import Failed
from flowc.cli.inputs import ir_module, is_ir, json_option, module_of, options_of, source_of, stdin_once
from flowc.cli.stages import NAMES, Watch, known_stage, stage_or
from flowc.cli.terminal import say
from flowc.ir.core import Func, Module
from flowc.ir.printer import print_func

CONTEXT = 2  # lines around a difference
COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--stage", callback=stage_or(), metavar="STAGE", help="The stage of programs that do not say one.")
@json_option
def diff_command(a: str, b: str, stage: str | None, as_json: bool) -> None:
    """Compare programs or texts of the IR.

    model.flow@STAGE is a program at a stage.  Names of values, layout and comments do not count.  Exit status: 0 equal, 3 different.
    """
    stdin_once((a, b))
    first, second = (_module(given, stage or "elaborate") for given in (a, b))
    told = differences(first, second)
    if as_json:
        say(json.dumps({"equal": not told, "differences": told}, indent=2, ensure_ascii=False))
    else:
        for what, lines in told.items():
            say(f"{what}:")
            for line in lines:
                say(click.style(line, fg=COLOURS[line[0]]) if line[0] in COLOURS else line)
    if told:
        raise Failed


def _module(given: str, stage: str) -> Module:
    """What is named: a file, or a file at a stage; a missing one is wrong usage."""
    file, at, own = given.rpartition("@")
    if not at or given == "-" or Path(given).exists():
        file = given
    else:
        stage = known_stage(own)
    if file != "-" and not Path(file).is_file():
        raise click.UsageError(f"There is no file {file}.")
    if stage in ("read", "emit"):
        raise click.UsageError(f"{stage} leaves no IR to compare: the stages are {', '.join(NAMES[1:-1])}.")
    source = source_of(file)
    if is_ir(source):
        if file != given:
            raise click.UsageError(f"{file} is text of the IR: flowc opt takes it to another stage.")
        return ir_module(source)
    options = options_of()
    module = module_of(source, options, watch := Watch())
    if stage == "elaborate":
        return module
    from flowc.stages import compiled

    return compiled(module, options, watch.observe, stop=stage).module


def differences(a: Module, b: Module) -> dict[str, list[str]]:
    """What differs, part by part, as lines that begin with + or -; nothing where the modules are equal but for names of values."""
    told: dict[str, list[str]] = {}
    states = [{s.name: f"{s.type} {s.kind}" for s in module.states} for module in (a, b)]
    for name in _union(*states):
        one, other = (side.get(name) for side in states)
        if one != other:
            told[f"state {name}"] = [f"- {one}"] * (one is not None) + [f"+ {other}"] * (other is not None)
    funcs = [{f.name: f for f in module.funcs} for module in (a, b)]
    for name in _union(*funcs):
        if lines := _func(*(side.get(name) for side in funcs)):
            told[f"func {name}"] = lines
    return told


def _union(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _func(one: Func | None, other: Func | None) -> list[str]:
    if one is not None and other is not None and print_func(one, anonymous=True) == print_func(other, anonymous=True):
        return []
    before, after = (print_func(f).splitlines() if f is not None else [] for f in (one, other))
    lines = difflib.unified_diff(before, after, lineterm="", n=CONTEXT)
    return [line for line in lines if not line.startswith(("---", "+++"))]
