"""A model in a process with threads, forks, other floating-point environments, and arrays that outlive it."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import flowc as fc
from flowc.codegen.native import load
from flowc.executable import linked
from flowc.ir.types import DType
from flowc.target import host
from tests.promises.bits import Array, native, same
from tests.promises.every_op import inputs, module

TEXT = """dim N in 0..4096
param w: f32[64, 64] = full([64, 64], 0.5)
state count: i64 = 0
state last: f32[64] = zeros()
graph layer(x: f32[N, 64]) -> (y: f32[N, 64], total: f32[N]) {
  y = relu(x @ w) + x
  total = sum(y, axis=-1)
}
graph step(x: f32[64], ok: bool) -> (before: i64) {
  count := count + 1
  last := last * 0.5 + x
  w := w + 1.0
  before = count + 0
  assert ok, "ok holds"
}
graph pick(ids: i64[N]) -> (rows: f32[N, 64]) {
  rows = w[ids]
}
graph rounds(x: f32[N], n: i32) -> (y: f32[N]) {
  y, k = loop (y = x, k: i32 = 0) while k < n limit 5000 { yield y * 0.5 + 1.0, k + 1 }
}
"""


@pytest.fixture(scope="module")
def shared() -> fc.Model:
    """One model on three threads; tests leave its state as it was."""
    return fc.loads(TEXT, fc.Options(cache=False, threads=3), "model.flow")


@pytest.fixture(scope="module")
def loaded(shared: fc.Model) -> Callable[[], Any]:
    """Gives the code of the model with a state of its own."""
    return lambda: linked(shared.compiled, 3).model


def examples(n: int, seed: int = 0) -> Array:
    """Small integers, so that every order of sums is exact."""
    return np.random.default_rng([seed, n]).integers(-3, 4, (n, 64)).astype(np.float32)


def expected(x: Array) -> tuple[Array, Array]:
    y = np.maximum(x @ np.full((64, 64), 0.5, np.float32), 0) + x
    return y, y.sum(axis=-1)


def together(tasks: list[Callable[[], None]]) -> None:
    """Runs the tasks at once; raises what one of them raised."""
    failures: list[BaseException] = []

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("n", [0, 1, 7, 64, 1000])
def test_one_compile_serves_every_size(shared: fc.Model, n: int) -> None:
    same(shared.layer(examples(n)), expected(examples(n)))


def test_many_threads_of_python_call_one_model_at_once(shared: fc.Model) -> None:
    def task(seed: int) -> Callable[[], None]:
        n = (1, 300, 900)[seed % 3]
        x = examples(n, seed)

        def calls() -> None:
            wanted = expected(x)
            out = [np.empty_like(a) for a in wanted]
            for _ in range(15):
                same(shared.layer(x), wanted)
                shared.layer(x, out=out)
                same(out, wanted)

        return calls

    together([task(seed) for seed in range(8)])


def test_runs_that_write_state_take_turns_and_readers_see_whole_states(loaded: Callable[[], Any]) -> None:
    model, x, seen = loaded(), np.ones(64, np.float32), list[int]()

    def writes() -> None:
        seen.extend(int(model.step(x, True)) for _ in range(100))

    def reads() -> None:
        for _ in range(100):
            rows = model.pick([0, 63, -1])
            assert (rows == rows[0, 0]).all()  # w is one number everywhere between two runs

    together([writes, writes, reads])
    assert sorted(seen) == list(range(200)) and model.state["count"] == 200
    assert (model.params["w"] == 200.5).all()


def test_a_run_that_fails_in_one_thread_leaves_the_state_for_others(loaded: Callable[[], Any]) -> None:
    model, x = loaded(), np.ones(64, np.float32)

    def fails() -> None:
        for _ in range(100):
            with pytest.raises(fc.Error):
                model.step(x, False)

    def succeeds() -> None:
        for _ in range(100):
            model.step(x, True)

    together([fails, succeeds, fails])
    assert model.state["count"] == 100 and (model.params["w"] == 100.5).all()


def test_an_index_out_of_range_names_the_index_the_size_and_the_line(shared: fc.Model) -> None:
    before = {name: array.copy() for name, array in {**shared.params, **shared.state}.items()}
    with pytest.raises(fc.RunError) as failed:
        shared.pick([3, 63, 64, 99])
    assert str(failed.value) == (
        "model.flow:17:10: error: index 64 is out of range for size 64: ids indexes w\n    rows = w[ids]\n           ^~~~~~"
    )
    for name, array in {**shared.params, **shared.state}.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_loop_of_a_thousand_rounds_takes_the_memory_of_one(shared: fc.Model) -> None:
    x = np.arange(64, dtype=np.float32)
    y = x
    for _ in range(1000):
        y = y * np.float32(0.5) + np.float32(1)
    same([shared.rounds(x, 1000)], [y])
    shared.rounds(x, 1)
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        shared.rounds(x, 5000)
        assert tracemalloc.get_traced_memory()[1] - start < 4096
    finally:
        tracemalloc.stop()
    assert shared.rounds.memory_at(N=64) == shared.linked.model.memory["rounds"](N=64) <= 4 * 64 * 4


def test_a_model_is_dropped_while_its_arrays_and_its_functions_live() -> None:
    model = fc.loads(TEXT, fc.Options(cache=False, threads=2), "model.flow")
    x = examples(300)
    w, count, found, layer = model.params["w"], model.state["count"], model.layer(x), model.layer
    params = model.params
    del model
    gc.collect()
    w += 0.0
    same(found, expected(x))
    same(layer(x), expected(x))
    del layer
    gc.collect()
    assert (params["w"] == 0.5).all() and count == 0
    del params
    gc.collect()
    w[...] = 1
    assert (w == 1).all()


def test_a_child_of_a_fork_runs_the_model_on_threads_of_its_own(shared: fc.Model) -> None:
    x = examples(900)
    wanted = expected(x)
    shared.layer(x)  # starts the threads
    child = os.fork()
    if child == 0:
        good = False
        try:
            same(shared.layer(x), wanted)
            same([shared.pick([1])], [np.full((1, 64), 0.5, np.float32)])
            good = True
        finally:
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    same(shared.layer(x), wanted)


def test_a_child_of_a_fork_has_a_whole_state_while_other_threads_of_the_parent_write_it(loaded: Callable[[], Any]) -> None:
    model, x, stop, codes = loaded(), np.ones(64, np.float32), threading.Event(), list[int]()

    def writes() -> None:
        while not stop.is_set():
            model.step(x, True)

    def forks() -> None:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                good = False
                try:
                    rows = model.pick([0, 63, -1])
                    good = bool((model.params["w"] == rows[0, 0]).all()) and rows[0, 0] == model.state["count"] + 0.5
                finally:
                    os._exit(0 if good else 1)
            codes.append(wait(child))
        stop.set()

    together([writes, writes, forks])
    assert codes == [0] * 5


def wait(child: int) -> int:
    """The exit status of a child, which is killed where it takes ten seconds."""
    timer = threading.Timer(10, lambda: os.kill(child, 9))
    timer.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        timer.cancel()


MXCSR = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define i32 @exchanged(i32 %new) {
  %at = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %at)
  %old = load i32, ptr %at
  store i32 %new, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  ret i32 %old
}
"""


@contextmanager
def environment(word: int) -> Iterator[Callable[[], int]]:
    """The floating-point environment of this thread is `word`; gives what tells it."""
    library = load(MXCSR, host())
    exchanged = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(library.address("exchanged"))

    def read() -> int:
        word = exchanged(0x1F80)
        exchanged(word)
        return word & 0xFFC0

    old = exchanged(word)
    try:
        yield read
    finally:
        exchanged(old)


@pytest.mark.skipif(not host().triple.startswith("x86_64"), reason="sets MXCSR")
@pytest.mark.parametrize("word", [0x9FC0, 0x5F80, 0x7F80], ids=["flushes to zero", "rounds up", "rounds to zero"])
def test_the_callers_floating_point_environment_changes_no_bit_and_comes_back(word: int, shared: fc.Model) -> None:
    x = np.full((900, 64), 2.0**-140, np.float32)  # denormal numbers
    x[::2] = 1 / 3
    wanted = shared.layer(x)
    with environment(word) as read:
        found = shared.layer(x)
        kept = read()
        with pytest.raises(fc.Error):
            shared.pick([64])
        after = read()
    same(found, wanted)
    assert (kept, after) == (word, word)


@pytest.mark.skipif(not host().triple.startswith("x86_64"), reason="sets MXCSR")
def test_flushing_to_zero_changes_no_bit_of_any_op() -> None:
    program, given = native(module(DType.f32)), inputs(DType.f32, 64)
    given[0][::2], given[1][::3] = given[0][::2] * np.float32(1e-39), np.float32(2**-140)
    wanted = program("rows", *given, threads=2).outputs
    with environment(0x9FC0):
        found = program("rows", *given, threads=2).outputs
    same(found, wanted)


def test_several_threads_compile_at_once_and_the_first_calls_of_one_model_share_its_state() -> None:
    model = fc.loads(TEXT, fc.Options(cache=False, threads=1), "model.flow")
    meeting, seen = threading.Barrier(4, timeout=30), list[int]()

    def first() -> None:
        meeting.wait()
        seen.extend(int(model.step(np.ones(64, np.float32), True)) for _ in range(10))

    def another(factor: int) -> None:
        meeting.wait()
        scaled = fc.loads(f"graph f(x: f32[N]) -> (y: f32[N]) {{ y = x * {factor}.0 }}\n", fc.Options(cache=False, threads=1))
        same([scaled.f([1, 2])], [np.array([factor, 2 * factor], np.float32)])

    together([first, first, lambda: another(3), lambda: another(5)])
    assert sorted(seen) == list(range(20))
