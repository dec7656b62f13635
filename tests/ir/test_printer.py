"""The text of a module says all of it: what is read back is the same."""

from __future__ import annotations

import time

import pytest

from flowc.ir.core import Func, Module, Value, func
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ir.rewrite import Rules, rewrite
from flowc.ir.types import DType, Type
from flowc.ops.catalog import catalog
from flowc.ops.control import Assert
from flowc.ops.elementwise import Neg
from flowc.ops.norm import RmsNorm
from flowc.ops.random import Normal
from flowc.ops.tensor import constant


@pytest.fixture(autouse=True, scope="module")
def every_op() -> None:
    catalog()


def asserted(what: str) -> Module:
    condition = Value(Type(DType.bool), None, "c")
    token = Assert(condition, what).token
    assert token is not None
    return Module("m", (func("f", (condition,), (), (token,)),))


@pytest.mark.parametrize("what", ["a\nb", r"a\nb", 'a "quoted" word', r"C:\new\\", r"\"", ""])
def test_a_text_is_read_back_as_it_was(what: str) -> None:
    (op,) = parse_module(print_module(asserted(what))).funcs[0].body.ops
    assert op.attributes["what"] == what


def chain(length: int) -> Func:
    x = y = Value(Type(DType.f32), None, "x")
    for _ in range(length):
        y = Neg(y, hints=("y",)).result
    return func("f", (x,), (y,))


def test_values_of_one_name_are_numbered_in_order() -> None:
    assert [line.split()[0] for line in str(chain(4)).splitlines()[1:-2]] == ["%y", "%y.2", "%y.3", "%y.4"]


def test_printing_many_values_of_one_name_takes_time_near_linear_in_them() -> None:
    took: list[float] = []
    for length in (2_000, 16_000):
        fn, begin = chain(length), time.perf_counter()
        str(fn)
        took.append(time.perf_counter() - begin)
    assert took[1] < 24 * took[0]


def test_numbers_that_differ_in_sign_alone_make_two_ops() -> None:
    seed = constant(1, DType.i64)
    pair = tuple(Normal(seed, mean, 0.0, Type(DType.f32, (2,))).result for mean in (0.0, -0.0))
    assert len(set(rewrite(func("f", (), pair), Rules(())).body.results)) == 2


def test_equal_numbers_make_one_op() -> None:
    x = Value(Type(DType.f32, (2,)), None, "x")
    pair = tuple(RmsNorm(x, 0, epsilon).result for epsilon in (1e-6, 1e-6))
    assert len(set(rewrite(func("f", (x,), pair), Rules(())).body.results)) == 1
