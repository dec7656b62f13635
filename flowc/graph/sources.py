"""Tensors that begin a graph: placeholders and constants; and names for tensors."""

from __future__ import annotations

from typing import Any

from flowc.graph.arguments import converted
from flowc.graph.graph import Graph, get_default_graph, tensors
from flowc.graph.tensor import Tensor
from flowc.graph.types import ELEMENT_TYPES, ElementType, TensorType, element_type, extents
from flowc.ir.core import Value
from flowc.ops.shape import broadcast_to, reshape


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that each run is fed.

    A size is a number, a name (`"N"`, the same wherever it stands in the graph), a `dim`, or None: any size.
    Without a shape it is a scalar.  Raises `UsageError` for what is no dtype or no shape.
    """
    given = dtype if isinstance(dtype, TensorType) else TensorType(element_type(dtype), extents(() if shape is None else shape))
    return parameter(get_default_graph(), given, name)


def parameter(graph: Graph, given: TensorType, name: str | None) -> Tensor:
    """The placeholder of that type; its sizes without a name are named after it, or after the variable it is assigned to."""
    full = graph.free_name(name or "Placeholder")
    target = None if name else graph.assignment()
    owner = graph.scope_now + target.names[0] if target is not None and target.direct else full
    type = graph.type_of(given, owner)
    return graph.record("Placeholder", (), lambda: Value(type, None, owner.replace("/", ".")), name)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """The number, list or array as a tensor, which repeats to `shape`; numbers take `dtype`, arrays keep theirs where it is left out."""
    graph = next((x.graph for x in tensors(value)), get_default_graph())
    wanted = None if dtype is None else element_type(dtype).ir

    def make() -> Value:
        made = converted(value, wanted, graph.value_of)
        if shape is None:
            return made
        sizes = graph.type_of(TensorType(ELEMENT_TYPES[made.type.dtype.value], extents(shape)), "Const").shape
        return reshape(made, sizes) if made.type.rank else broadcast_to(made, sizes)

    return graph.record("Const", tuple(tensors(value)), make, name)


def identity(input: Any, name: str | None = None) -> Tensor:
    """The same tensor under a name of its own."""
    graph = next((x.graph for x in tensors(input)), get_default_graph())
    return graph.record("Identity", tuple(tensors(input)), lambda: converted(input, None, graph.value_of), name)


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """x in another dtype: floats truncate and saturate to integers with NaN 0, integers wrap, bool is x != 0."""
    wanted: ElementType = element_type(dtype)
    return x.graph.cast(x, wanted, name) if isinstance(x, Tensor) else constant(x, wanted, name=name)
