"""How places are counted, and how errors are told, whole."""

import pickle
from pathlib import Path

import pytest

from flowc.errors import CompileError, Diagnostic, Error, Note, RunError, UsageError, did_you_mean, render
from flowc.source import Location, Source, Span, python_location

TEXT = "dim N\nparam w1: f32[748, 128]\n\n  h = relu(x @ w1 + b1)\n"
SOURCE = Source("mlp.flow", TEXT)


def span(part: str, source: Source = SOURCE) -> Span:
    begin = source.text.index(part)
    return Span(source, begin, begin + len(part))


def test_line_and_column_count_characters_from_one() -> None:
    source = Source("a.flow", "é\n\nab")
    assert [source.line_of(offset) for offset in range(6)] == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 3)]
    assert [source.line(n) for n in (1, 2, 3)] == ["é", "", "ab"]
    assert str(Span(source, 4, 5)) == "a.flow:3:2"


def test_line_has_no_end_whatever_its_end_is() -> None:
    source = Source("a.flow", "a\r\nb\r\n")
    assert [source.line(n) for n in (1, 2, 3)] == ["a", "b", ""]


def test_joined_span_holds_both() -> None:
    assert span("w1 + b1").join(span("x @ w1")).text == "x @ w1 + b1"


def test_diagnostic_shows_the_line_the_place_the_notes_and_what_helps() -> None:
    note = Note("w1 is declared f32[748, 128]", span("w1"))
    told = render([Diagnostic("inner sizes differ", span("x @ w1"), (note, Note("and more", None)), help="transpose w1")])
    assert told == (
        "mlp.flow:4:12: error: inner sizes differ\n"
        "    h = relu(x @ w1 + b1)\n"
        "             ^~~~~~\n"
        "mlp.flow:2:7: note: w1 is declared f32[748, 128]\n"
        "    param w1: f32[748, 128]\n"
        "          ^~\n"
        "note: and more\n"
        "help: transpose w1"
    )


def test_diagnostics_are_told_in_order_of_their_places_and_counted() -> None:
    told = render([Diagnostic("b", span("b1")), Diagnostic("a", span("N"), severity="warning"), Diagnostic("c", None)])
    assert told == (
        "error: c\n"
        "\n"
        "mlp.flow:1:5: warning: a\n"
        "    dim N\n"
        "        ^\n"
        "\n"
        "mlp.flow:4:21: error: b\n"
        "    h = relu(x @ w1 + b1)\n"
        "                      ^~\n"
        "\n"
        "2 errors, 1 warning"
    )


def test_place_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    source = Source("a.flow", "  y = f(a,\n    b)\n")
    assert render([Diagnostic("m", span("f(a,\n    b)", source))]) == "a.flow:1:7: error: m\n    y = f(a,\n        ^~~~"


def test_mark_stands_under_its_place_behind_tabs_wide_letters_and_characters_that_are_escaped() -> None:
    source = Source("a.flow", 'y\t= "漢字\x1b\u202ee\u0301" + x\n')
    assert render([Diagnostic("m", span("x", source))]) == (
        "a.flow:1:16: error: m\n"
        '    y   = "漢字\\x1b\\u202ee\u0301" + x\n'
        f"    {' ' * 26}^"
    )  # fmt: skip


def test_long_line_is_shown_around_the_place() -> None:
    source = Source("a.flow", "a + " * 1000 + "x" + " + a" * 1000)
    first, line, mark = render([Diagnostic("m", span("x", source))]).splitlines()
    assert first == "a.flow:1:4001: error: m"
    assert line.startswith("    ...") and line.endswith("...") and len(line) <= 4 + 120 + 6
    assert line[mark.index("^")] == "x"


def test_place_at_the_end_of_a_text_is_shown_without_an_empty_line() -> None:
    assert render([Diagnostic("m", Span(SOURCE, len(TEXT), len(TEXT)))]) == "mlp.flow:5:1: error: m"


def test_message_shows_what_a_terminal_would_obey() -> None:
    assert render([Diagnostic("there is no \x1b[31m", None)]) == "error: there is no \\x1b[31m"


def test_error_is_a_value_error_whose_text_is_the_rendering() -> None:
    diagnostics = (Diagnostic("m", span("N")),)
    error = CompileError(diagnostics)
    assert isinstance(error, Error) and isinstance(error, ValueError)
    assert str(error) == render(diagnostics) and error.diagnostics == diagnostics
    assert str(UsageError("there is no graph g")) == "error: there is no graph g"


def test_error_of_a_run_keeps_what_the_check_compared_and_can_be_sent_to_another_process() -> None:
    error = RunError((Diagnostic("index out of range", span("x")),), code=2, site=7, index=9, bound=8)
    sent = pickle.loads(pickle.dumps(error))
    assert (sent.code, sent.site, sent.index, sent.bound, str(sent)) == (2, 7, 9, 8, str(error))


@pytest.mark.parametrize(
    ("name", "candidates", "told"),
    [
        ("rleu", ["elu", "relu"], 'did you mean "relu"?'),
        ("Relu", ["elu", "relu"], 'did you mean "relu"?'),
        ("softmax", ["conv2d", "pool"], ""),
        ("relu", ["relu"], ""),
        ("", ["relu"], ""),
        ("x" * 1000, ["x" * 999], ""),
    ],
)
def test_near_miss_is_named(name: str, candidates: list[str], told: str) -> None:
    assert did_you_mean(name, candidates) == told


def test_place_in_python_is_the_expression_of_the_nearest_frame_that_is_not_skipped() -> None:
    def inner() -> Location | None:
        return python_location(lambda file: False)

    def é() -> Location | None: return inner()  # fmt: skip

    found, outer = inner(), é()
    assert found is not None and found.text == "python_location(lambda file: False)"
    assert found.source.name == __file__ and "python_location(" in Path(__file__).read_text().splitlines()[found.line - 1]
    assert outer is not None and outer == found
    skipped = python_location(lambda file: file == __file__)
    assert skipped is not None and skipped.source.name != __file__
    assert python_location(lambda file: True) is None


def test_place_in_python_whose_text_is_not_known_has_its_line() -> None:
    names: dict[str, Location | None] = {}
    exec("from flowc.source import python_location\n\nplace = python_location()", names)
    place = names["place"]
    assert place is not None and str(place) == "<string>:3:1"
    assert render([Diagnostic("m", place)]) == "<string>:3:1: error: m"
