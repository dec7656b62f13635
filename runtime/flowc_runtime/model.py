"""A compiled library as a model: a function for each graph, arrays for what it keeps."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np

from flowc_runtime.abi import Failure, FlowContext, FlowError
from flowc_runtime.call import Graph, str_of
from flowc_runtime.checkpoint import restore, save
from flowc_runtime.convert import Array, as_array
from flowc_runtime.dtypes import Refused, numpy_dtype, spelled
from flowc_runtime.errors import Error, did_you_mean, explained
from flowc_runtime.fast import fast_call
from flowc_runtime.locks import State, Workspace
from flowc_runtime.pool import Pool
from flowc_runtime.signature import Description, StatePort, described


def load(path: str | os.PathLike[str], threads: int = 0, prefix: str = "", weights: Array | None = None) -> Model:
    """The model in a shared library that flowc compiled.

    threads: how many a run uses, the caller among them; 0 is what the process may use.
    prefix: what the library's symbols begin with; by default the name of the file.
    weights: the bytes of the weights, for a library compiled without them inside; a 64-byte aligned array.
    Raises FileNotFoundError, and Error for a file that is no library of flowc's.
    """
    file = Path(path).resolve(strict=True)
    try:
        library = ctypes.CDLL(str(file))
    except OSError as error:
        raise Error(f"{path} cannot be loaded: {error}") from None
    stem = file.name.partition(".")[0]
    tried = [prefix] if prefix else [stem, stem.removeprefix("lib")]
    text = next((text for name in tried if (text := _text(library, f"{name}_signature"))), None)
    if text is None:
        hint = f"flowc compiled it under another name than {stem}: pass prefix=" if not prefix else f"its prefix is not {prefix}"
        raise Error(f"{path} has no symbol {tried[0]}_signature: it is no library of flowc's, or {hint}")
    try:
        description = described(json.loads(text))
    except ValueError as error:
        raise Error(f"{path}: {error}") from None
    pool = Pool(_address_in(library), threads) if threads != 1 and hasattr(library, "flow_pool_create") else None
    return Model(description, _address_in(library), pool, weights)


class Model:
    """`model.<graph>(...)` runs a graph; `params` and `state` are the arrays it keeps, assignable by name."""

    def __init__(
        self,
        description: Description,
        address: Callable[[str], int],
        pool: Pool | None,
        weights: Array | None = None,
        raised: Callable[[str], Exception] = Error,
        failed: Callable[[Failure], Exception] | None = None,
    ) -> None:
        location = _location(description, weights)
        state = _initialised(description, address, pool, location, failed) if description.state else None
        workspace = Workspace()
        self._graphs: dict[str, Callable[..., Any]] = {}
        self.memory: dict[str, Callable[..., int]] = {}  # bytes of workspace of each graph, by its sizes
        for signature in description.graphs:
            graph = Graph(signature, _keeping(weights, address), pool, workspace, state, location, description.sites, raised, failed)
            self._graphs[signature.name] = _native(graph, address)
            self.memory[signature.name] = graph.workspace_bytes
        self._name, self._raised = description.prefix, raised
        self.missing = {kept.port.name for kept in description.state if not kept.initialised}  # what has no value yet
        self.params = Kept(state, [kept for kept in description.state if kept.trainable], self.missing, raised)
        self.state = Kept(state, [kept for kept in description.state if not kept.trainable], self.missing, raised)

    def owned(self) -> None:
        """Its owner writes every param and state before it is read: none is waited for."""
        self.missing.clear()

    def complete(self) -> None:
        """Raises Error where a param or state has no value yet."""
        if self.missing:
            names = [name for name in (*self.params, *self.state) if name in self.missing]
            have = "has" if len(names) == 1 else "have"
            raise self._raised(f"{', '.join(names)} {have} no value yet: without an initialiser, assign one or restore a checkpoint first")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes params and states to a safetensors file, whole or not at all; raises Error where one has no value yet."""
        self.complete()
        save({**self.params, **self.state}, Path(path))

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Takes params and states from a safetensors file; raises Error telling every name, shape and dtype that does not fit."""
        restore((self.params, self.state), Path(path))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """The graph of that name, also where a model has something else of that name; raises KeyError where there is none."""
        graphs = self.__dict__.get("_graphs", {})
        if name not in graphs:
            model = self.__dict__.get("_name")
            raise KeyError(f"{model} has no graph {name}{did_you_mean(name, graphs)}; graphs: {', '.join(graphs)}")
        if not self.missing:
            return graphs[name]

        def once_complete(*args: Any, **named: Any) -> Any:
            self.complete()
            return graphs[name](*args, **named)

        return once_complete

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._graphs]

    def __repr__(self) -> str:
        return f"<flowc_runtime.Model {self._name}: {', '.join(self._graphs)}>"


class Kept(MutableMapping[str, Array]):
    """Arrays of the state by name: reading gives the array itself, assigning writes into it; their set is fixed."""

    def __init__(self, state: State | None, ports: list[StatePort], missing: set[str], raised: Callable[[str], Exception] = Error) -> None:
        self._state, self._missing, self._raised = state, missing, raised
        self._ports: Mapping[str, StatePort] = {kept.port.name: kept for kept in ports}
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._ports:
            raise KeyError(f"{name} is not kept here{did_you_mean(name, self._ports)}; kept: {', '.join(self._ports) or 'nothing'}")
        if name not in self._arrays:
            self._arrays[name] = self._array(self._ports[name])
        return self._arrays[name]

    def _array(self, kept: StatePort) -> Array:
        """The part of the state that holds it."""
        try:
            dtype = numpy_dtype(kept.port.dtype)
        except Refused as missing:
            raise self._raised(f"{str_of(kept.port)}: {missing}") from None
        assert self._state is not None
        shape = tuple(extent.value({}) for extent in kept.port.shape)
        count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return self._state.memory.bytes[kept.offset : kept.offset + count].view(dtype).reshape(shape)

    def __setitem__(self, name: str, value: object) -> None:
        array, port = self[name], self._ports[name].port
        try:
            new = as_array(value, port.dtype)
        except Refused as refused:
            raise self._raised(f"{str_of(port)}: {refused}") from None
        if new.shape != array.shape:
            raise self._raised(f"{str_of(port)}: given {spelled(port.dtype, new.shape)}")
        assert self._state is not None
        with self._state.lock.held():
            array[...] = new
        self._missing.discard(name)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name} belongs to the model and cannot be deleted")

    def __repr__(self) -> str:
        return "{" + ", ".join(map(str_of, (kept.port for kept in self._ports.values()))) + "}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._ports)


def _location(description: Description, weights: Array | None) -> int:
    """Where the weights lie, 0 where the library needs none; raises Error for another block than it was compiled with."""
    if not description.weights:
        return 0
    if weights is None:
        raise Error(f"{description.prefix} was compiled without its weights: pass weights=")
    if weights.nbytes != description.weights or not weights.flags.c_contiguous:
        given = f"{weights.nbytes}" + " that are not contiguous" * (not weights.flags.c_contiguous)
        raise Error(f"the weights of {description.prefix} are {description.weights} contiguous bytes, given {given}")
    return int(weights.ctypes.data)


def _keeping(weights: Array | None, address: Callable[[str], int]) -> Callable[[str], int]:
    """`address`; a graph that holds it reads weights that are there as long as the graph is, even where the model is not."""
    return lambda name, _weights=weights: address(name)


def _initialised(
    description: Description,
    address: Callable[[str], int],
    pool: Pool | None,
    weights: int,
    failed: Callable[[Failure], Exception] | None,
) -> State:
    """A state as the initialisers of the model say."""
    prefix, pointer = description.prefix, ctypes.c_void_p
    state = State(ctypes.CFUNCTYPE(ctypes.c_size_t)(address(f"{prefix}_state_bytes"))())
    try:
        start = address(f"{prefix}_init")
    except LookupError:
        return state  # zeros, until its owner writes it
    size = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_int)(address(f"{prefix}_init_workspace"))(pool.threads if pool else 1)
    error = FlowError()
    context = FlowContext(size=ctypes.sizeof(FlowContext), pool=pool.address if pool else None, error=ctypes.addressof(error))
    given = [weights] if description.init_weights else []
    init = ctypes.CFUNCTYPE(ctypes.c_int, pointer, *[pointer] * len(given), pointer, pointer)(start)
    with Workspace().of(size) as workspace:
        code = init(state.memory.address, *given, workspace, ctypes.addressof(context))
    if code:
        failure = Failure(code, error.site, error.index, error.bound)
        raise failed(failure) if failed else Error(f"{prefix}: {explained(failure, description.sites)}")
    return state


def _native(graph: Graph, address: Callable[[str], int]) -> Callable[..., Any]:
    """The graph's call in native code, where the library has one."""
    try:
        entry = address(graph.signature.symbol + "_python")
    except LookupError:
        return graph
    return fast_call(graph, entry)


def _address_in(library: ctypes.CDLL) -> Callable[[str], int]:
    def address(name: str) -> int:
        if not hasattr(library, name):
            raise LookupError(f"the library has no symbol {name}")
        return ctypes.cast(library[name], ctypes.c_void_p).value or 0

    return address


def _text(library: ctypes.CDLL, name: str) -> str | None:
    """The constant text under a symbol."""
    return ctypes.string_at(ctypes.cast(library[name], ctypes.c_void_p).value or 0).decode() if hasattr(library, name) else None
