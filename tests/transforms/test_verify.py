"""What no text can say, because reading refuses it, is refused in a module that was put together, too."""

import pytest

from flowc.errors import CompileError
from flowc.ir.core import Block, Func, Module, Value
from flowc.ir.types import DType, Type
from flowc.ops.elementwise import add
from flowc.transforms.verify import verify

X = Value(Type(DType.f32, (3,)), None, "x")
SUM = add(X, X)
assert SUM.op is not None

MODULES = {
    "error: f names 2 results and returns 1": Func("f", Block((X,), (), (X,)), ("y", "z")),
    "error: add uses %x, which is not defined before it\n\nerror: add uses %x, which is not defined before it\n\n2 errors": Func(
        "f", Block((), (SUM.op,), (SUM,))
    ),
    "error: %x is handed back where it is not defined": Func("f", Block((), (), (X,))),
}


@pytest.mark.parametrize("told", MODULES)
def test_a_module_that_does_not_hold_together_is_refused(told: str) -> None:
    with pytest.raises(CompileError) as refused:
        verify(Module("m", (MODULES[told],)))
    assert str(refused.value) == told
