"""Ops of networks as PyTorch has them: `python tests/ops/make_torch.py` writes their values and derivatives to torch.npz.

A case is a built-in, its arguments (`$0` is the first tensor), the tensors, and the same in terms of
`torch` and `torch.nn.functional`; the tests read what was written and need no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FILE = Path(__file__).with_name("torch.npz")


@dataclass(frozen=True)
class Case:
    """A call of a built-in in f64; `of` is the same of `F`, `torch.nn.functional`, and of tensors, and where it is random data none."""

    id: str
    name: str
    tensors: tuple[Array, ...]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    of: Callable[..., Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def chances(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).dirichlet(np.ones(shape[-1]), shape[:-1])


def within(*shape: int, seed: int = 0) -> Array:
    """Numbers between 0 and 1, away from both."""
    return np.random.default_rng([seed, *shape]).uniform(0.05, 0.95, shape)


def positive(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).uniform(0.5, 2, shape)


def case(id: str, tensors: Sequence[Array], of: Callable[..., Any], *arguments: Any, **named: Any) -> Case:
    """The case `op`, or `op: what is odd`; tensors are the first arguments, unless the arguments speak of them."""
    given = () if "$0" in arguments or ["$0", "$1"] in arguments else tuple(f"${n}" for n in range(len(tensors)))
    return Case(id, id.split(":")[0], tuple(tensors), (*given, *arguments), named, of)


def turned(F: Any, x: Any, base: float) -> Any:
    """Halves of the last axis rotated by the position, which is the last axis but one."""
    torch = F.torch
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * base ** (-torch.arange(half, dtype=x.dtype) / half)
    a, b, c, s = x[..., :half], x[..., half:], torch.cos(angle), torch.sin(angle)
    return torch.cat([a * c - b * s, b * c + a * s], -1)


def recurrent(F: Any, layer: str, x: Any, state: Sequence[Any], wx: Any, wh: Any, b: Any, bh: Any = None) -> tuple[Any, ...]:
    """What every step emits, and the last state, of a layer of `torch.nn`."""
    module = getattr(F.torch.nn, layer)(wx.shape[0], wh.shape[0]).double()
    weights = {"weight_ih_l0": wx.T, "weight_hh_l0": wh.T, "bias_ih_l0": b, "bias_hh_l0": 0 * b if bh is None else bh}
    first = tuple(s[None] for s in state)
    ys, last = F.torch.func.functional_call(module, weights, (x, first if len(first) > 1 else first[0]))
    return (ys, *(s[0] for s in (last if isinstance(last, tuple) else (last,))))


IMAGE, CHANNELS = numbers(2, 4, 6, 5), numbers(4, seed=1)
MASK = np.array([[True, False, True, True, True], [True, True, False, True, False], [False, True, True, True, True]])
LABELS = np.array([4, 0, 2])

CASES = (
    case("conv1d", [numbers(2, 4, 7), numbers(3, 4, 3), numbers(3)], lambda F, x, w, b: F.conv1d(x, w, b, padding=1), pads=1),
    case("conv2d", [IMAGE, numbers(3, 4, 3, 2), numbers(3)], lambda F, x, w, b: F.conv2d(x, w, b)),
    case("conv2d: stride", [IMAGE, numbers(3, 4, 3, 3)], lambda F, x, w: F.conv2d(x, w, stride=2, padding=1), strides=2, pads=1),
    case("conv2d: dilation", [IMAGE, numbers(3, 4, 3, 2)], lambda F, x, w: F.conv2d(x, w, dilation=2, padding=(1, 2)),
         dilations=2, pads=[1, 2]),
    case("conv2d: all", [IMAGE, numbers(4, 2, 2, 3)], lambda F, x, w: F.conv2d(x, w, stride=(2, 1), dilation=(1, 2), padding=1, groups=2),
         strides=[2, 1], dilations=[1, 2], pads=1, groups=2),
    case("conv2d: depthwise", [IMAGE, numbers(4, 1, 3, 3)], lambda F, x, w: F.conv2d(x, w, padding="same", groups=4),
         pads="same", groups=4),
    case("conv2d: last", [np.moveaxis(IMAGE, 1, -1).copy(), numbers(3, 4, 3, 3), numbers(3)],
         lambda F, x, w, b: F.conv2d(x.movedim(-1, 1), w, b, stride=2, padding=1).movedim(1, -1), strides=2, pads=1, layout="NHWC"),
    case("conv3d", [numbers(1, 2, 4, 3, 3), numbers(2, 2, 2, 2, 2)], lambda F, x, w: F.conv3d(x, w, stride=(2, 1, 1)), strides=[2, 1, 1]),
    case("max_pool1d", [numbers(2, 3, 8)], lambda F, x: F.max_pool1d(x, 3, 2), 3, 2),
    case("max_pool2d", [IMAGE], lambda F, x: F.max_pool2d(x, 2), 2),
    case("max_pool2d: all", [IMAGE], lambda F, x: F.max_pool2d(x, (3, 2), (2, 1), 1, (1, 2), True), [3, 2], [2, 1], 1, [1, 2], True),
    case("max_pool3d", [numbers(1, 2, 4, 4, 3)], lambda F, x: F.max_pool3d(x, 2, 1), 2, 1),
    case("avg_pool1d", [numbers(2, 3, 8)], lambda F, x: F.avg_pool1d(x, 3, 2), 3, 2),
    case("avg_pool2d", [IMAGE], lambda F, x: F.avg_pool2d(x, 3, 2, 1, True, False), 3, 2, 1, 1, True),
    case("avg_pool2d: border", [IMAGE], lambda F, x: F.avg_pool2d(x, 3, 2, 1, True, True), 3, 2, 1, 1, True, True),
    case("avg_pool3d", [numbers(1, 2, 4, 4, 3)], lambda F, x: F.avg_pool3d(x, 2, 1), 2, 1),
    case("lp_pool1d", [positive(2, 3, 8)], lambda F, x: F.lp_pool1d(x, 3, 3, 2), 3, 3, 2),
    case("lp_pool2d", [IMAGE], lambda F, x: F.lp_pool2d(x, 2, 2), 2),
    case("lp_pool3d", [positive(1, 2, 4, 3, 3)], lambda F, x: F.lp_pool3d(x, 1, 2, 1), 2, 1, 1),
    case("adaptive_avg_pool1d", [numbers(2, 3, 7)], lambda F, x: F.adaptive_avg_pool1d(x, 3), 3),
    case("adaptive_avg_pool2d", [IMAGE], lambda F, x: F.adaptive_avg_pool2d(x, (4, 2)), [4, 2]),
    case("adaptive_avg_pool2d: even", [IMAGE], lambda F, x: F.adaptive_avg_pool2d(x, (3, 5)), [3, 5]),
    case("adaptive_avg_pool2d: global", [IMAGE], lambda F, x: F.adaptive_avg_pool2d(x, 1), 1),
    case("adaptive_avg_pool3d", [numbers(1, 2, 4, 4, 3)], lambda F, x: F.adaptive_avg_pool3d(x, 2), 2),
    case("adaptive_max_pool1d", [numbers(2, 3, 7)], lambda F, x: F.adaptive_max_pool1d(x, 3), 3),
    case("adaptive_max_pool2d", [IMAGE], lambda F, x: F.adaptive_max_pool2d(x, (4, 2)), [4, 2]),
    case("adaptive_max_pool3d", [numbers(1, 2, 4, 4, 3)], lambda F, x: F.adaptive_max_pool3d(x, 2), 2),
    case("softmax", [numbers(3, 5)], lambda F, x: F.softmax(x, -1)),
    case("log_softmax", [numbers(3, 5)], lambda F, x: F.log_softmax(x, 0), 0),
    case("layer_norm", [numbers(3, 5), numbers(5), numbers(5, seed=1)], lambda F, x, s, t: F.layer_norm(x, (5,), s, t)),
    case("layer_norm: axes", [numbers(3, 4, 5)], lambda F, x: F.layer_norm(x, (4, 5)), axis=1),
    case("rms_norm", [numbers(3, 5), numbers(5)], lambda F, x, s: F.rms_norm(x, (5,), s, 1e-6)),
    case("group_norm", [IMAGE, CHANNELS, numbers(4, seed=2)], lambda F, x, s, t: F.group_norm(x, 2, s, t), "$0", 2, "$1", "$2"),
    case("instance_norm", [IMAGE, CHANNELS, numbers(4, seed=2)], lambda F, x, s, t: F.instance_norm(x, weight=s, bias=t)),
    case("batch_norm", [IMAGE, CHANNELS, numbers(4, seed=2), numbers(4, seed=3), positive(4)],
         lambda F, x, s, t, m, v: (x - m[:, None, None]) / (v[:, None, None] + 1e-5) ** 0.5 * s[:, None, None] + t[:, None, None]),
    case("local_response_norm", [IMAGE], lambda F, x: F.local_response_norm(x, 3, 0.1, 0.6, 1.5), 3, 0.1, 0.6, 1.5),
    case("local_response_norm: even", [IMAGE], lambda F, x: F.local_response_norm(x, 2, 0.5), 2, 0.5),
    case("attention", [numbers(2, 3, 4), numbers(2, 5, 4), numbers(2, 5, 3)], lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v)),
    case("attention: causal", [numbers(2, 3, 4), numbers(5, 4), numbers(2, 5, 3)],
         lambda F, q, k, v: F.scaled_dot_product_attention(q, k.expand(2, 5, 4), v, is_causal=True, scale=0.3), causal=True, scale=0.3),
    case("attention: mask", [numbers(2, 3, 4), numbers(2, 5, 4), numbers(2, 5, 3), MASK],
         lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m)),
    case("attention: added mask", [numbers(2, 3, 4), numbers(2, 5, 4), numbers(2, 5, 3), numbers(3, 5)],
         lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m)),
    case("rope", [numbers(2, 3, 6), np.arange(3)], lambda F, x, p: turned(F, x, 100.0), base=100.0),
    case("lstm", [numbers(4, 2, 3), numbers(2, 2), numbers(2, 2, seed=1), numbers(3, 8), numbers(2, 8), numbers(8)],
         lambda F, x, h, c, wx, wh, b: recurrent(F, "LSTM", x, [h, c], wx, wh, b)),
    case("gru", [numbers(4, 2, 3), numbers(2, 2), numbers(3, 6), numbers(2, 6), numbers(6), numbers(6, seed=1)],
         lambda F, x, h, wx, wh, b, bh: recurrent(F, "GRU", x, [h], wx, wh, b, bh)),
    case("rnn", [numbers(4, 2, 3), numbers(2, 5), numbers(3, 5), numbers(5, 5), numbers(5)],
         lambda F, x, h, wx, wh, b: recurrent(F, "RNN", x, [h], wx, wh, b)),
    case("pixel_shuffle", [numbers(2, 8, 2, 3)], lambda F, x: F.pixel_shuffle(x, 2), 2),
    case("cross_entropy", [numbers(3, 5), LABELS], lambda F, x, y: F.cross_entropy(x, y, reduction="none")),
    case("cross_entropy: chances", [numbers(3, 5), 2 * chances(3, 5)], lambda F, x, y: F.cross_entropy(x, y, reduction="none")),
    case("nll_loss", [numbers(3, 5), LABELS], lambda F, x, y: F.nll_loss(x, y, reduction="none")),
    case("mse_loss", [numbers(3, 5), numbers(3, 5, seed=1)], lambda F, x, y: F.mse_loss(x, y, reduction="none")),
    case("l1_loss", [numbers(3, 5), numbers(3, 5, seed=1)], lambda F, x, y: F.l1_loss(x, y, reduction="none")),
    case("smooth_l1_loss", [numbers(3, 5), numbers(3, 5, seed=1)], lambda F, x, y: F.smooth_l1_loss(x, y, reduction="none", beta=0.8), 0.8),
    case("binary_cross_entropy", [within(3, 5), within(3, 5, seed=1)], lambda F, x, y: F.binary_cross_entropy(x, y, reduction="none")),
    case("kl_div", [numbers(3, 5), chances(3, 5)], lambda F, x, y: F.kl_div(x, y, reduction="none")),
)  # fmt: skip


def seed_of(result: Array, n: int) -> Array:
    """The cotangent of result n in the cases."""
    return np.random.default_rng([7, n]).standard_normal(result.shape)


def written() -> dict[str, Array]:
    """For every case its result n as `<id>/value<n>`, and `<id>/<n>`: the derivative by tensor n of their sum, weighted by `seed_of`."""
    import torch

    found: dict[str, Array] = {}
    for one in CASES:
        given = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in one.tensors]
        made = one.of(torch.nn.functional, *given)
        values = made if isinstance(made, tuple) else (made,)
        arrays = [v.detach().numpy() for v in values]
        found |= {f"{one.id}/value{n}": a for n, a in enumerate(arrays)}
        sum((v * torch.tensor(seed_of(a, n))).sum() for n, (v, a) in enumerate(zip(values, arrays, strict=True))).backward()
        found |= {f"{one.id}/{n}": x.grad.numpy() for n, x in enumerate(given) if x.grad is not None}
    return found


if __name__ == "__main__":
    np.savez_compressed(FILE, **written())  # type: ignore[arg-type]
