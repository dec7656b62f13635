"""Calls of the ops of networks, each with what it is in numpy, said plainly: cases of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Given = tuple[str, tuple[Array, ...], tuple[Any, ...], Callable[..., Any], float, dict[str, Any]]


def numbers(*shape: int) -> Array:
    return np.random.default_rng([8, *shape]).standard_normal(shape).astype(np.float32)


Steps = tuple[int, ...]


def windows(x: Array, size: Steps, strides: Steps, pads: int = 0, fill: float = 0) -> Iterator[tuple[Steps, Array]]:
    """Every window over the last axes with its place."""
    count = len(size)
    border = [(0, 0)] * (x.ndim - count) + [(pads, pads)] * count
    wide = np.pad(x.astype(np.longdouble if x.dtype.kind == "f" else np.int64), border, constant_values=fill)
    places = [range((n - k) // s + 1) for n, k, s in zip(wide.shape[-count:], size, strides, strict=True)]
    for at in product(*places):
        yield at, wide[(..., *(slice(i * s, i * s + k) for i, k, s in zip(at, size, strides, strict=True)))]


def pooled(of: Callable[[Array], Array], x: Array, *given: Any) -> Array:
    """One number for each window."""
    found = {at: of(w.reshape(*w.shape[: -len(at)], -1)) for at, w in windows(x, *given)}
    shape = [1 + max(at[a] for at in found) for a in range(len(next(iter(found))))]
    return np.stack(list(found.values()), -1).reshape(*x.shape[: -len(shape)], *shape)


def convolved(x: Array, w: Array, strides: tuple[int, ...], pads: int = 0, groups: int = 1) -> Array:
    """The channels of w over those of x in as many groups."""
    parts = zip(np.split(x, groups, 1), np.split(w, groups, 0), strict=True)
    return np.stack([channel(part, k, strides, pads) for part, own in parts for k in own], 1)


def channel(x: Array, k: Array, strides: tuple[int, ...], pads: int) -> Array:
    found = {at: (w * k).sum(tuple(range(1, k.ndim + 1))) for at, w in windows(x, k.shape[1:], strides, pads)}
    shape = [1 + max(at[a] for at in found) for a in range(k.ndim - 1)]
    return np.stack(list(found.values()), -1).reshape(len(x), *shape)


def shared(of: Callable[..., Any], x: Array, *sizes: int) -> Array:
    """One number for each of so many windows that share the last axes."""
    places = [[slice(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(x.shape[-len(sizes) :], sizes, strict=True)]
    axes = tuple(range(-len(sizes), 0))
    found = [of(x[(..., *at)].astype(np.longdouble), axes) for at in product(*places)]
    return np.stack(found, -1).reshape(*x.shape[: -len(sizes)], *sizes)


def last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def standard(x: Array, axes: tuple[int, ...]) -> Array:
    wide = x.astype(np.longdouble)
    return (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)


def grouped(x: Array) -> Array:
    return standard(x.reshape(2, 2, 2, 6, 5), (2, 3, 4)).reshape(x.shape)


def by_channel(c: Array) -> Array:
    return c[:, None, None]


def attended(q: Array, k: Array, v: Array, seen: Array) -> Array:
    scores = np.where(seen, q.astype(np.longdouble) @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]), -np.inf)
    z = np.exp(scores - scores.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True) @ v


def turned(x: Array, positions: Array) -> Array:
    """Pairs as complex numbers, each times e^(i angle)."""
    half = x.shape[-1] // 2
    angle = positions[:, None] * 10000.0 ** (-np.arange(half) / half)
    z = (x[..., :half] + 1j * x[..., half:].astype(np.longdouble)) * np.exp(1j * angle)
    return np.concatenate([z.real, z.imag], -1)


def neighbours(x: Array) -> Array:
    """The mean of the squares of three channels, those around."""
    square = np.pad(x.astype(np.longdouble) ** 2, [(0, 0), (1, 1), (0, 0), (0, 0)])
    return sum(square[:, c : c + 4] for c in range(3)) / 3


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def stepped(step: Callable[..., tuple[Array, ...]], x: Array, *state: Array) -> tuple[Array, ...]:
    """The first of the state after each step, and the last state."""
    ys: list[Array] = []
    for row in x.astype(np.longdouble):
        state = step(row, *state)
        ys.append(state[0])
    return (np.stack(ys), *state)


def lstm(x: Array, h: Array, c: Array, wx: Array, wh: Array, b: Array) -> tuple[Array, ...]:
    def step(row: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f, g, o = np.split(row @ wx + b + h @ wh, 4, -1)
        c = logistic(f) * c + logistic(i) * np.tanh(g)
        return logistic(o) * np.tanh(c), c

    return stepped(step, x, h, c)


def gru(x: Array, h: Array, wx: Array, wh: Array, b: Array, bh: Array) -> tuple[Array, ...]:
    def step(row: Array, h: Array) -> tuple[Array, ...]:
        (xr, xz, xn), (hr, hz, hn) = np.split(row @ wx + b, 3, -1), np.split(h @ wh + bh, 3, -1)
        z, n = logistic(xz + hz), np.tanh(xn + logistic(xr + hr) * hn)
        return ((1 - z) * n + z * h,)

    return stepped(step, x, h)


def call(name: str, arrays: list[Array], of: Callable[..., Any], *arguments: Any, ulps: float = 0, **named: Any) -> Given:
    """Arrays are the first arguments, unless the arguments speak of them."""
    given = () if "$0" in arguments else tuple(f"${n}" for n in range(len(arrays)))
    return name, tuple(arrays), (*given, *arguments), of, ulps, named


IMAGE, ROWS, SOLID = numbers(2, 4, 6, 5), numbers(2, 4, 9), numbers(2, 4, 4, 3, 3)
COUNTS = np.arange(2 * 4 * 6 * 5, dtype=np.int32).reshape(2, 4, 6, 5) * 70_000_001
C = [numbers(4, n)[:, 0] for n in range(1, 5)]
BOTH, LOGS = numbers(4, 5), np.log(np.random.default_rng(1).dirichlet(np.ones(5), 4)).astype(np.float32)
SEEN = np.random.default_rng(2).random((3, 7)) < 0.7

NETWORKS = (
    call("conv1d", [ROWS, numbers(3, 4, 3), C[0][:3]], lambda x, w, b: convolved(x, w, (2,), 1) + b[:, None], ulps=200, strides=2, pads=1),
    call("conv2d", [IMAGE, numbers(3, 4, 3, 2)], lambda x, w: convolved(x, w, (1, 1)), ulps=200),
    call("conv2d", [IMAGE, numbers(6, 2, 3, 3), numbers(6)], lambda x, w, b: convolved(x, w, (2, 1), 1, 2) + by_channel(b), ulps=200,
         strides=[2, 1], pads=1, groups=2),
    call("conv2d", [last(IMAGE).copy(), numbers(3, 4, 3, 3), numbers(3)], ulps=200, pads="same", layout="NHWC",
         of=lambda x, w, b: last(convolved(np.moveaxis(x, -1, 1), w, (1, 1), 1)) + b),
    call("conv2d", [COUNTS, COUNTS[:, :2, :3, :3].copy()], lambda x, w: convolved(x, w, (1, 1), 0, 2).astype(np.int32), groups=2),
    call("conv3d", [SOLID, numbers(2, 4, 2, 2, 1)], lambda x, w: convolved(x, w, (2, 1, 1)), ulps=200, strides=[2, 1, 1]),
    call("max_pool1d", [ROWS], lambda x: pooled(lambda w: w.max(-1), x, (3,), (2,)).astype(np.float32), 3, 2),
    call("max_pool2d", [IMAGE], lambda x: pooled(lambda w: w.max(-1), x, (3, 3), (2, 2), 1, -np.inf).astype(np.float32), 3, 2, 1),
    call("max_pool2d", [COUNTS], lambda x: pooled(lambda w: w.max(-1), x, (2, 2), (2, 2)).astype(np.int32), 2),
    call("max_pool3d", [SOLID], lambda x: pooled(lambda w: w.max(-1), x, (2, 2, 2), (1, 1, 1)).astype(np.float32), 2, 1),
    call("avg_pool1d", [ROWS], lambda x: pooled(lambda w: w.mean(-1), x, (3,), (3,)), 3, ulps=8),
    call("avg_pool2d", [IMAGE], lambda x: pooled(lambda w: w.mean(-1), x, (3, 3), (2, 2), 1), 3, 2, 1, count_pads=True, ulps=8),
    call("avg_pool2d", [IMAGE], lambda x: pooled(lambda w: np.nanmean(w, -1), x, (3, 3), (2, 2), 1, np.nan), 3, 2, 1, ulps=8),
    call("avg_pool3d", [SOLID], lambda x: pooled(lambda w: w.mean(-1), x, (2, 2, 2), (1, 1, 1)), 2, 1, ulps=8),
    call("lp_pool1d", [ROWS], lambda x: pooled(lambda w: np.abs(w).sum(-1), x, (3,), (1,)), 3, 1, 1, ulps=8),
    call("lp_pool2d", [IMAGE], lambda x: pooled(lambda w: np.sqrt((w * w).sum(-1)), x, (2, 2), (2, 2)), 2, ulps=8),
    call("lp_pool3d", [SOLID], lambda x: pooled(lambda w: np.cbrt((np.abs(w) ** 3).sum(-1)), x, (2, 2, 2), (1, 1, 1)), 2, 3, 1, ulps=32),
    call("adaptive_avg_pool1d", [ROWS], lambda x: shared(np.mean, x, 4), 4, ulps=8),
    call("adaptive_avg_pool2d", [IMAGE], lambda x: shared(np.mean, x, 4, 2), [4, 2], ulps=8),
    call("adaptive_avg_pool2d", [IMAGE], lambda x: shared(np.mean, x, 1, 1), 1, ulps=8),
    call("adaptive_avg_pool3d", [SOLID], lambda x: shared(np.mean, x, 2, 3, 2), [2, 3, 2], ulps=8),
    call("adaptive_max_pool1d", [ROWS], lambda x: shared(np.max, x, 4).astype(np.float32), 4),
    call("adaptive_max_pool2d", [IMAGE], lambda x: shared(np.max, x, 4, 2).astype(np.float32), [4, 2]),
    call("adaptive_max_pool3d", [SOLID], lambda x: shared(np.max, x, 2, 2, 2).astype(np.float32), 2),
    call("group_norm", [IMAGE, C[0], C[1]], lambda x, s, t: grouped(x) * by_channel(s) + by_channel(t), "$0", 2, "$1", "$2", ulps=400),
    call("instance_norm", [IMAGE, C[0], C[1]], lambda x, s, t: standard(x, (2, 3)) * by_channel(s) + by_channel(t), ulps=400),
    call("batch_norm", [IMAGE, C[0], C[1], C[2], C[3] ** 2], ulps=64,
         of=lambda x, *c: (x - by_channel(c[2])) / np.sqrt(by_channel(c[3]) + 1e-5) * by_channel(c[0]) + by_channel(c[1])),
    call("local_response_norm", [IMAGE], lambda x: x / (2 + 0.5 * neighbours(x)) ** 0.75, 3, 0.5, k=2, ulps=16),
    call("attention", [numbers(2, 3, 4), numbers(7, 4), numbers(2, 7, 5), SEEN], attended, ulps=64),
    call("attention", [numbers(2, 3, 4), numbers(2, 7, 4), numbers(2, 7, 5)], lambda q, k, v: attended(q, k, v, np.tri(3, 7, dtype=bool)),
         causal=True, scale=0.5, ulps=64),
    call("rope", [numbers(2, 3, 8), np.arange(5, 8)], turned, ulps=32),
    call("lstm", [numbers(5, 2, 3), numbers(2, 4), numbers(2, 4), numbers(3, 16), numbers(4, 16), numbers(16)], lstm, ulps=200),
    call("gru", [numbers(5, 2, 3), numbers(2, 4), numbers(3, 12), numbers(4, 12), numbers(12), numbers(12)], gru, ulps=200),
    call("rnn", [numbers(5, 2, 3), numbers(2, 4), numbers(3, 4), numbers(4, 4), numbers(4)], ulps=200,
         of=lambda x, h, wx, wh, b: stepped(lambda row, h: (np.tanh(row @ wx + b + h @ wh),), x, h)),
    call("pixel_shuffle", [numbers(2, 8, 2, 3)], lambda x: x.reshape(2, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 4, 6), 2),
    call("nll_loss", [LOGS, np.array([4, 0, -1, 2])], lambda x, i: -x[np.arange(4), i]),
)  # fmt: skip
