"""A program in the language as native code, called as C calls it, every buffer between guards."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flowc.codegen.driver import emit
from flowc.codegen.interface import Interface, interface
from flowc.codegen.native import Library, load
from flowc.codegen.signature import Signature, reads
from flowc.codegen.weights import pointers
from flowc.ir.core import Module
from flowc.ir.dims import Dim, evaluate, product
from flowc.ir.types import DType
from flowc.lang.elaborate import elaborate
from flowc.lang.parse import parse
from flowc.source import Source
from flowc.stages import STAGES
from flowc.target import Target, host
from flowc.transforms.verify import verify
from flowc_runtime.abi import FlowContext, FlowError, FlowEvent, FlowPool

Array = np.ndarray[Any, Any]
GUARD, MARK, JUNK = 192, 0xA5, 0x5A
C_NUMBERS = {
    DType.bool: ctypes.c_uint8, DType.i8: ctypes.c_int8, DType.i16: ctypes.c_int16, DType.i32: ctypes.c_int32, DType.i64: ctypes.c_int64,
    DType.u8: ctypes.c_uint8, DType.u16: ctypes.c_uint16, DType.u32: ctypes.c_uint32, DType.u64: ctypes.c_uint64,
    DType.f16: ctypes.c_uint16, DType.bf16: ctypes.c_uint16, DType.f32: ctypes.c_float, DType.f64: ctypes.c_double,
}  # fmt: skip
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
EVENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(FlowEvent))


def planned(text: str, name: str = "m.flow", target: Target | None = None, path: Path | None = None) -> Module:
    """The planned module of a program, verified after every stage."""
    source = Source(name, text, path)
    module = verify(elaborate(parse(source), source))
    for stage in STAGES:
        module = verify(stage.run(module, target or host()))
    return module


class Guarded:
    """Bytes at a multiple of 64 with guards around, which `intact` looks at."""

    def __init__(self, size: int, fill: int = JUNK) -> None:
        self.size = size
        self.all = np.full(size + 2 * GUARD + 64, MARK, np.uint8)
        self.start = GUARD + -(self.all.ctypes.data + GUARD) % 64
        self.bytes = self.all[self.start : self.start + size]
        self.bytes[:] = fill
        self.address = self.all.ctypes.data + self.start

    def array(self, dtype: DType, shape: Sequence[int]) -> Array:
        return self.bytes.view(dtype.numpy).reshape(shape)

    @property
    def intact(self) -> bool:
        return bool((self.all[: self.start] == MARK).all() and (self.all[self.start + self.size :] == MARK).all())


@dataclass
class Result:
    """What a run gave: outputs cut to the sizes found, the code, the error, the place it names, the bytes of workspace that changed."""

    outputs: list[Array]
    code: int = 0
    error: tuple[int, int, int, int] = (0, 0, 0, 0)
    site: str = ""
    touched: int = 0
    events: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    tasks: list[int] = field(default_factory=list[int])


class Program:
    """Native code of a program; its state, where it has any, is `state`, as `init` leaves it."""

    def __init__(self, text: str | Module, place: str = "inside", target: Target | None = None) -> None:
        self.module = planned(text, target=target) if isinstance(text, str) else text
        self.interface: Interface = interface(self.module, place)
        self.library: Library = load(emit(self.module, target or host(), place), target or host())
        self.place = place
        if place == "table" and self.interface.weights.blobs:
            self.pointers = pointers(self.interface.weights)
            self.pointers.fill(self.library.address(f"{self.interface.prefix}_weights"))
        self.weights = Guarded(self.interface.weights.bytes)
        self.weights.bytes[:] = np.frombuffer(self.interface.weights.block(), np.uint8)
        self.state = Guarded(self.interface.state_bytes)
        if self.interface.init is not None:
            assert self(self.interface.init).code == 0

    def signature(self, graph: str) -> Signature:
        return next(s for s in self.interface.graphs if s.name == graph)

    def workspace(self, signature: Signature, sizes: Sequence[int], threads: int = 1) -> int:
        call = ctypes.CFUNCTYPE(ctypes.c_size_t, *[ctypes.c_int64] * len(sizes), ctypes.c_int)
        return call(self.library.address(f"{signature.symbol}_workspace"))(*sizes, threads)

    def states(self) -> dict[str, Array]:
        """Copies of the states."""
        found: dict[str, Array] = {}
        for placed in self.interface.states:
            part = self.state.bytes[placed.offset : placed.offset + placed.bytes]
            shape = [int(str(d)) for d in placed.state.type.shape]
            found[placed.state.name] = part.view(placed.state.type.dtype.numpy).reshape(shape).copy()
        return found

    def __call__(
        self,
        graph: str | Signature,
        *given: Any,
        sizes: Sequence[int] | None = None,
        threads: int = 0,
        cancel: Any = None,
        on_event: Any = None,
        order: Any = None,
    ) -> Result:
        """Runs a graph; with `threads` on a pool whose tasks run one after the other, in `order` of their numbers."""
        signature = graph if isinstance(graph, Signature) else self.signature(graph)
        arrays = [np.ascontiguousarray(x, port.dtype.numpy) for x, port in zip(given, signature.inputs, strict=True)]
        known = dict(zip(signature.sizes, sizes, strict=True)) if sizes is not None else self.read(signature, arrays)
        numbers = list(known.values())

        def counted(shape: Sequence[Dim]) -> list[int]:
            bounds = {f.size: evaluate(f.bound, known) for f in signature.found}
            return [evaluate(d, {**known, **bounds}) for d in shape]

        ins = [Guarded(a.nbytes) for a in arrays]
        for guarded, array in zip(ins, arrays, strict=True):
            guarded.bytes[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        outs = [Guarded(int(port.dtype.bytes(product(counted(port.shape))))) for port in signature.outputs]  # type: ignore[arg-type]
        found = [Guarded(8) for _ in signature.found]
        workspace = Guarded(self.workspace(signature, numbers, max(threads, 1)))

        arguments: list[Any] = [ctypes.c_void_p(self.state.address)] if signature.stateful else []
        arguments += map(ctypes.c_int64, numbers)
        for port, guarded, array in zip(signature.inputs, ins, arrays, strict=True):
            bits = array.view(np.uint16) if port.dtype.is_narrow else array
            number = bits.reshape(-1)[0].item() if not port.shape else None
            arguments.append(ctypes.c_void_p(guarded.address) if port.shape else C_NUMBERS[port.dtype](number))
        for n, guarded in enumerate(outs):
            arguments.append(ctypes.c_void_p(guarded.address))
            arguments += [ctypes.c_void_p(g.address) for f, g in zip(signature.found, found, strict=True) if f.output == n]
        arguments += [ctypes.c_void_p(self.weights.address)] if signature.weights else []
        result = Result([])
        error, context = FlowError(), FlowContext(size=ctypes.sizeof(FlowContext))
        context.error = ctypes.addressof(error)
        keep = [self.pool(context, threads, order, result)] if threads else []
        if cancel is not None:
            context.cancel = cancel.ctypes.data

        def told(user: Any, event: Any) -> None:
            result.events.append((event.contents.kernel.decode(), event.contents.launch, event.contents.phase))
            if on_event is not None:
                on_event(event.contents)

        keep.append(EVENT(told))
        context.event = ctypes.cast(keep[-1], ctypes.c_void_p)
        call = ctypes.CFUNCTYPE(ctypes.c_int, *map(type, arguments), ctypes.c_void_p, ctypes.c_void_p)
        run = call(self.library.address(signature.symbol))
        result.code = run(*arguments, workspace.address, ctypes.addressof(context))

        for guarded, array in zip(ins, arrays, strict=True):
            assert guarded.bytes.tobytes() == array.tobytes(), "an input was written"
        assert all(g.intact for g in (*ins, *outs, *found, workspace, self.state, self.weights)), "something beside a buffer was written"
        changed = np.flatnonzero(workspace.bytes != JUNK)
        result.touched = int(changed[-1]) + 1 if changed.size else 0
        result.error = (error.code, error.site, error.index, error.bound)
        result.site = self.site(error.site) if result.code else ""
        exact = known | {f.size: int(g.array(DType.i64, ())) for f, g in zip(signature.found, found, strict=True)}
        if result.code == 0:
            for port, guarded in zip(signature.outputs, outs, strict=True):
                shape = [evaluate(d, exact) for d in port.shape]
                count = int(np.prod(shape, dtype=np.int64)) * port.dtype.numpy.itemsize
                result.outputs.append(guarded.bytes[:count].view(port.dtype.numpy).reshape(shape).copy())
        return result

    def pool(self, context: FlowContext, threads: int, order: Any, result: Result) -> Any:
        """A pool on one thread."""

        def run(_: Any, task: Any, argument: Any, tasks: int) -> None:
            result.tasks.append(tasks)
            call = TASK(task)
            for n in order(range(tasks)) if order else range(tasks):
                call(argument, n)

        function = RUN(run)
        pool = FlowPool(None, threads, ctypes.cast(function, ctypes.c_void_p))
        context.pool = ctypes.addressof(pool)
        return function, pool

    def read(self, signature: Signature, arrays: Sequence[Array]) -> dict[Any, int]:
        known: dict[Any, int] = {}
        for r in reads(signature):
            known[r.size] = (arrays[r.input].shape[r.axis] - evaluate(r.plus, known)) // r.times
        return {size: known[size] for size in signature.sizes}

    def site(self, number: int) -> str:
        text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int32)(self.library.address(f"{self.interface.prefix}_site"))(number)
        return text.decode()
