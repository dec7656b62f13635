"""Arguments that an op cannot take are told at the call, in the words of the program."""

from __future__ import annotations

import pytest

from flowc.errors import CompileError
from flowc.source import Source
from flowc.stages import elaborated

WRONG = [
    ("arange(0.0, inf, 1.0)", "arange from 0.0 to inf by 1.0 has no end"),
    ("arange(nan, 2.0)", "arange from nan to 2.0 by 1 has no end"),
    ("layer_norm(x, epsilon=N)", "layer_norm takes a number here, not the size N"),
    ("rms_norm(x, epsilon=N)", "rms_norm takes a number here, not the size N"),
    ("layer_norm(zeros([2, 5]), [5])", "scale of layer_norm is f32[1], and it is for axes of the sizes 5"),
    ("layer_norm(zeros([2, 5]), shift=zeros([2, 1]))", "shift of layer_norm is f32[2, 1], and it is for axes of the sizes 5"),
    ("layer_norm(zeros([2, 3, 5]), zeros([3, 1]), axis=1)", "scale of layer_norm is f32[3, 1], and it is for axes of the sizes 3, 5"),
    ("rms_norm(zeros([2, 5]), [5])", "scale of rms_norm is f32[1], and it is for axes of the sizes 5"),
    ("unsqueeze(x, [0, 0])", "axis names an axis of f32[1, 1, 1] twice: [0, 0]"),
    ("squeeze(unsqueeze(x, 0), [0, -2])", "axis names an axis of f32[1, N] twice: [0, -2]"),
    ("uniform(f32, [2], seed=1, high=inf)", "uniform from 0 to inf: the numbers in between reach further than f32 does"),
    ("uniform(f32, [2], seed=1, low=-3e38, high=3e38)", "uniform from -3e+38 to 3e+38: the numbers in between reach further than f32 does"),
    ("split(x, [N + 1, -1])[0]", "a part of f32[N] has no negative size -1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[call for call, _ in WRONG])
def test_a_wrong_argument_is_told_at_its_call(call: str, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        elaborated(Source("t.flow", f"graph f(x: f32[N]) -> (y: f32) {{\n  y = sum({call})\n}}\n"))
    (found,) = refused.value.diagnostics
    assert found.message == message
    assert found.span is not None
    assert call.startswith(found.span.source.text[found.span.begin : found.span.end])
