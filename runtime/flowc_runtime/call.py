"""Calls a compiled graph with what Python has: converts, binds sizes, checks, allocates, runs."""

from __future__ import annotations

import ctypes
import math
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NoReturn, cast

import numpy as np

from flowc_runtime.abi import Failure, FlowContext, FlowError
from flowc_runtime.convert import Array, as_given, given_type, laid_out
from flowc_runtime.dtypes import DType, Refused, numpy_dtype, spelled
from flowc_runtime.errors import Error, did_you_mean, explained
from flowc_runtime.locks import State, Workspace
from flowc_runtime.pool import Pool
from flowc_runtime.signature import Port, Signature

_BY_VALUE: Mapping[str, Any] = {
    "bool": ctypes.c_uint8, "i8": ctypes.c_int8, "i16": ctypes.c_int16, "i32": ctypes.c_int32, "i64": ctypes.c_int64, "u8": ctypes.c_uint8,
    "u16": ctypes.c_uint16, "u32": ctypes.c_uint32, "u64": ctypes.c_uint64, "f16": ctypes.c_uint16, "bf16": ctypes.c_uint16,
    "f32": ctypes.c_float, "f64": ctypes.c_double,
}  # fmt: skip


class Graph:
    """A compiled graph as a function on arrays.

    `address` gives the address of a symbol of its code.  `raised` makes the exception for a wrong argument, `failed` the one
    for a run that failed.  Several threads may call it; those of a graph with state take turns.
    """

    def __init__(
        self,
        signature: Signature,
        address: Callable[[str], int],
        pool: Pool | None = None,
        workspace: Workspace | None = None,
        state: State | None = None,
        weights: int = 0,
        sites: Sequence[str] = (),
        raised: Callable[[str], Exception] = Error,
        failed: Callable[[Failure], Exception] | None = None,
    ) -> None:
        if signature.stateful and state is None:
            raise ValueError(f"{signature.name} has state: pass one")
        self.address = address
        self.signature, self.pool, self.state, self.weights = signature, pool, state, weights
        self.workspace = workspace or Workspace()
        self.threads = pool.threads if pool else 1
        self._raised = raised
        self._failed, self._sites = failed, sites
        self._function = _function(signature, address(signature.symbol))
        sizes = [ctypes.c_int64] * len(signature.sizes)
        self._bytes = ctypes.CFUNCTYPE(ctypes.c_size_t, *sizes, ctypes.c_int)(address(signature.symbol + "_workspace"))
        self.result = named_tuple(signature) if len(signature.outputs) > 1 else None

    def __call__(self, *args: object, **named: object) -> Any:
        """An array (a NumPy scalar where the rank is 0), a named tuple of several, None where there is no result.

        `out` gives arrays for the results, which the call returns; where an input has that name it is the input.
        """
        out: Any = None if any(port.name == "out" for port in self.signature.inputs) else named.pop("out", None)
        given = [self._converted(port, value) for port, value in zip(self.signature.inputs, self._ordered(args, named), strict=True)]
        sizes = self._sizes(given)
        counts = [ctypes.c_int64() for _ in self.signature.found]
        try:
            inputs = [laid_out(array, port.dtype) for port, array in zip(self.signature.inputs, given, strict=True)]
            outputs = self._outputs(sizes, out)
            self._run(sizes, inputs, outputs, counts)
        except MemoryError:
            told = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            raise self._error("there is no memory for a run" + f" with {told}" * bool(told)) from None
        results = self._results(sizes, outputs, counts, out)
        if self.result is not None:
            return self.result._make(results)
        return results[0] if results else None

    def fail(self, code: int, site: int, index: int, bound: int) -> NoReturn:
        """Raises what a run that returned `code` means."""
        failure = Failure(code, site, index, bound)
        raise self._failed(failure) if self._failed else self._raised(f"{self.signature.name}: {explained(failure, self._sites)}")

    def workspace_bytes(self, **sizes: int) -> int:
        """The bytes of workspace a run with these sizes takes."""
        return int(self._bytes(*(sizes[size.name] for size in self.signature.sizes), self.threads))

    def _error(self, text: str) -> Exception:
        return self._raised(f"{self.signature.name}: {text}")

    def _ordered(self, args: tuple[object, ...], named: dict[str, object]) -> list[object]:
        """The arguments in the order of the inputs."""
        names = [port.name for port in self.signature.inputs]
        if len(args) > len(names):
            takes = _number(len(names), "input") + (f" ({', '.join(names)})" if names else "")
            raise self._error(f"takes {takes}, given {len(args)}")
        given = dict(zip(names, args, strict=False))
        for name, value in named.items():
            if name in given:
                raise self._error(f"input {name} is given twice")
            if name not in names:
                raise self._error(f"there is no input {name}{did_you_mean(name, names)}; inputs: {', '.join(names) or 'none'}")
            given[name] = value
        missing = [str_of(port) for port in self.signature.inputs if port.name not in given]
        if missing:
            raise self._error(f"missing {'input' if len(missing) == 1 else 'inputs'} {', '.join(missing)}")
        return [given[name] for name in names]

    def _converted(self, port: Port, value: object) -> Array:
        try:
            array = as_given(value, port.dtype)
        except Refused as refused:
            raise self._error(f"input {str_of(port)}: {refused}") from None
        if array.ndim != len(port.shape):
            axes = f"{array.ndim} {'axis' if array.ndim == 1 else 'axes'}, {len(port.shape)} wanted"
            raise self._error(f"input {str_of(port)}: given {spelled(port.dtype, array.shape)}: {axes}")
        return array

    def _sizes(self, inputs: list[Array]) -> dict[str, int]:
        """The size of each name, read off the inputs; every axis is as the sizes say and every size in its range."""
        sizes: dict[str, int] = {}
        source: dict[str, str] = {}
        names = [port.name for port in self.signature.inputs]
        for read in self.signature.reads:
            extent = inputs[names.index(read.input)].shape[read.axis]
            sizes[read.size] = (extent - read.plus.value(sizes)) // read.times
            source[read.size] = read.input
        for size in self.signature.sizes:
            found = sizes[size.name]
            if found < size.low or size.high is not None and found > size.high:
                port = self.signature.inputs[names.index(source[size.name])]
                given = spelled(port.dtype, inputs[names.index(port.name)].shape)
                raise self._error(f"{size.name} is {found}, outside {size.range}: input {str_of(port)} given {given}")
        for port, array in zip(self.signature.inputs, inputs, strict=True):
            for axis, (extent, wanted) in enumerate(zip(array.shape, port.shape, strict=True)):
                if extent != wanted.value(sizes):
                    raise self._error(self._mismatch(port, array, axis, sizes, source))
        return sizes

    def _mismatch(self, port: Port, array: Array, axis: int, sizes: dict[str, int], source: dict[str, str]) -> str:
        wanted = port.shape[axis]
        text = f"input {str_of(port)}: given {spelled(port.dtype, array.shape)}: axis {axis} is {array.shape[axis]}, {wanted}"
        if wanted.text.isdecimal():
            return f"{text} wanted"
        others = [f"{name} is {size} by input {source[name]}" for name, size in sizes.items() if name in _names(wanted.text)]
        return f"{text} is {wanted.value(sizes)}: {', '.join(others)}"

    def _outputs(self, sizes: dict[str, int], out: Any) -> list[Array]:
        bounds = sizes | {found.size: found.bound.value(sizes) for found in self.signature.found}
        shapes = [tuple(d.value(bounds) for d in port.shape) for port in self.signature.outputs]
        dtypes = [self._dtype(port) for port in self.signature.outputs]
        if out is None:
            return [_empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        given: list[Any] = [*out] if isinstance(out, tuple | list) else [out]
        if len(given) != len(shapes):
            raise self._error(f"out has {_number(len(given), 'array')} for {_number(len(shapes), 'result')}")
        return [self._output(*each) for each in zip(self.signature.outputs, given, shapes, dtypes, strict=True)]

    def _dtype(self, port: Port) -> DType:
        try:
            return numpy_dtype(port.dtype)
        except Refused as missing:
            raise self._error(f"result {str_of(port)}: {missing}") from None

    def _output(self, port: Port, array: Any, shape: tuple[int, ...], dtype: DType) -> Array:
        wanted = f"out for {port.name} must be {spelled(port.dtype, shape)}"
        if not isinstance(array, np.ndarray):
            raise self._error(f"{wanted}, given a {type(array).__name__}")
        checked = cast(Array, array)
        if checked.dtype != dtype or checked.shape != shape:
            raise self._error(f"{wanted}, given {given_type(checked)}")
        if not (checked.flags.c_contiguous and checked.flags.aligned and checked.flags.writeable):
            raise self._error(f"{wanted}, contiguous, aligned and writeable")
        return checked

    def _run(self, sizes: dict[str, int], inputs: list[Array], outputs: list[Array], counts: list[ctypes.c_int64]) -> None:
        error = FlowError()
        pool = self.pool.address if self.pool else None
        context = FlowContext(size=ctypes.sizeof(FlowContext), pool=pool, error=ctypes.addressof(error))
        extents = [sizes[size.name] for size in self.signature.sizes]
        passed = [_scalar(a, p.dtype) if not p.shape else a.ctypes.data for p, a in zip(self.signature.inputs, inputs, strict=True)]
        stored: list[int] = []
        found = [*zip(self.signature.found, counts, strict=True)]
        for n, array in enumerate(outputs):
            stored += [array.ctypes.data, *(ctypes.addressof(count) for size, count in found if size.output == n)]
        weights = [self.weights] if self.signature.weights else []
        with ExitStack() as stack:
            workspace = stack.enter_context(self.workspace.of(int(self._bytes(*extents, self.threads))))
            state: list[int] = []
            if self.signature.stateful and self.state:
                stack.enter_context(self.state.lock.held())
                state = [self.state.memory.address]
            code = self._function(*state, *extents, *passed, *stored, *weights, workspace, ctypes.addressof(context))
        if code:
            self.fail(code, error.site, error.index, error.bound)

    def _results(self, sizes: dict[str, int], outputs: list[Array], counts: list[ctypes.c_int64], out: Any) -> list[Any]:
        if out is None:
            outputs = [array if array.ndim else array[()] for array in outputs]
        found = self.signature.found
        actual = sizes | {each.size: count.value for each, count in zip(found, counts, strict=True)}
        for n in dict.fromkeys(each.output for each in found):
            shape = tuple(d.value(actual) for d in self.signature.outputs[n].shape)
            part = outputs[n].reshape(-1)[: math.prod(shape)].reshape(shape)  # its elements lie together from the start
            if out is not None:
                outputs[n] = part
            elif part.shape != outputs[n].shape:
                outputs[n] = part.copy()  # so that the rest of the buffer is freed
        return outputs


def named_tuple(signature: Signature) -> Any:
    """The class of several results, with a field for each."""
    fields = [_identifier(port.name) for port in signature.outputs]
    return namedtuple(_identifier(signature.name), fields, rename=True)  # pyright: ignore[reportUntypedNamedTuple]


def _empty(shape: tuple[int, ...], dtype: DType) -> Array:
    """An array with any elements; raises MemoryError where NumPy has no array of that size, too.

    A negative size is for the run to refuse, which knows where it comes from.
    """
    try:
        return np.empty([max(n, 0) for n in shape], dtype)
    except ValueError:
        raise MemoryError from None


def str_of(port: Port) -> str:
    return f"{port.name}: {port}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _names(text: str) -> list[str]:
    separated = "".join(c if c.isalnum() or c in "_." else " " for c in text)
    return separated.split()


def _identifier(name: str) -> str:
    word = name.replace(".", "_")
    return word if word.isidentifier() else "result"


def _function(signature: Signature, address: int) -> Callable[..., int]:
    """The C function: state, sizes, inputs, outputs with the sizes found, weights, workspace, context."""
    pointer = ctypes.c_void_p
    inputs = [_BY_VALUE[port.dtype] if not port.shape else pointer for port in signature.inputs]
    pointers = len(signature.outputs) + len(signature.found) + signature.weights
    state, sizes = [pointer] * signature.stateful, [ctypes.c_int64] * len(signature.sizes)
    return ctypes.CFUNCTYPE(ctypes.c_int, *state, *sizes, *inputs, *[pointer] * pointers, pointer, pointer)(address)


def _scalar(array: Array, dtype: str) -> Any:
    return array.view(np.uint16).item() if dtype in ("f16", "bf16") else array.item()
