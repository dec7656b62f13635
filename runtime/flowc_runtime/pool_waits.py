"""How a thread of the pool waits, as LLVM text: by looking for a bounded time, then asleep."""

from __future__ import annotations

from flowc_runtime.machine import Processor, System
from flowc_runtime.pool_layout import at

BURST = 64  # looks between two readings of the clock

LIBRARY = """declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)
declare i32 @clock_gettime(i32, ptr)
declare i64 @llvm.smin.i64(i64, i64)
declare i32 @llvm.smin.i32(i32, i32)
declare i32 @llvm.smax.i32(i32, i32)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""


def futex(number: int) -> str:
    """Sleeping while a word holds a value; both operations are private to the process (128)."""
    call = f"call i64 (i64, ...) @syscall(i64 {number}, ptr %word, i32"
    return f"""declare i64 @syscall(i64, ...)
define internal void @flow_pool.sleep(ptr %pool, ptr %word, i32 %value) {{
  %r = {call} 128, i32 %value, ptr null, ptr null, i32 0)
  ret void
}}
define internal void @flow_pool.wake(ptr %pool, ptr %word, i32 %count) {{
  %r = {call} 129, i32 %count, ptr null, ptr null, i32 0)
  ret void
}}
define internal void @flow_pool.prepare(ptr %pool) {{
  ret void
}}
"""


CONDITION = f"""declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
define internal void @flow_pool.sleep(ptr %pool, ptr %word, i32 %value) {{
entry:
  {at("mutex")}
  {at("condition")}
  %locked = call i32 @pthread_mutex_lock(ptr %mutex.at)
  %found = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %found, %value
  br i1 %same, label %wait, label %done
wait:
  %woken = call i32 @pthread_cond_wait(ptr %condition.at, ptr %mutex.at)
  br label %done
done:
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex.at)
  ret void
}}
define internal void @flow_pool.wake(ptr %pool, ptr %word, i32 %count) {{
  {at("mutex")}
  {at("condition")}
  %locked = call i32 @pthread_mutex_lock(ptr %mutex.at)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex.at)
  %woken = call i32 @pthread_cond_broadcast(ptr %condition.at)
  ret void
}}
define internal void @flow_pool.prepare(ptr %pool) {{
  {at("mutex")}
  {at("condition")}
  %m = call i32 @pthread_mutex_init(ptr %mutex.at, ptr null)
  %c = call i32 @pthread_cond_init(ptr %condition.at, ptr null)
  ret void
}}
"""


def clock(system: System) -> str:
    return f"""define internal i64 @flow_pool.now() {{
  %time = alloca [2 x i64], align 8
  %r = call i32 @clock_gettime(i32 {system.monotonic}, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %rest.at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest.at, align 8
  %whole = mul i64 %seconds, 1000000000
  %sum = add i64 %whole, %rest
  ret i64 %sum
}}
"""


def spins(processor: Processor) -> tuple[str, str]:
    """Whether a job after generation `seen` arrives, and whether all tasks end, within `limit` nanoseconds."""
    arrived = """%generation = load atomic i32, ptr %generation.at seq_cst, align 4
  %came = icmp ne i32 %generation, %seen"""
    ended = """%pending = load atomic i64, ptr %pending.at acquire, align 8
  %came = icmp eq i64 %pending, 0"""
    return (
        _spin("arrived(ptr %pool, i32 %seen, i64 %limit)", "generation", arrived, processor.pause),
        _spin("ended(ptr %pool, i64 %limit)", "pending", ended, processor.pause),
    )


def _spin(head: str, word: str, look: str, pause: str) -> str:
    return f"""define internal i1 @flow_pool.{head} {{
entry:
  {at(word)}
  %patient = icmp sgt i64 %limit, 0
  br label %look
look:
  %n = phi i32 [ 1, %entry ], [ %following, %on ]
  %since = phi i64 [ 0, %entry ], [ %start, %on ]
  {look}
  br i1 %came, label %yes, label %missed
missed:
  br i1 %patient, label %pause, label %no
pause:
  {pause}
  %part = and i32 %n, {BURST - 1}
  %timed = icmp eq i32 %part, 0
  br i1 %timed, label %time, label %on
time:
  %now = call i64 @flow_pool.now()
  %first = icmp eq i64 %since, 0
  %began = select i1 %first, i64 %now, i64 %since
  %spent = sub i64 %now, %began
  %over = icmp sgt i64 %spent, %limit
  br i1 %over, label %no, label %on
on:
  %start = phi i64 [ %since, %pause ], [ %began, %time ]
  %following = add i32 %n, 1
  br label %look
yes:
  ret i1 true
no:
  ret i1 false
}}
"""
