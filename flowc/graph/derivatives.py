"""Derivatives of tensors by tensors: `gradients` as in TensorFlow's first edition, `vjp` and `jvp` as in the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from flowc.derivatives.forward import pushforward
from flowc.derivatives.reverse import active, parents, pullback
from flowc.errors import OpError, counted
from flowc.graph.arguments import converted
from flowc.graph.derived import agreeing, derived
from flowc.graph.graph import Graph, get_default_graph, tensors
from flowc.graph.tensor import Tensor
from flowc.ir.core import Value
from flowc.ir.rewrite import Rewriter
from flowc.ops.elementwise import StopGradient, add
from flowc.ops.shape import broadcast_to
from flowc.ops.tensor import assumed_equal, like


def gradients(ys: Any, xs: Any, grad_ys: Any = None, name: str | None = None, stop_gradients: Any = None) -> list[Tensor | None]:
    """The derivative of the sum of all elements of `ys`, each times its element of `grad_ys` where that is given, by each of `xs`.

    `ys` and `xs` are tensors or lists of them; each result has the shape of its x.  None for an x
    on which no y depends.  Each of `stop_gradients` counts as a constant.  Raises `CompileError` where an op on the way has no derivative.
    """
    wanted, by = _listed(ys), _listed(xs)
    graph = _graph(*wanted, *by)
    seeds = _per_tensor(grad_ys, wanted, "grad_ys", "ys")
    stopped = _listed(stop_gradients) if stop_gradients is not None else []
    given = tuple(tensors([*wanted, *by, *seeds, *stopped]))
    kept: list[bool] = []

    def make() -> tuple[Value, ...]:
        y_values, x_values = _floats(graph, wanted, "ys"), [graph.value_of(x) for x in by]
        if stopped:
            y_values = _without(y_values, [graph.value_of(x) for x in stopped], x_values)
        reached = _reached(y_values, active(y_values, x_values, {}))
        kept.extend(x in reached for x in x_values)
        seeded = _seeded(y_values, [_along(graph, g, y, "grad_ys") for g, y in zip(seeds, y_values, strict=True)])
        return pullback(seeded, [x for x, on in zip(x_values, kept, strict=True) if on])

    found = iter(derived(graph, "gradients", given, make, name))
    return [next(found) if on else None for on in kept]


def vjp(y: Any, wrt: Any, seed: Any = None) -> Any:
    """The derivative of the sum of `seed` times `y` by each of `wrt`, in its shape; 0 where y does not depend on it.

    `y` and `seed`, of equal types, are one or several; without a seed it is 1 everywhere.  A list for a list of `wrt`, else one tensor.
    """
    ys, by = _listed(y), _listed(wrt)
    graph = _graph(*ys, *by)
    seeds = _per_tensor(seed, ys, "seed", "y")

    def make() -> tuple[Value, ...]:
        values = _floats(graph, ys, "y")
        given = [_along(graph, g, v, "seed") for g, v in zip(seeds, values, strict=True)]
        return pullback(_seeded(values, given), _floats(graph, by, "wrt"))

    found = derived(graph, "vjp", tuple(tensors([*ys, *by, *seeds])), make)
    return list(found) if isinstance(wrt, list | tuple) else found[0]


def jvp(y: Any, wrt: Any, tangent: Any) -> Any:
    """The derivative of `y` along `tangent`, a direction for each of `wrt` in its type.  A list for a list of `y`, else one tensor."""
    ys, by = _listed(y), _listed(wrt)
    graph = _graph(*ys, *by)
    along = _per_tensor(tangent, by, "tangent", "wrt")

    def make() -> tuple[Value, ...]:
        x_values = _floats(graph, by, "wrt")
        directions = [_along(graph, t, v, "tangent") for t, v in zip(along, x_values, strict=True)]
        return pushforward(_floats(graph, ys, "y"), _seeded(x_values, directions))

    found = derived(graph, "jvp", tuple(tensors([*ys, *by, *along])), make)
    return list(found) if isinstance(y, list | tuple) else found[0]


def _listed(given: Any) -> list[Any]:
    return list(cast(Sequence[Any], given)) if isinstance(given, list | tuple) else [given]


def _graph(*given: Any) -> Graph:
    """The graph of the tensors; raises `CompileError` for what is no tensor."""
    graph = next((x.graph for x in given if isinstance(x, Tensor)), get_default_graph())
    for x in given:
        if not isinstance(x, Tensor):
            raise graph.wrong(f"{x!r:.60} of type {type(x).__name__} is no tensor: derivatives are of tensors by tensors")
    return graph


def _per_tensor(given: Any, of: Sequence[Tensor], name: str, others: str) -> list[Any]:
    """One entry for each of `of`; None stands for a one."""
    found = [None] * len(of) if given is None else _listed(given)
    if len(found) != len(of):
        raise of[0].graph.wrong(f"{name} has {counted(len(found), 'entry').replace('entrys', 'entries')}, and {others} has {len(of)}")
    return found


def _floats(graph: Graph, given: Sequence[Tensor], name: str) -> list[Value]:
    for x in given:
        if not x.value.type.dtype.is_float:
            help = f"convert it: `{x.called}.astype(f32)`" if x.called.isidentifier() else ""
            raise OpError(f"derivatives are of floats by floats, and {x.called} of {name} is {x.value.type}", help=help)
    return [graph.value_of(x) for x in given]


def _along(graph: Graph, given: Any, of: Value, name: str) -> Value:
    """The seed or tangent: the tensor given, of the type of `of`; 1 everywhere where none is."""
    if given is None:
        return broadcast_to(like(of, 1), of.type.shape)
    value = converted(given, None if isinstance(given, Tensor) or hasattr(given, "dtype") else of.type.dtype, graph.value_of)
    message = f"{name} has the types of what it goes with: {of.hint or 'that'} is {of.type}, and it is given {value.type}"
    if value.type.dtype is not of.type.dtype or value.type.rank != of.type.rank:
        raise OpError(message)
    assumed_equal(list(zip(of.type.shape, value.type.shape, strict=True)), message)
    return agreeing(value, of.type.shape)


def _seeded(values: Sequence[Value], given: Sequence[Value]) -> dict[Value, Value]:
    """The seeds by value; those of one value are summed."""
    found: dict[Value, Value] = {}
    for v, g in zip(values, given, strict=True):
        found[v] = add(found[v], g) if v in found else g
    return found


def _reached(ys: Sequence[Value], smooth: Mapping[Value, None]) -> set[Value]:
    """The values of `smooth` that a cotangent of one of `ys` gets to."""
    found: set[Value] = set()
    todo = [y for y in ys if y in smooth]
    while todo:
        v = todo.pop()
        if v not in found:
            found.add(v)
            todo += [u for u in parents(v.op) if u in smooth] if v.op is not None else []
    return found


def _without(ys: Sequence[Value], stopped: Sequence[Value], xs: Sequence[Value]) -> list[Value]:
    """The ys over constants in place of `stopped`, the xs being what they are."""
    known = {v: StopGradient(v).result for v in stopped} | {x: x for x in xs}
    again = Rewriter(lambda _: None, known)
    return [again.settled(y) for y in ys]
