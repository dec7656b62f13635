"""Recurrent layers: scans over the steps of x [T, N, D], whose products with x are all one before the first step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowc.errors import OpError
from flowc.ir.core import Value, close
from flowc.ir.dims import Dim
from flowc.ir.types import Type
from flowc.ops.control import Scan
from flowc.ops.elementwise import add, mul, sub
from flowc.ops.functions import Sigmoid, Tanh
from flowc.ops.kernel import axes
from flowc.ops.linalg import matmul
from flowc.ops.nn import floats
from flowc.ops.shape import reshape
from flowc.ops.slicing import sliced
from flowc.ops.tensor import Function, assumed_equal, like

Step = Callable[..., tuple[Value, ...]]  # the gates' part of x and the carried values to the next ones, of which the first is emitted


class Lstm(Function, name="lstm"):
    """ys [T, N, H], and the last h and c, of `c = f * c + i * g`, `h = o * tanh(c)` (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    The gates i f g o are parts of `x @ wx + b + h @ wh`, sigmoids but for the tanh g; x is [T, N, D], h and c are [N, H],
    wx [D, 4 H], wh [H, 4 H], b [4 H].
    """

    @classmethod
    def make(cls, x: Value, h: Value, c: Value, wx: Value, wh: Value, b: Value) -> tuple[Value, ...]:
        check(cls.name, x, {"h": h, "c": c}, wx, wh, {"b": b}, 4)

        def step(of_x: Value, h: Value, c: Value) -> tuple[Value, ...]:
            i, f, g, o = gates(add(of_x, matmul(h, wh)), 4)
            kept = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)))
            return mul(sigmoid(o), tanh(kept)), kept

        return scanned(projected(x, wx, b), (h, c), step)


class Gru(Function, name="gru"):
    """ys [T, N, H], and the last h, of `h = (1 - z) * n + z * h`, `n = tanh(xn + r * hn)` (Cho et al. 2014).

    xr xz xn are parts of `x @ wx + b`, hr hz hn of `h @ wh + bh`, and r and z the sigmoids of xr + hr and xz + hz; x is
    [T, N, D], h [N, H], wx [D, 3 H], wh [H, 3 H], b and bh [3 H].
    """

    @classmethod
    def make(cls, x: Value, h: Value, wx: Value, wh: Value, b: Value, bh: Value) -> tuple[Value, ...]:
        check(cls.name, x, {"h": h}, wx, wh, {"b": b, "bh": bh}, 3)

        def step(of_x: Value, h: Value) -> tuple[Value, ...]:
            xr, xz, xn = gates(of_x, 3)
            hr, hz, hn = gates(add(matmul(h, wh), bh), 3)
            z = sigmoid(add(xz, hz))
            n = tanh(add(xn, mul(sigmoid(add(xr, hr)), hn)))
            return (add(mul(sub(like(z, 1), z), n), mul(z, h)),)

        return scanned(projected(x, wx, b), (h,), step)


class Rnn(Function, name="rnn"):
    """ys [T, N, H], and the last h, of `h = tanh(x @ wx + b + h @ wh)`; x is [T, N, D], h [N, H], wx [D, H], wh [H, H], b [H]."""

    @classmethod
    def make(cls, x: Value, h: Value, wx: Value, wh: Value, b: Value) -> tuple[Value, ...]:
        check(cls.name, x, {"h": h}, wx, wh, {"b": b}, 1)

        def step(of_x: Value, h: Value) -> tuple[Value, ...]:
            return (tanh(add(of_x, matmul(h, wh))),)

        return scanned(projected(x, wx, b), (h,), step)


def check(name: str, x: Value, carried: dict[str, Value], wx: Value, wh: Value, shifts: dict[str, Value], parts: int) -> None:
    """Raises `OpError` where an operand does not have the type that x and wh say it has."""
    floats(name, x)
    if x.type.rank != 3:
        raise OpError(f"x of {name} has 3 axes, T N D, not {x.type}")
    if wh.type.rank != 2:
        raise OpError(f"wh of {name} has 2 axes, H and its {parts} gates, not {wh.type}")
    (_, batch, size), hidden = x.type.shape, wh.type.shape[0]
    wide = hidden * parts
    wanted: dict[str, tuple[Value, tuple[Dim, ...]]] = {"wh": (wh, (hidden, wide)), "wx": (wx, (size, wide))}
    wanted |= {what: (v, (batch, hidden)) for what, v in carried.items()} | {what: (v, (wide,)) for what, v in shifts.items()}
    for what, (v, shape) in wanted.items():
        message = f"{what} of {name} is {Type(x.type.dtype, shape)} beside x {x.type} and wh {wh.type}, not {v.type}"
        if v.type.rank != len(shape) or v.type.dtype is not x.type.dtype:
            raise OpError(message)
        if assumed_equal(list(zip(v.type.shape, shape, strict=True)), message):
            raise OpError(message, help="declare the sizes by the same names")


def projected(x: Value, wx: Value, b: Value) -> Value:
    """`x @ wx + b` of all steps, in one product."""
    steps, batch, size = x.type.shape
    rows = matmul(reshape(x, (steps * batch, size)), wx)
    return add(reshape(rows, (steps, batch, wx.type.shape[1])), b)


def scanned(of_x: Value, init: Sequence[Value], step: Step) -> tuple[Value, ...]:
    """What is emitted, then the last carried values."""
    count = of_x.type.shape[0]
    (t,) = axes((count,), "t")
    row = Value(Type(of_x.type.dtype, of_x.type.shape[1:]), None, "of_x")
    carried = tuple(Value(v.type, None, name) for v, name in zip(init, "hc", strict=False))
    following = step(row, *carried)
    block = close((t, row, *carried), (*following, following[0]))
    *last, ys = Scan((of_x,), tuple(init), (count,), block).results
    return ys, *last


def gates(x: Value, count: int) -> list[Value]:
    """The equal parts of the last axis."""
    wide = x.type.shape[-1] // count
    whole = slice(None)
    return [sliced(x, [whole] * (x.type.rank - 1) + [slice(n * wide, (n + 1) * wide)]) for n in range(count)]


def sigmoid(x: Value) -> Value:
    return Sigmoid(x).result


def tanh(x: Value) -> Value:
    return Tanh(x).result
