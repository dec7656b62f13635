"""The language as types: one frozen class for each construct that `grammar/flow.lark` can read.

Nodes are equal if they read the same, wherever they stand: `span` takes no part
in equality. No tree that `parse` gives is deeper than `parse.MAX_DEPTH`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowc.source import Span


@dataclass(frozen=True)
class Node:
    """Anything written in a file, and where."""

    span: Span = field(kw_only=True, compare=False, repr=False)


@dataclass(frozen=True)
class Name(Node):
    """A name, where it is bound and where it is used."""

    text: str


# Expressions.


@dataclass(frozen=True)
class Integer(Node):
    """`12`, `1_000`, `0xff`."""

    value: int
    text: str


@dataclass(frozen=True)
class Decimal(Node):
    """`0.1`, `.5`, `1e-6`, as it is written: its value depends on the dtype it takes."""

    text: str


@dataclass(frozen=True)
class String(Node):
    """`"same"`; `value` has its escapes replaced."""

    value: str


@dataclass(frozen=True)
class Bool(Node):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True)
class List(Node):
    """`[a, b]`."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True)
class Tuple(Node):
    """`(a, b)`, `(a,)`."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True)
class Unary(Node):
    """`-x`, `!x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary(Node):
    """`x + y`; the operators are `+ - * / // % ** @ == != < <= > >= && ||`."""

    left: Expression
    operator: str
    right: Expression


@dataclass(frozen=True)
class Cast(Node):
    """`x as f32`."""

    value: Expression
    dtype: Name


@dataclass(frozen=True)
class Field(Node):
    """`w.weight`."""

    value: Expression
    name: Name


@dataclass(frozen=True)
class Argument(Node):
    """`x`, `axis=0`."""

    name: Name | None
    value: Expression


@dataclass(frozen=True)
class Call(Node):
    """`f(x, axis=0)`; arguments by name come last, each name once."""

    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Slice(Node):
    """`start:stop:step`, each of which may be left out."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True)
class NewAxis(Node):
    """`new` in a subscript."""


@dataclass(frozen=True)
class AnyAxes(Node):
    """`...` in a subscript or a shape."""


@dataclass(frozen=True)
class Subscript(Node):
    """`x[i, 2:, new, ...]`."""

    value: Expression
    subscripts: tuple[Expression | Slice | NewAxis | AnyAxes, ...]


@dataclass(frozen=True)
class Range(Node):
    """`start..end`, the end excluded."""

    start: Expression
    end: Expression


@dataclass(frozen=True)
class IndexName(Node):
    """`i`, `i in 0..N`: an index of a definition or a reduction; its range is inferred where it is left out."""

    name: Name
    range: Range | None


@dataclass(frozen=True)
class Reduce(Node):
    """`reduce sum k: x[i, k] * w[k, j]`."""

    reducer: Name
    indices: tuple[IndexName, ...]
    body: Expression


@dataclass(frozen=True)
class If(Node):
    """`if c { yield a } else { yield b }`, `else if`."""

    condition: Expression
    then: Block
    otherwise: Block | If


@dataclass(frozen=True)
class Carry(Node):
    """`n: i32 = 0`: what a loop or a scan hands from one step to the next."""

    name: Name
    type: Type | None
    initial: Expression


@dataclass(frozen=True)
class Loop(Node):
    """`loop (v = v0) while c limit 100 { ... yield v1 }`."""

    carries: tuple[Carry, ...]
    condition: Expression
    limit: Expression | None
    body: Block


@dataclass(frozen=True)
class Each(Node):
    """`x in xs along 0`, `i in a..b`: what a scan takes step by step."""

    name: Name
    values: Expression | Range
    along: Expression | None


@dataclass(frozen=True)
class Scan(Node):
    """`scan (x in xs along 0; h = h0) { ... yield h1 emit y }`."""

    sequences: tuple[Each, ...]
    carries: tuple[Carry, ...]
    body: Block


Expression = (
    Name
    | Integer
    | Decimal
    | String
    | Bool
    | List
    | Tuple
    | Unary
    | Binary
    | Cast
    | Field
    | Call
    | Subscript
    | Reduce
    | If
    | Loop
    | Scan
)


# Types.


@dataclass(frozen=True)
class DynamicSize(Node):
    """`?`, `?..100`: a size known only at run time, with its bound."""

    bound: Expression | None


Size = Expression | AnyAxes | DynamicSize


@dataclass(frozen=True)
class Type(Node):
    """`f32`, `f32[]`, `f32[N, 784]`, `T[..., K]`."""

    dtype: Name
    shape: tuple[Size, ...]


# Statements.


@dataclass(frozen=True)
class Attribute(Node):
    """`@remat`, `@name("head")`."""

    name: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Attributed(Node):
    """What attributes may stand before."""

    attributes: tuple[Attribute, ...] = field(kw_only=True, default=())


@dataclass(frozen=True)
class Block(Node):
    """`{ ... }`."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Target(Node):
    """`h`, `h: f32[N, 10]`."""

    name: Name
    type: Type | None


@dataclass(frozen=True)
class Bind(Attributed):
    """`h = e`, `a, b = f(x)`."""

    targets: tuple[Target, ...]
    value: Expression


@dataclass(frozen=True)
class Define(Attributed):
    """`y[i, j] = e`: a definition by index."""

    name: Name
    indices: tuple[IndexName, ...]
    value: Expression


@dataclass(frozen=True)
class Write(Attributed):
    """`w := e`: the value a param or state has after the run."""

    name: Name
    value: Expression


@dataclass(frozen=True)
class Return(Attributed):
    """`return a, b`."""

    values: tuple[Expression, ...]


@dataclass(frozen=True)
class Yield(Attributed):
    """`yield a, b emit c`; `emit c` alone yields nothing."""

    values: tuple[Expression, ...]
    emitted: tuple[Expression, ...]


@dataclass(frozen=True)
class Assert(Attributed):
    """`assert c within 1e-6, "message"`."""

    condition: Expression
    within: Expression | None
    message: String | None


@dataclass(frozen=True)
class On(Attributed):
    """`on g0 { ... }`."""

    device: Name
    body: Block


@dataclass(frozen=True)
class Evaluate(Attributed):
    """An expression that stands alone."""

    value: Expression


Statement = Bind | Define | Write | Return | Yield | Assert | On | Evaluate


# The definitions of a file.


@dataclass(frozen=True)
class Import(Node):
    """`import weights "f.safetensors" as w sha256 "..."`; `kind` is flow, weights, onnx or stablehlo."""

    kind: str
    path: String
    name: Name
    sha256: String | None


@dataclass(frozen=True)
class Dim(Attributed):
    """`dim N, T in 1..4096`, the high end included."""

    names: tuple[Name, ...]
    low: Expression | None
    high: Expression | None


@dataclass(frozen=True)
class Const(Attributed):
    """`const LR = 1e-2`."""

    name: Name
    type: Type | None
    value: Expression


@dataclass(frozen=True)
class Param(Attributed):
    """`param w: f32[784, 10] = zeros()`."""

    name: Name
    type: Type
    initialiser: Expression | None


@dataclass(frozen=True)
class State(Attributed):
    """`state step: i64[] = 0`."""

    name: Name
    type: Type
    initialiser: Expression | None


@dataclass(frozen=True)
class Device(Node):
    """`device g0 = cuda(0)`."""

    name: Name
    kind: Name
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Formal(Node):
    """`x: f32[N, 784]`, `stride: i64 = 1`."""

    name: Name
    type: Type
    default: Expression | None


@dataclass(frozen=True)
class Result(Node):
    """`probs: f32[N, 10]`, `f32[N]`."""

    name: Name | None
    type: Type


@dataclass(frozen=True)
class Derivative(Node):
    """`derivative (dy: f32[N]) -> f32[N] { ... }` after the body of a function."""

    formals: tuple[Formal, ...]
    results: tuple[Result, ...]
    body: Block


@dataclass(frozen=True)
class Fn(Attributed):
    """`fn dense[B, I, O](x: f32[B, I], w: f32[I, O]) -> f32[B, O] { ... }`."""

    name: Name
    generics: tuple[Name, ...]
    formals: tuple[Formal, ...]
    results: tuple[Result, ...]
    body: Block
    derivative: Derivative | None


@dataclass(frozen=True)
class Graph(Attributed):
    """`graph mlp(x: f32[N, 784]) -> (probs: f32[N, 10], label: i64[N]) { ... }`."""

    name: Name
    formals: tuple[Formal, ...]
    results: tuple[Result, ...]
    body: Block


@dataclass(frozen=True)
class Test(Node):
    """`test "..." { ... }`."""

    title: String
    body: Block


Item = Import | Dim | Const | Param | State | Device | Fn | Graph | Test


@dataclass(frozen=True)
class Program(Node):
    """A file; `version` is that of its first line, if it says one."""

    version: str | None
    items: tuple[Item, ...]
