"""What ops of networks cannot take is told in the words of the program, with both sides."""

from __future__ import annotations

import pytest

from flowc.errors import CompileError
from flowc.source import Source
from flowc.stages import elaborated

INPUTS = """
  x: f32[2, 4, 6, 5], w: f32[6, 4, 3, 3], b: f32[6], s: f32[8], q: f32[2, 3, 8], k: f32[2, 7, 8], v: f32[2, 7, 5],
  ids: i64[2, 3], y: f32[7, 2, 3], h: f32[2, 4], wx: f32[3, 16], wh: f32[4, 16], g: f32[16], n: f32[N]
"""
WRONG = [
    ("conv2d(q, w)", "x of conv2d has 4 axes, N C H W, not f32[2, 3, 8]"),
    ("conv2d(x, q)", "w of conv2d has 4 axes, O I H W, not f32[2, 3, 8]"),
    ('conv1d(q, w, layout="NHWC")', "w of conv1d has 3 axes, O I W, not f32[6, 4, 3, 3]"),
    ("conv2d(x, w[:, :3])", "conv2d of x f32[2, 4, 6, 5] and w f32[6, 3, 3, 3]: x has 4 channels, and w takes 3"),
    ("conv2d(x, w, groups=2)", "conv2d of x f32[2, 4, 6, 5] and w f32[6, 4, 3, 3]: x has 4 channels, and w takes 4 in each of 2 groups"),
    ("conv2d(x, w[:5, :2], groups=2)", "conv2d of w f32[5, 2, 3, 3]: 5 outputs are no 2 equal groups"),
    ("conv2d(x, w, groups=0)", "conv2d has 1 group or more, not 0"),
    ("conv2d(x, w, s)", "b of conv2d is f32[6] beside w f32[6, 4, 3, 3], not f32[8]"),
    ("conv2d(x, w, b[:1])", "b of conv2d is f32[6] beside w f32[6, 4, 3, 3], not f32[1]"),
    ('conv2d(x, w, layout="CHWN")', 'layout of conv2d is "NCHW" or "NHWC", not "CHWN"'),
    ("conv2d(x, w, strides=0)", "strides of conv2d are 1 or more, not 0"),
    ("conv2d(x, w, strides=[1, 2, 3])", "strides of conv2d are 2 numbers, one for each axis, not 3"),
    ("conv2d(x, w, strides=0.5)", "strides of conv2d is an integer, or one for each axis, not the number 0.5"),
    ("conv2d(x, w, pads=[1, 2, 3])", "pads of conv2d are 2 sizes, or 4: those before each axis, then those after, not 3"),
    ('conv2d(x, w, pads="full")', 'pads of conv2d is "same" or "valid" where it is a text, not "full"'),
    ("conv2d(x, w, pads=-1)", "pads of conv2d are not negative, and one is -1"),
    ("conv2d(x, w, dilations=3)", "a window of conv2d spans 7, and axis 2 of f32[2, 4, 6, 5] has 6"),
    ("conv2d(x, w, pads=[0, 1], dilations=4)", "a window of conv2d spans 9, and axis 2 of f32[2, 4, 6, 5] has 6"),
    ("max_pool2d(n, 2)", "max_pool2d is over 2 axes, and f32[N] has 1"),
    ("max_pool2d(x, [2, 0])", "size of max_pool2d are 1 or more, not 0"),
    ("max_pool2d(x, 2, pads=2)", "a window of max_pool2d spans 2, and would lie in the border: pads has 2"),
    ("avg_pool2d(x, 7)", "a window of avg_pool2d spans 7, and axis 2 of f32[2, 4, 6, 5] has 6"),
    ("avg_pool2d(ids, 2)", "avg_pool2d takes floats, not i64[2, 3]"),
    ("lp_pool2d(x, 2, p=0)", "p of lp_pool2d is a finite number above 0, not 0"),
    ("adaptive_avg_pool2d(x, [2, 2, 2])", "size of adaptive_avg_pool2d are 2 numbers, one for each axis, not 3"),
    ("adaptive_max_pool2d(x, 0)", "size of adaptive_max_pool2d is 1 or more, not 0"),
    ("group_norm(x, 3)", "group_norm of f32[2, 4, 6, 5]: 4 channels are no 3 equal groups"),
    ("group_norm(x, 2, b)", "scale of group_norm is f32[4] beside f32[2, 4, 6, 5], not f32[6]"),
    ("instance_norm(h)", "instance_norm is over the axes after N and C, and f32[2, 4] has none"),
    ("batch_norm(x, b, b, b, b)", "scale of batch_norm is f32[4] beside f32[2, 4, 6, 5], not f32[6]"),
    ("local_response_norm(n, 3)", "local_response_norm takes N, C and more axes, not f32[N]"),
    ("dropout(x, 1.0, seed=1)", "rate of dropout is at least 0 and below 1, not 1"),
    ("pixel_shuffle(x, 3)", "pixel_shuffle of f32[2, 4, 6, 5]: 4 channels are no multiple of 3 * 3"),
    ("attention(q, v, v)", "q and k of attention end in one size, not f32[2, 3, 8] and f32[2, 7, 5]"),
    ("attention(q, q, v)", "k and v of attention have as many keys, not f32[2, 3, 8] and f32[2, 7, 5]"),
    ("attention(s, k, v)", "q of attention has two axes or more, T D, not f32[8]"),
    ("attention(q, k, v, ids)", "a mask of attention is bool or f32, not i64[2, 3]"),
    ("attention(q, k, v, k)", "a mask of attention ends in 3, 7 for q f32[2, 3, 8] and k f32[2, 7, 8], and is f32[2, 7, 8]"),
    ("attention(x[:, :3], k[:1], v)", "q and k of attention end in one size, not f32[2, 3, 6, 5] and f32[1, 7, 8]"),
    ("rope(v, ids[0])", "rope turns pairs, and the last axis of f32[2, 7, 5] has 5"),
    ("rope(k, ids)", "positions of rope repeat to i64[2, 7] beside f32[2, 7, 8], and are i64[2, 3]"),
    ("rope(k, h)", "positions of rope repeat to f32[2, 7] beside f32[2, 7, 8], and are f32[2, 4]"),
    ("nll_loss(q, ids[0])", "labels of nll_loss are i64[2, 3] beside f32[2, 3, 8], not i64[3]"),
    ("nll_loss(q, k)", "labels of nll_loss are integers, not f32[2, 7, 8]"),
    ("mse_loss(s, s[:, new])", "mse_loss is of tensors of one shape, not f32[8] and f32[8, 1]"),
    ("kl_div(h, h[:, :1])", "kl_div is of tensors of one shape, not f32[2, 4] and f32[2, 1]"),
    ("smooth_l1_loss(s, s, beta=-1)", "beta of smooth_l1_loss is a finite number from 0, not -1"),
    ("lstm(y, h, h, wx, wh, s)[0]", "b of lstm is f32[16] beside x f32[7, 2, 3] and wh f32[4, 16], not f32[8]"),
    ("lstm(y, h, wx, wx, wh, g)[0]", "c of lstm is f32[2, 4] beside x f32[7, 2, 3] and wh f32[4, 16], not f32[3, 16]"),
    ("gru(y, h, wx, wh, g, g)[0]", "wh of gru is f32[4, 12] beside x f32[7, 2, 3] and wh f32[4, 16], not f32[4, 16]"),
    ("rnn(h, h, wx, wh, g)[0]", "x of rnn has 3 axes, T N D, not f32[2, 4]"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[call for call, _ in WRONG])
def test_a_wrong_call_is_told_with_both_sides(call: str, message: str) -> None:
    with pytest.raises(CompileError) as refused:
        elaborated(Source("t.flow", f"graph f({INPUTS}) -> (total: f32) {{\n  total = sum({call})\n}}\n"))
    assert [d.message for d in refused.value.diagnostics] == [message]
