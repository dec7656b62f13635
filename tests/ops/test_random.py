"""Random numbers are Threefry-2x32 of the seed and the position: published vectors, bounds, moments, the same by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowc.errors import OpError
from flowc.ir.core import Value, func
from flowc.ir.data import Scalar
from flowc.ir.dims import Size, dim
from flowc.ir.narrow import as_stored, in_f32, rounded
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins, call
from flowc.ops.define import define
from flowc.ops.interpret import run
from flowc.ops.kernel import axes
from flowc.ops.tensor import Tensor, constant
from flowc.ops.threefry import counter, threefry, threefry_of, words, words_of

Array = np.ndarray[Any, Any]
N = dim(Size("N"))

# The known answers that the authors publish with their implementation, for 20 rounds: counter, key, result.
VECTORS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("position", "key", "wanted"), VECTORS)
def test_threefry_has_the_published_values(position: tuple[int, int], key: tuple[int, int], wanted: tuple[int, int]) -> None:
    x, k = ((np.array([a], np.uint32), np.array([b], np.uint32)) for a, b in (position, key))
    assert tuple(int(v[0]) for v in threefry_of(k, x)) == wanted
    ops = [[constant(v, DType.u32) for v in pair] for pair in (key, position)]
    assert tuple(int(a) for a in run(func("f", (), threefry((ops[0][0], ops[0][1]), (ops[1][0], ops[1][1]))), ())) == wanted


def test_seeds_and_positions_are_words_low_one_first() -> None:
    seed = constant(0x0123456789ABCDEF, DType.i64)
    assert [int(a) for a in run(func("f", (), words(seed)), ())] == [0x89ABCDEF, 0x01234567]
    assert [int(a[0]) for a in words_of(np.int64(-2))] == [0xFFFFFFFE, 0xFFFFFFFF]
    assert [int(a) for a in run(func("f", (), counter((1 << 32) + 5)), ())] == [5, 1]


def made(name: str, *arguments: Any, **named: Any) -> Array:
    value = call(built_ins()[name], arguments, named)
    assert isinstance(value, Value)
    return run(func("f", (), (value,)), ())[0]


FLOATS = [DType.f16, DType.bf16, DType.f32, DType.f64]


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: d.value)
def test_uniform_numbers_are_the_top_bits_of_the_words(dtype: DType) -> None:
    high, low = threefry_of(words_of(np.int64(3)), words_of(np.arange(6)))
    word = [(int(a) << 32) | int(b) for a, b in zip(high, low, strict=True)]
    bits = {DType.f16: 11, DType.bf16: 8, DType.f32: 24, DType.f64: 53}[dtype]
    wanted = as_stored(np.array([(w >> (64 - bits)) / 2**bits for w in word]).reshape(2, 3), dtype)
    np.testing.assert_array_equal(made("uniform", dtype, [2, 3], seed=3), wanted)


@pytest.mark.parametrize("dtype", [DType.f32, DType.f64])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.5, 7), (1, 1.0000001), (1e10, 1.00001e10)])
def test_uniform_numbers_lie_from_low_to_below_high_and_keep_their_bits_by_definition(dtype: DType, low: float, high: float) -> None:
    x = made("uniform", dtype, [40, 50], seed=11, low=low, high=high)
    first, last = dtype.numpy.type(low), dtype.numpy.type(high)  # type: ignore[call-arg]
    assert x.min() >= first and x.max() < last
    from_elements = by_element("uniform", dtype, [40, 50], seed=11, low=low, high=high)
    assert from_elements.tobytes() == x.tobytes()


@pytest.mark.parametrize("dtype", [DType.f16, DType.bf16], ids=lambda d: d.value)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-2.5, 7), (-1, 0), (1, 1.01), (-3, -2.9)])
def test_narrow_uniform_numbers_lie_from_low_to_below_high_and_keep_their_bits_by_definition(dtype: DType, low: float, high: float) -> None:
    bits = made("uniform", dtype, [40, 50], seed=11, low=low, high=high)
    x = in_f32(bits, dtype)
    first, last = (Scalar.of(end, dtype).number for end in (low, high))
    assert x.min() >= first and x.max() < last
    assert by_element("uniform", dtype, [40, 50], seed=11, low=low, high=high).tobytes() == bits.tobytes()


@pytest.mark.parametrize("dtype", [DType.f16, DType.bf16], ids=lambda d: d.value)
def test_narrow_normal_numbers_are_those_of_f32_rounded(dtype: DType) -> None:
    wide = made("normal", DType.f32, [400], seed=3, mean=1.5, std=2)
    np.testing.assert_array_equal(made("normal", dtype, [400], seed=3, mean=1.5, std=2), rounded(wide, dtype))


def by_element(name: str, *arguments: Any, **named: Any) -> Array:
    """The built-in by its definition, whatever numpy meaning it has."""
    value = call(built_ins()[name], arguments, named)
    assert isinstance(value, Value) and isinstance(value.op, Tensor)
    indices = axes(value.type.shape)
    return run(func("f", (), (define(indices, value.op.at(*map(dim, indices))),)), (), bits=True)[0]


def test_uniform_and_normal_numbers_have_their_moments() -> None:
    u = made("uniform", DType.f64, [20_000], seed=5)
    z = made("normal", DType.f32, [20_000], seed=5, mean=1.0, std=2.0).astype(np.float64)
    assert abs(u.mean() - 0.5) < 0.01 and abs(u.var() - 1 / 12) < 0.005
    assert abs(z.mean() - 1) < 0.06 and abs(z.std() - 2) < 0.05


def test_integers_lie_in_their_range_and_reach_its_ends() -> None:
    for dtype in (DType.i8, DType.u8, DType.u16, DType.i32, DType.i64, DType.u64):
        x = made("randint", dtype, [500], 3, 9, seed=1)
        assert x.dtype == dtype.numpy and set(x.tolist()) == {3, 4, 5, 6, 7, 8}
        np.testing.assert_array_equal(by_element("randint", dtype, [500], 3, 9, seed=1), x)
    top = made("randint", DType.u64, [500], (1 << 64) - 4, (1 << 64) - 1, seed=1)
    assert {int(x) for x in top} == {(1 << 64) - 4, (1 << 64) - 3, (1 << 64) - 2}
    assert made("randint", DType.i64, [64], -(1 << 31), 1 << 31, seed=2).std() > 1e9


def test_the_seed_may_be_a_scalar_of_the_run() -> None:
    seed = Value(Type(DType.i64), None, "seed")
    value = call(built_ins()["uniform"], [DType.f32, [4]], {"seed": seed})
    assert isinstance(value, Value)
    for s in (0, -1, 1 << 40):
        np.testing.assert_array_equal(run(func("f", (seed,), (value,)), [np.int64(s)])[0], made("uniform", DType.f32, [4], seed=s))


def test_a_draw_is_longer_or_shorter_but_begins_alike() -> None:
    np.testing.assert_array_equal(made("uniform", DType.f32, [7], seed=9), made("uniform", DType.f32, [70], seed=9)[:7])


def test_bernoulli_is_true_as_often_as_p_says() -> None:
    assert abs(made("bernoulli", 0.25, [10_000], seed=4).mean() - 0.25) < 0.02


@pytest.mark.parametrize(("name", "bound"), [("glorot_uniform", (6 / (30 + 50)) ** 0.5), ("he_uniform", (6 / 30) ** 0.5)])
def test_uniform_initialisers_lie_within_their_bound(name: str, bound: float) -> None:
    x = made(name, DType.f32, [30, 50], seed=1)
    assert bound * 0.99 < np.abs(x).max() <= bound


@pytest.mark.parametrize(("name", "std"), [("glorot_normal", (2 / (30 + 50)) ** 0.5), ("he_normal", (2 / 30) ** 0.5)])
def test_normal_initialisers_have_their_spread(name: str, std: float) -> None:
    assert abs(made(name, DType.f64, [30, 50], seed=1).std() / std - 1) < 0.05


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("uniform", (DType.i32, [2], 1), "uniform gives floats, not i32"),
        ("uniform", (DType.f32, [2], 1, 1, 0), "uniform lies from low to high, and 1 is not below 0"),
        ("uniform", (DType.bf16, [2], 1, 1, 1.001), "uniform from 1 to 1.001: bf16 has one number for both"),
        ("randint", (DType.u8, [2], 0, 300, 1), "randint from 0 to 300 does not fit u8, which holds 0 to 255"),
        ("randint", (DType.i32, [2], 5, 5, 1), "randint from 5 to 5: between 1 and 2^32 integers lie in between"),
        ("randint", (DType.f32, [2], 0, 5, 1), "randint gives integers, not f32"),
        ("glorot_uniform", (DType.f32, [N, 3], 1), "glorot_uniform fills a tensor of two known sizes or more, not [N, 3]"),
    ],
)
def test_wrong_draws_are_told(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(OpError) as told:
        call(built_ins()[name], arguments, {})
    assert str(told.value) == message
