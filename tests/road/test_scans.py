"""Scans and loops with stacks through every stage: each verifies, reads back from its text and keeps every bit, down to native code."""

from __future__ import annotations

import numpy as np
import pytest

from flowc.codegen.sites import Kind
from flowc.ir.core import Func, Module, walk
from flowc.ir.parser import parse_func, parse_module
from flowc.ir.printer import print_module, sizes
from flowc.ops.catalog import catalog
from flowc.ops.interpret import run
from flowc.ops.loops import For
from flowc.ops.plan import Launch, Repeat
from flowc.stages import STAGES
from flowc.target import Target, host
from flowc.transforms.interpret_plan import run_plan
from flowc.transforms.verify import verify
from tests.codegen.program import Program
from tests.promises.bits import Array, same
from tests.road.scans import ALONE, GRAPHS, LOOPED, RNN

SEVERAL = [(name, back) for name in GRAPHS for back in (False, True)]


def graph(text: str, backwards: bool = False) -> Func:
    catalog()
    return parse_func(text.strip().replace("BACK", " backwards=true" * backwards).replace("\n      :", " :").replace("\n      (", " ("))


def staged(fn: Func, target: Target | None = None) -> Module:
    """The planned module; every stage verifies and reads back from its text."""
    module = verify(Module("m", (fn,)))
    for stage in STAGES:
        module = verify(stage.run(module, target or host()))
        text = print_module(module)
        assert print_module(verify(parse_module(text))) == text
    return module


def arrays_for(fn: Func, named: dict[str, int], seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    made: list[Array] = []
    for p in fn.body.params:
        shape = tuple(d if isinstance(d, int) else named[str(d)] for d in p.type.shape)
        made.append(rng.standard_normal(shape).astype(np.float32) if p.type.dtype.is_float else np.asarray(rng.integers(0, 5), np.int64))
    return made


def checked(fn: Func, cases: list[dict[str, int]]) -> None:
    """The plan has the bits of the graph, and native code for any number of tasks."""
    planned = staged(fn)
    program = Program(planned)
    for named in cases:
        arrays = arrays_for(fn, named)
        wanted = run(fn, arrays, bits=True)
        given = [named[s.name] for s in sizes(planned.func("f"))]
        same(run_plan(planned, "f", arrays, named)[0], wanted)
        for threads in (0, 1, 2, 3):
            result = program("f", *arrays, sizes=given, threads=threads, order=reversed)
            assert result.code == 0
            same(result.outputs, wanted)


@pytest.mark.parametrize(("name", "backwards"), SEVERAL)
def test_a_scan_keeps_its_bits_down_to_native_code(name: str, backwards: bool) -> None:
    fn = graph(GRAPHS[name], backwards)
    names = [s.name for s in fn.sizes]
    checked(fn, [dict(zip(names, each, strict=False)) for each in ((0, 3), (1, 1), (2, 70), (5, 0))])


def test_a_loop_keeps_what_its_rounds_began_with() -> None:
    fn = graph(LOOPED)
    planned = staged(fn)
    program = Program(planned)
    for k in (0, 1, 4, 7):
        arrays = [np.arange(5, dtype=np.float32), np.asarray(k)]
        wanted = run(fn, arrays, bits=True)
        same(run_plan(planned, "f", arrays, {})[0], wanted)
        same(program("f", *arrays).outputs, wanted)


@pytest.mark.parametrize("name", ALONE)
def test_a_scan_that_carries_elements_is_no_loop_of_launches(name: str) -> None:
    ops = staged(graph(GRAPHS[name])).func("f").body.ops
    assert any(isinstance(op, Launch) for op in ops)
    assert not any(isinstance(op, Repeat) for op in ops)


@pytest.mark.parametrize(("name", "backwards"), SEVERAL)
def test_memory_of_a_scan_is_used_to_its_predicted_end(name: str, backwards: bool) -> None:
    """Its stacks have a slot for each step, and one more where the steps' first values are wanted."""
    fn = graph(GRAPHS[name], backwards)
    program = Program(staged(fn))
    for steps, n in ((3, 20), (6, 1)):
        given = {s.name: value for s, value in zip(fn.sizes, (steps, n), strict=False)}
        arrays = arrays_for(fn, given, seed=steps)
        run_ = program("f", *arrays, sizes=list(given.values()))
        predicted = program.workspace(program.signature("f"), list(given.values()))
        assert run_.touched <= predicted
        if name not in ("counted", "sized") and predicted:
            assert run_.touched > predicted - 64


PRODUCT = """
func @f(%x: f32[3, 70, 40], %h0: f32[70, 40], %w: f32[40, 40]) -> (%h: f32[70, 40]) {
  %h = scan [%x], [%h0], [3] : f32[70, 40] (%t: index[3], %s: f32[70, 40], %c: f32[70, 40]) {
    %a = KIND
    %n = add %a, %c : f32[70, 40]
    yield %n
  }
  return %h
}
"""


@pytest.mark.parametrize("product", ["matmul %s, %w : f32[70, 40]", "matmul %c, %w : f32[70, 40]"])
def test_product_with_a_slice_has_tiles(product: str) -> None:
    fn = graph(PRODUCT.replace("KIND", product))
    planned = staged(fn)
    tiles = [op for f in planned.funcs for op in walk(f.body) if isinstance(op, For) and op.kind == "tile"]
    assert len(tiles) == 1
    checked(fn, [{}])


def test_slice_of_a_matrix_may_be_the_second_operand_of_a_product_in_tiles() -> None:
    fn = graph("""
func @f[T in 1..](%w: f32[T, 40, 40], %h0: f32[70, 40]) -> (%h: f32[70, 40]) {
  %h = scan [%w], [%h0], [T] : f32[70, 40] (%t: index[T], %s: f32[40, 40], %c: f32[70, 40]) {
    %r = transpose %s perm=(1, 0) : f32[40, 40]
    %a = matmul %c, %r : f32[70, 40]
    %n = matmul %a, %s : f32[70, 40]
    yield %n
  }
  return %h
}
""")
    tiled = [f for f in staged(fn).funcs if any(isinstance(op, For) and op.kind == "tile" for op in walk(f.body))]
    assert len(tiled) == 2
    checked(fn, [{"T": 3}])


FAILING = """// flowc ir 1
module @m
state @w: f32[4]

func @f(%x: f32[5, 4], %ids: i64[5]) -> (%h: f32[4]) {
  %w = read_state @w : f32[4]
  %h = scan [%ids], [%w], [5] : f32[4] (%t: index[5], %i: i64, %c: f32[4]) {
    %r = gather %x, [%i] axes=(0) place=0 what=("x") : f32[4]
    %n = add %c, %r : f32[4]
    yield %n
  }
  write_state @w, %h
  return %h
}
"""


def test_a_failure_in_a_scan_is_told_and_leaves_the_state() -> None:
    catalog()
    module = parse_module(FAILING)
    for stage in STAGES:
        module = verify(stage.run(module, host()))
    program = Program(module)
    program.state.bytes[:16] = np.arange(4, dtype=np.float32).view(np.uint8)
    before = program.state.bytes.tobytes()
    x = np.arange(20, dtype=np.float32).reshape(5, 4)
    run_ = program("f", x, np.array([0, 4, 7, 9, 0]))
    assert (run_.code, run_.error[2:]) == (Kind.INDEX, (7, 5))
    assert program.state.bytes.tobytes() == before
    assert program("f", x, np.array([0, 4, -1, 2, 0])).code == 0
    np.testing.assert_array_equal(program.states()["w"], np.arange(4) + x[[0, 4, 4, 2, 0]].sum(0))


def test_a_scan_can_be_cancelled_between_its_steps() -> None:
    program = Program(staged(graph(RNN)))
    flag = np.zeros(1, np.int32)
    count = 0

    def told(event: object) -> None:
        nonlocal count
        count += 1
        flag[0] = count > 10

    arrays = arrays_for(graph(RNN), {"T": 1000})
    assert program("f", *arrays, sizes=[1000], cancel=flag, on_event=told).code == Kind.CANCELLED
    assert count == 12


INVARIANT = """
func @f[T in 0..](%x: f32[T, 4], %h0: f32[4], %w: f32[4, 4]) -> (%h: f32[4]) {
  %h = scan [%x], [%h0], [T] : f32[4] (%t: index[T], %s: f32[4], %c: f32[4]) {
    %e = exp %w : f32[4, 4]
    %k = sum %e axis=(1) : f32[4]
    %r = slice %c, [3], [4] step=(-1) : f32[4]
    %a = multiply %r, %k : f32[4]
    %n = add %a, %s : f32[4]
    yield %n
  }
  return %h
}
"""


def test_what_no_step_changes_is_computed_once() -> None:
    fn = graph(INVARIANT)
    program = Program(staged(fn))
    launched = program("f", *arrays_for(fn, {"T": 5}), sizes=[5]).events
    names = [name for name, _, phase in launched if phase == 0]
    assert [n for n in dict.fromkeys(names) if names.count(n) == 5] == names[-2:-1]
    checked(fn, [{"T": 3}])
