"""Calling built-ins: what arguments become, and what each misfit is told as."""

from __future__ import annotations

from typing import Any

import pytest

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Size, dim
from flowc.ir.types import DType, Type
from flowc.ops.call import ArgumentError, built_ins, call, infix, initialiser, parameters, signature_text
from flowc.ops.tensor import SizeValue, number

N = dim(Size("N"))
X = Value(Type(DType.f32, (N, 4)), None, "x")
S = Value(Type(DType.i64), None, "s")
W = Value(Type(DType.f32, (3, 2)), None, "w")
I = Value(Type(DType.i32, (N,)), None, "i")
U = Value(Type(DType.u8, (N,)), None, "u")
B = Value(Type(DType.bool, (N,)), None, "b")


def made(name: str, *positional: Any, **keyword: Any) -> Any:
    return call(built_ins()[name], positional, keyword)


@pytest.mark.parametrize(
    ("name", "arguments", "dtype", "value"),
    [
        ("add", (X, 1), DType.f32, 1.0),
        ("add", (X, 0.5), DType.f32, 0.5),
        ("add", (I, 3), DType.i32, 3),
        ("equal", (B, True), DType.bool, True),
        ("where", (B, I, 7), DType.i32, 7),
        ("pad", (X, [[0, 0], [1, 1]], "constant", 2), DType.f32, 2.0),
    ],
)
def test_a_number_takes_the_dtype_of_the_tensor_it_meets(name: str, arguments: tuple[Any, ...], dtype: DType, value: float) -> None:
    constants = [v for v in made(name, *arguments).op.operands if number(v) is not None]
    assert [(v.type.dtype, number(v)) for v in constants] == [(dtype, value)]


@pytest.mark.parametrize(
    ("arguments", "dtype"),
    [((1, 2), DType.i32), ((1, 2.0), DType.f32), ((1, N), DType.i64), ((N, 0.5), DType.f32), (([1, 2], 3), DType.i32)],
)
def test_numbers_alone_are_i32_sizes_i64_and_others_f32(arguments: tuple[Any, ...], dtype: DType) -> None:
    assert made("maximum", *arguments).type.dtype is dtype


def test_an_integer_beside_f32_is_rounded_once() -> None:
    between = 2**60 + 2**36 + 1  # just above the middle of two f32; f64 has the middle itself
    (_, y) = made("add", X, between).op.operands
    assert number(y) == float(2**60 + 2**37)
    (_, y) = made("add", X, -between).op.operands
    assert number(y) == -float(2**60 + 2**37)


def test_a_size_beside_floats_is_a_float() -> None:
    (_, size) = made("divide", X, N).op.operands
    assert isinstance(size.op, SizeValue) and size.op.value == (N,) and size.type == Type(DType.f32)


def test_a_list_is_a_tensor_of_the_other_sides_dtype() -> None:
    (_, listed) = made("equal", X, [1.0, 2, 3, 4]).op.operands
    assert listed.type == Type(DType.f32, (4,)) and list(listed.op.evaluate()) == [1, 2, 3, 4]


def test_a_list_of_scalars_stacks_them() -> None:
    s = Value(Type(DType.f64), None, "s")
    (x, _) = made("add", [[s, 1], [2.5, s]], 1).op.operands
    assert x.type == Type(DType.f64, (2, 2))


def test_sizes_and_axes_may_be_constants_of_the_graph() -> None:
    one, count = made("full", [], 1), SizeValue((N * 4,), Type(DType.i64)).result
    assert made("reshape", X, [one, count]).type == Type(DType.f32, (1, N * 4))
    assert made("sum", X, axis=one).type == Type(DType.f32, (N,))


def test_size_and_rank_are_numbers_without_a_dtype() -> None:
    assert (made("size", X), made("size", X, axis=-1), made("rank", X)) == (N * 4, 4, 2)


def test_an_initialiser_takes_the_declared_shape_and_dtype() -> None:
    declared = Type(DType.f64, (3, 4))
    for name, arguments in (("zeros", {}), ("ones", {}), ("glorot_uniform", {"seed": 1}), ("uniform", {"seed": 2, "low": -1})):
        made = initialiser(built_ins()[name], (), arguments, declared)
        assert isinstance(made, Value) and made.type == declared


def test_a_seed_is_an_i64_whatever_stands_beside_it() -> None:
    made_ = made("uniform", DType.f32, [2], seed=7)
    assert made_.op.seed.type == Type(DType.i64)


def test_aliases_and_operators_mean_the_same_op() -> None:
    assert built_ins()["pow"] is infix("**") and built_ins()["permute"] is built_ins()["transpose"] and infix("@") is built_ins()["matmul"]


def test_an_exponent_of_two_is_a_square() -> None:
    assert made("power", X, 2).op.name == "multiply" and made("power", X, 3).op.name == "power"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sum", "sum(x, axis=all, keepdims=false)"),
        ("gelu", 'gelu(x, approximate="none")'),
        ("transpose", "transpose(x, perm=reversed)"),
        ("one_hot", "one_hot(ids, depth, dtype=f32, axis=-1)"),
        ("layer_norm", "layer_norm(x, scale=none, shift=none, axis=-1, epsilon=1e-5)"),
        ("uniform", "uniform(dtype, shape, seed, low=0, high=1)"),
        ("einsum", "einsum(subscripts, *tensors)"),
        ("meshgrid", 'meshgrid(*tensors, indexing="xy")'),
        ("var", "var(x, axis=all, correction=0, keepdims=false)"),
    ],
)
def test_a_signature_reads_as_the_language_has_it(name: str, text: str) -> None:
    assert signature_text(built_ins()[name]) == text


def test_every_parameter_with_a_default_can_be_left_out() -> None:
    for cls in built_ins().values():
        required = [p.default is p.__class__.__dataclass_fields__["default"].default for p in parameters(cls)]
        assert required == sorted(required, reverse=True), f"{cls.name} asks for an argument after one with a default"


def test_tensors_one_after_the_other_are_those_of_a_list() -> None:
    for op in (made("einsum", subscripts="ij,kj->ik", tensors=[X, X]).op, made("einsum", "ij,kj->ik", X, X).op):
        assert (op.subscripts, op.tensors) == ("ij,kj->ik", (X, X))


UNKNOWN = "it must be known when the program is compiled"
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str, Any, str]] = [
    ("add", (I, 0.5), {}, "+ of i32[N]: 0.5 is not an integer", 1, "convert the other side: `... as f32`"),
    ("add", (U, 300), {}, "+ of u8[N]: 300 does not fit u8, which holds 0 to 255", 1, ""),
    ("add", (U, -1), {}, "+ of u8[N]: -1 does not fit u8, which holds 0 to 255", 1, ""),
    ("add", (I, True), {}, "+ of i32[N]: true is not an i32", 1, "convert it: `... as i32`"),
    ("add", (X, 1e300), {}, "+ of f32[N, 4]: 1e+300 does not fit f32", 1, "write `inf` for infinity"),
    ("add", (X, I), {}, "+ of f32[N, 4] and i32[N]: elements do not mix", 1, "convert one side: `... as f32`"),
    ("logical_and", (B, 1), {}, "&& of bool[N]: 1 is not a bool", 1, "compare it: `... != 0`"),
    ("sum", (X,), {"axis": X}, "axis of sum is an integer or a list of integers, not f32[N, 4]", "axis", ""),
    ("softmax", (X, N), {}, "axis of softmax is an integer, not the size N", 1, ""),
    ("sum", (X,), {"axes": 1}, "sum has no argument axes", "axes", 'did you mean "axis"?'),
    ("sum", (), {}, "sum lacks x", None, "sum(x, axis=all, keepdims=false)"),
    ("sum", (X, 0, True, 4), {}, "sum takes at most 3 arguments, not 4", 3, "sum(x, axis=all, keepdims=false)"),
    ("max", (X, X), {}, "max takes at most 1 argument without a name, not 2", 1, "max(x, axis=all, keepdims=false)"),
    ("sum", (X, 0), {"axis": 1}, "sum is given axis twice: in place 2 and by name", "axis", ""),
    ("sum", ("a",), {}, 'x of sum is a tensor, not the text "a"', 0, ""),
    ("concat", (X,), {}, "tensors of concat is a list of tensors, not f32[N, 4]", 0, ""),
    ("uniform", (DType.f32, [3]), {}, "uniform lacks seed", None, "uniform(dtype, shape, seed, low=0, high=1)"),
    ("reshape", (X, [I]), {}, "shape of reshape is a list of sizes, and its item 0 is i32[N]", 1, ""),
    ("pad", (X, [[1, 1], 3]), {}, "pads of pad is a list of pairs of sizes, and its item 1 is the number 3", 1, ""),
    ("einsum", ("ij,i", X, "a"), {}, 'argument 3 of einsum is a tensor, not the text "a"', 2, ""),
    ("einsum", ("ij,i->j", X, I), {}, "einsum of f32[N, 4] and i32[N]: elements do not mix", 2, "convert one side: `... as f32`"),
    ("einsum", (X, X), {}, "subscripts of einsum is a text, not f32[N, 4]", 0, ""),
    ("meshgrid", (I, 0.5), {}, "meshgrid of i32[N]: 0.5 is not an integer", 1, "convert the other side: `... as f32`"),
    ("tensordot", (X, X, [[0]]), {}, "axes of tensordot is an integer or two lists of integers, not a list of 1 item", 2, ""),
    ("tensordot", (X, X, [[0], X]), {}, "axes of tensordot is an integer or two lists of integers, and its item 1 is f32[N, 4]", 2, ""),
    ("transpose", (X, [S, 0]), {}, "perm of transpose is a list of integers, and its item 0 is i64", 1, UNKNOWN),
    ("add", ([[1, 2], [3]], X), {}, "+ of f32[N, 4]: rows of a list differ: row 0 has 2 elements, row 1 has 1 element", 0, ""),
]


@pytest.mark.parametrize(("name", "positional", "keyword", "message", "argument", "help"), WRONG, ids=[w[3][:40] for w in WRONG])
def test_a_misfit_is_told_with_its_argument(
    name: str, positional: tuple[Any, ...], keyword: dict[str, Any], message: str, argument: Any, help: str
) -> None:
    with pytest.raises(ArgumentError) as told:
        made(name, *positional, **keyword)
    assert (str(told.value), told.value.argument, told.value.help) == (message, argument, help)


MISFITS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("divide", (I, I), {}, "/ of i32[N] and i32[N]: integers have no exact quotient"),
    ("matmul", (X, W), {}, "inner sizes differ: f32[N, 4] times f32[3, 2]"),
    ("matmul", (made("zeros", [2, 3, 4]), made("zeros", [5, 4, 3])), {}, "leading sizes differ: f32[2, 3, 4] times f32[5, 4, 3]"),
    ("matmul", (B, B), {}, "matmul of bool[N] and bool[N]: bool has no products to sum"),
    ("matmul", (X, 2), {}, "matmul takes vectors or matrices, not f32[N, 4] and f32"),
    ("sum", (X, 2), {}, "f32[N, 4] has no axis 2"),
    ("sum", (X, [0, -2]), {}, "axis names an axis of f32[N, 4] twice: [0, -2]"),
    ("mean", (I,), {}, "mean takes floats, not i32[N]"),
    ("any", (X,), {}, "any takes bool, not f32[N, 4]"),
    ("exp", (I,), {}, "exp takes floats, not i32"),
    ("reshape", (W, [3, 5]), {}, "f32[3, 2] has 6 elements, f32[3, 5] has 15"),
    ("gelu", (X, "exact"), {}, 'gelu approximates by "none" or "tanh", not "exact"'),
    ("pad", (X, [[1, 1]]), {}, "pad of f32[N, 4] takes 2 pairs [before, after], not 1"),
    ("split", (X, 3, 1), {}, "f32[N, 4] has no 3 equal parts: its axis has 4"),
    ("randint", (DType.u8, [2], 0, 300, 1), {}, "randint from 0 to 300 does not fit u8, which holds 0 to 255"),
    ("cross_entropy", (W, X), {}, "labels of cross_entropy are f32[3, 2] beside logits f32[3, 2], not f32[N, 4]"),
]


@pytest.mark.parametrize(("name", "positional", "keyword", "message"), MISFITS, ids=[m[0] for m in MISFITS])
def test_operands_that_do_not_fit_each_other_are_told(name: str, positional: Any, keyword: Any, message: str) -> None:
    with pytest.raises(OpError) as told:
        made(name, *positional, **keyword)
    assert str(told.value) == message
