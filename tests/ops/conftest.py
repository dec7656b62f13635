"""Graphs by way of every stage and as machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.codegen.llvm.kernel import emit
from flowc.codegen.native import load
from flowc.ir.core import Func, Module, indices, walk
from flowc.ir.dims import Size
from flowc.ir.narrow import in_f32
from flowc.ir.printer import sizes as sizes_of
from flowc.ops.interpret import bound, run
from flowc.ops.kernel import Checked
from flowc.ops.loops import For
from flowc.stages import STAGES
from flowc.target import host
from flowc.transforms.interpret_loops import Failure, run_kernel
from flowc.transforms.interpret_plan import Run, run_plan

Array = np.ndarray[Any, Any]


@pytest.fixture
def holds_natively() -> Callable[[Func, Sequence[Array]], None]:
    return _holds_natively


def _holds_natively(fn: Func, arrays: Sequence[Array]) -> None:
    """The plan of a graph, its kernels interpreted and as machine code, gives the bits of its definition."""
    wanted = run(fn, arrays, bits=True)
    planned = Module("m", (fn,))
    for stage in STAGES:
        planned = stage.run(planned, host())
    for runner in (run_kernel, _Native(planned)):
        for found, bits, result in zip(_outputs(planned, fn, arrays, runner), wanted, fn.body.results, strict=True):
            assert (found.dtype, found.shape) == (bits.dtype, bits.shape)
            if result.type.dtype.is_narrow:
                found, bits = (in_f32(a, result.type.dtype) for a in (found, bits))
            np.testing.assert_array_equal(found, bits)
            if found.dtype.kind == "f":
                number = ~np.isnan(bits)
                np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(bits[number]))


def _outputs(planned: Module, fn: Func, arrays: Sequence[Array], runner: Run) -> Iterator[Array]:
    """The results of a plan, those of open size cut to it."""
    named = {size.name: n for size, n in bound(fn, arrays).items()}
    written = iter(run_plan(planned, fn.name, arrays, named, kernel=runner)[0])
    for result in fn.body.results:
        whole = next(written)
        yield whole[: int(next(written))] if any(indices(result.type.shape)) else whole


class _Native:
    """Runs the kernels of a plan as machine code."""

    def __init__(self, planned: Module) -> None:
        kernels = [f for f in planned.funcs if any(isinstance(op, For) for op in f.body.ops)]
        checks = [op for f in kernels for op in walk(f.body) if isinstance(op, Checked)]
        self.code = load(emit(kernels, host(), {op: n for n, op in enumerate(checks)}, "dso_local"), host())

    def __call__(self, kernel: Func, arguments: Sequence[Array | int], named: Mapping[Size, int]) -> list[Failure]:
        record = ctypes.create_string_buffer(64)
        buffers = [a if isinstance(a, int) else a.ctypes.data for a in arguments]
        slots = [1, ctypes.addressof(record), 0, *(named[s] for s in sizes_of(kernel)), *buffers]
        entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code.address(kernel.name))
        entry((ctypes.c_int64 * len(slots))(*slots), 0)
        assert not any(record.raw[:4])
        return []
