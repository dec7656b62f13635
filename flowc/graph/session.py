"""Sessions: what runs parts of graphs, and keeps the values of their variables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from flowc.errors import CompileError, Diagnostic, Note, UsageError
from flowc.graph.feeds import Input, fitting
from flowc.graph.graph import RUN, SESSION, Graph, Operation, get_default_graph
from flowc.graph.lower import lowered, reach
from flowc.graph.run import Runner, compiled
from flowc.graph.structure import leaves, mapped
from flowc.graph.tensor import Tensor
from flowc.graph.variables import Variable
from flowc.ir.core import Module, walk
from flowc.ops.control import StateRead
from flowc.ops.tensor import Array
from flowc.source import python_location

Fetch = Tensor | Operation


@dataclass(frozen=True)
class Program:
    """What runs one set of fetches for one set of feeds."""

    module: Module
    run: Runner
    inputs: tuple[Input, ...]
    reads: tuple[Variable, ...]  # the variables whose values it needs
    numbered: bool  # its last input is the number of the run


class Session:
    """Runs fetches in their graphs.  Each set of fetches and feeds is compiled once, for every size; variables live here."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph = graph or get_default_graph()
        self.closed = False
        self._programs: dict[tuple[tuple[Fetch, ...], tuple[Tensor, ...]], Program] = {}
        self._states: dict[Graph, dict[str, Array]] = {}
        self._entered: list[Token[Session | None]] = []
        self._runs = count()  # numbers of those that draw random numbers
        self._turn = Lock()  # of runs that read or write variables

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None) -> Any:
        """The values of `fetches`: tensors, operations (whose value is None), their names, and nested lists, tuples and dicts of these.

        `feed_dict` gives values for placeholders, and for any other tensor instead of what would be computed.
        What it gives has the shape of `fetches`, in arrays; scalars are NumPy's.
        Raises `UsageError` for what does not fit, `CompileError` where the graph is at fault, `RunError` where a check ends the run.
        """
        self._check_open()
        wanted = [self._fetch(x) for x in leaves(fetches)]
        fed = {self._fed(key): value for key, value in (feed_dict or {}).items()}
        found: dict[Fetch, Any] = {}
        for graph in dict.fromkeys(x.graph for x in wanted):
            own = tuple(dict.fromkeys(x for x in wanted if x.graph is graph))
            found.update(self._run(graph, own, {x: value for x, value in fed.items() if x.graph is graph}))
        values = iter(wanted)
        return mapped(fetches, lambda _: found[next(values)])

    def save(self, path: str | os.PathLike[str], variables: Sequence[Variable] | None = None) -> None:
        """Writes the variables, all that have a value where left out, to a safetensors file, whole or not at all."""
        from flowc.checkpoint import save

        with self._turn:
            self._check_open()
            state = self._states.get(self.graph, {})
            given = [v for v in self.graph.variables if v.state.name in state] if variables is None else list(variables)
            self._check_values(given, state)
            save({v.state.name: state[v.state.name] for v in given}, Path(path))

    def restore(self, path: str | os.PathLike[str], variables: Sequence[Variable] | None = None) -> None:
        """Takes the variables, all where left out, from a safetensors file.

        Raises `UsageError` telling every name, shape and dtype that does not fit; then nothing is changed.
        """
        from flowc.checkpoint import restore

        with self._turn:
            self._check_open()
            given = self.graph.variables if variables is None else variables
            new = {v.state.name: np.zeros(cast(Any, v.state.type.shape), v.state.type.dtype.numpy) for v in given}
            restore((new,), Path(path))
            self._states.setdefault(self.graph, {}).update(new)

    @property
    def programs(self) -> list[Program]:
        """What has been compiled so far."""
        return list(self._programs.values())

    def close(self) -> None:
        """Gives up the values of the variables; the session runs nothing from here on."""
        self.closed = True
        self._states.clear()
        self._programs.clear()

    def __enter__(self) -> Self:
        self._check_open()
        self._entered.append(SESSION.set(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        SESSION.reset(self._entered.pop())
        self.close()

    def _run(self, graph: Graph, fetches: tuple[Fetch, ...], fed: dict[Tensor, Any]) -> dict[Fetch, Any]:
        feeds = tuple(sorted(fed, key=lambda x: (x.op.position, x.index)))
        program = self._program(graph, fetches, feeds)
        given = [fed[x] for x in feeds]
        if program.numbered:
            given.append(np.int64(next(self._runs)))
        arrays = fitting(program.inputs, given)
        if not program.module.states:
            return self._found(fetches, program.run(arrays, {}))
        with self._turn:
            state = self._states.setdefault(graph, {})
            self._check_initialised(program, state)
            return self._found(fetches, program.run(arrays, state))

    def _found(self, fetches: tuple[Fetch, ...], values: Sequence[Array]) -> dict[Fetch, Any]:
        results = iter(values)
        return {x: _result(next(results)) if isinstance(x, Tensor) else None for x in fetches}

    def _program(self, graph: Graph, fetches: tuple[Fetch, ...], feeds: tuple[Tensor, ...]) -> Program:
        known = self._programs.get((fetches, feeds))
        if known is None:
            results = [x for x in fetches if isinstance(x, Tensor)]
            operations = [x for x in fetches if isinstance(x, Operation)]
            numbers = [x for o in reach(results, operations, feeds) if o.type == RUN for x in o.outputs]
            inputs = (*feeds, *numbers)
            module = lowered(graph, results, operations, inputs)
            known = Program(module, compiled(module), tuple(map(_input, inputs)), _reads(graph, module), bool(numbers))
            self._programs[fetches, feeds] = known
        return known

    def _fetch(self, x: Any) -> Fetch:
        match x:
            case Tensor() | Operation():
                return x
            case str() if ":" in x:
                return self.graph.get_tensor_by_name(x)
            case str():
                return self.graph.get_operation_by_name(x)
            case _:
                raise _misused(f"{x!r:.60} of type {type(x).__name__} cannot be fetched", "fetch tensors, operations, or their names")

    def _fed(self, key: Any) -> Tensor:
        match key:
            case Tensor():
                return key
            case str():
                return self.graph.get_tensor_by_name(key if ":" in key else f"{key}:0")
            case _:
                raise _misused(f"{key!r:.60} of type {type(key).__name__} cannot be fed", "feed tensors, or their names")

    def _check_open(self) -> None:
        if self.closed:
            raise _misused("the session is closed", "make another with Session()")

    def _check_initialised(self, program: Program, state: Mapping[str, Array]) -> None:
        self._check_values(program.reads, state)

    def _check_values(self, variables: Sequence[Variable], state: Mapping[str, Array]) -> None:
        missing = [v for v in variables if v.state.name not in state]
        if missing:
            names = " and ".join(v.state.name for v in missing)
            notes = tuple(Note(f"{v.state.name} is {v.state.type}", v.state.location) for v in missing)
            help = "run global_variables_initializer() in this session first"
            raise CompileError(
                (Diagnostic(f"{names} {'has' if len(missing) == 1 else 'have'} no value yet", python_location(), notes, help=help),)
            )


def _reads(graph: Graph, module: Module) -> tuple[Variable, ...]:
    read = {op.symbol for func in module.funcs for op in walk(func.body) if isinstance(op, StateRead)}
    return tuple(v for v in graph.variables if v.state.name in read)


def _input(x: Tensor) -> Input:
    return Input(x.called, x.value.type, x.op.location)


def _result(array: Any) -> Any:
    """An array, or NumPy's scalar."""
    return np.asarray(array)[()]


def _misused(message: str, help: str) -> UsageError:
    return UsageError((Diagnostic(message, python_location(), help=help),))


def get_default_session() -> Session | None:
    """The session of the innermost `with` statement; None outside of one."""
    return SESSION.get()
