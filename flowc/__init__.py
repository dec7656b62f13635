"""flowc: a graph compiler from tensor programs to native code."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Public names that are not of flowc.graph, with their modules.
NAMES = {
    "Error": "errors", "CompileError": "errors", "RunError": "errors", "UsageError": "errors", "Options": "options",
    "load": "model", "loads": "model", "Model": "model", "Executable": "model", "compile": "model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for; raises `AttributeError` where there is none."""
    if name.startswith("__"):
        raise AttributeError(f"module 'flowc' has no attribute '{name}'")
    from flowc.graph import find

    found = globals()[name] = getattr(import_module(f"flowc.{NAMES[name]}"), name) if name in NAMES else find(name)
    return found


def __dir__() -> list[str]:
    from flowc.graph import names

    return sorted({*globals(), *NAMES, *names()})
