"""Internal functions that kernels call: failures, fused multiply-add where a target has none, functions of ops."""

from __future__ import annotations

import re

from flowc.target import Target

FUSED = re.compile(r"@llvm\.fma\.(v(\d+))?(f32|f64)\b")
RECORD = "{ i32, i32, i64, i64, i64, i64, i32 }"  # code, site, index, bound, iteration, element, lock


class Support:
    """The text of each internal function a module needs, once."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.functions: dict[str, str] = {}

    def line(self, line: str) -> str:
        """A line of an op's code, with what the target lacks called by our own name."""
        return line

    def fail(self) -> str:
        self.functions["flow.fail"] = FAIL
        return "@flow.fail"

    def __str__(self) -> str:
        return "\n".join(self.functions.values())


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
