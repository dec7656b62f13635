"""The thread pool: each task runs once, whoever calls, whatever sleeps."""

import ctypes
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from flowc_runtime.machine import UnsupportedTarget, machine
from flowc_runtime.pool import Pool
from flowc_runtime.pool_text import pool_text, text

PROCESSOR, SYSTEM = machine(llvm.get_default_triple())
FLAVOURS = {"own": SYSTEM, "condition": replace(SYSTEM, futex=False)}

# Jobs of 1 to `most` tasks; each task adds 1 to the cell of its number.
JOBS = """
define void @count(ptr %cells, i64 %i) {
  %cell = getelementptr i64, ptr %cells, i64 %i
  %old = atomicrmw add ptr %cell, i64 1 monotonic
  ret void
}
define void @jobs(ptr %pool, ptr %cells, i64 %jobs, i64 %most) {
entry:
  %at = getelementptr i8, ptr %pool, i64 16
  %run = load ptr, ptr %at
  br label %job
job:
  %j = phi i64 [ 0, %entry ], [ %following, %job ]
  %mixed = mul i64 %j, 7919
  %rest = urem i64 %mixed, %most
  %tasks = add i64 %rest, 1
  call void %run(ptr %pool, ptr @count, ptr %cells, i64 %tasks)
  %following = add i64 %j, 1
  %more = icmp slt i64 %following, %jobs
  br i1 %more, label %job, label %done
done:
  ret void
}
"""
Address = Callable[[str], int]


@pytest.fixture(scope="module", params=FLAVOURS)
def code(request: pytest.FixtureRequest, native: Callable[[str], Address]) -> Address:
    """The pool with threads that sleep the system's own way, and with those that wait for a condition variable."""
    return native(text(PROCESSOR, FLAVOURS[request.param]) + JOBS)


@pytest.fixture(params=(2, 3))
def pool(request: pytest.FixtureRequest, code: Address) -> Iterator[Pool]:
    made = Pool(code, request.param)
    yield made
    made.close()


def test_every_task_of_many_jobs_runs_once(pool: Pool, code: Address) -> None:
    cells = run_jobs(code, pool, 20_000, 39)
    assert cells == expected(20_000, 39)


def test_jobs_with_pauses_between_them_wake_sleeping_threads(pool: Pool) -> None:
    seen: Counter[int] = Counter()
    for _ in range(20):
        time.sleep(0.001)
        pool.run(lambda _, i: seen.update([i]), 5)
    assert seen == {i: 20 for i in range(5)}


def test_tasks_run_on_several_threads_at_once(pool: Pool) -> None:
    meeting = threading.Barrier(pool.threads, timeout=30)
    threads: set[int] = set()

    def meet(_: int, i: int) -> None:
        meeting.wait()
        threads.add(threading.get_native_id())

    pool.run(meet, pool.threads)
    assert len(threads) == pool.threads


def test_several_callers_at_the_same_time_get_all_their_tasks(pool: Pool, code: Address) -> None:
    results: list[list[int]] = []
    callers = [threading.Thread(target=lambda: results.append(run_jobs(code, pool, 5_000, 17))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == [expected(5_000, 17)] * 3


def test_a_task_may_run_tasks(pool: Pool) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    pool.run(lambda _, i: pool.run(lambda _, j: seen.update([(i, j)]), 3), 4)
    assert seen == {(i, j): 1 for i in range(4) for j in range(3)}


def test_no_task_is_no_work_and_one_runs_on_the_caller(pool: Pool) -> None:
    seen: list[tuple[int, int]] = []
    pool.run(lambda _, i: seen.append((i, threading.get_native_id())), 0)
    pool.run(lambda _, i: seen.append((i, threading.get_native_id())), 1)
    assert seen == [(0, threading.get_native_id())]


def test_threads_start_at_the_first_run_of_two_tasks_and_end_with_the_pool(code: Address) -> None:
    before = threads_of_this_process()
    pool = Pool(code, 3)
    pool.run(lambda _, i: None, 1)
    assert threads_of_this_process() == before
    pool.run(lambda _, i: None, 2)
    assert len(threads_of_this_process() - before) == 2
    pool.close()
    assert threads_of_this_process() - before == set()


def test_idle_threads_use_no_time(pool: Pool) -> None:
    pool.run(lambda _, i: None, 8)
    time.sleep(0.05)
    start = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - start < 0.02


def test_the_child_of_a_fork_has_threads_of_its_own(pool: Pool, code: Address) -> None:
    run_jobs(code, pool, 100, 9)
    child = os.fork()
    if child == 0:
        good = run_jobs(code, pool, 200, 9) == expected(200, 9) and len(threads_of_this_process()) == pool.threads
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run_jobs(code, pool, 100, 9) == expected(100, 9)


def test_workers_have_the_default_floating_point_environment(native: Callable[[str], Address]) -> None:
    if PROCESSOR is not machine("x86_64-linux")[0]:
        pytest.skip("reads MXCSR")
    address = native(pool_text(llvm.get_default_triple()) + FLOATS)
    ctypes.CFUNCTYPE(None)(address("flush_to_zero"))()
    try:
        meeting = threading.Barrier(2, timeout=30)
        read = ctypes.CFUNCTYPE(ctypes.c_uint32)(address("mxcsr"))
        states: dict[int, int] = {}

        def look(_: int, i: int) -> None:
            meeting.wait()
            states[threading.get_native_id()] = read() & ~0x3F

        pool = Pool(address, 2)
        pool.run(look, 2)
        pool.close()
        mine = states.pop(threading.get_native_id())
    finally:
        ctypes.CFUNCTYPE(None)(address("default"))()
    assert mine == 0x9FC0 and list(states.values()) == [0x1F80]


FLOATS = """
declare void @llvm.x86.sse.stmxcsr(ptr)
define i32 @mxcsr() {
  %at = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %at)
  %state = load i32, ptr %at
  ret i32 %state
}
define void @flush_to_zero() {
  %at = alloca i32
  store i32 40896, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  ret void
}
define void @default() {
  %at = alloca i32
  store i32 8064, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  ret void
}
"""


@pytest.mark.parametrize(
    "triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "arm64-apple-macosx14.0", "x86_64-unknown-freebsd14.1"]
)
def test_the_text_compiles_for(triple: str) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(pool_text(triple))
    module.verify()
    assert llvm.Target.from_triple(triple).create_target_machine(opt=2).emit_object(module)


def test_other_machines_are_refused() -> None:
    with pytest.raises(UnsupportedTarget) as caught:
        pool_text("x86_64-pc-windows-msvc")
    assert str(caught.value) == (
        "no thread pool for x86_64-pc-windows-msvc, only for x86_64 and aarch64 on linux, darwin, freebsd: "
        "pass a flow_pool of your own, or compile to .o or .a"
    )


def run_jobs(code: Address, pool: Pool, jobs: int, most: int) -> list[int]:
    """How often each task ran."""
    cells = (ctypes.c_int64 * most)()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(code("jobs"))(
        pool.address, ctypes.addressof(cells), jobs, most
    )
    return list(cells)


def expected(jobs: int, most: int) -> list[int]:
    sizes = Counter(j * 7919 % most + 1 for j in range(jobs))
    return [sum(count for tasks, count in sizes.items() if i < tasks) for i in range(most)]


def threads_of_this_process() -> set[str]:
    return {entry.name for entry in Path("/proc/self/task").iterdir()}


def test_a_pool_that_has_no_memory_is_refused() -> None:
    nothing = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int)(lambda threads: None)
    with pytest.raises(MemoryError) as caught:
        Pool(lambda name: ctypes.cast(nothing, ctypes.c_void_p).value or 0, threads=3)
    assert str(caught.value) == "no memory for a pool of 3 threads"
