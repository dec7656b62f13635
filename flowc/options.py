"""What a user may ask of a compilation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowc.target import Target


@dataclass(frozen=True)
class Options:
    """How to compile.  None of it but `precision` changes a bit of a result.

    threads: most threads a run uses; None is what the process may use.
    dims: sizes fixed at compile time, by name.
    memory_limit: bytes of workspace above which compiling is refused.
    weights: "inside" the artefact or "separate", passed by the caller.
    cache: where compiled objects are kept; None is not kept.
    target: None is this machine.
    """

    threads: int | None = None
    dims: Mapping[str, int] = field(default_factory=dict[str, int])
    precision: str = "strict"
    memory_limit: int | None = None
    weights: str = "inside"
    cache: Path | None = None
    target: Target | None = None
