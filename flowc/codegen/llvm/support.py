"""Internal functions that kernels call: failures, fused multiply-add where a target has none, functions of ops."""

from __future__ import annotations

import re

from flowc.codegen.llvm.narrow import narrow
from flowc.codegen.llvm.scalars import scalar_type, suffix, vector_type
from flowc.codegen.llvm.software import fma_f32, fma_f64
from flowc.codegen.text import Text
from flowc.ir.types import DType
from flowc.ops.elementwise import Elementwise
from flowc.target import Target

NARROW = re.compile(r"@flow\.(in_f32|rounded)\.(v(\d+))?(f16|bf16)\b")
FUSED = re.compile(r"@llvm\.fma\.(v(\d+))?(f32|f64)\b")
RECORD = "{ i32, i32, i64, i64, i64, i64, i32 }"  # code, site, index, bound, iteration, element, lock


class Support:
    """The text of each internal function a module needs, once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.functions: dict[str, str] = {}

    def line(self, line: str) -> str:
        """A line of an op's code, with fma by our own name where the target lacks it; what it calls of ours is here then."""
        for found in NARROW.finditer(line):
            self.functions[found[0]] = narrow(found[1], DType(found[4]), int(found[3] or 0), self.target.half)
        return line if self.target.fma else FUSED.sub(self.fused, line)

    def fused(self, found: re.Match[str]) -> str:
        lanes, dtype = int(found[2] or 0), DType(found[3])
        name = f"flow.fma.{suffix(dtype, lanes)}"
        if dtype is DType.f32:
            self.functions[name] = fma_f32(lanes)
        else:
            self.functions["flow.fma.f64"] = fma_f64()
            if lanes:
                self.functions[name] = each_lane("@flow.fma.f64", f"@{name}", dtype, lanes, dtype, 3)
        return f"@{name}"

    def function(self, op: Elementwise, operand: DType, lanes: int) -> str:
        """The function an op is a call of, in lanes one that calls it for each."""
        name = f"@flowc.{op.name}.{operand.value}"
        self.functions[name] = op.function_text(operand)
        if not lanes:
            return name
        self.functions[f"{name}.v{lanes}"] = each_lane(name, f"{name}.v{lanes}", operand, lanes, op.result.type.dtype, len(op.operands))
        return f"{name}.v{lanes}"

    def fail(self) -> str:
        self.functions["flow.fail"] = FAIL
        return "@flow.fail"

    def __str__(self) -> str:
        return "\n".join(self.functions.values())


def each_lane(scalar: str, name: str, operand: DType, lanes: int, result: DType, count: int) -> str:
    """A function on vectors that calls the scalar one for every lane."""
    of, to = scalar_type(operand), scalar_type(result)
    vector, made = vector_type(of, lanes), vector_type(to, lanes)
    t = Text(f"define internal {made} {name}({', '.join(f'{vector} %x{n}' for n in range(count))}) #0")
    total = "poison"
    for lane in range(lanes):
        given = [t.value(f"extractelement {vector} %x{n}, i64 {lane}") for n in range(count)]
        one = t.value(f"call {to} {scalar}({', '.join(f'{of} {g}' for g in given)})")
        total = t.value(f"insertelement {made} {total}, {to} {one}, i64 {lane}")
    t.do(f"ret {made} {total}")
    return str(t)


ARGUMENTS = "ptr %record, i32 %code, i32 %site, i64 %iteration, i64 %element, i64 %index, i64 %bound"
FAIL = f"""define internal void @flow.fail({ARGUMENTS}) noinline cold #0 {{
entry:
  %lock = getelementptr {RECORD}, ptr %record, i32 0, i32 6
  br label %wait
wait:
  %held = atomicrmw xchg ptr %lock, i32 1 acquire, align 4
  %free = icmp eq i32 %held, 0
  br i1 %free, label %compare, label %wait
compare:
  %code.at = getelementptr {RECORD}, ptr %record, i32 0, i32 0
  %site.at = getelementptr {RECORD}, ptr %record, i32 0, i32 1
  %index.at = getelementptr {RECORD}, ptr %record, i32 0, i32 2
  %bound.at = getelementptr {RECORD}, ptr %record, i32 0, i32 3
  %iteration.at = getelementptr {RECORD}, ptr %record, i32 0, i32 4
  %element.at = getelementptr {RECORD}, ptr %record, i32 0, i32 5
  %code.old = load i32, ptr %code.at, align 4
  %site.old = load i32, ptr %site.at, align 4
  %iteration.old = load i64, ptr %iteration.at, align 8
  %element.old = load i64, ptr %element.at, align 8
  %none = icmp eq i32 %code.old, 0
  %site.less = icmp slt i32 %site, %site.old
  %site.same = icmp eq i32 %site, %site.old
  %iteration.less = icmp slt i64 %iteration, %iteration.old
  %iteration.same = icmp eq i64 %iteration, %iteration.old
  %element.less = icmp slt i64 %element, %element.old
  %inner = and i1 %iteration.same, %element.less
  %later = or i1 %iteration.less, %inner
  %here = and i1 %site.same, %later
  %before = or i1 %site.less, %here
  %told = or i1 %none, %before
  br i1 %told, label %write, label %done
write:
  store i32 %code, ptr %code.at, align 4
  store i32 %site, ptr %site.at, align 4
  store i64 %index, ptr %index.at, align 8
  store i64 %bound, ptr %bound.at, align 8
  store i64 %iteration, ptr %iteration.at, align 8
  store i64 %element, ptr %element.at, align 8
  br label %done
done:
  store atomic i32 0, ptr %lock release, align 4
  ret void
}}
"""

ATTRIBUTES = 'attributes #0 = { nounwind "no-builtins" "no-stack-arg-probe" "prefer-vector-width"="512" }\n'
