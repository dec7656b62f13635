"""Every public op in one module per dtype: each as a result, and once more fused into what reads it.

`x` and `y` are `T[N, K]`, `w` is `T[K, 70]`, `r` a row `T[K]`, `c` a condition
`bool[N, K]`, `ids` are `i64[N]` of rows.  A call of `ROWS` gives for row n of its
result what row n of its arguments decides, one of `WHOLE` looks at all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowc.ir.core import Func, Module, Value, func
from flowc.ir.dims import Size, dim
from flowc.ir.narrow import rounded
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.pointwise import Elementwise, kind
from flowc.ops.slicing import sliced

Array = np.ndarray[Any, Any]
K = 130  # two rounds of 64 lanes and a tail; a tail of vectors at any width
N = dim(Size("N", 0))
DTYPES = (DType.f32, DType.f64, DType.i32, DType.i64, DType.u8, DType.bool)
INPUTS = ("x", "y", "w", "r", "c", "ids")


def op(name: str, *given: Any, **named: Any) -> Any:
    """A call of a built-in."""
    return call(built_ins()[name], given, named)


@dataclass(frozen=True)
class Given:
    """The parameters of a graph."""

    x: Value
    y: Value
    w: Value
    r: Value
    c: Value
    ids: Value

    @property
    def dtype(self) -> DType:
        return self.x.type.dtype

    @property
    def params(self) -> tuple[Value, ...]:
        return tuple(getattr(self, name) for name in INPUTS)


def part(x: Value, *sizes: int) -> Value:
    """The first elements along each axis."""
    return sliced(x, [slice(0, n) for n in sizes])


def image(g: Given) -> Value:
    """x as two channels of 13 rows and 5 columns."""
    return op("reshape", g.x, [N, 2, 13, 5])


def steps(x: Value) -> Value:
    """x as 5 steps of 26 for each row."""
    return op("reshape", x, [N, 5, 26])


def recurrent(g: Given, name: str, parts: int, *more: Value) -> Value:
    """What a layer of 4 units emits after each of the 5 steps."""
    state = [sliced(x, [slice(None), slice(0, 4)]) for x in (g.x, g.y)[: 1 + (name == "lstm")]]
    weights = [part(g.w, 26, 4 * parts), part(g.w, 4, 4 * parts), part(g.r, 4 * parts)]
    return op("transpose", op(name, op("transpose", steps(g.x), [1, 0, 2]), *state, *weights, *more)[0], [1, 0, 2])


Call = tuple[str, str, Callable[[Given], Any]]  # op, the kinds of dtype or the one dtype it is called on, how

ROWS: tuple[Call, ...] = (
    ("cumsum", "fiub", lambda g: op("cumsum", g.x, 1)),
    ("cumprod", "fiu", lambda g: op("cumprod", g.x, 1, exclusive=True)),
    ("cummax", "fb", lambda g: op("cummax", g.x, 1)),
    ("cummin", "fi", lambda g: op("cummin", g.x, 1, reverse=True)),
    ("sort", "fiub", lambda g: op("sort", g.x)),
    ("argsort", "i32", lambda g: op("argsort", g.x, descending=True)),
    ("top_k", "f64", lambda g: op("top_k", g.x, 5)[0]),
    ("sum", "fiub", lambda g: op("sum", g.x, axis=-1)),
    ("prod", "fiu", lambda g: op("prod", g.x, axis=-1)),
    ("mean", "f", lambda g: op("mean", g.x, axis=-1)),
    ("var", "f", lambda g: op("var", g.x, axis=-1, correction=1)),
    ("std", "f", lambda g: op("std", g.x, axis=-1)),
    ("max", "fiu", lambda g: op("max", g.x, axis=-1)),
    ("min", "fiu", lambda g: op("min", g.x, axis=-1, keepdims=True)),
    ("any", "f32", lambda g: op("any", g.c, axis=-1)),
    ("all", "f32", lambda g: op("all", g.c, axis=-1)),
    ("argmax", "fiu", lambda g: op("argmax", g.x, axis=-1)),
    ("argmin", "fiu", lambda g: op("argmin", g.x, axis=-1)),
    ("count_nonzero", "fiub", lambda g: op("count_nonzero", g.x, axis=-1)),
    ("logsumexp", "f", lambda g: op("logsumexp", g.x, axis=-1)),
    ("norm", "f", lambda g: op("norm", g.x, axis=-1)),
    ("norm", "f", lambda g: op("norm", g.x, 3, axis=-1)),
    ("softmax", "f", lambda g: op("softmax", g.x)),
    ("log_softmax", "f", lambda g: op("log_softmax", g.x)),
    ("layer_norm", "f", lambda g: op("layer_norm", g.x, g.r, g.r)),
    ("rms_norm", "f", lambda g: op("rms_norm", g.x, g.r)),
    ("matmul", "fiu", lambda g: op("matmul", g.x, g.w)),
    ("einsum", "fiu", lambda g: op("einsum", "nk,kj->nj", g.x, g.w)),
    ("einsum", "fiu", lambda g: op("einsum", "nij,nkj,i->nik", steps(g.x), steps(g.y), part(g.r, 5))),
    ("tensordot", "f32", lambda g: op("tensordot", steps(g.x), op("reshape", g.w, [5, 26, 70]))),
    ("trace", "f32", lambda g: op("trace", steps(g.x), 1)),
    ("diag", "f32", lambda g: op("diag", steps(g.x), 2)),
    ("linear", "f", lambda g: op("linear", g.x, g.w, op("sum", g.w, axis=0))),
    ("cross_entropy", "f", lambda g: op("cross_entropy", g.x, g.ids)),
    ("conv1d", "f", lambda g: op("conv1d", op("reshape", g.x, [N, 2, 65]), op("reshape", g.r, [13, 2, 5]), strides=2, pads=1)),
    ("conv2d", "fiu", lambda g: op("conv2d", image(g), op("reshape", g.r, [13, 2, 5, 1]), part(g.r, 13), pads="same")),
    ("conv3d", "f32", lambda g: op("conv3d", op("reshape", g.x, [N, 2, 13, 5, 1]), op("reshape", g.r, [13, 2, 1, 5, 1]))),
    ("max_pool1d", "f32", lambda g: op("max_pool1d", g.x, 3)),
    ("max_pool2d", "fiu", lambda g: op("max_pool2d", image(g), 3, 2, 1)),
    ("max_pool3d", "f32", lambda g: op("max_pool3d", image(g), 2, 1)),
    ("avg_pool1d", "f32", lambda g: op("avg_pool1d", g.x, 3)),
    ("avg_pool2d", "f", lambda g: op("avg_pool2d", image(g), 3, 2, 1)),
    ("avg_pool3d", "f32", lambda g: op("avg_pool3d", image(g), 2, 1)),
    ("lp_pool1d", "f32", lambda g: op("lp_pool1d", g.x, 3, 3)),
    ("lp_pool2d", "f", lambda g: op("lp_pool2d", image(g), 2)),
    ("lp_pool3d", "f32", lambda g: op("lp_pool3d", image(g), 2, 1, 1)),
    ("adaptive_avg_pool1d", "f32", lambda g: op("adaptive_avg_pool1d", g.x, 7)),
    ("adaptive_avg_pool2d", "f", lambda g: op("adaptive_avg_pool2d", image(g), [4, 3])),
    ("adaptive_avg_pool3d", "f32", lambda g: op("adaptive_avg_pool3d", image(g), [2, 4, 3])),
    ("adaptive_max_pool1d", "f32", lambda g: op("adaptive_max_pool1d", g.x, 7)),
    ("adaptive_max_pool2d", "fiu", lambda g: op("adaptive_max_pool2d", image(g), [4, 3])),
    ("adaptive_max_pool3d", "f32", lambda g: op("adaptive_max_pool3d", image(g), [2, 4, 3])),
    ("group_norm", "f", lambda g: op("group_norm", image(g), 2, part(g.r, 2), part(g.r, 2))),
    ("instance_norm", "f", lambda g: op("instance_norm", image(g))),
    ("batch_norm", "f", lambda g: op("batch_norm", image(g), *(part(g.r, 2) for _ in "123"), op("abs", part(g.r, 2)))),
    ("local_response_norm", "f", lambda g: op("local_response_norm", image(g), 3)),
    ("attention", "f", lambda g: op("attention", steps(g.x), steps(g.y), steps(g.x), causal=True)),
    ("rope", "f", lambda g: op("rope", steps(g.x), op("arange", 5))),
    ("pixel_shuffle", "fiub", lambda g: op("pixel_shuffle", op("reshape", op("concat", [g.x, g.y], 1), [N, 4, 13, 5]), 2)),
    ("nll_loss", "f", lambda g: op("nll_loss", g.x, g.ids)),
    ("lstm", "f", lambda g: recurrent(g, "lstm", 4)),
    ("gru", "f", lambda g: recurrent(g, "gru", 3, part(g.r, 12))),
    ("rnn", "f", lambda g: recurrent(g, "rnn", 1)),
    ("embedding", "fiub", lambda g: op("embedding", g.ids, g.w)),
    ("take", "fiub", lambda g: op("take", g.w, g.ids)),
    ("take_along_axis", "fiub", lambda g: op("take_along_axis", g.x, op("unsqueeze", g.ids, 1), axis=1)),
    ("one_hot", "f32", lambda g: op("one_hot", g.ids, 9)),
    ("concat", "fiub", lambda g: op("concat", [g.x, g.y, g.x], axis=1)),
    ("stack", "fiub", lambda g: op("stack", [g.x, g.y], axis=-1)),
    ("flip", "fiub", lambda g: op("flip", g.x, axis=1)),
    ("pad", "fiub", lambda g: op("pad", g.x, [[0, 0], [2, 3]])),
    *[("pad", "f32", lambda g, mode=mode: op("pad", g.x, [[0, 0], [2, 140]], mode)) for mode in ("edge", "reflect", "wrap")],
    ("roll", "f32", lambda g: op("roll", g.x, 5, 1)),
    ("tile", "f32", lambda g: op("tile", g.x, [1, 2])),
    ("repeat", "f32", lambda g: op("repeat", g.x, 2, 1)),
    ("gather_nd", "f32", lambda g: op("gather_nd", g.w, op("unsqueeze", g.ids, 1))),
    ("reshape", "fiub", lambda g: op("reshape", g.x, [N, 13, -1])),
    ("transpose", "fiub", lambda g: op("transpose", op("stack", [g.x, g.y], axis=1), [0, 2, 1])),
    ("squeeze", "fiub", lambda g: op("squeeze", sliced(g.x, [slice(None), slice(3, 4, None)]), axis=1)),
    ("unsqueeze", "fiub", lambda g: op("unsqueeze", g.x, 1)),
    ("broadcast_to", "fiub", lambda g: op("broadcast_to", op("unsqueeze", g.x, 1), [N, 2, K])),
    ("expand", "fiub", lambda g: op("expand", op("unsqueeze", g.x, 1), [-1, 3, -1])),
    ("full_like", "fiu", lambda g: op("full_like", g.x, 3)),
    ("ones_like", "fiub", lambda g: op("ones_like", g.x)),
    ("zeros_like", "fiub", lambda g: op("zeros_like", g.x)),
    ("power", "f", lambda g: op("power", op("abs", g.x), g.y)),
    ("gelu", "f", lambda g: op("gelu", g.x, "tanh")),
)
WHOLE: tuple[Call, ...] = (
    ("scatter", "fib", lambda g: op("scatter", g.w, g.ids, sliced(g.x, [slice(None), slice(70)]))),
    ("scatter", "fiu", lambda g: op("scatter", g.w, g.ids, sliced(g.x, [slice(None), slice(70)]), reduce="sum")),
    ("scatter_nd", "f", lambda g: op("scatter_nd", g.w, op("unsqueeze", g.ids, 1), op("take", g.w, g.ids), "max")),
    ("bincount", "i64", lambda g: op("bincount", g.x, 9)),
    ("histogram", "f", lambda g: op("histogram", g.x, 16, -2, 2)),
    ("cumsum", "fiub", lambda g: op("cumsum", g.x, 0, reverse=True)),
    ("sort", "f32", lambda g: op("sort", g.x, 0, True)),
    ("unique", "i32", lambda g: op("sum", op("unique", g.x))),
    ("searchsorted", "fiu", lambda g: op("searchsorted", op("sort", g.r), g.x)),
    ("sum", "fiub", lambda g: op("sum", g.x)),
    ("mean", "f", lambda g: op("mean", g.x, axis=0)),
    ("var", "f", lambda g: op("var", g.x)),
    ("prod", "fiu", lambda g: op("prod", g.x, axis=0)),
    ("max", "fiu", lambda g: op("max", g.x, axis=0)),
    ("logsumexp", "f", lambda g: op("logsumexp", g.x, axis=0)),
    ("softmax", "f", lambda g: op("softmax", g.x, axis=0)),
    ("matmul", "fiu", lambda g: op("matmul", op("transpose", g.y), g.x)),
    ("matmul", "fiu", lambda g: op("matmul", op("reshape", g.x, [-1]), op("reshape", g.y, [-1]))),
    ("dot", "fiu", lambda g: op("dot", op("reshape", g.x, [-1]), op("reshape", g.y, [-1]))),
    ("norm", "f", lambda g: op("norm", g.x)),
    ("outer", "f32", lambda g: op("outer", op("sum", g.x, axis=1), g.r)),
    ("meshgrid", "f32", lambda g: op("meshgrid", g.r, part(g.r, 7))[1]),
    ("diag", "fiub", lambda g: op("diag", g.r, -1)),
    ("roll", "f32", lambda g: op("roll", g.x, -3)),
    ("split", "fiub", lambda g: op("split", g.x, 2, axis=1)[1]),
    ("tril", "fiub", lambda g: op("tril", g.x, 1)),
    ("triu", "fiub", lambda g: op("triu", g.x)),
    ("nonzero", "b", lambda g: op("sum", op("multiply", *op("nonzero", g.x)))),
    ("size", "f32", lambda g: op("full", [3], op("size", g.x))),
    ("rank", "f32", lambda g: op("full", [3], op("rank", g.x))),
    ("arange", "f32", lambda g: op("arange", N)),
    ("iota", "f32", lambda g: op("iota", [N, 3])),
    ("eye", "f32", lambda g: op("eye", N)),
    ("linspace", "f32", lambda g: op("linspace", 0, 1, 77)),
    ("full", "f32", lambda g: op("full", [N, 2], 7)),
    ("ones", "fiub", lambda g: op("ones", [N, 2], g.dtype)),
    ("zeros", "fiub", lambda g: op("zeros", [N, 2], g.dtype)),
    ("dropout", "f", lambda g: op("dropout", g.x, 0.3, seed=5)),
    ("uniform", "f", lambda g: op("uniform", g.dtype, [N, K], seed=1)),
    ("normal", "f", lambda g: op("normal", g.dtype, [N, K], seed=2)),
    ("randint", "iu", lambda g: op("randint", g.dtype, [N, K], 0, 100, seed=3)),
    ("bernoulli", "f32", lambda g: op("bernoulli", 0.3, [N, K], seed=4)),
    ("glorot_uniform", "f32", lambda g: op("glorot_uniform", g.dtype, [K, 3], seed=5)),
    ("permutation", "i64", lambda g: op("permutation", 20, seed=5)),
    ("orthogonal", "f32", lambda g: op("orthogonal", g.dtype, [5, 3], seed=5)),
    ("hann_window", "f32", lambda g: op("hann_window", K)),
    ("glorot_normal", "f32", lambda g: op("glorot_normal", g.dtype, [K, 3], seed=6)),
    ("he_uniform", "f32", lambda g: op("he_uniform", g.dtype, [K, 3], seed=7)),
    ("he_normal", "f32", lambda g: op("he_normal", g.dtype, [K, 3], seed=8)),
)


def elementwise(cls: type[Elementwise]) -> Callable[[Given], Any]:
    """A call of an elementwise op on tensors."""
    match cls.name:
        case "clip":
            return lambda g: op("clip", g.x, g.r, g.y)
        case "where":
            return lambda g: op("where", g.c, g.x, g.y)
        case "gelu":
            return lambda g: op("gelu", g.x)
        case "threshold":
            return lambda g: op("threshold", g.x, 0.5, 2)
        case _:
            return lambda g: op(cls.name, *(g.x, g.y)[: len(cls.fields_of["operand"])])


def calls(dtype: DType, which: str) -> list[tuple[str, Callable[[Given], Any]]]:
    """The ops of `rows` or of `whole` on a dtype, each with its call."""
    table = ROWS if which == "rows" else WHOLE
    listed = [(name, of) for name, on, of in table if (dtype.value == on if on.isalnum() and not on.isalpha() else kind(dtype) in on)]
    if which != "rows":
        return listed
    public = dict.fromkeys(cls for cls in built_ins().values() if issubclass(cls, Elementwise) and kind(dtype) in cls.accepts)
    return [*((cls.name, elementwise(cls)) for cls in public), *listed]


def module(dtype: DType, reads: bool = False, only: Sequence[str] = ()) -> Module:
    """Graphs `rows` and `whole` with a result for each op, or, if it `reads`, for what reads that."""
    return Module(dtype.value, tuple(graph(dtype, which, reads, only) for which in ("rows", "whole")))


def graph(dtype: DType, which: str, reads: bool, only: Sequence[str]) -> Func:
    shapes = {"x": (N, K), "y": (N, K), "w": (K, 70), "r": (K,), "c": (N, K), "ids": (N,)}
    dtypes = {"c": DType.bool, "ids": DType.i64}
    given = Given(*(Value(Type(dtypes.get(name, dtype), shapes[name]), None, name) for name in INPUTS))
    results = [of(given) for name, of in calls(dtype, which) if name in only or not only]
    return func(which, given.params, tuple(reader(v) if reads else v for v in results))


def reader(value: Value) -> Value:
    """An expression that numpy has the bits of: `read(value)` there."""
    if value.type.dtype is DType.bool:
        return op("logical_not", value)
    return op("subtract", op("multiply", value, 3), 1)


def read(array: Array) -> Array:
    with np.errstate(all="ignore"):
        three, one = (array.dtype.type(n) for n in (3, 1))
        return ~array if array.dtype == np.bool_ else array * three - one


def inputs(dtype: DType, n: int, seed: int = 0) -> list[Array]:
    """Arrays for the graphs; floats have zeros of both signs, infinities, NaN and denormals in some rows, integers their limits."""
    rng = np.random.default_rng([seed, n])
    x, y, w, r = (elements(rng, dtype, shape) for shape in ((n, K), (n, K), (K, 70), (K,)))
    return [x, y, w, r, rng.random((n, K)) < 0.5, rng.integers(-K, K, n)]


def elements(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    if dtype is DType.bool:
        return rng.random(shape) < 0.5
    if dtype.is_narrow:
        return rounded(elements(rng, DType.f32, shape), dtype)
    if dtype.is_float:
        made = (3 * rng.standard_normal(shape)).astype(dtype.numpy)
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype.numpy).tiny / 4, 1.0], dtype.numpy)
        rows = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) % 3 == 1
        return np.where(rows & (rng.random(shape) < 0.1), rng.choice(special, shape), made)
    low, high = dtype.limits()
    odd = np.array([low, high, 0, 1], dtype.numpy)
    return np.where(rng.random(shape) < 0.2, rng.choice(odd, shape), rng.integers(0, 9, shape).astype(dtype.numpy))
