"""From a graph to the IR: the function of what is fetched, which takes what is fed and holds only what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowc.errors import CompileError, Diagnostic, Note
from flowc.graph.checks import checks, during, tokens
from flowc.graph.graph import RUN, Graph, Operation
from flowc.graph.tensor import Tensor
from flowc.ir.core import Func, Module, Value, ordered, walk
from flowc.ir.rewrite import Rewriter
from flowc.ir.types import DType
from flowc.ops.control import StateRead, StateWrite
from flowc.ops.tensor import constant
from flowc.source import Span, python_location


def lowered(
    graph: Graph,
    results: Sequence[Tensor],
    operations: Sequence[Operation] = (),
    feeds: Sequence[Tensor] = (),
    name: str = "run",
    outputs: tuple[str, ...] = (),
    location: Span | None = None,
    held: Iterable[Operation] = (),
) -> Module:
    """The module whose one function takes `feeds`, gives `results` and does `operations`; what `held` assume of sizes is checked too.

    Its states are those that the function reads or writes.

    Raises `CompileError` where a placeholder is neither fed nor beside what is needed,
    and where a variable would be written twice.
    """
    for x in feeds:
        _check_feedable(x)
    reached = reach(results, operations, feeds)
    _check_fed(reached)
    _check_writes(reached)
    checked = tokens(
        check
        for operation in dict.fromkeys((*held, *reached))
        for ops, regions in ((operation.inside, True), (operation.made, False))
        for check in checks(ops)
        if not (regions and during(check))
    )
    roots = (*checked, *(root for operation in reached for root in operation.roots))
    first = [x.value for operation in reached if operation.type == RUN for x in operation.outputs]
    params, roots, given = _fed(feeds, roots, tuple(x.value for x in results), first)
    func = Func(name, ordered(params, given, roots), outputs, location=location)
    kept = {op.symbol for op in walk(func.body) if isinstance(op, StateRead | StateWrite)}
    return Module(name, (func,), tuple(v.state for v in graph.variables if v.state.name in kept))


def whole(graph: Graph) -> Module:
    """All of the graph but its initializers as the function `run`, from every placeholder to every tensor that nothing reads.

    With variables there is `init`, which writes their first values.
    """
    initial = reach((), [v.initializer for v in graph.variables], ())
    outer = [o for o in graph.operations if o.region is None and o not in initial]
    read = {x.op for o in outer for x in o.inputs} | {o for outside in outer for o in outside.control_inputs}
    fed = [o for o in graph.operations if o.type == RUN and o in read or o.type == "Placeholder" and o in outer]
    feeds = [x for o in fed for x in o.outputs]
    last = [o for o in outer if o not in read and o.type not in ("Placeholder", "Variable", RUN)]
    results = [x for o in last for x in o.outputs]
    names = [x.value.hint if x.value.hint.isidentifier() else "" for x in results]
    outputs = tuple(n if names.count(n) == 1 else "" for n in names)
    module = lowered(graph, results, last, feeds, outputs=outputs if any(outputs) else ())
    if not graph.variables:
        return module
    init = lowered(graph, (), [v.initializer for v in graph.variables], (), "init")
    return Module(module.name, (*module.funcs, *init.funcs), tuple(v.state for v in graph.variables))


def reach(results: Iterable[Tensor], operations: Iterable[Operation], feeds: Iterable[Tensor]) -> list[Operation]:
    """The operations that `results` and `operations` need when `feeds` are given, in the order they were made."""
    given = {(x.op, x.index) for x in feeds}
    found: dict[Operation, None] = {}
    todo = [*(x.op for x in results if (x.op, x.index) not in given), *operations]
    while todo:
        operation = todo.pop()
        if operation in found:
            continue
        found[operation] = None
        todo += [x.op for x in operation.inputs if (x.op, x.index) not in given]
        todo += operation.control_inputs
    return sorted(found, key=lambda operation: operation.position)


def _fed(
    feeds: Sequence[Tensor], roots: tuple[Value, ...], results: tuple[Value, ...], first: Sequence[Value]
) -> tuple[tuple[Value, ...], tuple[Value, ...], tuple[Value, ...]]:
    """The parameters that stand for `feeds`, and roots and results over them; numbers of runs that are not fed are that of the `first`."""
    params = tuple(x.value if x.value.op is None else Value(x.value.type, None, x.value.hint) for x in feeds)
    if not first and all(x.value is p for x, p in zip(feeds, params, strict=True)):
        return params, roots, results
    zero = constant(0, DType.i64)
    known = {x.value: p for x, p in zip(feeds, params, strict=True)} | {p: p for p in params} | {v: zero for v in (*first, zero)}
    rewriter = Rewriter(lambda op: None, known)
    return params, tuple(map(rewriter.settled, roots)), tuple(map(rewriter.settled, results))


def _check_feedable(x: Tensor) -> None:
    own = x.op.type in ("Placeholder", RUN) if x.value.op is None else x.value.op in x.op.made
    if not own:
        message = f"{x.name} cannot be fed: it is another tensor under a name of its own"
        raise CompileError((Diagnostic(message, python_location(), _declared(x), help="feed that other tensor"),))


def _check_fed(reached: Iterable[Operation]) -> None:
    missing = [x for operation in reached if operation.type == "Placeholder" for x in operation.outputs]
    if missing:
        message = f"{' and '.join(x.called for x in missing)} must be fed: what is run needs a value for it"
        notes = tuple(note for x in missing for note in _declared(x))
        raise CompileError((Diagnostic(message, python_location(), notes, help="pass feed_dict={tensor: array}"),))


def _declared(x: Tensor) -> tuple[Note, ...]:
    return (Note(f"{x.called} is {x.value.type}", x.op.location),)


def _check_writes(reached: Iterable[Operation]) -> None:
    writers: dict[str, Operation] = {}
    for operation in reached:
        for write in (op for op in operation.made if isinstance(op, StateWrite)):
            other = writers.setdefault(write.symbol, operation)
            if other is not operation:
                notes = (Note("one write", other.location), Note("the other", operation.location))
                raise CompileError((Diagnostic(f"one run would write {write.symbol} twice", python_location(), notes),))
