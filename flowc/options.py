"""What a user may ask of a compilation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowc.target import Target


@dataclass(frozen=True)
class Options:
    """How to compile.  None of it but `precision` changes a bit of a result.

    threads: most threads a run uses, the caller among them; None is what the process may use.
    dims: sizes fixed at compile time, by name.
    precision: "strict"; other orders of summation are not there yet.
    memory_limit: bytes of workspace above which compiling is refused.
    weights: "inside" an artefact or "separate", passed by its caller.
    cache: the folder where compiled code is kept; True is this user's own, False keeps nothing.
    target: None is this machine.
    outside: whether files that a program imports may lie outside its folder.
    """

    threads: int | None = None
    dims: Mapping[str, int] = field(default_factory=dict[str, int])
    precision: str = "strict"
    memory_limit: int | None = None
    weights: str = "inside"
    cache: Path | bool = True
    target: Target | None = None
    outside: bool = False
