"""What every op of the registry keeps: it is whole for its kind, reads back from text, and means the same by each of its definitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from flowc.errors import OpError
from flowc.ir.core import Func, Module, Value, func, indices
from flowc.ir.dims import Size, dim
from flowc.ir.narrow import as_stored, in_f32, rounded
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call, parameters, signature_text
from flowc.ops.catalog import catalog
from flowc.ops.interpret import has_meaning, run
from flowc.ops.pointwise import Elementwise, kind
from flowc.ops.reference import reference
from flowc.ops.tensor import Tensor
from tests.ops import functions
from tests.ops.meanings import MEANINGS, Meaning, dtype_of
from tests.ops.networks import NETWORKS
from tests.ops.places import PLACES

Array = np.ndarray[Any, Any]
Holds = Callable[[Func, Sequence[Array]], None]
INTEGERS = [DType.i8, DType.u8, DType.i16, DType.u16, DType.i32, DType.u32, DType.i64, DType.u64]
NARROW = [DType.f16, DType.bf16]
NUMBERS = [*INTEGERS, *NARROW, DType.f32, DType.f64]
SHAPES = [(), (0,), (1,), (7,), (3, 65)]
OPS = {name: op for name, op in catalog().items() if issubclass(op, Tensor)}
POINTWISE = {name: op for name, op in OPS.items() if issubclass(op, Elementwise) and op.public}


def tensor(array: Array, hint: str, sizes: str = "", dtype: DType | None = None) -> Value:
    """A parameter of the array's type; its first axes have the sizes named.  An array of bf16 holds bits, and does not tell its dtype."""
    shape = tuple(dim(Size(sizes[a], 0)) if a < len(sizes) else n for a, n in enumerate(array.shape))
    return Value(Type(dtype or DType(dtype_of(array)), shape), None, hint)


def elements(shape: tuple[int, ...], dtype: DType, seed: int = 0) -> Array:
    """Random elements with the special ones among them."""
    rng = np.random.default_rng(seed)
    if dtype is DType.bool:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.is_narrow:
        return rounded(elements(shape, DType.f32, seed), dtype)
    if dtype.is_float:
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-40, 1e30], dtype.numpy)
        return np.where(rng.random(shape) < 0.4, rng.choice(special, shape), (3 * rng.standard_normal(shape)).astype(dtype.numpy))
    low, high = dtype.limits()
    special = np.array([low, high, 0, 1, high if dtype.is_signed is False else -1, 2, 7], dtype.numpy)
    return np.where(rng.random(shape) < 0.6, rng.choice(special, shape), rng.integers(low, high, shape, dtype.numpy, endpoint=True))


def same(found: Array, wanted: Array) -> None:
    """Equal dtype, shape and bits; one NaN is any other."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if found.dtype.kind == "f":
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
        np.testing.assert_array_equal(np.signbit(found) & ~np.isnan(found), np.signbit(wanted) & ~np.isnan(wanted))
    np.testing.assert_array_equal(found, wanted)


def near(found: Array, wanted: Array, ulps: float, least: float = 0.0) -> None:
    """Within so many epsilons of the result's dtype, of results below `least` in proportion to it."""
    assert found.shape == wanted.shape
    with np.errstate(all="ignore"):
        wide = wanted.astype(np.float64)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(wide))
        finite = np.isfinite(wide) & np.isfinite(wanted.astype(found.dtype))
        np.testing.assert_array_equal(found[~finite], wanted.astype(found.dtype)[~finite])
        error = np.abs(found.astype(np.float64) - wide) / np.maximum(np.abs(wide), max(least, np.finfo(found.dtype).tiny))
        assert np.max(error[finite], initial=0) <= ulps * np.finfo(found.dtype).eps


def nearest(found: Array, wanted: Array, dtype: DType, steps: int) -> None:
    """At most so many elements of f16 or bf16 beside the number rounded to them; a zero of either sign is one, where it is not exact."""
    assert (found.dtype, found.shape) == (dtype.numpy, wanted.shape)
    bits = rounded(wanted.astype(np.float64), dtype)
    nan = np.isnan(in_f32(bits, dtype))
    np.testing.assert_array_equal(np.isnan(in_f32(found, dtype)), nan)
    if not steps:
        np.testing.assert_array_equal(found.view(np.uint16)[~nan], bits.view(np.uint16)[~nan])
    places = [np.where(b >> 15, -(b & 0x7FFF), b)[~nan] for b in (a.view(np.uint16).astype(np.int32) for a in (found, bits))]
    assert np.max(np.abs(places[0] - places[1]), initial=0) <= steps


def graph(results: Value | tuple[Value, ...], params: Sequence[Value]) -> Func:
    return func("f", tuple(params), results if isinstance(results, tuple) else (results,))


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_is_whole_for_its_kind(name: str) -> None:
    op = OPS[name]
    assert op.__doc__, f"{name} says nothing of its meaning"
    by_element = op.at is not (Elementwise.at if issubclass(op, Elementwise) else Tensor.at) or issubclass(op, Elementwise)
    assert has_meaning(op.__new__(op)) or by_element or op.expand is not Tensor.expand, f"{name} can be computed in no way"
    if issubclass(op, Elementwise) and op.expand is Tensor.expand:
        simpler = op.scalar is not Elementwise.scalar
        told = [k for k in op.accepts if op.code is not Elementwise.code or k in op.llvm or op.function or simpler]
        assert told == list(op.accepts), f"{name} has code for {told} and accepts {list(op.accepts)}"


@pytest.mark.parametrize("name", sorted(built_ins()))
def test_every_built_in_can_be_described(name: str) -> None:
    cls = built_ins()[name]
    assert signature_text(cls).startswith(f"{cls.name}(") and cls.__doc__
    assert reference(cls).startswith(signature_text(cls))
    assert [p.name for p in parameters(cls)] == list(dict.fromkeys(p.name for p in parameters(cls)))


# their error is absolute, not in units of the last place, or they have attributes
COMPOSED = {"gelu", "silu", "smooth_l1_loss", "binary_cross_entropy", "kl_div", *functions.ABSOLUTE}


def test_every_elementwise_op_has_a_meaning_to_be_compared_with() -> None:
    assert sorted(POINTWISE) == sorted({*MEANINGS, *COMPOSED})


def accepted() -> list[Any]:
    pairs = [(name, d) for name in sorted(MEANINGS) for d in [DType.bool, *NUMBERS] if kind(d) in POINTWISE[name].accepts]
    return [pytest.param(name, d, id=f"{name}-{d.value}") for name, d in pairs]


def operands(name: str, dtype: DType, shape: tuple[int, ...]) -> dict[str, Array]:
    """An array for each operand of an elementwise op; the second lacks the first axis, so that it repeats."""
    formals = [p.name for p in parameters(POINTWISE[name])]
    made = {formal: elements(shape[n % 2 :], dtype, n) for n, formal in enumerate(formals)}
    return made | ({"condition": elements(shape, DType.bool, 9)} if name == "where" else {})


@pytest.mark.parametrize(("name", "dtype"), accepted())
def test_elementwise_op_is_its_meaning_in_numpy_and_by_element(name: str, dtype: DType) -> None:
    for shape in SHAPES:
        arrays = operands(name, dtype, shape)
        params = pointwise_params(arrays, dtype)
        made = POINTWISE[name](*params).result
        numbers = [in_f32(a, dtype) if p.type.dtype.is_narrow else a for a, p in zip(arrays.values(), params, strict=True)]
        with np.errstate(all="ignore"):
            wanted = np.asarray(MEANINGS[name].of(*numbers))
        (found,) = run(graph(made, params), list(arrays.values()))
        agree(MEANINGS[name], found, wanted, made.type.dtype)
        simpler = definition(made)
        if simpler is not None and not dtype.is_narrow:
            (defined,) = run(graph(simpler, params), list(arrays.values()), bits=True)
            agree(MEANINGS[name], defined, wanted, made.type.dtype)


def pointwise_params(arrays: dict[str, Array], dtype: DType, prefix: str = "") -> list[Value]:
    return [tensor(a, prefix + n, dtype=DType.bool if n == "condition" else dtype) for n, a in arrays.items()]


def agree(meaning: Meaning, found: Array, wanted: Array, dtype: DType) -> None:
    if dtype.is_narrow:
        nearest(found, wanted, dtype, steps=int(meaning.ulps > 0))
    elif meaning.ulps and found.dtype.kind == "f":
        near(found, wanted, meaning.ulps)
    else:
        same(found, wanted)


def definition(value: Value) -> Value | None:
    """The op in simpler ones, which are elementwise too and so hold for tensors; None for a primitive."""
    assert isinstance(value.op, Elementwise)
    return value.op.expand() or value.op.scalar()


@dataclass(frozen=True)
class Case:
    """A call of a built-in on arrays, and what it gives; an argument `$0` is the first array, `$all` the list of them."""

    name: str
    arrays: tuple[Array, ...]
    arguments: tuple[Any, ...]
    of: Callable[..., Any]
    ulps: float = 0
    named: tuple[tuple[str, Any], ...] = ()

    def made(self, params: Sequence[Value]) -> Any:
        given = [list(params) if a == "$all" else params[int(a[1:])] if str(a).startswith("$") else a for a in self.arguments]
        return call(built_ins()[self.name], given, dict(self.named))


X = elements((4, 5), DType.f32, 1)
PLAIN = np.random.default_rng(2).standard_normal((4, 5)).astype(np.float32)
LONG = np.random.default_rng(3).standard_normal((3, 1000))
INTS = elements((4, 5), DType.i32, 4)
BOOLS = elements((4, 5), DType.bool, 5)
CUBE = np.random.default_rng(7).standard_normal((3, 3, 3))
NOTHING = np.zeros((4, 0), np.float32)
IDS = np.array([[0, -1], [3, 1]])
CLASSES = np.array([4, 0, 2, -1])
CHANCES = np.random.default_rng(6).dirichlet(np.ones(5), 4).astype(np.float32)


def norms(x: Array, p: float) -> Array:
    return np.array([np.linalg.norm(row, p) for row in x.astype(np.longdouble)])


def softmax(x: Array) -> Array:
    z = np.exp(x.astype(np.longdouble) - x.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def standardised(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    wide = x.astype(np.longdouble)
    return (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + epsilon)


def smooth_l1(d: Array, beta: float) -> Array:
    return np.where(d < beta, d * d / (2 * beta), d - beta / 2)


def gelu_by_tanh(x: Array) -> Array:
    wide = x.astype(np.float64)
    return wide / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))


def case(name: str, arrays: Sequence[Array], arguments: Sequence[Any], of: Callable[..., Any], ulps: float = 0, **named: Any) -> Case:
    return Case(name, tuple(arrays), tuple(arguments), of, ulps, tuple(named.items()))


CASES = [
    case("sum", [PLAIN], ["$0"], lambda x: x.astype(np.longdouble).sum(), 40),
    case("sum", [LONG], ["$0"], lambda x: x.astype(np.longdouble).sum(-1), 1000, axis=-1),
    case("sum", [INTS], ["$0", [0, 1]], lambda x: x.sum(dtype=np.int32)),
    case("sum", [BOOLS], ["$0"], lambda x: x.sum(0, dtype=np.int64), axis=0),
    case("sum", [NOTHING], ["$0"], lambda x: np.zeros((4, 1), np.float32), axis=1, keepdims=True),
    case("prod", [PLAIN], ["$0", 1], lambda x: x.astype(np.longdouble).prod(1), 10),
    case("prod", [INTS], ["$0", 0], lambda x: x.prod(0, dtype=np.int32)),
    case("mean", [PLAIN], ["$0", 1], lambda x: x.astype(np.longdouble).mean(1), 20),
    case("mean", [NOTHING], ["$0", 1], lambda x: np.full(4, np.nan, np.float32)),
    case("var", [LONG], ["$0"], lambda x: x.astype(np.longdouble).var(-1, ddof=1), 200, axis=-1, correction=1),
    case("std", [PLAIN], ["$0"], lambda x: x.astype(np.longdouble).std(0, keepdims=True), 20, axis=0, keepdims=True),
    case("max", [PLAIN], ["$0"], lambda x: x.max(1), axis=1),
    case("max", [X], ["$0"], lambda x: np.where(np.isnan(x).any(1), np.nan, np.fmax.reduce(x, 1)).astype(np.float32), axis=1),
    case("max", [NOTHING], ["$0"], lambda x: np.full(4, -np.inf, np.float32), axis=1),
    case("max", [INTS[:, :0]], ["$0"], lambda x: np.full(4, -(2**31), np.int32), axis=1),
    case("min", [INTS], ["$0"], lambda x: x.min(keepdims=True), keepdims=True),
    case("min", [np.array([0.0, -0.0, 0.0])], ["$0"], lambda x: np.array(-0.0)),
    case("max", [np.array([-0.0, 0.0, -0.0])], ["$0"], lambda x: np.array(0.0)),
    case("any", [BOOLS], ["$0", 1], lambda x: x.any(1)),
    case("all", [BOOLS], ["$0"], lambda x: x.all()),
    case("argmax", [X], ["$0", 1], lambda x: x.argmax(1)),
    case("argmin", [INTS], ["$0"], lambda x: x.argmin()),
    case("argmax", [INTS], ["$0", 0, True], lambda x: x.argmax(0, keepdims=True)),
    case("count_nonzero", [INTS], ["$0", 0], lambda x: np.count_nonzero(x, 0)),
    case("logsumexp", [PLAIN], ["$0", 1], lambda x: np.log(np.exp(x.astype(np.longdouble)).sum(1)), 8),
    *[case("norm", [PLAIN], ["$0", p, 1], partial(norms, p=p), 20) for p in (0, 1, 2, 3, 0.5, -1, math.inf, -math.inf)],
    case("norm", [X], ["$0"], lambda x: np.linalg.norm(x), 20),
    case("norm", [NOTHING], ["$0", 3], lambda x: np.zeros((4, 1), np.float32), axis=1, keepdims=True),
    case("norm", [NOTHING], ["$0", -2], lambda x: np.full(4, np.inf, np.float32), axis=1),
    case("matmul", [PLAIN, PLAIN.T.copy()], ["$0", "$1"], lambda x, y: x.astype(np.float64) @ y, 60),
    case("matmul", [INTS, INTS.T.copy()], ["$0", "$1"], lambda x, y: x @ y),
    case("matmul", [PLAIN, PLAIN[0]], ["$0", "$1"], lambda x, y: x.astype(np.float64) @ y, 60),
    case("matmul", [LONG[0], LONG[1]], ["$0", "$1"], lambda x, y: x.astype(np.longdouble) @ y, 1000),
    case("matmul", [np.ones((2, 1, 3, 4)), np.ones((5, 4, 2))], ["$0", "$1"], lambda x, y: x @ y),
    case("einsum", [PLAIN, PLAIN.T.copy()], ["ij,jk->ik", "$0", "$1"], lambda x, y: x.astype(np.float64) @ y, 60),
    case("einsum", [INTS, INTS.T.copy(), INTS], ["ij,jk,kl", "$0", "$1", "$2"], lambda x, y, z: x @ y @ z),
    case("einsum", [CUBE, CUBE], ["...ij, ...kj -> ...ik", "$0", "$1"], lambda x, y: x @ y.transpose(0, 2, 1), 60),
    case("einsum", [CUBE, CUBE[0]], ["iij,jk->ki", "$0", "$1"], lambda x, y: (x[[0, 1, 2], [0, 1, 2]] @ y).T, 60),
    case("einsum", [X[:, :4]], ["ii->i", "$0"], np.diagonal),
    case("einsum", [CUBE], ["bij->ji", "$0"], lambda x: x.sum(0).T, 60),
    case("einsum", [CUBE, CUBE], ["aij,bji->", "$0", "$1"], lambda x, y: np.asarray((x.sum(0) * y.sum(0).T).sum()), 500),
    case("einsum", [INTS[:, :1], INTS[0]], ["ij,j->i", "$0", "$1"], lambda x, y: (x * y).sum(1, dtype=np.int32)),
    case("einsum", [X[0], X[:, 0]], ["i,j->ji", "$0", "$1"], lambda x, y: np.outer(y, x)),
    case("dot", [LONG[0], LONG[1]], ["$0", "$1"], lambda x, y: x.astype(np.longdouble) @ y, 1000),
    case("dot", [INTS, INTS[0]], ["$0", "$1"], lambda x, y: x @ y),
    case("outer", [X[0], X[:, 0]], ["$0", "$1"], np.outer),
    case("tensordot", [CUBE, CUBE], ["$0", "$1", [[1, 0], [0, -1]]], lambda x, y: np.tensordot(x, y, [[1, 0], [0, 2]]), 200),
    case("tensordot", [INTS, INTS.T.copy()], ["$0", "$1", 1], lambda x, y: x @ y),
    case("tensordot", [PLAIN, PLAIN], ["$0", "$1"], lambda x, y: (x.astype(np.float64) * y).sum(), 60),
    case("trace", [CUBE], ["$0"], lambda x: np.trace(x, 0, 1, 2), 60),
    case("trace", [INTS], ["$0", -2], lambda x: np.trace(x, -2, dtype=np.int32)),
    case("diag", [X[0]], ["$0"], np.diag),
    case("diag", [INTS[0]], ["$0", -2], lambda x: np.diag(x, -2)),
    case("diag", [X], ["$0", 2], lambda x: np.diag(x, 2)),
    case("diag", [X], ["$0", -9], lambda x: x[:0, 0]),
    case("linear", [PLAIN, PLAIN.T.copy(), PLAIN[:, 0]], ["$0", "$1", "$2"], lambda x, w, b: x.astype(np.float64) @ w + b, 200),
    case("reshape", [X], ["$0", [2, -1]], lambda x: x.reshape(2, -1)),
    case("transpose", [X], ["$0"], lambda x: x.T),
    case("transpose", [np.arange(24).reshape(2, 3, 4)], ["$0", [1, 2, 0]], lambda x: x.transpose(1, 2, 0)),
    case("broadcast_to", [X[:1]], ["$0", [3, 4, 5]], lambda x: np.broadcast_to(x, (3, 4, 5))),
    case("expand", [X[:1]], ["$0", [2, 4, -1]], lambda x: np.broadcast_to(x, (2, 4, 5))),
    case("squeeze", [X[:, :1]], ["$0"], lambda x: x.squeeze(1), axis=1),
    case("unsqueeze", [X], ["$0", [0, -1]], lambda x: np.expand_dims(x, (0, -1))),
    case("concat", [X, X[:2]], ["$all"], lambda x, y: np.concatenate([x, y])),
    case("concat", [X, NOTHING, X], ["$all"], lambda *xs: np.concatenate(xs, 1), axis=-1),
    case("stack", [X, X + 1], ["$all"], lambda x, y: np.stack([x, y], -1), axis=-1),
    case("split", [X], ["$0", [1, 3]], lambda x: np.split(x, [1])),
    case("split", [X], ["$0", 2], lambda x: np.split(x, 2)),
    case("flip", [X], ["$0"], lambda x: x[::-1, ::-1]),
    case("pad", [X], ["$0", [[1, 0], [2, 3]]], lambda x: np.pad(x, [(1, 0), (2, 3)], constant_values=np.float32(0.5)), value=0.5),
    case("pad", [X], ["$0", [[0, 0], [2, 3]], "edge"], lambda x: np.pad(x, [(0, 0), (2, 3)], "edge")),
    case("pad", [X], ["$0", [[0, 0], [4, 1]], "reflect"], lambda x: np.pad(x, [(0, 0), (4, 1)], "reflect")),
    case("pad", [INTS], ["$0", [[0, 0], [9, 0]], "reflect"], lambda x: np.pad(x, [(0, 0), (9, 0)], "reflect")),
    case("pad", [X], ["$0", [[0, 0], [5, 2]], "wrap"], lambda x: np.pad(x, [(0, 0), (5, 2)], "wrap")),
    case("pad", [INTS], ["$0", [[0, 0], [0, 12]], "wrap"], lambda x: np.pad(x, [(0, 0), (0, 12)], "wrap")),
    case("roll", [X], ["$0", 7], lambda x: np.roll(x, 7)),
    case("roll", [X], ["$0", [2, -9], [0, 1]], lambda x: np.roll(x, (2, -9), (0, 1))),
    case("tile", [X], ["$0", [2, 1, 3]], lambda x: np.tile(x, (2, 1, 3))),
    case("tile", [INTS], ["$0", 0], lambda x: np.tile(x, 0)),
    case("repeat", [X], ["$0", 3], lambda x: np.repeat(x, 3)),
    case("repeat", [X], ["$0", 2, 0], lambda x: np.repeat(x, 2, 0)),
    case("repeat", [X], ["$0", [0, 2, 1, 0, 3]], lambda x: np.repeat(x, [0, 2, 1, 0, 3], 1), axis=-1),
    case("repeat", [LONG], ["$0", [n % 3 for n in range(1000)], 1], lambda x: np.repeat(x, np.arange(1000) % 3, 1)),
    case("meshgrid", [X[0], X[:, 0]], ["$0", "$1"], np.meshgrid),
    case("meshgrid", [X[0], X[:, 0]], ["$0", "$1"], lambda x, y: np.meshgrid(x, y, indexing="ij"), indexing="ij"),
    case("gather_nd", [X, IDS], ["$0", "$1"], lambda x, i: x[i[:, 0], i[:, 1]]),
    case("gather_nd", [X, IDS[..., :1]], ["$0", "$1"], lambda x, i: x[i[..., 0]]),
    case("tril", [X], ["$0", 1], lambda x: np.where(np.tri(4, 5, 1, dtype=bool), x, np.float32(0))),
    case("triu", [INTS], ["$0", -1], lambda x: np.triu(x, -1)),
    case("take", [X, IDS], ["$0", "$1"], lambda x, i: x[i]),
    case("take", [X, IDS], ["$0", "$1", 1], lambda x, i: x[:, i]),
    case("embedding", [IDS, X], ["$0", "$1"], lambda i, x: x[i]),
    case("take_along_axis", [X, IDS[:1]], ["$0", "$1", 1], lambda x, i: x[:, i[0]]),
    case("nonzero", [BOOLS], ["$0"], lambda x: np.nonzero(x)),
    case("nonzero", [np.arange(700) % 3], ["$0"], lambda x: np.nonzero(x)),
    case("one_hot", [IDS, ], ["$0", 4], lambda i: (i[..., None] == np.arange(4)).astype(np.float32)),
    case("zeros", [], [[2, 3]], lambda: np.zeros((2, 3), np.float32)),
    case("ones", [], [[2], DType.bool], lambda: np.ones(2, bool)),
    case("full", [], [[2], 7], lambda: np.full(2, 7, np.int32)),
    case("full", [PLAIN[0, 0]], [[2, 2], "$0"], lambda x: np.full((2, 2), x)),
    case("zeros_like", [INTS], ["$0"], np.zeros_like),
    case("ones_like", [X], ["$0"], np.ones_like),
    case("full_like", [X], ["$0", 3], lambda x: np.full_like(x, 3)),
    case("iota", [], [[2, 3], 1], lambda: np.broadcast_to(np.arange(3), (2, 3))),
    case("arange", [], [5], lambda: np.arange(5, dtype=np.int32)),
    case("arange", [], [7, -2, -3], lambda: np.arange(7, -2, -3, dtype=np.int32)),
    case("arange", [], [0, 1, 0.25], lambda: np.arange(0, 1, 0.25, dtype=np.float32)),
    case("hann_window", [], [7], lambda: (np.sin(math.pi * np.arange(7) / 7) ** 2).astype(np.float32), 40),
    case("linspace", [], [0, 2, 5], lambda: np.linspace(0, 2, 5, dtype=np.float32)),
    case("eye", [], [3], lambda: np.eye(3, dtype=np.float32)),
    case("softmax", [PLAIN], ["$0"], softmax, 16),
    case("log_softmax", [PLAIN], ["$0"], lambda x: np.log(softmax(x)), 16),
    case("layer_norm", [PLAIN, PLAIN[0], PLAIN[1]], ["$0", "$1", "$2"], lambda x, s, t: standardised(x, (1,), 1e-5) * s + t, 400),
    case("layer_norm", [LONG[:, :24].reshape(3, 4, 6)], ["$0"], lambda x: standardised(x, (1, 2), 1e-5), 400, axis=1),
    case("rms_norm", [PLAIN], ["$0"], lambda x: x / np.sqrt((x.astype(np.longdouble) ** 2).mean(1, keepdims=True) + 1e-6), 16),
    case("cross_entropy", [PLAIN, CLASSES], ["$0", "$1"], lambda x, i: -np.log(softmax(x))[np.arange(4), i], 32),
    case("cross_entropy", [PLAIN, CHANCES], ["$0", "$1"], lambda x, p: -(p * np.log(softmax(x))).sum(1), 32),
    case("gelu", [PLAIN], ["$0"], lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2, 64),
    case("gelu", [PLAIN], ["$0", "tanh"], gelu_by_tanh, 200),
    case("smooth_l1_loss", [PLAIN, PLAIN[::-1]], ["$0", "$1", 0.5], lambda x, y: smooth_l1(np.abs(x - y), 0.5), 8),
    case("binary_cross_entropy", [CHANCES, CHANCES[::-1]], ["$0", "$1"], lambda x, y: -(y * np.log(x) + (1 - y) * np.log(1 - x)), 16),
    case("kl_div", [PLAIN, CHANCES], ["$0", "$1"], lambda x, y: y * (np.log(y.astype(np.longdouble)) - x), 16),
    case("silu", [PLAIN], ["$0"], lambda x: x / (1 + np.exp(-x.astype(np.float64))), 16),
    case("size", [X], ["$0"], lambda x: np.int64(20)),
    case("rank", [X], ["$0"], lambda x: np.int64(2)),
    *(case(*given, **named) for *given, named in (*NETWORKS, *PLACES)),
    *(case(*given, **named) for *given, named in functions.CASES),
]  # fmt: skip
RANDOM = {
    "dropout", "uniform", "normal", "randint", "bernoulli", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "permutation",
    "orthogonal",
}  # fmt: skip


def test_every_built_in_is_in_a_case() -> None:
    cased = {c.name for c in CASES} | set(MEANINGS) | RANDOM
    assert sorted({cls.name for cls in built_ins().values()} - cased) == []


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.name}-{n}") for n, c in enumerate(CASES)])
def test_built_in_is_its_meaning_in_numpy_and_by_definition(case: Case) -> None:
    for sizes in ("", "N"):
        if sizes and not named_first_axis(case):
            continue
        params = [tensor(a, f"x{n}", sizes if n == 0 else "") for n, a in enumerate(case.arrays)]
        made = case.made(params)
        if not isinstance(made, tuple | Value):
            assert made == (case.of(*case.arrays) if not sizes else made)
            continue
        fn = graph(made, params)
        with np.errstate(all="ignore"):
            wanted = case.of(*case.arrays)
        wanted = list(wanted) if isinstance(wanted, tuple | list) else [np.asarray(wanted)]
        for bits in (False, True):
            found = run(fn, case.arrays, bits=bits)
            for a, b in zip(found, wanted, strict=True):
                near(a, b, case.ulps, 1.0) if case.ulps else same(a, np.asarray(b))
        text = print_module(Module("m", (fn,)))
        assert print_module(parse_module(text)) == text


def named_first_axis(case: Case) -> bool:
    """Whether the case holds for a first axis of any size."""
    several = {
        "attention", "broadcast_to", "concat", "cross_entropy", "dot", "einsum", "expand", "linear", "matmul", "nll_loss", "reshape",
        "split", "stack", "tensordot",
    }  # fmt: skip
    return bool(case.arrays) and case.arrays[0].ndim > 1 and case.name not in several


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.name}-{n}") for n, c in enumerate(CASES)])
def test_native_code_has_the_bits_of_the_definition(case: Case, holds_natively: Holds) -> None:
    for sizes in ("", "N"):
        if sizes and not named_first_axis(case):
            continue
        params = [tensor(a, f"x{n}", sizes if n == 0 else "") for n, a in enumerate(case.arrays)]
        made = case.made(params)
        if isinstance(made, tuple | Value):
            holds_natively(graph(made, params), case.arrays)


@pytest.mark.parametrize("dtype", [DType.bool, *NUMBERS], ids=lambda d: d.value)
def test_native_code_of_elementwise_ops_has_the_bits_of_their_definition(dtype: DType, holds_natively: Holds) -> None:
    arrays: list[Array] = []
    params: list[Value] = []
    results: list[Value] = []
    for name in sorted(MEANINGS):
        if kind(dtype) in POINTWISE[name].accepts:
            own = operands(name, dtype, (3, 65))
            inputs = pointwise_params(own, dtype, f"{name}.")
            results.append(POINTWISE[name](*inputs).result)
            arrays, params = [*arrays, *own.values()], [*params, *inputs]
    holds_natively(graph(tuple(results), params), arrays)


def over(case: Case, dtype: DType) -> list[tuple[Array, DType]]:
    """The arrays of a case with its floats of 32 bits, or its integers, in another dtype of their kind; none where it has none."""
    own = DType.f32 if dtype.is_float else DType.i32
    dtypes = [DType(dtype_of(a)) for a in case.arrays]
    with np.errstate(over="ignore"):
        given = [(as_stored(a, dtype), dtype) if d is own else (a, d) for a, d in zip(case.arrays, dtypes, strict=True)]
    return given if own in dtypes else []


@pytest.mark.parametrize("dtype", [d for d in NUMBERS if d not in (DType.f32, DType.i32)], ids=lambda d: d.value)
def test_built_ins_mean_the_same_in_every_dtype_they_take(dtype: DType, holds_natively: Holds) -> None:
    params, arrays, results = list[Value](), list[Array](), list[Value]()
    for n, case in enumerate(CASES):
        given = over(case, dtype)
        own = [tensor(a, f"c{n}.{k}", dtype=d) for k, (a, d) in enumerate(given)]
        try:
            made = case.made(own) if own else ()
        except OpError as refused:
            assert "takes floats" in str(refused) and dtype.is_integer, case.name
            continue
        found = [v for v in (made if isinstance(made, tuple) else [made]) if isinstance(v, Value) and not any(indices(v.type.shape))]
        results, params, arrays = [*results, *found], [*params, *own], [*arrays, *(a for a, _ in given)]
        meanings, definitions = (run(graph(tuple(found), own), [a for a, _ in given], bits=bits) for bits in (False, True))
        for value, meant, defined in zip(found, meanings, definitions, strict=True):
            if value.type.dtype.is_narrow:
                nearest(meant, in_f32(defined, dtype), dtype, steps=int(case.ulps > 0))
            elif not case.ulps:
                same(meant, defined)
    holds_natively(graph(tuple(results), params), arrays)
