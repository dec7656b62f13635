"""The main road: a module through every stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowc.ir.core import Module
from flowc.target import Target
from flowc.transforms.fuse import fuse
from flowc.transforms.plan import plan
from flowc.transforms.schedule import schedule
from flowc.transforms.simplify import simplify


@dataclass(frozen=True)
class Stage:
    """A named step; `run` takes the module of the step before."""

    name: str
    run: Callable[[Module, Target], Module]


STAGES = (
    Stage("simplify", lambda module, _: simplify(module)),
    Stage("fuse", lambda module, _: fuse(module)),
    Stage("schedule", schedule),
    Stage("plan", lambda module, _: plan(module)),
)
