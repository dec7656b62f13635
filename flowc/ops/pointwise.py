"""What an elementwise op promises: broadcasting, dtypes, its code for one element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Template
from typing import Any, ClassVar

import numpy as np

from flowc.errors import OpError
from flowc.ir.core import Value
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type
from flowc.ops.tensor import Array, Tensor, broadcast, read

Code = tuple[str, ...]
Cotangents = tuple[Value | None, ...]


class Elementwise(Tensor):
    """`result[i] = scalar(x[i], y[i], ...)` with broadcasting.

    `llvm` is the code by kind of element: f(loat), i (signed), u(nsigned), b(ool); lines
    in order, where `{x}` is an operand, `{r0}` the result of a line, `{t}` the operands'
    type and `{s}` its suffix in intrinsics, `{r}` and `{rs}` those of the result, `{b}` the type of
    truth values, `{i}` the integer type as wide as `{t}`, `{i:23}` one of its constants, `{t:0}` a constant of `{t}`.
    """

    numpy: ClassVar[Callable[..., Any]]
    llvm: ClassVar[Mapping[str, Code]] = {}
    accepts: ClassVar[str] = "fiu"  # kinds of element
    steps: ClassVar[bool] = False  # constant between jumps: its derivative is 0
    function: ClassVar[str] = ""  # a scalar LLVM function, called lane by lane, where lines say too little

    def infer(self) -> tuple[Type, ...]:
        return (Type(self.result_dtype(), broadcast(*(v.type for v in self.operands))[0]),)

    def result_dtype(self) -> DType:
        return self.common_dtype(self.operands)

    def common_dtype(self, values: tuple[Value, ...]) -> DType:
        dtypes = list(dict.fromkeys(v.type.dtype for v in values))
        if len(dtypes) != 1:
            kinds = " and ".join(d.value for d in dtypes)
            raise OpError(f"{self.name} of {kinds}: elements do not mix", help=f"convert one side: `... as {dtypes[0].value}`")
        if kind(dtypes[0]) not in self.accepts:
            raise OpError(f"{self.name} takes {' or '.join(kind_words(self.accepts))}, not {dtypes[0].value}")
        return dtypes[0]

    def assumes(self) -> tuple[tuple[Dim, Dim], ...]:
        return broadcast(*(v.type for v in self.operands))[1]

    def evaluate(self, *args: Any) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(type(self).numpy(*args))

    def at(self, *i: Dim) -> Value:
        return self.rebuild(lambda v: read(v, *i)).result

    def code(self) -> Code:
        """The lines for this op's operands; empty where `scalar` says it."""
        return self.code_for(self.operands[-1].type.dtype)

    @classmethod
    def code_for(cls, dtype: DType) -> Code:
        return cls.llvm.get(kind(dtype), ())

    @classmethod
    def function_text(cls, dtype: DType) -> str:
        """The definition of `@flowc.<name>.<dtype>`.

        In `function`, `$name` is that name, `$t` the operands' type, `$i` the integer
        type as wide, `$last` its highest bit, `$signed` whether it has a sign; of a float `$mantissa` is the number of its
        stored bits, `$exponents` the highest biased exponent.
        """
        names = {DType.f16: "half", DType.bf16: "bfloat", DType.f32: "float", DType.f64: "double"}
        wide, mantissa = f"i{dtype.bits}", MANTISSA.get(dtype, 0)
        words = {
            "t": names.get(dtype, wide), "i": wide, "last": dtype.bits - 1, "signed": "true" if dtype.is_signed else "false",
            "mantissa": mantissa, "exponents": (1 << (dtype.bits - 1 - mantissa)) - 1,
        }  # fmt: skip
        return Template(cls.function).substitute(words, name=f"@flowc.{cls.name}.{dtype.value}")

    def scalar(self) -> Value | None:
        """The op on scalars as simpler ones, put in after fusion; None for a primitive."""
        return None

    def gradient(self, g: Value) -> Cotangents | None:
        """`g` times the derivative by each operand, of a shape that `g` and the operands broadcast to.

        None in the place of an operand that has no derivative, or 0 everywhere; None
        altogether where only `expand` says what the derivative is, if anything does. It is
        linear in `g`: of a tangent of operand n, `gradient(tangent)[n]` is its part in that of the result.
        """
        return (None,) * len(self.operands) if self.steps else None


MANTISSA = {DType.f16: 10, DType.bf16: 7, DType.f32: 23, DType.f64: 52}
KINDS = {"f": "floats", "i": "signed integers", "u": "unsigned integers", "b": "bool"}


def kind(dtype: DType) -> str:
    """f, i, u or b: what instructions there are for it."""
    if dtype.is_float:
        return "f"
    return "b" if dtype is DType.bool else "i" if dtype.is_signed else "u"


def kind_words(kinds: str) -> list[str]:
    """The kinds in words; those of both signs are integers."""
    both = "i" in kinds and "u" in kinds
    return list(dict.fromkeys("integers" if both and k in "iu" else KINDS[k] for k in kinds))


def integers(*code: str) -> dict[str, Code]:
    return {"i": code, "u": code}
