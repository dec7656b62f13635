"""What is meant by the same bits, and ways to come to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowc.ir.core import Module
from flowc.stages import STAGES
from flowc.target import AVX2, AVX512, SSE2, Target, host
from flowc.transforms.specialise import specialise
from tests.codegen.program import Program

Array = np.ndarray[Any, Any]
TARGETS = [AVX512, AVX2, SSE2] if host().vector == 64 else [AVX2, SSE2] if host().vector == 32 else [SSE2]


def same(found: Sequence[Array], wanted: Sequence[Array], names: Sequence[str] = ()) -> None:
    """Equal dtypes, shapes and bits; one NaN is any other."""
    assert len(found) == len(wanted)
    different = [names[n] if names else n for n, pair in enumerate(zip(found, wanted, strict=True)) if not equal(*pair)]
    assert different == []


def equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    if a.dtype.kind == "f":
        nan = np.isnan(a)
        return bool((nan == np.isnan(b)).all()) and bool(np.where(nan, 0, a).tobytes() == np.where(nan, 0, b).tobytes())
    return a.tobytes() == b.tobytes()


def native(module: Module, target: Target | None = None, **dims: int) -> Program:
    """A module at graph level as machine code, sizes fixed to `dims`."""
    module = specialise(module, dims)
    for stage in STAGES:
        module = stage.run(module, target or host())
    return Program(module, target=target)
