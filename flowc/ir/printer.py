"""The textual IR: one uniform syntax for every op at every level."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, cast

from flowc.ir import VERSION
from flowc.ir.core import Block, Func, Module, Op, Value
from flowc.ir.dims import Dim, Size, show
from flowc.ir.types import Type

INDENT = "  "


def print_module(module: Module, locations: bool = False) -> str:
    """The text of a module: its head, the states, the functions."""
    states = [f"state @{s.name}: {s.type} kind={_attribute(s.kind)}\n" for s in module.states]
    parts = ["".join(states)] * bool(states) + [print_func(f, locations=locations) for f in module.funcs]
    return f"// flowc ir {VERSION}\nmodule @{module.name}\n" + "".join("\n" + p for p in parts)


def print_func(func: Func, anonymous: bool = False, locations: bool = False) -> str:
    """The text of `func`; anonymous, values are numbers only; with `locations`, each op's place is a comment."""
    names = _Names(anonymous, locations)
    declared = ", ".join(f"{s.name} in {s.low}..{'' if s.high is None else s.high}" for s in sizes(func))
    params = ", ".join(f"{names.define(p)}: {names.type(p.type)}" for p in func.body.params)
    lines = list(_block(func.body, names, INDENT, "return"))
    outputs = func.outputs or tuple("" for _ in func.body.results)
    results = ", ".join(f"%{name}: " * bool(name) + names.type(r.type) for name, r in zip(outputs, func.body.results, strict=True))
    head = f"func @{func.name}" + f"[{declared}]" * bool(declared) + f"({params})" + f" -> ({results})" * bool(func.body.results)
    return "\n".join([head + f' level="{func.level}"' * (func.level != "graph") + " {", *lines, "}"]) + "\n"


def sizes(func: Func) -> tuple[Size, ...]:
    """The named sizes a function speaks of, in order of first appearance."""
    return func.sizes


class _Names:
    """Gives every value its hint, or the next number; names inside a region end with it."""

    def __init__(self, anonymous: bool = False, locations: bool = False) -> None:
        self.anonymous, self.locations = anonymous, locations
        self.of: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.next = 0
        self.last: dict[str, int] = {}  # the highest number in use behind a hint
        self.log: list[tuple[Value, str | None, str, int]] = []

    def define(self, value: Value) -> str:
        name = hint = value.hint
        last = self.last.get(hint, 1)
        if not name or self.anonymous or name.isdigit():
            name, self.next = str(self.next), self.next + 1
        elif name in self.taken:
            self.last[hint] = next(n for n in itertools.count(last + 1) if f"{hint}.{n}" not in self.taken)
            name = f"{hint}.{self.last[hint]}"
        self.log.append((value, self.of.get(value), name, last))
        self.taken.add(name)
        self.of[value] = f"%{name}" if re.fullmatch(r"[\w.]+", name) else f'%"{name}"'
        return self.of[value]

    def leave(self, mark: tuple[int, int]) -> None:
        """Forgets what was defined since `mark`, a pair of log length and next number."""
        while len(self.log) > mark[0]:
            value, old, name, self.last[value.hint] = self.log.pop()
            self.taken.discard(name)
            if old is None:
                del self.of[value]
            else:
                self.of[value] = old
        self.next = mark[1]

    def dim(self, d: Dim) -> str:
        return show(d, False, lambda a: self.of[a] if isinstance(a, Value) else str(a))

    def type(self, t: Type) -> str:
        return t.text(self.dim)


def _block(block: Block, names: _Names, indent: str, end: str) -> Iterator[str]:
    for op in block.ops:
        yield from _op(op, names, indent)
    if block.results:
        yield f"{indent}{end} " + ", ".join(names.of[r] for r in block.results)


def _op(op: Op, names: _Names, indent: str) -> Iterator[str]:
    text, separator = op.name, " "
    for part in operand_texts(op, names.of.__getitem__, names.dim):
        text += separator + part
        separator = ", "
    text += "".join(f" {n}={_attribute(v)}" for n, v in op.attributes.items() if n not in op.defaults or v != op.defaults[n])
    text += f" device={_attribute(op.device)}" * bool(op.device)
    head = ", ".join(names.define(r) for r in op.results)
    if op.results:
        text += " : " + ", ".join(names.type(r.type) for r in op.results)
    line = f"{indent}{head} = {text}" if head else f"{indent}{text}"
    place = f"  // {op.location}" if names.locations and op.location is not None else ""
    if not op.regions:
        yield line + place
        return
    for region in op.regions:
        mark = len(names.log), names.next
        params = ", ".join(f"{names.define(p)}: {names.type(p.type)}" for p in region.params)
        yield f"{line} ({params}) {{{place}"
        yield from _block(region, names, indent + INDENT, "yield")
        names.leave(mark)
        line, place = indent + "}", ""
    yield indent + "}"


def operand_texts(op: Op, name: Callable[[Value], str], dim: Callable[[Dim], str]) -> list[str]:
    """Operands, groups, dims and symbols in field order; empty lists at the end are left out."""
    texts: list[str] = []
    for field, kind in op.form.items():
        value = getattr(op, field)
        match kind:
            case "operand":
                texts.append(name(value))
            case "group":
                texts.append("[" + ", ".join(map(name, value)) + "]")
            case "dims":
                texts.append("[" + ", ".join(map(dim, value)) + "]")
            case "symbol":
                texts.append(f"@{value}")
            case _:
                pass
    while texts and texts[-1] == "[]":
        texts.pop()
    return texts


def _attribute(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
        case tuple():
            return "(" + ", ".join(map(_attribute, cast(tuple[Any, ...], value))) + ")"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case Enum():
            return str(value.value)
        case float() if math.isnan(value):
            return "nan"
        case _:
            return str(value)
