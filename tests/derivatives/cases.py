"""Graphs of f64 with a derivative, each by its name."""

from __future__ import annotations

import math
from collections.abc import Callable

from flowc.ir.core import Value, body
from flowc.ir.dims import Dim, Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.activations import Relu
from flowc.ops.call import built_ins
from flowc.ops.control import Cond, Loop, Scan
from flowc.ops.define import define
from flowc.ops.derivative import Custom, Remat
from flowc.ops.elementwise import add, div, less, maximum, mul, sub
from flowc.ops.functions import Tanh, exp
from flowc.ops.index import Gather
from flowc.ops.kernel import axes, flattened, fold, unflattened
from flowc.ops.linalg import MatMul, matmul
from flowc.ops.reduce import LogSumExp, Max, Mean, Min, Prod, Std, Sum, Var
from flowc.ops.shape import Transpose, reshape
from flowc.ops.slicing import sliced
from flowc.ops.tensor import SizeValue, constant, like, read
from tests.derivatives.quotients import tensor

N, M, K = (dim(Size(name, 1)) for name in "NMK")
AT = {"N": 4, "M": 5, "K": 3}
X, Y, W, B = tensor("x", N, K), tensor("y", N, K), tensor("w", K, M), tensor("b", M)
IDS = tensor("ids", N, dtype=DType.i64)
IMAGE = tensor("image", 2, 2, 7)


def tanh(x: Value) -> Value:
    return Tanh(x).result


def built_in(name: str) -> Callable[..., Value]:
    return built_ins()[name].make  # type: ignore[return-value]


def turned(x: Value) -> Value:
    return Transpose(x, (1, 0)).result


def window(stride: int, dilation: int) -> Value:
    """A convolution along the last axis, said by index."""
    i = axes((2, 3, (7 - 2 * dilation - 1) // stride + 1))
    kernel = tensor("kernel", 3, 2, 3)

    def term(k: Dim, c: Dim) -> tuple[Value, Value]:
        return read(IMAGE, dim(i[0]), c, dim(i[2]) * stride + k * dilation), read(kernel, k, c, dim(i[1]))

    return define(i, fold("dot", (3, 2), term))


def triangle() -> Value:
    """Sums whose extent depends on the row."""
    (i,) = axes((N,))
    z = tensor("z", N)
    return define((i,), fold("sum", (dim(i) + 1,), lambda k: mul(read(z, k), read(z, dim(i)))))


def cut_across() -> Value:
    """Elements in a shape that neither splits nor joins the other's axes: no equation gives their indices back."""
    i = axes((4, 6))
    box = tensor("box", 2, 3, 4)
    return exp(define(i, read(box, *unflattened(flattened(tuple(map(dim, i)), (4, 6)), (2, 3, 4)))))


def product() -> Value:
    """A product by index, with a zero among its terms."""
    (i,) = axes((N,))
    return define((i,), fold("prod", (K,), lambda k: sub(read(X, dim(i), k), constant(1.25, DType.f64))))


def carry(hint: str, *shape: Dim) -> Value:
    return tensor(hint, *shape)


def rnn(stacked: bool = False, backwards: bool = False) -> tuple[Value, ...]:
    """h = tanh(x_t + h @ u), what it emits weighed by the step."""
    xs, h0, u = tensor("xs", M, N, K), tensor("h0", N, K), tensor("u", K, K)
    (t,), x, h = axes((M,)), carry("x", N, K), carry("h", N, K)
    new = tanh(add(x, matmul(h, u)))
    weight = SizeValue((dim(t) + 1,), Type(DType.f64)).result
    block = body((t, x, h), (new, mul(new, mul(weight, h))), (), (u,))
    return Scan((xs,), (h0,), (M,), block, backwards, stacked).results


def counted_scan() -> Value:
    """No carries: x[t] * sum(x[t] * y) for each step."""
    (t,), a = axes((N,)), carry("a", K)
    block = body((t, a), (mul(a, Sum(mul(a, Y), (0, 1)).result),), (), (Y,))
    return Scan((X,), (), (N,), block).results[0]


def looped(limit: int | None = 9, stacked: bool = False) -> tuple[Value, ...]:
    """x doubled and bent while a count is below 4."""
    zero = constant(0, DType.i64)
    v, n = carry("v", N, K), tensor("n", dtype=DType.i64)
    condition = body((v, n), (less(n, like(n, 4)),))
    block = body((v, n), (mul(tanh(v), Y), add(n, like(n, 1))), (), (Y,))
    return Loop((X, zero), () if limit is None else (limit,), condition, block, stacked).results


def branch(positive: bool) -> Value:
    which = less(constant(0.0 if positive else 2.0, DType.f64), constant(1.0, DType.f64))
    then = body((), (mul(X, Y), X), (), (X, Y))
    orelse = body((), (exp(X), mul(Y, Y)), (), (X, Y))
    made = Cond(which, then, orelse)
    return add(made.results[0], mul(made.results[1], made.results[1]))


def scan_of_scans() -> Value:
    """A scan in a scan, and a branch in that."""
    xs, h0 = tensor("xs", N, K), tensor("h0")
    (t,), row, h = axes((N,)), carry("row", K), carry("h")
    (s,), x, g = axes((K,)), carry("x"), carry("g")
    which = less(x, constant(1.2, DType.f64))
    bent = Cond(which, body((), (mul(g, x),), (), (g, x)), body((), (tanh(add(g, x)),), (), (g, x))).results[0]
    inner = Scan((row,), (h,), (K,), body((s, x, g), (bent,), (), ())).results[0]
    return Scan((xs,), (h0,), (N,), body((t, row, h), (inner, inner), (), ())).results[1]


def by_hand() -> Value:
    """exp with its own derivative, times y."""
    value = exp(X)
    dy = tensor("dy", N, K)
    return mul(Custom((value,), (X,), body((dy,), (mul(dy, value),), (), (X, value))).results[0], Y)


def again() -> Value:
    """Two layers whose inner values are computed again."""
    inner = tanh(matmul(X, W))
    return mul(Remat(body((), (tanh(matmul(inner, turned(W))),), (), (X, W))).results[0], X)


CASES: dict[str, Callable[[], Value]] = {
    "sum of products": lambda: add(mul(X, Y), div(X, Y)),
    "broadcast": lambda: mul(sub(matmul(X, W), B), reshape(Sum(X, (1,)).result, (N, 1))),
    "used twice": lambda: mul(exp(X), add(X, exp(X))),
    "matmul": lambda: matmul(X, W),
    "matmul of batches": lambda: matmul(tensor("c", 2, N, K), tensor("d", 2, K, M)),
    "matmul of a batch and a matrix": lambda: matmul(tensor("c", 2, N, K), W),
    "matmul of itself": lambda: matmul(X, turned(X)),
    "dot": lambda: MatMul.make(B, B),
    "softmax": lambda: built_in("softmax")(X, 1),
    "log softmax": lambda: built_in("log_softmax")(X, 0),
    "layer norm": lambda: built_in("layer_norm")(X, tensor("scale", K), tensor("shift", K)),
    "rms norm": lambda: built_in("rms_norm")(X, tensor("scale", K)),
    "cross entropy": lambda: built_in("cross_entropy")(X, IDS),
    "cross entropy of probabilities": lambda: built_in("cross_entropy")(X, Y),
    "gather": lambda: Gather(tensor("table", K, M), (IDS,), (0,), 0, ("ids",)).result,
    "max": lambda: Max(X, (0,)).result,
    "min over all": lambda: Min(X, (0, 1)).result,
    "prod": lambda: Prod(X, (1,)).result,
    "product by index": product,
    "var and std": lambda: add(Var(X, (0,)).result, Std(X, (0,), 1.0).result),
    "mean, logsumexp": lambda: add(Mean(X, (1,)).result, LogSumExp(X, (1,)).result),
    "maximum, relu": lambda: maximum(Relu(sub(X, Y)).result, Y),
    "window": lambda: window(1, 1),
    "window, stride 2": lambda: window(2, 1),
    "window, dilation 2": lambda: window(1, 2),
    "join and split": lambda: mul(reshape(reshape(IMAGE, (4, 7)), (2, 2, 7)), IMAGE),
    "join symbolic": lambda: exp(reshape(tensor("c", N, K, M), (N * K, M))),
    "cut across, by index": cut_across,
    "cut across": lambda: exp(reshape(tensor("box", 2, 3, 4), (4, 6))),
    "slice": lambda: mul(sliced(IMAGE, [slice(None), slice(0, 1), slice(None)]), sliced(IMAGE, [slice(None), slice(1, 2), slice(None)])),
    "slice backwards": lambda: mul(sliced(IMAGE, [slice(None), slice(None), slice(None, None, -2)]), like(IMAGE, 3)),
    **{f"norm of order {p}": lambda p=p: built_in("norm")(sub(X, Y), p, 1) for p in (1, 2, 3, 0.5, -1, math.inf, -math.inf)},
    "einsum, attention": lambda: built_in("einsum")("...id,...jd->...ij", tensor("c", 2, N, K), tensor("d", 2, M, K)),
    "einsum, chain": lambda: built_in("einsum")("ij,jk,k->i", X, W, B),
    "einsum, diagonal": lambda: built_in("einsum")("iij,kj->ik", tensor("c", N, N, K), X),
    "einsum, all summed": lambda: built_in("einsum")("ij,ij", X, Y),
    "tensordot": lambda: built_in("tensordot")(IMAGE, IMAGE, ((0, 2), (1, 2))),
    "outer": lambda: built_in("outer")(B, sliced(B, [slice(None, None, -1)])),
    "diag of a vector": lambda: built_in("diag")(B, -1),
    "diag of matrices": lambda: exp(built_in("diag")(IMAGE, 1)),
    "trace": lambda: exp(built_in("trace")(IMAGE)),
    "roll": lambda: mul(built_in("roll")(X, (1, -5), (0, 1)), Y),
    "tile": lambda: exp(built_in("tile")(X, (2, 1, 3))),
    "repeat": lambda: mul(built_in("repeat")(IMAGE, 3, 1), built_in("repeat")(IMAGE, (5, 1), 1)),
    "border of edges": lambda: exp(built_in("pad")(X, ((1, 2), (0, 1)), "edge")),
    "border of reflections": lambda: exp(built_in("pad")(IMAGE, ((0, 0), (0, 1), (6, 2)), "reflect")),
    "border of periods": lambda: exp(built_in("pad")(X, ((1, 7), (0, 1)), "wrap")),
    "meshgrid": lambda: mul(*built_in("meshgrid")(B, tensor("c", N))),
    "gather_nd": lambda: exp(built_in("gather_nd")(tensor("table", K, M), tensor("ids2", 4, 2, dtype=DType.i64))),
    "triangle": triangle,
    "scan": lambda: add(rnn()[0], Sum(rnn()[1], (0,)).result),
    "scan backwards": lambda: rnn(backwards=True)[1],
    "scan with stacks": lambda: add(rnn(True)[1], rnn(True)[2]),
    "scan without carries": counted_scan,
    "scan of scans": scan_of_scans,
    "loop": lambda: looped()[0],
    "loop with stacks": lambda: Sum(looped(stacked=True)[3], (0,)).result,
    "branch, then": lambda: branch(True),
    "branch, else": lambda: branch(False),
    "by hand": by_hand,
    "computed again": again,
}
