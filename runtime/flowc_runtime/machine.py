"""What the thread pool needs to know of a processor and of an operating system, as LLVM text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """How a processor waits in a spin and gets its default floating-point environment; intrinsics, so no assembler is needed."""

    declarations: str
    pause: str
    default_floats: str
    futex: int  # number of the system call on Linux


@dataclass(frozen=True)
class System:
    """Constants of a C library, and whether threads sleep by futex or by a condition variable."""

    monotonic: int
    set_mask: int
    processors: str
    futex: bool = False


_PROCESSORS = {
    "x86_64": Processor(
        "declare void @llvm.x86.sse2.pause()\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)",
        "call void @llvm.x86.sse2.pause()",
        "%floats = alloca i32, align 4\n  store i32 8064, ptr %floats, align 4\n  call void @llvm.x86.sse.ldmxcsr(ptr %floats)",
        202,
    ),
    "aarch64": Processor(
        "declare void @llvm.aarch64.hint(i32)\ndeclare void @llvm.aarch64.set.fpcr(i64)",
        "call void @llvm.aarch64.hint(i32 1)",
        "call void @llvm.aarch64.set.fpcr(i64 0)",
        98,
    ),
}

# Processors this process may run on; a set of more than 1024 fails and counts as one.
_AFFINITY = """declare i32 @sched_getaffinity(i32, i64, ptr)
declare i64 @llvm.ctpop.i64(i64)
define internal i32 @flow_pool.processors() {
entry:
  %set = alloca [16 x i64], align 8
  call void @llvm.memset.p0.i64(ptr %set, i8 0, i64 128, i1 false)
  %failed = call i32 @sched_getaffinity(i32 0, i64 128, ptr %set)
  br label %word
word:
  %i = phi i64 [ 0, %entry ], [ %following, %word ]
  %sum = phi i64 [ 0, %entry ], [ %more, %word ]
  %at = getelementptr i64, ptr %set, i64 %i
  %bits = load i64, ptr %at, align 8
  %ones = call i64 @llvm.ctpop.i64(i64 %bits)
  %more = add i64 %sum, %ones
  %following = add i64 %i, 1
  %again = icmp slt i64 %following, 16
  br i1 %again, label %word, label %counted
counted:
  %count = trunc i64 %more to i32
  ret i32 %count
}
"""


def _online(name: int) -> str:
    return f"""declare i64 @sysconf(i32)
define internal i32 @flow_pool.processors() {{
  %count = call i64 @sysconf(i32 {name})
  %small = trunc i64 %count to i32
  ret i32 %small
}}
"""


_SYSTEMS = {
    "linux": System(monotonic=1, set_mask=2, processors=_AFFINITY, futex=True),
    "darwin": System(monotonic=6, set_mask=3, processors=_online(58)),
    "freebsd": System(monotonic=4, set_mask=3, processors=_online(58)),
}
_SPELLINGS = {"amd64": "x86_64", "arm64": "aarch64", "macosx": "darwin", "macos": "darwin"}


class UnsupportedTarget(ValueError):
    """The pool is not written for this machine; compiled graphs run there with a `flow_pool` of the caller, or on one thread."""


def machine(triple: str) -> tuple[Processor, System]:
    """The processor and the operating system that an LLVM triple names."""
    words = [word.rstrip("0123456789.") if word.startswith(("macos", "darwin", "freebsd")) else word for word in triple.split("-")]
    names = [_SPELLINGS.get(word, word) for word in words]
    system = next((name for name in names[1:] if name in _SYSTEMS), None)
    if names[0] not in _PROCESSORS or system is None:
        known = f"{' and '.join(_PROCESSORS)} on {', '.join(_SYSTEMS)}"
        raise UnsupportedTarget(f"no thread pool for {triple}, only for {known}: pass a flow_pool of your own, or compile to .o or .a")
    return _PROCESSORS[names[0]], _SYSTEMS[system]
