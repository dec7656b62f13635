"""`flowc opt`: text of the IR through stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowc.cli.inputs import FILE, ir_module, refuse_absent, source_of, target_options
from flowc.cli.stages import NAMES, after, known_stage, level, level_of, stage_or, text_of
from flowc.cli.terminal import tell

if TYPE_CHECKING:
    from flowc.ir.core import Module, Op, Value
    from flowc.ir.rewrite import Found, Rule


@click.command("opt")
@click.argument("file", type=FILE)
@click.option("--from", "origin", callback=stage_or(), metavar="STAGE", help="The stage that left the text; else as its level says.")
@click.option("--run", "wanted", metavar="A,B,C", default="", help="The stages to run.")
@click.option("--trace-laws", is_flag=True, help="Tell on stderr each use of a law, as law: before -> after.")
@target_options
def opt_command(file: str, origin: str | None, wanted: str, trace_laws: bool, target: str, cpu: str, features: str) -> None:
    """Take text of the IR through stages.

    Without --run it is only read, verified and printed.
    """
    from flowc.cli.targets import chosen

    stages = [_stage(name.strip()) for name in wanted.split(",") if name.strip()]
    machine = chosen(target, cpu, features)
    module = ir_module(source_of(file))
    _check_order(module, file, origin, stages)
    if trace_laws and "simplify" in stages:
        from flowc.transforms.simplify import simplify

        at = stages.index("simplify")
        module = after(module, stages[:at], machine)
        simplify(module, _told)
        stages = stages[at:]
    module = after(module, [stage for stage in stages if stage != "emit"], machine)
    if "emit" in stages:
        from flowc.codegen.driver import emit

        refuse_absent(module)
        click.echo(emit(module, machine), nl=False)
    else:
        click.echo(text_of(module), nl=False)


def _stage(name: str) -> str:
    stage = known_stage(name)
    if stage in ("read", "elaborate"):
        raise click.UsageError(f"{stage} takes a program; flowc opt takes text of the IR.")
    return stage


def _check_order(module: Module, file: str, origin: str | None, stages: list[str]) -> None:
    """Refuses an origin that the text does not come from, and stages that do not follow it in order."""
    own = level_of(module)
    if origin is not None and level(origin) != own:
        raise click.UsageError(f"{file} is of level {own}; {origin} leaves the level {level(origin)}.")
    begin = origin or {"graph": "elaborate", "kernel": "fuse", "loops": "schedule", "plan": "plan"}[own]
    for before, stage in zip([begin, *stages], stages, strict=False):
        if level(before) != _takes(stage):
            raise click.UsageError(f"{stage} takes the level {_takes(stage)}, and {before} leaves the level {level(before)}.")
        if NAMES.index(stage) <= NAMES.index(before) and stage != before:
            raise click.UsageError(f"{stage} comes before {before}.")


def _takes(stage: str) -> str:
    """The level that a stage takes."""
    return level(NAMES[NAMES.index(stage) - 1])


def _told(rule: Rule, op: Op, found: Found) -> None:
    after = ", ".join(map(_term, found)) if isinstance(found, tuple) else _term(found) if found is not None else ""
    tell(f"{rule.__name__}: {_op_term(op, 2)} -> {after}")


def _term(value: Value, depth: int = 2) -> str:
    """A value as a term: what is behind its name is shown to a depth."""
    from flowc.ops.tensor import Constant

    if isinstance(value.op, Constant):
        return str(value.op.value)
    if value.op is None or not depth:
        return value.hint or (value.op.name if value.op is not None else "?")
    return _op_term(value.op, depth)


def _op_term(op: Op, depth: int) -> str:
    from flowc.ir.dims import show
    from flowc.ir.printer import operand_texts

    parts = operand_texts(op, lambda v: _term(v, depth - 1), show)
    parts += [f"{name}={_attribute(value)}" for name, value in op.attributes.items() if op.defaults.get(name, ...) != value]
    return f"{op.name}({', '.join(parts)})"


def _attribute(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType]
