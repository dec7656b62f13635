"""Stages by name, what they leave as text, and texts of the IR between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

from flowc.cli.failures import journal
from flowc.cli.terminal import Progress
from flowc.errors import did_you_mean

if TYPE_CHECKING:
    from flowc.ir.core import Module
    from flowc.lang import ast
    from flowc.source import Source
    from flowc.target import Target

NAMES = ("read", "elaborate", "simplify", "place", "layout", "fuse", "schedule", "plan", "emit")
LEVELS = {"read": "flow", "fuse": "kernel", "schedule": "loops", "plan": "plan", "emit": "llvm"}  # of what they leave; else graph
SUFFIXES = {"source": ".flow", "read": ".flow", "emit": ".ll"}  # else .fir


def known_stage(name: str, *others: str) -> str:
    """`name` where it is a stage or one of `others`; anything else is wrong usage."""
    known = (*NAMES, *others)
    if name not in known:
        raise click.BadParameter(f"there is no stage {name}: {did_you_mean(name, known) or 'they are ' + ', '.join(known)}")
    return name


def stage_or(*others: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Reads an option that is a stage or one of `others`."""
    return lambda ctx, param, given: None if given is None else known_stage(given, *others)


def level(stage: str) -> str:
    """The level of what a stage leaves."""
    return LEVELS.get(stage, "graph")


def file_name(stage: str) -> str:
    """The file of a stage in a folder of them: its number and its name; the text as it was given is number 0."""
    return f"{1 + NAMES.index(stage) if stage in NAMES else 0:02}-{stage}{SUFFIXES.get(stage, '.fir')}"


def text_of(what: Module | str) -> str:
    """What a stage left, as text."""
    if isinstance(what, str):
        return what
    from flowc.ir.printer import print_module

    return print_module(what)


def level_of(module: Module) -> str:
    """The level of a module: the lowest of its functions'."""
    order = ("graph", "kernel", "loops", "plan")
    return max((f.level for f in module.funcs if f.level in order), key=order.index, default="graph")


def after(module: Module, stages: list[str], target: Target) -> Module:
    """The module after `stages`, verified after each."""
    from flowc.stages import STAGES
    from flowc.transforms.verify import verify

    steps = {stage.name: stage for stage in STAGES}
    for name in stages:
        module = verify(steps[name].run(module, target))
        journal().observe(name, module)
    return module


class Watch:
    """Follows a program through the stages: keeps the journal, shows progress, takes times, dumps texts."""

    def __init__(self, dump: str | None = None, folder: Path | None = None, stages: int = len(NAMES)) -> None:
        self.dump, self.folder = dump, folder
        self.journal = journal()
        self.progress = Progress(stages, "stages")
        self.seconds: dict[str, float] = {}
        self.written: list[Path] = []
        self.last = ""
        self.since = time.perf_counter()

    def __enter__(self) -> Watch:
        self.progress.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.__exit__(kind, error, trace)

    def read(self, source: Source) -> ast.Program:
        """The tree of a text, which is the first stage; raises `CompileError`."""
        from flowc.lang.format import format
        from flowc.lang.parse import parse

        self.journal.observe("source", source.text)
        program = parse(source)
        self.observe("read", format(source) if self.wants("read") else source.text)
        return program

    def observe(self, stage: str, what: Module | str) -> None:
        """A stage is done, and this is what it left."""
        self.lap(stage)
        self.journal.observe(stage, what)
        if self.wants(stage):
            self._dump(stage, text_of(what))
        self.since = time.perf_counter()
        done = NAMES.index(stage) + 1
        self.progress.at(done, NAMES[done] if done < len(NAMES) else "")

    def lap(self, stage: str) -> None:
        """The time since the last stage was that of `stage`."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.since
        self.since = now

    def wants(self, stage: str) -> bool:
        """Whether the text after a stage is dumped."""
        return self.dump in (stage, "all")

    def _dump(self, stage: str, text: str) -> None:
        if self.dump == "all" and text == self.last:
            return
        self.last = text
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / file_name(stage)
            path.write_text(text, encoding="utf-8")
            self.written.append(path)
            return
        mark = {"read": "#", "emit": ";"}.get(stage, "//")
        click.echo(f"{mark} after {stage}\n{text}" if self.dump == "all" else text, nl=self.dump == "all")
