"""The canonical layout: what it is, that it is one, and that nothing but blanks and newlines changes."""

import random
from pathlib import Path

import pytest

from flowc.errors import CompileError
from flowc.lang.format import WIDTH, format
from flowc.lang.lexer import Errors, tokenize
from flowc.lang.lines import statements
from flowc.lang.parse import parse
from flowc.source import Source

SAMPLES = [file.read_text(encoding="utf-8") for file in sorted((Path(__file__).parent / "samples").glob("*.flow"))]
A, B, C, D = (letter * 37 for letter in "abcd")

LAYOUTS = [
    ("blanks", "const   k=( -a+b )*c**-2 as f32@d\n", "const k = (-a + b) * c ** -2 as f32 @ d\n"),
    ("calls", "const k = f ( x,axis = -1 , in=[ 1,2 ] )(y) . z [ 0 ]\n", "const k = f(x, axis=-1, in=[1, 2])(y).z[0]\n"),
    ("subscripts", "const k = x[ 1 : , : : 2,new ,... ,-1, a+1 : b ]\n", "const k = x[1:, ::2, new, ..., -1, a + 1:b]\n"),
    ("colons", "const k = [reduce sum i in 0 .. 3 , j:x[i,j], x[a:b]]\n", "const k = [reduce sum i in 0..3, j: x[i, j], x[a:b]]\n"),
    ("types", "param w:f32 [N , ? .. 100 , ...]= zeros ()\n", "param w: f32[N, ?..100, ...] = zeros()\n"),
    ("ranges", "dim N,T in 1 .. 4096\ndim K in 0 ..\n", "dim N, T in 1..4096\ndim K in 0..\n"),
    ("defaults", "fn f [N](x:f32=1)->( y:f32 ){return x}\n", "fn f[N](x: f32 = 1) -> (y: f32) { return x }\n"),
    (
        "loops",
        "const k = loop(v=a,n:i32=0)while n<3 limit 9{yield v,n}\nconst l = scan(x in a along 0;h=b){yield h emit x}\n",
        "const k = loop (v = a, n: i32 = 0) while n < 3 limit 9 { yield v, n }\n"
        "const l = scan (x in a along 0; h = b) { yield h emit x }\n",
    ),
    ("attributes", '@inline @name ( "n" )\n\nfn f() -> f32 { }\n', '@inline\n@name("n")\nfn f() -> f32 {}\n'),
    ("not", "const k = ! a&&!(b||c)!=d\n", "const k = !a && !(b || c) != d\n"),
    (
        "blocks",
        'graph g(x: f32) -> f32 {\nif x {\nyield x } else if y {\n\n\nyield y\n\n} else { }\n\n\nreturn x }\n\n\n\ntest "t" {\n}',
        'graph g(x: f32) -> f32 {\n  if x {\n    yield x\n  } else if y {\n    yield y\n  } else {}\n\n  return x\n}\n\ntest "t" {}\n',
    ),
    (
        "comments",
        "\n\n#top \ndim N#n\n\n\n\n# of f\nfn f() -> f32 { # head\n\n# in\nx = f(a, # a\n# own\nb) # tail\n"
        "y = a # y\n  + b\n# end\n} # f\n#last",
        "#top\ndim N  #n\n\n# of f\nfn f() -> f32 {  # head\n  # in\n  x = f(a,  # a\n      # own\n      b)  # tail\n"
        "  y = a  # y\n      + b\n  # end\n}  # f\n#last\n",
    ),
    (
        "signature",
        f"fn f({A}: f32[N], {B}: f32[N], c: f32[N]) -> ({C}: f32[N]) {{ return c }}\n",
        f"fn f({A}: f32[N], {B}: f32[N], c: f32[N])\n    -> ({C}: f32[N]) {{\n  return c\n}}\n",
    ),
    (
        "operators",
        f"const k = {A} * 2 + {B} - {C} + f({D} + 1)\n",
        f"const k = {A} * 2 + {B}\n        - {C} + f({D} + 1)\n",
    ),
    ("products", f"const k = {A} @ {B} @ {C} @ {D}\n", f"const k = {A} @ {B} @\n          {C} @ {D}\n"),
    ("arguments", f"const k = f({A}, {B}, axis={C}, d=[1, 2])\n", f"const k = f({A}, {B},\n    axis={C}, d=[1, 2])\n"),
    (
        "branches",
        f"const k = if {A} < {B} {{ yield {C} }} else {{ yield d }}\n",
        f"const k = if {A} < {B} {{\n  yield {C}\n}} else {{\n  yield d\n}}\n",
    ),
    (
        "rows",
        f"const k: i32[2, 3] = [[{A}, {B}, 1], [{C}, {D}, 2],]\n",
        f"const k: i32[2, 3] = [\n  [{A}, {B}, 1],\n  [{C}, {D}, 2],\n]\n",
    ),
]


@pytest.mark.parametrize(("text", "layout"), [case[1:] for case in LAYOUTS], ids=[case[0] for case in LAYOUTS])
def test_layout_is(text: str, layout: str) -> None:
    assert format(Source("a.flow", text)) == layout
    assert format(Source("a.flow", layout)) == layout
    assert parse(Source("a.flow", layout)) == parse(Source("a.flow", text))


@pytest.mark.parametrize("text", SAMPLES, ids=[text.count("\n") for text in SAMPLES])
def test_sample_keeps_its_layout_but_for_blanks_before_comments(text: str) -> None:
    layout = format(Source("a.flow", text))
    assert [line.split("#")[0].rstrip() for line in layout.splitlines()] == [line.split("#")[0].rstrip() for line in text.splitlines()]
    assert_layout_is_one(text)


@pytest.mark.parametrize("seed", range(4))
def test_layout_of_a_text_does_not_depend_on_its_blanks_and_broken_lines(seed: int) -> None:
    chance = random.Random(seed)
    for text in SAMPLES:
        assert format(Source("a.flow", respaced(text, chance))) == format(Source("a.flow", respaced(text, chance)))


@pytest.mark.parametrize("seed", range(4))
def test_generated_program_has_one_layout_with_the_same_tree(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        assert_layout_is_one(program(chance))


def test_line_is_no_longer_than_it_must_be() -> None:
    chance = random.Random(0)
    lines = [line for _ in range(50) for line in format(Source("a.flow", f"const k = {expression(chance, 5)}\n")).splitlines()]
    assert max(map(len, lines)) <= WIDTH


def test_text_that_cannot_be_read_has_no_layout() -> None:
    with pytest.raises(CompileError):
        format(Source("a.flow", "dim\n"))


def test_nothing_has_the_layout_of_nothing() -> None:
    assert format(Source("a.flow", "\n\n  \n")) == ""


def assert_layout_is_one(text: str) -> None:
    layout = format(Source("a.flow", text))
    assert format(Source("a.flow", layout)) == layout
    assert parse(Source("a.flow", layout)) == parse(Source("a.flow", text))
    assert comments(layout) == comments(text)
    assert all(line == line.rstrip() for line in layout.splitlines())


def comments(text: str) -> list[str]:
    source = Source("a.flow", text)
    return [token.text.rstrip() for token in tokenize(source, Errors(source)) if token.kind == "COMMENT"]


def respaced(text: str, chance: random.Random) -> str:
    """The tokens of a text without its comments, with other blanks, and other newlines where they end no statement."""
    source = Source("a.flow", text)
    pieces: list[str] = []
    depth = 0
    for token in statements(tokenize(source, Errors(source)), Errors(source)):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        going_on = depth and "{" not in text.splitlines()[source.line_of(token.begin)[0] - 1]
        free = going_on or token.text in (",", "+", "*", "=", ":=", "->")
        pieces += [token.text, chance.choice((" ", "  ", "\n", " \n\t") if free else (" ", "\t", "   "))]
    return "".join(pieces)


def program(chance: random.Random) -> str:
    """A text of a few definitions, with comments where one may stand."""
    text = ""
    for _ in range(chance.randint(1, 4)):
        text += chance.choice(("", "\n", "# own\n", "\n\n# own\n\n"))
        lines = "".join(f"{statement(chance)}{chance.choice(('', ' # tail', '', chr(10)))}\n" for _ in range(chance.randint(0, 4)))
        text += chance.choice(
            (
                f"const k = {expression(chance, 3)}\n",
                f"param w: f32[{expression(chance, 1)}, ?..{expression(chance, 0)}] = {expression(chance, 2)}\n",
                f"fn f[N](x: f32[N], y: T = {expression(chance, 1)})-> (z: f32) {{{chance.choice(('', ' # head'))}\n{lines}}}\n",
            )
        )
    return text


def statement(chance: random.Random) -> str:
    value = expression(chance, 4)
    return chance.choice(
        (
            f"y = {value}",
            f"y[i, j in 0..3] = {value}",
            f"a, b: f32 = {value}",
            f"w := {value}",
            f"return {value}, x",
            f"assert {value} within 1e-6, \"m\"",
            f"@remat\nyield {value} emit x",
            f"on g {{\n # in\n y = {value}\n }}",
        )
    )  # fmt: skip


def expression(chance: random.Random, depth: int) -> str:
    """An expression in which all that may stand in parentheses does."""
    if depth == 0:
        return chance.choice(("x", "12", "0.5", "a_long_name", "w.weight", "-1", "true", '"s"'))
    a, b, c = (expression(chance, depth - chance.randint(1, depth)) for _ in range(3))
    return chance.choice(
        (
            f"({a}) {chance.choice(('+', '-', '*', '/', '//', '%', '**', '@', '&&', '||'))} ({b})",
            f"({a})\n  + ({b})" if chance.random() < 0.3 else f"-({a})",
            f"f({a}, # first\n {b}, axis={c})" if chance.random() < 0.3 else f"f({a}, {b}, axis={c})",
            f"({a})[{b}:, new, :({c})]",
            f"[[{a}, {b}], [{c}]]",
            f"(reduce sum i, j in 0..3: {a})",
            f"(if {a} {{ yield {b} }} else {{ yield {c} }})",
            f"(if {a} {{\nyield {b} }}\n# why\nelse {{ yield {c}\n}})",
            f"(scan (s in {a} along 0; h = {b}) {{ yield h emit {c} }})",
            f"({a}) as f32",
        )
    )


def test_long_statement_with_several_targets_is_broken_in_its_value() -> None:
    text = f"graph f() -> f32 {{\n  first, second = vjp([{'a' * 40}, {'b' * 30}], wrt=[{'c' * 30}], seed=[{'d' * 20}, h])\n}}\n"
    laid_out = format(Source("m.flow", text))
    assert laid_out.splitlines()[1].startswith("  first, second = vjp([")
    assert max(map(len, laid_out.splitlines())) <= 120
    assert format(Source("m.flow", laid_out)) == laid_out
