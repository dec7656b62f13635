"""Functions of TensorFlow's first edition that are no built-ins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowc.graph.control import scan
from flowc.graph.graph import Operation, get_default_graph, tensors
from flowc.graph.session import Session
from flowc.graph.tensor import Tensor
from flowc.graph.variables import group
from flowc.ir.dims import Dim


def matmul(
    x: Any = None, y: Any = None, transpose_a: bool = False, transpose_b: bool = False, name: str | None = None, **named: Any
) -> Tensor:
    """x @ y, of vectors and matrices as NumPy has it; with `transpose_a` or `transpose_b` the last two axes of that side are swapped.

    They are also called a and b.
    """
    left, right = named.pop("a", x), named.pop("b", y)
    graph = next((t.graph for t in tensors([left, right])), None) or get_default_graph()
    sides = [graph.as_tensor(t) if swapped else t for t, swapped in ((left, transpose_a), (right, transpose_b))]
    sides = [_swapped(t) if swapped else t for t, swapped in zip(sides, (transpose_a, transpose_b), strict=True)]
    return graph.call("matmul", sides, named, name)


def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """The sum of the tensors, in order."""
    if not inputs:
        raise get_default_graph().wrong("add_n sums one tensor at least")
    total = inputs[0]
    for x in inputs[1:-1]:
        total = total + x
    graph = next((t.graph for t in tensors(list(inputs))), None) or get_default_graph()
    return graph.call("add", (total, inputs[-1]), {}, name) if len(inputs) > 1 else graph.as_tensor(total)


def shape(input: Any, name: str | None = None) -> tuple[Dim, ...]:
    """The sizes: integers, and expressions of named sizes, which are accepted wherever a size is."""
    return get_default_graph().as_tensor(input).shape


def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """(x - y)^2"""
    graph = next((t.graph for t in tensors([x, y])), None) or get_default_graph()
    return graph.call("square", (graph.call("subtract", (x, y), {}),), {}, name)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """The tensor itself, or the constant that a number, a list or an array is."""
    graph = next((t.graph for t in tensors(value)), None) or get_default_graph()
    return graph.as_tensor(value, dtype, name)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = None) -> list[Tensor]:
    """The tensors along an axis, which they do not have."""
    graph = next((t.graph for t in tensors(value)), None) or get_default_graph()
    x = graph.as_tensor(value)
    if not -x.ndim <= axis < x.ndim:
        raise graph.wrong(f"{x.called} is {x.value.type}, and has no axis {axis}")
    count = x.shape[axis]
    if not isinstance(count, int) or num not in (None, count):
        told = "a length known only during the run" if not isinstance(count, int) else f"{count}, not {num}"
        raise graph.wrong(f"axis {axis} of {x.called}, {x.value.type}, has {told}")
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, n)] for n in range(count)]


def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None) -> Any:
    """`fn` of each row of `elems`, a tensor or a structure of them, stacked; `vmap` does it for all rows at once."""

    def step(carry: None, x: Any) -> tuple[None, Any]:
        return carry, fn(x)

    return scan(step, None, elems, name=name)[1]


def no_op(name: str | None = None) -> Operation:
    """The operation that does nothing."""
    return group(name=name or "NoOp")


class InteractiveSession(Session):
    """A session that is the default one until it is closed."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.__enter__()

    def close(self) -> None:
        if self._entered:
            self.__exit__(None, None, None)
        else:
            super().close()


def _swapped(x: Tensor) -> Tensor:
    last = x.ndim
    return x.transpose([*range(last - 2), last - 1, last - 2])
