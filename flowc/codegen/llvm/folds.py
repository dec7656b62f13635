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
    """A fold of terms of one dtype.  The state is a value, or a value and its index.

    Floats are compared as integers of the same order, the keys: x's bits, all but the sign flipped where it is negative;
    a NaN is beyond everything, on the side that is looked for.
    """

    name: str
    dtype: DType

    @property
    def keyed(self) -> bool:
        return self.dtype.is_float and self.name in ("max", "min", "argmax", "argmin")

    @property
    def held(self) -> DType:
        """The dtype of the state's value."""
        return (DType.i32 if self.dtype is DType.f32 else DType.i64) if self.keyed else self.dtype

    @property
    def parts(self) -> tuple[DType, ...]:
        """The dtypes of the state."""
        return (self.held, DType.i64) if self.name.startswith("arg") else (self.held,)

    def start(self, width: int) -> State:
        """The state before the first term."""
        value = literal(start_of(self.name, self.dtype), self.dtype, width)
        if self.keyed:
            lowest, highest = self.held.limits()
            infinity = lowest + (1 << (23 if self.dtype is DType.f32 else 52)) - 1  # the key of -inf
            beyond = {"max": infinity, "min": -infinity - 1, "argmax": lowest, "argmin": highest}[self.name]
            value = literal(beyond, self.held, width)
        return [value, literal(-1, DType.i64, width)][: len(self.parts)]

    def neutral(self) -> State:
        """The scalar state that joined with another gives that other, bit for bit."""
        negative_zero = self.dtype.is_float and self.name in ("sum", "lanes")
        return [literal(-0.0, self.dtype), *self.start(0)[1:]] if negative_zero else self.start(0)

    def nothing(self) -> str:
        """The fold of no terms."""
        return literal(-1, DType.i64) if self.name.startswith("arg") else literal(start_of(self.name, self.dtype), self.dtype)

    def result(self, k: Frame, state: State, lanes: bool) -> str:
        """The fold's value."""
        if not self.keyed or len(state) > 1:
            return state[-1]
        bits = self.flipped(k, state[0], lanes)
        return k.text.value(f"bitcast {k.type(self.held, lanes)} {bits} to {k.type(self.dtype, lanes)}")

    def take(self, k: Frame, state: State, terms: Sequence[str], index: str, lanes: bool) -> State:
        """The state after a term, or a pair of factors, at an `index` above all before."""
        if len(terms) == 2:
            return [multiply_add(k, self.dtype, terms[0], terms[1], state[0], lanes)]
        value = self.key(k, terms[0], lanes) if self.keyed else terms[0]
        if len(self.parts) == 1:
            return self.join(k, state, [value], lanes)
        return self.chosen(k, self.later(k, state, value, lanes), state, [value, index], lanes)

    def key(self, k: Frame, x: str, lanes: bool) -> str:
        """The integer whose order is that of floats; of indices, zeros of both signs are one."""
        of, to, truth = k.type(self.dtype, lanes), k.type(self.held, lanes), k.type(DType.bool, lanes)
        width = k.width if lanes else 0
        nan = k.text.value(f"fcmp uno {of} {x}, {x}")
        if len(self.parts) > 1:
            x = k.text.value(f"fadd {of} {x}, {literal(0, self.dtype, width)}")
        order = self.flipped(k, k.text.value(f"bitcast {of} {x} to {to}"), lanes)
        beyond = literal(self.held.limits()[self.name.endswith("max")], self.held, width)
        return k.text.value(f"select {truth} {nan}, {to} {beyond}, {to} {order}")

    def flipped(self, k: Frame, bits: str, lanes: bool) -> str:
        """All bits but the sign flipped where it is set."""
        width, to = k.width if lanes else 0, k.type(self.held, lanes)
        signs = k.text.value(f"ashr {to} {bits}, {literal(self.held.bits - 1, self.held, width)}")
        rest = k.text.value(f"and {to} {signs}, {literal(self.held.limits()[1], self.held, width)}")
        return k.text.value(f"xor {to} {bits}, {rest}")

    def join(self, k: Frame, x: State, y: State, lanes: bool) -> State:
        """Both states as one, x first."""
        if len(self.parts) == 1:
            return [k.apply(JOINS[self.name], self.held, lanes, x=x[0], y=y[0])]
        return self.chosen(k, self.better(k, x, y, lanes), x, y, lanes)

    def chosen(self, k: Frame, takes: str, x: State, y: State, lanes: bool) -> State:
        """y where `takes` holds, else x."""
        truth, types = k.type(DType.bool, lanes), [k.type(part, lanes) for part in self.parts]
        return [k.text.value(f"select {truth} {takes}, {t} {b}, {t} {a}") for t, a, b in zip(types, x, y, strict=True)]

    def later(self, k: Frame, x: State, y: str, lanes: bool) -> str:
        """Where a value that comes after those of x takes their place: it beats them, or there are none."""
        beats = self.compare(k, "gt" if self.name == "argmax" else "lt", y, x[0], lanes)
        return beats if self.keyed else k.text.value(f"or {k.type(DType.bool, lanes)} {beats}, {self.none(k, x, lanes)}")

    def better(self, k: Frame, x: State, y: State, lanes: bool) -> str:
        """Where y takes x's place: it beats x, or is as good with the smaller index; a state of no terms never does."""
        t, truth = k.text, k.type(DType.bool, lanes)
        sooner = t.value(f"icmp slt {k.type(DType.i64, lanes)} {y[1]}, {x[1]}")
        tied = t.value(f"and {truth} {self.compare(k, 'eq', y[0], x[0], lanes)}, {sooner}")
        takes = t.value(f"or {truth} {self.later(k, x, y[0], lanes)}, {tied}")
        if self.keyed:
            return takes
        some = t.value(f"xor {truth} {self.none(k, y, lanes)}, {literal(True, DType.bool, k.width if lanes else 0)}")
        return t.value(f"and {truth} {takes}, {some}")

    def none(self, k: Frame, state: State, lanes: bool) -> str:
        """Where a state has seen no term."""
        return k.text.value(f"icmp slt {k.type(DType.i64, lanes)} {state[1]}, {'zeroinitializer' if lanes else '0'}")

    def compare(self, k: Frame, predicate: str, x: str, y: str, lanes: bool) -> str:
        sign = "" if predicate == "eq" else "s" if self.held.is_signed else "u"
        return k.text.value(f"icmp {sign}{predicate} {k.type(self.held, lanes)} {x}, {y}")


def multiply_add(k: Frame, dtype: DType, x: str, y: str, total: str, lanes: bool) -> str:
    """x * y + total: rounded once for floats, wrapping for integers."""
    if dtype.is_float:
        return k.apply(Fma, dtype, lanes, x=x, y=y, z=total)
    return k.apply(Add, dtype, lanes, x=total, y=k.apply(Mul, dtype, lanes, x=x, y=y))
