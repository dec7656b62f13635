"""Gradients natively: the bits of their definition, many built-ins in one module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.ir.core import Func, Value, func, indices
from flowc.ir.types import DType, Type
from tests.ops.test_contract import CASES, Case, dtype_of

Array = np.ndarray[Any, Any]
SMOOTH = [c for c in CASES if any(a.dtype.kind == "f" and a.size for a in c.arrays)]
GROUPS = 8


def gradients(case: Case, name: str, random: np.random.Generator) -> tuple[list[Value], list[Array], list[Value]]:
    """Parameters of f32, arrays for them, and the gradients of all results by each, along random cotangents."""
    arrays = [random.uniform(0.2, 0.8, a.shape).astype(np.float32) if a.dtype.kind == "f" else a for a in case.arrays]
    params = [Value(Type(DType(dtype_of(a)), a.shape), None, f"{name}.{n}") for n, a in enumerate(arrays)]
    made = case.made(params)
    found = [made] if isinstance(made, Value) else [v for v in made if isinstance(v, Value)] if isinstance(made, tuple) else []
    ys = [v for v in found if v.type.dtype.is_float and not any(indices(v.type.shape))]
    seeds = {y: Value(y.type, None, f"{name}.g{n}") for n, y in enumerate(ys)}
    cotangents = [random.standard_normal(y.type.shape).astype(np.float32) for y in seeds]  # type: ignore[arg-type]
    wrt = [p for p in params if p.type.dtype.is_float]
    return [*params, *seeds.values()], [*arrays, *cotangents], list(pullback(seeds, wrt)) if seeds else []


@pytest.mark.parametrize("group", range(GROUPS))
def test_gradients_have_the_bits_of_their_definition(group: int, holds_natively: Callable[[Func, Sequence[Array]], None]) -> None:
    random = np.random.default_rng(group)
    params, arrays, results = list[Value](), list[Array](), list[Value]()
    for n, case in enumerate(SMOOTH[group::GROUPS]):
        own, given, found = gradients(case, f"c{n}", random)
        params, arrays, results = [*params, *own], [*arrays, *given], [*results, *found]
    holds_natively(func("f", tuple(params), tuple(results)), arrays)
