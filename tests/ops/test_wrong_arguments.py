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
    ("hardtanh(x, 1.0, -1.0)", "hardtanh is from min_val to max_val, and 1 is above -1"),
    ("elu(x, N)", "elu takes a number here, not the size N"),
    ("celu(x, 0)", "celu divides by alpha, which is 0"),
    ("softplus(x, beta=0)", "softplus divides by beta, which is 0"),
    ("softshrink(x, -1)", "softshrink brings to 0 what is within lambd of it, and lambd is -1"),
    ("hardshrink(x, nan)", "hardshrink brings to 0 what is within lambd of it, and lambd is nan"),
    (
        "prelu(zeros([2, 3]), zeros([1, 1, 2]))",
        "prelu takes one weight, one for each channel, or one for each element of f32[2, 3], not f32[1, 1, 2]",
    ),
    ("tan(1 as i32)", "tan takes floats, not i32"),
    ("norm(size(x) as i64)", "norm takes floats, not i64"),
    ("norm(x, nan)", "norm of f32[N] has no order nan"),
    ("norm(x, N)", "norm takes a number here, not the size N"),
    ("roll(x, [1, 2])", "roll without axis moves all of f32[N] by one shift, not 2"),
    ("roll(x, [1, 2], 0)", "roll of f32[N] is given 2 shifts for 1 axis"),
    ("roll(x, 1, 2)", "f32[N] has no axis 2"),
    ("tile(x, -1)", "f32[N] is not repeated -1 times"),
    ("repeat(x, [1, 2])", "repeat of f32[N] is given 2 counts, and its axis 0 has N"),
    ("repeat(x, -2, 0)", "f32[N] is not repeated -2 times"),
    ("meshgrid(x, ones([2, 3]))[0]", "meshgrid takes vectors, not f32[2, 3]"),
    ('meshgrid(x, indexing="yx")[0]', 'the indexing of meshgrid is "xy" or "ij", not "yx"'),
    ("meshgrid()[0]", "meshgrid lacks tensors"),
    ('pad(x, [[1, 1]], mode="mirror")', 'pad has no mode "mirror"'),
    ('pad(x, [[1, 1]], mode="edge", value=0.0)', 'pad with mode "edge" takes no value: its border is of elements of f32[N]'),
    ('pad(x, [[1, -1]], mode="wrap")', "pad takes sizes that are not negative, not -1"),
    ('pad(x[1:], [[1, 1]], mode="wrap")', 'pad with mode "wrap" of f32[N - 1]: its axis 0 may be empty'),
    ('pad(zeros([0]), [[1, 1]], mode="reflect")', 'pad with mode "reflect" of f32[0]: its axis 0 is empty'),
    ("gather_nd(x, [[0, 1]])", "gather_nd of f32[N]: 1 axis and 2 ids for each element, in i32[1, 2]"),
    ("gather_nd(x, size(x, 0))", "ids of gather_nd have a last axis of known size, unlike i64"),
    ("gather_nd(x, x as i64)", "ids of gather_nd have a last axis of known size, unlike i64[N]"),
    ("gather_nd(x, ones([2, 1]))", "an index of f32[N] is an integer, not f32[2, 1]"),
    ("diag(1.0)", "diag takes a vector or matrices, not f32"),
    ("trace(x)", "trace takes matrices, not f32[N]"),
    ("outer(x, ones([2, 2]))", "outer takes vectors, not f32[2, 2]"),
    ("dot(x, 2.0)", "dot takes vectors and matrices, not f32"),
    ("dot(x, ones([N + 1]))", "inner sizes differ: f32[N] times f32[N + 1]"),
    ("tensordot(x, ones([N, 2]))", "tensordot of f32[N] and f32[N, 2] over 2 axes: there are not so many"),
    ("tensordot(ones([2, 3]), ones([2, 3]), 1)", "tensordot of f32[2, 3] and f32[2, 3]: axis 1 of the first has 3, axis 0 of the second 2"),
    ("tensordot(x, x, [[0], []])", "tensordot of f32[N] and f32[N]: 1 axis of the first face 0 of the second"),
    ("tensordot(ones([2, 2]), ones([2, 2]), [[0, -2], [0, 1]])", "axes names an axis of f32[2, 2] twice: [0, -2]"),
    ('einsum("i")', "einsum lacks tensors"),
    ('einsum("i,i", x)', 'einsum "i,i" is of 2 tensors, not 1'),
    ('einsum("i", x, x)', 'einsum "i" is of 1 tensor, not 2'),
    ('einsum("ij->i", x)', '"ij" of einsum names 2 axes, and f32[N] has 1'),
    ('einsum("...ij->i", x)', '"...ij" of einsum names 2 axes beside "...", and f32[N] has 1'),
    ('einsum("i->j", x)', 'the result of einsum "i->j" has j, which no tensor has'),
    ('einsum("i->ii", x)', 'the result of einsum "i->ii" has i twice'),
    ('einsum("...->", x)', 'the result of einsum "...->" lacks "...", axes of f32[N]'),
    ('einsum("i->i->i", x)', 'einsum "i->i->i" has more than one result'),
    ('einsum("1->1", x)', 'einsum "1->1" has 1'),
    ('einsum("i......", x)', '"i......" of einsum "i......" has "..." more than once'),
    ('einsum("i,i->i", x, ones([N + 1]))', "i of einsum is N in f32[N] and N + 1 in f32[N + 1]"),
    ('einsum("...,...->...", ones([2]), ones([3]))', 'an axis of "..." in einsum is 2 in f32[2] and 3 in f32[3]'),
    ('einsum("ii", ones([2, 3]))', "i of einsum is 2 and 3 in f32[2, 3]"),
    ('einsum("i,i", x > 0.0, x > 0.0)', "einsum of bool[N]: bool has no products to sum"),
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
