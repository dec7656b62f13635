"""The counter of training steps of a graph."""

from __future__ import annotations

from typing import Any

from flowc.graph.graph import Graph, get_default_graph
from flowc.graph.variables import Variable

NAME = "global_step"


def get_global_step(graph: Graph | None = None) -> Variable | None:
    """The variable that counts the steps; None where there is none."""
    own = graph or get_default_graph()
    return next((v for v in own.variables if v.state.name == NAME), None)


def create_global_step(graph: Graph | None = None) -> Variable:
    """A new i64 variable that counts the steps; raises `CompileError` where there is one."""
    own = graph or get_default_graph()
    if get_global_step(own) is not None:
        raise own.wrong("the graph has a global step")
    with own.as_default(), own.name_scope(""):
        return Variable(0, trainable=False, name=NAME, dtype="i64")


def get_or_create_global_step(graph: Graph | None = None) -> Variable:
    """The variable that counts the steps, which is made where there is none."""
    return get_global_step(graph) or create_global_step(graph)


def global_step(sess: Any, global_step_tensor: Variable) -> int:
    """How many steps were done in the session."""
    return int(sess.run(global_step_tensor))
