"""What a fold holds for each lane, and how it takes a term and joins two partial results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowc.codegen.llvm.frame import Frame
from flowc.codegen.llvm.scalars import literal
from flowc.ir.types import DType
from flowc.ops.elementwise import Add, And, Elementwise, Equal, Fma, Greater, Less, Maximum, Minimum, Mul, NotEqual, Or
from flowc.ops.kernel import start_of

JOINS: dict[str, type[Elementwise]] = {
    "sum": Add, "lanes": Add, "dot": Add, "prod": Mul, "max": Maximum, "min": Minimum, "any": Or, "all": And,
}  # fmt: skip
State = list[str]


@dataclass(frozen=True)
class Fold:
    """A fold of terms of one dtype; the state is a value, or a value and its index."""

    name: str
    dtype: DType

    @property
    def parts(self) -> tuple[DType, ...]:
        """The dtypes of the state."""
        return (self.dtype, DType.i64) if self.name.startswith("arg") else (self.dtype,)

    def start(self, width: int) -> State:
        """The state before the first term."""
        return [literal(start_of(self.name, self.dtype), self.dtype, width), literal(-1, DType.i64, width)][: len(self.parts)]

    def neutral(self) -> State:
        """The scalar state that joined with another gives that other, bit for bit."""
        negative_zero = self.dtype.is_float and self.name in ("sum", "lanes")
        return [literal(-0.0, self.dtype), *self.start(0)[1:]] if negative_zero else self.start(0)

    def nothing(self) -> str:
        """The fold of no terms."""
        return literal(-1, DType.i64) if self.name.startswith("arg") else self.start(0)[0]

    def take(self, k: Frame, state: State, terms: Sequence[str], index: str, lanes: bool) -> State:
        """The state after a term, or a pair of factors, at `index`."""
        if len(terms) == 2:
            return [multiply_add(k, self.dtype, terms[0], terms[1], state[0], lanes)]
        return self.join(k, state, [*terms, index][: len(self.parts)], lanes)

    def join(self, k: Frame, x: State, y: State, lanes: bool) -> State:
        """Both states as one, x first."""
        if len(self.parts) == 1:
            return [k.apply(JOINS[self.name], self.dtype, lanes, x=x[0], y=y[0])]
        takes = self.better(k, x, y, lanes)
        truth = k.type(DType.bool, lanes)
        types = [k.type(part, lanes) for part in self.parts]
        return [k.text.value(f"select {truth} {takes}, {t} {b}, {t} {a}") for t, a, b in zip(types, x, y, strict=True)]

    def better(self, k: Frame, x: State, y: State, lanes: bool) -> str:
        """Where y comes before x: there is a y, and no x, or y is better, or as good with the smaller index."""
        t, truth, i64 = k.text, k.type(DType.bool, lanes), k.type(DType.i64, lanes)

        def both(a: str, b: str) -> str:
            return t.value(f"and {truth} {a}, {b}")

        def either(a: str, b: str) -> str:
            return t.value(f"or {truth} {a}, {b}")

        beats = self.compare(k, Greater if self.name == "argmax" else Less, y[0], x[0], lanes)
        equal = self.compare(k, Equal, y[0], x[0], lanes)
        if self.dtype.is_float:
            x_nan, y_nan = (self.compare(k, NotEqual, v, v, lanes) for v in (x[0], y[0]))
            beats = either(beats, both(y_nan, t.value(f"xor {truth} {x_nan}, {literal(True, DType.bool, k.width if lanes else 0)}")))
            equal = either(equal, both(x_nan, y_nan))
        sooner = t.value(f"icmp ult {i64} {y[1]}, {x[1]}")  # an index of -1 is last
        some = t.value(f"icmp sge {i64} {y[1]}, {'zeroinitializer' if lanes else '0'}")
        first = t.value(f"icmp slt {i64} {x[1]}, {'zeroinitializer' if lanes else '0'}")
        return both(some, either(first, either(beats, both(equal, sooner))))

    def compare(self, k: Frame, kind: type[Elementwise], x: str, y: str, lanes: bool) -> str:
        dtype = DType.u8 if self.dtype is DType.bool else self.dtype
        if self.dtype is not DType.bool:
            return k.code(kind.code_for(dtype), dtype, DType.bool, lanes, x=x, y=y)
        predicates: dict[type[Elementwise], str] = {Greater: "ugt", Less: "ult", Equal: "eq"}
        return k.text.value(f"icmp {predicates[kind]} {k.type(DType.bool, lanes)} {x}, {y}")


def multiply_add(k: Frame, dtype: DType, x: str, y: str, total: str, lanes: bool) -> str:
    """x * y + total: rounded once for floats, wrapping for integers."""
    if dtype.is_float:
        return k.apply(Fma, dtype, lanes, x=x, y=y, z=total)
    return k.apply(Add, dtype, lanes, x=total, y=k.apply(Mul, dtype, lanes, x=x, y=y))
