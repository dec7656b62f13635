"""Texts that cannot be read: each file of `syntax` is refused with the text beside it, whole; nothing ends in another way.

`pytest --bless` writes the outcome.
"""

import random
import time
from pathlib import Path

import pytest

from flowc.errors import CompileError
from flowc.lang.lexer import MAX_BYTES, MAX_ERRORS, MAX_TOKENS
from flowc.lang.lines import MAX_NESTING
from flowc.lang.parse import MAX_DEPTH, decoded, parse, read
from flowc.source import Source

HERE = Path(__file__).parent
FILES = sorted((HERE / "syntax").glob("*.flow"))
SAMPLES = [file.read_text(encoding="utf-8") for file in sorted((HERE / "samples").glob("*.flow"))]
PIECES = (
    *"()[]{},;:=+-*/%@!?.<\n#\"&é'\r\0",
    *(":=", "->", "**", "//", "&&", "||", "==", "..", "...", "12ab", "0.5", "x"),
    *("in", "if", "else", "loop", "scan", "while", "reduce", "fn", "graph", "return", "yield", "emit", "derivative", "new", "as", "@remat"),
)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_text_is_refused_with(file: Path, bless: bool) -> None:
    told = f"{refused(read(file, file.name))}\n"
    expected = file.with_suffix(".txt")
    if bless:
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


def test_bytes_that_are_not_utf8_are_named_with_their_place() -> None:
    with pytest.raises(CompileError) as error:
        decoded(b"dim N\n# caf\xe9\n", "a.flow")
    assert str(error.value) == (
        "a.flow:2:6: error: the file is not UTF-8: byte 0xe9 at offset 11\n"
        "    # caf\ufffd\n"
        "         ^"
    )  # fmt: skip


def test_characters_that_cannot_be_seen_are_refused_everywhere() -> None:
    assert str(refused(Source("a.flow", 'dim N # a\u202eb\nconst k\0 = "\x1b"\ndim\xa0M\n'))) == (
        "a.flow:1:10: error: a character that cannot be seen: U+202E\n"
        "    dim N # a\\u202eb\n"
        "             ^~~~~~\n"
        "\n"
        "a.flow:2:8: error: a character that cannot be seen: U+0000\n"
        '    const k\\x00 = "\\x1b"\n'
        "           ^~~~\n"
        "\n"
        "a.flow:2:13: error: a character that cannot be seen: U+001B\n"
        '    const k\\x00 = "\\x1b"\n'
        "                   ^~~~\n"
        "\n"
        "a.flow:3:4: error: a blank other than space and tab: U+00A0\n"
        "    dim\xa0M\n"
        "       ^\n"
        "\n"
        "4 errors"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#" * (MAX_BYTES + 1), f"the file has more than {MAX_BYTES:,} bytes"),
        ("#" + "é" * (MAX_BYTES // 2), f"the file has more than {MAX_BYTES:,} bytes"),
        ("," * (MAX_TOKENS + 1), f"the file has more than {MAX_TOKENS:,} tokens"),
        (f"const k = {'(' * 101}", f"brackets are nested more than {MAX_NESTING} deep"),
        (f"const k = {'(' * 100_000}", f"brackets are nested more than {MAX_NESTING} deep"),
        (f"const k = {'-' * 100_000}1", f"this is nested more than {MAX_DEPTH} deep"),
        (f"const k = 1{' + 1' * 1_000}", f"this is nested more than {MAX_DEPTH} deep"),
        (f"const k = 1{'**1' * 100_000}", f"this is nested more than {MAX_DEPTH} deep"),
        (f"const k = x{'.x' * 1_000}", f"this is nested more than {MAX_DEPTH} deep"),
        (f"const k = if a {{ }}{' else if a { }' * 10_000} else {{ }}", f"this is nested more than {MAX_DEPTH} deep"),
        (f"dim {'x' * 100_000}", "a name of 100,000 characters, and the limit is 1,000"),
        (f"const k = {'9' * 100_000}", "a number of 100,000 characters, and the limit is 1,000"),
    ],
    ids=["bytes", "letters", "tokens", "brackets", "open", "signs", "sums", "powers", "fields", "elses", "name", "number"],
)
def test_quota_is_told(text: str, message: str) -> None:
    assert [diagnostic.message for diagnostic in refused(Source("a.flow", text)).diagnostics] == [message]


def test_as_many_brackets_and_levels_as_may_be_are_read() -> None:
    parse(Source("a.flow", f"const k = {'(' * MAX_NESTING}1{')' * MAX_NESTING}"))
    parse(Source("a.flow", f"const k = {'-' * (MAX_DEPTH - 3)}1"))


@pytest.mark.parametrize(
    "text",
    ["dim 3\n" * 20_000, ")" * 50_000, "@" * 50_000, "@remat\n" * 50_000, '"\n' * 50_000, "\0" * 50_000, "fn f() -> f32 { a = = b " * 90],
    ids=["definitions", "brackets", "signs", "attributes", "strings", "characters", "blocks"],
)
def test_hostile_text_is_refused_in_bounded_time(text: str) -> None:
    start = time.perf_counter()
    assert len(refused(Source("a.flow", text)).diagnostics) <= MAX_ERRORS
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("seed", range(4))
def test_changed_sample_is_read_or_refused_with_places_in_it(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        source = Source("a.flow", changed(chance))
        try:
            parse(source)
        except CompileError as error:
            assert error.diagnostics
            for diagnostic in error.diagnostics:
                assert diagnostic.span is not None
                assert 0 <= diagnostic.span.begin <= diagnostic.span.end <= len(source.text)
            assert str(error).startswith("a.flow:")


def refused(source: Source) -> CompileError:
    with pytest.raises(CompileError) as error:
        parse(source)
    return error.value


def changed(chance: random.Random) -> str:
    """A sample in which a few pieces are left out, put in, repeated or replaced."""
    text = chance.choice(SAMPLES)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[at + chance.randint(1, 6) :]
            case 1:
                text = f"{text[:at]} {chance.choice(PIECES)} {text[at:]}"
            case 2:
                start = chance.randrange(len(text))
                text = text[:at] + text[start : start + chance.randint(1, 40)] + text[at:]
            case _:
                text = text[:at] + chance.choice(PIECES) + text[at + 1 :]
    return text
