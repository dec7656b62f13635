"""The reference of the built-ins says what they do."""

from __future__ import annotations

import pytest

from flowc.derivatives.reverse import pullback
from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.types import DType
from flowc.ops.call import built_ins
from flowc.ops.reference import derivative, elements, entry, reference, sample_calls, themes
from flowc.ops.tensor import BuiltIn, is_constant

CLASSES = list(dict.fromkeys(built_ins().values()))
UNTRIED = {"gru", "lstm", "rnn"}  # their sizes have to fit in a way of their own


def described(cls: type[BuiltIn]) -> str:
    return cls.name


def test_every_built_in_stands_under_one_theme() -> None:
    listed = [cls.name for classes in themes().values() for cls in classes]
    assert sorted(listed) == sorted(cls.name for cls in CLASSES)


def test_a_function_says_what_it_takes_and_how_its_derivative_is_known() -> None:
    known = built_ins()
    assert reference(known["add"]).endswith("\n\noperator    x + y\nelements    floats, integers\nderivative  by a rule of its own\n")
    assert (elements(known["bitwise_and"]), derivative(known["bitwise_and"])) == ("integers, bool", "")
    assert (elements(known["take"]), derivative(known["matmul"])) == ("floats, integers, bool", "by its element")
    assert entry(known["zeros"]).facts == ()


@pytest.mark.parametrize("cls", CLASSES, ids=described)
def test_derivative_is_what_the_reference_says(cls: type[BuiltIn]) -> None:
    said = derivative(cls)
    made = next(sample_calls(cls, DType.f32), None)
    if not said or made is None:
        assert not said or cls.name in UNTRIED
        return
    operands, results = made
    smooth = [r for r in results if r.type.dtype.is_float]
    assert bool(smooth) == (said != "none, the result has no floats")
    if not smooth:
        return
    seeds = {r: Value(r.type, None, "g") for r in smooth}
    if said == "none":
        with pytest.raises(OpError, match="has no derivative"):
            pullback(seeds, operands)
        return
    found = pullback(seeds, operands)
    assert [d.type for d in found] == [x.type for x in operands]
    if said.startswith("0"):
        assert all(is_constant(d, 0) for d in found)
