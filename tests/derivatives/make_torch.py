"""Derivatives as PyTorch has them: `python tests/derivatives/make_torch.py` writes them to torch.npz.

The form of a case, and of what is written, is that of tests/ops/make_torch.py, which has those of networks;
graphs with control flow and derivatives of derivatives are built by name in test_torch.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.ops.make_torch import Array, Case, case, numbers, positive, seed_of, within

FILE = Path(__file__).with_name("torch.npz")

A, B, ROW, ONE = numbers(3, 4), numbers(3, 4, seed=1), numbers(4), numbers(3, 1)
CUBE = numbers(2, 3, 4)
KINKS = np.array([-6.0, -3, -1, -0.5, -0.0, 0, 0.3, 0.5, 1, 3, 6, 7])
TIES = np.array([[1.0, 2, 2], [3, 3, 3], [0, -1, -1]])
ZEROS = np.array([[1.0, 0, 3, 2], [0, 2, 0, 1], [1.5, -2, 3, 0.5], [0, 0, 0, 0]])
IDS = np.array([[2, 0], [1, 2]])
TWICE = np.array([2, 0, 2])


def unary(name: str, x: Array, of: Callable[[Any], Any], *arguments: Any, odd: str = "", **named: Any) -> Case:
    return case(name + odd, [x], lambda F, x: of(x), "$0", *arguments, **named)


def torch_of(name: str) -> Callable[[Any], Any]:
    """The function of `torch` of that name, found when it is called."""
    return lambda x: getattr(__import__("torch"), name)(x)


def binary(name: str, x: Array, y: Array, other: str = "", odd: str = "") -> Case:
    return case(name + odd, [x, y], lambda F, x, y: getattr(F.torch, other or name)(x, y))


def activation(name: str, *arguments: Any, odd: str = "", x: Array = KINKS) -> Case:
    return case(name + odd, [x], lambda F, x: getattr(F, name)(x, *arguments), "$0", *arguments)


def logs(x: Any, axis: int) -> Any:
    return x.logsumexp(axis)


ELEMENTWISE = (
    *(unary(name, numbers(3, 4), torch_of(name)) for name in (
        "abs", "asinh", "atan", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1", "negative", "sigmoid", "sin", "sinh", "square", "tan",
        "tanh", "floor", "ceil", "round", "trunc", "sign")),
    *(unary(name, positive(3, 4), torch_of(name)) for name in (
        "digamma", "lgamma", "log", "log10", "log1p", "log2", "rsqrt", "sqrt")),
    *(unary(name, within(3, 4), torch_of(name)) for name in ("acos", "asin", "atanh")),
    unary("acosh", 1 + positive(3, 4), torch_of("acosh")),
    unary("cbrt", A, lambda x: x.sign() * x.abs() ** (1 / 3)),
    unary("abs", KINKS, torch_of("abs"), odd=": kinks"),
    *(activation(name) for name in (
        "relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "hardtanh", "hardswish",
        "tanhshrink", "softshrink", "hardshrink", "logsigmoid", "leaky_relu")),
    case("hardsigmoid", [KINKS], lambda F, x: F.relu6(x + 3) / 6),  # whose 1 / 6 is that of f32 in PyTorch, as is celu's 1 / alpha
    case("gelu: tanh", [A], lambda F, x: F.gelu(x, approximate="tanh"), "$0", "tanh"),
    activation("elu", 0.7, odd=": alpha"),
    case("celu: alpha", [KINKS], lambda F, x: x.relu() + 0.7 * F.torch.expm1(x.clamp(max=0) / 0.7), "$0", 0.7),
    activation("softplus", 2.0, 1.5, odd=": beta"),
    activation("threshold", 0.5, -2.0), activation("leaky_relu", 0.2, odd=": slope"), activation("hardtanh", -1.0, 0.5, odd=": bounds"),
    case("prelu", [CUBE, numbers(3)], lambda F, x, w: F.prelu(x, w)),
    binary("add", A, ROW), binary("subtract", ONE, A), binary("multiply", A, ONE), binary("divide", A, positive(4)),
    binary("power", positive(3, 4), ROW, "pow"), binary("remainder", A, positive(4)), binary("atan2", A, B), binary("hypot", A, B),
    binary("logaddexp", A, B), binary("copysign", A, B),
    binary("maximum", A, B), binary("minimum", A, ROW),
    binary("maximum", TIES, TIES[::-1].copy(), odd=": ties"), binary("minimum", TIES, TIES[::-1].copy(), odd=": ties"),
    case("power: square", [A], lambda F, x: x**2, "$0", 2), case("power: cube", [ZEROS], lambda F, x: x**3.0, "$0", 3),
    case("clip", [KINKS], lambda F, x: x.clamp(-1, 3), "$0", -1, 3),
    case("clip: low", [KINKS], lambda F, x: x.clamp(min=0.5), "$0", 0.5),
    case("where", [A > 0, B, ROW], lambda F, c, x, y: F.torch.where(c, x, y)),
    case("stop_gradient", [A], lambda F, x: x.detach() + 0 * x),
)  # fmt: skip

REDUCTIONS = (
    *(unary(name, CUBE, lambda x, name=name: getattr(x, name)(), odd=": all") for name in ("sum", "mean", "prod")),
    *(unary(name, CUBE, lambda x, name=name: getattr(x, name)(1), 1) for name in ("sum", "mean", "prod")),
    unary("sum", CUBE, lambda x: x.sum((0, 2), keepdim=True), [0, 2], True, odd=": kept"),
    unary("mean", CUBE, lambda x: x.mean((0, 2)), [0, 2], odd=": axes"),
    unary("prod", ZEROS, lambda x: x.prod(1), 1, odd=": zeros"), unary("prod", ZEROS, lambda x: x.prod(), odd=": all zeros"),
    unary("max", TIES, lambda x: x.amax(1), axis=1), unary("min", TIES, lambda x: x.amin(0), axis=0),
    unary("max", TIES, lambda x: x.amax((0, 1)), odd=": all"),
    unary("logsumexp", 30 * A, lambda x: logs(x, 1), 1), unary("logsumexp", A, lambda x: x.logsumexp((0, 1)), odd=": all"),
    unary("var", A, lambda x: x.var(1, correction=0), 1), unary("var", A, lambda x: x.var(0, correction=1), 0, 1, odd=": corrected"),
    unary("std", A, lambda x: x.std(correction=0), odd=": all"), unary("std", A, lambda x: x.std(0, correction=1), 0, 1),
    *(unary("norm", A, lambda x, p=p: __import__("torch").linalg.vector_norm(x, p, 1), p, 1, odd=f": {p}") for p in (1, 2, 3, 1.5)),
    unary("norm", A, lambda x: x.abs().amax(1), float("inf"), 1, odd=": inf"),
    unary("norm", A, lambda x: x.abs().amin(0), float("-inf"), 0, odd=": -inf"),
    unary("norm", ZEROS, lambda x: __import__("torch").linalg.vector_norm(x, 2, 1), 2, 1, odd=": zeros"),
    unary("cumsum", CUBE, lambda x: x.cumsum(1), 1),
    unary("cumsum", CUBE, lambda x: x.flip(2).cumsum(2).flip(2) - x, 2, True, True, odd=": tail"),
    unary("cumprod", CUBE, lambda x: x.cumprod(2), 2), unary("cumprod", ZEROS, lambda x: x.cumprod(1), 1, odd=": zeros"),
    unary("cummax", CUBE, lambda x: x.cummax(2)[0], 2), unary("cummin", CUBE, lambda x: x.cummin(0)[0], 0),
)  # fmt: skip

SHAPES = (
    unary("reshape", CUBE, lambda x: x.reshape(4, 6), [4, -1]), unary("transpose", CUBE, lambda x: x.permute(2, 0, 1), [2, 0, 1]),
    unary("broadcast_to", ONE, lambda x: x.expand(2, 3, 4), [2, 3, 4]), unary("expand", ONE, lambda x: x.expand(3, 4), [-1, 4]),
    unary("squeeze", ONE, lambda x: x.squeeze(1), 1), unary("unsqueeze", A, lambda x: x.unsqueeze(1), 1),
    unary("flip", CUBE, lambda x: x.flip(0, 2), [0, 2]), unary("roll", CUBE, lambda x: x.roll(2, 1), 2, 1),
    unary("roll", CUBE, lambda x: x.roll((1, -1), (0, 2)), [1, -1], [0, 2], odd=": axes"),
    unary("roll", CUBE, lambda x: x.roll(5), 5, odd=": all"),
    unary("tile", A, lambda x: x.tile(2, 1, 3), [2, 1, 3]), unary("repeat", A, lambda x: x.repeat_interleave(2, 1), 2, 1),
    unary("pad", A, lambda x: __import__("torch").nn.functional.pad(x, (2, 1, 1, 0)), [[1, 0], [2, 1]]),
    *(unary("pad", CUBE, lambda x, m=m: __import__("torch").nn.functional.pad(x, (2, 1), mode=m[1]), [[0, 0], [0, 0], [2, 1]], m[0],
            odd=f": {m[0]}") for m in (("edge", "replicate"), ("reflect", "reflect"), ("wrap", "circular"))),
    unary("diag", ROW, lambda x: x.diag(1), 1), unary("diag", CUBE, lambda x: x.diagonal(-1, 1, 2), -1, odd=": of matrices"),
    unary("tril", CUBE, lambda x: x.tril(-1), -1), unary("triu", CUBE, lambda x: x.triu(1), 1),
    unary("trace", CUBE, lambda x: x.diagonal(1, 1, 2).sum(-1), 1), unary("split", A, lambda x: x.split([1, 3], 1), [1, 3], 1),
    case("concat", [A, ONE], lambda F, x, y: F.torch.cat([x, y], 1), ["$0", "$1"], axis=1),
    case("stack", [A, B], lambda F, x, y: F.torch.stack([x, y], 1), ["$0", "$1"], axis=1),
    case("meshgrid", [ROW, numbers(3)], lambda F, x, y: F.torch.meshgrid(x, y, indexing="xy")),
)  # fmt: skip

PLACES = (
    case("take", [A, IDS], lambda F, x, ids: x[ids]), case("take: axis", [A, IDS], lambda F, x, ids: x[:, ids], "$0", "$1", 1),
    case("embedding", [IDS, A], lambda F, ids, x: F.embedding(ids, x), "$0", "$1"),
    case("gather_nd", [A, IDS], lambda F, x, ids: x[ids[:, 0], ids[:, 1]]),
    case("take_along_axis", [A, np.array([[0, 3], [3, 3], [1, 0]])], lambda F, x, ids: x.gather(1, ids), "$0", "$1", 1),
    case("scatter: sum", [A, TWICE, B], lambda F, x, ids, u: x.index_add(0, ids, u), "$0", "$1", "$2", 0, "sum"),
    case("scatter: set", [A, np.array([2, 0]), B[:2].copy()], lambda F, x, ids, u: x.index_copy(0, ids, u), "$0", "$1", "$2", 0, "set"),
    *(case(f"scatter: {name}", [A, TWICE, B], lambda F, x, ids, u, r=r: x.scatter_reduce(0, ids[:, None].expand(3, 4), u, r),
           "$0", "$1", "$2", 0, name) for name, r in (("max", "amax"), ("min", "amin"))),
    case("scatter_nd: sum", [A, IDS, numbers(2)], lambda F, x, ids, u: x.index_put((ids[:, 0], ids[:, 1]), u, accumulate=True),
         "$0", "$1", "$2", "sum"),
    unary("sort", CUBE, lambda x: x.sort(1)[0], 1),
    unary("sort", CUBE, lambda x: x.sort(2, descending=True)[0], 2, True, odd=": descending"),
    unary("top_k", CUBE, lambda x: tuple(x.topk(2, 2)), 2),
    unary("top_k", CUBE, lambda x: tuple(x.topk(2, 1, False)), 2, 1, False, odd=": least"),
)  # fmt: skip

PRODUCTS = (
    case("matmul", [CUBE, numbers(4, 2)], lambda F, x, y: x @ y), case("matmul: vectors", [A, ROW], lambda F, x, y: x @ y),
    case("matmul: batches", [numbers(2, 1, 3, 4), numbers(5, 4, 2)], lambda F, x, y: x @ y),
    case("linear", [A, numbers(4, 2), numbers(2)], lambda F, x, w, b: x @ w + b),
    case("dot", [ROW, numbers(4, seed=1)], lambda F, x, y: x.dot(y)), case("outer", [ROW, numbers(3)], lambda F, x, y: x.outer(y)),
    case("tensordot", [CUBE, numbers(4, 3)], lambda F, x, y: F.torch.tensordot(x, y, ([1, 2], [1, 0])), "$0", "$1", [[1, 2], [1, 0]]),
    *(case(f"einsum: {s}", xs, lambda F, *xs, s=s: F.torch.einsum(s, *xs), s, *(f"${n}" for n in range(len(xs)))) for s, xs in (
        ("ij,jk->ik", [A, numbers(4, 2)]), ("bij,bkj->bik", [CUBE, numbers(2, 5, 4)]), ("ii->i", [numbers(3, 3)]), ("ii", [numbers(3, 3)]),
        ("ij->j", [A]), ("ij,ij->", [A, B]), ("i,j->ij", [ROW, numbers(3)]), ("ij,jk,kl->il", [A, numbers(4, 2), numbers(2, 3)]),
        ("...i,i->...", [CUBE, ROW]), ("iij,j->i", [numbers(3, 3, 4), ROW]))),
)  # fmt: skip

CASES = (*ELEMENTWISE, *REDUCTIONS, *SHAPES, *PLACES, *PRODUCTS)


def recurrence(torch: Any, xs: Any, h: Any, w: Any) -> Any:
    """h = tanh(x + h @ w), the sum of all h."""
    total = 0
    for x in xs:
        h = torch.tanh(x + h @ w)
        total = total + h
    return total * h


def repeated(torch: Any, x: Any, y: Any) -> Any:
    """Newton's steps for the square root of y while they move on."""
    n = 0
    while n < 5 and (x * x - y).abs().sum() > 1e-3:
        x, n = 0.5 * (x + y / x), n + 1
    return x


def chosen(torch: Any, x: Any, y: Any) -> Any:
    return torch.sin(x) * y if x.sum() > 0 else x * torch.exp(y)


def nested(torch: Any, xs: Any, h: Any, w: Any) -> Any:
    """Each step repeats an inner recurrence, and the outer one chooses."""
    for x in xs:
        inner = h
        for _ in range(3):
            inner = torch.sin(inner @ w + x)
        h = inner * h if inner.sum() > 0 else inner - h
    return h


FLOWS: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "scan": (recurrence, (numbers(5, 4), ROW, numbers(4, 4))),
    "loop": (repeated, (positive(4), positive(4, seed=1))),
    "cond: true": (chosen, (positive(4), ROW)),
    "cond: false": (chosen, (-positive(4), ROW)),
    "nested": (nested, (numbers(5, 4), ROW, numbers(4, 4))),
}

SECOND: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "softmax": (lambda torch, x, y: (torch.softmax(x, 1) * y).sum(), (A, B)),
    "layer_norm": (lambda torch, x, y: (torch.nn.functional.layer_norm(x, (4,)) * y).sum(), (A, B)),
    "product": (lambda torch, x, y: (x.prod(1) * (x @ y.T).diagonal()).sum(), (A, B)),
    "mlp": (lambda torch, x, w: torch.logsumexp(torch.tanh(x @ w), 1).sum(), (A, numbers(4, 3))),
    "scan": (lambda torch, xs, h, w: recurrence(torch, xs, h, w).sum(), (numbers(3, 4), ROW, numbers(4, 4))),
}


def written() -> dict[str, Array]:
    """Values, and derivatives of their sum weighed by `seed_of`; for `SECOND` those of the sum of the squares of the first ones."""
    import torch

    found: dict[str, Array] = {}
    for one in CASES:
        given = [torch.tensor(a, requires_grad=a.dtype == np.float64) for a in one.tensors]
        made = one.of(torch.nn.functional, *given)
        keep(found, one.id, torch, made if isinstance(made, tuple) else tuple(made) if isinstance(made, list) else (made,), given)
    for name, (of, arrays) in FLOWS.items():
        given = [torch.tensor(a, requires_grad=True) for a in arrays]
        keep(found, f"flow {name}", torch, (of(torch, *given),), given)
    for name, (of, arrays) in SECOND.items():
        given = [torch.tensor(a, requires_grad=True) for a in arrays]
        first = torch.autograd.grad(of(torch, *given), given, create_graph=True)
        keep(found, f"second {name}", torch, (sum((g * g).sum() for g in first),), given)
    return found


def keep(found: dict[str, Array], id: str, torch: Any, values: tuple[Any, ...], given: list[Any]) -> None:
    arrays = [v.detach().numpy() for v in values]
    found |= {f"{id}/value{n}": a for n, a in enumerate(arrays)}
    terms = [(v * torch.tensor(seed_of(a, n))).sum() for n, (v, a) in enumerate(zip(values, arrays, strict=True)) if v.requires_grad]
    if terms:
        sum(terms).backward()
    found |= {f"{id}/{n}": x.grad.numpy() for n, x in enumerate(given) if x.grad is not None}


if __name__ == "__main__":
    np.savez_compressed(FILE, **written())  # type: ignore[arg-type]
