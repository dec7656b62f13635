"""Ops of networks have the values and the derivatives that PyTorch has; make_torch.py writes those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.ir.core import Value, func
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.interpret import run
from tests.ops.make_torch import CASES, FILE, Case, seed_of

Array = np.ndarray[Any, Any]
DTYPES = {"float64": DType.f64, "int64": DType.i64, "bool": DType.bool}


@pytest.fixture(scope="module")
def wanted() -> Mapping[str, Array]:
    with np.load(FILE) as file:
        return dict(file)


def params_of(case: Case) -> list[Value]:
    return [Value(Type(DTYPES[a.dtype.name], a.shape), None, f"x{n}") for n, a in enumerate(case.tensors)]


def made(case: Case, params: list[Value]) -> tuple[Value, ...]:
    def argument(a: Any) -> Any:
        if isinstance(a, str) and a.startswith("$"):
            return params[int(a[1:])]
        return [argument(b) for b in a] if isinstance(a, list) else a

    results = call(built_ins()[case.name], [argument(a) for a in case.arguments], case.named)
    return results if isinstance(results, tuple) else (results,)  # type: ignore[return-value]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_value_is_that_of_torch(case: Case, wanted: Mapping[str, Array]) -> None:
    params = params_of(case)
    graph = func("f", tuple(params), made(case, params))
    for bits in (False, True):
        for n, found in enumerate(run(graph, case.tensors, bits=bits)):
            assert found.shape == wanted[f"{case.id}/value{n}"].shape
            np.testing.assert_allclose(found, wanted[f"{case.id}/value{n}"], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_derivative_is_that_of_torch(case: Case, wanted: Mapping[str, Array]) -> None:
    params = params_of(case)
    seeds = {v: Value(v.type, None, "seed") for v in made(case, params)}
    by = [n for n in range(len(params)) if f"{case.id}/{n}" in wanted]
    found = pullback(seeds, [params[n] for n in by])
    weights = [seed_of(wanted[f"{case.id}/value{n}"], n) for n in range(len(seeds))]
    for bits in (False, True):
        given = run(func("f", (*params, *seeds.values()), found), [*case.tensors, *weights], bits=bits)
        for n, array in zip(by, given, strict=True):
            np.testing.assert_allclose(array, wanted[f"{case.id}/{n}"], rtol=1e-9, atol=1e-11)
