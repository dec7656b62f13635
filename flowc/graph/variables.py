"""Variables: state that a session keeps between runs, and the operations that write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowc.errors import OpError
from flowc.graph.arguments import converted
from flowc.graph.graph import Graph, Operation, get_default_graph, numbered, tensors
from flowc.graph.tensor import Tensor
from flowc.ir.core import State, Symbol, Value
from flowc.ir.types import Type
from flowc.ops.control import StateRead, StateWrite
from flowc.ops.shape import broadcast_to
from flowc.ops.tensor import assumed_equal


class Variable(Tensor):
    """State of a session.  As a tensor it is the value from before the run; `initializer` writes the first one."""

    def __init__(self, initial_value: Any, trainable: bool = True, name: str | None = None, dtype: Any = None) -> None:
        first = initial_value() if callable(initial_value) and not isinstance(initial_value, Tensor) else initial_value
        graph = next((x.graph for x in tensors(first)), get_default_graph())
        full = graph.free_name(name or "Variable")
        with graph.name_scope(f"{full}/"):
            initial = graph.as_tensor(first, dtype, "initial_value")
        type = initial.value.type
        if any(not isinstance(d, int) for d in type.shape):
            raise graph.wrong(f"a variable has sizes that are numbers, and its first value is {type}")
        symbol = Symbol(_state_name(graph, name and full))
        read: Tensor = graph.record("Variable", (), lambda: StateRead(symbol, type).result, name)
        super().__init__(read.op, 0, read.value, read.region)
        self.op.outputs = (self,)
        self.state = State(str(symbol), type, "param" if trainable else "state", self.op.location)
        self.trainable, self.initial_value = trainable, initial
        graph.variables.append(self)
        with graph.name_scope(f"{full}/"):
            self.initializer = _write(self, "Assign", initial, None).op

    def assign(self, value: Any, name: str | None = None) -> Tensor:
        """The next value, written when the run that needs it has passed its checks; gives that value."""
        return _write(self, "Assign", value, name)

    def assign_add(self, value: Any, name: str | None = None) -> Tensor:
        return _write(self, "AssignAdd", self + value, name)

    def assign_sub(self, value: Any, name: str | None = None) -> Tensor:
        return _write(self, "AssignSub", self - value, name)

    def read_value(self) -> Tensor:
        """The value from before the run."""
        return self

    def __repr__(self) -> str:
        return super().__repr__().replace("Tensor", "Variable", 1)


def variable(initial_value: Any, trainable: bool = True, name: str | None = None, dtype: Any = None) -> Variable:
    """State that a session keeps between runs, which begins as `initial_value`: a tensor, an array, a number, or a call giving one."""
    return Variable(initial_value, trainable, name, dtype)


def assign(ref: Variable, value: Any, name: str | None = None) -> Tensor:
    """The variable's next value; raises `CompileError` where the value is of another type."""
    return _variable(ref).assign(value, name)


def assign_add(ref: Variable, value: Any, name: str | None = None) -> Tensor:
    return _variable(ref).assign_add(value, name)


def assign_sub(ref: Variable, value: Any, name: str | None = None) -> Tensor:
    return _variable(ref).assign_sub(value, name)


def group(*inputs: Operation | Tensor, name: str | None = None) -> Operation:
    """The operation that does all of `inputs`."""
    operations = [x.op if isinstance(x, Tensor) else x for x in inputs]
    graph = operations[0].graph if operations else get_default_graph()
    with graph.control_dependencies(operations):
        return graph.enter("NoOp", (), name or "group_deps")


def global_variables(graph: Graph | None = None) -> list[Variable]:
    """The variables of the graph, in the order they were made."""
    return list((graph or get_default_graph()).variables)


def trainable_variables(graph: Graph | None = None) -> list[Variable]:
    return [v for v in global_variables(graph) if v.trainable]


def variables_initializer(variables: Sequence[Variable], name: str = "init") -> Operation:
    """The operation that gives `variables` their first values."""
    return group(*(v.initializer for v in variables), name=name)


def global_variables_initializer(name: str = "init") -> Operation:
    """The operation that gives all variables made so far their first values."""
    return variables_initializer(global_variables(), name)


def local_variables_initializer(name: str = "init_local") -> Operation:
    """The operation that does nothing: every variable is a global one."""
    return group(name=name)


def _variable(x: Any) -> Variable:
    if isinstance(x, Variable):
        return x
    raise get_default_graph().wrong(f"{x!r:.80} is no variable", help="only what variable() made can be assigned to")


def _state_name(graph: Graph, full: str | None) -> str:
    """The name of a variable's state: that of its operation, or the Python variable it is assigned to, told apart from the others."""
    target = graph.assignment()
    wanted = (full or (graph.scope_now + target.names[0] if target is not None and target.direct else "Variable")).replace("/", ".")
    taken = {v.state.name for v in graph.variables}
    return next(n for n in numbered(wanted) if n not in taken)


def _write(target: Variable, kind: str, value: Any, name: str | None) -> Tensor:
    graph, state = target.graph, target.state

    def make() -> Value:
        new = _fitting(state, converted(value, None if isinstance(value, Tensor) else _dtype_for(value, state), graph.value_of))
        StateWrite(Symbol(state.name), new)
        return new

    return graph.record(kind, tuple(tensors(value)), make, name)


def _dtype_for(value: Any, state: State) -> Any:
    """Numbers take the variable's dtype; arrays keep theirs, so that a wrong one is told."""
    return None if hasattr(value, "dtype") else state.type.dtype


def _fitting(state: State, value: Value) -> Value:
    if value.type.dtype is not state.type.dtype:
        raise OpError(
            f"{state.name} is {state.type}, and {value.type} is assigned to it", help=f"convert it: `.astype({state.type.dtype.value})`"
        )
    message = f"{state.name} is {state.type}, and {value.type} is assigned to it"
    if value.type.rank != state.type.rank and value.type.rank:
        raise OpError(message)
    if value.type.rank:
        assumed_equal(list(zip(value.type.shape, state.type.shape, strict=True)), message)
    return value if value.type == Type(state.type.dtype, state.type.shape) else broadcast_to(value, state.type.shape)
