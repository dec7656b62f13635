"""The thread pool as LLVM text: a parallel-for over a fixed set of threads, the caller among them.

Each thread owns a range of the tasks, takes its own first and then those of others, so that no task waits for a
thread that is not running.  All waits spin for a bounded time and then sleep.  When two joins within `WINDOW` jobs
slept long (a thread lost its processor in the middle of a task) threads stop spinning for `CALM` jobs: one that
sleeps is scheduled at once when woken, one that spins has used up its share.
"""

from __future__ import annotations

from flowc_runtime.machine import Processor, System, machine
from flowc_runtime.pool_layout import LINE_BYTES, POOL, at, line, on
from flowc_runtime.pool_waits import CONDITION, LIBRARY, clock, futex, spins

IDLE_SPIN = 98_000  # nanoseconds a thread without work spins before it sleeps
JOIN_SPIN = 25_000  # nanoseconds the caller spins for the last tasks
LATE = 300_000  # nanoseconds asleep in a join after which a task was held up by the scheduler
WINDOW = 256  # jobs
CALM = 1000  # jobs


def pool_text(triple: str) -> str:
    """A module defining `flow_pool_create`, `flow_pool_destroy` and `flow_pool_forked` for the machine `triple` names.

    ptr flow_pool_create(i32 threads)   a flow_pool, null without memory; 0 threads: as many as there are processors
    void flow_pool_destroy(ptr pool)    ends its threads; no run may be in progress
    void flow_pool_forked(ptr pool)     in the child of a fork: forgets the threads, the next run starts others

    Threads start at the first run of two tasks or more.  A run while another is in progress (from a second thread, or
    from within a task) does its tasks on its own thread.  Raises UnsupportedTarget.
    """
    return text(*machine(triple))


def text(processor: Processor, system: System) -> str:
    """The module for a processor and an operating system."""
    sleep = futex(processor.futex) if system.futex else CONDITION
    parts = [LIBRARY, processor.declarations, system.processors, sleep, clock(system), *spins(processor), DRAIN, _worker(processor)]
    return "\n".join([*parts, _start(system), JOIN, RUN, ALONE, CREATE, DESTROY, FORKED])


# A claim counts: the job cannot end before the claimed task ran, so task, argument and ends hold still meanwhile.
DRAIN = f"""define internal void @flow_pool.drain(ptr %pool, i64 %number) noinline {{
entry:
  {at("threads")}
  %threads32 = load i32, ptr %threads.at, align 8
  %threads = zext i32 %threads32 to i64
  {at("lines")}
  {at("pending")}
  br label %owner
owner:
  %victim = phi i64 [ %number, %entry ], [ %other, %next ]
  %tried = phi i64 [ 0, %entry ], [ %trying, %next ]
  {line("victim")}
  br label %peek
peek:
  %seen = load atomic i64, ptr %line monotonic, align 8
  %some = icmp sgt i64 %seen, 0
  br i1 %some, label %claim, label %next
claim:
  %left = atomicrmw sub ptr %line, i64 1 acq_rel, align 8
  %mine = icmp sgt i64 %left, 0
  br i1 %mine, label %run, label %next
run:
  {on("end")}
  %end = load i64, ptr %end.at, align 8
  %i = sub i64 %end, %left
  {at("task")}
  %task = load ptr, ptr %task.at, align 8
  {at("argument")}
  %argument = load ptr, ptr %argument.at, align 8
  call void %task(ptr %argument, i64 %i)
  %before = atomicrmw sub ptr %pending.at, i64 1 seq_cst, align 8
  %last = icmp eq i64 %before, 1
  br i1 %last, label %ended, label %peek
ended:
  {at("waiting")}
  %waiting = load atomic i32, ptr %waiting.at seq_cst, align 8
  %asleep = icmp ne i32 %waiting, 0
  br i1 %asleep, label %wake, label %done
wake:
  store atomic i32 0, ptr %waiting.at seq_cst, align 8
  call void @flow_pool.wake(ptr %pool, ptr %waiting.at, i32 1)
  br label %done
next:
  %trying = add i64 %tried, 1
  %up = add i64 %victim, 1
  %wraps = icmp sge i64 %up, %threads
  %other = select i1 %wraps, i64 0, i64 %up
  %more = icmp slt i64 %trying, %threads
  br i1 %more, label %owner, label %done
done:
  ret void
}}
"""


def _worker(processor: Processor) -> str:
    return f"""define internal ptr @flow_pool.worker(ptr %line) {{
entry:
  {processor.default_floats}
  {on("pool")}
  %pool = load ptr, ptr %pool.at, align 8
  {on("number")}
  %number = load i64, ptr %number.at, align 8
  {at("generation")}
  {at("penalty")}
  {at("leaving")}
  {at("sleepers")}
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %generation, %work ], [ %seen, %rest ]
  %penalty = load atomic i32, ptr %penalty.at monotonic, align 4
  %calm = icmp sgt i32 %penalty, 0
  %limit = select i1 %calm, i64 0, i64 {IDLE_SPIN}
  %came = call i1 @flow_pool.arrived(ptr %pool, i32 %seen, i64 %limit)
  br i1 %came, label %new, label %rest
rest:
  %more = atomicrmw add ptr %sleepers.at, i32 1 seq_cst, align 4
  call void @flow_pool.sleep(ptr %pool, ptr %generation.at, i32 %seen)
  %fewer = atomicrmw sub ptr %sleepers.at, i32 1 seq_cst, align 4
  br label %idle
new:
  %generation = load atomic i32, ptr %generation.at seq_cst, align 4
  %leaving = load atomic i32, ptr %leaving.at seq_cst, align 4
  %stay = icmp eq i32 %leaving, 0
  br i1 %stay, label %work, label %leave
work:
  call void @flow_pool.drain(ptr %pool, i64 %number)
  br label %idle
leave:
  ret ptr null
}}
"""


def _start(system: System) -> str:
    """Starts the threads with all signals blocked; a range whose thread could not start is taken by the others."""
    return f"""define internal void @flow_pool.start(ptr %pool, i64 %threads) noinline {{
entry:
  %all = alloca [16 x i64], align 8
  %old = alloca [16 x i64], align 8
  {at("begun")}
  store i32 1, ptr %begun.at, align 8
  %filled = call i32 @sigfillset(ptr %all)
  %masked = call i32 @pthread_sigmask(i32 {system.set_mask}, ptr %all, ptr %old)
  {at("lines")}
  br label %each
each:
  %i = phi i64 [ 1, %entry ], [ %following, %create ], [ %following, %failed ]
  %more = icmp slt i64 %i, %threads
  br i1 %more, label %create, label %done
create:
  {line("i")}
  {on("id")}
  {on("pool")}
  {on("number")}
  store ptr %pool, ptr %pool.at, align 8
  store i64 %i, ptr %number.at, align 8
  %status = call i32 @pthread_create(ptr %id.at, ptr null, ptr @flow_pool.worker, ptr %line)
  %following = add i64 %i, 1
  %started = icmp eq i32 %status, 0
  br i1 %started, label %each, label %failed
failed:
  store i64 0, ptr %number.at, align 8
  br label %each
done:
  %unmasked = call i32 @pthread_sigmask(i32 {system.set_mask}, ptr %old, ptr null)
  ret void
}}
"""


JOIN = f"""define internal void @flow_pool.join(ptr %pool, i32 %job) {{
entry:
  %quick = call i1 @flow_pool.ended(ptr %pool, i64 {JOIN_SPIN})
  br i1 %quick, label %done, label %wait
wait:
  {at("pending")}
  {at("waiting")}
  %began = call i64 @flow_pool.now()
  br label %again
again:
  store atomic i32 1, ptr %waiting.at seq_cst, align 8
  %pending = load atomic i64, ptr %pending.at seq_cst, align 8
  %over = icmp eq i64 %pending, 0
  br i1 %over, label %woken, label %sleep
sleep:
  call void @flow_pool.sleep(ptr %pool, ptr %waiting.at, i32 1)
  br label %again
woken:
  store atomic i32 0, ptr %waiting.at seq_cst, align 8
  %now = call i64 @flow_pool.now()
  %slept = sub i64 %now, %began
  %late = icmp sgt i64 %slept, {LATE}
  br i1 %late, label %held, label %done
held:
  {at("latest")}
  %latest = load i32, ptr %latest.at, align 8
  %this = add i32 %job, {WINDOW}
  store i32 %this, ptr %latest.at, align 8
  %gap = sub i32 %this, %latest
  %near = icmp ult i32 %gap, {WINDOW}
  %penalty = select i1 %near, i32 {CALM}, i32 0
  {at("penalty")}
  store atomic i32 %penalty, ptr %penalty.at monotonic, align 4
  br label %done
done:
  ret void
}}
"""

RUN = f"""define internal void @flow_pool.run(ptr %pool, ptr %task, ptr %argument, i64 %tasks) {{
entry:
  {at("threads")}
  %threads32 = load i32, ptr %threads.at, align 8
  %threads = zext i32 %threads32 to i64
  %least = call i64 @llvm.smin.i64(i64 %threads, i64 %tasks)
  %many = icmp sgt i64 %least, 1
  br i1 %many, label %lock, label %alone
lock:
  {at("busy")}
  %was = atomicrmw xchg ptr %busy.at, i32 1 acquire, align 4
  %free = icmp eq i32 %was, 0
  br i1 %free, label %ready, label %alone
alone:
  call void @flow_pool.alone(ptr %task, ptr %argument, i64 %tasks)
  ret void
ready:
  {at("begun")}
  %begun = load i32, ptr %begun.at, align 8
  %first = icmp eq i32 %begun, 0
  br i1 %first, label %start, label %share
start:
  call void @flow_pool.start(ptr %pool, i64 %threads)
  br label %share
share:
  {at("penalty")}
  %penalty = load atomic i32, ptr %penalty.at monotonic, align 4
  %eased = sub i32 %penalty, 1
  %kept = call i32 @llvm.smax.i32(i32 %eased, i32 0)
  store atomic i32 %kept, ptr %penalty.at monotonic, align 4
  {at("task")}
  store ptr %task, ptr %task.at, align 8
  {at("argument")}
  store ptr %argument, ptr %argument.at, align 8
  {at("pending")}
  store atomic i64 %tasks, ptr %pending.at monotonic, align 8
  {at("lines")}
  %each = udiv i64 %tasks, %threads
  %odd = urem i64 %tasks, %threads
  br label %give
give:
  %i = phi i64 [ 0, %share ], [ %following, %give ]
  %begin = phi i64 [ 0, %share ], [ %end, %give ]
  %larger = icmp slt i64 %i, %odd
  %one = zext i1 %larger to i64
  %count = add i64 %each, %one
  %end = add i64 %begin, %count
  {line("i")}
  {on("end")}
  store i64 %end, ptr %end.at, align 8
  store atomic i64 %count, ptr %line release, align 8
  %following = add i64 %i, 1
  %more = icmp slt i64 %following, %threads
  br i1 %more, label %give, label %call
call:
  {at("generation")}
  %job = atomicrmw add ptr %generation.at, i32 1 seq_cst, align 4
  {at("sleepers")}
  %sleepers = load atomic i32, ptr %sleepers.at seq_cst, align 4
  %asleep = icmp ne i32 %sleepers, 0
  br i1 %asleep, label %wake, label %work
wake:
  %helpers = sub i64 %least, 1
  %helpers32 = trunc i64 %helpers to i32
  call void @flow_pool.wake(ptr %pool, ptr %generation.at, i32 %helpers32)
  br label %work
work:
  call void @flow_pool.drain(ptr %pool, i64 0)
  call void @flow_pool.join(ptr %pool, i32 %job)
  store atomic i32 0, ptr %busy.at release, align 4
  ret void
}}
"""

ALONE = """define internal void @flow_pool.alone(ptr %task, ptr %argument, i64 %tasks) {
entry:
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %following, %run ]
  %more = icmp slt i64 %i, %tasks
  br i1 %more, label %run, label %done
run:
  call void %task(ptr %argument, i64 %i)
  %following = add i64 %i, 1
  br label %each
done:
  ret void
}
"""


CREATE = f"""define ptr @flow_pool_create(i32 %threads) {{
entry:
  %made = alloca ptr, align 8
  %given = icmp sgt i32 %threads, 0
  br i1 %given, label %known, label %count
count:
  %found = call i32 @flow_pool.processors()
  %some = call i32 @llvm.smax.i32(i32 %found, i32 1)
  br label %known
known:
  %n = phi i32 [ %threads, %entry ], [ %some, %count ]
  %wide = zext i32 %n to i64
  %lines = mul i64 %wide, {LINE_BYTES}
  %bytes = add i64 %lines, {POOL["lines"]}
  %status = call i32 @posix_memalign(ptr %made, i64 128, i64 %bytes)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %none, label %fill
none:
  ret ptr null
fill:
  %pool = load ptr, ptr %made, align 8
  call void @llvm.memset.p0.i64(ptr %pool, i8 0, i64 %bytes, i1 false)
  store ptr %pool, ptr %pool, align 8
  {at("threads")}
  store i32 %n, ptr %threads.at, align 8
  {at("run")}
  store ptr @flow_pool.run, ptr %run.at, align 8
  call void @flow_pool.prepare(ptr %pool)
  ret ptr %pool
}}
"""


DESTROY = f"""define void @flow_pool_destroy(ptr %pool) {{
entry:
  %none = icmp eq ptr %pool, null
  br i1 %none, label %done, label %end
end:
  {at("leaving")}
  store atomic i32 1, ptr %leaving.at seq_cst, align 4
  {at("generation")}
  %job = atomicrmw add ptr %generation.at, i32 1 seq_cst, align 4
  call void @flow_pool.wake(ptr %pool, ptr %generation.at, i32 2147483647)
  {at("threads")}
  %threads32 = load i32, ptr %threads.at, align 8
  %threads = zext i32 %threads32 to i64
  {at("lines")}
  br label %each
each:
  %i = phi i64 [ 1, %end ], [ %following, %next ]
  %more = icmp slt i64 %i, %threads
  br i1 %more, label %look, label %free
look:
  {line("i")}
  {on("number")}
  %number = load i64, ptr %number.at, align 8
  %started = icmp ne i64 %number, 0
  br i1 %started, label %join, label %next
join:
  {on("id")}
  %id = load i64, ptr %id.at, align 8
  %joined = call i32 @pthread_join(i64 %id, ptr null)
  br label %next
next:
  %following = add i64 %i, 1
  br label %each
free:
  call void @free(ptr %pool)
  br label %done
done:
  ret void
}}
"""


FORKED = f"""define void @flow_pool_forked(ptr %pool) {{
  {at("threads")}
  %threads32 = load i32, ptr %threads.at, align 8
  %threads = zext i32 %threads32 to i64
  %lines = mul i64 %threads, {LINE_BYTES}
  %bytes = add i64 %lines, {POOL["lines"] - POOL["begun"]}
  {at("begun")}
  call void @llvm.memset.p0.i64(ptr %begun.at, i8 0, i64 %bytes, i1 false)
  call void @flow_pool.prepare(ptr %pool)
  ret void
}}
"""
