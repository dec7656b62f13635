"""Variables by name: `get_variable` makes one or gives the one there is, as the scopes around it say."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from flowc.errors import Note
from flowc.graph.graph import get_default_graph
from flowc.graph.initializers import glorot_uniform_initializer, zeros_initializer
from flowc.graph.tensor import Tensor
from flowc.graph.types import element_type
from flowc.graph.variables import Variable

AUTO_REUSE = "auto"  # the variable there is, else a new one


class VariableScope:
    """A scope of variables, to be opened again."""

    def __init__(self, name: str, reuse: bool | str) -> None:
        self.name, self.reuse = name, reuse

    def reuse_variables(self) -> None:
        """From here on `get_variable` gives the variables there are."""
        self.reuse = True


@contextmanager
def variable_scope(
    name_or_scope: str | VariableScope, default_name: str | None = None, reuse: bool | str | None = None
) -> Generator[VariableScope]:
    """Inside, names of variables and operations begin with `name/`; `reuse` says whether variables are those there are."""
    graph = get_default_graph()
    outer = graph.variable_scope
    if isinstance(name_or_scope, VariableScope):
        name, inherited = name_or_scope.name, name_or_scope.reuse
    else:
        name = (outer.name + "/" if outer else "") + (name_or_scope or default_name or "scope")
        inherited = outer.reuse if outer else False
    graph.variable_scope = VariableScope(name, inherited if reuse is None else reuse)
    try:
        with graph.name_scope(name.rpartition("/")[2]):
            yield graph.variable_scope
    finally:
        graph.variable_scope = outer


def get_variable(
    name: str, shape: Sequence[int] | None = None, dtype: Any = "f32", initializer: Any = None, trainable: bool = True
) -> Variable:
    """The variable of that name in the scope: a new one of the shape, or where the scope reuses, the one there is.

    `initializer` is a function of shape and dtype, or the first value; without one the values are Glorot's, integers 0.
    """
    graph = get_default_graph()
    scope = graph.variable_scope
    full = f"{scope.name}/{name}" if scope else name
    known = next((v for v in graph.variables if v.state.name == full.replace("/", ".")), None)
    reuse = scope.reuse if scope else False
    if known is not None and reuse:
        wanted = None if shape is None else tuple(shape)
        if wanted not in (None, known.shape) or element_type(dtype).ir is not known.state.type.dtype:
            notes = (Note(f"{full} is {known.state.type}", known.op.location),)
            raise graph.wrong(f"{full} is of another type", notes=notes)
        return known
    if known is not None:
        notes = (Note(f"{full} is made here", known.op.location),)
        raise graph.wrong(f"there is a variable {full}", help="pass reuse=True or reuse=AUTO_REUSE to the scope", notes=notes)
    if reuse is True:
        raise graph.wrong(f"there is no variable {full} to reuse", help="pass reuse=AUTO_REUSE to the scope to make one")
    with graph.name_scope(""):
        return Variable(_first(shape, dtype, initializer, full), trainable, full, None if shape is None else dtype)


def _first(shape: Sequence[int] | None, dtype: Any, initializer: Any, full: str) -> Any:
    """The first value."""
    if initializer is not None and (isinstance(initializer, Tensor) or not callable(initializer)):
        return initializer
    if shape is None:
        raise get_default_graph().wrong(f"get_variable of {full} needs a shape, or a first value as its initializer")
    if initializer is None:
        initializer = glorot_uniform_initializer if element_type(dtype).ir.is_float else zeros_initializer
    if isinstance(initializer, type) or getattr(initializer, "__name__", "").endswith("_initializer"):
        initializer = initializer()  # given by its name, without parentheses
    return initializer(list(shape), dtype)
