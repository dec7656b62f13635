"""IR text that is wrong: told once, at its place, in bounded time, whatever the text."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from flowc.errors import CompileError
from flowc.ir.parser import parse_module
from flowc.ir.printer import print_module
from flowc.ops.catalog import catalog
from flowc.transforms.verify import verify

TEXTS = [part for file in sorted((Path(__file__).parent.parent / "text").rglob("*.fir")) for part in file.read_text().split("// ----\n")]
WORDS = (
    "%x", "@f", "[", "]", "(", ")", "{", "}", "f32", "i64", "index", "token", "N", "in", "..", "0", "-1", "9" * 25, "1e400", "=", "->", ":",
    "yield", "return", "func", "module", "state", "reduce", "read", "load", "kernel", "for", 'fold="dot"', '"', "//", "min(", "*", "&", "%",
    "nan", "\\", "\0", "é", "value=nan", "perm=(1, 0)", "axis=(7)", 'level="plan"', "dtype=f33", "[[", "device=1",
)  # fmt: skip
BODY = "module @m\n\nfunc @f[N in 1..](%x: f32[4], %m: f32[2, 3]) -> (f32[4]) {\n  LINE\n  return %y\n}\n"


@pytest.fixture(autouse=True, scope="module")
def every_op() -> None:
    catalog()


def rendered(text: str) -> str:
    with pytest.raises(CompileError) as refused:
        parse_module(text, "t.fir")
    return str(refused.value)


@pytest.mark.parametrize(
    ("line", "message", "mark"),
    [
        ("%y = sqrt %z : f32[4]", "t.fir:4:13: error: %z is not defined here", "          ^~"),
        ("%x = sqrt %x : f32[4]", "t.fir:4:3: error: %x is defined twice", "^~"),
        ("%y = sqrt %x, %x : f32[4]", "t.fir:4:3: error: sqrt needs x; there is more here", "^~~~~~~~~~~~~~~~~~~~~~~~~"),
        ("%y = add %x : f32[4]", "t.fir:4:3: error: add needs x, y; y is missing", "^~~~~~~~~~~~~~~~~~~~"),
        ("%y, %z = sqrt %x : f32[4]", "t.fir:4:3: error: sqrt has 1 result, not 2", "^~~~~~~~~~~~~~~~~~~~~~~~~"),
        ("%y = sum %x axis=\"a\" : f32", "t.fir:4:15: error: axis=a is of the wrong kind", "            ^~~~~~~~"),
        ("%y = sum %x axis=(0) axis=(0) : f32", "t.fir:4:24: error: there are two attributes axis", "                     ^~~~"),
        ("%y = constant value=300 : u8", "t.fir:4:17: error: value=300 is no u8", "              ^~~~~~~~~"),
        ("%y = constant value=nan : i32", "t.fir:4:17: error: value=nan is no i32", "              ^~~~~~~~~"),
        ("%y = transpose %m perm=(1, 2) : f32[3, 2]", None, "^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
        ("%y = weight @w blob=(1, 2) : f32[3]", "t.fir:4:18: error: 2 elements for f32[3]", "               ^~~~~~~~~~~"),
        ("%y = constant value=1.0 : f32[K]", "t.fir:4:33: error: the size K is not declared", "                              ^"),
        ("%y = constant value=1.0 : f32[N // 0]", "t.fir:4:33: error: a size is divided by 0", "                              ^~~~~~"),
        ("yield %x", "t.fir:4:3: error: this block ends in return, not yield", "^~~~~~~~"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_told_whole(line: str, message: str | None, mark: str) -> None:
    text = BODY.replace("  return %y\n", "") if line.startswith("yield") else BODY
    found = rendered(text.replace("LINE", line))
    if message is None:
        message = "t.fir:4:3: error: transpose cannot be made of these operands and attributes"
    assert found == f"{message}\n    {line}\n    {mark}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module @m\n\nfunc @f() {\n}\n\nfunc @f() {\n}\n", "t.fir:6:6: error: there are two functions @f\n    func @f() {\n         ^~"),
        (
            "func @f[N in 5..2]() {\n}\n",
            "t.fir:1:9: error: the range 5..2 of N is empty\n    func @f[N in 5..2]() {\n            ^~~~~~~~~",
        ),
        (
            "func @f(%x: f32) -> (i32) {\n  return %x\n}\n",
            "t.fir:1:22: error: @f returns f32, not i32\n    func @f(%x: f32) -> (i32) {\n                         ^~~",
        ),
        (
            "func @f(%x: f32) levl=\"plan\" {\n}\n",
            't.fir:1:18: error: a function has no attribute levl\n    func @f(%x: f32) levl="plan" {\n'
            '                     ^~~~~~~~~~~\nhelp: did you mean "level"?',
        ),
        ("func @f(%x: f32", "t.fir:1:16: error: the IR text ends too early\n    func @f(%x: f32\n                   ^"),
    ],
)  # fmt: skip
def test_a_wrong_head_is_told_whole(text: str, message: str) -> None:
    assert rendered(text) == message


@pytest.mark.parametrize("deep", ["-" * 3000 + "N", "(" * 3000 + "N" + ") // 2" * 3000])
def test_what_is_nested_too_deep_is_refused(deep: str) -> None:
    found = rendered(f"func @f[N in 1..](%x: f32[{deep}]) {{\n}}\n")
    assert found.startswith("t.fir:1:1: error: this is nested too deep\n")


@pytest.mark.parametrize(
    "size",
    [
        "(" + " + ".join(f"min(N, {k})" for k in range(2, 60)) + ") // 3",
        "min(" + " + ".join(f"min(N, {k})" for k in range(2, 60)) + ", 7*N)",
        "min(N + 1, " * 200 + "3*N" + ")" * 200,
        "*".join(["(N + min(N, 3) + N // 2)"] * 40),
    ],
)
def test_sizes_of_many_minima_are_read_in_bounded_time(size: str) -> None:
    begin = time.process_time()
    module = parse_module(f"func @f[N in 1..](%x: f32[{size}]) {{\n}}\n")
    assert print_module(parse_module(print_module(module))) == print_module(module)
    assert time.process_time() - begin < 10


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 3)):
        words, lines, at = text.split(" "), text.split("\n"), rng.randrange(len(text) + 1)
        word, line = rng.randrange(len(words)), rng.randrange(len(lines))
        match rng.randint(0, 6):
            case 0:
                text = text[:at] + text[at + rng.randint(1, 8) :]
            case 1:
                text = text[:at] + rng.choice(WORDS) + text[at:]
            case 2:
                text = " ".join([*words[:word], rng.choice(WORDS), *words[word + 1 :]])
            case 3:
                text = " ".join([*words[:word], *words[word + 1 :]])
            case 4:
                text = "\n".join([*lines[:line], lines[rng.randrange(len(lines))], *lines[line:]])
            case 5:
                text = "\n".join([*lines[:line], *lines[line + 1 :]])
            case _:
                numbers = list(re.finditer(r"\d+", text))
                if numbers:
                    found = rng.choice(numbers)
                    text = text[: found.start()] + rng.choice(["0", "1", "2", "7", "N", "9" * 20]) + text[found.end() :]
    return text


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_text_is_read_or_refused_with_a_place(seed: int) -> None:
    rng = random.Random(seed)
    refused = 0
    for _ in range(150):
        text = mutated(rng.choice(TEXTS), rng)
        try:
            module = parse_module(text, "t.fir")
        except CompileError as error:
            refused += 1
            assert len(error.diagnostics) == 1 and error.diagnostics[0].span is not None
            continue
        try:
            verify(module)
        except CompileError:
            continue
        assert print_module(parse_module(print_module(module))) == print_module(module)
    assert refused > 75
