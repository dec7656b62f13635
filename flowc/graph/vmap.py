"""Functions of one example as functions of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from flowc.derivatives.batch import batched
from flowc.errors import CompileError, Diagnostic, counted
from flowc.graph.checks import checks, tokens
from flowc.graph.control import region_of
from flowc.graph.derived import agreeing, derived
from flowc.graph.function import Function
from flowc.graph.graph import Graph
from flowc.graph.structure import leaves, mapped
from flowc.graph.tensor import Tensor
from flowc.graph.transforms import called, like
from flowc.ir.core import Value
from flowc.ir.types import Type
from flowc.ops.shape import Transpose, axis_of
from flowc.source import python_location

Axes = int | None


def vmap(f: Callable[..., Any], in_axes: Axes | Sequence[Axes] = 0, out_axes: int | Sequence[int] = 0) -> Function:
    """f for many examples at once, along an axis of each argument; an argument whose entry of `in_axes` is None is the same for all.

    `in_axes` is one for all arguments or one for each, which holds for all tensors of a structure. `out_axes` says where the
    axis stands in the results: one for all or, of a tuple of results, one for each.  Raises `CompileError` for what
    cannot be done for many examples at once.
    """

    def mapped_over(*args: Any) -> Any:
        axes = [in_axes] * len(args) if isinstance(in_axes, int | None) else list(in_axes)
        if len(axes) != len(args):
            raise _wrong(f"in_axes has {len(axes)} entries, and {called(f)} has {counted(len(args), 'argument')}")
        given = [(x, axis) for arg, axis in zip(args, axes, strict=True) for x in leaves(arg)]
        over = {n: _axis(f, x, axis) for n, (x, axis) in enumerate(given) if axis is not None}
        if not over:
            raise _wrong(f"vmap of {called(f)} has no argument with an axis of examples", "pass in_axes with an entry that is not None")
        return _mapped(f, args, [x for x, _ in given], over, out_axes)

    return like(f, mapped_over, "vmap")


def _mapped(f: Callable[..., Any], args: tuple[Any, ...], given: list[Any], over: dict[int, int], out_axes: int | Sequence[int]) -> Any:
    graph: Graph = given[next(iter(over))].graph
    values = {n: graph.value_of(given[n]) for n in over}
    params = {n: Value(_without(v.type, over[n]), None, v.hint) for n, v in values.items()}

    def one(*examples: Tensor) -> Any:
        own = dict(zip(params, examples, strict=True))
        following = iter(own.get(n, x) for n, x in enumerate(given))
        return f(*mapped(args, lambda _: next(following)))

    start = len(graph.made)
    made = region_of(graph, "vmap", tuple(params.values()), one)
    results = made.block.results
    places = _places(f, made.structure, len(results), out_axes)
    inner = list(made.ops)
    del graph.made[start:]

    def make() -> tuple[Value, ...]:
        fronts = {params[n]: _moved(v, over[n], 0) for n, v in values.items()}
        size = next(iter(fronts.values())).type.shape[0]
        even = {p: agreeing(v, (size, *v.type.shape[1:])) for p, v in fronts.items()}
        found = batched(results, even)
        return tuple(_moved(v, 0, axis_of(a, v.type)) for v, a in zip(found, places, strict=True))

    outputs = derived(graph, "vmap", (*(given[n] for n in over), *made.inputs), make, roots=lambda: tokens(checks(inner)))
    following = iter(outputs)
    return mapped(made.structure, lambda _: next(following))


def _axis(f: Callable[..., Any], x: Any, axis: int) -> int:
    """The axis of examples, from the front."""
    if not isinstance(x, Tensor):
        raise _wrong(f"vmap of {called(f)} maps over {x!r:.60}, which has no axes", "pass None for it in in_axes")
    if not -x.ndim <= axis < x.ndim:
        raise _wrong(f"vmap of {called(f)} maps over axis {axis} of {x.called}, which is {x.value.type}", "pass None for it in in_axes")
    return axis % x.ndim


def _places(f: Callable[..., Any], structure: Any, count: int, out_axes: int | Sequence[int]) -> list[int]:
    """The place of the axis in each result."""
    if isinstance(out_axes, int):
        return [out_axes] * count
    parts: list[Any] = list(cast("list[Any]", structure)) if isinstance(structure, tuple | list) else [structure]
    if len(parts) != len(out_axes):
        raise _wrong(f"out_axes has {len(out_axes)} entries, and {called(f)} gives {counted(len(parts), 'result')}")
    return [a for part, a in zip(parts, out_axes, strict=True) for _ in leaves(part)]


def _without(type: Type, axis: int) -> Type:
    return Type(type.dtype, (*type.shape[:axis], *type.shape[axis + 1 :]))


def _moved(x: Value, axis: int, to: int) -> Value:
    """x with one axis at another place."""
    rest = [a for a in range(x.type.rank) if a != axis]
    order = (*rest[:to], axis, *rest[to:])
    return x if order == tuple(range(x.type.rank)) else Transpose(x, order).result


def _wrong(message: str, help: str = "") -> CompileError:
    return CompileError((Diagnostic(message, python_location(), help=help),))
