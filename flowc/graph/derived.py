"""Values that come from other values of a graph by a transformation, as an operation that takes those it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowc.errors import OpError
from flowc.graph.graph import Graph
from flowc.graph.tensor import Tensor
from flowc.ir.core import Block, Value, ordered, walk
from flowc.ir.dims import Dim
from flowc.ir.types import DType
from flowc.ops.elementwise import where
from flowc.ops.shape import broadcast_to
from flowc.ops.tensor import constant


def derived(
    graph: Graph,
    type: str,
    given: Sequence[Tensor],
    make: Callable[[], tuple[Value, ...]],
    name: str | None = None,
    roots: Callable[[], tuple[Value, ...]] = tuple,
) -> tuple[Tensor, ...]:
    """What `make` gives, as results of one operation; of the ops made along the way only those that they and `roots` need belong to it."""
    start = len(graph.made)
    outside = dict.fromkeys(v for op in graph.made for v in op.values)
    blocks: list[Block] = []

    def live() -> tuple[Value, ...]:
        try:
            values = make()
        except OpError as error:
            notes = (("the op is made here", error.location),) if error.location is not None else ()
            raise OpError(str(error), (*error.notes, *notes), help=error.help) from None
        blocks.append(ordered((), values, roots(), outside))
        graph.made[start:] = blocks[0].ops
        return values

    results: tuple[Tensor, ...] = graph.record(type, given, live, name, inner=True)
    if results:
        (block,) = blocks
        operation = results[0].op
        operation.inputs = makers(graph, (*block.captured, *(v for v in block.results if v in outside)), operation.position)
        operation.inside = tuple(op for top in block.ops for region in top.regions for op in walk(region))
    return results


def makers(graph: Graph, values: Iterable[Value], before: int) -> tuple[Tensor, ...]:
    """Tensors of the operations that made the values; the values themselves where they are tensors."""
    wanted = dict.fromkeys(values)
    found: dict[Value, Tensor] = {}
    for operation in graph.operations[:before]:
        for x in operation.outputs:
            if x.value in wanted:
                found.setdefault(x.value, x)
        if operation.outputs:
            for op in operation.made:
                for v in op.values:
                    if v in wanted:
                        found.setdefault(v, operation.outputs[0])
    return tuple(dict.fromkeys(found[v] for v in wanted if v in found))


def agreeing(x: Value, shape: Sequence[Dim]) -> Value:
    """x with the sizes of `shape`, which are assumed to be its own; raises `OpError` where they cannot be."""
    if x.type.shape == tuple(shape):
        return x
    return where(broadcast_to(constant(True, DType.bool), shape), x, x)
