"""What a fold holds for each lane, and how it takes a term and joins two partial results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowc.codegen.llvm.frame import Frame
from flowc.codegen.llvm.scalars import literal
from flowc.ir.types import DType
from flowc.ops.elementwise import Add, And, Elementwise, Fma, Maximum, Minimum, Mul, Or
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
        """The state after a term, or a pair of factors, at an `index` above all before."""
        if len(terms) == 2:
            return [multiply_add(k, self.dtype, terms[0], terms[1], state[0], lanes)]
        if len(self.parts) == 1:
            return self.join(k, state, [*terms], lanes)
        return self.chosen(k, self.later(k, state, terms[0], lanes), state, [*terms, index], lanes)

    def join(self, k: Frame, x: State, y: State, lanes: bool) -> State:
        """Both states as one, x first."""
        if len(self.parts) == 1:
            return [k.apply(JOINS[self.name], self.dtype, lanes, x=x[0], y=y[0])]
        return self.chosen(k, self.better(k, x, y, lanes), x, y, lanes)

    def chosen(self, k: Frame, takes: str, x: State, y: State, lanes: bool) -> State:
        """y where `takes` holds, else x."""
        truth, types = k.type(DType.bool, lanes), [k.type(part, lanes) for part in self.parts]
        return [k.text.value(f"select {truth} {takes}, {t} {b}, {t} {a}") for t, a, b in zip(types, x, y, strict=True)]

    def later(self, k: Frame, x: State, y: str, lanes: bool) -> str:
        """Where a value that comes after those of x takes their place: there is none, or y beats it, or is the first NaN."""
        t, truth = k.text, k.type(DType.bool, lanes)
        beats = self.compare(k, self.beats, y, x[0], lanes)
        if self.dtype.is_float:
            some_nan = self.compare(k, "uno", y, x[0], lanes)
            number = self.compare(k, "ord", x[0], x[0], lanes)
            beats = t.value(f"and {truth} {t.value(f'or {truth} {beats}, {some_nan}')}, {number}")
        return t.value(f"or {truth} {self.none(k, x, lanes)}, {beats}")

    def better(self, k: Frame, x: State, y: State, lanes: bool) -> str:
        """Where y takes x's place: there is a y, and no x, or y beats it, or is as good with the smaller index."""
        t, truth = k.text, k.type(DType.bool, lanes)
        sooner = t.value(f"icmp slt {k.type(DType.i64, lanes)} {y[1]}, {x[1]}")
        equal = self.compare(k, "eq", y[0], x[0], lanes)
        if self.dtype.is_float:
            both_nan = t.value(f"and {truth} {self.compare(k, 'uno', x[0], x[0], lanes)}, {self.compare(k, 'uno', y[0], y[0], lanes)}")
            equal = t.value(f"or {truth} {equal}, {both_nan}")
        tied = t.value(f"and {truth} {equal}, {sooner}")
        takes = t.value(f"or {truth} {self.later(k, x, y[0], lanes)}, {tied}")
        absent = self.none(k, y, lanes)
        return t.value(f"and {truth} {takes}, {t.value(f'xor {truth} {absent}, {literal(True, DType.bool, k.width if lanes else 0)}')}")

    @property
    def beats(self) -> str:
        return "gt" if self.name == "argmax" else "lt"

    def none(self, k: Frame, state: State, lanes: bool) -> str:
        """Where a state has seen no term."""
        return k.text.value(f"icmp slt {k.type(DType.i64, lanes)} {state[1]}, {'zeroinitializer' if lanes else '0'}")

    def compare(self, k: Frame, predicate: str, x: str, y: str, lanes: bool) -> str:
        if self.dtype.is_float:
            ordered = predicate if predicate in ("ord", "uno") else f"o{predicate}"
            return k.text.value(f"fcmp {ordered} {k.type(self.dtype, lanes)} {x}, {y}")
        sign = "" if predicate == "eq" else "s" if self.dtype.is_signed else "u"
        return k.text.value(f"icmp {sign}{predicate} {k.type(self.dtype, lanes)} {x}, {y}")


def multiply_add(k: Frame, dtype: DType, x: str, y: str, total: str, lanes: bool) -> str:
    """x * y + total: rounded once for floats, wrapping for integers."""
    if dtype.is_float:
        return k.apply(Fma, dtype, lanes, x=x, y=y, z=total)
    return k.apply(Add, dtype, lanes, x=total, y=k.apply(Mul, dtype, lanes, x=x, y=y))
