"""Products of tensors by letters: their bits, their loops, their sizes, and what is not worth a product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from flowc.ir.core import Func, Module, Value, func, walk
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.einsum import Einsum
from flowc.ops.interpret import run
from flowc.ops.loops import For
from flowc.ops.tensor import Tensor
from flowc.stages import STAGES
from flowc.target import host

Array = np.ndarray[Any, Any]
Holds = Callable[[Func, Sequence[Array]], None]
N, M, K = (dim(Size(name)) for name in "NMK")


def tensor(name: str, *shape: Any, dtype: DType = DType.f32) -> Value:
    return Value(Type(dtype, shape), None, name)


def made(name: str, *given: Any, **named: Any) -> Any:
    return call(built_ins()[name], given, named)


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_a_product_of_matrices_by_letters_has_the_bits_of_matmul(holds_natively: Holds) -> None:
    x, y = tensor("x", 7, 300), tensor("y", 300, 70)
    turned = made("transpose", y)
    results = made("matmul", x, y), made("einsum", "ij,jk->ik", x, y), made("einsum", "ij,kj", x, turned), made("tensordot", x, y, 1)
    fn, arrays = func("f", (x, y), results), [normal(7, 300), normal(300, 70)]
    first, *others = run(fn, arrays, bits=True)
    for other in others:
        np.testing.assert_array_equal(first, other)
    holds_natively(fn, arrays)


def test_a_dot_has_the_bits_of_matmul_of_vectors() -> None:
    x, y = tensor("x", 1000), tensor("y", 1000)
    results = made("matmul", x, y), made("dot", x, y), made("einsum", "i,i", x, y), made("tensordot", x, y, 1)
    found = run(func("f", (x, y), results), [normal(1000), normal(1000) + 1], bits=True)
    assert len({a.tobytes() for a in found}) == 1


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(N, 64), (64, M)]),
        ("ij,kj->ik", [(N, 64), (M, 64)]),
        ("bij,bjk->bik", [(K, N, 64), (K, 64, M)]),
        ("bhqd,bhkd->bhqk", [(K, 4, N, 64), (K, 4, M, 64)]),
        ("...ij,jk->...ik", [(K, N, 64), (64, M)]),
        ("iab,bak->ki", [(N, 8, 16), (16, 8, M)]),
    ],
)
def test_a_contraction_runs_in_tiles(subscripts: str, shapes: list[tuple[Any, ...]]) -> None:
    params = [tensor(f"x{n}", *shape) for n, shape in enumerate(shapes)]
    module = Module("m", (func("f", tuple(params), (made("einsum", subscripts, *params),)),))
    for stage in STAGES:
        module = stage.run(module, host())
    loops = [op.kind for fn in module.funcs for op in walk(fn.body) if isinstance(op, For)]
    assert loops.count("tile") == 1


def test_a_chain_is_multiplied_from_left_to_right() -> None:
    x, y, z = tensor("x", 3, 4), tensor("y", 4, 5), tensor("z", 5, 2)
    total = made("einsum", "ij,jk,kl->li", x, y, z)
    assert isinstance(total.op, Einsum) and total.op.subscripts == "ik,kl->li"
    first = total.op.tensors[0]
    assert isinstance(first.op, Einsum) and (first.op.subscripts, first.op.tensors) == ("ij,jk->ik", (x, y))


def test_a_letter_of_one_tensor_is_summed_before_it_is_multiplied() -> None:
    x, y = tensor("x", 3, 400), tensor("y", 500)
    product = made("einsum", "ij,k->ik", x, y)
    sizes = [op.result.type.shape for op in ops_of(product)]
    assert product.op.name == "multiply" and (3,) in sizes and all(len(shape) < 3 for shape in sizes)


def ops_of(value: Value) -> list[Tensor]:
    return [op for op in walk(func("f", tuple(inputs(value)), (value,)).body) if isinstance(op, Tensor)]


def inputs(value: Value) -> dict[Value, None]:
    found: dict[Value, None] = {}
    todo = [value]
    while todo:
        v = todo.pop()
        if v.op is None:
            found[v] = None
        else:
            todo += v.op.uses
    return found


def test_sizes_that_a_letter_joins_are_checks_of_the_run() -> None:
    x, y = tensor("x", N, M), tensor("y", K, 3)
    assert made("einsum", "ij,jk", x, y).op.assumes() == ((M, K),)
    assert made("einsum", "ii->i", x).op.assumes() == ((N, M),)
    assert made("einsum", "ij,jk", x, tensor("z", M, 3)).op.assumes() == ()
    assert made("einsum", "ij,jk->ik", x, tensor("z", 1, 3)).op.assumes() == ()


def test_narrow_floats_are_rounded_once() -> None:
    x = tensor("x", 2, 2, dtype=DType.f16)
    array = np.array([[200.0, 100.0], [0.5, 300.0]], np.float16)  # whose products are beyond f16, and their product with 2^-8 is not
    (found,) = run(func("f", (x,), (made("einsum", "ij,jk,k->i", x, x, [0.5**8, 0.0]),)), [array])
    wide = array.astype(np.float64)
    np.testing.assert_array_equal(found, (wide @ wide @ [0.5**8, 0]).astype(np.float16))


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_moved_and_repeated_axes_of_any_size_are_those_of_numpy(n: int, holds_natively: Holds) -> None:
    x = tensor("x", N, 2)
    pads = [[2, 3], [0, 1]]
    calls: list[tuple[str, list[Any], Callable[[Array], Array]]] = [
        ("roll", [3, 0], lambda a: np.roll(a, 3, 0)),
        ("roll", [-5], lambda a: np.roll(a, -5)),
        ("tile", [[3, 1]], lambda a: np.tile(a, (3, 1))),
        ("repeat", [2, 0], lambda a: np.repeat(a, 2, 0)),
        ("pad", [pads, "edge"], lambda a: np.pad(a, pads, "edge")),
        ("pad", [pads, "reflect"], lambda a: np.pad(a, pads, "reflect")),
        ("pad", [pads, "wrap"], lambda a: np.pad(a, pads, "wrap")),
        ("diag", [-1], lambda a: np.diag(a, -1)),
    ]
    fn = func("f", (x,), tuple(made(name, x, *given) for name, given, _ in calls))
    array = normal(n, 2)
    for found, (name, given, of) in zip(run(fn, [array]), calls, strict=True):
        np.testing.assert_array_equal(found, of(array), err_msg=f"{name} {given}")
    if n in (1, 8):
        holds_natively(fn, [array])
