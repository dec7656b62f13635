"""Drivers called as C calls them: results, workspace, checks, state, cancellation, profiles."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest

from flowc.codegen.driver import emit
from flowc.codegen.interface import description
from flowc.codegen.native import load, optimise_and_emit
from flowc.codegen.sites import NOWHERE, Kind
from flowc.errors import CompileError
from flowc.ir.dims import evaluate
from flowc.ir.parser import parse_module
from flowc.ops.catalog import catalog
from flowc.stages import STAGES
from flowc.target import host
from flowc_runtime.abi import FlowContext, FlowError
from flowc_runtime.signature import FORMAT
from tests.codegen.program import Guarded, Program, planned

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)

CHAIN = """dim N in 1..512
graph chain(x: f32[N, 16], w: f32[16, 16]) -> (y: f32[N, 16], total: f32[N]) {
  a = x @ w
  b = a @ w
  c = b @ w
  y = c * 2.0 + x
  total = sum(c, axis=1)
}
"""
TAKE = """dim N in 0..4096
graph take(ids: i64[N], table: f32[100, 8]) -> (rows: f32[N, 8]) {
  rows = table[ids] * 2.0
}
"""
LOOPS = """graph fibonacci(n: i64) -> (y: i64) {
  y, z, k = loop (a: i64 = 0, b: i64 = 1, k: i64 = 0) while k < n limit 1000 { yield b, a + b, k + 1 }
}
graph nested(x: f32[8], n: i64, bad: i64) -> (y: f32[8]) {
  y, i = loop (v = x, i: i64 = 0) while i < n {
    u, j = loop (u = v, j: i64 = 0) while j < i { assert i * 10 + j != bad, "not that round"
      yield u + 1.0, j + 1 }
    yield u, i + 1
  }
}
graph choose(c: bool, x: f32[8]) -> (y: f32[8], z: f32[8]) {
  y, z = if c { yield x + 1.0, x } else { yield x * 2.0, x - 1.0 }
}
"""
FOUND = """graph picked(x: f32[N]) -> (y: f32[?..N], n: i64) {
  ids = nonzero(x)
  y = x[ids] * 2.0
  n = size(y, 0)
}
graph above(x: f32[N], n: i64) -> (total: f32) {
  total, i = loop (total = 0.0, i: i64 = 0) while i < n limit 10 {
    y = x[x > (i as f32)]
    yield total + sum(y), i + 1
  }
}
"""
STATE = """param w: f32[4] = full([4], 0.5)
state v: f32[4] = full([4], 1.0)
state u: f32[4] = full([4], 2.0)
state count: i64 = 0

graph swap(x: f32[4], ok: bool) -> (old: f32[4], fresh: f32[4]) {
  v := u
  u := v
  fresh = w - 0.5 * x
  w := fresh
  count := count + 1
  old = w + 0.0
  assert ok, "ok holds"
}
graph step(x: f32[4]) -> (y: f32[4]) {
  y = w * x
  w := w + y
}
graph gather(ids: i64[4]) -> (y: f32[4]) {
  y = w[ids]
  w := w + y
}
"""


@cache
def program(text: str, place: str = "inside") -> Program:
    return Program(text, place)


def same(found: Array, expected: Array) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("n", [1, 5, 64, 200])
@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_results_are_the_same_on_any_pool(n: int, threads: int) -> None:
    x, w = RNG.integers(-4, 5, (n, 16)), RNG.integers(-2, 3, (16, 16))
    c = x @ w @ w @ w
    for order in (None, reversed):
        run = program(CHAIN)("chain", x, w, threads=threads, order=order)
        assert run.code == 0 and all(tasks <= threads for tasks in run.tasks)
        same(run.outputs[0], (c * 2 + x).astype(np.float32))
        same(run.outputs[1], c.sum(axis=1).astype(np.float32))


def test_workspace_is_used_up_to_its_last_buffer() -> None:
    made = program(CHAIN)
    signature = made.signature("chain")
    for n in (1, 3, 17, 512):
        run = made("chain", np.ones((n, 16)), np.eye(16))
        predicted = made.workspace(signature, [n])
        assert predicted - 64 < run.touched <= predicted
        assert predicted == evaluate(made.interface.workspaces["m_chain"], {signature.sizes[0]: n})


def test_dead_buffers_give_way() -> None:
    x = 3 * 16 * 4
    assert program(CHAIN).workspace(program(CHAIN).signature("chain"), [3]) == 2 * x


def test_size_out_of_range_tells_size_and_bound() -> None:
    run = program(CHAIN)("chain", np.ones((513, 16)), np.ones((16, 16)))
    assert (run.code, run.error[2:], run.site) == (Kind.SIZE, (513, 512), "m.flow:2:7: N in 1..512")
    assert run.touched == 0
    run = program(CHAIN)("chain", np.ones((1, 16)), np.ones((16, 16)), sizes=[0])
    assert (run.code, run.error[2:]) == (Kind.SIZE, (0, 1))


def test_index_out_of_range_tells_the_first_one_at_any_thread_count() -> None:
    ids = RNG.integers(-100, 100, 4000)
    table = RNG.normal(size=(100, 8)).astype(np.float32)
    run = program(TAKE)("take", ids, table)
    same(run.outputs[0], table[ids] * np.float32(2))
    ids[[1500, 3000]] = 100, -101
    for threads in (0, 2, 3):
        for order in (None, reversed):
            run = program(TAKE)("take", ids, table, threads=threads, order=order)
            assert (run.code, run.error[2:], run.site) == (Kind.INDEX, (100, 100), "m.flow:3:10: ids indexes table")


def test_nothing_has_to_be_there_for_no_elements() -> None:
    run = program(TAKE)("take", np.zeros(0), np.zeros((100, 8)))
    assert run.code == 0 and run.outputs[0].shape == (0, 8)


def call(made: Program, graph: str, *arguments: Any) -> int:
    """A call as it stands: addresses, numbers, None."""
    types = [ctypes.c_int64 if isinstance(a, np.int64) else ctypes.c_void_p for a in arguments]
    function = ctypes.CFUNCTYPE(ctypes.c_int, *types)(made.library.address(made.signature(graph).symbol))
    return function(*(int(a) if isinstance(a, np.int64) else a for a in arguments))


def test_buffers_are_aligned_and_outputs_apart() -> None:
    made, n = program(CHAIN), np.int64(2)
    x, w, y, total, space = (Guarded(2048) for _ in range(5))
    given = [x.address, w.address, y.address, total.address, space.address, None]
    assert call(made, "chain", n, *given) == Kind.DONE
    assert call(made, "chain", n, *given[:4], space.address + 32, None) == Kind.MISALIGNED
    assert call(made, "chain", n, x.address + 1, *given[1:]) == Kind.MISALIGNED
    for wrong in (x.address, x.address + 124, x.address - 124, total.address + 4, space.address + 64):
        assert call(made, "chain", n, *given[:2], wrong, *given[3:]) == Kind.OVERLAP
    assert call(made, "chain", n, w.address, *given[1:]) == Kind.DONE  # inputs may be one buffer
    assert call(made, "chain", n, *given[:2], x.address + 128, *given[3:]) == Kind.DONE


def test_overlap_tells_both_buffers() -> None:
    made, buffers = program(CHAIN), [Guarded(2048) for _ in range(4)]
    x, w, y, space = (b.address for b in buffers)
    error, context = FlowError(), FlowContext(size=ctypes.sizeof(FlowContext))
    context.error = ctypes.addressof(error)
    assert call(made, "chain", np.int64(2), x, w, y, w, space, ctypes.addressof(context)) == Kind.OVERLAP
    assert (made.site(error.site), made.site(error.index)) == ("m.flow:2:7: chain's total", "m.flow:2:7: chain's w")


def test_context_of_an_older_caller_ends_at_its_size() -> None:
    made, buffers = program(CHAIN), [Guarded(2048) for _ in range(5)]
    context = FlowContext(size=8)  # nothing but the size: the rest is not looked at
    context.pool = context.cancel = context.error = context.event = 16
    assert call(made, "chain", np.int64(2), *(b.address for b in buffers), ctypes.addressof(context)) == Kind.DONE


def test_loop_of_a_thousand_rounds_stays_in_its_workspace() -> None:
    a, b = 0, 1
    for _ in range(1000):
        a, b = b, (a + b) % 2**64
    run = program(LOOPS)("fibonacci", 1000)
    assert run.code == 0 and int(run.outputs[0]) % 2**64 == a
    assert run.touched <= program(LOOPS).workspace(program(LOOPS).signature("fibonacci"), [])


def test_loop_past_its_limit_ends_the_run() -> None:
    run = program(LOOPS)("fibonacci", 1001)
    assert (run.code, run.error[2:], run.site) == (Kind.LIMIT, (1000, 1000), "m.flow:2:13: the loop reaches its limit")


def test_loops_nest_and_check() -> None:
    x = np.arange(8, dtype=np.float32)
    same(program(LOOPS)("nested", x, 5, -1).outputs[0], x + np.float32(0 + 1 + 2 + 3 + 4))
    run = program(LOOPS)("nested", x, 5, 31)
    assert (run.code, run.site) == (Kind.ASSERT, "m.flow:6:51: not that round")


@pytest.mark.parametrize("which", [True, False])
def test_one_side_of_an_if_runs(which: bool) -> None:
    x = np.arange(8, dtype=np.float32)
    y, z = program(LOOPS)("choose", which, x).outputs
    same(y, x + 1 if which else x * 2)
    same(z, x if which else x - 1)


def test_init_writes_the_first_values() -> None:
    states = Program(STATE).states()
    for name, value in {"w": 0.5, "v": 1.0, "u": 2.0}.items():
        same(states[name], np.full(4, value, np.float32))
    assert states["count"] == 0


def test_every_write_sees_the_values_from_before_the_run() -> None:
    made, x = Program(STATE), np.arange(4, dtype=np.float32)
    old, fresh = made("swap", x, True).outputs
    same(old, np.full(4, 0.5, np.float32))
    same(fresh, np.float32(0.5) - np.float32(0.5) * x)
    states = made.states()
    same(states["w"], fresh)
    same(states["v"], np.full(4, 2, np.float32))
    same(states["u"], np.full(4, 1, np.float32))
    assert states["count"] == 1


def test_run_that_fails_leaves_every_byte_of_state() -> None:
    made = Program(STATE)
    before = made.state.bytes.copy()
    run = made("swap", np.ones(4), False)
    assert (run.code, run.site) == (Kind.ASSERT, "m.flow:13:3: ok holds")
    assert (made.state.bytes == before).all()
    assert made("gather", [0, 1, 2, 4]).code == Kind.INDEX
    assert (made.state.bytes == before).all()
    assert made("gather", [0, 1, 2, 3]).code == 0
    same(made.states()["w"], np.full(4, 1, np.float32))


def test_update_is_written_over_the_old_value_where_nothing_can_fail() -> None:
    step = program(STATE).workspace(program(STATE).signature("step"), [])
    assert step == 0
    made, x = Program(STATE), np.arange(4, dtype=np.float32)
    same(made("step", x).outputs[0], np.float32(0.5) * x)
    same(made.states()["w"], np.float32(0.5) + np.float32(0.5) * x)


def test_cancelled_run_leaves_every_byte_of_state() -> None:
    made, flag = Program(STATE), np.zeros(1, np.int32)
    before = made.state.bytes.copy()

    def cancel(event: Any) -> None:
        flag[0] = 1

    flag[0] = 1
    run = made("swap", np.ones(4), True, cancel=flag)
    assert (run.code, run.error[1], run.site, run.events) == (Kind.CANCELLED, NOWHERE, "", [])
    assert (made.state.bytes == before).all()
    flag[0] = 0
    run = made("gather", [0, 1, 2, 3], cancel=flag, on_event=cancel)
    assert run.code == Kind.CANCELLED and len(run.events) == 2
    assert (made.state.bytes == before).all()


def test_cancelling_after_the_commit_comes_too_late() -> None:
    made, flag = Program(STATE), np.zeros(1, np.int32)

    def cancel(event: Any) -> None:
        flag[0] = 1

    assert made("step", np.ones(4), cancel=flag, on_event=cancel).code in (Kind.DONE, Kind.CANCELLED)
    w = made.states()["w"]
    assert (w == w[0]).all() and w[0] in (0.5, 1.0)


def test_cancelled_launch_ends_between_its_chunks() -> None:
    made, flag = program(CHAIN), np.zeros(1, np.int32)

    def order(tasks: range) -> Iterable[int]:
        yield tasks[0]
        flag[0] = 1
        yield from tasks[1:]

    run = made("chain", np.ones((512, 16)), np.ones((16, 16)), threads=2, cancel=flag, order=order)
    assert run.code == Kind.CANCELLED and len(run.events) < 8


def test_events_tell_begin_and_end_of_each_launch() -> None:
    run = program(CHAIN)("chain", np.ones((2, 16)), np.ones((16, 16)))
    begins, ends = run.events[::2], run.events[1::2]
    assert [phase for *_, phase in run.events] == [0, 1] * len(begins)
    assert [e[:2] for e in begins] == [e[:2] for e in ends]
    assert [launch for _, launch, _ in begins] == list(range(len(begins)))
    assert begins[0][0].startswith("a_")


@pytest.mark.parametrize("place", ["inside", "separate", "table"])
def test_weights_are_read_wherever_they_lie(place: str) -> None:
    catalog()
    text = """// flowc ir 1
module @m
func @f(%x: i64[3]) -> (%y: i64[3], %z: i64[3]) {
  %w = weight @w blob=(1, 2, 3) : i64[3]
  %v = weight @v blob=(10, 20, 30) : i64[3]
  %again = weight @again blob=(1, 2, 3) : i64[3]
  %y = multiply %x, %w : i64[3]
  %a = add %x, %v : i64[3]
  %z = add %a, %again : i64[3]
  return %y, %z
}
"""
    module = parse_module(text)
    for stage in STAGES:
        module = stage.run(module, host())
    made = Program(module, place)
    assert len(made.interface.weights.blobs) == 2
    y, z = made("f", [1, 1, 2]).outputs
    same(y, np.array([1, 2, 6]))
    same(z, np.array([12, 23, 35]))


def test_size_known_during_the_run_is_told_beside_its_result() -> None:
    catalog()
    text = """// flowc ir 1
module @m
func @f[N in 0..100](%x: f32[N, 2], %n: i64) -> (%y: f32[%c, 2], %z: f32[%c, 2]) {
  %c = dynamic_size %n, [N + 1] : index[N + 1]
  %y = define : f32[%c, 2] (%i: index[%c], %j: index[2]) {
    %0 = read %x, [%i, %j] : f32
    yield %0
  }
  %z = add %y, %y : f32[%c, 2]
  return %y, %z
}
"""
    module = parse_module(text)
    for stage in STAGES:
        module = stage.run(module, host())
    made, x = Program(module), np.arange(14, dtype=np.float32).reshape(7, 2)
    for n in (0, 3, 7):
        y, z = made("f", x, n).outputs
        same(y, x[:n])
        same(z, 2 * x[:n])


def test_sizes_of_a_loop_are_found_anew_in_each_round() -> None:
    made = program(FOUND)
    x = np.array([0, 1, 0, 2.5, -3, 4], np.float32)
    y, n = made("picked", x).outputs
    same(y, 2 * x[x != 0])
    assert n == 4
    (total,) = made("above", x, 3).outputs
    assert total == sum(x[x > i].sum() for i in range(3))


def test_description_says_what_a_loader_needs() -> None:
    made = Program(STATE)
    told = json.loads(ctypes.string_at(made.library.address("m_signature")).decode())
    assert told == json.loads(description(made.interface))
    assert (told["flowc"], told["prefix"], [g["name"] for g in told["graphs"]]) == (FORMAT, "m", ["swap", "step", "gather"])
    kept = {"name": "w", "dtype": "f32", "shape": ["4"], "offset": 0, "bytes": 16, "trainable": True, "initialised": True}
    assert told["state"][0] == kept
    assert told["sites"] == list(made.interface.sites.texts)


def test_places_of_failures_have_numbers_from_nought() -> None:
    made = program(LOOPS)
    assert made.site(-1) == "" and made.site(len(made.interface.sites.texts)) == ""
    assert [made.site(n) for n in range(len(made.interface.sites.texts))] == list(made.interface.sites.texts)


@pytest.mark.parametrize("text", [CHAIN, LOOPS, STATE])
def test_two_compilations_give_the_same_bytes(text: str) -> None:
    one, other = (optimise_and_emit(emit(planned(text), host()), host()) for _ in range(2))
    assert one == other


def test_default_floating_point_environment_is_set_and_restored() -> None:
    made = program(CHAIN)
    tiny = np.full((1, 16), 2.0**-140, np.float32)  # a denormal number, which a host that flushes to zero would lose
    flush = (
        "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"
        "define i32 @swap(i32 %new) {\n  %a = alloca [2 x i32]\n  call void @llvm.x86.sse.stmxcsr(ptr %a)\n  %old = load i32, ptr %a\n"
        "  store i32 %new, ptr %a\n  call void @llvm.x86.sse.ldmxcsr(ptr %a)\n  ret i32 %old\n}\n"
    )
    if not host().triple.startswith("x86_64"):
        pytest.skip("sets MXCSR")
    library = load(flush, host())
    swap = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(library.address("swap"))
    x, w, y, total, space = (Guarded(2048) for _ in range(5))
    x.bytes[:64], w.bytes[:1024] = tiny.view(np.uint8).reshape(-1), np.eye(16, dtype=np.float32).view(np.uint8).reshape(-1)
    old = swap(0x9FC0)  # flush to zero, denormals are zero
    code = call(made, "chain", np.int64(1), x.address, w.address, y.address, total.address, space.address, None)
    after = swap(old)
    assert (code, after & 0xFFC0) == (0, 0x9FC0)
    same(y.bytes[:64].view(np.float32), (tiny * 3)[0])


def test_names_that_clash_in_c_are_refused() -> None:
    with pytest.raises(CompileError) as refused:
        Program("graph site(x: f32[2]) -> (y: f32[2]) { y = x + 1.0 }\n")
    assert str(refused.value) == (
        "m.flow:1:7: error: graph site and places of failures would both be m_site in C\n"
        "    graph site(x: f32[2]) -> (y: f32[2]) { y = x + 1.0 }\n"
        "          ^~~~\n"
        "help: give the graph another name"
    )


def test_a_reduction_stands_outside_of_the_lanes_that_share_it() -> None:
    made = Program(
        "graph f(x: f32[3, N], m: f32[3, 3]) -> (y: f32) {\n"
        '  y = sum(einsum("zz->z", attention(x, x, x, m, causal=true)[:3, :3]))\n}\n'
    )
    rng = np.random.default_rng(0)
    x, m = rng.standard_normal((3, 3)).astype(np.float32), rng.standard_normal((3, 3)).astype(np.float32)
    scores = np.where(np.tri(3) > 0, x @ x.T / np.sqrt(np.float32(3)) + m, -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(made("f", x, m).outputs[0], np.trace(weights / weights.sum(1, keepdims=True) @ x), rtol=1e-5)
