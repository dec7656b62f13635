"""Choices and loops of a graph, whose branches and bodies are Python functions called once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.graph.checks import checks, during, tokens
from flowc.graph.graph import Graph, get_default_graph, tensors
from flowc.graph.structure import leaves, mapped
from flowc.graph.tensor import Tensor
from flowc.ir.core import Block, Op, Value, ordered
from flowc.ops.control import Cond, Loop, StateWrite


@dataclass(frozen=True)
class Traced:
    """What a Python function built: its block, the structure it returned, what it uses from outside, the ops it made."""

    block: Block
    structure: Any
    inputs: tuple[Tensor, ...]
    ops: tuple[Op, ...]


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None) -> Any:
    """What `true_fn` returns where `pred`, a bool scalar, holds, else what `false_fn` does; only one of them runs.

    Both return the same structure of tensors of the same types.
    """
    graph = next((x.graph for x in tensors(pred)), None) or get_default_graph()
    which = graph.as_tensor(pred)
    then = _traced(graph, "branch of cond", (), true_fn)
    orelse = _traced(graph, "branch of cond", (), false_fn)
    inputs = (which, *then.inputs, *orelse.inputs)
    results: tuple[Tensor, ...] = graph.record("Cond", inputs, lambda: Cond(graph.value_of(which), then.block, orelse.block).results, name)
    return _returned(then, results, (*then.ops, *orelse.ops))


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Sequence[Any],
    maximum_iterations: int | None = None,
    name: str | None = None,
) -> Any:
    """The values of `loop_vars` after `body` has run as long as `cond` of them holds, in the structure that `body` returns.

    Past `maximum_iterations` the run ends with an error.
    """
    graph = next((x.graph for x in tensors(list(loop_vars))), None) or get_default_graph()
    init = tuple(graph.as_tensor(x) for x in loop_vars)
    names = _names(body, len(init))
    condition = _traced(graph, "while_loop", _carries(init, names), cond)
    step = _traced(graph, "while_loop", _carries(init, names), body)
    limit = () if maximum_iterations is None else (maximum_iterations,)
    inputs = (*init, *condition.inputs, *step.inputs)
    results: tuple[Tensor, ...] = graph.record(
        "While", inputs, lambda: Loop(tuple(map(graph.value_of, init)), limit, condition.block, step.block).results, name
    )
    return _returned(step, results, (*condition.ops, *step.ops))


def _traced(graph: Graph, of: str, params: tuple[Value, ...], python: Callable[..., Any]) -> Traced:
    before = len(graph.operations)
    with graph.region(of) as region:
        arguments = tuple(graph.enter("Carry", (), p.hint or "Carry", (), (p,)).outputs[0] for p in params)
        returned = python(*arguments)
        results = [graph.as_tensor(x) for x in leaves(returned)]
        values = tuple(graph.value_of(x) for x in results)
        made = graph.made[region.start :]
        if any(isinstance(op, StateWrite) for op in made):
            raise graph.wrong(f"assigning to a variable inside a {of} is not there yet", help="assign what it returns")
        given = [v for op in graph.made[: region.start] for v in op.values]
        roots = tokens(check for check in checks(made) if during(check))
        block = ordered(params, values, roots, given)
    outside = [x for op in graph.operations[before:] for x in op.inputs if x.op.position < before]
    outside += [x for x in results if x.op.position < before]
    return Traced(block, returned, tuple(dict.fromkeys(outside)), tuple(made))


def _carries(init: Sequence[Tensor], names: Sequence[str]) -> tuple[Value, ...]:
    return tuple(Value(x.value.type, None, name) for x, name in zip(init, names, strict=True))


def _names(body: Callable[..., Any], count: int) -> list[str]:
    """The names of the body's parameters."""
    named = [p.name for p in inspect.signature(body).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return named if len(named) == count else [f"carry{n}" for n in range(count)]


def _returned(traced: Traced, results: tuple[Tensor, ...], inside: tuple[Op, ...]) -> Any:
    if not results:
        return mapped(traced.structure, lambda _: None)
    results[0].op.inside = inside
    following = iter(results)
    return mapped(traced.structure, lambda _: next(following))
