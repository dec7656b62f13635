"""The road from a module to code: what it refuses before it begins."""

from __future__ import annotations

import numpy as np
import pytest

import flowc as fc
from flowc.errors import CompileError
from flowc.stages import NESTED

OPTIONS = fc.Options(cache=False)


def branches(calls: int, within: int) -> str:
    """Functions that call each other, each within so many branches."""
    text = "fn f0(s: f32) -> f32 {\n  return s\n}\n"
    for n in range(1, calls + 1):
        inner = f"f{n - 1}(s * 0.5)"
        for k in range(within):
            inner = f"if s > {n}.{k} {{ yield {inner} }} else {{ yield {k}.0 }}"
        text += f"fn f{n}(s: f32) -> f32 {{\n  return {inner}\n}}\n"
    return text + f"graph f(x: f32[2]) -> (y: f32) {{\n  y = f{calls}(sum(x))\n}}\n"


def test_branches_may_be_nested_as_deep_as_is_said() -> None:
    model = fc.loads(branches(NESTED // 2, 2), options=OPTIONS)
    assert model.f(np.ones(2, np.float32)) == 1


def test_branches_nested_too_deep_are_refused_at_the_innermost() -> None:
    with pytest.raises(CompileError) as refused:
        fc.loads(branches(60, 4), options=OPTIONS).f(np.ones(2, np.float32))
    (found,) = refused.value.diagnostics
    assert found.message == "branches and loops are nested more than 100 deep"
    assert found.span is not None and found.span.source.name == "<text>"
