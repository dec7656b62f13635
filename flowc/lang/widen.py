"""A function in f64: what its derivative is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowc.ir.core import Block, Func, Op, Value, body, needed, renamed, retyped
from flowc.ir.dims import Dim
from flowc.ir.types import DType, Type
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, StateWrite
from flowc.ops.derivative import After, Custom
from flowc.ops.elementwise import Cast, cast
from flowc.ops.pointwise import Elementwise
from flowc.ops.tensor import Tensor

NARROWER = (DType.f16, DType.bf16, DType.f32)
IN_THEIR_OWN = ("bitcast", "nextafter")  # what they give hangs on the bits of what they take


def widened(func: Func) -> Func:
    """The function with f64 for every float, its checks and writes left out.

    What is made of no floats, numbers drawn at random among it, is made as it was and converted.
    """
    wide = _Wide()
    params = wide.params(func.body.params)
    results = tuple(map(wide.of, func.body.results))
    return Func(func.name, body(params, results), func.outputs)


def wide_type(type: Type) -> Type:
    return Type(DType.f64, type.shape) if type.dtype in NARROWER else type


class _Wide:
    """Values and what they become."""

    def __init__(self) -> None:
        self.known: dict[Value, Value] = {}
        self.index: Callable[[Dim], Dim] = renamed(lambda v: self.known.get(v, v))

    def of(self, value: Value) -> Value:
        for v in needed((value,), self.known):
            if v.op is None:
                self.known[v] = v
            elif v is v.op.values[0]:
                self.known.update(zip(v.op.values, self.op(v.op), strict=False))
        return self.known[value]

    def params(self, params: Sequence[Value]) -> tuple[Value, ...]:
        made = tuple(Value(wide_type(retyped(p.type, self.index)), None, p.hint) for p in params)
        self.known.update(zip(params, made, strict=True))
        return made

    def block(self, old: Block) -> Block:
        params = self.params(old.params)
        given = [self.known[v] for v in old.captured]
        return body(params, tuple(map(self.of, old.results)), (), given)

    def op(self, op: Op) -> Sequence[Value]:
        """The values of an op, its operands known."""
        match op:
            case Custom(primals):
                return [self.known[v] for v in primals]
            case After(value):
                return [self.known[value]]
            case Assert() | CheckEqual() | CheckAtLeast() | StateWrite():
                return op.values  # nothing asks for them
            case Tensor() if not isinstance(op, Elementwise) and (simpler := op.expand()) is not None:
                return [self.of(simpler)]
            case Cast(x) if op.dtype in NARROWER:
                return [cast(self.known[x], DType.f64)]
            case _:
                return self.made(op)

    def made(self, op: Op) -> list[Value]:
        own = op.name in IN_THEIR_OWN or not any(v.type.dtype.is_float for v in op.operands) and not op.regions
        fields: dict[str, Any] = {}
        for name, kind in op.form.items():
            old = getattr(op, name)
            match kind:
                case "operand":
                    fields[name] = self.operand(old, own)
                case "group":
                    fields[name] = tuple(self.operand(v, own) for v in old)
                case "dims":
                    fields[name] = tuple(map(self.index, old))
                case "region":
                    fields[name] = self.block(old)
                case "type":
                    fields[name] = retyped(old, self.index) if own else wide_type(retyped(old, self.index))
                case "types":
                    fields[name] = tuple(retyped(t, self.index) if own else wide_type(retyped(t, self.index)) for t in old)
                case _:
                    fields[name] = DType.f64 if old in NARROWER and not own else old
        made = type(op)(**fields, **op.common)
        return [cast(r, DType.f64) if r.type.dtype in NARROWER else r for r in made.results]

    def operand(self, value: Value, own: bool) -> Value:
        known = self.known[value]
        return cast(known, value.type.dtype) if own and known.type.dtype is not value.type.dtype else known
