"""What goes wrong in a call."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from flowc_runtime.abi import Failure


class Error(ValueError):
    """A call that its caller can mend: a wrong argument, or a run that failed."""


def explained(failure: Failure, sites: Sequence[str]) -> str:
    """What failed, where in the source, and by which numbers."""
    place = f"{sites[failure.site]}: " if 0 <= failure.site < len(sites) else ""
    match failure.kind:
        case "index out of range" | "size out of range":
            return f"{place}{failure.kind}: {failure.index}, the bound is {failure.bound}"
        case "limit reached":
            return f"{place}limit reached: {failure.bound}"
        case kind:
            return f"{place}{kind}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name, "" where none is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean {near[0]}?" if near else ""
