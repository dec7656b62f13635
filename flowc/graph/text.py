"""A graph of the IR as text of the language, from which the same graph is read again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, TypeAlias

import numpy as np

from flowc.errors import Diagnostic, UsageError
from flowc.ir.core import Block, Func, Op, Value, walk
from flowc.ir.data import INLINE, Scalar, element_text
from flowc.ir.dims import Dim, Polynomial, at_least, show
from flowc.ir.printer import sizes
from flowc.ir.types import DType, Type
from flowc.ops.arguments import Kind
from flowc.ops.call import REQUIRED, Parameter, parameters
from flowc.ops.control import Assert, CheckAtLeast, CheckEqual, Cond, Loop, Scan
from flowc.ops.elementwise import Cast
from flowc.ops.index import Gather
from flowc.ops.pad import Pad
from flowc.ops.slicing import Slice
from flowc.ops.tensor import Constant, SizeValue, Tensor, Weight

OR, AND, COMPARISON, SUM, PRODUCT, UNARY, POWER, POSTFIX, ATOM = range(9)  # how tightly an expression binds
BINDS: Mapping[str, int] = {
    "||": OR, "&&": AND, "==": COMPARISON, "!=": COMPARISON, "<": COMPARISON, "<=": COMPARISON, ">": COMPARISON, ">=": COMPARISON,
    "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "@": PRODUCT, "**": POWER,
}  # fmt: skip
RESERVED = (
    "along", "as", "assert", "const", "derivative", "device", "dim", "else", "emit", "false", "flow", "fn", "graph", "if", "import", "in",
    "limit", "loop", "new", "on", "param", "reduce", "return", "scan", "sha256", "state", "test", "true", "while", "within", "yield",
    "inf", "nan", "pi", "e",
)  # fmt: skip
WEAK = (DType.bool, DType.i32, DType.f32)  # what literals are that meet no tensor
INDENT = "  "

Text: TypeAlias = "tuple[str, int]"  # an expression, and how tightly it binds


def flow_text(func: Func) -> str:
    """The text of `func` as a graph in a file; raises `UsageError` for an op that the language has no words for yet."""
    names = tuple(s.name for s in sizes(func))
    writer = _Writer(Counter(v for block in _blocks(func.body) for v in _uses(block)), names, dict.fromkeys((*RESERVED, *names)))
    declared = [f"dim {s.name} in {s.low}..{'' if s.high is None else s.high}\n" for s in sizes(func) if (s.low, s.high) != (1, None)]
    formals = ", ".join(f"{writer.named(p)}: {_type(p.type)}" for p in func.body.params)
    lines = list(writer.statements(func.body, INDENT))
    given = [writer.text(r) for r in func.body.results]
    outputs = func.outputs or ("",) * len(given)
    bound = tuple(given) == outputs and not any(r in func.body.params for r in func.body.results)
    results = [f"{name}: " * bool(name) + _type(r.type) for name, r in zip(outputs, func.body.results, strict=True)]
    if not bound:
        lines.append(f"{INDENT}return {', '.join(given)}")
    returned = f"({', '.join(results)})" if any(outputs) or len(results) > 1 else results[0]
    head = f"graph {func.name}({formals}) -> {returned} {{"
    return "flow 1.0\n" + "".join(declared) + "\n" + "\n".join([head, *lines, "}"]) + "\n"


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for op in walk(block):
        yield from op.regions


def _uses(block: Block) -> Iterator[Value]:
    for op in block.ops:
        yield from op.operands
    yield from block.results


@dataclass
class _Writer:
    """Names given so far, and expressions that wait for the one place that reads them."""

    uses: Counter[Value]
    sizes: tuple[str, ...]
    taken: dict[str, None]
    of: dict[Value, Text] = field(default_factory=dict[Value, Text])

    def statements(self, block: Block, indent: str) -> Iterator[str]:
        own = dict.fromkeys(v for op in block.ops for v in op.operands) | dict.fromkeys(block.results)
        for op in block.ops:
            _check_writable(op)
            match op:
                case CheckEqual() | CheckAtLeast():
                    pass  # assumed by the ops they belong to
                case Assert(condition, what):
                    yield f'{indent}assert {self.text(condition)}, "{what}"'
                case Cond(which, then, orelse):
                    head = f"{indent}{self.bound(op)} = if {self.text(which, OR)} {{"
                    yield from (head, *self.side(then, indent), f"{indent}}} else {{", *self.side(orelse, indent), f"{indent}}}")
                case Loop():
                    yield from self.loop(op, indent)
                case Scan():
                    yield from self.scan(op, indent)
                case _:
                    text = self.expression(op)
                    x = op.result
                    if isinstance(op, Constant | SizeValue) or (self.uses[x] == 1 and x in own and not x.hint.isidentifier()):
                        self.of[x] = text
                    else:
                        yield f"{indent}{self.named(x)} = {text[0]}"

    def scan(self, op: Scan, indent: str) -> Iterator[str]:
        if op.backwards or op.stacked or any(op.step in inner.uses for inner in walk(op.body)):
            raise _missing(op)
        sequences, inits, bound = [self.text(x) for x in op.xs], [self.text(x) for x in op.init], self.bound(op)
        hidden = self.hide(op.body)
        over = [f"{self.named(p)} in {x}" for p, x in zip(op.slices, sequences, strict=True)]
        over = over or [f"{self.named(op.step)} in 0..{_size(op.steps[0])}"]
        carries = [f"{self.named(p)}: {_type(p.type)} = {x}" for p, x in zip(op.carries, inits, strict=True)]
        body = list(self.statements(op.body, indent + INDENT))
        m = len(op.init)
        given = [f"{word} {', '.join(map(self.text, rs))}" for word, rs in (("yield", op.body.results[:m]), ("emit", op.emits)) if rs]
        self.taken = hidden | self.taken
        yield f"{indent}{bound} = scan ({', '.join(over)}{'; ' * bool(carries)}{', '.join(carries)}) {{"
        yield from (*body, f"{indent}{INDENT}{' '.join(given)}", f"{indent}}}")

    def hide(self, *blocks: Block) -> dict[str, None]:
        """The names taken so far; within the blocks, those that they do not read are free again."""
        hidden = self.taken
        captured = [v for block in blocks for v in block.captured]
        self.taken = dict.fromkeys((*RESERVED, *self.sizes, *(self.of[v][0] for v in captured if v in self.of)))
        return hidden

    def side(self, block: Block, indent: str) -> Iterator[str]:
        yield from self.statements(block, indent + INDENT)
        yield f"{indent}{INDENT}yield {', '.join(self.text(r) for r in block.results)}"

    def loop(self, op: Loop, indent: str) -> Iterator[str]:
        inits, bound = [self.text(x) for x in op.init], self.bound(op)
        hidden = self.hide(*op.regions)
        carries = [f"{self.named(p)}: {_type(p.type)} = {x}" for p, x in zip(op.body.params, inits, strict=True)]
        self.of.update((p, self.of[q]) for p, q in zip(op.condition.params, op.body.params, strict=True))
        for inner in op.condition.ops:
            _check_writable(inner)
            self.of[inner.result] = self.expression(inner)
        condition = self.text(op.condition.results[0], OR)
        limit = f" limit {_size(op.limit[0])}" if op.limit else ""
        body = list(self.side(op.body, indent))
        self.taken = hidden | self.taken
        yield f"{indent}{bound} = loop ({', '.join(carries)}) while {condition}{limit} {{"
        yield from (*body, f"{indent}}}")

    def bound(self, op: Op) -> str:
        return ", ".join(self.named(r) for r in op.results)

    def named(self, x: Value) -> str:
        """The value's own name, told apart from those given before."""
        wanted = re.sub(r"\W", "_", x.hint) or "x"
        wanted = wanted if wanted.isidentifier() else f"x{wanted}"
        name = next(n for n in chain((wanted,), (f"{wanted}_{k}" for k in count(2))) if n not in self.taken)
        self.taken[name] = None
        self.of[x] = name, ATOM
        return name

    def text(self, x: Value, binds: int = OR) -> str:
        """The expression of x, in parentheses where it binds less tightly than its place."""
        text, own = self.of[x]
        if own == ATOM and isinstance(x.op, Constant) and not x.type.rank:
            text, own = _with_dtype(x, text, own)
        return text if own >= binds else f"({text})"

    def beside(self, x: Value, others: Sequence[Value], binds: int) -> str:
        """The same where x is an operand beside others, whose dtype a literal takes."""
        weak = isinstance(x.op, Constant | SizeValue) and not x.type.rank
        if weak and any(not isinstance(o.op, Constant | SizeValue) or o.type.rank for o in others):
            text, own = self.of[x]
            return text if own >= binds else f"({text})"
        return self.text(x, binds)

    def expression(self, op: Op) -> Text:
        match op:
            case Constant(value, type):
                text = str(value)
                return (text, UNARY if text.startswith("-") else ATOM) if not type.rank else (f"full({_shape(type.shape)}, {text})", ATOM)
            case Weight(_, blob, type) if blob.array.size <= INLINE:
                text = _array(blob.array, type.dtype)
                return (text, ATOM) if type.dtype in WEAK else (f"{text} as {type.dtype.value}", POSTFIX)
            case SizeValue((d,), type):
                return _size(d), ATOM if isinstance(d, int) or re.fullmatch(r"\w+", _size(d)) else SUM
            case Cast(x, dtype):
                return f"{self.text(x, POSTFIX)} as {dtype.value}", POSTFIX
            case Slice(x, start, size, step):
                parts = [_part(*p) for p in zip(start, size, step, x.type.shape, strict=True)]
                return f"{self.text(x, POSTFIX)}[{', '.join(parts)}]", POSTFIX
            case Gather():
                return self.gather(op), POSTFIX
            case Tensor() if op.infix:
                return self.binary(op)
            case Tensor() if op.public:
                return f"{op.name}({', '.join(self.arguments(op))})", POSTFIX
            case _:
                raise _missing(op)

    def binary(self, op: Tensor) -> Text:
        x, y = op.operands
        binds = BINDS[op.infix]
        left, right = {POWER: (POSTFIX, UNARY), COMPARISON: (SUM, SUM)}.get(binds, (binds, binds + 1))
        return f"{self.beside(x, (y,), left)} {op.infix} {self.beside(y, (x,), right)}", binds

    def gather(self, op: Gather) -> str:
        near = all(b - a == 1 for a, b in zip(op.axes, op.axes[1:], strict=False))
        if op.place != (min(op.axes) if near else 0):
            raise _missing(op)
        ids = dict(zip(op.axes, op.ids, strict=True))
        parts = [self.text(ids[a]) if a in ids else ":" for a in range(max(op.axes) + 1)]
        return f"{self.text(op.x, POSTFIX)}[{', '.join(parts)}]"

    def arguments(self, op: Tensor) -> Iterator[str]:
        """The arguments of a call: the first without names, the rest by name, without what is left out anyway."""
        named = False
        for p in parameters(type(op)):
            value = _given(op, p)
            if value == p.default or (p.kind is Kind.axes and value == tuple(range(op.operands[0].type.rank))):
                named = True
                continue
            named = named or p.named or p.kind in (Kind.axis, Kind.axes)
            yield f"{p.name}=" * named + self.argument(op, p, value)

    def argument(self, op: Tensor, p: Parameter, value: Any) -> str:
        match value:
            case Value():
                sharing = [n for n, kind in op.form.items() if kind == "operand" and n != p.name and (not op.same or n in op.same)]
                literal = p.dtype is not None and value.type.dtype is p.dtype and isinstance(value.op, Constant)
                shared = [getattr(op, n) for n in sharing] if not op.same or p.name in op.same else []
                return self.of[value][0] if literal else self.beside(value, shared, OR)
            case _ if p.kind is Kind.tensors:
                items = ", ".join(self.beside(v, value, OR) for v in value)
                return items if p.variadic else f"[{items}]"
            case (one,) if p.kind in (Kind.axis, Kind.axes, Kind.size):
                return _attribute(one)
            case _:
                return _attribute(value)


def _given(op: Tensor, p: Parameter) -> Any:
    """What a call that makes the op passes for a formal."""
    match op, p:
        case Pad(before=before, after=after), Parameter(kind=Kind.pairs):
            return tuple(zip(before, after, strict=True))
        case _, Parameter(name=name) if hasattr(op, name):
            return getattr(op, name)
        case _, Parameter(kind=Kind.dtype):
            return op.result.type.dtype
        case _, Parameter(name="shape"):
            return op.result.type.shape
        case _ if p.default is not REQUIRED:
            return p.default
        case _:
            raise _missing(op)


def _check_writable(op: Op) -> None:
    if op.device not in ("", "cpu:0"):
        raise UsageError((Diagnostic(f"the .flow text of ops placed on a device, {op.device}, is not there yet", op.location),))


def _missing(op: Op) -> UsageError:
    return UsageError((Diagnostic(f"the .flow text of {op.name} is not there yet", op.location, help="print the IR instead"),))


def _with_dtype(x: Value, text: str, own: int) -> Text:
    """A literal that meets no tensor, with the dtype it has."""
    known = x.type.dtype in WEAK
    return (text, own) if known else (f"{text} as {x.type.dtype.value}", POSTFIX)


def _part(start: Dim, size: Dim, step: int, n: Dim) -> str:
    """The slice of an axis of `n`."""
    if (start, size, step) == (0, n, 1):
        return ":"
    stop = start + size * step
    if step < 0 and (isinstance(stop, int) and stop < 0 or not at_least(stop, 0)):
        return f"{_size(start)}::{step}"
    return f"{_size(start)}:{_size(stop)}" + f":{step}" * (step != 1)


def _type(type: Type) -> str:
    return type.dtype.value + (f"[{', '.join(map(_size, type.shape))}]" if type.shape else "")


def _size(d: Dim) -> str:
    """The size as an expression of the language, laid out as its formatter does."""
    return re.sub(r"\*|//", lambda m: f" {m[0]} ", show(d).replace(" // ", "//"))


def _shape(shape: Sequence[Dim]) -> str:
    return f"[{', '.join(map(_size, shape))}]"


def _array(array: np.ndarray[Any, Any], dtype: DType) -> str:
    return f"[{', '.join(_array(row, dtype) for row in array)}]" if array.ndim else element_text(array[()], dtype)


def _attribute(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case DType():
            return value.value
        case Polynomial():
            return _size(value)
        case Scalar():
            return str(value)
        case tuple():
            return f"[{', '.join(map(_attribute, value))}]"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)
