"""Choices and loops of a graph, whose branches and bodies are Python functions called once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from flowc.derivatives.checkpoint import chunked
from flowc.graph.checks import checks, during, tokens
from flowc.graph.derived import agreeing
from flowc.graph.graph import RUN, Graph, get_default_graph, tensors
from flowc.graph.structure import layout, leaves, mapped, paths
from flowc.graph.tensor import Tensor
from flowc.graph.types import Extent
from flowc.ir.core import Block, Op, Symbol, Value, ordered
from flowc.ir.dims import Dim, show
from flowc.ir.types import Type, below
from flowc.ops.control import Cond, Loop, Scan, StateWrite
from flowc.ops.tensor import differ, equal_sizes

BRANCH = "branch of cond"


@dataclass(frozen=True)
class Traced:
    """What a Python function built: its block, the structure it returned, what it uses from outside, the ops it made."""

    block: Block
    structure: Any
    inputs: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    writes: Mapping[Symbol, Value]  # of variables: their next values

    def returned(self, results: Sequence[Tensor], more: Sequence[Op] = ()) -> Any:
        """`results` in that structure; the ops, and `more`, are inside of the operation that made them."""
        if results:
            results[0].op.inside = (*self.ops, *more)
        following = iter(results)
        return mapped(self.structure, lambda x: None if x is None else next(following))


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None) -> Any:
    """What `true_fn` returns where `pred`, a bool scalar, holds, else what `false_fn` does; only one of them runs.

    Both return the same structure of tensors of the same types.  A variable that one assigns to stays as it is on the other side.
    """
    graph = next((x.graph for x in tensors(pred)), None) or get_default_graph()
    which = graph.as_tensor(pred)
    start = len(graph.made)
    then = region_of(graph, BRANCH, (), true_fn)
    orelse = region_of(graph, BRANCH, (), false_fn)
    kept = {v: Symbol(v.state.name) for v in graph.variables if v.state.name in then.writes or v.state.name in orelse.writes}

    def side(traced: Traced) -> Block:
        values = tuple(traced.writes.get(symbol, v.value) for v, symbol in kept.items())
        given = [v for op in graph.made[:start] for v in op.values]
        return ordered((), (*traced.block.results, *values), traced.block.roots, given) if kept else traced.block

    def make() -> tuple[Value, ...]:
        made = Cond(graph.value_of(which), side(then), side(orelse)).results
        count = len(then.block.results)
        for symbol, value in zip(kept.values(), made[count:], strict=True):
            StateWrite(symbol, value)
        return made[:count]

    inputs = (which, *then.inputs, *orelse.inputs, *kept)
    results: tuple[Tensor, ...] = graph.record("Cond", inputs, make, name)
    return then.returned(results, orelse.ops)


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
    condition = region_of(graph, "while_loop", _carries(init, names), cond)
    step = region_of(graph, "while_loop", _carries(init, names), body)
    limit = () if maximum_iterations is None else (maximum_iterations,)
    inputs = (*init, *condition.inputs, *step.inputs)
    results: tuple[Tensor, ...] = graph.record(
        "While", inputs, lambda: Loop(tuple(map(graph.value_of, init)), limit, condition.block, step.block).results, name
    )
    return step.returned(results, condition.ops)


def scan(
    f: Callable[..., Any],
    init: Any = None,
    xs: Any = None,
    length: Extent = None,
    reverse: bool = False,
    remat: bool = False,
    name: str | None = None,
    elems: Any = None,
    initializer: Any = None,
) -> Any:
    """The last carried value and what was emitted, of `carry, y = f(carry, x)` for each x along axis 0 of `xs`, from `init` on.

    Carried values, xs and emitted values are tensors or structures of them, or None; without xs there are `length` steps, and x is None.
    What is emitted is stacked along axis 0, at the place of its x also where `reverse` goes from the last to the first.
    With `remat`, reverse mode keeps the carried values of every ceil(sqrt(length))-th step only, and computes the others again.

    As in TensorFlow's first edition `scan(f, elems, initializer=init)` gives all values of `carry = f(carry, x)`, stacked.
    """
    if initializer is not None:
        rows = init if elems is None else elems

        def both(carry: Any, x: Any) -> tuple[Any, Any]:
            return (f(carry, x),) * 2

        return scan(both, initializer, rows, length, reverse, remat, name)[1]
    given = [x for x in leaves((init, xs)) if x is not None]
    graph = next((x.graph for x in given if isinstance(x, Tensor)), None) or get_default_graph()
    carried, sequences = ([graph.as_tensor(x) for x in leaves(part) if x is not None] for part in (init, xs))
    steps = _steps(graph, sequences, length)
    t = Value(below(steps), None, "t")
    names = _names(f, 2)
    own_names, carry_names = ([name for name, x in paths(part, name) if x is not None] for part, name in ((xs, names[1]), (init, names[0])))
    slices = tuple(Value(Type(x.value.type.dtype, x.shape[1:]), None, n) for x, n in zip(sequences, own_names, strict=True))
    carries = _carries(carried, carry_names)
    emitted: list[Any] = []

    def step(*parts: Tensor) -> list[Tensor]:
        own, following = iter(parts[: len(slices)]), iter(parts[len(slices) :])
        x = mapped(xs, lambda x: None if x is None else next(own))
        result = f(mapped(init, lambda x: None if x is None else next(following)), x)
        if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
            raise graph.wrong("the function of a scan gives the carried value and what it emits: `return carry, y`")
        carry, y = cast("tuple[Any, Any]", result)
        if layout(carry) != layout(init):
            raise graph.wrong("the function of a scan gives a carried value of another structure than it takes")
        emitted.append(y)
        numbers = (z for z in zip([c for c in leaves(carry) if c is not None], carried, strict=True))
        nexts = [c if isinstance(c, Tensor) or hasattr(c, "dtype") else graph.as_tensor(c, x.dtype) for c, x in numbers]
        return [*nexts, *(y for y in leaves(y) if y is not None)]

    made = region_of(graph, "scan", (*slices, *carries), step, (t,))

    def build() -> tuple[Value, ...]:
        rows = tuple(agreeing(graph.value_of(x), (steps, *x.shape[1:])) for x in sequences)
        op = Scan(rows, tuple(map(graph.value_of, carried)), (steps,), made.block, reverse)
        return chunked(op) if remat else op.results

    results: tuple[Tensor, ...] = graph.record("Scan", (*carried, *sequences, *made.inputs), build, name)
    last, ys = results[: len(carried)], iter(results[len(carried) :])
    if results:
        results[0].op.inside += made.ops
    carries_last = iter(last)
    return (
        mapped(init, lambda x: None if x is None else next(carries_last)),
        mapped(emitted[0], lambda y: None if y is None else next(ys)),
    )


def fori_loop(lower: Any, upper: Any, body: Callable[[Tensor, Any], Any], init: Any, name: str | None = None) -> Any:
    """The carried value after `carry = body(i, carry)` for i, an i64 scalar, from `lower` to before `upper`.

    Both are numbers, sizes, or integer scalars; with these only forward mode can go through it.
    """
    if isinstance(lower, Tensor) or isinstance(upper, Tensor):
        low, high = (x.astype("i64") if isinstance(x, Tensor) else x for x in (lower, upper))

        def step(i: Tensor, *carry: Any) -> tuple[Any, ...]:
            following = iter(carry)
            return i + 1, *leaves(body(i, mapped(init, lambda _: next(following))))

        graph = low.graph if isinstance(low, Tensor) else high.graph
        first = graph.as_tensor(low, None if isinstance(low, Tensor) else "i64")

        def below_high(i: Tensor, *_: Any) -> Tensor:
            return i < high

        _, *last = while_loop(below_high, step, (first, *leaves(init)), name=name)
        following = iter(last)
        return mapped(init, lambda _: next(following))
    graph = next((x.graph for x in leaves(init) if isinstance(x, Tensor)), None) or get_default_graph()

    def counted(carry: Any, i: Any) -> tuple[Any, None]:
        return body(i, carry), None

    count = graph.call("arange", (lower, upper), {"dtype": "i64"})
    return scan(counted, init, count, name=name)[0]


def region_of(graph: Graph, of: str, params: tuple[Value, ...], python: Callable[..., Any], hidden: tuple[Value, ...] = ()) -> Traced:
    """What `python` builds of `params`; the block takes `hidden` before them."""
    before = len(graph.operations)
    with graph.region(of) as region:
        arguments = tuple(graph.enter("Carry", (), p.hint or "Carry", (), (p,)).outputs[0] for p in params)
        returned = python(*arguments)
        results = [graph.as_tensor(x) for x in leaves(returned)]
        values = tuple(graph.value_of(x) for x in results)
        made = graph.made[region.start :]
        writes = [op for op in made if isinstance(op, StateWrite)]
        if writes and of != BRANCH:
            raise graph.wrong(f"a variable cannot be assigned to inside a {of}", help="assign what it returns")
        if len(writes) != len({op.symbol for op in writes}):
            raise graph.wrong(f"one branch would write {writes[-1].symbol} twice")
        made = [op for op in made if not isinstance(op, StateWrite)]
        graph.made[region.start :] = made
        given = [v for op in graph.made[: region.start] for v in op.values]
        roots = tokens(check for check in checks(made) if during(check))
        block = ordered((*hidden, *params), values, roots, given)
    outside = [x for op in graph.operations[before:] for x in op.inputs if x.op.position < before or x.op.type == RUN]
    outside += [x for x in results if x.op.position < before]
    return Traced(block, returned, tuple(dict.fromkeys(outside)), tuple(made), {op.symbol: op.value for op in writes})


def _steps(graph: Graph, sequences: Sequence[Tensor], length: Extent) -> Dim:
    """How many steps a scan has; raises `CompileError` where its sequences are of different lengths, or it is not told."""
    lengths: list[tuple[str, Dim]] = []
    for x in sequences:
        if not x.shape:
            raise graph.wrong(f"a scan goes along axis 0 of its xs, and {x.called} is the scalar {x.value.type}")
        lengths.append((x.called, x.shape[0]))
    if length is not None:
        lengths.append(("length", graph.size_of(length, "length")))
    if not lengths:
        raise graph.wrong("a scan without xs needs a length", help="pass length=")
    (first, steps) = lengths[0]
    for name, d in lengths[1:]:
        if differ(d, steps) or (name == "length" and not equal_sizes(d, steps)):
            raise graph.wrong(f"all xs of a scan have one length: {first} has {show(steps)}, {name} has {show(d)}")
    return steps


def _carries(init: Sequence[Tensor], names: Sequence[str]) -> tuple[Value, ...]:
    return tuple(Value(x.value.type, None, name) for x, name in zip(init, names, strict=True))


def _names(body: Callable[..., Any], count: int) -> list[str]:
    """The names of the body's parameters."""
    named = [p.name for p in inspect.signature(body).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return named if len(named) == count else [f"carry{n}" for n in range(count)]
