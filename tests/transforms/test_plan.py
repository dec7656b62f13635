"""Memory: no two buffers in use overlap, dead ones give way, and it takes time near linear in their number."""

from __future__ import annotations

import time
from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st

from flowc.errors import CompileError
from flowc.ir.core import Func, State, Value
from flowc.ir.dims import Dim, Size, dim, evaluate
from flowc.ir.parser import parse_func, parse_module
from flowc.ir.types import DType, Type
from flowc.ops.catalog import catalog
from flowc.transforms.commit import state_offsets
from flowc.transforms.memory import Lifetime, offsets, own_elements
from flowc.transforms.plan import plan

N, M = Size("N"), Size("M", 0, 100)
SIZES: list[Dim] = [0, 64, 128, 640, dim(N) * 64, dim(N) * 192, dim(N) * dim(M) * 64 + 64, ((dim(N) * 4 + 63) // 64) * 64]


def buffer(name: str) -> Value:
    return Value(Type(DType.u8, (), "host"), None, name)


@st.composite
def lives(draw: st.DrawFn) -> list[Lifetime]:
    made: list[Lifetime] = []
    for n in range(draw(st.integers(1, 25))):
        first = draw(st.integers(0, 30))
        size = draw(st.sampled_from(SIZES))
        over = [m.buffer for m in made if m.last == first and m.first < first]
        chosen = tuple(draw(st.lists(st.sampled_from(over), max_size=2, unique=True))) if over else ()
        made.append(Lifetime(buffer(f"b{n}"), size, first, first + draw(st.integers(0, 8)), chosen))
    return made


@settings(max_examples=150, deadline=None, derandomize=True)
@given(lives(), st.integers(1, 50), st.integers(0, 100))
def test_buffers_in_use_at_once_are_apart(found: list[Lifetime], n: int, m: int) -> None:
    places, total = offsets(found)
    at = {f: (evaluate(places[f.buffer], {N: n, M: m}), evaluate(f.bytes, {N: n, M: m})) for f in found}
    for a, b in combinations(found, 2):
        (x, size), (y, other) = at[a], at[b]
        follows = any(p.last < q.first or p.last == q.first and p.buffer in q.over for p, q in ((a, b), (b, a)))
        assert follows or x + size <= y or y + other <= x or not size or not other
    assert all(x % 64 == 0 and x + size <= evaluate(total, {N: n, M: m}) for x, size in at.values() if size)


def test_result_takes_the_place_of_an_input_it_may_replace() -> None:
    a, b = buffer("a"), buffer("b")
    assert offsets([Lifetime(a, 64, 0, 1), Lifetime(b, 64, 1, 2, (a,))]) == ({a: 0, b: 0}, 64)
    assert offsets([Lifetime(a, 64, 0, 1), Lifetime(b, 64, 1, 2)]) == ({a: 0, b: 64}, 128)
    assert offsets([Lifetime(a, 64, 0, 2), Lifetime(b, 64, 1, 2, (a,))])[1] == 128


def test_free_pieces_are_split_and_joined() -> None:
    a, b, c, d = map(buffer, "abcd")
    places, total = offsets([Lifetime(a, 64, 0, 0), Lifetime(b, 128, 0, 0), Lifetime(c, 192, 1, 1), Lifetime(d, 64, 2, 2)])
    assert (places, total) == ({a: 0, b: 64, c: 0, d: 0}, 192)


def test_buffer_takes_a_larger_dead_one_for_every_size() -> None:
    a, b = buffer("a"), buffer("b")
    size = dim(N) * 64
    assert offsets([Lifetime(a, size * 3, 0, 0), Lifetime(b, size, 1, 1)]) == ({a: 0, b: 0}, size * 3)
    assert offsets([Lifetime(a, size, 0, 0), Lifetime(b, size * 3, 1, 1)]) == ({a: 0, b: 0}, size * 3)
    assert offsets([Lifetime(a, 640, 0, 0), Lifetime(b, size, 1, 1)])[1] == size + 640  # either may be the larger


def test_placing_buffers_takes_time_near_linear_in_their_number() -> None:
    def seconds(count: int) -> float:
        found = [Lifetime(buffer(""), SIZES[1 + n * 7 % 5], n, n + 1 + n * 13 % 9) for n in range(count)]
        begin = time.perf_counter()
        offsets(found)
        return time.perf_counter() - begin

    seconds(500)
    assert min(seconds(8000) for _ in range(2)) < 30 * min(seconds(1000) for _ in range(3))


def kernel(body: str, params: str = "%x: &f32[8, 4], %b: &f32[4], %out: &f32[8, 4]") -> Func:
    catalog()
    return parse_func(f'func @k({params}) level="loops" {{\n{body}\n}}\n')


ELEMENT = """  for kind="parallel" (%i: index[8]) {
    for [4] kind="vector" (%j: index[4]) {
      %0 = load %x, [%i, %j] : f32
      %1 = load %b, [%j] : f32
      %2 = add %0, %1 : f32
      store %2, %out, [%i, %j]
    }
  }"""


def test_input_read_only_at_the_element_written_may_be_replaced() -> None:
    assert own_elements(kernel(ELEMENT)) == {2: frozenset({0})}


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("load %x, [%i, %j]", "load %x, [%i, -%j + 3]"),  # another element
        ("load %x, [%i, %j]", "load %x, [%i, 0]"),  # one element for many
        ("%1 = load %b, [%j]", "%1 = load %x, [%i, 0]"),  # its own and another
    ],
)
def test_input_read_elsewhere_may_not_be_replaced(what: str, by: str) -> None:
    assert 0 not in own_elements(kernel(ELEMENT.replace(what, by)))[2]


def test_input_read_in_an_earlier_stage_may_not_be_replaced() -> None:
    stages = """  for kind="parallel" (%i: index[8]) {
    %s = reduce fold="sum" : f32 (%k: index[4]) {
      %0 = load %x, [%i, %k] : f32
      yield %0
    }
    for [4] kind="vector" (%j: index[4]) {
      %0 = load %x, [%i, %j] : f32
      %1 = sub %0, %s : f32
      store %1, %out, [%i, %j]
    }
  }"""
    assert own_elements(kernel(stages.replace("sub ", "subtract "))) == {2: frozenset()}


def test_element_written_in_several_rounds_replaces_nothing() -> None:
    rounds = """  for kind="serial" (%k: index[3]) {
    for [4] kind="vector" (%j: index[4]) {
      %0 = load %x, [0, %j] : f32
      store %0, %out, [0, %j]
    }
  }"""
    assert own_elements(kernel(rounds)) == {}


def test_elements_of_another_width_may_not_be_replaced() -> None:
    wide = ELEMENT.replace("%2 = add %0, %1 : f32", "%a = add %0, %1 : f32\n      %2 = cast %a dtype=f64 : f64")
    assert own_elements(kernel(wide, "%x: &f32[8, 4], %b: &f32[4], %out: &f64[8, 4]")) == {2: frozenset()}


def test_write_to_state_in_a_branch_is_refused() -> None:
    catalog()
    text = """module @m
state @w: f32
func @f(%c: bool, %x: f32) level="loops" {
  cond %c () {
    write_state @w, %x
  } () {
  }
}
"""
    with pytest.raises(CompileError) as refused:
        plan(parse_module(text, "m.fir"))
    assert str(refused.value) == (
        "m.fir:5:5: error: w is written in a loop or a branch\n    write_state @w, %x\n    ^~~~~~~~~~~~~~~~~~"
    )


def test_states_lie_at_multiples_of_64_bytes() -> None:
    states = [State("a", Type(DType.f32, (5,))), State("b", Type(DType.u8)), State("c", Type(DType.f64, (16,)))]
    assert state_offsets(states) == ({"a": 0, "b": 64, "c": 128}, 256)


def test_state_of_a_size_of_the_run_is_refused() -> None:
    with pytest.raises(CompileError) as refused:
        state_offsets([State("h", Type(DType.f32, (dim(N), 4)), "param")])
    assert str(refused.value) == (
        "error: param h is f32[N, 4]: its sizes are not numbers, but it is made before any run\n"
        "help: write numbers or `const`s in its type"
    )
