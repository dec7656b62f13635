"""Each construct of the grammar gives its node, whose span is what is written."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from flowc.lang import ast, tables
from flowc.lang.parse import decoded, parse, read
from flowc.source import Source, Span

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.flow"))
S = Span(Source("", ""), 0, 0)


def name(text: str) -> ast.Name:
    return ast.Name(text, span=S)


def integer(value: int) -> ast.Integer:
    return ast.Integer(value, str(value), span=S)


def string(value: str) -> ast.String:
    return ast.String(value, span=S)


def binary(left: ast.Expression, operator: str, right: ast.Expression) -> ast.Binary:
    return ast.Binary(left, operator, right, span=S)


def argument(value: ast.Expression, by: str | None = None) -> ast.Argument:
    return ast.Argument(None if by is None else name(by), value, span=S)


def call(function: str, *arguments: ast.Argument) -> ast.Call:
    return ast.Call(name(function), arguments, span=S)


def scalar(dtype: str) -> ast.Type:
    return ast.Type(name(dtype), (), span=S)


def attribute(called: str, *arguments: ast.Argument) -> ast.Attribute:
    return ast.Attribute(name(called), arguments, span=S)


def block(*statements: ast.Statement) -> ast.Block:
    return ast.Block(statements, span=S)


def yielded(*values: ast.Expression) -> ast.Block:
    return block(ast.Yield(values, (), span=S))


def index(of: str, *limits: ast.Expression) -> ast.IndexName:
    return ast.IndexName(name(of), ast.Range(*limits, span=S) if limits else None, span=S)


def bind(to: str, value: ast.Expression) -> ast.Bind:
    return ast.Bind((ast.Target(name(to), None, span=S),), value, span=S)


a, b, c, x = map(name, "abcx")

DEFINITIONS = [
    ('import "a.flow" as m', ast.Import("flow", string("a.flow"), name("m"), None, span=S)),
    ('import weights "f.npz" as w sha256 "ab"', ast.Import("weights", string("f.npz"), name("w"), string("ab"), span=S)),
    ('import onnx "m.onnx" as m', ast.Import("onnx", string("m.onnx"), name("m"), None, span=S)),
    ("dim N", ast.Dim((name("N"),), None, None, span=S)),
    ("dim N, T in 1..4096", ast.Dim((name("N"), name("T")), integer(1), integer(4096), span=S)),
    ("dim K in 0..", ast.Dim((name("K"),), integer(0), None, span=S)),
    ("const a = 1", ast.Const(a, None, integer(1), span=S)),
    ("const a: i64 = 1", ast.Const(a, scalar("i64"), integer(1), span=S)),
    ("param a: f32", ast.Param(a, scalar("f32"), None, span=S)),
    ("param a: f32 = zeros()", ast.Param(a, scalar("f32"), call("zeros"), span=S)),
    ("state a: i64[] = 0", ast.State(a, scalar("i64"), integer(0), span=S)),
    ("device a = cpu(1, threads=2)", ast.Device(a, name("cpu"), (argument(integer(1)), argument(integer(2), "threads")), span=S)),
    (
        "@inline\nfn a[N, T](x: f32 = 1,) -> f32 { return x }",
        ast.Fn(
            a,
            (name("N"), name("T")),
            (ast.Formal(x, scalar("f32"), integer(1), span=S),),
            (ast.Result(None, scalar("f32"), span=S),),
            block(ast.Return((x,), span=S)),
            None,
            attributes=(attribute("inline"),),
            span=S,
        ),
    ),
    (
        "fn a() -> f32 { }\nderivative (b: f32) -> (c: f32) { }",
        ast.Fn(
            a,
            (),
            (),
            (ast.Result(None, scalar("f32"), span=S),),
            block(),
            ast.Derivative((ast.Formal(b, scalar("f32"), None, span=S),), (ast.Result(c, scalar("f32"), span=S),), block(), span=S),
            span=S,
        ),
    ),
    (
        "@pipeline(stages=2) graph a(x: f32) -> (b: f32, i64) { }",
        ast.Graph(
            a,
            (ast.Formal(x, scalar("f32"), None, span=S),),
            (ast.Result(b, scalar("f32"), span=S), ast.Result(None, scalar("i64"), span=S)),
            block(),
            attributes=(attribute("pipeline", argument(integer(2), "stages")),),
            span=S,
        ),
    ),
    ('test "t" { }', ast.Test(string("t"), block(), span=S)),
]

STATEMENTS = [
    ("a = b", bind("a", b)),
    ("a: f32, b = x", ast.Bind((ast.Target(a, scalar("f32"), span=S), ast.Target(b, None, span=S)), x, span=S)),
    ("a[b, c in 0..x] = 1", ast.Define(a, (index("b"), index("c", integer(0), x)), integer(1), span=S)),
    ("a := b", ast.Write(a, b, span=S)),
    ("return a, b", ast.Return((a, b), span=S)),
    ("yield a, b emit c", ast.Yield((a, b), (c,), span=S)),
    ("emit a, b", ast.Yield((), (a, b), span=S)),
    ("assert a", ast.Assert(a, None, None, span=S)),
    ('assert a within b, "c"', ast.Assert(a, b, string("c"), span=S)),
    ("on a { b = c }", ast.On(a, block(bind("b", c)), span=S)),
    ("a(b)", ast.Evaluate(call("a", argument(b)), span=S)),
    (
        '@remat\n@name("n")\n\na := b',
        ast.Write(a, b, attributes=(attribute("remat"), attribute("name", argument(string("n")))), span=S),
    ),
]

EXPRESSIONS = [
    ("a", a),
    ("12", integer(12)),
    ("1_000", ast.Integer(1000, "1_000", span=S)),
    ("0xfF", ast.Integer(255, "0xfF", span=S)),
    ("123456789012345678901234567890", integer(123456789012345678901234567890)),
    ("0.10", ast.Decimal("0.10", span=S)),
    (".5", ast.Decimal(".5", span=S)),
    ("1.", ast.Decimal("1.", span=S)),
    ("1e-6", ast.Decimal("1e-6", span=S)),
    (r'"a\"\\\n\t\\n#"', string('a"\\\n\t\\n#')),
    ("true", ast.Bool(True, span=S)),
    ("false", ast.Bool(False, span=S)),
    ("[]", ast.List((), span=S)),
    ("[a, b,]", ast.List((a, b), span=S)),
    ("(a,)", ast.Tuple((a,), span=S)),
    ("(a, b)", ast.Tuple((a, b), span=S)),
    ("(a)", a),
    ("-a ** -b", ast.Unary("-", binary(a, "**", ast.Unary("-", b, span=S)), span=S)),
    ("!a && b || c", binary(binary(ast.Unary("!", a, span=S), "&&", b), "||", c)),
    ("a + b * c", binary(a, "+", binary(b, "*", c))),
    ("a - b - c", binary(binary(a, "-", b), "-", c)),
    ("a ** b ** c", binary(a, "**", binary(b, "**", c))),
    ("a @ b / c", binary(binary(a, "@", b), "/", c)),
    ("a // b % c", binary(binary(a, "//", b), "%", c)),
    ("a + b <= c", binary(binary(a, "+", b), "<=", c)),
    ("a as f32 / b", binary(ast.Cast(a, name("f32"), span=S), "/", b)),
    ("-a as f32", ast.Unary("-", ast.Cast(a, name("f32"), span=S), span=S)),
    ("a.in.b", ast.Field(ast.Field(a, name("in"), span=S), b, span=S)),
    ("a(b, in=c, if=x,)", call("a", argument(b), argument(c, "in"), argument(x, "if"))),
    ("a.b(c)", ast.Call(ast.Field(a, b, span=S), (argument(c),), span=S)),
    ("a[b]", ast.Subscript(a, (b,), span=S)),
    (
        "a[..., new, b:, ::c]",
        ast.Subscript(
            a,
            (ast.AnyAxes(span=S), ast.NewAxis(span=S), ast.Slice(b, None, None, span=S), ast.Slice(None, None, c, span=S)),
            span=S,
        ),
    ),
    (
        "reduce sum a, b in 0..3: c * x",
        ast.Reduce(name("sum"), (index("a"), index("b", integer(0), integer(3))), binary(c, "*", x), span=S),
    ),
    ("if a { yield b } else { yield c }", ast.If(a, yielded(b), yielded(c), span=S)),
    ("if a { } else if b { } else { }", ast.If(a, block(), ast.If(b, block(), block(), span=S), span=S)),
    (
        "loop (a = b, c: i32 = 0) while a limit 9 { yield b }",
        ast.Loop((ast.Carry(a, None, b, span=S), ast.Carry(c, scalar("i32"), integer(0), span=S)), a, integer(9), yielded(b), span=S),
    ),
    ("loop (a = b) while c { }", ast.Loop((ast.Carry(a, None, b, span=S),), c, None, block(), span=S)),
    (
        "scan (a in b along 0, c in 0..9; x = b) { yield x emit a }",
        ast.Scan(
            (
                ast.Each(a, b, integer(0), span=S),
                ast.Each(c, ast.Range(integer(0), integer(9), span=S), None, span=S),
            ),
            (ast.Carry(x, None, b, span=S),),
            block(ast.Yield((x,), (a,), span=S)),
            span=S,
        ),
    ),
    ("scan (a in b) { emit a }", ast.Scan((ast.Each(a, b, None, span=S),), (), block(ast.Yield((), (a,), span=S)), span=S)),
]

TYPES = [
    ("f32", scalar("f32")),
    ("f32[]", scalar("f32")),
    ("f32[N, 784]", ast.Type(name("f32"), (name("N"), integer(784)), span=S)),
    ("T[..., K + 1]", ast.Type(name("T"), (ast.AnyAxes(span=S), binary(name("K"), "+", integer(1))), span=S)),
    ("i64[?]", ast.Type(name("i64"), (ast.DynamicSize(None, span=S),), span=S)),
    ("i64[?..100, 2]", ast.Type(name("i64"), (ast.DynamicSize(integer(100), span=S), integer(2)), span=S)),
]


@pytest.mark.parametrize(("text", "item"), DEFINITIONS, ids=[text for text, _ in DEFINITIONS])
def test_definition_is_read(text: str, item: ast.Item) -> None:
    assert program(text).items == (item,)
    assert program(text).items[0].span.text == text


@pytest.mark.parametrize(("text", "statement"), STATEMENTS, ids=[text for text, _ in STATEMENTS])
def test_statement_is_read(text: str, statement: ast.Statement) -> None:
    for layout in ("test {s} {{ {0} }}", "test {s} {{\n  {0}\n}}", "test {s} {{\n\n  {0}\n\n  {0} }}"):
        (item,) = program(layout.format(text, s='"t"')).items
        assert isinstance(item, ast.Test)
        assert set(item.body.statements) == {statement}
        assert item.body.statements[0].span.text == text


@pytest.mark.parametrize(("text", "expression"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_expression_is_read(text: str, expression: ast.Expression) -> None:
    (item,) = program(f"const k = {text}").items
    assert isinstance(item, ast.Const)
    assert item.value == expression
    assert item.value.span.text == (text[1:-1] if text == "(a)" else text)


@pytest.mark.parametrize(("text", "type"), TYPES, ids=[text for text, _ in TYPES])
def test_type_is_read(text: str, type: ast.Type) -> None:
    (item,) = program(f"param p: {text}").items
    assert isinstance(item, ast.Param)
    assert item.type == type
    assert item.type.span.text == text


def test_every_node_of_the_language_is_read_by_a_test_above() -> None:
    cases = [node for group in (DEFINITIONS, STATEMENTS, EXPRESSIONS, TYPES) for _, node in group]
    seen = {type(node) for case in cases for node in nodes(case)}
    known = {cls for cls in vars(ast).values() if isinstance(cls, type) and issubclass(cls, ast.Node)}
    assert known - seen == {ast.Node, ast.Attributed, ast.Program}


@pytest.mark.parametrize(
    "broken",
    [
        "const k = a +\n  b",
        "const k = a\n  + b",
        "const k =\n\n  a + b",
        "const k = (a\n+\nb\n)",
        "const k = a # c\n  # d\n  + b",
        "const k = a +\r\n  b\r\n",
    ],
)
def test_newline_goes_on_where_the_line_before_or_after_says_so(broken: str) -> None:
    assert program(broken).items == (ast.Const(name("k"), None, binary(a, "+", b), span=S),)


def test_newline_goes_on_after_comma_colon_and_arrow_and_before_arrow_else_and_derivative() -> None:
    flat = "fn f(x: f32) -> (f32, f32) { a, b = if x { y = a } else { y = b } } derivative (d: f32) -> f32 { r = (reduce sum k: k) }"
    broken = flat.replace("->", "\n->\n", 1).replace("x:", "x:\n").replace("a,", "a,\n").replace("} d", "}\nd").replace("} e", "}\ne")
    assert program(broken) == program(flat)


def test_newline_ends_a_statement_in_a_block_in_parentheses() -> None:
    (item,) = program("const k = f(if a {\n  b = c\n  yield b\n} else {\n  yield c\n})").items
    assert isinstance(item, ast.Const)
    assert item.value == call("f", argument(ast.If(a, block(bind("b", c), ast.Yield((b,), (), span=S)), yielded(c), span=S)))


def test_line_that_begins_with_at_sign_is_an_attribute() -> None:
    (item,) = program('test "t" {\n  a = b\n  @remat\n  c = x\n}').items
    assert isinstance(item, ast.Test)
    assert [statement.attributes for statement in item.body.statements] == [(), (attribute("remat"),)]


@pytest.mark.parametrize("file", SAMPLES, ids=[file.name for file in SAMPLES])
def test_sample_is_read_and_its_spans_nest(file: Path) -> None:
    source = read(file, file.name)
    tree = parse(source)
    assert tree.version == "1.0"
    for node in nodes(tree):
        assert 0 <= node.span.begin <= node.span.end <= len(source.text)
        assert node.span.text == node.span.text.strip()
        for inner in children(node):
            assert node.span.begin <= inner.span.begin and inner.span.end <= node.span.end


def test_text_without_definitions_is_a_program() -> None:
    assert program("") == program("# nothing\n\n") == ast.Program(None, (), span=S)
    assert program("flow 1.0") == ast.Program("1.0", (), span=S)


def test_byte_order_mark_is_left_out() -> None:
    assert decoded(b"\xef\xbb\xbfdim N\n", "a.flow").text == "dim N\n"


def test_tables_that_are_kept_read_as_those_that_are_made(tmp_path: Path) -> None:
    grammar = "start: NAME\nNAME: /[a-z]+/\n" + 'block: "{" "}"\n'
    made = tables.made(grammar)
    kept = tmp_path / "folder" / "flow.tables"
    tables.write(kept, "key", made)
    assert tables.kept(kept, "key") == made
    assert tables.kept(kept, "another key") is None
    kept.write_bytes(kept.read_bytes()[:-20])
    assert tables.kept(kept, "key") is None


def program(text: str) -> ast.Program:
    return parse(Source("a.flow", text))


def nodes(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in children(node):
        yield from nodes(child)


def children(node: ast.Node) -> Iterator[ast.Node]:
    for part in fields(node):
        value = getattr(node, part.name)
        yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, ast.Node))
