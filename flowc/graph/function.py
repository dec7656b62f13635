"""Python functions as compiled ones: traced once for each set of dtypes and ranks, run with NumPy in and out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, cast, overload

import numpy as np

from flowc.errors import CompileError, Diagnostic, Note, OpError, UsageError
from flowc.graph.feeds import Input, fitting
from flowc.graph.graph import Graph, Operation
from flowc.graph.lower import lowered
from flowc.graph.run import Runner, compiled
from flowc.graph.sources import parameter
from flowc.graph.structure import layout, leaves, mapped, paths
from flowc.graph.tensor import Tensor
from flowc.graph.text import flow_text
from flowc.graph.types import ELEMENT_TYPES, ElementType, TensorType
from flowc.ir.core import Func, Module
from flowc.ir.printer import print_func
from flowc.ops.tensor import assumed_equal
from flowc.source import Source, Span, python_location
from flowc_runtime.convert import given_type
from flowc_runtime.dtypes import name_of

FIXED = (bool, int, float, str, list, tuple, dict, type(None))  # Python values that are no inputs
Key = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Traced:
    """One tracing of a function: what it became, its inputs, what it returned, and what runs it once that is asked for."""

    module: Module
    inputs: tuple[Input, ...]
    structure: Any

    @functools.cached_property
    def run(self) -> Runner:
        return compiled(self.module)


class Function:
    """A Python function over tensors.  Called with arrays it runs natively; called with tensors it is expanded at the call."""

    def __init__(self, python: Callable[..., Any], name: str | None = None, inputs: Collection[str] = ()) -> None:
        """Numbers passed for the parameters `inputs` are inputs too, in f32."""
        functools.update_wrapper(self, python)
        self.python = python
        self.name = name or _identifier(python.__name__)
        self.location = _definition(python)
        self.signature = inspect.signature(python, eval_str=True)
        self._positional = tuple(p.name for p in self.signature.parameters.values() if p.kind is not p.KEYWORD_ONLY)
        self._inputs = frozenset(inputs)
        self._traced: dict[Key, Traced] = {}
        for p in self.signature.parameters.values():
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                raise self._wrong(f"{self.name} takes *{p.name}, and a compiled function has a fixed list of inputs")

    @property
    def func(self) -> Func:
        """The IR; raises `UsageError` where types are left open and no call has settled them."""
        return self.module.funcs[0]

    @property
    def module(self) -> Module:
        """The module with the one function; of several tracings the latest."""
        if not self._traced:
            self._trace_annotated()
        return list(self._traced.values())[-1].module

    def text(self) -> str:
        """The function as a graph of the language; raises `UsageError` for what the language has no words for yet."""
        return flow_text(self.func)

    def __call__(self, *positional: Any, **keyword: Any) -> Any:
        """The results for these arguments, in the structure that the function returns.

        `out` is a structure of arrays to write into; where a parameter has that name it is the parameter.
        Raises `UsageError` for arguments that do not fit, `CompileError` for mistakes in what is built,
        `RunError` where a check ends the run.
        """
        out = None if "out" in self.signature.parameters else keyword.pop("out", None)
        bound = self._bound(positional, keyword)
        if any(isinstance(x, Tensor) for x in leaves(list(bound.values()))):
            return self._expanded(bound)
        parts = self._parts(bound)
        types = {path: self._type(name, x) for name, own in parts.items() for path, x in own.items()}
        traced = self._tracing(types, bound, parts)
        given = [x for own in parts.values() for path, x in own.items() if types[path] is not None]
        results = iter(traced.run(fitting(traced.inputs, given), {}))
        found = mapped(traced.structure, lambda x: None if x is None else np.asarray(next(results))[()])
        return found if out is None else _written(found, out)

    def __repr__(self) -> str:
        return f"<function {self.name}{self.signature}>"

    def _repr_html_(self) -> str:
        """The IR where there is one yet."""
        return f"<pre>{escape(print_func(self.func) if self._traced else repr(self))}</pre>"

    def _bound(self, positional: tuple[Any, ...], keyword: Mapping[str, Any]) -> dict[str, Any]:
        if len(positional) == len(self._positional) == len(self.signature.parameters):
            return dict(zip(self._positional, positional, strict=True))
        try:
            bound = self.signature.bind(*positional, **keyword)
        except TypeError as error:
            raise self._misused(f"{self.name}: {error}", f"{self.name}{self.signature}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _parts(self, bound: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """For each parameter what it is made of: itself, or what stands in a structure that holds an array, by path."""
        return {name: dict(paths(x, name)) if _is_structure(self.signature.parameters[name], x) else {name: x} for name, x in bound.items()}

    def _type(self, name: str, value: Any) -> TensorType | None:
        """The type of the input that the argument is; None for a value that is fixed."""
        p = self.signature.parameters[name]
        declared = _declared(p)
        if declared is not None:
            return _settled(declared, np.ndim(value)) if declared.open else declared
        if isinstance(value, float) and name in self._inputs and not isinstance(value, np.generic):
            return TensorType(ELEMENT_TYPES["f32"])
        if p.annotation in (int, float, bool, str) or (isinstance(value, FIXED) and not isinstance(value, np.generic)):
            return None
        try:
            array = np.asarray(value) if not hasattr(value, "dtype") else value
            return TensorType(ELEMENT_TYPES[name_of(np.dtype(array.dtype))], (None,) * np.ndim(array))
        except (KeyError, TypeError):
            return None

    def _expanded(self, bound: dict[str, Any]) -> Any:
        """The function's results over tensors of a graph under construction."""
        sizes: dict[str, Any] = {}
        for name, x in bound.items():
            declared = _declared(self.signature.parameters[name])
            if declared is not None and isinstance(x, Tensor):
                self._check(name, declared, x, sizes)
        return self.python(**bound)

    def _check(self, name: str, declared: TensorType, x: Tensor, sizes: dict[str, Any]) -> None:
        given = x.value.type
        fits = given.dtype is declared.element.ir and (declared.open or given.rank == len(declared.shape))
        pairs = [] if declared.open else list(zip(declared.shape, given.shape, strict=False))
        wanted = [(sizes.setdefault(d, n) if isinstance(d, str) else d, n) for d, n in pairs if d is not None]
        try:
            assumed_equal([(a, b) for a, b in wanted if not isinstance(a, str)], "") if fits else None  # type: ignore[misc]
        except OpError:
            fits = False
        if not fits:
            notes = (Note(f"{self.name} is defined here", self.location),) if self.location is not None else ()
            message = f"{name} of {self.name} is {declared}, not {given}"
            raise CompileError((Diagnostic(message, python_location(), notes),))

    def _trace_annotated(self) -> Traced:
        declared = {name: _declared(p) for name, p in self.signature.parameters.items()}
        static = {name: p.default for name, p in self.signature.parameters.items() if declared[name] is None and p.default is not p.empty}
        untyped = [name for name, d in declared.items() if (d is None and name not in static) or (d is not None and d.open)]
        if untyped:
            message = f"{' and '.join(untyped)} of {self.name} {'has' if len(untyped) == 1 else 'have'} no type yet"
            raise self._misused(message, f'annotate it, `{untyped[0]}: fc.f32["N", 784]`, or call {self.name} first')
        given = {name: static.get(name) for name in declared}
        return self._tracing(declared, given, {name: {name: x} for name, x in given.items()})

    def _tracing(self, types: Mapping[str, TensorType | None], bound: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> Traced:
        values = {path: x for own in parts.values() for path, x in own.items()}
        key: Key = tuple((path, type) if type is not None else (path, _static(values[path])) for path, type in types.items())
        key += tuple((name, layout(bound[name])) for name, own in parts.items() if name not in own)
        try:
            known = self._traced.get(key)
        except TypeError:
            unhashable = next(path for path, type in types.items() if type is None and not _hashable(values[path]))
            message = f"{unhashable} of {self.name} is no tensor and cannot be told apart from other values"
            raise self._misused(message, "pass an array, or annotate it with a type such as `fc.f32[3]`") from None
        if known is None:
            known = self._traced[key] = self._trace(types, bound, parts)
        return known

    def _trace(self, types: Mapping[str, TensorType | None], bound: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> Traced:
        graph = Graph()
        graph.outermost = Function._trace.__code__
        with graph.as_default():
            params = {path: parameter(graph, type, path) for path, type in types.items() if type is not None}
            for x in params.values():
                x.op.location = self.location
            arguments: dict[str, Any] = {}
            for name, own in parts.items():
                made = iter([params.get(path, x) for path, x in own.items()])
                arguments[name] = next(made) if name in own else mapped(bound[name], lambda _, made=made: next(made))
            returned = self.python(**arguments)
            results = [self._result(graph, x) for x in leaves(returned) if x is not None or returned is None]
        if graph.variables:
            message = f"{self.name} makes variables, and functions with state are not there yet"
            raise self._misused(message, "pass the values and return them")
        inputs = tuple(params.values())
        outputs = _outputs(returned, results)
        module = lowered(graph, results, (), inputs, self.name, outputs, self.location, [o for o in graph.operations if o.region is None])
        return Traced(module, tuple(Input(name, x.value.type, self.location) for name, x in params.items()), returned)

    def _result(self, graph: Graph, x: Any) -> Tensor:
        if isinstance(x, Tensor):
            graph.value_of(x)
            return x
        if isinstance(x, Operation | None):
            raise self._wrong(f"{self.name} returns {x!r:.60}, which is no tensor")
        return graph.as_tensor(x)

    def _wrong(self, message: str) -> CompileError:
        return CompileError((Diagnostic(message, self.location),))

    def _misused(self, message: str, help: str) -> UsageError:
        notes = (Note(f"{self.name} is defined here", self.location),) if self.location is not None else ()
        return UsageError((Diagnostic(message, python_location(), notes, help=help),))


@overload
def function(python: Callable[..., Any], *, name: str | None = None) -> Function: ...
@overload
def function(python: None = None, *, name: str | None = None) -> Callable[[Callable[..., Any]], Function]: ...
def function(python: Callable[..., Any] | None = None, *, name: str | None = None) -> Function | Callable[[Callable[..., Any]], Function]:
    """The compiled function that a Python function over tensors describes; also a decorator.

    A parameter annotated `f32["N", 784]` is an input of that type.  One without an annotation is an input where
    an array is passed, its sizes free; any other Python value is fixed for the tracing.
    """
    return functools.partial(Function, name=name) if python is None else Function(python, name)


def _declared(p: inspect.Parameter) -> TensorType | None:
    if isinstance(p.annotation, ElementType):
        return TensorType(p.annotation)
    return p.annotation if isinstance(p.annotation, TensorType) else None


def _is_structure(p: inspect.Parameter, value: Any) -> bool:
    """Whether the argument is a structure with an array in it, each of which is an input."""
    return isinstance(value, list | tuple | Mapping) and _declared(p) is None and any(hasattr(x, "__array__") for x in leaves(value))


def _settled(declared: TensorType, rank: int) -> TensorType:
    """The type with `...` written out for a tensor of `rank` axes."""
    at = declared.shape.index(...)
    free = max(rank - (len(declared.shape) - 1), 0)
    return TensorType(declared.element, (*declared.shape[:at], *(None,) * free, *declared.shape[at + 1 :]))


def _static(value: Any) -> tuple[type, Any]:
    return type(value), value  # pyright: ignore[reportUnknownVariableType]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _outputs(returned: Any, results: list[Tensor]) -> tuple[str, ...]:
    """Names for the results: the keys or fields of what is returned, else the variables they were assigned to, each once."""
    keys: Any = cast(Any, returned) if isinstance(returned, Mapping) else getattr(returned, "_fields", ())
    names = [str(key) for key in keys] or ["" if x.value.op is None or x.value.hint == "result" else x.value.hint for x in results]
    names = [n if n.isidentifier() and names.count(n) == 1 else "" for n in names]
    return tuple(names) if any(names) and len(names) == len(results) else ()


def _written(found: Any, out: Any) -> Any:
    """`out`, with `found` written into its arrays, all of which fit."""
    values, arrays = ([x for x in leaves(part) if x is not None] for part in (found, out))
    if len(values) != len(arrays):
        raise UsageError(f"the results are {len(values)}, and out has {len(arrays)}")
    for value, array in zip(values, arrays, strict=True):
        if not isinstance(array, np.ndarray):
            raise UsageError(f"out is an array of type {given_type(value)} here, not of type {type(array).__name__}")
        if given_type(array) != given_type(value):
            raise UsageError(f"out is an array of type {given_type(value)} here, not {given_type(array)}")
        if not cast(Any, array).flags.writeable:
            raise UsageError(f"out of type {given_type(value)} is read-only")
    for value, array in zip(values, arrays, strict=True):
        np.copyto(array, value)
    return out


def _identifier(name: str) -> str:
    return name if name.isidentifier() else "f"  # a lambda


def _definition(python: Callable[..., Any]) -> Span | None:
    """The line where the function is defined; None where its source cannot be read."""
    try:
        lines, first = inspect.getsourcelines(python)
        file = inspect.getsourcefile(python)
    except (OSError, TypeError):
        return None
    at = next((n for n, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")) or "lambda" in line), 0)
    text = "\n" * (first - 1) + "".join(lines)
    begin = first - 1 + sum(len(line) for line in lines[:at]) + len(lines[at]) - len(lines[at].lstrip())
    end = first - 1 + sum(len(line) for line in lines[: at + 1])
    return Span(Source(file or "<function>", text), begin, begin + len(text[begin:end].rstrip()))
