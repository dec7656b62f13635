"""Wrong programs: each file of `errors` is refused with the text beside it, whole.

`pytest --bless` writes the outcome.
"""

from pathlib import Path

import pytest

from flowc.errors import CompileError
from flowc.lang.elaborate import ElaborateOptions, elaborate
from flowc.lang.parse import parse
from flowc.source import Source

FOLDER = Path(__file__).parent / "errors"
FILES = sorted(FOLDER.glob("*.flow"))


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_wrong_program_is_refused_with_the_text(file: Path, bless: bool) -> None:
    source = Source(file.name, file.read_text(), file)
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source)
    expected = file.with_suffix(".txt")
    if bless:
        expected.write_text(f"{refused.value}\n")
    assert f"{refused.value}\n" == expected.read_text()


def test_there_are_wrong_programs() -> None:
    assert len(FILES) >= 60


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    source = Source("m.flow", "graph f(x: f32[3]) -> (y: f32[3]) {\n  a = x + nope\n  b = relu(a, 1)\n  c = rel(x)\n  y = x\n}\n")
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source)
    assert [d.message for d in refused.value.diagnostics] == ["there is no value nope", "there is no function rel"]


def test_mistake_in_a_function_is_told_once_however_often_it_is_called() -> None:
    text = "fn g(x: f32[N]) -> f32[N] { return x + nope }\ngraph f(x: f32[3]) -> (y: f32[3]) { y = g(g(x)) }\n"
    source = Source("m.flow", text)
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source)
    assert [d.message for d in refused.value.diagnostics] == ["there is no value nope"]


def test_expansion_without_end_is_refused() -> None:
    layers = "".join(f"fn f{n}(x: f32) -> f32 {{ return f{n - 1}(f{n - 1}(x)) }}\n" for n in range(1, 60))
    text = "fn f0(x: f32) -> f32 { return x + 1.0 }\n" + layers + "graph g(x: f32) -> (y: f32) { y = f59(x) }\n"
    source = Source("m.flow", text)
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source, ElaborateOptions(ops=1_000))
    assert str(refused.value) == (
        "m.flow:1:31: error: the program has more than 1,000 ops\n"
        "    fn f0(x: f32) -> f32 { return x + 1.0 }\n"
        "                                  ^~~~~~~\n"
        "help: the limit guards against files that expand without end"
    )


def test_more_numbers_than_may_be_written_out_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.lang.elaborate.expressions.MAX_ELEMENTS", 3)
    source = Source("m.flow", "graph f(x: f32[2]) -> (y: f32[2]) { y = x + [1.0, 2.0] * [3.0, 4.0] }\n")
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source)
    assert str(refused.value) == (
        "m.flow:1:58: error: more than 3 numbers are written out\n"
        "    graph f(x: f32[2]) -> (y: f32[2]) { y = x + [1.0, 2.0] * [3.0, 4.0] }\n"
        "                                                             ^~~~~~~~~~\n"
        "help: keep them in a weight file"
    )


@pytest.mark.parametrize("expression", ["9 ** 9 ** 9 ** 9", "2 ** 10000000000", "(size(x, 0) + A + B + C + D + E + F) ** 8"])
def test_numbers_beyond_all_bounds_are_refused_in_bounded_time(expression: str) -> None:
    source = Source("m.flow", f"graph f(x: f32[N, A, B, C, D, E, F]) -> (y: f32[N, A, B, C, D, E, F]) {{ y = x * ({expression}) }}\n")
    with pytest.raises(CompileError):
        elaborate(parse(source), source)


def test_nesting_through_calls_is_refused_before_the_stack_ends() -> None:
    deep = "relu(" * 90 + "{}" + ")" * 90
    layers = "".join(f"fn f{n}(x: f32) -> f32 {{ return {deep.format(f'f{n - 1}(x)')} }}\n" for n in range(1, 60))
    source = Source("m.flow", "fn f0(x: f32) -> f32 { return x }\n" + layers + "graph g(x: f32) -> (y: f32) { y = f59(x) }\n")
    with pytest.raises(CompileError) as refused:
        elaborate(parse(source), source)
    assert [d.message for d in refused.value.diagnostics] == ["this is nested more than 2,000 deep, with the functions it calls"]
