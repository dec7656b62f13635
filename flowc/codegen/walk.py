"""The functions a driver calls, as LLVM text: walking a table of launches, sharing one out, what a caller's context holds.

A launch gathers its arguments from the frame, an array of 8-byte slots with the
sizes, indices and buffers of the run.  It is cut in chunks; at most as many
tasks as the pool has threads draw them from one counter, so a slow thread gets
fewer.  The number of chunks depends on sizes, on `threads` and on whether the
run can be cancelled, and no bit of a result on it.
"""

from __future__ import annotations

from flowc.codegen import native
from flowc.codegen.llvm.support import RECORD
from flowc.codegen.sites import NOWHERE, Kind

CHUNKS = 8  # of a launch, for each thread

# kernel, its name, first of its slots, how many, the slot with the most chunks
LAUNCH = "{ ptr, ptr, i32, i32, i32 }"
# args, frame, record, pool, chunks, cancel, event, user, iteration, first launch, slots, threads
RUN = "{ ptr, ptr, ptr, ptr, i64, ptr, ptr, ptr, i64, ptr, ptr, i64 }"
FIELDS = ("args", "frame", "record", "pool", "chunks", "cancel", "event", "user", "iteration", "launches", "slots", "threads")
# kernel, args, cancel, chunks, chunks drawn, whether one was left out
JOB = "{ ptr, ptr, ptr, i64, i64, i32 }"
EVENT = "{ ptr, i32, i32 }"


def word(triple: str) -> str:
    """The LLVM type of C's size_t."""
    return "i32" if "p:32:32" in native.layout(triple).split("-") else "i64"


def field(name: str) -> str:
    """The address of a field of %run, as %name.at."""
    return f"%{name}.at = getelementptr {RUN}, ptr %run, i32 0, i32 {FIELDS.index(name)}"


def support(triple: str) -> str:
    """Every function below for a machine; all are internal."""
    enter, leave, declared = floating_point(triple.partition("-")[0])
    return "\n".join([NONE, declared, enter, leave, open_(word(triple)), cancelled(), STOP, DRAIN, SHARE, WALK, close_(), OVERLAP])


def floating_point(architecture: str) -> tuple[str, str, str]:
    """Setting the default floating-point environment (to nearest, no flush to zero, no traps), setting back, what they declare."""
    match architecture:
        case "x86_64" | "i386" | "i486" | "i586" | "i686":
            declared = "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"
            enter = """  call void @llvm.x86.sse.stmxcsr(ptr %save)
  %default = getelementptr i32, ptr %save, i64 1
  store i32 8064, ptr %default, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %default)
"""
            leave = "  call void @llvm.x86.sse.ldmxcsr(ptr %save)\n"
        case "aarch64" | "arm64" | "arm64e":
            declared = "declare i64 @llvm.aarch64.get.fpcr()\ndeclare void @llvm.aarch64.set.fpcr(i64)\n"
            enter = """  %old = call i64 @llvm.aarch64.get.fpcr()
  store i64 %old, ptr %save, align 8
  call void @llvm.aarch64.set.fpcr(i64 0)
"""
            leave = "  %old = load i64, ptr %save, align 8\n  call void @llvm.aarch64.set.fpcr(i64 %old)\n"
        case _:  # the others have no flush to zero, or none that C code sets
            declared = enter = leave = ""
    head = "define internal void @flow.fp."
    return (
        f"{head}enter(ptr %save) #0 {{\n{enter}  ret void\n}}\n",
        f"{head}leave(ptr %save) #0 {{\n{leave}  ret void\n}}\n",
        declared,
    )


NONE = """@flow.none = internal constant [6 x ptr] zeroinitializer, align 8
define internal ptr @flow.field(ptr %context, i64 %size, i64 %begin, i64 %end) #0 {
  %there = icmp ule i64 %end, %size
  %place = getelementptr i8, ptr %context, i64 %begin
  %at = select i1 %there, ptr %place, ptr @flow.none
  %value = load ptr, ptr %at, align 4
  ret ptr %value
}
"""


def open_(word: str) -> str:
    """Takes into %run what the context has: a field that ends beyond its `size` is not there."""
    step = 4 if word == "i32" else 8
    wide = "zext i32 %given to i64" if word == "i32" else "add i64 %given, 0"
    fields = "".join(
        f"  %{name} = call ptr @flow.field(ptr %context, i64 %size, i64 {n * step}, i64 {n * step + step})\n"
        f"  {field(name)}\n  store ptr %{name}, ptr %{name}.at, align 8\n"
        for n, name in ((1, "pool"), (2, "cancel"), (4, "event"), (5, "user"))
    )
    return f"""define internal ptr @flow.open(ptr %run, ptr %given.context) #0 {{
entry:
  %missing = icmp eq ptr %given.context, null
  %context = select i1 %missing, ptr @flow.none, ptr %given.context
  %given = load {word}, ptr %context, align {step}
  %size = {wide}
{fields}  %error = call ptr @flow.field(ptr %context, i64 %size, i64 {3 * step}, i64 {4 * step})
  %alone = icmp eq ptr %pool, null
  br i1 %alone, label %done, label %shared
shared:
  %threads.at.pool = getelementptr i8, ptr %pool, i64 {step}
  %found = load i32, ptr %threads.at.pool, align 4
  %many = call i32 @llvm.smax.i32(i32 %found, i32 1)
  %widened = zext i32 %many to i64
  br label %done
done:
  %threads = phi i64 [ 1, %entry ], [ %widened, %shared ]
  {field("threads")}
  store i64 %threads, ptr %threads.at, align 8
  %one = icmp eq i64 %threads, 1
  %unstopped = icmp eq ptr %cancel, null
  %whole = and i1 %one, %unstopped
  %cut = mul i64 %threads, {CHUNKS}
  %chunks = select i1 %whole, i64 1, i64 %cut
  {field("chunks")}
  store i64 %chunks, ptr %chunks.at, align 8
  {field("iteration")}
  store i64 0, ptr %iteration.at, align 8
  ret ptr %error
}}
"""


def cancelled() -> str:
    return f"""define internal i32 @flow.cancelled(ptr %run) #0 {{
entry:
  {field("cancel")}
  %cancel = load ptr, ptr %cancel.at, align 8
  %none = icmp eq ptr %cancel, null
  br i1 %none, label %no, label %look
look:
  %flag = load volatile i32, ptr %cancel, align 4
  %set = icmp ne i32 %flag, 0
  br i1 %set, label %yes, label %no
yes:
  {field("record")}
  %record = load ptr, ptr %record.at, align 8
  call void @flow.stop(ptr %record, i32 {Kind.CANCELLED.value}, i32 {NOWHERE}, i64 0, i64 0)
  ret i32 {Kind.CANCELLED.value}
no:
  ret i32 0
}}
"""


STOP = f"""define internal void @flow.stop(ptr %record, i32 %code, i32 %site, i64 %index, i64 %bound) noinline cold #0 {{
  store i32 %code, ptr %record, align 8
  %site.at = getelementptr {RECORD}, ptr %record, i32 0, i32 1
  store i32 %site, ptr %site.at, align 4
  %index.at = getelementptr {RECORD}, ptr %record, i32 0, i32 2
  store i64 %index, ptr %index.at, align 8
  %bound.at = getelementptr {RECORD}, ptr %record, i32 0, i32 3
  store i64 %bound, ptr %bound.at, align 8
  ret void
}}
"""

DRAIN = f"""define internal void @flow.drain(ptr %job) #0 {{
entry:
  %kernel = load ptr, ptr %job, align 8
  %args.at = getelementptr {JOB}, ptr %job, i32 0, i32 1
  %args = load ptr, ptr %args.at, align 8
  %cancel.at = getelementptr {JOB}, ptr %job, i32 0, i32 2
  %cancel = load ptr, ptr %cancel.at, align 8
  %chunks.at = getelementptr {JOB}, ptr %job, i32 0, i32 3
  %chunks = load i64, ptr %chunks.at, align 8
  %drawn.at = getelementptr {JOB}, ptr %job, i32 0, i32 4
  %unstopped = icmp eq ptr %cancel, null
  br label %draw
draw:
  %chunk = atomicrmw add ptr %drawn.at, i64 1 monotonic, align 8
  %left = icmp slt i64 %chunk, %chunks
  br i1 %left, label %look, label %done
look:
  br i1 %unstopped, label %call, label %ask
ask:
  %flag = load volatile i32, ptr %cancel, align 4
  %set = icmp ne i32 %flag, 0
  br i1 %set, label %leave, label %call
call:
  call void %kernel(ptr %args, i64 %chunk)
  br label %draw
leave:
  %left.out = getelementptr {JOB}, ptr %job, i32 0, i32 5
  store atomic i32 1, ptr %left.out monotonic, align 4
  br label %done
done:
  ret void
}}
"""

SHARE = """define internal void @flow.share(ptr %job, i64 %task) #0 {
  %save = alloca i64, align 8
  call void @flow.fp.enter(ptr %save)
  call void @flow.drain(ptr %job)
  call void @flow.fp.leave(ptr %save)
  ret void
}
"""

WALK = f"""define internal i32 @flow.walk(ptr %run, i32 %begin, i32 %end) #0 {{
entry:
  %job = alloca {JOB}, align 8
  %event = alloca {EVENT}, align 8
  {field("args")}
  {field("frame")}
  {field("record")}
  {field("pool")}
  {field("chunks")}
  {field("cancel")}
  {field("event")}
  {field("user")}
  {field("iteration")}
  {field("launches")}
  {field("slots")}
  {field("threads")}
  %args = load ptr, ptr %args.at, align 8
  %frame = load ptr, ptr %frame.at, align 8
  %record = load ptr, ptr %record.at, align 8
  %pool = load ptr, ptr %pool.at, align 8
  %chunks = load i64, ptr %chunks.at, align 8
  %cancel = load ptr, ptr %cancel.at, align 8
  %told = load ptr, ptr %event.at, align 8
  %user = load ptr, ptr %user.at, align 8
  %iteration = load i64, ptr %iteration.at, align 8
  %launches = load ptr, ptr %launches.at, align 8
  %slots = load ptr, ptr %slots.at, align 8
  %threads = load i64, ptr %threads.at, align 8
  %record.slot = getelementptr i64, ptr %args, i64 1
  store ptr %record, ptr %record.slot, align 8
  %iteration.slot = getelementptr i64, ptr %args, i64 2
  store i64 %iteration, ptr %iteration.slot, align 8
  %first.argument = getelementptr i64, ptr %args, i64 3
  %silent = icmp eq ptr %told, null
  br label %next
next:
  %n = phi i32 [ %begin, %entry ], [ %following, %passed ]
  %more = icmp slt i32 %n, %end
  br i1 %more, label %start, label %finished
start:
  %stopped = call i32 @flow.cancelled(ptr %run)
  %going = icmp eq i32 %stopped, 0
  br i1 %going, label %launch, label %out
launch:
  %wide = zext i32 %n to i64
  %entry.at = getelementptr {LAUNCH}, ptr %launches, i64 %wide
  %kernel = load ptr, ptr %entry.at, align 8
  %name.at = getelementptr {LAUNCH}, ptr %entry.at, i32 0, i32 1
  %slot.at = getelementptr {LAUNCH}, ptr %entry.at, i32 0, i32 2
  %slot32 = load i32, ptr %slot.at, align 4
  %slot = zext i32 %slot32 to i64
  %count.at = getelementptr {LAUNCH}, ptr %entry.at, i32 0, i32 3
  %count32 = load i32, ptr %count.at, align 4
  %count = zext i32 %count32 to i64
  %most.at = getelementptr {LAUNCH}, ptr %entry.at, i32 0, i32 4
  %most32 = load i32, ptr %most.at, align 4
  %most = zext i32 %most32 to i64
  %own = getelementptr i32, ptr %slots, i64 %slot
  br i1 %silent, label %gather, label %begun
begun:
  %name = load ptr, ptr %name.at, align 8
  store ptr %name, ptr %event, align 8
  %number.at = getelementptr {EVENT}, ptr %event, i32 0, i32 1
  store i32 %n, ptr %number.at, align 4
  %phase.at = getelementptr {EVENT}, ptr %event, i32 0, i32 2
  store i32 0, ptr %phase.at, align 4
  call void %told(ptr %user, ptr %event)
  br label %gather
gather:
  %i = phi i64 [ 0, %launch ], [ 0, %begun ], [ %j, %copy ]
  %some = icmp slt i64 %i, %count
  br i1 %some, label %copy, label %cut
copy:
  %where.at = getelementptr i32, ptr %own, i64 %i
  %where32 = load i32, ptr %where.at, align 4
  %where = zext i32 %where32 to i64
  %from = getelementptr i64, ptr %frame, i64 %where
  %argument = load i64, ptr %from, align 8
  %to = getelementptr i64, ptr %first.argument, i64 %i
  store i64 %argument, ptr %to, align 8
  %j = add i64 %i, 1
  br label %gather
cut:
  %allowed.at = getelementptr i64, ptr %frame, i64 %most
  %allowed = load i64, ptr %allowed.at, align 8
  %tasks = call i64 @llvm.smin.i64(i64 %chunks, i64 %allowed)
  %several = icmp sgt i64 %tasks, 1
  br i1 %several, label %share, label %alone
alone:
  store i64 1, ptr %args, align 8
  call void %kernel(ptr %args, i64 0)
  br label %done
share:
  store i64 %tasks, ptr %args, align 8
  store ptr %kernel, ptr %job, align 8
  %job.args = getelementptr {JOB}, ptr %job, i32 0, i32 1
  store ptr %args, ptr %job.args, align 8
  %job.cancel = getelementptr {JOB}, ptr %job, i32 0, i32 2
  store ptr %cancel, ptr %job.cancel, align 8
  %job.chunks = getelementptr {JOB}, ptr %job, i32 0, i32 3
  store i64 %tasks, ptr %job.chunks, align 8
  %job.drawn = getelementptr {JOB}, ptr %job, i32 0, i32 4
  store i64 0, ptr %job.drawn, align 8
  %job.left = getelementptr {JOB}, ptr %job, i32 0, i32 5
  store i32 0, ptr %job.left, align 4
  %one = icmp eq i64 %threads, 1
  br i1 %one, label %drain, label %fork
drain:
  call void @flow.drain(ptr %job)
  br label %joined
fork:
  %context = load ptr, ptr %pool, align 4
  %go.at = getelementptr {{ ptr, i32, ptr }}, ptr %pool, i32 0, i32 2
  %go = load ptr, ptr %go.at, align 4
  %started = call i64 @llvm.smin.i64(i64 %threads, i64 %tasks)
  call void %go(ptr %context, ptr @flow.share, ptr %job, i64 %started)
  br label %joined
joined:
  %left.out = load atomic i32, ptr %job.left monotonic, align 4
  %complete = icmp eq i32 %left.out, 0
  br i1 %complete, label %done, label %broken
broken:
  call void @flow.stop(ptr %record, i32 {Kind.CANCELLED.value}, i32 {NOWHERE}, i64 0, i64 0)
  br label %done
done:
  br i1 %silent, label %check, label %ended
ended:
  %phase.end = getelementptr {EVENT}, ptr %event, i32 0, i32 2
  store i32 1, ptr %phase.end, align 4
  call void %told(ptr %user, ptr %event)
  br label %check
check:
  %code = load i32, ptr %record, align 8
  %good = icmp eq i32 %code, 0
  br i1 %good, label %passed, label %out
passed:
  %following = add i32 %n, 1
  br label %next
out:
  %why = phi i32 [ %stopped, %start ], [ %code, %check ]
  ret i32 %why
finished:
  ret i32 0
}}
"""


def close_() -> str:
    """Tells the caller what the record holds; gives its code."""
    parts = "".join(
        f"  %{name}.from = getelementptr {RECORD}, ptr %record, i32 0, i32 {n}\n"
        f"  %{name} = load {type}, ptr %{name}.from, align {align}\n"
        f"  %{name}.to = getelementptr {{ i32, i32, i64, i64 }}, ptr %error, i32 0, i32 {n}\n"
        f"  store {type} %{name}, ptr %{name}.to, align {align}\n"
        for n, (name, type, align) in enumerate((("code", "i32", 4), ("site", "i32", 4), ("index", "i64", 8), ("bound", "i64", 8)))
    )
    return f"""define internal i32 @flow.close(ptr %record, ptr %error) #0 {{
entry:
  %result = load i32, ptr %record, align 8
  %good = icmp eq i32 %result, 0
  %unasked = icmp eq ptr %error, null
  %quiet = or i1 %good, %unasked
  br i1 %quiet, label %done, label %tell
tell:
{parts}  br label %done
done:
  ret i32 %result
}}
"""


OVERLAP = """define internal i64 @flow.overlap(ptr %ranges, i64 %written, i64 %all) #0 {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.on ]
  %some = icmp slt i64 %i, %written
  br i1 %some, label %take, label %none
take:
  %a.at = getelementptr [2 x i64], ptr %ranges, i64 %i
  %a = load i64, ptr %a.at, align 8
  %a.end.at = getelementptr i64, ptr %a.at, i64 1
  %a.end = load i64, ptr %a.end.at, align 8
  %i.next = add i64 %i, 1
  br label %inner
inner:
  %j = phi i64 [ %i.next, %take ], [ %j.next, %compare ]
  %more = icmp slt i64 %j, %all
  br i1 %more, label %compare, label %outer.on
compare:
  %b.at = getelementptr [2 x i64], ptr %ranges, i64 %j
  %b = load i64, ptr %b.at, align 8
  %b.end.at = getelementptr i64, ptr %b.at, i64 1
  %b.end = load i64, ptr %b.end.at, align 8
  %begin = call i64 @llvm.umax.i64(i64 %a, i64 %b)
  %end = call i64 @llvm.umin.i64(i64 %a.end, i64 %b.end)
  %both = icmp ult i64 %begin, %end
  %j.next = add i64 %j, 1
  br i1 %both, label %found, label %inner
found:
  %pair = mul i64 %i, 4294967296
  %which = add i64 %pair, %j
  ret i64 %which
outer.on:
  br label %outer
none:
  ret i64 -1
}
"""
