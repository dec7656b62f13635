"""flowc: a graph compiler from tensor programs to native code."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for; raises `AttributeError` where there is none."""
    if name.startswith("__"):
        raise AttributeError(f"module 'flowc' has no attribute '{name}'")
    from flowc.graph import find

    found = globals()[name] = find(name)
    return found


def __dir__() -> list[str]:
    from flowc.graph import names

    return sorted({*globals(), *names()})
