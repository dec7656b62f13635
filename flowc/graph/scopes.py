"""Scopes of the default graph: names, devices, and what must run first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from flowc.graph.graph import Operation, get_default_graph
from flowc.graph.tensor import Tensor


def name_scope(name: str) -> AbstractContextManager[str]:
    """Inside, names of the default graph begin with `name/`."""
    return get_default_graph().name_scope(name)


def device(name: str) -> AbstractContextManager[None]:
    """Inside, operations of the default graph are placed on the device."""
    return get_default_graph().device(name)


def control_dependencies(control_inputs: Sequence[Operation | Tensor]) -> AbstractContextManager[None]:
    """What is made inside is run only together with `control_inputs`."""
    return get_default_graph().control_dependencies(control_inputs)
