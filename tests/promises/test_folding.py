"""An op on constants has the bits of the same op on what is fed, folded or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pytest

from flowc.ir.core import OPS, Module, Value, func
from flowc.ir.types import DType, Type
from flowc.ops.call import built_ins
from flowc.ops.elementwise import Cast
from flowc.ops.pointwise import Elementwise, kind
from flowc.ops.tensor import Constant, constant
from flowc.transforms.simplify import simplify
from tests.promises.bits import Array, equal, native, same
from tests.promises.every_op import DTYPES, op

FLOATS = (0.0, -0.0, 1.0, -1.5, 2.5, np.inf, -np.inf, np.nan, 1e-42, 3e38)
PUBLIC = [cls for cls in dict.fromkeys(built_ins().values()) if issubclass(cls, Elementwise) and cls.name != "where"]
Calls = dict[str, Callable[[Sequence[Value]], Value]]


def numbers(dtype: DType) -> tuple[float | int | bool, ...]:
    """Numbers of a dtype where NumPy, LLVM and laws are apt to be wrong."""
    if dtype is DType.bool:
        return (False, True)
    if dtype.is_float:
        return FLOATS
    low, high = dtype.limits()
    return (low, high, 0, 1, 7)


def calls(dtype: DType) -> Calls:
    """Every elementwise op and every cast, of three values or the first of them."""
    made: Calls = {}
    for cls in PUBLIC:
        if kind(dtype) in cls.accepts:
            more = (0.5, 2) if cls.name == "threshold" else ()
            made[cls.name] = lambda given, name=cls.name, more=more: op(name, *given[: tensors(name)], *more)
    return made | {f"as {d.value}": lambda given, d=d: Cast(given[0], d).result for d in DTYPES if d is not dtype}


def tensors(name: str) -> int:
    """How many of an op's arguments, up to three, are tensors."""
    return 3 if name == "clip" else len(OPS[name].fields_of["operand"])


def fed(dtype: DType, rows: Sequence[Sequence[float]]) -> list[Array]:
    """Each call on all the rows, as native code of inputs."""
    params = [Value(Type(dtype, (len(rows),)), None, name) for name in "xyz"]
    fn = func("f", tuple(params), tuple(of(params) for of in calls(dtype).values()))
    return native(Module("m", (fn,)))("f", *np.array(rows, dtype.numpy).T).outputs


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.value)
def test_constants_fold_to_the_bits_of_native_code(dtype: DType) -> None:
    rows = [(x, y, z) for x in numbers(dtype) for y in numbers(dtype) for z in numbers(dtype)[:3]]
    given = [[constant(number, dtype) for number in row] for row in rows]
    made = [[of(row) for row in given] for of in calls(dtype).values()]
    (fn,) = simplify(Module("m", (func("f", (), tuple(v for of in made for v in of)),))).funcs
    values = iter(fn.body.results)
    wrong: list[str] = []
    count = 0
    for name, wanted in zip(calls(dtype), fed(dtype, rows), strict=True):
        found = [next(values).op for _ in rows]
        folded = [n for n, op in enumerate(found) if isinstance(op, Constant)]
        count += len(folded)
        wrong += [f"{name} {rows[n]}" for n in folded if not equal(cast(Constant, found[n]).evaluate(), wanted[n])]
    assert wrong == [] and count > len(rows)


def test_functions_of_constants_have_the_bits_of_functions_of_what_is_fed() -> None:
    rows = [(0.7, 2.5, 1.0), (-30.0, 1e-40, 2.0)]
    inexact = {name: of for name, of in calls(DType.f32).items() if name in {cls.name for cls in PUBLIC if not cls.exact}}
    made = [op("stack", [of([constant(number, DType.f32) for number in row]) for row in rows]) for of in inexact.values()]
    wanted = [v for v, name in zip(fed(DType.f32, rows), calls(DType.f32), strict=True) if name in inexact]
    same(native(Module("m", (func("f", (), tuple(made)),)))("f").outputs, wanted, list(inexact))
