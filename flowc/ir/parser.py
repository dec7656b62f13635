"""Reading the textual IR back: the inverse of the printer at every level."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from importlib.resources import files
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from flowc.errors import CompileError, Diagnostic, OpError, did_you_mean
from flowc.ir.core import OPS, Block, Func, Module, Op, State, Symbol, Value
from flowc.ir.data import Blob, Number, Scalar
from flowc.ir.dims import Dim, Size, at_most, dim, floor, least, product, show
from flowc.ir.types import DType, Type
from flowc.source import Source, Span

Node = Tree[Token]
Blobs = Callable[[str], np.ndarray[Any, Any]]


def parse_module(text: str, name: str = "<ir>", blobs: Blobs | None = None) -> Module:
    """The module that `text` is the print of; `blobs` gives arrays by digest.

    Raises `CompileError` with the place of what is wrong.
    """
    source = Source(name, text)
    reader = _Reader(source, blobs)
    try:
        return reader.module(_tree(source))
    except RecursionError:
        raise CompileError((Diagnostic("this is nested too deep", reader.span(reader.at) if reader.at else Span(source, 0, 0)),)) from None


def parse_func(text: str) -> Func:
    """The one function in `text`."""
    (func,) = parse_module(text).funcs
    return func


UNFIT = (IndexError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, NotImplementedError)
DIGITS = 400  # of a number, more than any element has

# A comment stands on its own line or after two blanks: one blank before `//` is a quotient of sizes.
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?:^[ \t]*|[ \t]{2,})//[^\n]*', re.MULTILINE)


_ESCAPED = re.compile(r"\\(.)")


def _blank(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " " * len(found[0])


@cache
def _lark() -> Lark:
    grammar = (files("flowc.grammar") / "ir.lark").read_text()
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def _tree(source: Source) -> Node:
    try:
        return _lark().parse(_COMMENT.sub(_blank, source.text))  # type: ignore[return-value]
    except UnexpectedInput as wrong:
        ended = isinstance(wrong, UnexpectedToken) and wrong.token.type == "$END"
        at = len(source.text) if ended or wrong.pos_in_stream is None or wrong.pos_in_stream < 0 else wrong.pos_in_stream
        what = "character" if isinstance(wrong, UnexpectedCharacters) else "text"
        found = source.text[at : at + 12].split("\n")[0]
        message = f"unexpected {what} {found!r} in IR text" if found else "the IR text ends too early"
        raise CompileError((Diagnostic(message, Span(source, at, min(at + max(len(found), 1), len(source.text)))),)) from None


class _Reader:
    """Builds ops from trees; `named` is what is in scope."""

    def __init__(self, source: Source, blobs: Blobs | None) -> None:
        self.source, self.blobs = source, blobs
        self.named: dict[str, Value] = {}
        self.seen: dict[str, Value] = {}  # what was in scope at the end of the block read last
        self.sizes: dict[str, Size] = {}
        self.at: Node | None = None  # the function or op being read

    def module(self, tree: Node) -> Module:
        head, *rest = tree.children
        parts = [p for p in rest if isinstance(p, Tree)]
        states, funcs = ([p for p in parts if p.data == kind] for kind in ("state", "func"))
        for kind, trees in (("state", states), ("function", funcs)):
            self.once(kind, [p.children[0] for p in trees])
        title = str(head.children[0])[1:] if isinstance(head, Tree) else "module"
        return Module(title, tuple(map(self.func, funcs)), tuple(map(self.state, states)))

    def once(self, kind: str, names: Sequence[Any]) -> None:
        """Refuses a name that is given twice."""
        seen: set[str] = set()
        for name in names:
            if str(name) in seen:
                raise self.wrong(f"there are two {kind}s {name}", name)
            seen.add(str(name))

    def func(self, tree: Node) -> Func:
        name, *rest = tree.children
        self.named, self.sizes, self.at = {}, {}, tree
        parts = [c for c in rest if isinstance(c, Tree)]
        declared = [p for p in parts if p.data == "size"]
        self.once("size", [s.children[0] for s in declared])
        for s in declared:
            low, high = self.whole(s.children[1]), self.whole(s.children[2]) if s.children[2] else None
            if high is not None and high < low:
                raise self.wrong(f"the range {low}..{high} of {s.children[0]} is empty", s)
            self.sizes[str(s.children[0])] = Size(str(s.children[0]), low, high)
        params = next((p for p in parts if p.data == "params"), None)
        outputs = next((p for p in parts if p.data == "outputs"), None)
        fields = self.fields([a for a in parts if a.data == "attribute"], ("level",), "a function")
        body = self.block(params, parts[-1], "return")
        told = [o for o in (outputs.children if outputs else ()) if isinstance(o, Tree)]
        given = self.told([o.children[1] for o in told], parts[-1])
        if given != [r.type for r in body.results]:
            types = (", ".join(map(str, ts)) or "nothing" for ts in ([r.type for r in body.results], given))
            raise self.wrong("{} returns {}, not {}".format(name, *types), outputs or tree)
        names = tuple(str(o.children[0] or "")[1:] for o in told)
        return Func(str(name)[1:], body, names if any(names) else (), str(fields.get("level", "graph")), self.span(tree))

    def state(self, tree: Node) -> State:
        name, type, *attributes = tree.children
        assert isinstance(type, Tree)
        fields = self.fields([a for a in attributes if isinstance(a, Tree)], ("kind",), "a state")
        return State(str(name)[1:], self.type(type), str(fields.get("kind", "state")), self.span(tree))

    def fields(self, trees: list[Node], known: tuple[str, ...], what: str) -> dict[str, Any]:
        """The attributes of what is no op."""
        self.once("attribute", [t.children[0] for t in trees])
        for tree in trees:
            if str(tree.children[0]) not in known:
                raise self.wrong(f"{what} has no attribute {tree.children[0]}", tree, did_you_mean(str(tree.children[0]), known))
        return {str(t.children[0]): self.literal(t.children[1]) for t in trees}

    def told(self, types: Sequence[Any], body: Node) -> list[Type]:
        """The types a function says it returns; they may speak of sizes found inside it."""
        outer, self.named = self.named, self.seen
        try:
            return [self.type(t) for t in types]
        finally:
            self.named = outer

    def block(self, params: Node | None, tree: Node, end_word: str = "yield") -> Block:
        outer = dict(self.named)
        values = tuple(self.param(p) for p in (params.children if params else []) if isinstance(p, Tree))
        *ops, end = tree.children
        made = tuple(self.op(op) for op in ops if isinstance(op, Tree))
        if isinstance(end, Tree) and end.data != end_word:
            raise self.wrong(f"this block ends in {end_word}, not {end.data}", end)
        results = self.values(end.children[0]) if isinstance(end, Tree) else ()
        self.named, self.seen = outer, self.named
        return Block(values, made, results)

    def param(self, tree: Node) -> Value:
        name, type = tree.children
        assert isinstance(type, Tree)
        value = Value(self.type(type), None, _hint(str(name)))
        self.define(name, value)
        return value

    def define(self, name: Any, value: Value) -> None:
        if str(name) in self.named:
            raise self.wrong(f"{name} is defined twice", name)
        self.named[str(name)] = value

    def value(self, token: Any) -> Value:
        name = str(token if isinstance(token, Token) else token.children[0])
        if name not in self.named:
            near = did_you_mean(name, self.named)
            raise self.wrong(f"{name} is not defined here", token, near)
        return self.named[name]

    def values(self, tree: Any) -> tuple[Value, ...]:
        return tuple(self.value(v) for v in tree.children) if tree else ()

    def op(self, tree: Node) -> Op:
        results, name, *rest = tree.children
        self.at = tree
        parts = [c for c in rest if isinstance(c, Tree)]
        cls = OPS.get(str(name))
        if cls is None:
            raise self.wrong(f"there is no op {name}", name, did_you_mean(str(name), OPS))
        operands = [c for c in parts if c.data in ("value", "list", "symbol")]
        types = [self.type(t) for c in parts if c.data == "types" for t in c.children if isinstance(t, Tree)]
        fields = self.attributes(cls, [c for c in parts if c.data == "attribute"], types)
        regions = [c for c in parts if c.data == "region"]
        for field, kind in cls.form.items():
            if kind == "region" and regions:
                region = regions.pop(0)
                fields[field] = self.block(*region.children)  # type: ignore[arg-type]
            elif kind == "type" and types:
                fields[field] = types[0]
            elif kind == "types":
                fields[field] = tuple(types)
            elif kind in ("operand", "group", "dims", "symbol"):
                self.operand(cls, field, kind, operands, fields, tree)
        missing = [f for f in cls.form if f not in fields and f not in cls.defaults]
        if missing or operands or regions:
            raise self.wrong(
                f"{name} needs {', '.join(cls.form)}; " + (f"{missing[0]} is missing" if missing else "there is more here"), tree
            )
        hints = tuple(_hint(str(r)) for r in results.children) if isinstance(results, Tree) else ()
        device = str(fields.pop("device", ""))
        try:
            op = cls(**fields, hints=hints if any(hints) else (), location=self.span(tree), device=device)
        except OpError as error:
            raise self.wrong(str(error), tree) from None
        except UNFIT:
            raise self.wrong(f"{name} cannot be made of these operands and attributes", tree) from None
        if [r.type for r in op.results] != types:
            told, own = (", ".join(map(str, ts)) or "nothing" for ts in (types, [r.type for r in op.results]))
            raise self.wrong(f"{name} gives {own}, not {told}", tree)
        names = results.children if isinstance(results, Tree) else []
        if len(names) != len(op.results):
            raise self.wrong(f"{name} has {len(op.results)} result{'s' * (len(op.results) != 1)}, not {len(names)}", tree)
        for r, v in zip(names, op.results, strict=True):
            self.define(r, v)
        return op

    def operand(self, cls: type[Op], field: str, kind: str, operands: list[Node], fields: dict[str, Any], tree: Node) -> None:
        if not operands:
            if kind in ("group", "dims"):
                fields[field] = ()
            return
        wanted = {"operand": "value", "group": "list", "dims": "list", "symbol": "symbol"}[kind]
        part = operands.pop(0)
        if part.data != wanted:
            raise self.wrong(f"{field} of {cls.name} is not a {wanted}", part)
        inner = part.children[0]
        match kind:
            case "operand":
                fields[field] = self.value(inner)
            case "symbol":
                fields[field] = Symbol(str(inner)[1:])
            case "group":
                fields[field] = self.values(inner)
            case _:
                fields[field] = tuple(self.dim(d) for d in inner.children) if isinstance(inner, Tree) else ()

    def attributes(self, cls: type[Op], trees: list[Node], types: list[Type]) -> dict[str, Any]:
        hints = _hints(cls)
        fields: dict[str, Any] = {}
        self.once("attribute", [t.children[0] for t in trees])
        for tree in trees:
            name, value = str(tree.children[0]), self.literal(tree.children[1])
            if name not in hints or (cls.form.get(name) != "attribute" and name != "device"):
                raise self.wrong(f"{cls.name} has no attribute {name}", tree, did_you_mean(name, cls.form))
            fields[name] = self.attribute(hints[name], value, types, tree)
        return fields

    def attribute(self, hint: Any, value: Any, types: list[Type], tree: Node) -> Any:
        name = str(tree.children[0])
        if hint is Scalar and types:
            if not _element(value, types[0].dtype):
                raise self.wrong(f"{name}={_shown(value)} is no {types[0].dtype.value}", tree)
            return Scalar.of(value, types[0].dtype)
        if hint is Blob and types:
            return self.blob(value, types[0], tree)
        if isinstance(hint, type) and issubclass(hint, Enum):
            try:
                return hint(value)
            except ValueError:
                raise self.wrong(f"{value} is not one of {', '.join(str(m.value) for m in hint)}", tree) from None
        if not _fits(value, hint):
            raise self.wrong(f"{name}={_shown(value)} is of the wrong kind", tree)
        return float(value) if hint is float else value

    def blob(self, value: Any, type: Type, tree: Node) -> Blob:
        if isinstance(value, tuple):
            given = cast(tuple[Any, ...], value)
            if not all(_element(x, type.dtype) for x in given):
                raise self.wrong(f"not every element is {type.dtype.value}", tree)
            if len(given) != product(type.shape):
                raise self.wrong(f"{len(given)} elements for {type}", tree)
            elements = np.frombuffer(b"".join(Scalar.of(x, type.dtype).data for x in given), type.dtype.numpy)
            return Blob.of(elements.reshape(cast(tuple[int, ...], type.shape)), type.dtype)
        if not isinstance(value, str):
            raise self.wrong("a weight is a list of elements or a digest", tree)
        digest, blobs = str(value).removeprefix("sha256:"), self.blobs
        return Blob(digest, (lambda: blobs(digest)) if blobs else None)

    def type(self, tree: Node) -> Type:
        memory, dtype, dims = tree.children
        sizes = tuple(self.dim(d) for d in dims.children) if isinstance(dims, Tree) else ()
        if str(dtype) == "index" and sizes:
            return Type(DType.index, below=sizes[0])
        space = str(memory)[1:].rstrip(":") or "host" if memory else ""
        return Type(DType(str(dtype)), sizes, space)

    def dim(self, tree: Any) -> Dim:
        match tree.data:
            case "number":
                return self.whole(tree.children[0])
            case "size_name":
                name = str(tree.children[0])
                if name not in self.sizes:
                    raise self.wrong(f"the size {name} is not declared", tree, did_you_mean(name, self.sizes))
                return dim(self.sizes[name])
            case "value":
                return dim(self.value(tree.children[0]))
            case "neg":
                return -self.dim(tree.children[0])
            case _:
                x, y = map(self.dim, tree.children)
        match tree.data:
            case "add":
                return x + y
            case "sub":
                return x - y
            case "mul":
                return x * y
            case "floor":
                if at_most(y, 0):
                    raise self.wrong(f"a size is divided by {show(y)}", tree)
                return floor(x, y)
            case _:
                return least(x, y)

    def whole(self, token: Any) -> int:
        """A size: an integer of 64 bits."""
        text = str(token)
        if not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
            raise self.wrong(f"{text if len(text) < 40 else text[:20] + '...'} is no size: sizes are integers below 2^63", token)
        return int(text)

    def literal(self, tree: Any) -> Any:
        for token in tree.scan_values(lambda t: isinstance(t, Token) and t.type == "NUMBER" and len(t) > DIGITS):  # type: ignore[no-any-return]
            raise self.wrong(f"a number of {len(token)} characters is too long", token)
        try:
            return _literal(tree)
        except TypeError:
            raise self.wrong("only a number has a sign", tree) from None

    def span(self, tree: Any) -> Span:
        if isinstance(tree, Token):
            return Span(self.source, tree.start_pos or 0, tree.end_pos or 0)
        return Span(self.source, getattr(tree.meta, "start_pos", 0), getattr(tree.meta, "end_pos", 0))

    def wrong(self, message: str, tree: Any, help: str = "") -> CompileError:
        return CompileError((Diagnostic(message, self.span(tree), help=help),))


def _element(value: Any, dtype: DType) -> bool:
    """Whether a literal is an element of the dtype."""
    if dtype is DType.bool:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float) or dtype in (DType.token, DType.error):
        return False
    if dtype.is_float:
        return isinstance(value, float) or abs(value) < 1 << 1023
    low, high = (DType.i64 if dtype is DType.index else dtype).limits()
    return isinstance(value, int) and low <= value <= high


def _fits(value: Any, hint: Any) -> bool:
    """Whether a literal may stand in a field of that type."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        items = cast(tuple[Any, ...], value) if isinstance(value, tuple) else None
        each = inner[:1] * len(items or ()) if inner[1:] == (...,) else inner
        return items is not None and len(each) == len(items) and all(map(_fits, items, each))
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, h) for h in inner)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool)) if isinstance(hint, type) else True


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 40 else text[:37] + "..."


@cache
def _hints(cls: type[Op]) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _hint(name: str) -> str:
    bare = name[1:].strip('"')
    return "" if bare.isdigit() else bare


def _literal(tree: Any) -> Any:
    match tree.data:
        case "number":
            return _number(str(tree.children[0]))
        case "neg":
            return -_literal(tree.children[0])
        case "string":
            return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], str(tree.children[0][1:-1]))
        case "tuple":
            return tuple(_literal(c) for c in tree.children if c is not None)
        case _:
            word = str(tree.children[0])
            known: dict[str, Any] = {"true": True, "false": False, "none": None, "inf": float("inf"), "nan": float("nan")}
            return known.get(word, word)


def _number(text: str) -> Number:
    return int(text) if text.isdigit() else float(text)
