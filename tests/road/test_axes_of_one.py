"""Ops and their derivatives where axes have length 1, known or found when run, have the bits of the graph natively."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from flowc.derivatives.reverse import pullback
from flowc.ir.core import Func, Module, Value, func
from flowc.ir.dims import Dim, Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.interpret import run
from flowc.stages import STAGES
from flowc.target import host
from flowc.transforms.verify import verify
from tests.codegen.program import Program
from tests.promises.bits import same

A, B, C, D = (dim(Size(name, 1)) for name in "ABCD")
SHAPES = ((1, 3, 64), (3, 1, 64), (3, 64, 1), (1, 64, 1), (1, 1, 1), (2, 3, 5))
IMAGES = ((1, 4, 7, 6), (2, 4, 1, 6), (2, 4, 7, 1), (1, 4, 1, 1), (2, 4, 7, 6))


def built(name: str, *arguments: object, **named: object) -> Value:
    made = call(built_ins()[name], arguments, named)
    assert isinstance(made, Value)
    return made


ROWS: Mapping[str, Callable[[Value], Value]] = {
    **{f"{name} of axis {axis}": lambda x, name=name, axis=axis: built(name, x, axis=axis)
       for name, axis in (("softmax", 0), ("softmax", 1), ("softmax", 2), ("log_softmax", 1), ("layer_norm", -1), ("layer_norm", -2),
                          ("rms_norm", -3), ("std", 1), ("max", 0), ("prod", 2), ("cumsum", 1), ("sort", 1))},
    **{f"{name} of axes {axes}": lambda x, name=name, axes=axes: built(name, x, axis=list(axes))
       for name, axes in (("logsumexp", (0, 2)), ("var", (1, 2)), ("norm", (0, 1)))},
    "instance_norm": lambda x: built("instance_norm", x),
    "attention": lambda x: built("attention", x, x, x, causal=True),
    "matmul": lambda x: built("matmul", x, built("transpose", x, [0, 2, 1])),
    "einsum": lambda x: built("einsum", "abc,abd->cd", x, x),
    "einsum of rows": lambda x: built("einsum", "abc,adc->bad", x, x),
    "sums repeated": lambda x: built("multiply", x, built("sum", x, axis=1, keepdims=True)),
}  # fmt: skip

WEIGHT = Value(Type(DType.f32, (4, 4, 3, 3)), None, "w")
PLANES: Mapping[str, Callable[[Value], Value]] = {
    "conv2d": lambda x: built("conv2d", x, WEIGHT, pads=1),
    "conv2d with strides": lambda x: built("conv2d", x, WEIGHT, strides=2, pads=2, dilations=2),
    "conv2d, depthwise": lambda x: built("conv2d", x, built("sum", WEIGHT, axis=1, keepdims=True), pads=1, groups=4),
    "conv2d, channels last": lambda x: built("conv2d", built("transpose", x, [0, 2, 3, 1]), WEIGHT, pads=1, layout="NHWC"),
    "max_pool2d": lambda x: built("max_pool2d", x, 3, 2, 1),
    "avg_pool2d": lambda x: built("avg_pool2d", x, 3, 1, 1),
    "adaptive_avg_pool2d": lambda x: built("adaptive_avg_pool2d", x, 1),
    "group_norm": lambda x: built("group_norm", x, 2),
    "local_response_norm": lambda x: built("local_response_norm", x, 3),
}


def graph(op: Callable[[Value], Value], *shape: Dim) -> Func:
    """The value, and the derivatives of half the sum of its squares."""
    x = Value(Type(DType.f32, shape), None, "x")
    y = op(x)
    params = (x, WEIGHT) if WEIGHT in func("f", (), (y,)).body.captured else (x,)
    return func("f", params, (y, *pullback({y: y}, params)))


def checked(fn: Func, shapes: tuple[tuple[int, ...], ...]) -> None:
    module = Module("m", (fn,))
    for stage in STAGES:
        module = verify(stage.run(module, host()))
    program = Program(module)
    for shape in shapes:
        random = np.random.default_rng(0)
        given = [random.standard_normal(s).astype(np.float32) for s in (shape, (4, 4, 3, 3))[: len(fn.body.params)]]
        wanted = run(fn, given, bits=True)
        for threads in (0, 2):
            result = program("f", *given, threads=threads)
            assert result.code == 0
            same(result.outputs, wanted)


@pytest.mark.parametrize("name", ROWS)
def test_axes_of_length_1_keep_the_bits(name: str) -> None:
    checked(graph(ROWS[name], A, B, C), SHAPES)
    for shape in SHAPES[:3]:
        checked(graph(ROWS[name], *shape), (shape,))


@pytest.mark.parametrize("name", PLANES)
def test_images_with_axes_of_length_1_keep_the_bits(name: str) -> None:
    checked(graph(PLANES[name], A, 4, C, D), IMAGES)
    for shape in IMAGES[:3]:
        checked(graph(PLANES[name], *shape), (shape,))
